"""Watches: they count exchanges correctly after any change of the journal, and every waiter wakes."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from mockmoov.oauth.records import Exchange
from mockmoov.simulation.journal import Query, matching
from mockmoov.storage import exchanges, store
from mockmoov.storage import journal as module
from mockmoov.storage.journal import MemoryJournal, MemoryWatch
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.simulation import SimulationState
from mockmoov.storage.store import TooManyWatchesError
from tests.support.records import EXCHANGE

SIZE = 4  # exchanges that the journal holds
OWNERS = [None, "a", "b"]
QUERIES = [
    Query(),
    Query(status=200),
    Query(status=404),
    Query(status=200, endpoint="token"),
    Query(after=2),
    Query(after=5, status=200),
]
owners = st.sampled_from(OWNERS)


def exchange(owner: str | None = None, status: int = 200, endpoint: str | None = None) -> Exchange:
    return replace(EXCHANGE, client_id=owner, status=status, endpoint=endpoint)


def nothing() -> None:
    """A watch is told something that its test doesn't need."""


class Waiter:
    """A watch, and how often it was notified."""

    def __init__(self, journal: MemoryJournal, owner: str | None, query: Query, count: int) -> None:
        self.owner, self.query, self.calls = owner, query, 0
        self.watch = journal.watch(owner, query, count, self.notify)
        self.missing = self.watch.missing  # after the last step

    def notify(self) -> None:
        self.calls += 1


class WatchesAgainstList(RuleBasedStateMachine):
    """The model is a list. Each watch is compared after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.journal = MemoryJournal(max_exchanges=SIZE)
        self.exchanges: list[Exchange] = []
        self.number = 0
        self.waiters: list[Waiter] = []

    @rule(owner=owners, status=st.sampled_from([200, 404]), endpoint=st.sampled_from([None, "token"]))
    def append(self, owner: str | None, status: int, endpoint: str | None) -> None:
        new = exchange(owner, status, endpoint)
        self.journal.append(new)
        self.number += 1
        self.exchanges = [*self.exchanges, replace(new, number=self.number)][-SIZE:]

    @rule(owner=owners)
    def clear(self, owner: str | None) -> None:
        before = {waiter: waiter.calls for waiter in self.waiters}
        self.journal.clear(owner)
        self.exchanges = [each for each in self.exchanges if owner not in (None, each.client_id)]
        if owner is None:
            self.number = 0
        for waiter, calls in before.items():
            assert waiter.calls - calls == (None in (owner, waiter.owner) or owner == waiter.owner)

    @rule(owner=owners, query=st.sampled_from(QUERIES), count=st.integers(1, SIZE + 1))
    def watch(self, owner: str | None, query: Query, count: int) -> None:
        self.waiters.append(Waiter(self.journal, owner, query, count))

    @precondition(lambda self: self.waiters)
    @rule(index=st.integers(0, 100), twice=st.booleans())
    def close(self, index: int, twice: bool) -> None:
        watch = self.waiters.pop(index % len(self.waiters)).watch
        watch.close()
        if twice:
            watch.close()

    @invariant()
    def watches_count_what_is_in_the_journal(self) -> None:
        for waiter in self.waiters:
            own = [each for each in self.exchanges if waiter.owner in (None, each.client_id)]
            watch, found = waiter.watch, matching(own, waiter.query)
            assert watch.found() == found
            assert watch.missing == max(0, watch.count - len(found))
            assert watch.dropped == self.journal.read(waiter.owner)[1]

    @invariant()
    def complete_watches_were_notified(self) -> None:
        for waiter in self.waiters:
            missing = waiter.watch.missing
            assert waiter.calls or missing or not waiter.missing
            if missing:
                waiter.calls = 0
            waiter.missing = missing

    def teardown(self) -> None:
        for waiter in self.waiters:
            waiter.watch.close()
        assert_nothing_is_left(self.journal)


def assert_nothing_is_left(journal: MemoryJournal) -> None:
    assert not journal._tallies
    assert not journal._open


TestWatchesAgainstList = pytest.mark.slow(WatchesAgainstList.TestCase)
TestWatchesAgainstList.settings = settings(stateful_step_count=40)


def test_watch_is_notified_when_the_last_missing_exchange_comes() -> None:
    journal = MemoryJournal()
    waiter = Waiter(journal, "a", Query(status=200), 2)
    missing = [waiter.watch.missing]
    for owner, status in (("a", 404), ("b", 200), (None, 200), ("a", 200), ("a", 200), ("a", 200)):
        journal.append(exchange(owner, status))
        missing.append(waiter.watch.missing)
    assert (missing, waiter.calls) == ([2, 2, 2, 2, 1, 0, 0], 1)


def test_complete_watch_waits_again_after_exchanges_are_dropped() -> None:
    journal, found = MemoryJournal(max_exchanges=2), []
    waiter = Waiter(journal, None, Query(status=200), 1)
    for status in (200, 404, 404, 200):
        journal.append(exchange(status=status))
        found.append((waiter.watch.missing, waiter.calls))
    assert found == [(0, 1), (0, 1), (1, 1), (0, 2)]


def test_cleared_journal_notifies_watches_and_counts_nothing() -> None:
    journal = MemoryJournal()
    waiters = [Waiter(journal, owner, Query(), 1) for owner in OWNERS]
    for owner in ("a", "b"):
        journal.append(exchange(owner))
    journal.clear("a")
    assert [(waiter.calls, len(waiter.watch.found())) for waiter in waiters] == [(2, 1), (2, 0), (1, 1)]
    journal.clear()
    assert [(waiter.calls, len(waiter.watch.found())) for waiter in waiters] == [(3, 0), (3, 0), (2, 0)]


def test_exchange_larger_than_the_journal_is_not_counted() -> None:
    journal = MemoryJournal(max_bytes=10)
    with journal.watch(None, Query(), 1, lambda: pytest.fail("there is nothing to find")) as watch:
        journal.append(exchange())
        assert (watch.missing, watch.found(), watch.dropped) == (1, [], 1)


def test_notify_may_be_replaced_and_may_use_the_journal() -> None:
    journal, found = MemoryJournal(), list[Exchange]()
    with journal.watch("a", Query(), 1, lambda: pytest.fail("it was replaced")) as watch:
        watch.notify = lambda: found.extend([*watch.found(), *journal.read("a")[0]])
        journal.append(exchange("a"))
    assert found == [replace(exchange("a"), number=1)] * 2


class TimedQuery(Query, frozen=True, kw_only=True):
    """A query with a member that doesn't count."""

    timeout: float = 0.0


def test_watches_of_one_owner_and_query_share_a_tally() -> None:
    state = SimulationState(MemoryStore(), wall=lambda: 0.0)
    state.record(exchange("a"))
    first, second = (
        cast("MemoryWatch", state.watch("a", TimedQuery(status=200, timeout=n), n)) for n in (1, 2)
    )
    assert first.tally is second.tally
    assert first.tally.query == Query(status=200)
    state.watch("a", Query(status=200), 2).close()  # as many as the second waits for
    first.close()
    first.close()
    assert (second.missing, second.found()) == (1, [replace(exchange("a"), number=1)])
    second.close()
    third = cast("MemoryWatch", state.watch("a", Query(status=200), 1))
    assert third.tally is not first.tally


def test_number_of_watches_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in (module, store):
        monkeypatch.setattr(each, "MAX_WATCHES", 2)
    journal = MemoryJournal()
    first, _ = (journal.watch(owner, Query(), 1, nothing) for owner in "ab")
    with monkeypatch.context() as patched:
        patched.setattr(module, "numbers_of_matching", lambda *_: pytest.fail("it is read in vain"))
        message = "^2 requests are waiting for exchanges, which is the limit$"
        with pytest.raises(TooManyWatchesError, match=message):
            journal.watch("c", Query(), 1, nothing)
    first.close()
    journal.watch("c", Query(), 1, nothing)


# --- races ------------------------------------------------------------------------------------------


def overtake_matching(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Let something happen while a new watch reads the journal for the first time."""
    original = exchanges.numbers_of_matching

    def slow(values: list[tuple[int, bytes]], query: Query) -> list[int]:
        numbers = original(values, query)
        monkeypatch.setattr(module, "numbers_of_matching", original)
        change()
        return numbers

    monkeypatch.setattr(module, "numbers_of_matching", slow)


@pytest.mark.parametrize(
    ("change", "numbers"),
    [
        (lambda journal: journal.append(exchange("a")), [1, 2, 3, 4]),
        (lambda journal: journal.clear("a"), [2]),
        (lambda journal: journal.clear(), []),
        (lambda journal: [journal.clear(), journal.append(exchange("b"))], [1]),
        (lambda journal: journal.watch(None, Query(status=200), 9, nothing), [1, 2, 3]),
    ],
)
def test_changes_while_a_new_watch_reads_are_counted(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[MemoryJournal], object], numbers: list[int]
) -> None:
    journal = MemoryJournal()
    for owner in "aba":
        journal.append(exchange(owner))
    overtake_matching(monkeypatch, lambda: change(journal))
    watch = journal.watch(None, Query(status=200), 9, nothing)
    assert [each.number for each in watch.found()] == numbers


def test_watch_survives_its_twin_being_closed_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = MemoryJournal()
    for _ in range(3):
        journal.append(exchange())
    first = journal.watch(None, Query(), 3, nothing)
    overtake_matching(monkeypatch, first.close)
    second = journal.watch(None, Query(), 3, nothing)
    assert (second.missing, len(second.found())) == (0, 3)


def test_every_waiter_wakes_while_threads_append_and_clear() -> None:
    journal, done = MemoryJournal(), [threading.Event() for _ in range(8)]

    def wait(number: int) -> int:
        with journal.watch("a", Query(status=200), 92 + number, done[number].set) as watch:
            while watch.missing:
                assert done[number].wait(60)
            return len(watch.found())

    with ThreadPoolExecutor(20) as pool:
        waiters = [pool.submit(wait, number) for number in range(8)]
        pool.submit(lambda: [*map(journal.clear, "b" * 50)])
        list(pool.map(lambda n: journal.append(exchange("ab"[n % 2])), range(200)))
        found = [waiter.result(60) for waiter in waiters]
    assert all(92 + number <= count <= 100 for number, count in enumerate(found))


@pytest.mark.parametrize("rounds", [100, pytest.param(5000, marks=pytest.mark.soak)])
def test_watches_that_come_and_go_leave_nothing_behind(rounds: int) -> None:
    journal = MemoryJournal(max_exchanges=50)

    def use(number: int) -> None:
        owner = OWNERS[number % 3]
        with journal.watch(owner, QUERIES[number % 4], 3, nothing) as watch:
            journal.append(exchange(owner, (200, 404)[number % 2], ("token", None)[number % 2]))
            found = watch.found()
            assert found == matching(found, QUERIES[number % 4])
            if number % 10 == 0:
                journal.clear(owner)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(rounds)))
    assert_nothing_is_left(journal)
