"""The stores in memory, in a file and in Redis give the same answers, whatever the order of events."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from mockmoov.simulation.journal import Query
from mockmoov.storage.eviction import TokenRecord, TokenTimes
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.redis import RedisStore
from mockmoov.storage.sqlite import SqliteStore
from mockmoov.storage.store import Given, Store, Swap, Watch
from tests.support.records import EXCHANGE
from tests.support.redis_servers import new_name, redis_url

TOKENS = {"c": "x", "family:ü": "x", "\0": "y"}  # token records, and their groups
KEYS = {"a": "x", "b": "y", "\ud800": "x", "": "", **TOKENS}
GROUPS = ["x", "y", ""]
OWNERS = [None, "a", "b"]
QUERIES = [
    Query(),
    Query(status=404),
    Query(endpoint="token", status=200),
    Query(after=3),
    Query(after=5, status=200),
]
keys, groups, owners = st.sampled_from([*KEYS]), st.sampled_from(GROUPS), st.sampled_from(OWNERS)
plain_keys = st.sampled_from([key for key in KEYS if key not in TOKENS])
values = st.binary(max_size=3)
optional = st.none() | values
givens = st.none() | st.tuples(keys, optional)
times = st.builds(TokenTimes, *[st.sampled_from([0.0, 1.5, 1])] * 3)


@dataclass(frozen=True)
class Waiter:
    """A watch on the journal in memory, and those on the shared journals."""

    in_memory: Watch
    shared: list[Watch]


class StoresAgree(RuleBasedStateMachine):
    """Two stores on one file and two on one Redis, as two processes have, against one in memory.

    Every answer is compared; `which` is the process.
    """

    @initialize(size=st.sampled_from([1, 4]), size_in_bytes=st.sampled_from([600, 10**6]))
    def start(self, size: int, size_in_bytes: int) -> None:
        self.folder = TemporaryDirectory()
        path = Path(self.folder.name) / "state.db"
        bounds: Any = {"journal_size": size, "journal_bytes": size_in_bytes}
        self.memory = MemoryStore(**bounds)
        name = new_name()
        self.shared: list[list[Store]] = [
            [SqliteStore(path, **bounds), RedisStore(redis_url(), name, shown="", **bounds)] for _ in range(2)
        ]
        self.listed: list[TokenRecord] = []
        self.waiters: list[Waiter] = []
        self.versions: dict[tuple[str, int, int, int], list[bytes]] = {}

    def teardown(self) -> None:
        for stores in getattr(self, "shared", ()):
            for store in stores:
                store.close()
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def answer(self, which: int, method: str, *arguments: Any, **named: Any) -> Any:
        """What all say, which must be the same."""
        found = getattr(self.memory, method)(*arguments, **named)
        for store in self.shared[which]:
            assert getattr(store, method)(*arguments, **named) == found
        return found

    # --- entries --------------------------------------------------------------------------------------

    @rule(which=st.integers(0, 1), key=keys, value=values, times=times)
    def put(self, which: int, key: str, value: bytes, times: TokenTimes) -> None:
        self.answer(which, "put", key, value, **kind_of(key, times))

    @rule(which=st.integers(0, 1), key=keys, value=values, times=times, other=optional, given=givens)
    def compare_and_swap(
        self, which: int, key: str, value: bytes, times: TokenTimes, other: bytes | None, given: Given | None
    ) -> None:
        self.answer(which, "compare_and_swap", key, other, value, given=given, **kind_of(key, times))

    @rule(which=st.integers(0, 1), key=keys, value=values, times=times, condition=st.none() | keys)
    def swap(self, which: int, key: str, value: bytes, times: TokenTimes, condition: str | None) -> None:
        (present,) = self.memory.get_many([key])
        given = None if condition is None else (condition, *self.memory.get_many([condition]))
        changed = {"given": given, **kind_of(key, times)}
        assert self.answer(which, "compare_and_swap", key, present, value, **changed)

    @rule(which=st.integers(0, 1), group=groups)
    def forget(self, which: int, group: str) -> None:
        self.answer(which, "forget", group)

    @rule(which=st.integers(0, 1), group=groups, key=plain_keys, other=optional, value=optional)
    def swap_and_forget(
        self, which: int, group: str, key: str, other: bytes | None, value: bytes | None
    ) -> None:
        (present,) = self.memory.get_many([key])
        for expected in (other, present):
            self.answer(which, "forget", group, Swap(key, expected, value, KEYS[key]))

    @rule(which=st.integers(0, 1), entries=st.dictionaries(keys, values, max_size=4))
    def clear(self, which: int, entries: dict[str, bytes]) -> None:
        kept = [(KEYS[key], key, value) for key, value in entries.items() if key not in TOKENS]
        self.answer(which, "clear", kept)

    @rule(which=st.integers(0, 1))
    def list_token_records(self, which: int) -> None:
        self.listed = sorted_records(self.memory.token_records())
        for store in self.shared[which]:
            assert sorted_records(store.token_records()) == self.listed

    @rule(which=st.integers(0, 1), chosen=st.sets(st.integers(0, 10)))
    def evict(self, which: int, chosen: set[int]) -> None:
        self.answer(which, "evict", [each for index, each in enumerate(self.listed) if index in chosen])

    # --- the journal ----------------------------------------------------------------------------------

    @rule(which=st.integers(0, 1), owner=owners, status=st.sampled_from([200, 404]), endpoint=st.booleans())
    def append(self, which: int, owner: str | None, status: int, endpoint: bool) -> None:
        exchange = replace(
            EXCHANGE, client_id=owner, status=status, endpoint="token" if endpoint else None, number=0
        )
        for store in self.stores(which):
            store.journal.append(exchange)

    @rule(which=st.integers(0, 1), owner=owners)
    def clear_journal(self, which: int, owner: str | None) -> None:
        for store in self.stores(which):
            store.journal.clear(owner)

    @rule(which=st.integers(0, 1), owner=owners, query=st.sampled_from(QUERIES), count=st.integers(1, 5))
    def watch(self, which: int, owner: str | None, query: Query, count: int) -> None:
        first, *others = [
            store.journal.watch(owner, query, count, lambda: None) for store in self.stores(which)
        ]
        self.waiters.append(Waiter(first, others))

    @precondition(lambda self: self.waiters)
    @rule(index=st.integers(0, 100))
    def close_watch(self, index: int) -> None:
        waiter = self.waiters.pop(index % len(self.waiters))
        for watch in (waiter.in_memory, *waiter.shared):
            watch.close()

    @rule(which=st.integers(0, 1))
    def close(self, which: int) -> None:
        """As a restart does: they keep everything, and the next call opens them again."""
        for store in self.shared[which]:
            store.close()

    def stores(self, which: int) -> tuple[Store, ...]:
        return self.memory, *self.shared[which]

    # --- after every step -----------------------------------------------------------------------------

    @invariant()
    def entries_are_the_same(self) -> None:
        for which in (0, 1):
            self.answer(which, "get_many", [*KEYS, "absent", "a"])
            self.answer(which, "usage")
            for prefix in ("family:", "a"):
                self.answer(which, "count_named", prefix, 1)
            for group in GROUPS:
                scanned = self.answer(which, "scan", group)
                self.answer(which, "count", group)
                members = without_tokens(self.memory, group)
                for number, store in enumerate(self.shared[which]):
                    version = (group, which, number, store.version(group))
                    assert self.versions.setdefault(version, members) == members
                assert len(scanned) >= len(members)

    @invariant()
    def journals_are_the_same(self) -> None:
        for store in (*self.shared[0], *self.shared[1]):
            assert store.journal.count() == self.memory.journal.count()
            assert store.journal.numbering().first == self.memory.journal.numbering().first
            for owner in OWNERS:
                assert store.journal.read(owner) == self.memory.journal.read(owner)

    @invariant()
    def watches_find_the_same(self) -> None:
        for waiter in self.waiters:
            for watch in waiter.shared:
                for name in ("missing", "dropped"):
                    assert getattr(watch, name) == getattr(waiter.in_memory, name)
                assert watch.found() == waiter.in_memory.found()


def kind_of(key: str, times: TokenTimes) -> dict[str, Any]:
    """How an entry is always written."""
    return {"group": KEYS[key], "times": times if key in TOKENS else None}


def sorted_records(records: Iterable[TokenRecord]) -> list[TokenRecord]:
    """The records of a store, which have no order."""
    return sorted(records, key=lambda record: record.key)


def without_tokens(store: MemoryStore, group: str) -> list[bytes]:
    """The values of a group, but for its token records."""
    kept = [key for key in KEYS if KEYS[key] == group and key not in TOKENS]
    return [value for value in store.get_many(kept) if value is not None]


TestStoresAgree = pytest.mark.slow(StoresAgree.TestCase)
TestStoresAgree.settings = settings(stateful_step_count=30)
