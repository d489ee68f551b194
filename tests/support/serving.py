"""A `mockmoov serve` process for tests."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


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
def serving_process(*flags: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The same; yields the process, too."""
    command = [sys.executable, "-m", "mockmoov", "serve", "--port", "0", *flags]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1], process
        finally:
            process.terminate()
