"""The load generator, in a process of its own on the core that is not the server's.

One request at a time on each connection, prebuilt, from one selector loop: it costs a small part of what
any server here spends on the response. It never sleeps: the kernel charges whoever sends for waking the one
that receives, which costs a server here 15 to 25 µs a response on a virtual machine.
"""

import multiprocessing
import selectors
import socket
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import islice

CONNECTIONS = 16
_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """What the generator measured: the seconds of it all and of each request; bodies if they are kept."""

    seconds: float
    latencies: list[float]
    bodies: list[bytes]

    @property
    def rate(self) -> float:
        """Responses a second."""
        return len(self.latencies) / self.seconds


def run(
    port: int,
    requests: Sequence[bytes],
    status: int = 200,
    connections: int = CONNECTIONS,
    *,
    keep: bool = False,
    sleeps: bool = False,
) -> Burst:
    """Send each request once, from the other process. Every response must have the status.

    A generator that `sleeps` leaves its core to the servers while it waits.
    """
    pause = None if sleeps else 0
    return _process().submit(_burst, port, requests, status, connections, keep=keep, pause=pause).result()


@cache
def _process() -> Executor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _burst(
    port: int, requests: Sequence[bytes], status: int, connections: int, *, keep: bool, pause: int | None
) -> Burst:
    waiting, latencies, bodies = iter(requests), list[float](), list[bytes]()
    with selectors.DefaultSelector() as selector:
        for _ in requests[:connections]:
            connection = _Connection(port, status)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        started = time.perf_counter()
        for key, request in zip(selector.get_map().values(), islice(waiting, connections), strict=True):
            key.data.send(request)
        while len(latencies) < len(requests):
            for key, _ in selector.select(timeout=pause):
                body = key.data.read()
                latencies.append(time.perf_counter() - key.data.sent)
                if keep:
                    bodies.append(body)
                if request := next(waiting, b""):
                    key.data.send(request)
        seconds = time.perf_counter() - started
        for key in selector.get_map().values():
            key.data.socket.close()
    return Burst(seconds=seconds, latencies=latencies, bodies=bodies)


class _Connection:
    def __init__(self, port: int, status: int) -> None:
        self.sent = 0.0
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._start = b"HTTP/1.1 %d " % status

    def send(self, request: bytes) -> None:
        self.sent = time.perf_counter()
        self.socket.sendall(request)

    def read(self) -> bytes:
        """The body of one response."""
        data = self._more(b"")
        while (end := data.find(_END)) < 0:
            data = self._more(data)
        if not data.startswith(self._start):
            raise RuntimeError(f"expected {self._start!r}, got {data!r}")
        head, body = data[:end].lower(), data[end + len(_END) :]
        _, _, rest = head.partition(_LENGTH)
        length = int(rest.partition(b"\r")[0] or 0)
        while len(body) < length:
            body = self._more(body)
        return body

    def _more(self, data: bytes) -> bytes:
        received = self.socket.recv(65536)
        if not received:
            raise RuntimeError("the server closed a connection")
        return data + received
