"""The two token clients, sync and async: each runs the flows, and reads a bounded part of each body."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing, closing
from typing import Self, TypeVar, Unpack

import httpx2

from mockmoov.client.flows import MOOV_API, ClientOptions, Flow, StepResult, TokenFlows, TokenTypeHint
from mockmoov.client.responses import MAX_BODY
from mockmoov.client.retry import Wait
from mockmoov.client.tokens import Token

T = TypeVar("T")
Timeout = float | httpx2.Timeout | None
DEFAULT_TIMEOUT = 10.0
_FRAMING = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})
# What sending may raise. httpx2 parses every `Location`, even if it does not follow it, and does not catch
# the ValueErrors of `ipaddress` and `idna`.
_FAILURES = (httpx2.HTTPError, httpx2.InvalidURL, ValueError)


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


def drive(flow: Flow[T], http: httpx2.Client, sleep: Callable[[float], None]) -> T:
    """Run `flow` to its result with a sync client, without redirects and without the client's auth."""
    step_result: StepResult = None
    while True:
        try:
            step = flow.send(step_result)
        except StopIteration as finished:
            result: T = finished.value
            return result
        if isinstance(step, Wait):
            sleep(step.seconds)
        step_result = None if isinstance(step, Wait) else _send(http, step)


async def async_drive(
    flow: Flow[T], http: httpx2.AsyncClient, sleep: Callable[[float], Awaitable[None]]
) -> T:
    """Run `flow` to its result with an async client; see `drive`."""
    step_result: StepResult = None
    while True:
        try:
            step = flow.send(step_result)
        except StopIteration as finished:
            result: T = finished.value
            return result
        if isinstance(step, Wait):
            await sleep(step.seconds)
        step_result = None if isinstance(step, Wait) else await async_send(http, step, MAX_BODY)


def _send(http: httpx2.Client, request: httpx2.Request) -> httpx2.Response | httpx2.HTTPError:
    content = bytearray()
    try:
        with closing(http.send(request, stream=True, auth=None, follow_redirects=False)) as response:
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > MAX_BODY:
                    break
    except _FAILURES as error:
        return _as_http_error(error)
    return _complete(response, content)


async def async_send(
    http: httpx2.AsyncClient, request: httpx2.Request, max_body: int
) -> httpx2.Response | httpx2.HTTPError:
    """Send a request and read about `max_body` bytes of the response. Returns the failure if there is one."""
    content = bytearray()
    try:
        response = await http.send(request, stream=True, auth=None, follow_redirects=False)
        async with aclosing(response), aclosing(response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                content += chunk
                if len(content) > max_body:
                    break
    except _FAILURES as error:
        return _as_http_error(error)
    return _complete(response, content)


def _as_http_error(error: Exception) -> httpx2.HTTPError:
    return error if isinstance(error, httpx2.HTTPError) else httpx2.DecodingError(str(error))


def _complete(response: httpx2.Response, content: bytearray) -> httpx2.Response:
    """The response with this body, which is already decoded."""
    headers = [(k, v) for k, v in response.headers.raw if k.lower() not in _FRAMING]
    return httpx2.Response(response.status_code, headers=headers, content=bytes(content))
