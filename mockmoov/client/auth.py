"""`MoovAuth`, which puts a valid access token on the calls of an httpx2 client."""

import threading
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NoReturn, TypeVar, Unpack

import httpx2

from mockmoov.client.clients import DEFAULT_TIMEOUT, Timeout, async_drive, drive
from mockmoov.client.flows import MOOV_API, ClientOptions, Flow, TokenFlows, join_scopes
from mockmoov.client.tokens import Token

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Lock

H = TypeVar("H", httpx2.Client, httpx2.AsyncClient)

# What to use with libraries that call their auth object for each request. docs/clients.md has the same lines.
BEARER_AUTH = """\
class BearerAuth:
    token = None

    def __call__(self, request):
        if self.token is None or self.token.is_expired(datetime.now(UTC), leeway=60):
            self.token = client.create(scope)
        request.headers["Authorization"] = f"Bearer {self.token.access_token}"
        return request
"""


class MoovAuth(httpx2.Auth):
    """Bearer authentication for `httpx2.Client` and `AsyncClient` (asyncio). Threads may share an instance.

    With requests and httpx, the first call raises a `TypeError` that shows what to use instead.

    It requests a token on first use, caches it, and requests a new one `leeway` seconds before it expires, or
    after half of its lifetime if that is later. It never uses the refresh token: it has the API key, and a
    refresh token can be lost or used up. Concurrent calls that need a new token share one token request (one
    for threads and one for each event loop, if an instance serves both). A call that is answered with 401 is
    repeated once with a token other than the rejected one, unless its body is a stream, which cannot be sent
    again.

    Only requests to the origin of `base_url` (scheme, host and port) get a token; others are not changed.
    They also get the configured `Origin` and `X-Moov-Version`, unless they already have these headers.

    Token requests do not go through the calling client, so its redirects, hooks and history never see a
    secret. They use `http_client`, which must match the calling client (sync or async; otherwise a
    `TypeError`), or short-lived connections with `timeout`. Errors are those of `TokenClient.create`.

    Args:
        base_url: the server that issues the tokens and receives the calls.
        scope, client_type: see `TokenClient.create`.
        leeway: seconds, at least 0.
        timeout, http_client, options: see `TokenClient`.
    """

    def __init__(
        self,
        base_url: str = MOOV_API,
        *,
        scope: str | Iterable[str],
        client_type: str | None = None,
        leeway: float = 60.0,
        timeout: Timeout = DEFAULT_TIMEOUT,
        http_client: httpx2.Client | httpx2.AsyncClient | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        if not leeway >= 0:
            raise ValueError("leeway must be at least 0")
        self._flows = TokenFlows(base_url=base_url, **options)
        self._scope, self._client_type = join_scopes(scope), client_type
        self._leeway, self._timeout, self._http_client = leeway, timeout, http_client
        self._origin = httpx2.URL(base_url).origin
        self._cached: tuple[Token, datetime] | None = None  # and when to renew it
        self._lock = threading.Lock()
        self._async_locks: dict[AbstractEventLoop, Lock] = {}
        self._async_locks_lock = threading.Lock()

    def __repr__(self) -> str:
        flows = self._flows
        return f"MoovAuth({flows.base_url!r}, client_id={flows.client_id!r}, scope={self._scope!r})"

    def __call__(self, request: object) -> NoReturn:
        """Raise a `TypeError` that shows what to use instead: requests and httpx call their auth object."""
        raise TypeError(
            "MoovAuth needs an httpx2.Client or an httpx2.AsyncClient; with requests or httpx, pass "
            f"auth=BearerAuth(), where client is a TokenClient and scope a string:\n\n{BEARER_AUTH}"
        )

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Authenticate a request of an `httpx2.Client`, which calls this."""
        if not self._applies_to(request):
            yield request
            return
        token = self._token(rejected=None)
        response = yield self._authorized(request, token)
        if _should_repeat(request, response):
            yield self._authorized(request, self._token(rejected=token))

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Authenticate a request of an `httpx2.AsyncClient`, which calls this."""
        if not self._applies_to(request):
            yield request
            return
        token = await self._async_token(rejected=None)
        response = yield self._authorized(request, token)
        if _should_repeat(request, response):
            yield self._authorized(request, await self._async_token(rejected=token))

    def _applies_to(self, request: httpx2.Request) -> bool:
        return request.url.is_absolute_url and request.url.origin == self._origin

    def _authorized(self, request: httpx2.Request, token: Token) -> httpx2.Request:
        for name, value in self._flows.headers().items():
            request.headers.setdefault(name, value)
        request.headers["Authorization"] = f"Bearer {token.access_token}"
        return request

    def _token(self, rejected: Token | None) -> Token:
        with self._lock:
            if token := self._cached_token(rejected):
                return token
            borrowed = _borrowed(httpx2.Client, self._http_client)
            with borrowed or httpx2.Client(timeout=self._timeout) as http:
                return self._cache(drive(self._create_flow(), http, self._flows.retry_policy.sleep))

    async def _async_token(self, rejected: Token | None) -> Token:
        async with self._async_lock():
            if token := self._cached_token(rejected):
                return token
            borrowed = _borrowed(httpx2.AsyncClient, self._http_client)
            async with borrowed or httpx2.AsyncClient(timeout=self._timeout) as http:
                sleep = self._flows.retry_policy.async_sleep
                return self._cache(await async_drive(self._create_flow(), http, sleep))

    def _cached_token(self, rejected: Token | None) -> Token | None:
        """The cached token, unless it is due for renewal or is the `rejected` one."""
        if self._cached is None:
            return None
        token, renew_at = self._cached
        return None if token == rejected or self._flows.now() >= renew_at else token

    def _cache(self, token: Token) -> Token:
        lifetime = (token.expires_at - self._flows.now()).total_seconds()
        leeway = timedelta(seconds=min(self._leeway, lifetime / 2))
        self._cached = token, token.expires_at - leeway
        return token

    def _create_flow(self) -> Flow[Token]:
        return self._flows.create(self._scope, self._client_type)

    def _async_lock(self) -> "Lock":
        import asyncio  # noqa: PLC0415  # only async callers need it

        loop = asyncio.get_running_loop()
        with self._async_locks_lock:  # several threads may run event loops, and these may be closed
            if loop not in self._async_locks:
                still_open = {k: lock for k, lock in self._async_locks.items() if not k.is_closed()}
                self._async_locks = still_open | {loop: asyncio.Lock()}
            return self._async_locks[loop]


def _borrowed(kind: type[H], client: httpx2.Client | httpx2.AsyncClient | None) -> nullcontext[H] | None:
    """`client` in a context that leaves it open; `TypeError` if it is not of the class `kind`."""
    if client is None:
        return None
    if isinstance(client, kind):
        return nullcontext(client)
    raise TypeError(f"http_client is of the class {type(client).__name__}; this call needs {kind.__name__}")


def _should_repeat(request: httpx2.Request, response: httpx2.Response) -> bool:
    return response.status_code == 401 and isinstance(request.stream, httpx2.ByteStream)
