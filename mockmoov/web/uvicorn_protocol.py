"""Owns how the bytes of a connection become requests, where uvicorn reads them wrongly. Must not know OAuth.

Seven things: an offered upgrade is declined and the request read as it is (httptools would skip its body,
as Java's HttpClient and `curl --http2` would notice); what is no body is bounded; trailers are no headers;
a client that pipelines without reading is not read from either; a target that is no path is left as it is, so
that no path of ours is meant by it; chunks in HTTP/1.0 and tunnels are refused; and the application may end
the connection.
"""

import socket
import struct

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024  # bytes of request line and headers, of trailers, of what frames a chunk (choice)
EXTENSION = "mockmoov.connection"  # of ASGI: how the application may end the connection
_NO_LINGER = struct.pack("ii", 1, 0)  # close with a RST (SO_LINGER of no seconds)
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's connection with its reading mended; RFC 9110 §6.5.1, §7.8."""

    _bodiless = 0  # bytes that came since the last ones of a body

    def data_received(self, data: bytes) -> None:
        """Read bytes; an upgrade that they offer is declined by reading on without it."""
        self._unset_keepalive_if_required()
        self._bodiless += len(data)
        try:
            while data:
                data = self._feed(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        else:
            if self._bodiless > MAX_HEAD:
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def _feed(self, data: bytes) -> bytes:
        """Read bytes up to where an upgrade is offered; what is to be read then, without the offer."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            return self._without_upgrade() + data[offer.args[0] :]
        return b""

    def on_message_begin(self) -> None:
        """A head begins; its scope says how to end the connection."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"reset": self.reset, "close": self.transport.close}}

    def reset(self) -> None:
        """Close the connection with a TCP reset; what is not sent yet is lost."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    def _without_upgrade(self) -> bytes:
        """The head once more, for a new parser, without the upgrade that it offers."""
        line = b"%b %b HTTP/%b" % (
            self.parser.get_method(),
            self.url,
            self.parser.get_http_version().encode(),
        )
        fields = [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own is
        return b"\r\n".join([line, *fields]) + b"\r\n\r\n"

    def on_headers_complete(self) -> None:
        """The head is read; if it offers an upgrade, it will be read again without."""
        self._bodiless = 0
        if self.parser.get_method() == b"CONNECT":
            raise ValueError("we are no proxy (RFC 9110 §9.3.6)")  # which becomes a 400
        if self.parser.get_http_version() == "1.0" and any(
            k == b"transfer-encoding" for k, _ in self.headers
        ):
            raise ValueError("chunks in HTTP/1.0 (RFC 9112 §6.1)")
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            if not self.url.startswith(b"/"):  # absolute-form and its like (RFC 9112 §3.2): we are no proxy
                self.scope["raw_path"], self.scope["path"] = self.url, self.url.decode("latin-1")
            self.headers = []  # what comes after the body goes here, and nowhere

    def on_body(self, body: bytes) -> None:
        """A piece of the body is read."""
        self._bodiless = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is read; what comes next is a head."""
        self._bodiless = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is sent; if more requests wait already, no further ones are read."""
        super().on_response_complete()
        if self.pipeline and not self.transport.is_closing():
            self.flow.pause_reading()
