"""HTTP servers that are functions, on real sockets."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.contract_fixtures import Answer, Send

Hang = None
"""What is answered by saying nothing until the server ends."""


@dataclass
class Counting:
    """Hands requests on, and writes down when each one came and what was answered."""

    send: Send
    times: list[float] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def __call__(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        self.times.append(time.monotonic())
        self.requests.append((method, target, dict(headers), body))
        answer = self.send(method, target, headers, body)
        self.answers.append(answer)
        return answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answer: Callable[..., Answer | None]
    ended: threading.Event

    def handle_one_request(self) -> None:
        with contextlib.suppress(OSError):
            super().handle_one_request()

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._do
        raise AttributeError(name)

    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        answer = type(self).answer(self.command, self.path, list(self.headers.items()), body)
        if answer is Hang:
            self.ended.wait(60)
            self.close_connection = True
            return
        status, headers, content = answer
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def listening(answer: Callable[..., Answer | None]) -> Iterator[str]:
    """Serve a function on a free port of this machine; yields the URL."""
    ended = threading.Event()
    handler = type("Handler", (_Handler,), {"answer": staticmethod(answer), "ended": ended})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            ended.set()
            server.shutdown()
            thread.join()
