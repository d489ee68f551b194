"""Sends requests to an ASGI application in this process, as httpcore2's pool sends them to a server.

Theory of operation. For each request the application runs in a task, as under any server, and another task
reads the client's body ahead. Both bodies pass through a `_Pipe`, where a writer waits for a slow reader.
Once the client has left, the application receives `http.disconnect`, and what it sends is dropped; after 100
messages, `OSError` is raised. Nobody cancels it, so that it can finish its work, until the server stops.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from math import inf
from typing import Any, NoReturn, cast
from urllib.parse import unquote_to_bytes

import anyio
import httpcore2
from starlette.types import Message, Scope

from mockmoov.config.application import Application
from mockmoov.config.settings import SettingsError
from mockmoov.oauth.messages import HttpRequest
from mockmoov.web.asgi_io import ClientLeftError
from mockmoov.web.lifespan import Lifespan, LifespanError, cancel

_MAX_UNREAD = 64 * 1024  # bytes in a pipe, from where on its writer waits
_MAX_DROPPED = 100  # messages that an application may send before it notices that its client has left
_STOP_SECONDS = 5.0  # that an application has to shut down
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_LENGTH = re.compile(rb"[0-9]{1,18}")
_BODILESS = (204, 304)  # RFC 9110 §6.4.1
_log = logging.getLogger("mockmoov")


class ApplicationError(httpcore2.RemoteProtocolError):
    """The application did not answer as ASGI requires; the message is the reason."""


class AsgiUpstream:
    """An application in this process; `timeout` is in seconds, for its start."""

    reads_on = True

    def __init__(self, application: Application, timeout: float) -> None:
        self.name = str(application)
        self._application = application
        self._timeout = timeout
        self._tasks: set[asyncio.Task[None]] = set()

    def address(self, request: HttpRequest) -> tuple[httpcore2.URL, str]:
        """The client's scheme and Host, so that URLs which the application makes of them lead here."""
        url = httpcore2.URL(scheme=request.scheme, host="localhost", port=None, target="")
        return url, request.headers.get("host", ("localhost",))[0]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Run the application's lifespan; raises `SettingsError` if it does not start."""
        lifespan = Lifespan(self._application.app, self._application.state)
        try:
            await lifespan.start(self._timeout)
        except Exception as error:
            kind = "" if isinstance(error, LifespanError) else f"{type(error).__name__}: "
            raise SettingsError(f"upstream: the {self.name} did not start: {kind}{error}") from error
        try:
            yield
        finally:
            await cancel(*self._tasks)
            await lifespan.stop(_STOP_SECONDS)

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """The application's response, of which the body is still to come; raises `ApplicationError`."""
        call = _ApplicationCall(self._application, request)
        task = asyncio.create_task(call.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(call.end)
        try:
            status, headers = await call.head
        except BaseException:
            call.close()
            raise
        return httpcore2.Response(status, headers=headers, content=call)


class _ApplicationCall:
    """One request to the application. Iterating over it gives the body of the response."""

    def __init__(self, application: Application, request: httpcore2.Request) -> None:
        self._application = application
        self._request = request
        self.head: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]] = asyncio.Future()
        self._request_body, self._response_body = _Pipe(), _Pipe()
        self._reader = asyncio.create_task(self._read_request())
        self._has_left = asyncio.Event()
        self._is_read = False  # the whole request
        self._is_started = self._is_over = False  # the response
        self._has_body = request.method != b"HEAD"
        self._unsent: float = inf  # bytes of the body, where its length is known
        self._dropped = 0  # messages that came after the client had left
        self._ending = "was cancelled"  # how the application ended

    async def run(self) -> None:
        """Call the application. What it raises is logged, unless it cannot go on without the client."""
        try:
            await self._application.app(self._scope(), self.receive, self.send)
            self._ending = "returned before its response was complete"
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._ending = f"raised {type(error).__name__}: see the log"
            if not (self._has_left.is_set() and isinstance(error, BrokenPipeError)):
                _log.error("the upstream %s raised an exception", self._application, exc_info=error)

    def end(self, _task: asyncio.Task[None]) -> None:
        """The application has ended, or was cancelled before it began."""
        self._reader.cancel()
        self._fail(self._ending)

    def _scope(self) -> Scope:
        path, _, query = self._request.url.target.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 0),
            "scheme": self._request.url.scheme.decode(),
            "root_path": "",
            "method": self._request.method.decode(),
            "path": unquote_to_bytes(path).decode(errors="replace"),
            "raw_path": path,
            "query_string": query,
            "headers": self._request.headers,
            "state": self._application.state.copy(),
        }

    # --- what the application receives ---------------------------------------------------------------

    async def receive(self) -> Message:
        """The next part of the body; then wait until the client has left, or has the whole response."""
        if not (self._is_read or self._has_left.is_set()):
            piece = await self._request_body.read()
            if not self._has_left.is_set():
                self._is_read = not piece
                return {"type": "http.request", "body": piece, "more_body": not self._is_read}
        await self._has_left.wait()
        return {"type": "http.disconnect"}

    async def _read_request(self) -> None:
        try:
            async for piece in cast("AsyncIterator[bytes]", self._request.stream):
                self._request_body.write(piece)
                await self._request_body.drain()
        except ClientLeftError as error:
            self._abort(error)
            self.close()
        else:
            self._request_body.end()

    # --- what the application sends ------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Take a part of the response; raises `RuntimeError` if it is not what comes next."""
        kind = message["type"]
        expected = "http.response.body" if self._is_started else "http.response.start"
        if self._is_over:
            self._reject(f"sent {kind} after the end of its response")
        if self._has_left.is_set() or self.head.cancelled():
            self._drop()
        elif kind != expected:
            self._reject(f"sent {kind} in place of {expected}")
        elif self._is_started:
            await self._send_body(message.get("body", b""), more=message.get("more_body", False))
        else:
            self._start(message["status"], list(message.get("headers", ())))

    def _drop(self) -> None:
        self._dropped += 1
        if self._dropped > _MAX_DROPPED:
            raise BrokenPipeError("the client has left")

    def _start(self, status: object, headers: list[tuple[bytes, bytes]]) -> None:
        if not isinstance(status, int) or not _are_valid(headers):
            self._reject("sent an invalid status or header")
        self._is_started = True
        self._has_body = self._has_body and status not in _BODILESS
        if self._has_body:
            self._unsent = float(next(_lengths(headers), inf))
        self.head.set_result((int(status), headers))

    async def _send_body(self, piece: bytes, *, more: bool) -> None:
        self._unsent -= len(piece)
        if self._unsent < 0 or (not more and 0 < self._unsent < inf):
            self._reject("sent a body of another length than its content-length")
        if self._has_body:
            self._response_body.write(piece)
        self._is_over = not more
        if more:
            await self._response_body.drain()
        else:
            self._response_body.end()

    def _reject(self, reason: str) -> NoReturn:
        self._fail(reason)
        raise RuntimeError(f"the application {reason}")

    def _fail(self, reason: str) -> None:
        """End the response, unless it is complete."""
        if not self._is_over:
            self._is_over = True
            self._abort(ApplicationError(f"the upstream application {reason}"))

    def _abort(self, error: Exception) -> None:
        if not self.head.done():
            self.head.set_exception(error)
        self._response_body.end(error)

    # --- the body of the response --------------------------------------------------------------------

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces; raises `ApplicationError`, or `TimeoutError` if the next one does not come in time."""
        while piece := await self._next():
            yield piece

    async def _next(self) -> bytes:
        with anyio.fail_after(self._request.extensions["timeout"]["read"]):
            return await self._response_body.read()

    async def aclose(self) -> None:
        """End the exchange: the client has the response, or has left."""
        self.close()

    def close(self) -> None:
        """The same; the application learns of it first."""
        self._has_left.set()
        self._reader.cancel()
        self._request_body.end()
        self._response_body.close()


def _are_valid(headers: list[tuple[Any, Any]]) -> bool:
    """Whether these are bytes, the names are names, and there is at most one length (RFC 9112 §6.3)."""
    return (
        all(isinstance(part, bytes) for field in headers for part in field)
        and all(_TOKEN.fullmatch(name) for name, _ in headers)
        and all(map(_LENGTH.fullmatch, _lengths(headers)))
        and len(list(_lengths(headers))) <= 1
    )


def _lengths(headers: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
    return (value for name, value in headers if name.lower() == b"content-length")


class _Pipe:
    """Bytes from one task to another."""

    def __init__(self) -> None:
        self._unread = b""
        self._error: Exception | None = None
        self._has_ended = self._is_closed = False
        self._change = asyncio.Event()

    def _notify(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

    def write(self, piece: bytes) -> None:
        """Add a piece."""
        self._unread += piece
        self._notify()

    async def drain(self) -> None:
        """Wait while too much is unread, unless nobody will read it."""
        while len(self._unread) >= _MAX_UNREAD and not self._is_closed:
            await self._change.wait()

    def end(self, error: Exception | None = None) -> None:
        """Nothing more will be written; the reader gets the error, if any, after the rest."""
        self._has_ended, self._error = True, error
        self._notify()

    async def read(self) -> bytes:
        """All that is unread, as soon as there is something; nothing at the end."""
        while not (self._unread or self._has_ended):
            await self._change.wait()
        piece, self._unread = self._unread, b""
        self._notify()
        if self._error is not None and not piece:
            raise self._error
        return piece

    def close(self) -> None:
        """Nothing more will be read."""
        self._is_closed = True
        self._notify()
