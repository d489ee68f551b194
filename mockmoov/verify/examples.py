"""Runs a property on examples, and finds a small counterexample with few requests."""

import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from mockmoov.verify.check import CheckFailed

T = TypeVar("T")

MAX_SHRINKS = 30
"""Examples to try after the first failure. A smaller counterexample is not worth more requests."""


def for_all(
    strategy: st.SearchStrategy[T], test: Callable[[T], object], *, examples: int, seed: int | None
) -> None:
    """Run `test` on examples of the strategy. Raises its `CheckFailed` for the smallest one that was found.

    Any other exception of `test` ends the run at once, and is raised.
    """
    failures: list[CheckFailed] = []
    errors: list[Exception] = []
    tries_after_failure = itertools.count(1)

    def drawing(drawn: T) -> None:
        if errors or (failures and next(tries_after_failure) > MAX_SHRINKS):
            return
        try:
            test(drawn)
        except CheckFailed as failure:
            failures.append(failure)
            raise
        except Exception as error:
            errors.append(error)

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
    if failures or errors:
        raise (failures or errors)[-1]


def not_tokens(*more: str) -> st.SearchStrategy[str]:
    """Texts that are not tokens, `more` among them."""
    known = ["nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", ".", *more]
    return st.one_of(st.sampled_from(known), st.text("abcXYZ019-_.", min_size=1, max_size=60))
