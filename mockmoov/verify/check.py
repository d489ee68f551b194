"""What a check is: a function that tests one rule of the contract, and the ways in which it can end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from hypothesis import strategies as st

if TYPE_CHECKING:
    from mockmoov.verify.expectations import Expectations
    from mockmoov.verify.probe import Probe

Severity = Literal["documented", "observed", "our choice"]
Need = Literal["control plane", "mockmoov", "two scopes"]
Status = Literal["error", "failed", "finding", "passed", "not-checkable"]

SOURCES = {
    "seed": "the 2023 Go SDK's documentation and its OpenAPI 1.0.0",
    "spec": "Moov's public OpenAPI, dated versions",
    "docs": "Moov's guides",
    "live": "reports by integrators about the live API in 2026",
    "sdk": "what the official SDKs send and accept",
    "rfc": "RFC 6749, 6750, 7009, 7519, 7517, 7662, 8414, 9700",
    "choice": "not documented; what mockmoov does",
}
"""The sources of rules, by tag."""

CONTRACTS = {
    "both": frozenset(("2023", "2023-sdk", "dated")),
    "2023": frozenset(("2023", "2023-sdk")),
    "dated": frozenset(("dated",)),
}
"""The contracts that have a rule, as names of `Expectations`."""

_DOCUMENTED = frozenset(("seed", "spec", "docs", "rfc"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule of the contract, and the function that tests it.

    `source`: tags, each with an optional place: `rfc 6749 §5.1, choice`. `contract`: one of `CONTRACTS`.
    `examples`: how many values to try; 0 if the check draws no values. `needs`: what the check requires
    in addition to HTTP and one API key.
    """

    id: str
    title: str
    source: str
    run: Callable[["Probe"], None]
    contract: str = "both"
    examples: int = 0
    needs: tuple[Need, ...] = ()
    finding: bool = False

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of the source."""
        return tuple(part.strip().partition(" ")[0] for part in self.source.split(","))

    @property
    def severity(self) -> Severity:
        """How much a failure counts. A choice of mockmoov is a choice even if it follows an RFC."""
        if "choice" in self.tags:
            return "our choice"
        return "documented" if _DOCUMENTED & set(self.tags) else "observed"

    def applies_to(self, expectations: "Expectations") -> bool:
        """Whether this contract has the rule."""
        return expectations.name in CONTRACTS[self.contract]


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
class Result:
    """How one check ended under one contract. The texts contain no secret and no whole token.

    `reason` says what was expected and what came, or why the check could not run; `curl` has commands that
    reproduce a failure; `observations` are answers by open question; `seconds` is real time.
    """

    check_id: str
    contract: str
    status: Status
    reason: str = ""
    curl: tuple[str, ...] = ()
    observations: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    requests: int = 0


def check(
    check_id: str, source: str, *given: st.SearchStrategy[Any], **attributes: Any
) -> Callable[[Callable[..., None]], Check]:
    """Turn a function into a check with these attributes of `Check`. Its docstring is the title.

    The function's name is the id with underscores: `refresh_used_up` for `refresh.used-up`. It gets a probe,
    and a value of each of the strategies `given`, for each example.
    """

    def decorate(rule: Callable[..., None]) -> Check:
        def run(probe: "Probe") -> None:
            probe.for_all(st.tuples(*given), lambda drawn: rule(probe, *drawn))

        title = " ".join((rule.__doc__ or "").split()).rstrip(".")
        return Check(id=check_id, title=title, source=source, run=run if given else rule, **attributes)

    return decorate
