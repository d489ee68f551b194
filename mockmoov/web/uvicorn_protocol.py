"""uvicorn's HTTP protocol, with what it reads wrongly mended.

Theory of operation. uvicorn feeds bytes to the parser httptools and builds an ASGI scope from its callbacks.
That goes wrong where a real client or an attacker finds it:

1. An offered upgrade (`Upgrade: h2c`) makes httptools skip the body, and Java's HttpClient and `curl --http2`
   lose it. Here the offer is declined: the parser reads the head again without it.
2. Heads, trailers and chunk framing have no bound. Here they end with 431 after 64 KiB.
3. Trailers would be read as headers. Here they are dropped (RFC 9110 §6.5.1).
4. A client that pipelines without reading would be read from without end. Here reading pauses.
5. A target that is not a path (absolute-form) is left as it is, so that no route matches it.
6. CONNECT, and chunks in HTTP/1.0, are refused with 400.
7. A fault may end the connection: the scope carries two functions, `reset` and `close`. With `hold`, the
   application says that the body follows the head at once, so that both are sent together.
8. A response may come before the end of the body. Here what is left of the body is dropped, within the bounds
   of `web.lingering`, so that the response arrives; then the connection goes on, or closes.
9. What cannot be read leaves a line in the log, without the client's bytes.
10. An idle connection has one timer, where uvicorn makes one after each response.
"""

import asyncio
import logging
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mockmoov.web.lingering import LingeringTransport

MAX_HEAD = 64 * 1024  # bytes of a request line with headers, of trailers, of chunk framing (choice)
EXTENSION = "mockmoov.connection"  # the ASGI extension by which the application may end the connection
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_UNREADABLE = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 30\r\n"
    b"connection: close\r\n\r\nInvalid HTTP request received."
)
_TLS_RECORD = b"\x16\x03"  # how a client that speaks TLS begins (RFC 8446 §5.1)
_log = logging.getLogger("mockmoov")


class _UnreadableError(Exception):
    """A request is refused with 400; the message repeats nothing of it."""


class HttpProtocol(HttpToolsProtocol):
    """One HTTP/1.1 connection. `https_port` is where the same server speaks https; None: nowhere."""

    transport: LingeringTransport  # type: ignore[assignment] # in place of the event loop's
    _bodiless = 0  # bytes since the last piece of a body
    _sends_body = False  # whether more of a body is to come; not while its client waits for 100 Continue
    _is_new = True  # whether nothing has been received
    _idle_since: float | None = None  # on the clock of the loop, while there is no request
    _idle_timer: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, https_port: int | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._https_port = https_port
        self.parser = self._new_parser()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with a transport that lingers when it is closed."""
        lingering = LingeringTransport(transport, self.loop, self._is_sending)
        super().connection_made(cast("asyncio.Transport", lingering))
        offered: dict[object, object] = {
            "reset": lingering.reset,
            "close": lingering.close,
            "hold": lingering.hold,
        }
        self._extensions = {EXTENSION: offered}

    def _is_sending(self) -> bool:
        """Whether the client has the whole response to a body that it is still sending."""
        return self._sends_body and self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more comes."""
        super().connection_lost(exc)
        self.transport.connection_lost()
        if self._idle_timer is not None:
            self._idle_timer.cancel()

    def shutdown(self) -> None:
        """End the connection once its exchange has ended; at once if the rest of a body is dropped."""
        if self.transport.is_dropping:
            self.transport.abort()
        else:
            super().shutdown()

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own is since 0.32.1
        return parser

    def data_received(self, data: bytes) -> None:
        """Read bytes; an offered upgrade is declined by reading on without it (RFC 9110 §7.8)."""
        if not self.transport.is_dropping:
            self._idle_since = None
        elif not self.transport.drop(len(data)):
            return
        is_tls = self._is_new and self.scheme == "http" and data.startswith(_TLS_RECORD)
        self._is_new = False
        self._bodiless += len(data)
        try:
            while True:
                try:
                    self.parser.feed_data(data)
                    break
                except httptools.HttpParserUpgrade as offer:
                    data = self._without_upgrade() + data[offer.args[0] :]
        except httptools.HttpParserError as error:
            self._reject(_UNREADABLE, self._tls_hint() if is_tls else _reason(error))
        else:
            if self._bodiless > MAX_HEAD:
                self._reject(_TOO_LARGE, f"a head, trailers or chunk framing is over {MAX_HEAD} bytes")

    def _tls_hint(self) -> str:
        port = self._https_port
        https = "the setting tls turns https on" if port is None else f"https:// is on port {port}"
        return f"a client sent TLS to the http port: use http:// here; {https}"

    def _reject(self, response: bytes, why: str) -> None:
        """Answer what cannot be read, unless another response is due first, and end the connection."""
        _log.warning("%s", why)
        if self._may_answer():
            self.transport.write(response)
        if self.cycle is not None and not self.cycle.response_complete:  # as if the client had left
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.linger()

    def _may_answer(self) -> bool:
        """Whether no other response is due first: between two requests, or in the body of the only one."""
        cycle = self.cycle
        in_first_body = cycle is not None and cycle.more_body and not self.pipeline
        return cycle is None or bool(not cycle.response_started if in_first_body else cycle.response_complete)

    def on_message_begin(self) -> None:
        """Add to the scope how to end the connection."""
        self._idle_since = None
        super().on_message_begin()
        self.scope["extensions"] = self._extensions

    def _without_upgrade(self) -> bytes:
        """The head again, without the offered upgrade, for a new parser."""
        line = b"%b %b HTTP/%b" % (
            self.parser.get_method(),
            self.url,
            self.parser.get_http_version().encode(),
        )
        fields = [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        self.parser = self._new_parser()
        return b"\r\n".join([line, *fields]) + b"\r\n\r\n"

    def on_headers_complete(self) -> None:
        """Begin a request, unless its head is read again without an upgrade."""
        self._bodiless = 0
        is_path = self.url.startswith(b"/")
        if self.parser.get_method() == b"CONNECT":
            raise _UnreadableError("CONNECT: this is not a proxy (RFC 9110 §9.3.6)")
        if self.parser.get_http_version() == "1.0" and b"transfer-encoding" in dict(self.headers):
            raise _UnreadableError("HTTP/1.0 does not allow chunks (RFC 9112 §6.1)")
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            if not is_path:  # absolute-form (RFC 9112 §3.2)
                self.scope["raw_path"], self.scope["path"] = self.url, self.url.decode("latin-1")
            self._sends_body = not self.expect_100_continue
            self.headers = []  # trailers are collected here and dropped

    def on_body(self, body: bytes) -> None:
        """Pass a piece of the body on."""
        self._bodiless, self._sends_body = 0, True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the body; a head may follow."""
        self._bodiless = 0
        if self.parser.should_upgrade():
            return
        self._sends_body = self.cycle.more_body = False
        super().on_message_complete()
        if self.transport.is_dropping:  # the connection is idle
            self.transport.stop_dropping()
            self._idle()

    def on_response_complete(self) -> None:
        """Stop reading while pipelined requests wait for their responses; bound a body that nobody needs."""
        self.transport.flush()  # a response without a body
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.flow.resume_reading()
            self._idle()
        if self.transport.is_closing():
            return
        if self.pipeline:
            self.flow.pause_reading()
        elif self._is_sending():
            self._idle_since = None
            self.transport.start_dropping()

    def _idle(self) -> None:
        """Close the connection if it stays idle; it has one timer, not one for each request."""
        self._idle_since = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._end_if_idle)

    def _end_if_idle(self) -> None:
        self._idle_timer = None
        if self._idle_since is None:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idle_timer = self.loop.call_later(left, self._end_if_idle)
        else:
            self.transport.close()


def _reason(error: httptools.HttpParserError) -> str:
    """Why a request cannot be read, without a byte of it."""
    if isinstance(error.__context__, _UnreadableError):
        return f"a request cannot be read: {error.__context__}"
    is_target = isinstance(error, httptools.HttpParserCallbackError)  # uvicorn reads nothing else itself
    return f"a request cannot be read: {'its target is malformed' if is_target else error}"
