"""Stores: whatever the order of events, they hold what a dict would, and forget only what has expired."""

import gc
import tracemalloc
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import inf
from threading import Barrier, Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.records import Exchange
from mockmoov.storage.memory import MemoryJournal, MemoryStore
from mockmoov.storage.store import Store
from tests.support.servers import Clock

KEYS = ["a", "b", "c", "family:ü", ""]
GROUPS = ["x", "y", ""]
keys, groups = st.sampled_from(KEYS), st.sampled_from(GROUPS)
values = st.binary(max_size=3)
EXCHANGE = Exchange(
    at=5.0, client_id=None, endpoint=None, method="GET", path="/", contract="2023", grant_type=None,
    status=404, reason="x", fault=None, headers={"a": "b"}, parameters={}, issued={},
)  # fmt: skip
lifetimes = st.none() | st.sampled_from([-1.0, 0.0, 0.5, 10.0]) | st.floats(-5, 50)


@dataclass
class Entries:
    """What must be in a store: a dict, in the order in which keys came to their group."""

    entries: dict[str, tuple[bytes, str, float]] = field(default_factory=dict)
    kept: set[str | None] = field(default_factory=set)

    def write(self, key: str, value: bytes, group: str, expires_at: float | None) -> None:
        if key in self.entries and self.entries[key][1] != group:
            del self.entries[key]
        self.entries[key] = (value, group, inf if expires_at is None else expires_at)

    def may_be_gone(self, key: str, now: float) -> bool:
        _, group, expires_at = self.entries[key]
        return expires_at <= now and not self.kept & {group, None}

    def of(self, group: str) -> list[str]:
        return [key for key, (_, its_group, _) in self.entries.items() if its_group == group]

    def forget(self, group: str) -> None:
        for key in self.of(group):
            del self.entries[key]
        self.kept.discard(group)


class StoreAgainstDict(RuleBasedStateMachine):
    """The model is a dict. What has expired there may be gone in the store; nothing else may."""

    def __init__(self) -> None:
        super().__init__()
        self.wall = Clock()
        self.store: Store = MemoryStore(wall=self.wall)
        self.model = Entries()
        self.versions: dict[str, dict[int, list[bytes]]] = {}

    def expiry(self, lifetime: float | None) -> float | None:
        return None if lifetime is None else self.wall.now + lifetime

    def read(self, key: str) -> bytes | None:
        """The value in the store; what it has forgotten, and may have, is forgotten in the model too."""
        (value,) = self.store.get_many([key])
        if value is None and key in self.model.entries and self.model.may_be_gone(key, self.wall.now):
            del self.model.entries[key]
        return value

    # --- entries ---

    @rule(key=keys, value=values, group=groups, lifetime=lifetimes)
    def put(self, key: str, value: bytes, group: str, lifetime: float | None) -> None:
        expires_at = self.expiry(lifetime)
        self.store.put(key, value, group=group, expires_at=expires_at)
        self.model.write(key, value, group, expires_at)

    @rule(
        key=keys,
        value=values,
        group=groups,
        lifetime=lifetimes,
        expected=st.none() | values,
        right=st.booleans(),
    )
    def compare_and_swap(
        self,
        key: str,
        value: bytes,
        group: str,
        lifetime: float | None,
        expected: bytes | None,
        right: bool,
    ) -> None:
        there = self.read(key)
        expected = there if right else expected
        expires_at = self.expiry(lifetime)
        swapped = self.store.compare_and_swap(key, expected, value, group=group, expires_at=expires_at)
        assert swapped == (there == expected)
        if swapped:
            self.model.write(key, value, group, expires_at)

    @rule(key=keys)
    def delete(self, key: str) -> None:
        there = self.read(key)
        assert self.store.delete(key) == (there is not None)
        self.model.entries.pop(key, None)

    @rule(asked=st.lists(keys))
    def get_many(self, asked: list[str]) -> None:
        found = self.store.get_many(iter(asked))
        assert found == [self.read(key) for key in asked]

    # --- groups ---

    @rule(group=st.none() | groups)
    def keep(self, group: str | None) -> None:
        self.store.keep(group)
        self.model.kept.add(group)

    @rule(group=groups)
    def forget(self, group: str) -> None:
        self.store.forget(group)
        self.model.forget(group)

    @rule(entries=st.lists(st.tuples(groups, keys, values), max_size=4))
    def clear(self, entries: list[tuple[str, str, bytes]]) -> None:
        self.store.clear(iter(entries))
        self.model = Entries()
        for group, key, value in entries:
            self.model.write(key, value, group, None)

    # --- the world ---

    @rule(seconds=st.sampled_from([0.5, 1.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.wall.shift(seconds)

    @rule(count=st.sampled_from([1, 500, 2000]))
    def others_write(self, count: int) -> None:
        for number in range(count):
            self.store.put(f"other:{number}", b"", group="others", expires_at=self.wall.now)

    @invariant()
    def nothing_is_lost_or_altered_before_it_has_expired(self) -> None:
        found = {key: self.read(key) for key in KEYS}
        assert {key: value for key, value in found.items() if value is not None} == {
            key: value for key, (value, _, _) in self.model.entries.items()
        }

    @invariant()
    def a_group_has_its_values_in_the_order_in_which_their_keys_came(self) -> None:
        for key in KEYS:
            self.read(key)
        for group in GROUPS:
            assert self.store.scan(group) == [self.model.entries[key][0] for key in self.model.of(group)]
            assert self.store.count(group) == len(self.model.of(group))

    @invariant()
    def the_version_of_a_group_is_a_new_one_once_it_was_changed(self) -> None:
        for group in GROUPS:
            entries, version = self.store.scan(group), self.store.version(group)
            assert version not in self.versions.get(group, {}) or self.versions[group][version] == entries
            self.versions.setdefault(group, {})[version] = entries


TestStoreAgainstDict = StoreAgainstDict.TestCase
TestStoreAgainstDict.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

Fill = Callable[[MemoryStore, str, float], object]


def written(store: MemoryStore, names: Iterable[str]) -> int:
    return sum(value is not None for value in store.get_many(names))


@pytest.mark.parametrize(
    "write",
    [
        lambda store, key, expires_at: store.put(key, b"", group="g", expires_at=expires_at),
        lambda store, key, expires_at: store.compare_and_swap(
            key, None, b"", group="g", expires_at=expires_at
        ),
    ],
    ids=["put", "compare_and_swap"],
)
@settings(deadline=None, max_examples=30)
@given(live=st.integers(0, 3000), lifetime=st.integers(1, 500))
def test_what_has_expired_is_swept_so_that_the_store_stays_as_big_as_what_lives(
    write: Fill, live: int, lifetime: int
) -> None:
    wall = Clock()
    store = MemoryStore(wall=wall)
    stay, pass_by = [f"stays:{n}" for n in range(live)], [f"passes:{n}" for n in range(8000)]
    for name in stay:
        store.put(name, b"", group="g")
    for name in pass_by:
        write(store, name, wall.now + lifetime)
        wall.shift(1)
    assert written(store, stay) == live
    assert written(store, pass_by) <= max(1024, live + lifetime) + lifetime


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


def test_the_wall_clock_is_the_machines_unless_told_otherwise() -> None:
    store = MemoryStore()
    store.put("old", b"", group="g", expires_at=1.0)
    store.put("new", b"", group="g", expires_at=10.0**11)
    for number in range(3000):
        store.put(f"other:{number % 2}", b"", group="g")
    assert store.get_many(["old", "new"]) == [None, b""]


# --- what is kept -------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", ["mine", None])
def test_of_what_is_kept_nothing_is_forgotten_however_much_is_written(kept: str | None) -> None:
    wall = Clock()
    store = MemoryStore(wall=wall)
    names = [f"mine:{number}" for number in range(2000)]
    for name in names[:1000]:
        store.put(name, b"", group="mine", expires_at=wall.now + 1)
    store.keep(kept)
    wall.shift(10)
    for name in names[1000:]:
        store.put(name, b"", group="mine", expires_at=wall.now)
    for number in range(8000):
        store.put(f"other:{number}", b"", group="other", expires_at=wall.now)
    assert written(store, names) == 2000
    assert (written(store, (f"other:{number}" for number in range(8000))) == 8000) == (kept is None)


@pytest.mark.parametrize("end", [lambda store: store.forget("mine"), lambda store: store.clear([])])
def test_what_was_kept_is_forgotten_again_once_it_was_cleared(end: Callable[[MemoryStore], None]) -> None:
    wall = Clock()
    store = MemoryStore(wall=wall)
    store.keep("mine")
    end(store)
    store.put("old", b"", group="mine", expires_at=wall.now)
    for number in range(3000):
        store.put(f"other:{number % 2}", b"", group="other")
    assert store.get_many(["old"]) == [None]


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
