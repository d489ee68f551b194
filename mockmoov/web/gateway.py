"""The way to the upstream and back.

Both bodies are streamed; the raw path and query are sent on. Whether the client may send the request was
decided before; which header fields pass is decided here (RFC 9110 §7.6).
"""

import logging
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from math import inf
from typing import Protocol
from urllib.parse import urlsplit

import anyio
import httpcore2
from msgspec.structs import replace
from starlette.types import Send

from mockmoov.config.application import Application
from mockmoov.oauth.messages import Fields, HttpRequest, HttpResponse
from mockmoov.oauth.responses import render_error
from mockmoov.server.steps import Forward
from mockmoov.web.asgi_io import BrokenStreamError, ClientConnection, ClientLeftError, Stream, send_response
from mockmoov.web.asgi_upstream import ApplicationError, AsgiUpstream

MAX_WHOLE_BODY = 1024 * 1024  # bytes of a response that is read to its end first
_TOO_LARGE = (
    f"at most {MAX_WHOLE_BODY} bytes can be altered by a planned fault, or sent in HTTP/1.0 without a length"
)
_KEEPALIVE_SECONDS = 2.0  # less than servers keep an idle connection, lest they close it as it is used
_BROKEN = (httpcore2.NetworkError, httpcore2.RemoteProtocolError, OSError)
_log = logging.getLogger("mockmoov")

OWN_PREFIX = "x-mockmoov-"
_VIA = "1.1 mockmoov"  # RFC 9110 §7.6.3
# RFC 9110 §7.6.1. Fields that frame a message are written again.
_HOP_BY_HOP = frozenset(
    (
        *("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    )
)
_NOT_SENT_ON = _HOP_BY_HOP | {"host", "expect", "content-length", "via", "x-request-id", "forwarded"}
_UNTRUSTED_PREFIXES = (OWN_PREFIX, "x-forwarded-")  # an upstream trusts these, so no client may set them
_NOT_SENT_BACK = _HOP_BY_HOP | {"date", "x-request-id"}
_CORS = "access-control-"  # mockmoov decides which pages may read a response
# Dot segments, in any spelling that some server might resolve into another path (RFC 3986 §6.2.2.3).
_DOT_SEGMENT = re.compile(r"(?:^|/|\\|%2f|%5c)(?:\.|%2e){1,2}(?:$|/|\\|;|%2f|%5c|%3b)", re.IGNORECASE)
_LENGTH = re.compile(r"[0-9]{1,18}")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110 §5.5


class Upstream(Protocol):
    """Where requests are sent. `reads_on`: it may read a request on while it sends the response."""

    name: str
    reads_on: bool

    def address(self, request: HttpRequest) -> tuple[httpcore2.URL, str]:
        """The base URL for a request, and its Host."""
        ...

    def open(self) -> AbstractAsyncContextManager[None]:
        """What lives as long as the server."""
        ...

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send a request; the body of the response is still to come. Raises errors of httpcore2."""
        ...


class HttpUpstream:
    """A server at a URL. Its connections are kept while it is open; otherwise each one is used once."""

    reads_on = False

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.name = parts.netloc
        self._base = httpcore2.URL(
            scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target=parts.path
        )
        self._tls = httpcore2.default_ssl_context() if parts.scheme == "https" else None
        self._pool = self._new_pool(keepalive=0)

    def address(self, _request: HttpRequest) -> tuple[httpcore2.URL, str]:
        """The base URL for any request, and its Host."""
        return self._base, self.name

    def _new_pool(self, keepalive: int | None) -> httpcore2.AsyncConnectionPool:
        return httpcore2.AsyncConnectionPool(
            ssl_context=self._tls,
            max_connections=None,
            max_keepalive_connections=keepalive,
            keepalive_expiry=_KEEPALIVE_SECONDS,
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keep connections alive."""
        async with self._new_pool(keepalive=None) as pool:
            self._pool, single_use = pool, self._pool
            yield
            self._pool = single_use

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send a request; raises errors of httpcore2."""
        return await self._pool.handle_async_request(request)


class Gateway:
    """The way to an upstream, given by its URL or as an application.

    `timeout` is in seconds, for a response to begin, and for it to go on. `is_clear` says of a path whether
    it is that of the same operation for whoever decodes it.
    """

    def __init__(self, upstream: str | Application, timeout: float, is_clear: Callable[[str], bool]) -> None:
        self.is_clear = is_clear
        self._timeout = timeout
        self._upstream: Upstream = (
            HttpUpstream(upstream) if isinstance(upstream, str) else AsgiUpstream(upstream, timeout)
        )

    def open(self, _app: object = None) -> AbstractAsyncContextManager[None]:
        """What the upstream needs for as long as the server runs."""
        return self._upstream.open()

    @asynccontextmanager
    async def call(self, request: HttpRequest, client: ClientConnection) -> AsyncIterator["UpstreamCall"]:
        """What the upstream has to do with one request, if anything; closed at the end."""
        call = UpstreamCall(self, request, client)
        try:
            yield call
        finally:
            if (
                call.response is not None
            ):  # its connection goes back to the pool, or is closed if it has not ended
                with anyio.CancelScope(shield=True):
                    await call.response.aclose()

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
                response = await self._upstream.handle_async_request(message)
        except (TimeoutError, httpcore2.TimeoutException):
            return self._failure(504, f"the upstream did not answer in {self._timeout:g} s")
        except httpcore2.LocalProtocolError:
            return self._failure(400, "the request cannot be sent on: it breaks HTTP's rules")
        except _BROKEN as error:
            return self._failure(502, _broken_reason(error))
        finally:
            if not self._upstream.reads_on:
                client.discard_body()  # whatever the upstream did not read of it
        if not is_valid_response(response.status, response.headers):
            await response.aclose()
            return self._failure(502, "the upstream sent an invalid status or header")
        return response

    def _failure(self, status: int, reason: str) -> HttpResponse:
        _log.warning("%s: %s", self._upstream.name, reason)
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
            _log.warning("%s: the upstream broke off in its response", self._upstream.name)
            raise BrokenStreamError from None

    def _message(
        self, request: HttpRequest, added: Fields, client: ClientConnection, *, plain: bool
    ) -> httpcore2.Request:
        query = b"?" + request.query if request.query else b""
        base, host = self._upstream.address(request)
        target = base.target + request.path.encode("latin-1") + query
        fields = [("host", host), *request_headers(request, plain=plain), *added]
        if client.has_body:
            fields.append(framing_header(request))
        return httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(scheme=base.scheme, host=base.host, port=base.port, target=target),
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields],
            extensions={"timeout": {"read": self._timeout}},
        )


class UpstreamCall:
    """One request on its way to the upstream. `stream` is the body of its response, if that is streamed."""

    def __init__(self, gateway: Gateway, request: HttpRequest, client: ClientConnection) -> None:
        self._gateway = gateway
        self._request = request
        self._client = client
        self.response: httpcore2.Response | None = None
        self.stream: Stream | None = None

    async def forward(self, step: Forward) -> HttpResponse | None:
        """Forward the request, and return the response's status and headers; None if the client left first.

        The body is in it if the step needs it, or if the client cannot read chunks and there is no length.
        """
        if not self._gateway.is_clear(self._request.path):
            return render_error(
                404, "the path is not forwarded: a server that decodes it finds another operation"
            )
        if error_response := forwarding_error(self._request):
            return error_response
        response = None
        async with self._client.while_connected():
            with suppress(ClientLeftError):
                response = await self._ask(step)
        return response

    async def _ask(self, step: Forward) -> HttpResponse:
        response = await self._gateway.send(self._request, step.headers, self._client, plain=step.needs_body)
        if isinstance(response, HttpResponse):
            return response
        self.response = response
        head, stream = _head(response), self._gateway.pieces_of(response)
        has_end = self._request.reads_chunks or "content-length" in dict(head.headers)
        if self._client.wants_body and (step.needs_body or not has_end):
            return await _with_whole_body(head, stream)
        self.stream = stream
        return head

    async def send_stream(self, response: HttpResponse, send: Send) -> bool:
        """Send the response with the upstream's body while the client stays; whether it was whole."""
        is_whole = True
        async with self._client.while_connected():  # which may cancel it
            is_whole = await send_response(response, self._client, send, self.stream)
        self._client.discard_body()  # whatever the upstream did not read of it
        return is_whole


def _broken_reason(error: Exception) -> str:
    if isinstance(error, ApplicationError):
        return str(error)
    if isinstance(error, httpcore2.ConnectError):
        return "the upstream cannot be reached"
    return "the upstream broke off, or does not speak HTTP"


def _head(response: httpcore2.Response) -> HttpResponse:
    fields = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers
    )
    return HttpResponse(status=response.status, headers=response_headers(response.status, fields))


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


# --- what passes -----------------------------------------------------------------------------------


def forwarding_error(request: HttpRequest) -> HttpResponse | None:
    """The response to a request that must not be forwarded, whoever sends it; None for any other."""
    headers = request.headers
    if "sec-websocket-key" in headers:  # RFC 6455 §4.1
        return render_error(501, "websockets are not forwarded")
    if any("mockmoov" in value for value in headers.get("via", ())):
        return render_error(502, "the upstream leads back to mockmoov")
    if _DOT_SEGMENT.search(request.path):
        return render_error(
            404, "a path with dot segments is not forwarded: the upstream may read it as another path"
        )
    codings, lengths = headers.get("transfer-encoding", ()), headers.get("content-length", ())
    if codings and [coding.lower() for coding in codings] != ["chunked"]:  # RFC 9112 §6.1
        return render_error(501, "only the transfer coding chunked is forwarded")
    if (codings and lengths) or len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):  # RFC 9112 §6.3
        return render_error(400, "the length of the body is ambiguous")
    return None


def request_headers(request: HttpRequest, *, plain: bool) -> list[tuple[str, str]]:
    """The header fields that the upstream gets; `plain` asks it for a response without compression."""
    dropped = _NOT_SENT_ON | _connection_options(request.headers.get("connection", ()))
    if plain:
        dropped |= {"accept-encoding"}
    kept = (
        (name, value)
        for name, fields in request.headers.items()
        if dropped.isdisjoint((name, _hyphenated(name)))
        and not _hyphenated(name).startswith(_UNTRUSTED_PREFIXES)
        for value in fields
    )
    return [*kept, *(("via", value) for value in (*request.headers.get("via", ()), _VIA))]


def framing_header(request: HttpRequest) -> tuple[str, str]:
    """The field that says where the body of a request ends."""
    lengths = request.headers.get("content-length")
    return ("content-length", str(int(lengths[0]))) if lengths else ("transfer-encoding", "chunked")


def is_valid_response(status: int, fields: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a response can be sent back: it has a valid status, and no field has control characters."""
    return 200 <= status <= 599 and not any(_CONTROL.search(value) for _, value in fields)


def response_headers(status: int, fields: Fields) -> Fields:
    """The header fields of a response that the client gets; names in lower case."""
    dropped = _NOT_SENT_BACK | _connection_options(value for name, value in fields if name == "connection")
    if status in (204, 304) or any(name == "transfer-encoding" for name, _ in fields):
        dropped |= {"content-length"}
    return tuple(
        (name, value)
        for name, value in fields
        if name not in dropped and not _hyphenated(name).startswith(OWN_PREFIX) and not name.startswith(_CORS)
    )


def _connection_options(fields: Iterable[str]) -> frozenset[str]:
    """The fields that Connection names: they are for this hop only (RFC 9110 §7.6.1)."""
    return frozenset(name.strip().lower() for value in fields for name in value.split(","))


def _hyphenated(name: str) -> str:
    """The name as CGI reads it, which takes an underscore for a hyphen."""
    return name.replace("_", "-")
