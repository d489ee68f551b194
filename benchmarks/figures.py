"""What a figure is, its budget, the table and the JSON."""

import json
import operator
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Literal

_LIBRARIES = ("cryptography", "httptools", "mockmoov", "pyjwt", "starlette", "uvicorn", "uvloop")
_COLUMNS = "{:<44} {:>10} {:>10} {:>7} {:>9}  {}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A bound on the ratio to the floor, or on our own value where there is no floor."""

    bound: Literal[">=", "<="]
    limit: float

    def holds(self, value: float) -> bool:
        return _BOUNDS[self.bound](value, self.limit)

    def __str__(self) -> str:
        return f"{self.bound} {self.limit:g}"


_BOUNDS: Mapping[str, Callable[[float, float], bool]] = {">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table. Without a floor there is no ratio; without a budget it only informs."""

    name: str
    ours: float
    floor: float | None = None
    ratio: float | None = None
    budget: Budget | None = None

    @property
    def over(self) -> bool:
        value = self.ours if self.ratio is None else self.ratio
        return self.budget is not None and not self.budget.holds(value)


def compare(name: str, ours: Iterable[float], floor: Iterable[float], budget: Budget | None = None) -> Figure:
    """The medians of interleaved measurements, and the median of the ratios of neighbours."""
    pairs = list(zip(ours, floor, strict=True))
    return Figure(
        name=name,
        ours=median(mine for mine, _ in pairs),
        floor=median(theirs for _, theirs in pairs),
        ratio=median(mine / theirs for mine, theirs in pairs if theirs),
        budget=budget,
    )


HEADING = _COLUMNS.format("name", "ours", "floor", "ratio", "budget", "").rstrip()


def row(figure: Figure) -> str:
    """The figure as a line under `HEADING`."""
    verdict = ("OVER" if figure.over else "ok") if figure.budget else ""
    numbers = [_number(figure.ours), _number(figure.floor)]
    ratio = "-" if figure.ratio is None else f"{figure.ratio:.3f}"
    return _COLUMNS.format(figure.name, *numbers, ratio, str(figure.budget or "-"), verdict).rstrip()


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}"


def write_json(path: Path, figures: Iterable[Figure], *, quick: bool) -> None:
    """The figures with what they depend on."""
    document = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "quick": quick,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "figures": list(map(_document, figures)),
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def _document(figure: Figure) -> Mapping[str, object]:
    return {
        "name": figure.name,
        "ours": figure.ours,
        "floor": figure.floor,
        "ratio": figure.ratio,
        "budget": figure.budget and str(figure.budget),
        "over": figure.over,
    }
