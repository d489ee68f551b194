"""The load generator, which runs in a process of its own.

One request at a time on each connection (nothing is pipelined), prebuilt, from one selector loop: it
costs a small part of what any server here spends on the answer. Run as
`python -m benchmarks.load PORT CORE CONNECTIONS seconds|requests AMOUNT`; the request comes on standard
input, the result goes to standard output, as JSON.
"""

import json
import os
import selectors
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Literal

from benchmarks import processes

CONNECTIONS = 16
_END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_CHECK_EVERY = 32  # answers, between two looks at the clock

Unit = Literal["seconds", "requests"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one run of the generator saw; `cpu` and `seconds` are the generator's own."""

    requests: int
    seconds: float
    cpu: float
    body_bytes: int

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def run(port: int, request: bytes, unit: Unit, amount: float, connections: int = CONNECTIONS) -> Result:
    """Put load on a port from another process, on the core that is not the server's."""
    where = (str(port), str(processes.GENERATOR_CORE), str(connections))
    command = [sys.executable, "-m", "benchmarks.load", *where]
    done = subprocess.run(
        [*command, unit, str(amount)], input=request, stdout=subprocess.PIPE, check=True, cwd=processes.ROOT
    )
    return Result(**json.loads(done.stdout))


class _Generator:
    def __init__(self, port: int, request: bytes, connections: int) -> None:
        self._request = request
        self._selector = selectors.DefaultSelector()
        self._answers = 0
        self._body_bytes = 0
        for _ in range(connections):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(connection, selectors.EVENT_READ, connection)

    def run(self, seconds: float, requests: float) -> Result:
        started, cpu = time.perf_counter(), time.process_time()
        for key in self._selector.get_map().values():
            key.data.sendall(self._request)
        while self._answers < requests and time.perf_counter() - started < seconds:
            self._answer(_CHECK_EVERY)
        return Result(
            requests=self._answers,
            seconds=time.perf_counter() - started,
            cpu=time.process_time() - cpu,
            body_bytes=self._body_bytes,
        )

    def _answer(self, count: int) -> None:
        """Read at least so many answers, and ask again after each."""
        goal = self._answers + count
        while self._answers < goal:
            for key, _ in self._selector.select():
                self._body_bytes = _read_answer(key.data)
                self._answers += 1
                key.data.sendall(self._request)


def _read_answer(connection: socket.socket) -> int:
    """Take one answer off a connection; how long its body was."""
    data = _more(connection, b"")
    while (end := data.find(_END)) < 0:
        data = _more(connection, data)
    if not data.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"the server did not grant what was asked: {data!r}")
    start = data.index(_LENGTH) + len(_LENGTH)
    length = int(data[start : data.index(b"\r", start)])
    while len(data) < end + len(_END) + length:
        data = _more(connection, data)
    return length


def _more(connection: socket.socket, data: bytes) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise SystemExit("the server closed a connection")
    return data + received


def main() -> None:
    port, core, connections, unit, amount = sys.argv[1:]
    processes.pin(os.getpid(), int(core))
    limits = {"seconds": float("inf"), "requests": float("inf"), unit: float(amount)}
    result = _Generator(int(port), sys.stdin.buffer.read(), int(connections)).run(**limits)
    json.dump(asdict(result), sys.stdout)


if __name__ == "__main__":
    main()
