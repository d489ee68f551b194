"""How a check can end, and what a report records of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "finding", "not-checkable", "error"]

WORST_FIRST: Mapping[Status, int] = {
    "error": 0,
    "failed": 1,
    "finding": 2,
    "passed": 3,
    "not-checkable": 4,
}
"""The order of the statuses."""


class CheckFailed(Exception):  # noqa: N818 - a result, not an error
    """The rule does not hold. The text says what was expected; `curl` has commands that reproduce it."""

    curl: tuple[str, ...] = ()


class NotCheckable(Exception):  # noqa: N818 - a result, not an error
    """This server does not allow the check. The text says why."""


class NoResponse(Exception):  # noqa: N818 - a result, not an error
    """A request got no usable response. The text says what happened."""


class BudgetExhausted(Exception):  # noqa: N818 - it ends the run
    """No more requests may be sent. The text says why."""


class CannotRun(Exception):  # noqa: N818 - it ends the run
    """The suite cannot run against this target. The text says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The answer to a question that Moov's documentation leaves open."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one check ended under one contract. The texts contain no secret and no whole token.

    `reason` says what was expected and what came, or why the check could not run; `curl` has commands that
    reproduce a failure; `seconds` is real time.
    """

    check_id: str
    contract: str
    status: Status
    reason: str = ""
    curl: tuple[str, ...] = ()
    observations: tuple[Observation, ...] = ()
    seconds: float = 0.0
    requests: int = 0
