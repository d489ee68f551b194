"""What a figure is, how it is compared, and the tables."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Literal, TypeVar

from msgspec import Struct

OURS = "mockmoov"
_S = TypeVar("_S")
_T = TypeVar("_T")


class Budget(Struct, frozen=True):
    """A bound: on the ratio to another one, or on our own value if `other` is empty."""

    bound: Literal["≥", "≤"]
    limit: float
    other: str = ""

    def __str__(self) -> str:
        return f"{self.bound} {self.limit:g}"


class Value(Struct, frozen=True, omit_defaults=True):
    """A median; the ratio of mockmoov to it; percentiles of latency in ms."""

    value: float
    ratio: float | None = None
    p50: float | None = None
    p99: float | None = None


class Figure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a table. Ratios say how good mockmoov is: 0.5 is half as fast, or twice as large."""

    section: str
    name: str
    values: Mapping[str, Value]
    budget: Budget | None = None

    @property
    def is_over(self) -> bool:
        """Whether it breaks its budget."""
        if self.budget is None or (self.budget.other and self.budget.other not in self.values):
            return False
        value = self.values[self.budget.other or OURS]
        number = (value.ratio if self.budget.other else value.value) or 0.0
        return number < self.budget.limit if self.budget.bound == "≥" else number > self.budget.limit


def rotate(rounds: int, measure: Callable[[_S], _T], subjects: Sequence[_S]) -> list[list[_T]]:
    """Measure all subjects in each round, another one first each time; a list for each subject."""
    found: list[list[_T]] = [[] for _ in subjects]
    for number in range(rounds):
        for offset in range(len(subjects)):
            index = (number + offset) % len(subjects)
            found[index].append(measure(subjects[index]))
    return found


def ratio(ours: Iterable[float], other: Iterable[float], *, more_is_better: bool = False) -> float:
    """The median of the ratios of neighbours."""
    pairs = zip(ours, other, strict=True)
    return median(mine / theirs if more_is_better else theirs / mine for mine, theirs in pairs)


def compare(
    section: str,
    name: str,
    ours: Sequence[float],
    others: Mapping[str, Sequence[float]] | None = None,
    budget: Budget | None = None,
) -> Figure:
    """The figure of a cost (less is better), measured side by side."""
    beside = {other: Value(median(values), ratio(ours, values)) for other, values in (others or {}).items()}
    return Figure(section=section, name=name, values={OURS: Value(median(ours)), **beside}, budget=budget)


# --- tables ---------------------------------------------------------------------------------------


def table(figures: Sequence[Figure]) -> str:
    """A Markdown table of a section; what is missing is a dash."""
    budgets = any(figure.budget for figure in figures)
    columns = _columns(figures)
    rows = []
    for figure in figures:
        cells = [_cell(figure.values.get(column)) for column in columns]
        budget = [f"{figure.budget or ''}{' **missed**' if figure.is_over else ''}"] if budgets else []
        rows.append([figure.name, *cells, *budget])
    return markdown(["", *columns, *(["budget"] if budgets else [])], rows)


def latency_table(figures: Sequence[Figure]) -> str:
    """p50 and p99 of those figures that have them."""
    columns = _columns(figures)
    cells = [[_latency(figure.values.get(column)) for column in columns] for figure in figures]
    return markdown(["", *columns], [[figure.name, *row] for figure, row in zip(figures, cells, strict=True)])


def _columns(figures: Iterable[Figure]) -> list[str]:
    return list(dict.fromkeys(column for figure in figures for column in figure.values))


def _cell(value: Value | None) -> str:
    if value is None:
        return "-"
    number = f"{value.value:,.0f}" if abs(value.value) >= 100 else f"{value.value:.3g}"
    return number if value.ratio is None else f"{number} ({value.ratio:.2f})"


def _latency(value: Value | None) -> str:
    return f"{value.p50:.2f} / {value.p99:.2f}" if value and value.p50 and value.p99 else "-"


def markdown(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: text on the left, then numbers."""
    lines = [heading, ["---", *("--:" for _ in heading[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
