"""A `mockmoov serve` process for tests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO


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
    *flags: str, stderr: IO[str] | int = subprocess.DEVNULL
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The same; yields the process, too."""
    command = [sys.executable, "-m", "mockmoov", "serve", "--port", "0", *flags]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1], process
        finally:
            process.terminate()


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
