"""The servers' processes: starting, pinning, what they cost.

All servers run with the same interpreter and the same environment, and with their bytecode in a
folder that belongs to this run, so that measuring changes nothing outside of it.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = _CORES[0]
GENERATOR_CORE = _CORES[-1]
_CPUCLOCK_SCHED = 2  # clock_getcpuclockid(3), as Linux makes the id from the pid
_PAUSE = 0.001  # seconds between two tries to connect
_PATIENCE = 30.0  # seconds for a server to answer or to stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A server to measure: the arguments after the interpreter, `{port}` for the port; where it is well."""

    name: str
    arguments: tuple[str, ...]
    health: str


OURS = Program(
    name="ours",
    arguments=("-m", "mockmoov", "serve", "--access-log", "off", "--port", "{port}"),
    health="/_mockmoov/health",
)
FLOOR = Program(name="floor", arguments=("-m", "benchmarks.floor", "{port}"), health="/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A program that runs; `start_seconds` from its spawn to its first answer, `start_cpu` what that cost."""

    port: int
    pid: int
    start_seconds: float
    start_cpu: float


def pin(pid: int, core: int) -> None:
    """Keep a process on a core, if there is another one for the rest."""
    if len(_CORES) > 1:
        os.sched_setaffinity(pid, {core})


@contextlib.contextmanager
def running(program: Program) -> Iterator[Server]:
    """The program, from its first answer until the end of the block."""
    port = _free_port()
    started = time.perf_counter()
    process = subprocess.Popen(
        _command(program, port),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, port, _health_request(program))
        seconds = time.perf_counter() - started
        yield Server(port=port, pid=process.pid, start_seconds=seconds, start_cpu=cpu_seconds(process.pid))
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _command(program: Program, port: int) -> list[str]:
    return [sys.executable, *(argument.format(port=port) for argument in program.arguments)]


def environment() -> Mapping[str, str]:
    """Ours, without what a server, pytest or the interpreter would read."""
    read = ("MOCKMOOV_", "PYTEST", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(read)}
    return {**kept, "PYTHONPYCACHEPREFIX": _BYTECODE.name}


_BYTECODE = tempfile.TemporaryDirectory(prefix="mockmoov-benchmarks-")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _health_request(program: Program) -> bytes:
    return f"GET {program.health} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode()


def _wait(process: subprocess.Popen[bytes], port: int, request: bytes) -> None:
    end = time.perf_counter() + _PATIENCE
    while not _answers(port, request):
        if process.poll() is not None or time.perf_counter() > end:
            raise SystemExit(f"no answer from {process.args!r}: run it by hand to see why")
        time.sleep(_PAUSE)


def _answers(port: int, request: bytes) -> bool:
    with socket.socket() as connection:
        connection.settimeout(_PATIENCE)
        if connection.connect_ex(("127.0.0.1", port)) != 0:
            return False
        connection.sendall(request)
        return connection.recv(64).startswith(b"HTTP/1.1 200")


def cpu_seconds(pid: int) -> float:
    """What a process has spent so far, user and system: as in /proc/PID/stat, but not in ticks of 10 ms."""
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


def resident_bytes(pid: int) -> int:
    """What a process holds in memory (VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("the kernel does not tell VmRSS")
