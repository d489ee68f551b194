"""Owns running the whole suite, and what comes of it. Must not know sockets, or how it is shown."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mockmoov.verify.check import Check
from mockmoov.verify.checks import CHECKS
from mockmoov.verify.expectations import Reading
from mockmoov.verify.results import ORDER, BudgetSpent, Result, Status
from mockmoov.verify.session import Session

_MOST_ERRORS = 3
"""Checks in a row to which nothing is answered: then nothing will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one check ended under each contract that has its rule."""

    check: Check
    results: tuple[Result, ...]

    @property
    def status(self) -> Status:
        """The worst."""
        return min((result.status for result in self.results), key=ORDER.__getitem__)

    @property
    def weighs(self) -> bool:
        """Whether a failure fails the run: what is our choice does not."""
        return self.status == "failed" and self.check.severity != "our choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run. `stopped` says why it did not get to its end; `left_behind` counts tokens not revoked."""

    url: str
    contracts: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    stopped: str | None
    requests: int
    seconds: float
    left_behind: int

    @property
    def exit_code(self) -> int:
        """0: every documented and observed rule holds; 1: one does not; 2: it cannot be told."""
        if self.stopped is not None or not self.outcomes:
            return 2
        if any(outcome.weighs for outcome in self.outcomes):
            return 1
        return 2 if self.counts()["error"] else 0

    def counts(self) -> Mapping[Status, int]:
        """Checks by status."""
        statuses = [outcome.status for outcome in self.outcomes]
        return {status: statuses.count(status) for status in ORDER}

    def findings(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """What was seen where nobody could say, by question: the answer under each contract."""
        found: dict[str, dict[str, str]] = {}
        for outcome in self.outcomes:
            for result in outcome.results:
                for seen in result.seen:
                    found.setdefault(seen.question, {})[result.contract] = seen.answer
        yield from found.items()


def chosen(patterns: Sequence[str]) -> tuple[Check, ...]:
    """The checks whose ids these match, all without any; `KeyError` for one that matches none."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in CHECKS):
            raise KeyError(pattern)
    return tuple(
        check
        for name, check in CHECKS.items()
        if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
    )


def run(
    session: Session,
    checks: Iterable[Check],
    readings: Sequence[Reading],
    tell: Callable[[Outcome], None],
) -> Report:
    """Run the checks, telling how each one ended; everything that was minted is revoked."""
    started = time.perf_counter()
    outcomes: list[Outcome] = []
    stopped = None
    try:
        for outcome in _outcomes(session, checks, readings):
            outcomes.append(outcome)
            tell(outcome)
    except _Stopped as reason:
        stopped = str(reason)
    finally:
        session.clean_up()
    return Report(
        url=session.target.url,
        contracts=tuple(reading.label for reading in readings),
        outcomes=tuple(outcomes),
        stopped=stopped,
        requests=session.wire.sent,
        seconds=time.perf_counter() - started,
        left_behind=session.left_behind,
    )


class _Stopped(Exception):  # noqa: N818 - it is the end
    """The run cannot go on."""


def _outcomes(session: Session, checks: Iterable[Check], readings: Sequence[Reading]) -> Iterator[Outcome]:
    errors = 0
    for check in checks:
        results = []
        for reading in readings:
            if check.concerns(reading):
                try:
                    result = session.run(check, reading)
                except BudgetSpent as end:
                    raise _Stopped(f"{end}, at {check.id}") from None
                results.append(result)
                errors = errors + 1 if result.status == "error" else 0
        if results:
            yield Outcome(check=check, results=tuple(results))
        if errors >= _MOST_ERRORS:
            raise _Stopped(f"{errors} checks in a row had no answer; the last one: {results[-1].reason}")
