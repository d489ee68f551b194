"""The way to the upstream and back.

Both bodies are streamed; the raw path and query are sent on. Whether a request may pass was decided before.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from math import inf
from urllib.parse import urlsplit

import anyio
import httpcore2
from msgspec.structs import replace
from starlette.types import Send

from mockmoov.oauth.messages import Fields, HttpRequest, HttpResponse
from mockmoov.oauth.responses import render_error
from mockmoov.server.steps import Forward
from mockmoov.web import gateway_headers
from mockmoov.web.asgi_io import (
    BrokenStreamError,
    ClientConnection,
    ClientLeftError,
    Stream,
    send_response,
)

MAX_WHOLE_BODY = 1024 * 1024  # bytes of a response that is read to its end first
_TOO_LARGE = (
    f"at most {MAX_WHOLE_BODY} bytes can be altered by a planned fault, or sent in HTTP/1.0 without a length"
)
_KEEPALIVE_SECONDS = 2.0  # less than servers keep an idle connection, lest they close it as it is used
_BROKEN = (httpcore2.NetworkError, httpcore2.RemoteProtocolError, OSError)
_log = logging.getLogger("mockmoov")


class Gateway:
    """The way to `upstream`, a URL; `timeout` is in seconds, for a response to begin, and for it to go on."""

    def __init__(self, upstream: str, timeout: float) -> None:
        parts = urlsplit(upstream)
        self._scheme = parts.scheme.encode()
        self._host = (parts.hostname or "").encode()
        self._port = parts.port
        self._authority = parts.netloc
        self._base = parts.path.encode()
        self._timeout = timeout
        self._tls = httpcore2.default_ssl_context() if parts.scheme == "https" else None
        self._pool = self._new_pool(keepalive=0)

    def _new_pool(self, keepalive: int | None) -> httpcore2.AsyncConnectionPool:
        return httpcore2.AsyncConnectionPool(
            ssl_context=self._tls,
            max_connections=None,
            max_keepalive_connections=keepalive,
            keepalive_expiry=_KEEPALIVE_SECONDS,
        )

    @asynccontextmanager
    async def open(self, _app: object = None) -> AsyncIterator[None]:
        """Keep connections alive for as long as this is open; otherwise each one is used once."""
        async with self._new_pool(keepalive=None) as pool:
            self._pool, single_use = pool, self._pool
            yield
            self._pool = single_use

    @asynccontextmanager
    async def call(self, request: HttpRequest, client: ClientConnection) -> AsyncIterator["UpstreamCall"]:
        """What the upstream has to do with one request, if anything; closed at the end."""
        call = UpstreamCall(self, request, client)
        try:
            yield call
        finally:
            await call.close()

    async def send(
        self, request: HttpRequest, added: Fields, client: ClientConnection, *, plain: bool
    ) -> httpcore2.Response | HttpResponse:
        """The upstream's response, of which the body is still to come; or ours, if it sends none."""
        message = self._message(request, added, client, plain=plain)
        pieces = client.pieces() if client.has_body else None
        first = await anext(pieces, b"") if pieces else b""  # a request that breaks off here is not sent on
        try:
            with anyio.fail_after(self._timeout) as limit:
                if pieces:
                    message.stream = self._timed(first, pieces, limit)
                response = await self._pool.handle_async_request(message)
        except (TimeoutError, httpcore2.TimeoutException):
            return self._failure(504, f"the upstream did not answer in {self._timeout:g} s")
        except httpcore2.ConnectError:
            return self._failure(502, "the upstream cannot be reached")
        except httpcore2.LocalProtocolError:
            return self._failure(400, "the request cannot be sent on: it breaks HTTP's rules")
        except _BROKEN:
            return self._failure(502, "the upstream broke off, or does not speak HTTP")
        finally:
            client.discard_body()  # whatever the upstream did not read of it
        if not gateway_headers.is_valid_response(response.status, response.headers):
            await response.aclose()
            return self._failure(502, "the upstream sent an invalid status or header")
        return response

    def _failure(self, status: int, reason: str) -> HttpResponse:
        _log.warning("%s: %s", self._authority, reason)
        return render_error(status, reason)

    async def _timed(self, first: bytes, pieces: Stream, limit: anyio.CancelScope) -> Stream:
        """The pieces of a body; the time that the client takes for them does not count as the upstream's."""
        yield first
        limit.deadline = inf
        async for piece in pieces:
            limit.deadline = anyio.current_time() + self._timeout
            yield piece
            limit.deadline = inf
        limit.deadline = anyio.current_time() + self._timeout

    async def pieces_of(self, response: httpcore2.Response) -> Stream:
        """The body of a response; raises `BrokenStreamError`."""
        try:
            async for piece in response.aiter_stream():
                yield piece
            await response.aclose()  # before the client sees the end, and sends its next request
        except (httpcore2.TimeoutException, *_BROKEN):
            _log.warning("%s: the upstream broke off in its response", self._authority)
            raise BrokenStreamError from None

    def _message(
        self, request: HttpRequest, added: Fields, client: ClientConnection, *, plain: bool
    ) -> httpcore2.Request:
        query = b"?" + request.query if request.query else b""
        target = self._base + request.path.encode("latin-1") + query
        fields = [("host", self._authority), *gateway_headers.request_headers(request, plain=plain), *added]
        if client.has_body:
            fields.append(gateway_headers.framing_header(request))
        return httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(scheme=self._scheme, host=self._host, port=self._port, target=target),
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields],
            extensions={"timeout": {"read": self._timeout}},
        )


class UpstreamCall:
    """One request on its way to the upstream. `stream` is the body of its response, if that is streamed."""

    def __init__(self, gateway: Gateway, request: HttpRequest, client: ClientConnection) -> None:
        self._gateway = gateway
        self._request = request
        self._client = client
        self._response: httpcore2.Response | None = None
        self.stream: Stream | None = None

    async def forward(self, step: Forward) -> HttpResponse | None:
        """Forward the request, and return the response's status and headers; None if the client left first.

        The body is in it if the step needs it, or if the client cannot read chunks and there is no length.
        """
        if forwarding_error := gateway_headers.forwarding_error(self._request):
            return forwarding_error
        response = None
        async with self._client.while_connected():
            with suppress(ClientLeftError):
                response = await self._ask(step)
        return response

    async def _ask(self, step: Forward) -> HttpResponse:
        response = await self._gateway.send(self._request, step.headers, self._client, plain=step.needs_body)
        if isinstance(response, HttpResponse):
            return response
        self._response = response
        head, stream = _head(response), self._gateway.pieces_of(response)
        if step.needs_body or not (self._request.reads_chunks or _has_length(head)):
            return await _with_whole_body(head, stream)
        self.stream = stream
        return head

    async def send_stream(self, response: HttpResponse, send: Send) -> bool:
        """Send the response with the upstream's body while the client stays; whether it was whole."""
        is_whole = True
        async with self._client.while_connected():  # which may cancel it
            is_whole = await send_response(response, self._client, send, self.stream)
        return is_whole  # noqa: RET504

    async def close(self) -> None:
        """Give the connection back to the pool, or close it in the middle of a response."""
        if self._response is not None:
            with anyio.CancelScope(shield=True):
                await self._response.aclose()


def _head(response: httpcore2.Response) -> HttpResponse:
    fields = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers
    )
    return HttpResponse(
        status=response.status, headers=gateway_headers.response_headers(response.status, fields)
    )


def _has_length(head: HttpResponse) -> bool:
    return any(name == "content-length" for name, _ in head.headers)


async def _with_whole_body(head: HttpResponse, stream: Stream) -> HttpResponse:
    body = b""
    try:
        async for piece in stream:
            body += piece
            if len(body) > MAX_WHOLE_BODY:
                return render_error(502, _TOO_LARGE)
    except BrokenStreamError:
        return render_error(502, "the upstream broke off in its response")
    headers = tuple(field for field in head.headers if field[0] != "content-length")
    return replace(head, headers=headers, body=body)
