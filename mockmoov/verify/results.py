"""Owns how a check can end, and what is written down of it. Must not know HTTP or how it is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "finding", "not-checkable", "error"]


class Failed(Exception):  # noqa: N818 - it is a verdict
    """The rule does not hold; the text says what was wanted and what came, `curl` how to see it."""

    curl: tuple[str, ...] = ()


class NotCheckable(Exception):  # noqa: N818 - it is no verdict
    """The rule cannot be looked at here; the text says why."""


class Unanswered(Exception):  # noqa: N818 - it is no verdict
    """No answer came that could be judged; the text says what happened."""


class BudgetSpent(Exception):  # noqa: N818 - it is the end
    """Every request that may be made was made."""


class CannotRun(Exception):  # noqa: N818 - it is the end
    """The suite cannot run here at all; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen where nobody could say: one row of the contract table."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one check ended under one contract. Texts hold no secret and no whole token.

    `reason` says what was wanted and what came, or why nothing could be told; `curl` has the commands that
    reproduce it; `seconds` on the wall's clock.
    """

    check_id: str
    contract: str
    status: Status
    reason: str = ""
    curl: tuple[str, ...] = ()
    seen: tuple[Seen, ...] = ()
    seconds: float = 0.0
    requests: int = 0


# The worst comes first.
ORDER: Mapping[Status, int] = {
    "error": 0,
    "failed": 1,
    "finding": 2,
    "passed": 3,
    "not-checkable": 4,
}
