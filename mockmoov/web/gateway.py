"""Owns the way to the one upstream and back. Must not know tokens, or what is asked of the upstream.

Both bodies are streamed. What is forwarded is the raw path and query; who may pass was decided before.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from math import inf
from urllib.parse import urlsplit

import anyio
import httpcore2
from msgspec.structs import replace

from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.oauth.responses import render_error
from mockmoov.web import gateway_headers
from mockmoov.web.asgi_io import BrokenStreamError, ClientLeftError, Incoming, Reply, Stream
from mockmoov.web.gateway_headers import Fields

MOST_WHOLE = 1024 * 1024  # bytes of an answer that is read to its end first
_TOO_LARGE = (
    f"at most {MOST_WHOLE} bytes can be altered by a planned fault, or sent in HTTP/1.0 without a length"
)
_KEPT_SECONDS = 2.0  # of an idle connection: less than servers keep it, lest they close it as it is used
_BROKEN = (httpcore2.NetworkError, httpcore2.RemoteProtocolError, OSError)
_LEFT = replace(render_error(0, "the client left before the upstream answered"), connection="hang")
_log = logging.getLogger("mockmoov")

_Answer = Callable[[HttpResponse, Stream | None], Awaitable[None]]


class Gateway:
    """The way to `upstream`, a URL; `timeout` is the seconds it may take to answer, or to go on."""

    def __init__(self, upstream: str, timeout: float) -> None:
        parts = urlsplit(upstream)
        self._scheme = parts.scheme.encode()
        self._host = (parts.hostname or "").encode()
        self._port = parts.port
        self._authority = parts.netloc
        self._base = parts.path.encode()
        self._timeout = timeout
        self._origin = httpcore2.URL(scheme=self._scheme, host=self._host, port=self._port, target="/").origin
        self._tls = httpcore2.default_ssl_context() if parts.scheme == "https" else None
        self._is_open = False
        self._idle: list[httpcore2.AsyncHTTPConnection] = []

    @asynccontextmanager
    async def open(self, _app: object = None) -> AsyncIterator[None]:
        """Keep connections to the upstream for as long as this is open; without, each is used once."""
        self._is_open = True
        yield
        self._is_open = False
        while self._idle:
            await self._idle.pop().aclose()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[httpcore2.AsyncHTTPConnection]:
        """A connection, the one that was used last if it is still good: the library's pool looks at all."""
        connection = await self._kept() or httpcore2.AsyncHTTPConnection(
            self._origin, ssl_context=self._tls, keepalive_expiry=_KEPT_SECONDS
        )
        try:
            yield connection
        finally:
            if self._is_open and connection.is_idle() and not connection.is_closed():
                self._idle.append(connection)
            else:
                with anyio.CancelScope(shield=True):
                    await connection.aclose()

    async def _kept(self) -> httpcore2.AsyncHTTPConnection | None:
        while self._idle and self._idle[0].has_expired():  # the one that was idle for longest
            await self._idle.pop(0).aclose()
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return None

    async def forward(
        self,
        request: HttpRequest,
        added: Fields,
        incoming: Incoming,
        relay: Callable[[HttpResponse], HttpResponse],
        reply: Reply,
        *,
        whole: bool,
    ) -> None:
        """Forward a request with headers added, and reply once with what `relay` makes of the answer.

        `whole`: the answer is read to its end first, because it is to be altered; so is one without a length
        for a client that reads no chunks. Who leaves ends it all.
        """
        if refusal := gateway_headers.refusal(request):
            await reply(relay(refusal))
            return
        answered = False

        async def answer(response: HttpResponse, stream: Stream | None) -> None:
            nonlocal answered
            answered = True
            await reply(relay(response), stream)

        message = self._message(request, added, incoming, plain=whole)
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_once_left, incoming, group.cancel_scope)
            async with self._connection() as connection:
                is_whole = partial(_is_whole, request, whole)
                await self._exchange(connection, message, incoming, answer, is_whole)
            group.cancel_scope.cancel()
        if not answered:
            await reply(relay(_LEFT))

    async def _exchange(
        self,
        connection: httpcore2.AsyncHTTPConnection,
        message: httpcore2.Request,
        incoming: Incoming,
        answer: _Answer,
        is_whole: Callable[[HttpResponse], bool],
    ) -> None:
        try:
            response = await self._ask(connection, message, incoming)
        except ClientLeftError:
            return
        if isinstance(response, HttpResponse):
            await answer(response, None)
            return
        try:
            head, stream = _head(response), self._pieces(response)
            if is_whole(head):
                await answer(await _collected(head, stream), None)
            else:
                await answer(head, stream)
        finally:
            await response.aclose()

    async def _ask(
        self, connection: httpcore2.AsyncHTTPConnection, message: httpcore2.Request, incoming: Incoming
    ) -> httpcore2.Response | HttpResponse:
        """The upstream's answer, of which the body is still to come; or ours, if it gives none."""
        pieces = incoming.pieces() if incoming.has_body else None
        first = await anext(pieces, b"") if pieces else b""  # what is no request goes no further than here
        try:
            with anyio.fail_after(self._timeout) as limit:
                if pieces:
                    message.stream = self._timed(first, pieces, limit)
                response = await connection.handle_async_request(message)
        except (TimeoutError, httpcore2.TimeoutException):
            return self._failure(504, f"the upstream did not answer in {self._timeout:g} s")
        except httpcore2.ConnectError:
            return self._failure(502, "the upstream cannot be reached")
        except httpcore2.LocalProtocolError:
            return self._failure(400, "the request is not one that can be sent on")
        except _BROKEN:
            return self._failure(502, "the upstream broke off, or does not speak HTTP")
        finally:
            incoming.dismiss()  # whatever it did not want of the body
        if not gateway_headers.is_answer(response.status, response.headers):
            await response.aclose()
            return self._failure(502, "the upstream answered with what is no status, or no header")
        return response

    def _failure(self, status: int, reason: str) -> HttpResponse:
        _log.warning("%s: %s", self._authority, reason)
        return render_error(status, reason)

    async def _timed(self, first: bytes, pieces: Stream, limit: anyio.CancelScope) -> Stream:
        """The pieces of a body; the time that the client takes for them is not the upstream's."""
        yield first
        limit.deadline = inf
        async for piece in pieces:
            limit.deadline = anyio.current_time() + self._timeout
            yield piece
            limit.deadline = inf
        limit.deadline = anyio.current_time() + self._timeout

    async def _pieces(self, response: httpcore2.Response) -> Stream:
        try:
            async for piece in response.aiter_stream():
                yield piece
        except (httpcore2.TimeoutException, *_BROKEN):
            _log.warning("%s: the upstream broke off in its answer", self._authority)
            raise BrokenStreamError from None

    def _message(
        self, request: HttpRequest, added: Fields, incoming: Incoming, *, plain: bool
    ) -> httpcore2.Request:
        query = b"?" + request.query if request.query else b""
        target = self._base + request.path.encode("latin-1") + query
        fields = [("host", self._authority), *gateway_headers.passed(request, plain=plain), *added]
        if incoming.has_body:
            fields.append(gateway_headers.framing(request))
        return httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(scheme=self._scheme, host=self._host, port=self._port, target=target),
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields],
            extensions={"timeout": {"read": self._timeout}},
        )


def _head(response: httpcore2.Response) -> HttpResponse:
    fields = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers
    )
    return HttpResponse(status=response.status, headers=gateway_headers.returned(response.status, fields))


def _is_whole(request: HttpRequest, altered: bool, head: HttpResponse) -> bool:
    return altered or not (request.reads_chunks or any(name == "content-length" for name, _ in head.headers))


async def _cancel_once_left(incoming: Incoming, scope: anyio.CancelScope) -> None:
    await incoming.left()
    scope.cancel()


async def _collected(head: HttpResponse, stream: Stream) -> HttpResponse:
    body = b""
    try:
        async for piece in stream:
            body += piece
            if len(body) > MOST_WHOLE:
                return render_error(502, _TOO_LARGE)
    except BrokenStreamError:
        return render_error(502, "the upstream broke off in its answer")
    headers = tuple(field for field in head.headers if field[0] != "content-length")
    return replace(head, headers=headers, body=body)
