"""The store in a file: odd and many keys, threads, forks, a close at any time, and eviction under writes."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.simulation.journal import Query
from mockmoov.storage.eviction import TokenTimes, Usage
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.sqlite import SqliteStore
from mockmoov.storage.store import Store, Swap
from tests.support.records import EXCHANGE
from tests.support.stores import methods_of

NEVER = TokenTimes(0.0, 0.0, 0.0)


@contextmanager
def store_in_a_new_file() -> Iterator[SqliteStore]:
    with TemporaryDirectory() as folder, closing(SqliteStore(Path(folder) / "state.db")) as store:
        yield store


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[SqliteStore, SqliteStore]]:
    """Two stores on one file, as two processes have."""
    with closing(SqliteStore(tmp_path / "state.db")) as one, closing(SqliteStore(one._file.path)) as two:
        yield one, two


# --- keys -------------------------------------------------------------------------------------------


@given(entries=st.dictionaries(st.text(st.characters()), st.binary(max_size=3), max_size=8))
@example(entries={"": b"", "\0": b"\0", "a\0b": b"1", "a": b"2", "a\0": b"3"})
@example(entries=dict.fromkeys(["\ud800", "\udfff", "\ud83d\ude00", "\U0001f600", "\ufffd"], b"1"))
@example(entries={"é": b"1", "e\u0301": b"2", "É": b"3", "x" * 257: b"4", "x" * 100_000: b"5"})
def test_any_text_is_a_key_as_in_memory(entries: dict[str, bytes]) -> None:
    def answers(store: Store) -> list[object]:
        times = {key: NEVER if index % 2 else None for index, key in enumerate(entries)}
        for key, value in entries.items():
            store.put(key, value, group="g", times=times[key])
        records = sorted(store.token_records(), key=lambda record: record.key)
        found: list[object] = [store.get_many(entries), store.scan("g"), records]
        found += [store.count_named(prefix, 5) for prefix in ("a", "\0", "x")]
        found += [
            store.compare_and_swap(key, value, b"new", group="g", times=times[key])
            for key, value in entries.items()
        ]
        for key in entries:
            removed = store.forget("none", Swap(key, b"new", None, "g"))
            found += [removed, store.get_many(entries), store.usage()]
        return found

    with store_in_a_new_file() as store:
        assert answers(store) == answers(MemoryStore())


@pytest.mark.parametrize("size", [900, 901, 2500])
def test_any_number_of_keys_is_read_at_once(size: int, tmp_path: Path) -> None:
    random = Random(size)
    keys = [f"key {number}" for number in range(size)]
    asked = [*keys, *random.choices(keys, k=50), *(f"absent {number}" for number in range(50))]
    random.shuffle(asked)
    memory, expected = MemoryStore(), list[bytes | None]()
    with closing(SqliteStore(tmp_path / "state.db")) as store:
        for each in (memory, store):
            each.clear(("g", key, key.encode()) for key in keys)
        expected = memory.get_many(asked)
        assert store.get_many(iter(asked)) == expected
        assert store.get_many(asked) == expected  # it knows them now
        store.put(asked[0], b"new", group="g")
        assert store.get_many(asked[:1]) == [b"new"]


@pytest.mark.parametrize(("known", "size", "select"), [(1, 2, 1), (0, 1500, 2), (700, 2500, 2)])
def test_values_of_one_call_are_of_one_moment(
    pair: tuple[SqliteStore, SqliteStore], known: int, size: int, select: int
) -> None:
    reader, writer = pair
    keys = [str(number) for number in range(size)]
    writer.clear(("g", key, b"before") for key in keys)
    reader.get_many(keys[:known])
    before_select(reader, select, lambda: writer.clear(("g", key, b"after") for key in keys))
    assert set(reader.get_many(keys)) == {b"before"}
    assert set(reader.get_many(keys)) == {b"after"}


def before_select(store: SqliteStore, number: int, act: Callable[[], object]) -> None:
    """Do something just before the store reads entries for the `number`th time."""
    selects = count(1)

    def trace(sql: str) -> None:
        if sql.startswith("SELECT (SELECT value") and next(selects) == number:
            act()

    store._file.use(lambda connection: connection.set_trace_callback(trace))


@pytest.mark.parametrize("size", [1, 3])
def test_store_knows_only_so_many_entries(size: int, pair: tuple[SqliteStore, SqliteStore]) -> None:
    for number in range(0, 5000, size):
        pair[0].get_many([f"{number + offset}" for offset in range(size)])
        assert len(pair[0]._known) <= 4096
    assert len(pair[0]._known) > 800


# --- threads, close and forks -----------------------------------------------------------------------


def increment(store: Store, key: str = "n") -> None:
    """Add 1 to a number, as everything that changes an entry does."""
    while True:
        (before,) = store.get_many([key])
        if store.compare_and_swap(key, before, b"%d" % (int(before or 0) + 1), group="g"):
            return


def test_threads_lose_nothing_while_the_store_is_closed(pair: tuple[SqliteStore, SqliteStore]) -> None:
    done = threading.Event()

    def change(number: int) -> None:
        increment(pair[number % 2])
        pair[number % 2].journal.append(EXCHANGE)

    def close() -> None:
        while not done.is_set():
            pair[0].close()

    with ThreadPoolExecutor(5) as pool:
        closer = pool.submit(close)
        try:
            list(pool.map(change, range(200)))
        finally:
            done.set()
        closer.result()
    assert [store.get_many(["n"]) for store in pair] == [[b"200"]] * 2
    assert [each.number for each in pair[0].journal.read().exchanges] == list(range(1, 201))


def test_closed_store_opens_again_at_any_call(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    watch = store.journal.watch(None, Query(), 9, lambda: None)
    calls: dict[str, Callable[[], object]] = {
        "put": lambda: store.put("a", b"1", group="x"),
        "get_many": lambda: store.get_many(["a"]) == [b"1"],
        "compare_and_swap": lambda: store.compare_and_swap("a", b"1", b"2", group="x"),
        "scan": lambda: store.scan("x") == [b"2"],
        "count": lambda: store.count("x") == 1,
        "count_named": lambda: store.count_named("a", 9) == 1,
        "version": lambda: store.version("x") == 2,
        "usage": lambda: store.usage() == Usage(0, 0),
        "token_records": lambda: store.token_records() == [],
        "evict": lambda: store.evict([]),
        "forget": lambda: store.forget("x", Swap("b", None, b"3", "y")),
        "clear": lambda: store.clear([("x", "c", b"4")]),
        "append": lambda: store.journal.append(EXCHANGE),
        "journal": lambda: (store.journal.count(), len(store.journal.read().exchanges)) == (1, 1),
        "watch": lambda: (watch.missing, len(watch.found()), watch.dropped) == (8, 1, 0),
        "clear the journal": store.journal.clear,
        "clear for a watch": lambda: (watch.missing, watch.is_notified) == (9, True),
    }
    assert methods_of(SqliteStore) - {"close"} <= calls.keys()
    store.close()
    for name, call in calls.items():
        answer = call()
        store.close()
        store.close()
        assert answer in (None, True), name
    assert store.scan("x") == [b"4"]
    store.close()


def test_store_without_references_closes_its_file(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = SqliteStore(path)
    store.put("a", b"1", group="x")
    del store
    assert [each.name for each in tmp_path.iterdir()] == [path.name]  # whoever closes it last removes the log


FORKED = """\
import os, sys, threading
from pathlib import Path
from mockmoov.storage.sqlite import SqliteStore

def increment(store, key="n"):
    while True:
        (before,) = store.get_many([key])
        if store.compare_and_swap(key, before, b"%d" % (int(before or 0) + 1), group="g"):
            return

def child_of(task):
    pid = os.fork()
    if pid == 0:
        task()
        os._exit(0)
    return pid

def wait_for(pid):
    assert os.waitpid(pid, 0)[1] == 0

def live_on():
    increment(store)
    os.write(begun, b"x")
    os.read(told, 1)
    increment(store)

store = SqliteStore(Path(sys.argv[1]))
increment(store)
told, tell = os.pipe()
begins, begun = os.pipe()
pid = child_of(live_on)
os.read(begins, 1)
increment(store)
store.close()  # the child still uses the file
os.write(tell, b"x")
wait_for(pid)
assert store.get_many(["n"]) == [b"4"]

# Children come at any moment of other threads.
done = threading.Event()

def work():
    while not done.is_set():
        increment(store, "of the thread")
        SqliteStore(Path(sys.argv[2])).get_many(["n"])

thread = threading.Thread(target=work)
thread.start()
for _ in range(10):
    wait_for(child_of(lambda: increment(store)))
done.set()
thread.join()
assert store.get_many(["n"]) == [b"14"]
store.close()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_forked_child_shares_the_file_with_its_parent(tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("state.db", "other.db")]
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED, *files]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    with closing(SqliteStore(Path(files[0]))) as store:
        assert store.get_many(["n"]) == [b"14"]


# --- eviction ---------------------------------------------------------------------------------------


def test_only_records_that_are_as_listed_are_evicted(pair: tuple[SqliteStore, SqliteStore]) -> None:
    """Each group is written by a thread; another one evicts whatever it finds, over the same file."""
    listed, done = set[tuple[str, float]](), threading.Event()
    missed = list[tuple[str, float]]()

    def write(group: str) -> None:
        for turn in range(60):
            key, time = f"{group} {turn % 3}", float(turn)
            pair[0].put(key, b"x" * turn, group=group, times=TokenTimes(time, time, time))
            if pair[0].get_many([key]) == [None]:
                missed.append((key, time))

    def evict() -> None:
        while not done.is_set():
            records = pair[1].token_records()
            listed.update((record.key, record.times.issued_at) for record in records)
            pair[1].evict(records)

    with ThreadPoolExecutor(4) as pool:
        evictor = pool.submit(evict)
        try:
            list(pool.map(write, "abc"))
        finally:
            done.set()
        evictor.result()
    assert set(missed) <= listed
    for store in pair:
        records = store.token_records()
        assert store.usage() == Usage(len(records), sum(record.size for record in records))
    pair[1].evict(records)
    assert pair[0].usage() == Usage(0, 0)


def test_record_that_was_written_since_stays(pair: tuple[SqliteStore, SqliteStore]) -> None:
    later = TokenTimes(0.0, 0.0, 1.0)
    for group in "abc":
        pair[0].put(group, b"1", group=group, times=NEVER)
    records = pair[0].token_records()
    pair[1].put("b", b"2", group="b", times=later)
    pair[1].forget("c")
    pair[0].evict(records)
    assert pair[0].get_many("abc") == [None, b"2", None]
    assert pair[1].usage() == Usage(1, 2)
