"""Owns keeping one access token fresh for API calls; it must not know how a token is asked for."""

import threading
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar, Unpack

import httpx2

from mockmoov.client.clients import DEFAULT_TIMEOUT, Timeout
from mockmoov.client.drivers import async_drive, drive
from mockmoov.client.flows import MOOV_API, ClientOptions, Flow, TokenFlows, join_scopes
from mockmoov.client.tokens import Token

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Lock

H = TypeVar("H", httpx2.Client, httpx2.AsyncClient)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Lease:
    token: Token
    renew_at: datetime


class MoovAuth(httpx2.Auth):
    """Bearer authentication for an `httpx2.Client` or `AsyncClient` (asyncio), shared freely between threads.

    A token is minted at first use, kept, and minted anew `leeway` seconds before it expires, or half its
    lifetime before where that is less. It is never refreshed: with client_credentials the key itself is at
    hand, and a refresh token can be lost or used up. However many calls need a new token at once, one token
    request is made (one for threads and one for each event loop, where an instance serves both). A call that
    is answered 401 is repeated once with a token other than the one refused; not if its body is a stream,
    which cannot be sent twice.

    Only requests to the origin of `base_url` (scheme, host and port) get a token; others are left alone.
    They also get `Origin` and `X-Moov-Version` as configured, unless they have their own.

    Token requests do not go through the calling client, so that its redirects, hooks and history never see a
    secret: they use `http_client`, of the calling client's kind (a `TypeError` otherwise), or short-lived
    connections of their own with `timeout`. Failing to get a token raises what `TokenClient.create` raises.

    Args:
        base_url: where tokens come from and go to.
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
        self._lease: _Lease | None = None
        self._lock = threading.Lock()
        self._async_locks: dict[AbstractEventLoop, Lock] = {}
        self._async_locks_lock = threading.Lock()

    def __repr__(self) -> str:
        flows = self._flows
        return f"MoovAuth({flows.base_url!r}, client_id={flows.client_id!r}, scope={self._scope!r})"

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """What `httpx2.Client` calls for each request."""
        if not self._concerns(request):
            yield request
            return
        token = self._token(stale=None)
        response = yield self._signed(request, token)
        if _is_refused(request, response):
            yield self._signed(request, self._token(stale=token))

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """What `httpx2.AsyncClient` calls for each request."""
        if not self._concerns(request):
            yield request
            return
        token = await self._async_token(stale=None)
        response = yield self._signed(request, token)
        if _is_refused(request, response):
            yield self._signed(request, await self._async_token(stale=token))

    def _concerns(self, request: httpx2.Request) -> bool:
        return request.url.is_absolute_url and request.url.origin == self._origin

    def _signed(self, request: httpx2.Request, token: Token) -> httpx2.Request:
        for name, value in self._flows.headers().items():
            request.headers.setdefault(name, value)
        request.headers["Authorization"] = f"Bearer {token.access_token}"
        return request

    def _token(self, stale: Token | None) -> Token:
        with self._lock:
            return self._kept(stale) or self._keep(self._mint())

    async def _async_token(self, stale: Token | None) -> Token:
        async with self._async_lock():
            return self._kept(stale) or self._keep(await self._async_mint())

    def _kept(self, stale: Token | None) -> Token | None:
        """The token at hand, unless it is due for renewal or is the `stale` one."""
        lease = self._lease
        due = lease is None or lease.token == stale or self._flows.now() >= lease.renew_at
        return None if lease is None or due else lease.token

    def _keep(self, token: Token) -> Token:
        lifetime = (token.expires_at - self._flows.now()).total_seconds()
        early = timedelta(seconds=min(self._leeway, lifetime / 2))
        self._lease = _Lease(token=token, renew_at=token.expires_at - early)
        return token

    def _mint(self) -> Token:
        with _only(httpx2.Client, self._http_client) or httpx2.Client(timeout=self._timeout) as http:
            return drive(self._minting(), http, self._flows.patience.sleep)

    async def _async_mint(self) -> Token:
        given = _only(httpx2.AsyncClient, self._http_client)
        async with given or httpx2.AsyncClient(timeout=self._timeout) as http:
            return await async_drive(self._minting(), http, self._flows.patience.async_sleep)

    def _minting(self) -> Flow[Token]:
        return self._flows.create(self._scope, self._client_type)

    def _async_lock(self) -> "Lock":
        import asyncio  # noqa: PLC0415  # only asynchronous callers pay for it

        loop = asyncio.get_running_loop()
        with self._async_locks_lock:  # event loops may run on several threads, and end
            if loop not in self._async_locks:
                open_ones = {k: lock for k, lock in self._async_locks.items() if not k.is_closed()}
                self._async_locks = open_ones | {loop: asyncio.Lock()}
            return self._async_locks[loop]


def _only(kind: type[H], client: httpx2.Client | httpx2.AsyncClient | None) -> nullcontext[H] | None:
    """`client` to be used and left open, where it is of the kind that the calling client needs."""
    if client is None:
        return None
    if isinstance(client, kind):
        return nullcontext(client)
    raise TypeError(f"http_client is of the class {type(client).__name__}: this call needs {kind.__name__}")


def _is_refused(request: httpx2.Request, response: httpx2.Response) -> bool:
    return response.status_code == 401 and isinstance(request.stream, httpx2.ByteStream)
