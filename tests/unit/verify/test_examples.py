"""Drawing examples: they are repeatable, a failure is shrunk, and drawing ends."""

from collections.abc import Callable

import pytest
from hypothesis import strategies as st

from mockmoov.verify.check import BudgetExhausted, CheckFailed
from mockmoov.verify.examples import MAX_SHRINKS, for_all


def recording(tries: list[int], failure: Callable[[int], Exception | None]) -> Callable[[int], None]:
    """A law that notes its examples and fails when `failure` says so."""

    def law(example: int) -> None:
        tries.append(example)
        if error := failure(example):
            raise error

    return law


def test_the_smallest_counterexample_is_reported() -> None:
    law = recording([], lambda number: CheckFailed(str(number)) if number >= 10 else None)
    with pytest.raises(CheckFailed) as failure:
        for_all(st.integers(0, 10**6), law, examples=50, seed=None)
    assert str(failure.value) == "10"


def test_examples_depend_on_the_seed_only() -> None:
    drawn: list[list[int]] = []
    for seed in (None, None, 1, 1, 2):
        drawn.append([])
        for_all(st.integers(), drawn[-1].append, examples=20, seed=seed)
    assert drawn[0] == drawn[1]
    assert drawn[2] == drawn[3]
    assert drawn[2] != drawn[4]


def test_a_failure_counts_even_if_it_does_not_repeat() -> None:
    tries: list[int] = []
    law = recording(tries, lambda _: CheckFailed("once") if len(tries) == 3 else None)
    with pytest.raises(CheckFailed, match="once"):
        for_all(st.integers(), law, examples=10, seed=None)


def test_shrinking_ends() -> None:
    tries: list[str] = []

    def law(text: str) -> None:
        tries.append(text)
        if len(text) > 5:
            raise CheckFailed(text)

    with pytest.raises(CheckFailed):
        for_all(st.text(min_size=0, max_size=500), law, examples=20, seed=7)
    assert len(tries) <= 20 + MAX_SHRINKS


def test_an_exhausted_budget_ends_the_drawing() -> None:
    tries: list[int] = []
    with pytest.raises(BudgetExhausted):
        for_all(st.integers(), recording(tries, lambda _: BudgetExhausted("spent")), examples=10, seed=None)
    assert len(tries) == 1
