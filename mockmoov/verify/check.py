"""What a check is: a function that tests one rule of the contract, and the rule's description."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mockmoov.verify.expectations import Expectations
    from mockmoov.verify.probe import Probe

Severity = Literal["documented", "observed", "our choice"]
Need = Literal["control plane", "mockmoov", "two scopes"]

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
    contract: str
    source: str
    run: Callable[["Probe"], None]
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


def check(
    check_id: str,
    source: str,
    *,
    contract: str = "both",
    examples: int = 0,
    needs: tuple[Need, ...] = (),
    finding: bool = False,
) -> Callable[[Callable[["Probe"], None]], Check]:
    """Turn a function into a check. See `Check` for the arguments.

    The docstring is the title. The function's name is the id with underscores: `refresh_used_up` for
    `refresh.used-up`.
    """

    def decorate(run: Callable[["Probe"], None]) -> Check:
        return Check(
            id=check_id,
            title=" ".join((run.__doc__ or "").split()).rstrip("."),
            contract=contract,
            source=source,
            run=run,
            examples=examples,
            needs=needs,
            finding=finding,
        )

    return decorate
