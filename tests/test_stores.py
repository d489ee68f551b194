"""Stores: whatever the order of events, they hold what a dict would, and forget only what has expired."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mockmoov.stores import Store
from mockmoov.stores.memory import MemoryStore
from tests.support.servers import Clock

KEYS = ["a", "b", "c", "family:ü", ""]
keys = st.sampled_from(KEYS)
values = st.binary(max_size=3)
lifetimes = st.none() | st.sampled_from([-1.0, 0.0, 0.5, 10.0]) | st.floats(-5, 50)


class StoreAgainstDict(RuleBasedStateMachine):
    """The model is a dict. What has expired there may be gone in the store; nothing else may."""

    def __init__(self) -> None:
        super().__init__()
        self.wall = Clock()
        self.store: Store = MemoryStore(wall=self.wall)
        self.model: dict[str, tuple[bytes, float]] = {}

    def expiry(self, lifetime: float | None) -> float | None:
        return None if lifetime is None else self.wall.now + lifetime

    def read(self, key: str) -> bytes | None:
        """The value in the store; what it has forgotten, and may have, is forgotten in the model too."""
        (value,) = self.store.get_many([key])
        if value is None and key in self.model and self.model[key][1] <= self.wall.now:
            del self.model[key]
        return value

    @rule(key=keys, value=values, lifetime=lifetimes)
    def put(self, key: str, value: bytes, lifetime: float | None) -> None:
        expires_at = self.expiry(lifetime)
        self.store.put(key, value, expires_at=expires_at)
        self.model[key] = (value, inf if expires_at is None else expires_at)

    @rule(key=keys, value=values, lifetime=lifetimes, expected=st.none() | values, right=st.booleans())
    def compare_and_swap(
        self, key: str, value: bytes, lifetime: float | None, expected: bytes | None, right: bool
    ) -> None:
        there = self.read(key)
        expected = there if right else expected
        expires_at = self.expiry(lifetime)
        swapped = self.store.compare_and_swap(key, expected, value, expires_at=expires_at)
        assert swapped == (there == expected)
        if swapped:
            self.model[key] = (value, inf if expires_at is None else expires_at)

    @rule(asked=st.lists(keys))
    def get_many(self, asked: list[str]) -> None:
        found = self.store.get_many(iter(asked))
        assert found == [self.read(key) for key in asked]

    @rule(seconds=st.sampled_from([0.5, 1.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.wall.shift(seconds)

    @rule(count=st.sampled_from([1, 500, 3000]))
    def others_write(self, count: int) -> None:
        for number in range(count):
            self.store.put(f"other:{number}", b"", expires_at=self.wall.now)

    @invariant()
    def nothing_is_lost_or_altered_before_it_has_expired(self) -> None:
        found = {key: self.read(key) for key in KEYS}
        assert {key: value for key, value in found.items() if value is not None} == {
            key: value for key, (value, _) in self.model.items()
        }


TestStoreAgainstDict = StoreAgainstDict.TestCase
TestStoreAgainstDict.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

Fill = Callable[[MemoryStore, str, float], object]


def written(store: MemoryStore, names: Iterable[str]) -> int:
    return sum(value is not None for value in store.get_many(names))


@pytest.mark.parametrize(
    "write",
    [
        lambda store, key, expires_at: store.put(key, b"", expires_at=expires_at),
        lambda store, key, expires_at: store.compare_and_swap(key, None, b"", expires_at=expires_at),
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
        store.put(name, b"")
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
            return store.compare_and_swap("key", before, b"%d" % number)

        with ThreadPoolExecutor(50) as pool:
            won = list(pool.map(swap, range(50)))
        assert won.count(True) == 1
        assert store.get_many(["key"]) == [b"%d" % won.index(True)]
        store.put("key", b"before")


def test_fifty_threads_that_swap_until_they_win_lose_no_increment() -> None:
    store = MemoryStore()

    def increment(_: int) -> None:
        while True:
            (before,) = store.get_many(["count"])
            if store.compare_and_swap("count", before, b"%d" % (int(before or b"0") + 1)):
                return

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(increment, range(500)))
    assert store.get_many(["count"]) == [b"500"]


def test_the_wall_clock_is_the_machines_unless_told_otherwise() -> None:
    store = MemoryStore()
    store.put("old", b"", expires_at=1.0)
    store.put("new", b"", expires_at=10.0**11)
    for number in range(3000):
        store.put(f"other:{number % 2}", b"")
    assert store.get_many(["old", "new"]) == [None, b""]
