"""Owns what a check is: the row that describes it. Must not know what any check does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mockmoov.verify.expectations import Reading
    from mockmoov.verify.probe import Probe

Severity = Literal["documented", "observed", "our choice"]
Need = Literal["control plane", "mockmoov", "two scopes"]

SOURCES = {
    "seed": "the 2023 Go SDK's documentation and its OpenAPI 1.0.0",
    "spec": "Moov's public OpenAPI, dated versions",
    "docs": "Moov's guides",
    "live": "what integrators reported of the live API in 2026",
    "sdk": "what the official SDKs send and accept",
    "rfc": "RFC 6749, 6750, 7009, 7519, 7517, 7662, 8414, 9700",
    "choice": "nobody says; what mockmoov does",
}
"""Where a rule comes from, by tag."""

CONTRACTS = {
    "both": frozenset(("2023", "2023-sdk", "dated")),
    "2023": frozenset(("2023", "2023-sdk")),
    "dated": frozenset(("dated",)),
}
"""Which contracts have a rule, as names of readings."""

_DOCUMENTED = frozenset(("seed", "spec", "docs", "rfc"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule of the contract. `source` is tags with their places: `rfc 6749 §5.1, choice`.

    `contract` is one of `CONTRACTS`; `examples` are drawn for a property, 0 for a single probe; `needs` is
    what must be there besides HTTP and one API key.
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
        """What a failure weighs. What is our choice stays so, whichever RFC it follows."""
        if "choice" in self.tags:
            return "our choice"
        return "documented" if _DOCUMENTED & set(self.tags) else "observed"

    def concerns(self, reading: "Reading") -> bool:
        """Whether this contract has the rule."""
        return reading.name in CONTRACTS[self.contract]


class Topic:
    """The checks of one file, in their order: each is a function, its docstring the title."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._checks: list[Check] = []

    def check(
        self,
        name: str,
        source: str,
        *,
        contract: str = "both",
        examples: int = 0,
        needs: tuple[Need, ...] = (),
        finding: bool = False,
    ) -> Callable[[Callable[["Probe"], None]], Callable[["Probe"], None]]:
        """Put a function into the table."""

        def enter(run: Callable[["Probe"], None]) -> Callable[["Probe"], None]:
            self._checks.append(
                Check(
                    id=f"{self._name}.{name}",
                    title=" ".join((run.__doc__ or "").split()).rstrip("."),
                    contract=contract,
                    source=source,
                    run=run,
                    examples=examples,
                    needs=needs,
                    finding=finding,
                )
            )
            return run

        return enter

    def __iter__(self) -> Iterator[Check]:
        return iter(self._checks)
