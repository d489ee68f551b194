"""The client's three operations, each as a generator without I/O that a sync or an async driver runs.

A flow yields an `httpx2.Request`, and the driver sends it the `httpx2.Response` or the `httpx2.HTTPError`.
Or it yields a `Wait`, and the driver sends it None. It returns the operation's result, or raises `MoovError`.
"""

from base64 import b64encode
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, Literal, NotRequired, TypedDict, TypeVar
from urllib.parse import quote_plus

import httpx2

from mockmoov.client.errors import MoovError
from mockmoov.client.responses import Reader, SentRequest, as_none, as_token, read_response
from mockmoov.client.retry import NO_RETRY, NOT_PROCESSED, SAFE_TO_REPEAT, Retry, Wait
from mockmoov.client.tokens import Token, is_printable

MOOV_API = "https://api.moov.io"

T = TypeVar("T")
TokenTypeHint = Literal["access_token", "refresh_token"]
Step = httpx2.Request | Wait
StepResult = httpx2.Response | httpx2.HTTPError | None
Flow = Generator[Step, StepResult, T]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Operation(Generic[T]):
    path: str
    success: Mapping[int, Reader[T]]
    repeat_on: frozenset[int]


_CREATE = _Operation(path="/oauth2/token", success={200: as_token}, repeat_on=SAFE_TO_REPEAT)
_REFRESH = _Operation(path="/oauth2/token", success={200: as_token}, repeat_on=NOT_PROCESSED)
_REVOKE = _Operation(path="/oauth2/revoke", success={204: as_none, 200: as_none}, repeat_on=SAFE_TO_REPEAT)


def utc_now() -> datetime:
    """The current time, aware."""
    return datetime.now(UTC)


class ClientOptions(TypedDict):
    """The options of all clients.

    client_id, client_secret: an API key's public and secret key; printable ASCII.
    client_auth: `basic` (the default), percent-encoded according to RFC 6749 §2.3.1, or `body`.
    moov_version: the `X-Moov-Version` header, such as `v2024.01.00`. By default it is not sent.
    origin: the `Origin` header, one of the key's registered domains. By default it is not sent.
    retry: a `Retry`. By default no request is repeated.
    clock: returns the current time as an aware datetime. By default the system's clock.
    """

    client_id: str
    client_secret: str
    client_auth: NotRequired[Literal["basic", "body"]]
    moov_version: NotRequired[str | None]
    origin: NotRequired[str | None]
    retry: NotRequired[Retry | None]
    clock: NotRequired[Callable[[], datetime]]


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenFlows:
    """The three operations, with their options (see `ClientOptions`). The repr contains no secret."""

    client_id: str
    client_secret: str = field(repr=False)
    base_url: str = MOOV_API
    client_auth: Literal["basic", "body"] = "basic"
    moov_version: str | None = None
    origin: str | None = None
    retry: Retry | None = None
    clock: Callable[[], datetime] = utc_now

    def __post_init__(self) -> None:
        require_printable(
            client_id=self.client_id,
            client_secret=self.client_secret,
            moov_version=self.moov_version,
            origin=self.origin,
        )
        if self.client_auth not in _CLIENT_AUTH:
            raise ValueError("client_auth must be 'basic' or 'body'")
        try:
            check_base_url(self.base_url)
        except ValueError as error:
            raise ValueError(f"base_url {error}") from None

    @property
    def retry_policy(self) -> Retry:
        """The `retry` option, or its default."""
        return self.retry or NO_RETRY

    def now(self) -> datetime:
        """The clock's time. Raises `ValueError` if it is not aware."""
        now = self.clock()
        if now.tzinfo is None:
            raise ValueError("clock must return an aware datetime")
        return now

    def headers(self) -> dict[str, str]:
        """The headers of every request to Moov, token requests and others."""
        headers = {"X-Moov-Version": self.moov_version, "Origin": self.origin}
        return {name: value for name, value in headers.items() if value is not None}

    def create(self, scope: str | Iterable[str], client_type: str | None = None) -> Flow[Token]:
        """Request a token with client_credentials (RFC 6749 §4.4)."""
        form = {"grant_type": "client_credentials", "scope": join_scopes(scope), "client_type": client_type}
        return self._exchange(_CREATE, form)

    def refresh(self, token: Token | str, scope: str | Iterable[str] | None = None) -> Flow[Token]:
        """Exchange a refresh token for a new pair (RFC 6749 §6), optionally with a narrower `scope`."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": token.refresh_token if isinstance(token, Token) else token,
            "scope": None if scope is None else join_scopes(scope),
        }
        return self._exchange(_REFRESH, form)

    def revoke(self, token: Token | str, token_type_hint: TokenTypeHint | None = None) -> Flow[None]:
        """Revoke a token (RFC 7009 §2.1). Of a `Token`, the hinted one; without a hint the refresh token."""
        if token_type_hint not in (None, "access_token", "refresh_token"):
            raise ValueError("token_type_hint must be 'access_token' or 'refresh_token'")
        if isinstance(token, Token):
            token_type_hint = token_type_hint or "refresh_token"
            tokens = {"access_token": token.access_token, "refresh_token": token.refresh_token}
            token = tokens[token_type_hint]
        return self._exchange(_REVOKE, {"token": token, "token_type_hint": token_type_hint})

    def _exchange(self, operation: _Operation[T], form: Mapping[str, str | None]) -> Flow[T]:
        require_printable(**form)
        return self._attempts(operation, {name: value for name, value in form.items() if value is not None})

    def _attempts(self, operation: _Operation[T], form: dict[str, str]) -> Flow[T]:
        attempt = 0
        while True:
            attempt += 1
            request, sent = self._request(operation.path, form)
            response = yield request
            try:
                return read_response(response, operation.success, sent)
            except MoovError as error:
                wait = self.retry_policy.wait_after(error, attempt, operation.repeat_on)
                if wait is None:
                    raise
            yield wait

    def _request(self, path: str, form: dict[str, str]) -> tuple[httpx2.Request, SentRequest]:
        url = self.base_url.rstrip("/") + path
        headers, members = _CLIENT_AUTH[self.client_auth](self.client_id, self.client_secret)
        headers = {"Accept": "application/json", "User-Agent": "mockmoov-client"} | self.headers() | headers
        # The time is read before the request is sent, so that no token seems to live longer than it does.
        sent = SentRequest(url=url, sent_at=self.now(), secrets=self._secrets(form))
        return httpx2.Request("POST", url, headers=headers, data=form | members), sent

    def _secrets(self, form: Mapping[str, str]) -> tuple[str, ...]:
        """Everything that an error must not quote, in each form that a server could echo."""
        secrets = [self.client_secret, form.get("refresh_token", ""), form.get("token", "")]
        return _basic(self.client_id, self.client_secret), *secrets, *map(quote_plus, secrets)


def _basic(client_id: str, client_secret: str) -> str:
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"  # RFC 6749 §2.3.1
    return b64encode(pair.encode("ascii")).decode("ascii")


# How the client authenticates: headers and form members, by `client_auth`.
_CLIENT_AUTH: Mapping[str, Callable[[str, str], tuple[dict[str, str], dict[str, str]]]] = {
    "basic": lambda key, secret: ({"Authorization": f"Basic {_basic(key, secret)}"}, {}),
    "body": lambda key, secret: ({}, {"client_id": key, "client_secret": secret}),
}


def require_printable(**values: str | None) -> None:
    """Raise a `ValueError` that names, but does not quote, a value that is empty or not printable ASCII."""
    for name, value in values.items():
        if value is not None and not is_printable(value):
            raise ValueError(f"{name} must be printable ASCII and not empty")


def join_scopes(scope: str | Iterable[str]) -> str:
    """The scopes as one string with single spaces (RFC 6749 §3.3). Raises `ValueError` if there are none."""
    words = scope.split() if isinstance(scope, str) else [word for item in scope for word in item.split()]
    require_printable(scope=" ".join(words))
    return " ".join(words)


def check_base_url(base_url: str) -> None:
    """Raise `ValueError` unless this is http or https, a host, and optionally a port and a path.

    The text of the error is a predicate: the caller puts the name of its argument in front of it.
    """
    try:
        url = httpx2.URL(base_url)
    except (httpx2.InvalidURL, ValueError):
        raise ValueError("is not a valid URL") from None
    if url.userinfo:
        raise ValueError("must not contain credentials")
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("must begin with http:// or https:// and a host")
    if url.query or url.fragment:
        raise ValueError("must not have a query string or a fragment")
