"""Owns the way between ASGI's messages and ours, connection faults included. Must not know what is asked."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol
from urllib.parse import quote

import anyio
from msgspec.structs import replace
from starlette.types import Message, Receive, Scope, Send

from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.web.uvicorn_protocol import EXTENSION

Stream = AsyncIterator[bytes]
"""The body of an answer, piece by piece; it raises `BrokenStreamError` if it ends too early."""


class Reply(Protocol):
    """Answers the client, with the body of a stream if one is given."""

    def __call__(self, response: HttpResponse, stream: Stream | None = None) -> Awaitable[None]:
        """Send it, and log it."""
        ...


class BrokenStreamError(Exception):
    """The rest of a body will not come."""


class ClientLeftError(Exception):
    """The client has left before the end of its body."""


def to_request(scope: Scope) -> HttpRequest:
    """The request of an ASGI scope, still without its body."""
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1").strip(" \t"))
    raw_path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return HttpRequest(
        method=scope["method"],
        path=raw_path.decode("latin-1"),
        scheme=scope["scheme"],
        query=scope["query_string"],
        headers={name: tuple(values) for name, values in headers.items()},
        reads_chunks=scope.get("http_version") != "1.0",
    )


class Incoming:
    """What still comes from a client: its body, which nobody reads before it is wanted, and its leaving."""

    def __init__(self, request: HttpRequest, receive: Receive) -> None:
        self._receive = receive
        headers = request.headers
        self.has_body = "transfer-encoding" in headers or headers.get("content-length", ("0",)) != ("0",)
        self.expects = "expect" in headers
        self.is_unread = self.has_body
        """Whether there is more of the body that somebody may want."""
        self._over: anyio.Event | None = None  # of the body; made by who waits for it

    async def pieces(self) -> Stream:
        """The body, piece by piece; raises `ClientLeftError`."""
        more = True
        while more:
            piece, more = await self._next()
            if piece:
                yield piece
        self.dismiss()

    async def read(self, limit: int) -> bytes | None:
        """The body, or as much of it as shows that it is larger; None if the client left before its end."""
        body, more = b"", True
        try:
            while more and len(body) <= limit:
                piece, more = await self._next()
                body += piece
        except ClientLeftError:
            return None
        self.dismiss()
        return body

    async def _next(self) -> tuple[bytes, bool]:
        """The next piece of the body, and whether there is more; raises `ClientLeftError`."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        return message.get("body", b""), message.get("more_body", False)

    def dismiss(self) -> None:
        """Let go of what is left of the body: nobody will read it."""
        self.is_unread = False
        if self._over is not None:
            self._over.set()

    async def left(self) -> None:
        """Return once the client has left; as long as somebody may want the body, nobody looks."""
        if self.is_unread:
            self._over = self._over or anyio.Event()
            await self._over.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def deliver(
    response: HttpResponse, scope: Scope, incoming: Incoming, send: Send, stream: Stream | None = None
) -> None:
    """Send an answer, with its own body or that of a stream, unless a fault keeps it from arriving."""
    if incoming.is_unread and incoming.expects:  # RFC 9110 §10.1.1: that body may never come
        response = with_headers(response, ("connection", "close"))
    if response.connection is not None:
        incoming.dismiss()
        await _CONNECTIONS[response.connection](response, scope, incoming, send)
    elif stream is None:
        await send(start(response, len(response.body)))
        await send({"type": "http.response.body", "body": response.body})
    else:
        await _pass_on(response, scope, send, stream)


async def _pass_on(response: HttpResponse, scope: Scope, send: Send, stream: Stream) -> None:
    await send(start(response))
    try:
        async for piece in stream:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except BrokenStreamError:
        _end(scope, "close", "the answer is cut short: the upstream broke off")
    else:
        await send({"type": "http.response.body", "body": b""})


def with_headers(response: HttpResponse, *more: tuple[str, str]) -> HttpResponse:
    """The response with more headers."""
    return replace(response, headers=(*response.headers, *more))


def start(response: HttpResponse, length: int | None = None) -> Message:
    """The message that begins an answer; `length` is that of its body, if it is known and not said yet."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    if length is not None and response.status not in (204, 304):  # RFC 9110 §8.6
        headers.append((b"content-length", b"%d" % length))
    return {"type": "http.response.start", "status": response.status, "headers": headers}


# --- how a connection is kept from its answer -----------------------------------------------------


async def _hang(_response: HttpResponse, _scope: Scope, incoming: Incoming, _send: Send) -> None:
    await incoming.left()


async def _reset(response: HttpResponse, scope: Scope, incoming: Incoming, send: Send) -> None:
    _end(scope, "reset")
    await _hang(response, scope, incoming, send)


async def _cut(response: HttpResponse, scope: Scope, incoming: Incoming, send: Send) -> None:
    """Announce the whole body and send half of it; an answer without a body does not arrive at all."""
    if response.body:
        half = response.body[: len(response.body) // 2]
        await send(start(response, len(response.body)))
        await send({"type": "http.response.body", "body": half, "more_body": True})
    _end(scope, "close")
    await _hang(response, scope, incoming, send)


def _end(scope: Scope, how: str, why: str = "a planned fault: the connection is reset") -> None:
    extension = (scope.get("extensions") or {}).get(EXTENSION)
    if extension is None:  # not our own listener
        raise ConnectionResetError(why)
    extension[how]()


_CONNECTIONS: dict[str, Callable[[HttpResponse, Scope, Incoming, Send], Awaitable[None]]] = {
    "hang": _hang,
    "reset": _reset,
    "cut": _cut,
}
