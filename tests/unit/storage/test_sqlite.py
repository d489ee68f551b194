"""The store in a file: what the comparison with memory cannot show."""

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from mockmoov.simulation.journal import Query
from mockmoov.storage import sqlite_journal
from mockmoov.storage.sqlite import SqliteStore
from mockmoov.storage.store import TooManyWatchesError
from tests.support.records import EXCHANGE

ODD_KEYS = ["", "\0", "\ud800", "é", "x" * 100_000]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(path)) as opened:
        yield opened


def nothing() -> None:
    """A watch has nobody to notify."""


# --- entries ----------------------------------------------------------------------------------------


def test_any_text_is_a_key(store: SqliteStore) -> None:
    for key in ODD_KEYS:
        store.put(key, key[:5].encode("utf-8", "replace"), group="g")
    for _ in range(2):  # read, and known
        assert store.get_many(ODD_KEYS) == [b"", b"\0", b"?", "é".encode(), b"xxxxx"]


def test_more_keys_than_a_statement_takes_are_read_in_order(store: SqliteStore) -> None:
    keys = [f"{number}" for number in range(2_000)]
    store.clear(("g", key, key.encode()) for key in keys)
    assert store.get_many([*keys, "absent"]) == [*(key.encode() for key in keys), None]


def test_what_is_known_is_forgotten_when_it_is_too_much(store: SqliteStore, path: Path) -> None:
    store.clear(("g", f"{number}", b"1") for number in range(5_000))
    keys = [f"{number}" for number in range(5_000)]
    assert store.get_many(keys) == store.get_many(keys) == [b"1"] * 5_000
    store.get_many(["0"])
    assert len(store._known) == 1


def test_value_written_through_another_store_is_read(store: SqliteStore, path: Path) -> None:
    with closing(SqliteStore(path)) as other:
        for number in range(20):
            value = b"%d" % number
            other.put("key", value, group="g")
            assert store.get_many(["key"]) == [value]
            assert store.compare_and_swap("key", value, b"ours", group="g")
            assert other.get_many(["key"]) == [b"ours"]


def test_threads_swap_one_value_without_losing_a_step(store: SqliteStore) -> None:
    store.put("count", b"0", group="g")

    def count() -> None:
        for _ in range(50):
            while True:
                (before,) = store.get_many(["count"])
                assert before is not None
                if store.compare_and_swap("count", before, b"%d" % (int(before) + 1), group="g"):
                    break

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get_many(["count"]) == [b"200"]


def test_closed_store_opens_again_with_everything(store: SqliteStore, path: Path) -> None:
    store.put("key", b"1", group="g")
    for _ in range(2):
        store.close()
    assert not path.with_name("state.db-wal").exists()
    assert store.get_many(["key"]) == [b"1"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_child_process_has_a_connection_of_its_own(store: SqliteStore) -> None:
    store.put("key", b"parent", group="g")
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        swapped = store.compare_and_swap("key", b"parent", b"child", group="g")
        os._exit(0 if swapped else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert store.get_many(["key"]) == [b"child"]
    assert store.compare_and_swap("key", b"child", b"again", group="g")


# --- the journal ------------------------------------------------------------------------------------


def test_journal_that_nobody_reads_stays_bounded(path: Path) -> None:
    with closing(SqliteStore(path, journal_size=160)) as store:
        for _ in range(1_000):
            store.journal.append(EXCHANGE)
            (held,) = store._file.read("SELECT count(*) FROM exchanges")[0]
            assert held <= 160 + 64
        journal = store.journal.read()
        assert len(journal.exchanges) <= 160
        assert journal.dropped + len(journal.exchanges) == 1_000
        assert journal.exchanges[-1].number == 1_000


def test_journal_with_gaps_drops_nothing_before_it_is_full(path: Path) -> None:
    with closing(SqliteStore(path, journal_size=3)) as store:
        for owner in "abab":
            store.journal.append(replace(EXCHANGE, client_id=owner))
        store.journal.clear("b")
        for _ in range(2):
            store.journal.append(replace(EXCHANGE, client_id="a"))
        assert [each.number for each in store.journal.read().exchanges] == [3, 5, 6]
        assert store.journal.read("a").dropped == 1


def test_journal_of_size_0_keeps_what_an_earlier_one_had(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.journal.append(EXCHANGE)
    with closing(SqliteStore(path, journal_size=0)) as store:
        store.journal.append(EXCHANGE)
        assert store.journal.count() == 1


def test_watch_counts_what_another_store_appends(store: SqliteStore, path: Path) -> None:
    with (
        closing(SqliteStore(path)) as other,
        store.journal.watch("a", Query(status=404), 2, nothing) as watch,
    ):
        assert watch.missing == 2
        for owner in "aba":
            other.journal.append(replace(EXCHANGE, client_id=owner))
        assert (watch.missing, watch.is_notified) == (0, False)
        assert [each.number for each in watch.found()] == [1, 3]
        other.journal.clear("a")
        assert (watch.missing, watch.is_notified) == (2, True)
        assert watch.turn < 0.1


def test_number_of_watches_on_a_file_is_limited(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_journal, "MAX_WATCHES", 2)
    first, _ = (store.journal.watch(None, Query(), 1, nothing) for _ in range(2))
    with pytest.raises(TooManyWatchesError):
        store.journal.watch(None, Query(), 1, nothing)
    for _ in range(2):
        first.close()
    store.journal.watch(None, Query(), 1, nothing)
    with pytest.raises(TooManyWatchesError):
        store.journal.watch(None, Query(), 1, nothing)
