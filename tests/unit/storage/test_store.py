"""Stores: whatever the order of events, they hold what a dict would."""

import gc
import tracemalloc
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier, Event

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.records import Exchange
from mockmoov.storage.eviction import TokenRecord, TokenTimes, Usage
from mockmoov.storage.journal import MemoryJournal
from mockmoov.storage.memory import MemoryStore

KEYS = ["a", "b", "c", "family:ü", ""]
GROUPS = ["x", "y", ""]
keys, groups = st.sampled_from(KEYS), st.sampled_from(GROUPS)
values = st.binary(max_size=3)
EXCHANGE = Exchange(
    at=5.0, client_id=None, endpoint=None, method="GET", path="/", contract="2023", grant_type=None,
    status=404, reason="x", fault=None, headers={"a": "b"}, parameters={}, issued={},
)  # fmt: skip
times = st.none() | st.builds(TokenTimes, *[st.sampled_from([0.0, 1.0])] * 3)
EXCHANGE = Exchange(
    at=5.0, client_id=None, endpoint=None, method="GET", path="/", contract="2023", grant_type=None,
    status=404, reason="x", fault=None, headers={"a": "b"}, parameters={}, issued={},
)  # fmt: skip


@dataclass
class Entries:
    """What must be in a store: a dict, in the order in which keys came to their group."""

    entries: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    tokens: dict[str, TokenTimes] = field(default_factory=dict)

    def write(self, key: str, value: bytes, group: str, times: TokenTimes | None) -> None:
        if key in self.entries and self.entries[key][1] != group:
            del self.entries[key]
        self.entries[key] = (value, group)
        self.tokens.pop(key, None)
        if times:
            self.tokens[key] = times

    def of(self, group: str) -> list[str]:
        return [key for key, (_, its_group) in self.entries.items() if its_group == group]

    def remove(self, key: str) -> None:
        self.entries.pop(key, None)
        self.tokens.pop(key, None)

    def records(self) -> list[TokenRecord]:
        return [
            TokenRecord(key, self.entries[key][1], len(key) + len(self.entries[key][0]), times)
            for key, times in self.tokens.items()
        ]


class StoreAgainstDict(RuleBasedStateMachine):
    """The model is a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.model = Entries()
        self.listed: list[TokenRecord] = []
        self.written: set[str] = set()  # since they were listed
        self.versions: dict[str, dict[int, list[bytes]]] = {}

    # --- entries ---

    @rule(key=keys, value=values, group=groups, times=times)
    def put(self, key: str, value: bytes, group: str, times: TokenTimes | None) -> None:
        self.store.put(key, value, group=group, times=times)
        self.model.write(key, value, group, times)
        self.written.add(key)

    @rule(key=keys, value=values, group=groups, times=times, expected=st.none() | values, right=st.booleans())
    def compare_and_swap(
        self,
        key: str,
        value: bytes,
        group: str,
        times: TokenTimes | None,
        expected: bytes | None,
        right: bool,
    ) -> None:
        there = self.model.entries[key][0] if key in self.model.entries else None
        expected = there if right else expected
        swapped = self.store.compare_and_swap(key, expected, value, group=group, times=times)
        assert swapped == (there == expected)
        if swapped:
            self.model.write(key, value, group, times)
            self.written.add(key)

    @rule(key=keys)
    def delete(self, key: str) -> None:
        assert self.store.delete(key) == (key in self.model.entries)
        self.model.remove(key)

    # --- groups ---

    @rule(group=groups)
    def forget(self, group: str) -> None:
        self.store.forget(group)
        for key in self.model.of(group):
            self.model.remove(key)

    @rule(entries=st.lists(st.tuples(groups, keys, values), max_size=4))
    def clear(self, entries: list[tuple[str, str, bytes]]) -> None:
        self.store.clear(iter(entries))
        self.model = Entries()
        for group, key, value in entries:
            self.model.write(key, value, group, None)
            self.written.add(key)

    # --- token records ---

    @rule()
    def list_token_records(self) -> None:
        self.listed, self.written = self.store.token_records(), set()
        assert self.listed == self.model.records()

    @rule(chosen=st.lists(st.integers(0, 10)))
    def evict(self, chosen: list[int]) -> None:
        records = [record for index, record in enumerate(self.listed) if index in chosen]
        self.store.evict(iter(records))
        for record in records:
            if record.key not in self.written:
                self.model.remove(record.key)

    # --- what is there ---

    @invariant()
    def nothing_is_lost_or_altered(self) -> None:
        names = [*KEYS, "absent", KEYS[0]]
        assert self.store.get_many(iter(names)) == [
            self.model.entries[name][0] if name in self.model.entries else None for name in names
        ]

    @invariant()
    def a_group_has_its_values_in_the_order_in_which_their_keys_came(self) -> None:
        for group in GROUPS:
            assert self.store.scan(group) == [self.model.entries[key][0] for key in self.model.of(group)]
            assert self.store.count(group) == len(self.model.of(group))

    @invariant()
    def the_version_of_a_group_is_a_new_one_once_it_was_changed(self) -> None:
        for group in GROUPS:
            entries, version = self.store.scan(group), self.store.version(group)
            assert self.versions.setdefault(group, {}).setdefault(version, entries) == entries

    @invariant()
    def usage_is_that_of_the_token_records(self) -> None:
        records = self.model.records()
        assert self.store.usage() == Usage(len(records), sum(record.size for record in records))


TestStoreAgainstDict = StoreAgainstDict.TestCase
TestStoreAgainstDict.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def written(store: MemoryStore, names: Iterable[str]) -> int:
    return sum(value is not None for value in store.get_many(names))


def test_of_fifty_threads_that_swap_the_same_value_one_wins() -> None:
    store = MemoryStore()
    for before in (None, b"before"):
        start = Barrier(50)

        def swap(number: int, before: bytes | None = before, start: Barrier = start) -> bool:
            start.wait(timeout=60)
            return store.compare_and_swap("key", before, b"%d" % number, group="g")

        with ThreadPoolExecutor(50) as pool:
            won = list(pool.map(swap, range(50)))
        assert won.count(True) == 1
        assert store.get_many(["key"]) == [b"%d" % won.index(True)]
        store.put("key", b"before", group="g")


def test_fifty_threads_that_swap_until_they_win_lose_no_increment() -> None:
    store = MemoryStore()

    def increment(_: int) -> None:
        while True:
            (before,) = store.get_many(["count"])
            if store.compare_and_swap("count", before, b"%d" % (int(before or b"0") + 1), group="g"):
                return

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(increment, range(500)))
    assert store.get_many(["count"]) == [b"500"]


def test_a_group_that_is_forgotten_is_gone_to_its_last_entry_and_no_other_loses_any() -> None:
    store = MemoryStore()
    for number in range(3000):
        store.put(f"{number}", b"%d" % number, group="even" if number % 2 == 0 else "odd")
    store.forget("even")
    assert store.scan("even") == []
    assert store.scan("odd") == [b"%d" % number for number in range(1, 3000, 2)]
    assert written(store, map(str, range(3000))) == 1500


# --- every method in one moment -----------------------------------------------------------------


def test_between_clearing_and_writing_anew_nobody_comes() -> None:
    store = MemoryStore()
    store.clear([("group", "key", b"0")])
    done = Event()

    def look() -> set[tuple[bool, int]]:
        seen = set()
        while not done.is_set():
            seen.add((store.get_many(["key"]) == [None], len(store.scan("group"))))
        return seen

    with ThreadPoolExecutor(4) as pool:
        lookers = [pool.submit(look) for _ in range(4)]
        for number in range(2000):
            store.clear([("group", "key", b"%d" % number)])
        done.set()
        assert set().union(*(looker.result() for looker in lookers)) <= {(False, 1)}


def test_fifty_threads_that_write_to_the_log_get_a_number_each() -> None:
    journal = MemoryJournal()

    def append(number: int) -> None:
        journal.append(replace(EXCHANGE, at=float(number), client_id=str(number % 3)))

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(append, range(1000)))
    exchanges, dropped = journal.read()
    assert [exchange.number for exchange in exchanges] == list(range(1, 1001))
    assert sorted(exchange.at for exchange in exchanges) == list(range(1000))
    assert dropped == 0
    assert sum(len(journal.read(str(owner))[0]) for owner in range(3)) == 1000


def test_a_log_that_is_bounded_in_bytes_takes_hardly_more_memory_than_that() -> None:
    """Exchanges as they come: longer encoded than they look, each with its owner spelled anew."""
    journal = MemoryJournal(max_bytes=2**20)
    tracemalloc.start()
    try:
        for _ in range(200):
            journal.append(replace(EXCHANGE, path="x" * 20_000, client_id="g" * 20_000))
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    size = sum(len(to_json(replace(exchange, number=0))) for exchange in journal.read()[0])
    assert 2**20 - 40_500 < size <= 2**20
    assert held < 2**20 + 2**17
