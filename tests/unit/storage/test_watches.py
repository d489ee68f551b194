"""Waiting for exchanges: counts are right after any change of the journal, and nobody is left asleep."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from mockmoov.oauth.records import Exchange
from mockmoov.simulation.journal import Query, matching
from mockmoov.storage import journal as module
from mockmoov.storage.journal import MemoryJournal, TooManyWatchesError, Watch
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.simulation import SimulationState

SIZE = 4  # exchanges that the journal holds
OWNERS = [None, "a", "b"]
EXCHANGE = Exchange(
    at=5.0, client_id=None, endpoint=None, method="GET", path="/", contract="2023", grant_type=None,
    status=404, reason="x", fault=None, headers={"a": "b"}, parameters={}, issued={},
)  # fmt: skip
QUERIES = [Query(), Query(status=200), Query(status=404), Query(status=200, endpoint="token")]
owners = st.sampled_from(OWNERS)


def exchange(owner: str | None = None, status: int = 200, endpoint: str | None = None) -> Exchange:
    return replace(EXCHANGE, client_id=owner, status=status, endpoint=endpoint)


@dataclass(eq=False)
class Waiter:
    """A watch, and what it has been notified of."""

    owner: str | None
    query: Query
    watch: Watch | None = None
    missing: int = 0  # after the last step
    calls: int = 0

    def notify(self) -> None:
        self.calls += 1

    def opened(self) -> Watch:
        assert self.watch
        return self.watch


@dataclass
class Model:
    """The exchanges that must be in the journal."""

    exchanges: list[Exchange] = field(default_factory=list)
    number: int = 0

    def append(self, new: Exchange) -> None:
        self.number += 1
        self.exchanges = [*self.exchanges, replace(new, number=self.number)][-SIZE:]

    def of(self, owner: str | None, query: Query) -> list[Exchange]:
        return matching([each for each in self.exchanges if owner in (None, each.client_id)], query)


class WatchesAgainstList(RuleBasedStateMachine):
    """The model is a list. Each watch is compared after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.journal = MemoryJournal(max_exchanges=SIZE)
        self.model = Model()
        self.waiters: list[Waiter] = []

    @rule(owner=owners, status=st.sampled_from([200, 404]), endpoint=st.sampled_from([None, "token"]))
    def append(self, owner: str | None, status: int, endpoint: str | None) -> None:
        self.journal.append(exchange(owner, status, endpoint))
        self.model.append(exchange(owner, status, endpoint))

    @rule(owner=owners)
    def clear(self, owner: str | None) -> None:
        before = {waiter: waiter.calls for waiter in self.waiters}
        self.journal.clear(owner)
        self.model.exchanges = [each for each in self.model.exchanges if owner not in (None, each.client_id)]
        if owner is None:
            self.model.number = 0
        for waiter, calls in before.items():
            assert waiter.calls - calls == (owner in (None, waiter.owner))

    @rule(owner=owners, query=st.sampled_from(QUERIES), count=st.integers(1, SIZE + 1))
    def watch(self, owner: str | None, query: Query, count: int) -> None:
        waiter = Waiter(owner, query)
        waiter.watch = self.journal.watch(owner, query, count, waiter.notify)
        waiter.missing = waiter.watch.missing
        self.waiters.append(waiter)

    @precondition(lambda self: self.waiters)
    @rule(index=st.integers(0, 100), twice=st.booleans())
    def close(self, index: int, twice: bool) -> None:
        watch = self.waiters.pop(index % len(self.waiters)).opened()
        watch.close()
        if twice:
            watch.close()

    @invariant()
    def each_watch_counts_what_is_in_the_journal(self) -> None:
        for waiter in self.waiters:
            watch, found = waiter.opened(), self.model.of(waiter.owner, waiter.query)
            assert watch.found() == found
            assert watch.missing == max(0, watch.count - len(found))
            assert watch.dropped == self.journal.read(waiter.owner)[1]

    @invariant()
    def who_has_enough_was_notified(self) -> None:
        for waiter in self.waiters:
            missing = waiter.opened().missing
            if waiter.missing and not missing:
                assert waiter.calls
            if missing:
                waiter.calls = 0
            waiter.missing = missing

    def teardown(self) -> None:
        for waiter in self.waiters:
            waiter.opened().close()
        assert not self.journal._tallies
        assert not self.journal._open


TestWatchesAgainstList = WatchesAgainstList.TestCase
TestWatchesAgainstList.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_a_watch_is_notified_once_when_the_last_missing_exchange_arrives() -> None:
    journal, waiter = MemoryJournal(), Waiter("a", Query())
    with journal.watch("a", Query(status=200), 2, waiter.notify) as watch:
        missing = [watch.missing]
        for owner, status in (("a", 404), ("b", 200), (None, 200), ("a", 200), ("a", 200), ("a", 200)):
            journal.append(exchange(owner, status))
            missing.append(watch.missing)
    assert (missing, waiter.calls) == ([2, 2, 2, 2, 1, 0, 0], 1)


def test_a_watch_that_has_enough_waits_again_when_exchanges_make_room() -> None:
    journal, waiter = MemoryJournal(max_exchanges=2), Waiter(None, Query())
    with journal.watch(None, Query(status=200), 1, waiter.notify) as watch:
        for status in (200, 404, 404):
            journal.append(exchange(status=status))
        assert (watch.missing, waiter.calls) == (1, 1)
        journal.append(exchange())
        assert (watch.missing, waiter.calls) == (0, 2)


def test_an_exchange_that_is_larger_than_the_journal_is_not_counted() -> None:
    journal = MemoryJournal(max_bytes=10)
    with journal.watch(None, Query(), 1, lambda: pytest.fail("there is nothing to find")) as watch:
        journal.append(exchange())
        assert (watch.missing, watch.found(), watch.dropped) == (1, [], 1)


def test_notify_may_be_set_later_and_may_use_the_watch_and_the_journal() -> None:
    journal, found = MemoryJournal(), list[Exchange]()
    with journal.watch("a", Query(), 1, lambda: pytest.fail("it was replaced")) as watch:
        watch.notify = lambda: found.extend([*watch.found(), *journal.read("a")[0]])
        journal.append(exchange("a"))
    assert found == [replace(exchange("a"), number=1)] * 2


def test_watches_of_one_owner_and_query_share_a_tally_that_goes_with_the_last_of_them() -> None:
    journal = MemoryJournal()
    journal.append(exchange("a"))
    first, second = (journal.watch("a", Query(), count, lambda: None) for count in (1, 2))
    assert first.tally is second.tally
    first.close()
    assert (second.missing, second.found()) == (1, [replace(exchange("a"), number=1)])
    second.close()
    assert "a" not in journal._tallies


def test_there_is_a_limit_of_watches_that_closing_one_makes_room_under(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_WATCHES", 2)
    journal = MemoryJournal()
    first, _ = (journal.watch(owner, Query(), 1, lambda: None) for owner in "ab")
    with pytest.raises(
        TooManyWatchesError, match=r"^2 requests are waiting for exchanges, which is the limit$"
    ):
        journal.watch("c", Query(), 1, lambda: None)
    assert "c" not in journal._tallies
    with monkeypatch.context() as patched:
        patched.setattr(module, "_matching", lambda *_: pytest.fail("the journal is not read in vain"))
        with pytest.raises(TooManyWatchesError):
            journal.watch(None, Query(), 1, lambda: None)
    first.close()
    journal.watch("c", Query(), 1, lambda: None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form(Query):
    """A query with more members than count."""

    timeout: float = 0.0


def test_the_state_watches_a_journal_and_shares_tallies_between_forms_of_one_query() -> None:
    simulation = SimulationState(MemoryStore(), wall=lambda: 0.0)
    first = simulation.watch("a", Form(status=200, timeout=1.0), 1)
    second = simulation.watch("a", Form(status=200, timeout=2.0), 1)
    assert first.tally is second.tally
    assert first.tally.query == Query(status=200)
    simulation.record(exchange("a"))
    assert (first.missing, first.found()) == (0, [replace(exchange("a"), number=1)])


# --- many threads ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "statuses"),
    [
        (lambda journal: journal.append(exchange("a")), [1, 2, 3, 4]),
        (lambda journal: journal.clear("a"), [2]),
        (lambda journal: journal.clear(), []),
        (lambda journal: [journal.clear(), journal.append(exchange("b"))], [1]),
        (lambda journal: journal.watch(None, Query(status=200), 9, lambda: None), [1, 2, 3]),
    ],
)
def test_what_changes_while_a_new_watch_reads_the_journal_is_counted(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[MemoryJournal], object], statuses: list[int]
) -> None:
    journal = MemoryJournal()
    for owner in "aba":
        journal.append(exchange(owner))
    changes = [change]
    matching = module._matching

    def slow(values: list[tuple[int, bytes]], query: Query) -> list[int]:
        numbers = matching(values, query)
        while changes:
            changes.pop()(journal)
        return numbers

    monkeypatch.setattr(module, "_matching", slow)
    watch = journal.watch(None, Query(status=200), 9, lambda: None)
    assert [each.number for each in watch.found()] == statuses


def test_of_many_threads_that_append_none_is_missed_and_every_waiter_wakes() -> None:
    journal, done = MemoryJournal(max_exchanges=10_000), [threading.Event() for _ in range(20)]

    def wait(number: int) -> int:
        with journal.watch("a", Query(status=200), 500 + number, done[number].set) as watch:
            while watch.missing:
                assert done[number].wait(60)
            return len(watch.found())

    def clear_others() -> None:
        for _ in range(200):
            journal.clear("b")

    with ThreadPoolExecutor(40) as pool:
        waiters = [pool.submit(wait, number) for number in range(20)]
        pool.submit(clear_others)
        appended = list(pool.map(lambda n: journal.append(exchange("ab"[n % 2])), range(1100)))
        found = [waiter.result(60) for waiter in waiters]
    assert len(appended) == 1100
    assert all(500 + number <= count <= 550 for number, count in enumerate(found))


def test_watches_that_come_and_go_while_exchanges_do_leave_nothing_behind() -> None:
    journal = MemoryJournal(max_exchanges=50)

    def use(number: int) -> None:
        owner = OWNERS[number % 3]
        with journal.watch(owner, QUERIES[number % 4], 3, lambda: None) as watch:
            journal.append(exchange(owner, (200, 404)[number % 2], ("token", None)[number % 2]))
            found = watch.found()
            assert found == matching(found, QUERIES[number % 4])
            if number % 10 == 0:
                journal.clear(owner)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(use, range(1000)))
    assert not journal._tallies
    assert not journal._open


def test_a_watch_sees_what_is_there_when_its_twin_is_closed_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = MemoryJournal(max_exchanges=10, max_bytes=10**6)
    for _ in range(3):
        journal.append(exchange())
    first = journal.watch(None, Query(), 3, lambda: None)

    def close_first(encoded: list[tuple[int, bytes]], query: Query) -> list[int]:
        first.close()
        monkeypatch.undo()
        return module._matching(encoded, query)

    monkeypatch.setattr(module, "_matching", close_first)
    second = journal.watch(None, Query(), 3, lambda: None)
    assert (second.missing, len(second.found())) == (0, 3)
