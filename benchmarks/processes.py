"""The servers' processes: starting, pinning, what they cost.

All servers run in the same environment, with their bytecode in a folder of this run.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
_SERVER_CORE, GENERATOR_CORE = _CORES[0], _CORES[-1]
CORES = len(_CORES)
_CPUCLOCK_SCHED = 2  # clock_getcpuclockid(3), as Linux makes the id from the pid
_PAUSE = 0.001  # seconds between two attempts to connect
_PATIENCE = 30.0  # seconds for a server to answer or to stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A server to measure.

    In its command `{port}` is the port and `{folder}` a folder of this run. `health` is the path that is 200
    once it answers; `kinds` are the kinds of call that it has, if not all.
    """

    name: str
    command: tuple[str, ...]
    health: str = "/"
    kinds: frozenset[str] | None = None

    def has(self, kind: str) -> bool:
        """Whether it has this kind of call."""
        return self.kinds is None or kind in self.kinds


def mockmoov(*options: str, name: str = "mockmoov", python: tuple[str, ...] = ()) -> Program:
    """`mockmoov serve` with options."""
    serve = ("mockmoov", "serve", "--access-log", "off", "--port", "{port}")
    return Program(
        name=name, command=(sys.executable, *python, "-m", *serve, *options), health="/_mockmoov/health"
    )


STORES: Mapping[str, tuple[str, ...]] = {"memory": (), "sqlite": ("--store", "sqlite:{folder}/{port}.db")}
"""The options of `mockmoov serve` for each store; each store has its own rows."""

OURS = {store: mockmoov(*options, name=f"mockmoov, {store}") for store, options in STORES.items()}


def _floor(name: str, module: str) -> Program:
    return Program(name=name, command=(sys.executable, "-m", "benchmarks.floors", module, "{port}"))


STARLETTE = _floor("bare Starlette", "bare_starlette")
ASGI = _floor("bare ASGI", "bare_asgi")
EMPTY = _floor("empty Starlette", "empty")
OTHER_FAKE = "oauth2-mock-server"
_SOURCE = ROOT / "tools" / "other_fakes" / OTHER_FAKE


@cache
def other_fake() -> Program | str:
    """oauth2-mock-server, installed with npm at the first run; or why it is missing."""
    if not (shutil.which("node") and shutil.which("npm")):
        return "Node is not installed"
    folder = Path(sys.prefix) / "bench" / OTHER_FAKE
    shutil.copytree(_SOURCE, folder, dirs_exist_ok=True)
    install = ["npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]
    hurry = ["--fetch-retries=0", "--fetch-timeout=30000"]
    if subprocess.run([*install, *hurry], cwd=folder, check=False, capture_output=True).returncode:
        return "npm could not install it"
    command = ("node", str(folder / "serve.mjs"), "{port}")
    return Program(name=OTHER_FAKE, command=command, health="/jwks", kinds=frozenset({"tokens"}))


def other_versions() -> Mapping[str, str]:
    """The versions of Node and of the other fake, if it is here."""
    if isinstance(other_fake(), str):
        return {}
    node = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout
    dependencies = json.loads((_SOURCE / "package.json").read_text())["dependencies"]
    return {"Node": node.strip().removeprefix("v"), **dependencies}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A program that runs; `start_seconds` from its spawn to its first answer, and the CPU time of that."""

    program: Program
    port: int
    pid: int
    start_seconds: float
    start_cpu: float


def pin(pid: int, *cores: int) -> None:
    """Keep a process on some cores, and all that it starts later."""
    os.sched_setaffinity(pid, cores)


@contextlib.contextmanager
def running(
    program: Program, log: Path = Path(os.devnull), core: int | None = _SERVER_CORE
) -> Iterator[Server]:
    """The program, from its first answer until the end of the block; standard error goes to `log`.

    It runs on one core, or (None) on all.
    """
    port = _free_port()
    command = [part.format(port=port, folder=_SCRATCH.name) for part in program.command]
    started = time.perf_counter()
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=stderr
        )
    try:
        pin(process.pid, *(_CORES if core is None else (core,)))
        _wait(process, port, program)
        seconds = time.perf_counter() - started
        cpu = cpu_seconds(process.pid)
        yield Server(program=program, port=port, pid=process.pid, start_seconds=seconds, start_cpu=cpu)
    finally:
        process.terminate()
        process.wait(_PATIENCE)


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A redis-server that keeps nothing on the disk, on the core of the servers; its URL."""
    socket_path = Path(_SCRATCH.name, "redis.sock")
    options = ("--port", "0", "--unixsocket", str(socket_path), "--save", "", "--appendonly", "no")
    with subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL) as process:
        pin(process.pid, _SERVER_CORE)
        try:
            while not socket_path.exists():
                time.sleep(_PAUSE)
            yield f"unix://{socket_path}"
        finally:
            process.kill()


def environment() -> Mapping[str, str]:
    """This environment without what a server, pytest or the interpreter would read."""
    read = ("MOCKMOOV_", "PYTEST", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(read)}
    return {**kept, "PYTHONPYCACHEPREFIX": _SCRATCH.name}


_SCRATCH = tempfile.TemporaryDirectory(prefix="mockmoov-bench-")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int, program: Program) -> None:
    request = f"GET {program.health} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode()
    end = time.perf_counter() + _PATIENCE
    while not _answers(port, request):
        if process.poll() is not None or time.perf_counter() > end:
            raise SystemExit(f"no answer from {program.name}: run {process.args!r} to see why")
        time.sleep(_PAUSE)


def _answers(port: int, request: bytes) -> bool:
    with socket.socket() as connection:
        connection.settimeout(_PATIENCE)
        if connection.connect_ex(("127.0.0.1", port)) != 0:
            return False
        connection.sendall(request)
        return connection.recv(64).startswith(b"HTTP/1.1 200")


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process so far: as in /proc/PID/stat, but not in ticks of 10 ms."""
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


def resident_megabytes(pid: int) -> float:
    """The resident memory of a process (VmRSS)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024 / 1e6
