"""Owns the two token clients, sync and async; it must not know requests, answers or retries."""

from collections.abc import Iterable
from types import TracebackType
from typing import Self, TypeVar, Unpack

import httpx2

from mockmoov.client.drivers import async_drive, drive
from mockmoov.client.flows import MOOV_API, ClientOptions, Flow, Hint, TokenFlows
from mockmoov.client.tokens import Token

T = TypeVar("T")
Timeout = float | httpx2.Timeout | None

DEFAULT_TIMEOUT = 10.0


class _Configured:
    """What both clients share: the flows, whose connections they use, and a repr without secrets."""

    def __init__(self, base_url: str, http_client: object, transport: object, options: ClientOptions) -> None:
        if http_client is not None and transport is not None:
            raise ValueError("give http_client or transport, not both")
        self._flows = TokenFlows(base_url=base_url, **options)
        self._borrows = http_client is not None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._flows.base_url!r}, client_id={self._flows.client_id!r})"


class TokenClient(_Configured):
    """Mints, refreshes and revokes tokens at Moov, or at the fake. Thread-safe; close it, or use `with`.

    Args:
        base_url: scheme, host and at most a port and a path prefix.
        timeout: seconds (or an `httpx2.Timeout`, or None for no limit) for connections of its own: for each
            wait on the connection, not for the whole exchange.
        http_client: an `httpx2.Client` to use instead, with its own timeout; it is never closed. Its auth,
            headers, cookies and redirects are left out of token requests.
        transport: for connections of its own, such as an `httpx2.MockTransport`.
        options: see `ClientOptions`.

    Every method may raise `TransportError` (no answer), `ProtocolError` (an answer that breaks the contract)
    or a `TokenRequestError` (a refusal). Arguments that cannot be sent are a `ValueError`.
    """

    def __init__(
        self,
        base_url: str = MOOV_API,
        *,
        timeout: Timeout = DEFAULT_TIMEOUT,
        http_client: httpx2.Client | None = None,
        transport: httpx2.BaseTransport | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        super().__init__(base_url, http_client, transport, options)
        self._http = http_client or httpx2.Client(timeout=timeout, transport=transport)

    def create(self, scope: str | Iterable[str], client_type: str | None = None) -> Token:
        """Mint with client_credentials. `scope`: one or more, as a string with spaces or as an iterable."""
        return self._run(self._flows.create(scope, client_type))

    def refresh(self, token: Token | str, scope: str | Iterable[str] | None = None) -> Token:
        """Trade a refresh token, which this uses up, for a new pair; `scope` narrows the access token."""
        return self._run(self._flows.refresh(token, scope))

    def revoke(self, token: Token | str, token_type_hint: Hint | None = None) -> None:
        """Revoke a token string; or of a `Token` the hinted one, by default its refresh token."""
        return self._run(self._flows.revoke(token, token_type_hint))

    def close(self) -> None:
        """Close its own connections."""
        if not self._borrows:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        return drive(flow, self._http, self._flows.patience.sleep)


class AsyncTokenClient(_Configured):
    """`TokenClient` for asyncio: the same arguments, methods and errors; `async with`, or `aclose`."""

    def __init__(
        self,
        base_url: str = MOOV_API,
        *,
        timeout: Timeout = DEFAULT_TIMEOUT,
        http_client: httpx2.AsyncClient | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        super().__init__(base_url, http_client, transport, options)
        self._http = http_client or httpx2.AsyncClient(timeout=timeout, transport=transport)

    async def create(self, scope: str | Iterable[str], client_type: str | None = None) -> Token:
        """See `TokenClient.create`."""
        return await self._run(self._flows.create(scope, client_type))

    async def refresh(self, token: Token | str, scope: str | Iterable[str] | None = None) -> Token:
        """See `TokenClient.refresh`."""
        return await self._run(self._flows.refresh(token, scope))

    async def revoke(self, token: Token | str, token_type_hint: Hint | None = None) -> None:
        """See `TokenClient.revoke`."""
        return await self._run(self._flows.revoke(token, token_type_hint))

    async def aclose(self) -> None:
        """Close its own connections."""
        if not self._borrows:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _run(self, flow: Flow[T]) -> T:
        return await async_drive(flow, self._http, self._flows.patience.async_sleep)
