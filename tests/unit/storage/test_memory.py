"""Stores: whatever the order of events, they hold what a dict would."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mockmoov.storage.eviction import TokenRecord, TokenTimes, Usage
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.store import Given, Swap
from tests.support.stores import ended_without, methods_of

KEYS = ["a", "b", "c", "family:ü", ""]
GROUPS = ["x", "y", ""]
keys, groups = st.sampled_from(KEYS), st.sampled_from(GROUPS)
values = st.binary(max_size=3)
times = st.none() | st.builds(TokenTimes, *[st.sampled_from([0.0, 1.0])] * 3)


@dataclass
class Entries:
    """What must be in a store: a dict, in the order in which keys came to their group."""

    entries: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    tokens: dict[str, TokenTimes] = field(default_factory=dict)

    def get(self, key: str) -> bytes | None:
        return self.entries[key][0] if key in self.entries else None

    def write(self, key: str, value: bytes, group: str, times: TokenTimes | None) -> None:
        self.entries[key] = (value, self.entries[key][1] if key in self.entries else group)
        if times:
            self.tokens[key] = times
        else:
            self.tokens.pop(key, None)

    def keys_of(self, group: str) -> list[str]:
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
        self.versions: dict[tuple[str, int], list[bytes]] = {}

    @rule(key=keys, value=values, group=groups, times=times)
    def put(self, key: str, value: bytes, group: str, times: TokenTimes | None) -> None:
        self.store.put(key, value, group=group, times=times)
        self.model.write(key, value, group, times)

    @rule(
        key=keys,
        value=values,
        group=groups,
        times=times,
        other=st.none() | values,
        right=st.booleans(),
        given=st.none() | st.tuples(keys, st.none() | values),
    )
    def compare_and_swap(
        self,
        key: str,
        value: bytes,
        group: str,
        times: TokenTimes | None,
        other: bytes | None,
        right: bool,
        given: Given | None,
    ) -> None:
        present = self.model.get(key)
        expected = present if right else other
        swapped = self.store.compare_and_swap(key, expected, value, group=group, times=times, given=given)
        assert swapped == (present == expected and (given is None or self.model.get(given[0]) == given[1]))
        if swapped:
            self.model.write(key, value, group, times)

    @rule(key=keys, group=groups, other=st.none() | values, right=st.booleans())
    def delete_and_forget(self, key: str, group: str, other: bytes | None, right: bool) -> None:
        expected = self.model.get(key) if right else other
        is_expected = expected == self.model.get(key)
        assert self.store.forget(group, Swap(key, expected, None, group)) == is_expected
        if is_expected:
            for each in (key, *self.model.keys_of(group)):
                self.model.remove(each)

    @rule(group=groups)
    def forget(self, group: str) -> None:
        self.store.forget(group)
        for key in self.model.keys_of(group):
            self.model.remove(key)

    @rule(entries=st.lists(st.tuples(groups, keys, values), max_size=4))
    def clear(self, entries: list[tuple[str, str, bytes]]) -> None:
        self.store.clear(iter(entries))
        self.model = Entries()
        for group, key, value in entries:
            self.model.write(key, value, group, None)

    @rule()
    def list_token_records(self) -> None:
        self.listed = self.store.token_records()
        assert self.listed == self.model.records()

    @rule(chosen=st.lists(st.integers(0, 10)))
    def evict(self, chosen: list[int]) -> None:
        records = [record for index, record in enumerate(self.listed) if index in chosen]
        self.store.evict(iter(records))
        for record in records:
            if record in self.model.records():
                self.model.remove(record.key)

    @invariant()
    def entries_are_those_of_the_model(self) -> None:
        names = [*KEYS, "absent", KEYS[0]]
        assert self.store.get_many(iter(names)) == [self.model.get(name) for name in names]
        records = self.model.records()
        assert self.store.usage() == Usage(len(records), sum(record.size for record in records))

    @invariant()
    def groups_keep_their_order_and_change_their_version(self) -> None:
        for group in GROUPS:
            names = [key for key in self.model.keys_of(group) if key not in self.model.tokens]
            scanned = [self.model.entries[key][0] for key in names]
            assert (self.store.scan(group), self.store.count(group)) == (scanned, len(scanned))
            assert self.versions.setdefault((group, self.store.version(group)), scanned) == scanned


TestStoreAgainstDict = pytest.mark.slow(StoreAgainstDict.TestCase)
TestStoreAgainstDict.settings = settings(stateful_step_count=40)


def test_every_method_changes_what_it_names() -> None:
    """One pass through all methods: what the state machine reaches by chance."""
    store, token = MemoryStore(), TokenTimes(0.0, 1.0, 1.0)
    store.put("a", b"1", group="x", times=token)
    store.put("b", b"2", group="y", times=token)
    (first, second) = store.token_records()
    assert (first, second) == (TokenRecord("a", "x", 2, token), TokenRecord("b", "y", 2, token))
    store.put("a", b"33", group="x", times=token)
    store.evict([first, second])  # the first was written again
    assert (store.get_many(["a", "b"]), store.usage()) == ([b"33", None], Usage(1, 3))
    store.put("a", b"4", group="y")  # it stays in its group
    assert (store.scan("x"), store.scan("y"), store.usage()) == ([b"4"], [], Usage(0, 0))
    assert not store.compare_and_swap("a", b"3", b"5", group="y")
    assert store.compare_and_swap("c", None, b"5", group="z")
    delete = Swap("c", b"5", None, "z")
    assert (store.forget("no", delete), store.forget("no", delete)) == (True, False)
    store.forget("x")
    assert store.get_many(["a", "c"]) == [None, None]
    store.clear([("g", "k", b"6")])
    assert (store.scan("g"), store.count("g"), store.version("x")) == ([b"6"], 1, 0)


def test_nobody_writes_between_comparing_and_swapping() -> None:
    store, writes = MemoryStore(), list[Future[None]]()
    store.put("key", b"before", group="g")

    class Expected(bytes):
        def __ne__(self, other: object) -> bool:
            writes.append(pool.submit(store.put, "key", b"theirs", group="g"))
            wait(writes, timeout=0.1)
            return super().__ne__(other)

    with ThreadPoolExecutor(1) as pool:
        assert store.compare_and_swap("key", Expected(b"before"), b"ours", group="g")
    assert store.get_many(["key"]) == [b"theirs"]  # written after ours


def test_forgotten_group_is_gone_and_others_are_whole() -> None:
    store = MemoryStore()
    for number in range(300):
        store.put(f"{number}", b"%d" % number, group="even" if number % 2 == 0 else "odd")
    store.forget("even")
    assert store.scan("even") == []
    assert store.scan("odd") == [b"%d" % number for number in range(1, 300, 2)]
    assert store.get_many(map(str, range(300))).count(None) == 150


def test_nobody_sees_a_store_that_is_half_cleared() -> None:
    store, looks = MemoryStore(), list[Future[list[bytes]]]()
    store.clear([("group", "key", b"before")])

    def entries() -> Iterator[tuple[str, str, bytes]]:
        looks.append(pool.submit(store.scan, "group"))
        wait(looks, timeout=0.1)
        yield "group", "key", b"after"

    with ThreadPoolExecutor(1) as pool:
        store.clear(entries())
    (look,) = looks
    assert look.result() in ([b"before"], [b"after"])


def test_every_method_waits_for_the_lock() -> None:
    store = MemoryStore()
    calls: dict[str, Callable[[], object]] = {
        "get_many": lambda: store.get_many(["a"]),
        "put": lambda: store.put("a", b"1", group="x"),
        "compare_and_swap": lambda: store.compare_and_swap("b", None, b"1", group="x"),
        "scan": lambda: store.scan("x"),
        "count": lambda: store.count("x"),
        "count_named": lambda: store.count_named("a", 9),
        "version": lambda: store.version("x"),
        "usage": store.usage,
        "token_records": store.token_records,
        "evict": lambda: store.evict([]),
        "forget": lambda: store.forget("x"),
        "clear": lambda: store.clear([]),
    }
    assert calls.keys() == methods_of(MemoryStore) - {"close"}
    assert ended_without(store._lock, calls) == set()
