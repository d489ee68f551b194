"""The client's exceptions, and the table that picks one for an error response."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class MoovError(Exception):
    """The base class of this client's errors. The text contains no secret and no token."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with all attributes, so that errors can be passed between processes."""
        return _restore, (type(self), self.args), vars(self)


def _restore(kind: type[MoovError], args: tuple[object, ...]) -> MoovError:
    return kind.__new__(kind, *args)


class TransportError(MoovError):
    """There was no response: the network, TLS or HTTP failed.

    `request_sent` is False only if the server cannot have received the request (no connection was made).
    """

    def __init__(self, message: str, *, request_sent: bool) -> None:
        super().__init__(message)
        self.request_sent = request_sent


class ProtocolError(MoovError):
    """The response breaks the contract: not JSON, a missing or mistyped member, a redirect, too long."""


class TokenRequestError(MoovError):
    """The server sent an error response (RFC 6749 §5.2): a 4xx or 5xx status.

    Attributes:
        status: the HTTP status, 400 to 599.
        code: the `error` member of the body, or None.
        fields: the other string members, such as the field errors of the dated contract's 422.
        request_id: the `x-request-id` header; Moov's support asks for it.
        reason: the `X-Mockmoov-Reason` header, which only mockmoov sends.
        retry_after: seconds to wait before the next request, from `Retry-After`.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        fields: Mapping[str, str] = MappingProxyType({}),
        request_id: str | None = None,
        reason: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.fields = dict(fields)
        self.request_id = request_id
        self.reason = reason
        self.retry_after = retry_after


class InvalidRequestError(TokenRequestError):
    """The request is malformed."""


class InvalidClientError(TokenRequestError):
    """The client_id or the client_secret is wrong, or the API key is disabled."""


class InvalidGrantError(TokenRequestError):
    """The refresh token is unknown, expired, revoked or used up: create a new token."""


class UnauthorizedClientError(TokenRequestError):
    """The client may not use this grant, or the token belongs to another client."""


class UnsupportedGrantTypeError(TokenRequestError):
    """The server does not know the grant type."""


class InvalidScopeError(TokenRequestError):
    """A scope is malformed, unknown, not allowed, or wider than the granted scope."""


class RateLimitError(TokenRequestError):
    """Too many requests. `retry_after` says how long to wait."""


class ServerError(TokenRequestError):
    """The server failed, or a gateway in front of it did."""


# The class for an error response of either contract, by status, class of status, error code or field. The
# first match in this order wins.
ERROR_CLASSES: Mapping[tuple[str, int | str | None], type[TokenRequestError]] = {
    ("status", 401): InvalidClientError,
    ("status", 429): RateLimitError,
    ("class", 5): ServerError,
    ("code", "invalid_request"): InvalidRequestError,
    ("code", "invalid_client"): InvalidClientError,
    ("code", "invalid_grant"): InvalidGrantError,
    ("code", "unauthorized_client"): UnauthorizedClientError,
    ("code", "unsupported_grant_type"): UnsupportedGrantTypeError,
    ("code", "invalid_scope"): InvalidScopeError,
    ("field", "refresh_token"): InvalidGrantError,
    ("field", "scope"): InvalidScopeError,
    ("field", "token"): InvalidRequestError,
    ("field", "token_type_hint"): InvalidRequestError,
}


def error_class(status: int, code: str | None, fields: Mapping[str, str]) -> type[TokenRequestError]:
    """The exception class of an error response: `TokenRequestError` if the table has no row for it."""
    keys = [("status", status), ("class", status // 100), ("code", code), *(("field", f) for f in fields)]
    return next((ERROR_CLASSES[key] for key in keys if key in ERROR_CLASSES), TokenRequestError)
