"""The journal in memory: the last exchanges that fit, by owner and in all, and how many were dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.records import Exchange
from mockmoov.storage.journal import MemoryJournal

OWNERS = ["a", "b", ""]
SHORTEST = 300  # bytes
LONGEST = 900
EXCHANGE = Exchange(
    at=5.0, client_id=None, endpoint=None, method="GET", path="/", contract="2023", grant_type=None,
    status=404, reason="x", fault=None, headers={"a": "b"}, parameters={}, issued={},
)  # fmt: skip
LINES = st.lists(
    st.tuples(st.integers(SHORTEST, LONGEST) | st.just(SHORTEST), st.sampled_from(OWNERS)), max_size=30
)
MAX_BYTES = st.integers(0, 4 * LONGEST)


def line(size: int, owner: str | None) -> Exchange:
    """An exchange that takes `size` bytes."""
    exchange = replace(EXCHANGE, client_id=owner)
    return replace(exchange, path=exchange.path + "x" * (size - len(to_json(exchange))))


def filled(
    lines: list[tuple[int, str]], *, max_exchanges: int = 1000, max_bytes: int = 10**6
) -> MemoryJournal:
    journal = MemoryJournal(max_exchanges=max_exchanges, max_bytes=max_bytes)
    for size, owner in lines:
        journal.append(line(size, owner))
    return journal


def numbered(lines: list[tuple[int, str]], owner: str | None = None) -> list[Exchange]:
    return [
        replace(line(size, of), number=number)
        for number, (size, of) in enumerate(lines, 1)
        if owner in (None, of)
    ]


def total(exchanges: list[Exchange]) -> int:
    return sum(len(to_json(replace(exchange, number=0))) for exchange in exchanges)


@given(lines=LINES)
def test_lines_are_numbered_from_1_in_the_order_in_which_they_came(lines: list[tuple[int, str]]) -> None:
    journal = filled(lines)
    for owner in (None, *OWNERS):
        assert journal.read(owner) == (numbered(lines, owner), 0)


@given(lines=LINES, max_exchanges=st.integers(1, 10), max_bytes=MAX_BYTES)
def test_the_log_holds_as_many_of_the_last_lines_as_its_bounds_allow(
    lines: list[tuple[int, str]], max_exchanges: int, max_bytes: int
) -> None:
    exchanges, dropped = filled(lines, max_exchanges=max_exchanges, max_bytes=max_bytes).read()
    assert dropped == len(lines) - len(exchanges)
    assert exchanges == numbered(lines)[dropped:]
    assert len(exchanges) <= max_exchanges
    assert total(exchanges) <= max_bytes


@given(lines=LINES, max_exchanges=st.integers(1, 10), max_bytes=MAX_BYTES)
def test_no_line_is_dropped_that_had_room_when_the_last_one_came(
    lines: list[tuple[int, str]], max_exchanges: int, max_bytes: int
) -> None:
    """Were the latest dropped line still there when the last came, the bounds would not hold."""
    dropped_before = 0
    journal = filled([], max_exchanges=max_exchanges, max_bytes=max_bytes)
    for size, owner in lines:
        journal.append(line(size, owner))
        exchanges, dropped = journal.read()
        if dropped > dropped_before:
            latest = lines[dropped - 1][0]
            assert len(exchanges) + 1 > max_exchanges or total(exchanges) + latest > max_bytes
        dropped_before = dropped


@given(lines=LINES, max_exchanges=st.integers(1, 10))
def test_a_group_counts_its_own_dropped_lines_and_the_whole_log_all_of_them(
    lines: list[tuple[int, str]], max_exchanges: int
) -> None:
    journal = filled(lines, max_exchanges=max_exchanges)
    gone = [owner for _, owner in lines[: max(0, len(lines) - max_exchanges)]]
    assert journal.read()[1] == journal.dropped(None) == len(gone)
    for owner in OWNERS:
        assert journal.read(owner)[1] == journal.dropped(owner) == gone.count(owner)


@given(before=LINES, after=LINES, max_exchanges=st.integers(1, 10), max_bytes=MAX_BYTES)
def test_a_group_that_is_forgotten_leaves_no_line_no_count_and_the_room_that_it_had(
    before: list[tuple[int, str]], after: list[tuple[int, str]], max_exchanges: int, max_bytes: int
) -> None:
    journal = filled(before, max_exchanges=max_exchanges, max_bytes=max_bytes)
    others = {owner: journal.read(owner) for owner in OWNERS if owner != "a"}
    journal.clear("a")
    assert journal.read("a") == ([], 0)
    assert {owner: journal.read(owner) for owner in others} == others
    assert journal.read()[1] == sum(dropped for _, dropped in others.values())
    for size, owner in after:
        journal.append(line(size, owner))
    exchanges, _ = journal.read()
    assert len(exchanges) <= max_exchanges
    assert total(exchanges) <= max_bytes


def numbers(journal: MemoryJournal, owner: str | None = None) -> list[int]:
    return [exchange.number for exchange in journal.read(owner)[0]]


def test_a_number_is_never_given_twice_though_its_line_was_forgotten() -> None:
    journal = filled([(SHORTEST, "a"), (SHORTEST, "b")])
    journal.clear("b")
    journal.append(line(SHORTEST, "a"))
    assert numbers(journal, "a") == [1, 3]


def test_what_was_forgotten_makes_room() -> None:
    journal = filled([(SHORTEST, "a"), (LONGEST, "b")], max_exchanges=2, max_bytes=SHORTEST + LONGEST)
    journal.clear("b")
    journal.append(line(LONGEST, "c"))
    assert (numbers(journal), journal.dropped(None)) == ([1, 3], 0)


def test_a_line_that_is_larger_than_the_log_takes_all_others_with_it() -> None:
    journal = filled([(SHORTEST, "a"), (LONGEST, "b")], max_bytes=LONGEST - 1)
    assert journal.read() == ([], 2)
    assert (journal.dropped("a"), journal.dropped("b")) == (1, 1)


@given(before=LINES, after=LINES)
def test_a_log_that_was_cleared_is_as_a_new_one(
    before: list[tuple[int, str]], after: list[tuple[int, str]]
) -> None:
    journal = filled(before, max_exchanges=5, max_bytes=2000)
    journal.clear()
    for size, owner in after:
        journal.append(line(size, owner))
    new = filled(after, max_exchanges=5, max_bytes=2000)
    for owner_or_all in (None, *OWNERS):
        assert journal.read(owner_or_all) == new.read(owner_or_all)


@pytest.mark.parametrize("owner", [None, *OWNERS])
def test_a_log_of_no_lines_keeps_none_and_counts_none(owner: str | None) -> None:
    journal = filled([(SHORTEST, "a"), (SHORTEST, "b"), (SHORTEST, "")], max_exchanges=0)
    assert journal.read(owner) == ([], 0)


def test_to_ask_for_a_group_that_is_not_there_leaves_no_trace() -> None:
    journal = filled([(SHORTEST, "a")])
    assert journal.read("nobody") == ([], 0)
    journal.clear("nobody")
    assert numbers(journal) == [1]
    assert "nobody" not in journal._owners
