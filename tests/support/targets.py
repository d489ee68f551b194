"""What the workers of a supervisor run in tests. They are in a small module, since each worker imports it."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path


def fail(_number: int, _on_ready: Callable[[], None]) -> None:
    """End before it answers."""
    os._exit(3)


def answer_and_fail(_number: int, on_ready: Callable[[], None]) -> None:
    """End as soon as it answers."""
    on_ready()
    os._exit(3)


def answer_late(file: str, number: int, on_ready: Callable[[], None]) -> None:
    """Answer; the second worker does so later than the first, and makes a file before."""
    if number > 1:
        time.sleep(0.3)
        Path(file).touch()
    ignore_the_end("SIGHUP", number, on_ready)


def ignore_the_end(ignored: str, _number: int, on_ready: Callable[[], None]) -> None:
    """Ignore these signals, and answer until it is killed."""
    for name in ignored.split():
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    on_ready()
    while True:
        time.sleep(60)
