"""A SQLite file that others make, lock, remove or damage while a store uses it."""

import multiprocessing
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from mockmoov.storage import sqlite_file
from mockmoov.storage.sqlite import SqliteStore
from mockmoov.storage.sqlite_file import APPLICATION_ID, SCHEMA_VERSION
from mockmoov.storage.store import SchemaVersionError, StoreError
from tests.support.sqlite_files import VALUE, error_of, locked, write

# --- others make or use the file at the same time -----------------------------------------------------


class Interposed(sqlite3.Connection):
    """A connection before whose statements something may happen."""

    before: Callable[[str], object] = staticmethod(lambda _: None)

    def execute(self, sql: str, *arguments: object) -> sqlite3.Cursor:
        type(self).before(sql)
        return super().execute(sql, *arguments)  # type: ignore[arg-type]


@pytest.fixture
def interposed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], object]], None]:
    """Let something happen before each statement of the connections that a store opens from now on."""
    connect = sqlite3.connect

    def set_before(before: Callable[[str], object]) -> None:
        monkeypatch.setattr(Interposed, "before", staticmethod(before))
        monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, factory=Interposed, **k))

    return set_before


def once(start: str, act: Callable[[], object]) -> Callable[[str], object]:
    """Act before the first statement that begins so; not while it acts, either."""
    pending = [act]

    def before(sql: str) -> None:
        if sql.startswith(start) and pending:
            pending.pop()()

    return before


def test_tables_that_another_makes_first_are_used(
    interposed: Callable[[Callable[[str], object]], None], tmp_path: Path
) -> None:
    path = tmp_path / "state.db"
    interposed(once("BEGIN IMMEDIATE", lambda: write(path)))
    with closing(SqliteStore(path)) as store:
        assert store.get_many(["k0"]) == [VALUE]


PROCESSES, ROUNDS = 10, 20


def make_and_write(folder: Path, number: int, barrier: Barrier) -> None:
    """What each of several processes does: write to one new file after the other, at the same moment."""
    for each in range(ROUNDS):
        with closing(SqliteStore(folder / f"{each}.db")) as store:
            barrier.wait()
            store.compare_and_swap("first", None, b"%d" % number, group="g")
            store.put(f"k{number}", VALUE, group="g")


@pytest.mark.slow
def test_processes_that_make_one_file_together_agree(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    processes = [
        context.Process(target=make_and_write, args=(tmp_path, number, barrier))
        for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    for each in range(ROUNDS):
        with closing(SqliteStore(tmp_path / f"{each}.db")) as store:
            values = store.get_many(["first", *(f"k{number}" for number in range(PROCESSES))])
            assert values[0] in {b"%d" % number for number in range(PROCESSES)}
            assert values[1:] == [VALUE] * PROCESSES
            assert store.count("g") == PROCESSES + 1


def test_schema_that_another_version_makes_first_is_refused(
    interposed: Callable[[Callable[[str], object]], None], tmp_path: Path
) -> None:
    path = tmp_path / "state.db"

    def make_newer() -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")

    interposed(once("BEGIN IMMEDIATE", make_newer))
    assert isinstance(error_of(path), SchemaVersionError)


def test_a_switch_of_the_journal_waits_for_others(
    interposed: Callable[[Callable[[str], object]], None], tmp_path: Path
) -> None:
    path, attempts = tmp_path / "state.db", list[str]()
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:

        def before(sql: str) -> None:
            if sql == "PRAGMA journal_mode = WAL":
                attempts.append(sql)
                other.execute({1: "BEGIN IMMEDIATE", 3: "COMMIT"}.get(len(attempts), "SELECT 1"))

        interposed(before)
        path.chmod(0o600)
        with closing(SqliteStore(path)) as store:
            store.put("k", b"v", group="g")
    assert len(attempts) == 3


def test_a_switch_of_the_journal_does_not_wait_for_ever(
    interposed: Callable[[Callable[[str], object]], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.02)
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        path.touch()
        path.chmod(0o600)
        interposed(once("PRAGMA journal_mode = WAL", lambda: other.execute("BEGIN IMMEDIATE")))
        assert "another process has locked it" in str(error_of(path))


def test_a_file_system_without_shared_memory_is_refused(
    interposed: Callable[[Callable[[str], object]], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = Interposed.execute

    def without_wal(self: Interposed, sql: str, *arguments: object) -> sqlite3.Cursor:
        return execute(self, sql.replace("= WAL", "= DELETE"), *arguments)

    monkeypatch.setattr(Interposed, "execute", without_wal)
    interposed(lambda _: None)
    path = tmp_path / "state.db"
    assert str(error_of(path)) == (
        f"{path}: SQLite cannot use write-ahead logging on this file system: put it on a local disk"
    )


# --- while a server runs -----------------------------------------------------------------------------


def patience(store: SqliteStore) -> int:
    """How long the connection waits for a lock, in ms."""
    return int(store._file.read("PRAGMA busy_timeout")[0][0])


def test_only_the_first_waits_for_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.05)
    path = tmp_path / "state.db"
    with closing(SqliteStore(path)) as store:
        store.put("k", b"0", group="g")
        assert patience(store) == 50
        with locked(path):
            for _ in range(3):
                with pytest.raises(StoreError, match="another process has locked it"):
                    store.put("k", b"1", group="g")
                assert patience(store) == 0
                assert store.get_many(["k"]) == [b"0"], "reading goes on"
            with pytest.raises(StoreError, match="another process has locked it"):
                store.forget("g")
        assert patience(store) == 0
        store.put("k", b"2", group="g")
        assert (patience(store), store.get_many(["k"])) == (50, [b"2"])
        with locked(path), pytest.raises(StoreError):
            store.journal.clear()
        store.clear([("g", "k", b"3")])
        assert (patience(store), store.get_many(["k"])) == (50, [b"3"])


def test_whoever_opens_while_it_is_locked_waits_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.05)
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other, closing(SqliteStore(path)) as store:
        path.touch(0o600)
        path.chmod(0o600)
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(2):
            with pytest.raises(StoreError, match="another process has locked it"):
                store.get_many(["k"])
        other.execute("ROLLBACK")
        store.put("k", b"1", group="g")
        assert patience(store) == 50


def test_failures_say_why_and_the_next_call_tries_again(tmp_path: Path) -> None:
    path, reasons = tmp_path / "state.db", set[str]()
    codes: Mapping[int, str] = {
        sqlite3.SQLITE_FULL: "the disk is full",
        sqlite3.SQLITE_READONLY_DBMOVED: "it cannot be written: the file or its file system is read-only: "
        "make it writable, or name another file",
        sqlite3.SQLITE_IOERR_WRITE: "the disk failed, or is full",
        sqlite3.SQLITE_CANTOPEN: "the file cannot be opened: check the permissions of its folder, "
        "or name another file",
        sqlite3.SQLITE_CORRUPT_VTAB: "the file is damaged: move it away, or name another file",
        sqlite3.SQLITE_NOTADB: "the file is not a SQLite database: name another file",
        sqlite3.SQLITE_PROTOCOL: "several processes cannot share this file system",
        sqlite3.SQLITE_LOCKED_SHAREDCACHE: "another connection has locked it",
    }

    def fail(_connection: sqlite3.Connection, code: int) -> None:
        error = sqlite3.OperationalError("made up")
        error.sqlite_errorcode = code
        raise error

    with closing(SqliteStore(path)) as store:
        for code, reason in codes.items():
            store.put("k", b"1", group="g")
            with pytest.raises(StoreError) as caught:
                store._file.use(fail, code)
            assert str(caught.value) == f"{path}: {reason}"
            reasons.add(reason)
            assert store.get_many(["k"]) == [b"1"]
        with pytest.raises(sqlite3.OperationalError, match="no such table"):  # a mistake in mockmoov
            store._file.read("SELECT 1 FROM missing")
        assert store.get_many(["k"]) == [b"1"]


def test_file_that_fails_to_close_is_opened_again(tmp_path: Path) -> None:
    class Stubborn(sqlite3.Connection):
        def close(self) -> None:
            super().close()
            raise sqlite3.OperationalError("disk I/O error")

    with closing(SqliteStore(tmp_path / "state.db")) as store:
        store.put("k", b"1", group="g")
        store.close()
        store._file._connection = sqlite3.connect(store._file.path, factory=Stubborn, isolation_level=None)
        store.close()
        assert store.get_many(["k"]) == [b"1"]


def test_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "state.db")) as store:
        store.put("k", b"1", group="g")
        with pytest.raises(sqlite3.IntegrityError):
            store.clear([("g", "a", b"2"), ("g", "b", None)])  # type: ignore[list-item]
        assert (store.get_many(["k", "a"]), store.count("g")) == ([b"1", None], 1)

        def end_and_fail(connection: sqlite3.Connection) -> None:
            connection.execute("ROLLBACK")  # as SQLite itself does when the disk is full
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store._file.transact(end_and_fail)
        store.put("k", b"2", group="g")
        assert store.get_many(["k"]) == [b"2"]


def test_file_that_goes_or_changes_is_named_until_it_is_back(tmp_path: Path) -> None:
    path, aside = tmp_path / "state.db", tmp_path / "aside"
    write(path)
    shutil.copy2(path, aside)

    def put_folder() -> None:
        path.unlink()
        path.mkdir()

    table: Mapping[str, Callable[[], object]] = {
        "was removed or emptied while the server ran: restart the server": path.unlink,
        " was removed or emptied while the server ran: restart": lambda: os.truncate(path, 0),
        "is a folder": put_folder,
        "chmod 600": lambda: path.chmod(0o644),
        "is damaged": lambda: os.truncate(path, 5000),
        "not a SQLite database": lambda: path.write_bytes(b"no" * 5000),
    }
    with closing(SqliteStore(path)) as store:
        for message, harm in table.items():
            assert store.get_many(["k0"]) == [VALUE]
            store.close()
            harm()
            for _ in range(2):
                with pytest.raises(StoreError) as caught:
                    store.put("k1", b"", group="g")
                assert message in str(caught.value)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            shutil.copy2(aside, path)


def test_threads_take_turns(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "state.db")) as store:

        def count(_: object = None) -> None:
            for _ in range(50):
                while not store.compare_and_swap(
                    "n", (before := store.get_many(["n"])[0]), b"%d" % (int(before or 0) + 1), group="g"
                ):
                    pass

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.get_many(["n"]) == [b"200"]
