"""Runs a property on examples, and finds a small counterexample with few requests."""

from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.strategies import SearchStrategy

from mockmoov.verify.results import CheckFailed

T = TypeVar("T")

MAX_SHRINKS = 30
"""Examples to try after the first failure. A smaller counterexample is not worth more requests."""


class _Drawing(Generic[T]):
    """The test as Hypothesis calls it. Records failures, and ignores examples when it has had enough."""

    def __init__(self, test: Callable[[T], None]) -> None:
        self._test = test
        self._shrinks = 0
        self.failures: list[CheckFailed] = []
        self.error: Exception | None = None

    def __call__(self, drawn: T) -> None:
        self._shrinks += bool(self.failures)
        if self.error or self._shrinks > MAX_SHRINKS:
            return
        try:
            self._test(drawn)
        except CheckFailed as failure:
            self.failures.append(failure)
            raise
        except Exception as error:
            self.error = error


def for_all(
    strategy: SearchStrategy[T], test: Callable[[T], None], *, examples: int, seed: int | None
) -> None:
    """Run `test` on examples of the strategy. Raises its `CheckFailed` for the smallest one that was found.

    Any other exception of `test` ends the run at once, and is raised.
    """
    drawing = _Drawing(test)

    # Without a seed, Hypothesis derives the examples from the source text of this function.
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

    # Hypothesis repeats a failure, and reports it as flaky if it passes then, as after the last shrink.
    with suppress(CheckFailed, hypothesis.errors.Flaky):
        (example if seed is None else hypothesis.seed(seed)(example))()
    if drawing.failures:
        raise drawing.failures[-1]
    if drawing.error:
        raise drawing.error
