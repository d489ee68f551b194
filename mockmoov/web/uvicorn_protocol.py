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
7. A fault may end the connection: the scope carries two functions, `reset` and `close`.
"""

import socket
import struct
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024  # bytes of a request line with headers, of trailers, of chunk framing (choice)
EXTENSION = "mockmoov.connection"  # the ASGI extension by which the application may end the connection
_NO_LINGER = struct.pack("ii", 1, 0)  # close with a TCP reset (SO_LINGER of 0 seconds)
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class HttpProtocol(HttpToolsProtocol):
    """One HTTP/1.1 connection."""

    _bodiless = 0  # bytes since the last piece of a body

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.parser = self._new_parser()

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own is since 0.32.1
        return parser

    def data_received(self, data: bytes) -> None:
        """Read bytes; an offered upgrade is declined by reading on without it (RFC 9110 §7.8)."""
        self._unset_keepalive_if_required()
        self._bodiless += len(data)
        try:
            while True:
                try:
                    self.parser.feed_data(data)
                    break
                except httptools.HttpParserUpgrade as offer:
                    data = self._without_upgrade() + data[offer.args[0] :]
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        else:
            if self._bodiless > MAX_HEAD:
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        """Add to the scope how to end the connection."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"reset": self.reset, "close": self.transport.close}}

    def reset(self) -> None:
        """Close the connection with a TCP reset; unsent data is lost."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

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
        if self.parser.get_method() == b"CONNECT":
            raise ValueError("CONNECT: this is not a proxy (RFC 9110 §9.3.6)")  # which becomes a 400
        if self.parser.get_http_version() == "1.0" and b"transfer-encoding" in dict(self.headers):
            raise ValueError("chunks in HTTP/1.0 (RFC 9112 §6.1)")
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            if not self.url.startswith(b"/"):  # absolute-form (RFC 9112 §3.2)
                self.scope["raw_path"], self.scope["path"] = self.url, self.url.decode("latin-1")
            self.headers = []  # trailers are collected here and dropped

    def on_body(self, body: bytes) -> None:
        """Pass a piece of the body on."""
        self._bodiless = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the body; a head may follow."""
        self._bodiless = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Stop reading while pipelined requests wait for their responses."""
        super().on_response_complete()
        if self.pipeline and not self.transport.is_closing():
            self.flow.pause_reading()
