"""Runs the checks of the suite, and collects their results in a report."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mockmoov.verify.check import STATUSES, BudgetExhausted, CannotRun, Check, Result, Status
from mockmoov.verify.checks import CHECKS
from mockmoov.verify.expectations import Expectations
from mockmoov.verify.session import Session

_MAX_ERRORS = 3
"""Checks in a row without a response. Then the run stops, as the server will not respond to the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The results of one check: one for each contract that has its rule."""

    check: Check
    results: tuple[Result, ...]

    @property
    def status(self) -> Status:
        """The worst status of the results."""
        return min((result.status for result in self.results), key=STATUSES.index)

    @property
    def fails_run(self) -> bool:
        """Whether the check failed and its rule is not just a choice of mockmoov."""
        return self.status == "failed" and self.check.severity != "our choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The report of a run. `stopped` says why the run stopped early, or is None."""

    url: str
    contracts: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    stopped: str | None
    requests: int
    seconds: float
    tokens_not_revoked: int

    @property
    def exit_code(self) -> int:
        """0: every documented and observed rule holds; 1: one does not; 2: the run could not find out."""
        if self.stopped is not None or not self.outcomes:
            return 2
        if any(outcome.fails_run for outcome in self.outcomes):
            return 1
        return 2 if self.counts()["error"] else 0

    def counts(self) -> Mapping[Status, int]:
        """The number of checks by status."""
        statuses = [outcome.status for outcome in self.outcomes]
        return {status: statuses.count(status) for status in STATUSES}

    def findings(self) -> Mapping[str, Mapping[str, str]]:
        """The open questions, each with the answers by contract."""
        found: dict[str, dict[str, str]] = {}
        for outcome in self.outcomes:
            for result in outcome.results:
                for question, answer in result.observations.items():
                    found.setdefault(question, {})[result.contract] = answer
        return found


def select_checks(patterns: Sequence[str]) -> list[Check]:
    """The checks whose ids match one of the patterns, or all checks without patterns.

    Raises `CannotRun` for a pattern that matches no check.
    """
    selected: set[str] = set()
    for pattern in patterns or ("*",):
        ids = {check_id for check_id in CHECKS if fnmatchcase(check_id, pattern)}
        if not ids:
            raise CannotRun(f"no check matches {pattern}; --list shows all checks")
        selected |= ids
    return [check for check_id, check in CHECKS.items() if check_id in selected]


def run(
    session: Session,
    checks: Iterable[Check],
    contracts: Sequence[Expectations],
    on_outcome: Callable[[Outcome], None],
) -> Report:
    """Run the checks under each contract, call `on_outcome` after each, and revoke all tokens at the end."""
    started = time.perf_counter()
    outcomes: list[Outcome] = []
    stopped = None
    try:
        for outcome in _outcomes(session, checks, contracts):
            outcomes.append(outcome)
            on_outcome(outcome)
    except BudgetExhausted as reason:
        stopped = str(reason)
    finally:
        session.clean_up()
    return Report(
        url=session.target.url,
        contracts=tuple(expectations.label for expectations in contracts),
        outcomes=tuple(outcomes),
        stopped=stopped,
        requests=session.sender.sent,
        seconds=time.perf_counter() - started,
        tokens_not_revoked=session.tokens_not_revoked,
    )


def _outcomes(
    session: Session, checks: Iterable[Check], contracts: Sequence[Expectations]
) -> Iterator[Outcome]:
    errors = 0
    for check in checks:
        results = []
        for expectations in contracts:
            if check.applies_to(expectations):
                try:
                    result = session.run(check, expectations)
                except BudgetExhausted as error:
                    raise BudgetExhausted(f"{error}, at {check.id}") from None
                results.append(result)
                errors = errors + 1 if result.status == "error" else 0
        if results:
            yield Outcome(check=check, results=tuple(results))
        if errors >= _MAX_ERRORS:
            reason = results[-1].reason
            raise BudgetExhausted(f"{errors} checks in a row got no response; the last one: {reason}")
