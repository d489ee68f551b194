"""The journal in memory: it keeps the last exchanges that fit, and counts the others by owner."""

import gc
import tracemalloc
from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.records import Exchange
from mockmoov.simulation.journal import Query
from mockmoov.storage.journal import MemoryJournal
from tests.support.records import EXCHANGE
from tests.support.stores import ended_without, methods_of

OWNERS = ["a", "b", ""]
SHORT, LONG = 300, 900  # bytes
Lines = list[tuple[int, str]]  # the size of each exchange in bytes, and its owner
LINES = st.lists(st.tuples(st.integers(SHORT, LONG) | st.just(SHORT), st.sampled_from(OWNERS)), max_size=30)
MAX_BYTES = st.integers(0, 4 * LONG)
MIXED = [(SHORT, "a"), (LONG, "b"), (SHORT, "b"), (SHORT, "a"), (LONG, "")]


def exchange(size: int, owner: str | None, number: int = 0) -> Exchange:
    """An exchange of `size` bytes."""
    plain = replace(EXCHANGE, client_id=owner)
    return replace(plain, path=plain.path + "x" * (size - len(to_json(plain))), number=number)


def journal_of(lines: Lines, *, max_exchanges: int = 1000, max_bytes: int = 10**6) -> MemoryJournal:
    journal = MemoryJournal(max_exchanges=max_exchanges, max_bytes=max_bytes)
    for size, owner in lines:
        journal.append(exchange(size, owner))
    return journal


def fitting(lines: Lines, max_exchanges: int, max_bytes: int) -> int:
    """How many of the last lines fit."""
    count = size = 0
    for length, _ in reversed(lines):
        count, size = count + 1, size + length
        if count > max_exchanges or size > max_bytes:
            return count - 1
    return count


@given(lines=LINES, max_exchanges=st.integers(1, 10), max_bytes=MAX_BYTES)
@example(lines=MIXED, max_exchanges=3, max_bytes=10**6)
@example(lines=MIXED, max_exchanges=9, max_bytes=SHORT + LONG)
@example(lines=MIXED, max_exchanges=9, max_bytes=LONG - 1)
def test_journal_keeps_the_last_exchanges_that_fit(lines: Lines, max_exchanges: int, max_bytes: int) -> None:
    journal = journal_of(lines, max_exchanges=max_exchanges, max_bytes=max_bytes)
    dropped = len(lines) - fitting(lines, max_exchanges, max_bytes)
    kept = [exchange(size, owner, number) for number, (size, owner) in enumerate(lines, 1)][dropped:]
    assert journal.read() == (kept, dropped)
    gone = [owner for _, owner in lines[:dropped]]
    for owner in OWNERS:
        own = [each for each in kept if each.client_id == owner]
        assert journal.read(owner) == (own, gone.count(owner))
        assert journal.dropped(owner) == gone.count(owner)


@given(before=LINES, after=LINES, max_exchanges=st.integers(1, 10), max_bytes=MAX_BYTES)
@example(before=MIXED, after=MIXED, max_exchanges=6, max_bytes=10**6)
@example(before=MIXED, after=MIXED, max_exchanges=9, max_bytes=2 * LONG)
def test_cleared_owner_leaves_nothing_but_room(
    before: Lines, after: Lines, max_exchanges: int, max_bytes: int
) -> None:
    journal = journal_of(before, max_exchanges=max_exchanges, max_bytes=max_bytes)
    others = {owner: journal.read(owner) for owner in OWNERS if owner != "a"}
    journal.clear("a")
    assert journal.read("a") == ([], 0)
    assert {owner: journal.read(owner) for owner in others} == others
    kept, dropped = journal.read()
    assert dropped == sum(count for _, count in others.values())
    lines = [(len(to_json(replace(each, number=0))), str(each.client_id)) for each in kept]
    for size, owner in after:
        journal.append(exchange(size, owner))
    exchanges, _ = journal.read()
    assert len(exchanges) == fitting(lines + after, max_exchanges, max_bytes)


def test_numbers_are_given_once_though_exchanges_are_cleared() -> None:
    journal = journal_of([(SHORT, "a"), (LONG, "b")], max_exchanges=2, max_bytes=SHORT + LONG)
    journal.clear("b")
    journal.append(exchange(LONG, "c"))
    assert ([each.number for each in journal.read()[0]], journal.dropped(None)) == ([1, 3], 0)


@given(before=LINES, after=LINES)
@example(before=MIXED, after=MIXED)
def test_cleared_journal_is_like_a_new_one(before: Lines, after: Lines) -> None:
    journal = journal_of(before, max_exchanges=5, max_bytes=2000)
    journal.clear()
    for size, owner in after:
        journal.append(exchange(size, owner))
    new = journal_of(after, max_exchanges=5, max_bytes=2000)
    for owner_or_all in (None, *OWNERS):
        assert journal.read(owner_or_all) == new.read(owner_or_all)


def test_journal_of_size_0_keeps_and_counts_nothing() -> None:
    journal = journal_of(MIXED, max_exchanges=0)
    assert [journal.read(owner) for owner in (None, *OWNERS)] == [([], 0)] * 4


def test_reading_or_clearing_an_unknown_owner_leaves_no_trace() -> None:
    journal = journal_of([(SHORT, "a")])
    assert journal.read("nobody") == ([], 0)
    journal.clear("nobody")
    assert len(journal.read()[0]) == 1
    assert "nobody" not in journal._owners


def test_every_method_waits_for_the_lock() -> None:
    journal = MemoryJournal()
    watch = journal.watch(None, Query(), 1, lambda: None)
    calls: dict[str, Callable[[], object]] = {
        "append": lambda: journal.append(EXCHANGE),
        "count": journal.count,
        "numbering": journal.numbering,
        "read": journal.read,
        "clear": journal.clear,
        "watch": lambda: journal.watch(None, Query(status=200), 1, lambda: None),
        "close_watch": watch.close,
        "read_tally": watch.found,
        "dropped": lambda: watch.dropped,
    }
    assert calls.keys() == methods_of(MemoryJournal)
    assert ended_without(journal._lock, calls) == set()


def test_bound_in_bytes_is_about_the_memory_it_takes() -> None:
    """Exchanges as they come: longer encoded than they look, and each with its owner spelled anew."""
    journal = MemoryJournal(max_bytes=2**18)
    tracemalloc.start()
    try:
        for _ in range(20):
            journal.append(replace(EXCHANGE, path="x" * 20_000, client_id="g" * 20_000))
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    size = sum(len(to_json(replace(each, number=0))) for each in journal.read()[0])
    assert 2**18 - 40_500 < size <= 2**18
    assert held < 2**18 + 2**16
