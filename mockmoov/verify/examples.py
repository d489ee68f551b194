"""Owns how examples of a property are drawn, and how few are enough. Must not know what is checked."""

from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.strategies import SearchStrategy

from mockmoov.verify.results import Failed

T = TypeVar("T")

MOST_SHRINKS = 30
"""Examples after the first that fails: as many requests as a smaller counterexample is worth."""


class _Drawing(Generic[T]):
    """The law as Hypothesis calls it: what it raised, and when to raise no more."""

    def __init__(self, law: Callable[[T], None]) -> None:
        self._law = law
        self._after = 0
        self.failures: list[Failed] = []
        self.end: Exception | None = None

    def __call__(self, drawn: T) -> None:
        self._after += bool(self.failures)
        if self.end or self._after > MOST_SHRINKS:
            return
        try:
            self._law(drawn)
        except Failed as failure:
            self.failures.append(failure)
            raise
        except Exception as end:
            self.end = end


def for_all(
    strategy: SearchStrategy[T], law: Callable[[T], None], *, examples: int, seed: int | None
) -> None:
    """Try the law on examples; raises its `Failed` for the smallest one that was found.

    Anything else that the law raises ends the drawing at once.
    """
    drawing = _Drawing(law)

    @hypothesis.settings(
        max_examples=examples,
        derandomize=seed is None,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=tuple(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    @hypothesis.given(strategy)
    def example(drawn: T) -> None:
        drawing(drawn)

    # What fails no more when it is tried again, after enough of them, is flaky to Hypothesis.
    with suppress(Failed, hypothesis.errors.Flaky):
        (example if seed is None else hypothesis.seed(seed)(example))()
    if drawing.failures:
        raise drawing.failures[-1]
    if drawing.end:
        raise drawing.end
