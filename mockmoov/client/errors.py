"""Owns the client's exceptions and the table from answer to exception; it must not know HTTP messages."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class MoovError(Exception):
    """Anything this client raises about a request it made. Its text holds no secret and no token."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with all attributes, so that errors survive the way between processes."""
        return _restore, (type(self), self.args), vars(self)


def _restore(kind: type[MoovError], args: tuple[object, ...]) -> MoovError:
    return kind.__new__(kind, *args)


class TransportError(MoovError):
    """No answer came: the network, TLS or HTTP itself failed.

    `request_sent` is False only where the server certainly never saw the request (no connection was made).
    """

    def __init__(self, message: str, *, request_sent: bool) -> None:
        super().__init__(message)
        self.request_sent = request_sent


class ProtocolError(MoovError):
    """An answer came that breaks the contract: not JSON, a member missing or ill-typed, a redirect, huge."""


class TokenRequestError(MoovError):
    """The server refused (RFC 6749 §5.2), or failed with, a 4xx or 5xx status.

    Attributes:
        status: the HTTP status, 400 to 599.
        code: the `error` member of the body, or None where there is none.
        fields: the other text members: field name to complaint, as the dated contract's 422 has them.
        request_id: the `x-request-id` header, to quote to Moov's support.
        reason: the `X-Mockmoov-Reason` header, which only the fake sends.
        retry_after: seconds to wait before asking again, from `Retry-After`.
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
    """The request itself is malformed."""


class InvalidClientError(TokenRequestError):
    """The client id or the secret is wrong, or the key is disabled."""


class InvalidGrantError(TokenRequestError):
    """The refresh token is unknown, expired, revoked or used up: mint anew."""


class UnauthorizedClientError(TokenRequestError):
    """This client may not do this: the grant, or another client's token."""


class UnsupportedGrantTypeError(TokenRequestError):
    """The server does not know the grant type."""


class InvalidScopeError(TokenRequestError):
    """A scope is malformed, unknown, not allowed, or wider than what was granted."""


class RateLimitError(TokenRequestError):
    """Too many requests; `retry_after` says how long to wait."""


class ServerError(TokenRequestError):
    """The server, or a gateway before it, failed."""


KINDS: Mapping[tuple[str, int | str | None], type[TokenRequestError]] = {
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
"""What a refusal means, under either contract. The first match wins: status, class, code, then fields."""


def kind_of(status: int, code: str | None, fields: Mapping[str, str]) -> type[TokenRequestError]:
    """The class of exception for a refusal; `TokenRequestError` itself where the table has no row."""
    keys = [("status", status), ("class", status // 100), ("code", code), *(("field", f) for f in fields)]
    return next((KINDS[key] for key in keys if key in KINDS), TokenRequestError)
