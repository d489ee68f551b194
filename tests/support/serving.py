"""A `mockmoov serve` process for tests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any


def environment() -> Mapping[str, str]:
    """Ours, without what a server or pytest would read."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("MOCKMOOV_", "PYTEST_"))
    }


@contextmanager
def serving(*flags: str) -> Iterator[str]:
    """Serve on a free port in a process of its own; yields the URL."""
    with serving_process(*flags) as (url, _):
        yield url


@contextmanager
def serving_process(
    *flags: str, stderr: IO[str] | int = subprocess.DEVNULL, **options: Any
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The same; yields the process, too. Options are those of `Popen`."""
    with starting_process(*flags, stderr=stderr, **options) as process:
        yield url_of(process), process


@contextmanager
def starting_process(
    *flags: str, stderr: IO[str] | int = subprocess.DEVNULL, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """Start a server on a free port, and don't wait until it listens."""
    command = [sys.executable, "-m", "mockmoov", "serve", "--port", "0", *flags]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment(), **options
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def url_of(process: subprocess.Popen[str]) -> str:
    """The URL of a server that starts; waits until it listens."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"the server ended with {process.wait()}"
    return line.split()[-1]


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The process ids of the workers of a server, the newest last."""
    found = list[int]()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == process.pid and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return sorted(found)


@contextmanager
def serving_together(count: int, *flags: str) -> Iterator[list[str]]:
    """Start servers at the same moment; yields their URLs."""
    with ExitStack() as stack:
        processes = [stack.enter_context(starting_process(*flags)) for _ in range(count)]
        yield [url_of(process) for process in processes]


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)


def commands_on_the_path() -> Mapping[str, str]:
    """PATH, with mockmoov's commands in it."""
    return {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@contextmanager
def restored_signals() -> Iterator[None]:
    """A server that has run in this process leaves signals ignored: restore their handlers."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
