"""What the workers of a supervisor run in tests. They are in a small module, since each worker imports it."""

import os
import signal
import time
from collections.abc import Callable


def fail(_number: int, _on_ready: Callable[[], None]) -> None:
    """End before it answers."""
    os._exit(3)


def answer_and_fail(_number: int, on_ready: Callable[[], None]) -> None:
    """End as soon as it answers."""
    on_ready()
    os._exit(3)


def ignore_the_end(ignored: str, _number: int, on_ready: Callable[[], None]) -> None:
    """Ignore these signals, and answer until it is killed."""
    for name in ignored.split():
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    on_ready()
    while True:
        time.sleep(60)
