"""Turns ASGI messages into requests and responses into ASGI messages, failing connections included."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import quote

import anyio
from msgspec.structs import replace
from starlette.types import Message, Receive, Scope, Send

from mockmoov.oauth.messages import Fields, FrozenHeaders, HttpRequest, HttpResponse
from mockmoov.simulation.faults import NetworkError
from mockmoov.web.uvicorn_protocol import EXTENSION

Stream: TypeAlias = AsyncIterator[bytes]
"""The body of a response, piece by piece; it raises `BrokenStreamError` if it ends too early."""

ADD_HEADERS = "mockmoov.add_headers"
"""Where the CORS rule leaves in the scope what it makes of the headers of the response."""
_REQUEST = "mockmoov.request"


class BrokenStreamError(Exception):
    """The rest of a body will not come."""


class ClientLeftError(Exception):
    """The client left before the end of its body."""


def request_of(scope: Scope) -> HttpRequest:
    """The request of an ASGI scope, without its body; read once, and kept in the scope."""
    if _REQUEST in scope:
        kept: HttpRequest = scope[_REQUEST]
        return kept
    raw: tuple[tuple[bytes, bytes], ...] = tuple(map(tuple, scope["headers"]))
    values = [value for _, value in raw]
    request = scope[_REQUEST] = HttpRequest(
        method=scope["method"],
        path=raw_path(scope),
        scheme=scope["scheme"],
        query=scope["query_string"],
        headers=(_known_headers if FrozenHeaders.may_have(values) else _read_headers)(raw),
        reads_chunks=scope.get("http_version") != "1.0",
    )
    return request


def _read_headers(raw: tuple[tuple[bytes, bytes], ...]) -> dict[str, tuple[str, ...]]:
    headers: dict[str, list[str]] = {}
    for name, value in raw:
        headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1").strip(" \t"))
    return {name: tuple(values) for name, values in headers.items()}


@lru_cache(maxsize=128)
def _known_headers(raw: tuple[tuple[bytes, bytes], ...]) -> FrozenHeaders:
    """Clients send the same headers again and again."""
    return FrozenHeaders(_read_headers(raw))


def raw_path(scope: Scope) -> str:
    """The path as it was sent, still percent-encoded."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw.decode("latin-1")


class ClientConnection:
    """What still comes from a client: its body, which nobody reads before it is needed, and its leaving."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self._receive = receive
        request = request_of(scope)
        headers = request.headers
        self.wants_body = request.method != "HEAD"  # RFC 9110 §9.3.2
        self.has_body = "transfer-encoding" in headers or headers.get("content-length", ("0",)) != ("0",)
        self.expects_continue = "expect" in headers
        self.has_unread_body = self.has_body
        self._body_ended: anyio.Event | None = None  # made by whoever waits for it
        self._peeked = b""
        self._has_more = True

    def hold_head(self) -> None:
        """Let the server send the head of the response together with its body, which follows at once."""
        if extension := _extension(self.scope):
            extension["hold"]()

    async def pieces(self) -> Stream:
        """The body, piece by piece, from its start; raises `ClientLeftError`."""
        piece, self._peeked = self._peeked, b""
        while piece or self._has_more:
            if piece:
                yield piece
            piece = self._piece(await self._receive()) if self._has_more else b""
        self.discard_body()

    async def peek(self, limit: int) -> bytes:
        """The body, or as much of it as shows that it is longer than `limit`; raises `ClientLeftError`.

        `pieces` has the whole body all the same.
        """
        while self._has_more and len(self._peeked) <= limit:
            self._peeked += self._piece(await self._receive())
        if not self._has_more:
            self.discard_body()
        return self._peeked

    def _piece(self, message: Message) -> bytes:
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        self._has_more = message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    def discard_body(self) -> None:
        """Nothing is left of the body that anybody will read from the client."""
        self.has_unread_body = False
        if self._body_ended is not None:
            self._body_ended.set()

    async def closed(self) -> None:
        """Return once the client has left. As long as the body may be needed, nothing is received here."""
        if self.has_unread_body:
            self._body_ended = self._body_ended or anyio.Event()
            await self._body_ended.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    @asynccontextmanager
    async def while_connected(self) -> AsyncIterator[None]:
        """Cancel the block once the client has left."""
        with anyio.CancelScope() as scope:
            watcher = asyncio.create_task(self._cancel_when_closed(scope))
            try:
                yield
            finally:
                watcher.cancel()

    async def _cancel_when_closed(self, scope: "anyio.CancelScope") -> None:
        await self.closed()
        scope.cancel()


async def send_response(
    response: HttpResponse, client: ClientConnection, send: Send, stream: Stream | None = None
) -> bool:
    """Send a response with its own body, or that of a stream; whether the whole of it could be sent."""
    if client.has_unread_body and client.expects_continue:  # RFC 9110 §10.1.1: it may never come
        response = replace(response, headers=(*response.headers, ("connection", "close")))
    if stream is None:
        client.hold_head()
        await send(start_message(response, client.scope, len(response.body)))
        await send({"type": "http.response.body", "body": response.body if client.wants_body else b""})
        return True
    await send(start_message(response, client.scope))
    try:
        async for piece in stream:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except BrokenStreamError:
        return False
    await send({"type": "http.response.body", "body": b""})
    return True


def start_message(response: HttpResponse, scope: Scope, length: int | None = None) -> Message:
    """The message that begins a response; `length` is that of its body, unless a header has it."""
    add_headers: Callable[[Fields], Fields] | None = scope.get(ADD_HEADERS)
    fields = add_headers(response.headers) if add_headers else response.headers
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    if length is not None and response.status not in (204, 304):  # RFC 9110 §8.6
        headers.append((b"content-length", b"%d" % length))
    return {"type": "http.response.start", "status": response.status, "headers": headers}


# --- how a connection fails -------------------------------------------------------------------------


async def fail_connection(
    how: NetworkError, response: HttpResponse | None, scope: Scope, client: ClientConnection, send: Send
) -> None:
    """Let the connection fail as a fault has planned it, and wait until the client has noticed.

    A `cut` announces the whole body and sends half of it; a response without a body does not arrive at all.
    """
    client.discard_body()
    if how == "cut" and response and response.body and client.wants_body:
        half = response.body[: len(response.body) // 2]
        await send(start_message(response, scope, len(response.body)))
        await send({"type": "http.response.body", "body": half, "more_body": True})
    if how != "hang":
        close_connection(scope, "close" if how == "cut" else "reset")
    await client.closed()


def close_connection(scope: Scope, how: str, why: str = "a planned fault: the connection is reset") -> None:
    """End the connection: `close` it or `reset` it; raises `ConnectionResetError` on a foreign listener."""
    extension = _extension(scope)
    if extension is None:
        raise ConnectionResetError(why)
    extension[how]()


def _extension(scope: Scope) -> Mapping[str, Callable[[], None]] | None:
    """What mockmoov's own server offers for this connection; None for another server."""
    return (scope.get("extensions") or {}).get(EXTENSION)
