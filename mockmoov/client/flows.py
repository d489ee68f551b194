"""Owns the three operations as generators of requests; it must not know sockets, sleeping or sync from async.

A flow yields an `httpx2.Request` and is sent the `httpx2.Response`, or the `httpx2.HTTPError` that came
instead; or it yields a `Wait` and is sent None. It returns the operation's result or raises a `MoovError`.
"""

from base64 import b64encode
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, Literal, NotRequired, TypedDict, TypeVar
from urllib.parse import quote_plus

import httpx2

from mockmoov.client.errors import MoovError
from mockmoov.client.responses import Asked, Reader, as_nothing, as_token, read_answer
from mockmoov.client.retry import NO_RETRY, NOT_PROCESSED, SAFE_TO_REPEAT, Retry, Wait
from mockmoov.client.sanitize import require_printable
from mockmoov.client.tokens import Token

MOOV_API = "https://api.moov.io"

T = TypeVar("T")
Hint = Literal["access_token", "refresh_token"]
Step = httpx2.Request | Wait
Outcome = httpx2.Response | httpx2.HTTPError | None
Flow = Generator[Step, Outcome, T]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Operation(Generic[T]):
    path: str
    success: Mapping[int, Reader[T]]
    repeat_on: frozenset[int]


_CREATE = _Operation(path="/oauth2/token", success={200: as_token}, repeat_on=SAFE_TO_REPEAT)
_REFRESH = _Operation(path="/oauth2/token", success={200: as_token}, repeat_on=NOT_PROCESSED)
_REVOKE = _Operation(
    path="/oauth2/revoke", success={204: as_nothing, 200: as_nothing}, repeat_on=SAFE_TO_REPEAT
)


def utc_now() -> datetime:
    """The wall clock, aware."""
    return datetime.now(UTC)


class ClientOptions(TypedDict):
    """What every client here takes, by keyword.

    client_id, client_secret: an API key's public and secret key; printable ASCII.
    client_auth: `basic` (the default), percent-encoded per RFC 6749 §2.3.1, or `body`.
    moov_version: sent as `X-Moov-Version`, such as `v2024.01.00`; without it the header is not sent.
    origin: sent as `Origin`, one of the key's registered domains.
    retry: a `Retry`; without one nothing is repeated.
    clock: gives the time now as an aware datetime; the wall clock by default.
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
    """The sans-IO core: one configuration (see `ClientOptions`), three operations. Its repr has no secret."""

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
        _require_base_url(self.base_url)

    @property
    def patience(self) -> Retry:
        """The retry policy in force."""
        return self.retry or NO_RETRY

    def now(self) -> datetime:
        """The clock's time; `ValueError` where it is not aware."""
        now = self.clock()
        if now.tzinfo is None:
            raise ValueError("clock must give an aware datetime")
        return now

    def headers(self) -> dict[str, str]:
        """The headers that every request to Moov carries, token requests and others."""
        given = {"X-Moov-Version": self.moov_version, "Origin": self.origin}
        return {name: value for name, value in given.items() if value is not None}

    def create(self, scope: str | Iterable[str], client_type: str | None = None) -> Flow[Token]:
        """Mint with client_credentials (RFC 6749 §4.4)."""
        form = {"grant_type": "client_credentials", "scope": join_scopes(scope), "client_type": client_type}
        return self._exchange(_CREATE, form)

    def refresh(self, token: Token | str, scope: str | Iterable[str] | None = None) -> Flow[Token]:
        """Trade a refresh token for a new pair (RFC 6749 §6), narrowed to `scope` where given."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": token.refresh_token if isinstance(token, Token) else token,
            "scope": None if scope is None else join_scopes(scope),
        }
        return self._exchange(_REFRESH, form)

    def revoke(self, token: Token | str, token_type_hint: Hint | None = None) -> Flow[None]:
        """Revoke one token (RFC 7009 §2.1); of a `Token` the hinted one, by default the refresh token."""
        if token_type_hint not in _HINTED:
            raise ValueError("token_type_hint must be 'access_token' or 'refresh_token'")
        if isinstance(token, Token):
            token_type_hint = token_type_hint or "refresh_token"
            token = _HINTED[token_type_hint](token)
        return self._exchange(_REVOKE, {"token": token, "token_type_hint": token_type_hint})

    def _exchange(self, operation: _Operation[T], form: Mapping[str, str | None]) -> Flow[T]:
        require_printable(**form)
        return self._attempts(operation, {name: value for name, value in form.items() if value is not None})

    def _attempts(self, operation: _Operation[T], form: dict[str, str]) -> Flow[T]:
        attempt = 0
        while True:
            attempt += 1
            request, asked = self._request(operation.path, form)
            outcome = yield request
            try:
                return read_answer(outcome, operation.success, asked)
            except MoovError as error:
                wait = self.patience.wait_after(error, attempt, operation.repeat_on)
                if wait is None:
                    raise
            yield wait

    def _request(self, path: str, form: dict[str, str]) -> tuple[httpx2.Request, Asked]:
        url = self.base_url.rstrip("/") + path
        headers, members = _CLIENT_AUTH[self.client_auth](self.client_id, self.client_secret)
        headers = {"Accept": "application/json", "User-Agent": "mockmoov-client"} | self.headers() | headers
        # The clock is read before asking: a lifetime counted from here never ends too late.
        asked = Asked(url=url, now=self.now(), secrets=self._secrets(form))
        return httpx2.Request("POST", url, headers=headers, data=form | members), asked

    def _secrets(self, form: Mapping[str, str]) -> tuple[str, ...]:
        """What no error may show, in every form in which a server could echo it."""
        plain = [self.client_secret, form.get("refresh_token", ""), form.get("token", "")]
        return _basic(self.client_id, self.client_secret), *plain, *map(quote_plus, plain)


_HINTED: Mapping[str | None, Callable[[Token], str]] = {
    None: lambda token: token.refresh_token,
    "refresh_token": lambda token: token.refresh_token,
    "access_token": lambda token: token.access_token,
}


def _basic(client_id: str, client_secret: str) -> str:
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"  # RFC 6749 §2.3.1
    return b64encode(pair.encode("ascii")).decode("ascii")


_CLIENT_AUTH: Mapping[str, Callable[[str, str], tuple[dict[str, str], dict[str, str]]]] = {
    "basic": lambda key, secret: ({"Authorization": f"Basic {_basic(key, secret)}"}, {}),
    "body": lambda key, secret: ({}, {"client_id": key, "client_secret": secret}),
}
"""How the client says who it is: headers and form members."""


def join_scopes(scope: str | Iterable[str]) -> str:
    """Scopes as one string with single spaces (RFC 6749 §3.3); `ValueError` where there is none."""
    words = scope.split() if isinstance(scope, str) else [word for item in scope for word in item.split()]
    require_printable(scope=" ".join(words))
    return " ".join(words)


def _require_base_url(base_url: str) -> None:
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL as error:
        raise ValueError(f"base_url: {error}") from None
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query or url.fragment:
        raise ValueError("base_url must be http:// or https://, a host, and at most a port and a path")
