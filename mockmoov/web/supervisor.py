"""Runs several processes that serve together: starts them, replaces those that die, ends them all."""

import contextlib
import logging
import multiprocessing
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any, TypeAlias

from mockmoov.config.signals import handle_signals

_NAMES = {each.value: each.name for each in signal.Signals}  # those for real time have none
_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")
_FROM_TERMINALS = ("SIGINT", "SIGHUP")
_END_SECONDS = 0.8  # that the workers have to end
_SHORT_LIFE, _SHORT_LIVES = 1.0, 5  # seconds, and so many in a row: the workers can't run (choice)
_log = logging.getLogger("mockmoov")

Target: TypeAlias = Callable[..., None]
"""What a worker runs: it gets the arguments, its number from 1, and a function to call once it answers."""


@dataclass
class _Worker:
    number: int
    process: SpawnProcess
    pipe: Connection  # becomes readable when the worker answers, or ends before
    ready_at: float | None = None  # on the monotonic clock

    @property
    def is_ready(self) -> bool:
        return self.ready_at is not None


def can_supervise() -> bool:
    """Whether this system lets processes share their sockets, and be told to end."""
    return hasattr(signal, "pthread_sigmask")


class Supervisor:
    """`count` workers that run `target`, which must be a function of a module, with `arguments`."""

    def __init__(self, count: int, target: Target, arguments: Sequence[Any]) -> None:
        self._target, self._arguments = target, tuple(arguments)
        self._numbers = range(1, count + 1)
        self._workers: list[_Worker] = []
        self._lives = deque[float](maxlen=_SHORT_LIVES)
        self._signal = ""
        self._awake, self._wake = socket.socketpair()
        self._wake.setblocking(False)

    def run(self, on_ready: Callable[[], None]) -> int:
        """Run until SIGTERM, SIGINT or SIGHUP: the exit code. Calls `on_ready` once all workers answer.

        The process is to end then: it ignores these signals from there on.
        """
        handle_signals(_SIGNALS, self._handle)
        try:
            for number in self._numbers:
                self._workers.append(self._start(number))
            return self._supervise(on_ready)
        finally:
            handle_signals(_SIGNALS, signal.SIG_IGN)
            self._end()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._signal = self._signal or signal.Signals(number).name
        with contextlib.suppress(BlockingIOError):
            self._wake.send(b"!")

    def _supervise(self, on_ready: Callable[[], None]) -> int:
        is_announced = False
        while not self._signal:
            self._wait()
            for worker in self._ended():
                if not self._replace(worker, is_first=not (is_announced or worker.is_ready)):
                    return 1
            if not is_announced and all(worker.is_ready for worker in self._workers):
                is_announced = True
                on_ready()
        _log.info("%s: the server stops", self._signal)
        return 0

    def _ended(self) -> list[_Worker]:
        """The workers to replace; none once all are to end, since the signal may have gone to them, too."""
        return [] if self._signal else [each for each in self._workers if not each.process.is_alive()]

    def _wait(self) -> None:
        """Wait until something happens to a worker, or a signal arrives."""
        pending = {worker.pipe: worker for worker in self._workers if not worker.is_ready}
        sentinels = [worker.process.sentinel for worker in self._workers]
        for each in wait([self._awake, *pending, *sentinels]):
            if worker := pending.get(each):  # type: ignore[call-overload]
                try:
                    worker.pipe.recv()
                    worker.ready_at = time.monotonic()
                except EOFError:
                    worker.process.join()

    def _replace(self, worker: _Worker, *, is_first: bool) -> bool:
        """Start another one in place of a worker that has ended; False if that would go on for ever."""
        worker.process.join()
        how = _describe(worker.process.exitcode or 0)
        self._lives.append(0.0 if worker.ready_at is None else time.monotonic() - worker.ready_at)
        if is_first or is_crash_loop(self._lives):
            why = "it never answered" if is_first else f"{_SHORT_LIVES} in a row lived less than a second"
            _log.error("worker %d ended %s, and %s: the server stops", worker.number, how, why)
            return False
        _log.warning("worker %d ended %s: another one replaces it", worker.number, how)
        self._workers[worker.number - 1] = self._start(worker.number)
        return True

    def _start(self, number: int) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=_run, args=(self._target, self._arguments, number, theirs), name=f"worker {number}"
        )
        with _blocked(_FROM_TERMINALS):
            resource_tracker.ensure_running()  # the first start would do it, and unblock SIGINT
        with _blocked(_FROM_TERMINALS):  # a worker ends when its supervisor ends it
            process.start()
        theirs.close()
        return _Worker(number, process, ours)

    def _end(self) -> None:
        """End the workers; kill those that take too long."""
        processes = [worker.process for worker in self._workers]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + _END_SECONDS
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
        for process in processes:
            process.kill()
            process.join()
        self._awake.close()
        self._wake.close()


def is_crash_loop(lives: Sequence[float]) -> bool:
    """Whether the last workers have each ended so soon that the next ones won't last either.

    A life is in seconds from the first answer; 0 for a worker that never answered.
    """
    return len(lives) >= _SHORT_LIVES and max(lives) < _SHORT_LIFE


def _describe(exit_code: int) -> str:
    if exit_code >= 0:
        return f"with exit code {exit_code}"
    return f"by {_NAMES.get(-exit_code, f'signal {-exit_code}')}"


@contextlib.contextmanager
def _blocked(names: Sequence[str]) -> Iterator[None]:
    """Block these signals; what starts meanwhile never gets them."""
    numbers = {getattr(signal, name) for name in names}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# --- in the worker ----------------------------------------------------------------------------------


def _run(target: Target, arguments: Sequence[Any], number: int, pipe: Connection) -> None:
    def announce() -> None:
        pipe.send(True)
        pipe.close()

    target(*arguments, number, announce)


def parent_sentinel() -> int:
    """A file descriptor that becomes readable when the supervisor of this worker has ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    return int(parent.sentinel)


def has_lost_parent() -> bool:
    """Whether the supervisor of this worker has ended without ending it."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()
