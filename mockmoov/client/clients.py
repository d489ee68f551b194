"""The two token clients, sync and async."""

from collections.abc import Iterable
from typing import Self, TypeVar, Unpack

import httpx2

from mockmoov.client.drivers import async_drive, drive
from mockmoov.client.flows import MOOV_API, ClientOptions, Flow, TokenFlows, TokenTypeHint
from mockmoov.client.tokens import Token

T = TypeVar("T")
Timeout = float | httpx2.Timeout | None
DEFAULT_TIMEOUT = 10.0


class _BaseClient:
    """What both clients have in common: the flows, and a repr without secrets."""

    def __init__(self, base_url: str, http_client: object, transport: object, options: ClientOptions) -> None:
        if http_client is not None and transport is not None:
            raise ValueError("pass http_client or transport, not both")
        self._flows = TokenFlows(base_url=base_url, **options)
        self._http_is_borrowed = http_client is not None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._flows.base_url!r}, client_id={self._flows.client_id!r})"


class TokenClient(_BaseClient):
    """Creates, refreshes and revokes tokens, at Moov or mockmoov. Thread-safe. Close it, or use `with`.

    Args:
        base_url: scheme and host, and optionally a port and a path prefix.
        timeout: seconds (or an `httpx2.Timeout`, or None for no limit) for each wait on the connection, not
            for the whole exchange. Has no effect with `http_client`.
        http_client: an `httpx2.Client` to use instead of a new one. It keeps its timeout and is not closed.
            Its auth, headers, cookies and redirects do not apply to token requests.
        transport: a transport for the new client, such as an `httpx2.MockTransport`.
        options: see `ClientOptions`.

    Every method may raise `TransportError` (no response), `ProtocolError` (the response breaks the contract)
    or `TokenRequestError` (an error response). Arguments that cannot be sent raise `ValueError`.
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
        """Request a token with client_credentials. `scope`: a string with spaces, or an iterable."""
        return self._run(self._flows.create(scope, client_type))

    def refresh(self, token: Token | str, scope: str | Iterable[str] | None = None) -> Token:
        """Exchange a refresh token, which is used up, for a new pair. `scope` narrows the access token."""
        return self._run(self._flows.refresh(token, scope))

    def revoke(self, token: Token | str, token_type_hint: TokenTypeHint | None = None) -> None:
        """Revoke a token. Of a `Token`, the hinted one; without a hint the refresh token."""
        return self._run(self._flows.revoke(token, token_type_hint))

    def close(self) -> None:
        """Close the connections, unless they belong to `http_client`."""
        if not self._http_is_borrowed:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        return drive(flow, self._http, self._flows.retry_policy.sleep)


class AsyncTokenClient(_BaseClient):
    """`TokenClient` for asyncio: same arguments, methods and errors. Use `aclose` or `async with`."""

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

    async def revoke(self, token: Token | str, token_type_hint: TokenTypeHint | None = None) -> None:
        """See `TokenClient.revoke`."""
        return await self._run(self._flows.revoke(token, token_type_hint))

    async def aclose(self) -> None:
        """Close the connections, unless they belong to `http_client`."""
        if not self._http_is_borrowed:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    async def _run(self, flow: Flow[T]) -> T:
        return await async_drive(flow, self._http, self._flows.retry_policy.async_sleep)
