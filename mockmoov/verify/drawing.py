"""Owns how examples of a property are drawn, and how few are enough. Must not know what is checked."""

from collections.abc import Callable
from typing import TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.strategies import SearchStrategy

from mockmoov.verify.outcomes import Failed

T = TypeVar("T")

MOST_SHRINKS = 30
"""Examples after the first that fails: as many requests as a smaller counterexample is worth."""


def for_all(
    strategy: SearchStrategy[T], law: Callable[[T], None], *, examples: int, seed: int | None
) -> None:
    """Try the law on examples; raises its `Failed` for the smallest one that was found.

    Anything else that the law raises ends the drawing at once.
    """
    failures: list[Failed] = []
    ends: list[Exception] = []
    after = 0

    def example(drawn: T) -> None:
        nonlocal after
        after += bool(failures)
        if ends or after > MOST_SHRINKS:
            return
        try:
            law(drawn)
        except Failed as failure:
            failures.append(failure)
            raise
        except Exception as end:  # noqa: BLE001 - kept, and raised below
            ends.append(end)

    configured = hypothesis.settings(
        max_examples=examples,
        derandomize=seed is None,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=tuple(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    test = configured(hypothesis.given(strategy)(example))
    if seed is not None:
        test = hypothesis.seed(seed)(test)
    try:
        test()
    except (Failed, hypothesis.errors.Flaky, BaseExceptionGroup):
        pass
    if failures:
        raise failures[-1]
    if ends:
        raise ends[0]
