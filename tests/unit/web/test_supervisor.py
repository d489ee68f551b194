"""Workers that never answer, that keep ending, and that don't end; what each end is called in the log."""

import logging
import os
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any

import pytest

from mockmoov.web import supervisor
from mockmoov.web.supervisor import Supervisor, can_supervise, is_crash_loop
from tests.support import targets
from tests.support.serving import restored_signals

pytestmark = pytest.mark.skipif(not can_supervise(), reason="this system can't run several workers")


def stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def ended(
    count: int, target: Callable[..., None], *arguments: str, on_ready: Callable[[], None] = pytest.fail
) -> tuple[int, Sequence[Any]]:
    """The exit code of a supervisor, and its processes."""
    running = Supervisor(count, target, arguments)
    with restored_signals():
        code = running.run(on_ready)
    return code, [worker.process for worker in running._workers]


@pytest.mark.parametrize(
    ("lives", "expected"),
    [
        ([], False),
        ([0.0] * 4, False),
        ([0.0] * 5, True),
        ([0.9] * 5, True),
        ([0.0, 0.0, 1.0, 0.0, 0.0], False),
    ],
)
def test_five_short_lives_are_a_crash_loop(lives: list[float], expected: bool) -> None:
    assert is_crash_loop(lives) is expected


def test_end_of_a_worker_is_named() -> None:
    names = {0: "with exit code 0", 3: "with exit code 3", -9: "by SIGKILL", -40: "by signal 40"}
    assert {code: supervisor._describe(code) for code in names} == names


def test_worker_announces_once_and_closes_its_pipe() -> None:
    def target(first: str, number: int, on_ready: Callable[[], None]) -> None:
        calls.append((first, number))
        on_ready()

    calls = list[tuple[str, int]]()
    receiver, pipe = Pipe(duplex=False)
    with receiver:
        supervisor._run(target, ["a"], 2, pipe)
        assert (calls, receiver.recv(), pipe.closed) == ([("a", 2)], True, True)


def test_process_without_parent_has_not_lost_it() -> None:
    assert not supervisor.has_lost_parent()
    with pytest.raises(AssertionError):
        supervisor.parent_sentinel()


@pytest.mark.slow
def test_worker_that_never_answers_ends_all(caplog: pytest.LogCaptureFixture) -> None:
    code, processes = ended(2, targets.fail)
    assert code == 1
    assert all(process.exitcode is not None for process in processes)
    (message,) = caplog.messages
    assert message.endswith(" ended with exit code 3, and it never answered: the server stops")


@pytest.mark.slow
def test_crash_loop_ends_all(caplog: pytest.LogCaptureFixture) -> None:
    ready = list[int]()
    code, _ = ended(1, targets.answer_and_fail, on_ready=lambda: ready.append(1))
    assert (code, len(ready) <= 1) == (1, True)
    end = "worker 1 ended with exit code 3"
    assert caplog.messages == [
        *[f"{end}: another one replaces it"] * 4,
        f"{end}, and 5 in a row lived less than a second: the server stops",
    ]


@pytest.mark.slow
def test_it_is_ready_once_all_workers_answer(tmp_path: Path) -> None:
    def on_ready() -> None:
        calls.append((tmp_path / "late").exists())
        stop()

    calls = list[bool]()
    code, _ = ended(2, targets.answer_late, str(tmp_path / "late"), on_ready=on_ready)
    assert (code, calls) == (0, [True])


@pytest.mark.slow
def test_worker_that_does_not_end_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    code, processes = ended(2, targets.ignore_the_end, "SIGTERM", on_ready=stop)
    assert (code, [process.exitcode for process in processes]) == (0, [-signal.SIGKILL] * 2)
    assert caplog.messages == ["SIGTERM: the server stops"]


@pytest.mark.slow
def test_failed_start_of_one_worker_ends_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Supervisor._start

    def start_first(self: Supervisor, number: int) -> supervisor._Worker:
        if number == 2:
            raise BlockingIOError("no more processes")
        return start(self, number)

    monkeypatch.setattr(Supervisor, "_start", start_first)
    running = Supervisor(2, targets.ignore_the_end, ["SIGHUP"])
    with restored_signals(), pytest.raises(BlockingIOError):
        running.run(pytest.fail)
    (worker,) = running._workers
    assert worker.process.exitcode is not None


@pytest.mark.slow
def test_workers_that_get_the_signal_too_are_not_replaced(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    running = Supervisor(2, targets.ignore_the_end, ["SIGHUP"])

    def stop_all() -> None:
        for worker in running._workers:
            worker.process.terminate()
            worker.process.join()
        stop()

    with restored_signals():
        assert running.run(stop_all) == 0
    assert caplog.messages == ["SIGTERM: the server stops"]
