"""Handlers of signals, for the commands that serve."""

import signal
from collections.abc import Callable, Iterable
from types import FrameType

Handler = Callable[[int, FrameType | None], None] | signal.Handlers


def handle_signals(names: Iterable[str], handler: Handler) -> None:
    """Handle the signals that this system has, but for those that the process was started to ignore."""
    for name in names:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as nohup does
            signal.signal(number, handler)
