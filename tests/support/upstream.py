"""An upstream that records every byte it gets, and answers as it is told."""

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A request as it came: its first line, its fields, its body without chunks."""

    line: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    def values(self, name: str) -> list[str]:
        return [value for field, value in self.fields if field.lower() == name]


Answer = Callable[[socket.socket, Recorded], None]


class Upstream:
    """Requests in the order they came; `answer` is bytes, or what to do with the connection."""

    def __init__(self, port: int, scheme: str) -> None:
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.reset()

    def reset(self) -> None:
        self.requests: list[Recorded] = []
        self.connections = 0
        self.answer: bytes | Answer = OK

    def handle(self, connection: socket.socket) -> None:
        self.connections += 1
        stream = connection.makefile("rb")
        while line := stream.readline():
            request = _read(line, stream.readline, stream.read)
            self.requests.append(request)
            if isinstance(self.answer, bytes):
                connection.sendall(self.answer)
            else:
                self.answer(connection, request)


def _read(line: bytes, read_line: Callable[[], bytes], read: Callable[[int], bytes]) -> Recorded:
    fields = []
    while field := read_line().rstrip(b"\r\n"):
        name, _, value = field.decode("latin-1").partition(":")
        fields.append((name, value.strip()))
    named = {name.lower(): value for name, value in fields}
    body = b""
    if "transfer-encoding" in named:
        assert named["transfer-encoding"] == "chunked"
        while size := int(_whole(read_line()), 16):
            body += read(size)
            _whole(read_line())
        _whole(read_line())
    elif "content-length" in named:
        body = read(length := int(named["content-length"]))
        if len(body) < length:
            raise ConnectionError("the body broke off")
    return Recorded(line=line.decode("latin-1").rstrip("\r\n"), fields=tuple(fields), body=body)


def _whole(line: bytes) -> bytes:
    if not line.endswith(b"\n"):
        raise ConnectionError("the request broke off")
    return line


@contextlib.contextmanager
def recording(tls: ssl.SSLContext | None = None) -> Iterator[Upstream]:
    """An upstream on a free loopback port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                if tls is None:
                    upstream.handle(self.request)
                else:
                    with tls.wrap_socket(self.request, server_side=True) as connection:
                        upstream.handle(connection)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        upstream = Upstream(server.server_address[1], "https" if tls else "http")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield upstream
        finally:
            server.shutdown()
            thread.join()
