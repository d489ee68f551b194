"""Keeps everything that changes in a SQLite file: it survives a restart, and processes can share it.

What is counted, such as the token records, is kept up to date by triggers, in the statement that changes it.
So each call is one statement, or one transaction.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from mockmoov.storage.eviction import TokenRecord, TokenTimes, Usage
from mockmoov.storage.sqlite_file import SqliteFile, transaction
from mockmoov.storage.sqlite_journal import JOURNAL_SCHEMA, SqliteJournal
from mockmoov.storage.store import Given, Swap

# Keys are bytes: requests name API keys, and what they send may be no text that SQLite can hold. A token
# record has a size and three times, another entry has a position among those of its group. Token records are
# written most often, so they are in no index: to forget a group, or to evict, all of them are looked through.
# That takes 0.1 ms with 1,000 of them, 35 ms with 200,000.
_SCHEMA = """
CREATE TABLE entries (
    key BLOB PRIMARY KEY,
    "group" TEXT NOT NULL,
    position INTEGER,
    value BLOB NOT NULL,
    size INTEGER,
    issued_at REAL,
    expires_at REAL,
    real_expiry REAL
) WITHOUT ROWID;;
CREATE INDEX entries_of_groups ON entries ("group", position) WHERE size IS NULL;;

CREATE TABLE versions ("group" TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;;
CREATE TRIGGER version_of_new AFTER INSERT ON entries WHEN NEW.size IS NULL BEGIN
    INSERT INTO versions VALUES (NEW."group", 1) ON CONFLICT ("group") DO UPDATE SET version = version + 1;
END;;
CREATE TRIGGER version_of_changed AFTER UPDATE ON entries WHEN NEW.size IS NULL BEGIN
    UPDATE versions SET version = version + 1 WHERE "group" = NEW."group";
END;;
CREATE TRIGGER version_of_removed AFTER DELETE ON entries WHEN OLD.size IS NULL BEGIN
    UPDATE versions SET version = version + 1 WHERE "group" = OLD."group";
END;;

CREATE TABLE usage (records INTEGER NOT NULL, size INTEGER NOT NULL);;
INSERT INTO usage VALUES (0, 0);;
CREATE TRIGGER usage_of_new AFTER INSERT ON entries WHEN NEW.size IS NOT NULL BEGIN
    UPDATE usage SET records = records + 1, size = size + NEW.size;
END;;
CREATE TRIGGER usage_of_changed AFTER UPDATE ON entries WHEN NEW.size IS NOT OLD.size BEGIN
    UPDATE usage SET size = size + NEW.size - OLD.size;
END;;
CREATE TRIGGER usage_of_removed AFTER DELETE ON entries WHEN OLD.size IS NOT NULL BEGIN
    UPDATE usage SET records = records - 1, size = size - OLD.size;
END
"""
_MOST_KNOWN = 4096  # entries, each of up to so many characters and bytes
_LARGEST_KNOWN = 4096
_MOST_VALUES = 900  # in one statement: older versions of SQLite take no more than 999
_OF_GROUP = """FROM entries WHERE "group" = ? AND size IS NULL"""
_INSERT = f"""
INSERT INTO entries (value, size, issued_at, expires_at, real_expiry, key, "group", position)
SELECT ?, ?, ?, ?, ?, ?, ?, CASE WHEN ? THEN (SELECT coalesce(max(position), 0) + 1 {_OF_GROUP}) END
"""
_UPDATE = """
UPDATE entries SET value = ?, size = ?, issued_at = ?, expires_at = ?, real_expiry = ?
WHERE key = ? AND value = ?
"""
_IS_GIVEN = "(SELECT value FROM entries WHERE key = ?) IS ?"
# By whether the entry is expected to be absent, and whether another one must have a given value.
_SWAPS = {
    (True, False): f"{_INSERT} WHERE TRUE ON CONFLICT DO NOTHING",
    (True, True): f"{_INSERT} WHERE {_IS_GIVEN} ON CONFLICT DO NOTHING",
    (False, False): _UPDATE,
    (False, True): f"{_UPDATE} AND {_IS_GIVEN}",
}
_PUT = f"""{_INSERT} WHERE TRUE ON CONFLICT (key) DO UPDATE SET
value = excluded.value, size = excluded.size,
issued_at = excluded.issued_at, expires_at = excluded.expires_at, real_expiry = excluded.real_expiry
"""
_DELETE = "DELETE FROM entries WHERE key = ?"
_LIST_RECORDS = """
SELECT key, "group", size, issued_at, expires_at, real_expiry FROM entries
WHERE size IS NOT NULL
"""
_COUNT_NAMED = "SELECT count(*) FROM (SELECT 1 FROM entries WHERE key >= ? AND key < ? LIMIT ?)"
_EVICT = """
DELETE FROM entries
WHERE key = ? AND "group" = ? AND size = ? AND issued_at = ? AND expires_at = ? AND real_expiry = ?
"""


_Result = TypeVar("_Result")


class SqliteStore:
    """The store in a file, which the first call makes if there is none.

    It knows the entries that it has read, until something else writes to the file.
    """

    def __init__(self, path: Path, *, journal_size: int = 10_000, journal_bytes: int = 2**24) -> None:
        self._file = SqliteFile(path, f"{_SCHEMA};;{JOURNAL_SCHEMA}")
        self.on_emptied: Callable[[], object] | None = None  # never called
        self.journal = SqliteJournal(self._file, max_exchanges=journal_size, max_bytes=journal_bytes)
        self._known: dict[str, bytes | None] = {}  # used by whoever has the connection
        self._known_to: sqlite3.Connection | None = None
        self._known_version: object = None

    def get_many(self, keys: Iterable[str]) -> list[bytes | None]:
        """The values of these keys, in their order; None for one that is absent."""
        return self._file.use(self._get_many, list(keys))

    def _get_many(self, connection: sqlite3.Connection, keys: Sequence[str]) -> list[bytes | None]:
        known = self._known
        unknown = [key for key in keys if key not in known]
        if not unknown and not self._forget_stale(connection):
            return [known[key] for key in keys]
        if len(unknown) == len(keys) <= _MOST_VALUES:
            found = _select(connection, keys)
        else:  # the known entries and the others must be of one moment
            with transaction(connection, "DEFERRED"):
                self._forget_stale(connection)
                found = _select(connection, [key for key in keys if key not in known])
        values = [found[key] if key in found else known[key] for key in keys]
        if len(known) + len(found) > _MOST_KNOWN:
            known.clear()
        known.update((key, value) for key, value in found.items() if _is_small(key, value))
        return values

    def _forget_stale(self, connection: sqlite3.Connection) -> bool:
        """Forget the known entries if somebody else has written to the file since they were read."""
        version = connection.execute("PRAGMA data_version").fetchone()  # changes when others write
        if version == self._known_version and connection is self._known_to:
            return False
        self._known_version, self._known_to = version, connection
        self._known.clear()
        return True

    def put(self, key: str, value: bytes, *, group: str, times: TokenTimes | None = None) -> None:
        """Write a value, whatever was there before."""
        self._file.write(self._write, key, _PUT, _row(key, value, group, times))

    def compare_and_swap(
        self,
        key: str,
        expected: bytes | None,
        value: bytes,
        *,
        group: str,
        times: TokenTimes | None = None,
        given: Given | None = None,
    ) -> bool:
        """Write a value and return True if the entry has the value `expected` (None: is absent).

        With `given`, another entry must have the value that is given there, too.
        """
        sql = _SWAPS[expected is None, given is not None]
        row = _row(key, value, group, times)
        row = row if expected is None else (*row[:6], expected)
        condition = (_encode(given[0]), given[1]) if given else ()
        return self._file.write(self._write, key, sql, (*row, *condition)) == 1

    def _write(self, connection: sqlite3.Connection, key: str, sql: str, values: Sequence[object]) -> int:
        self._known.pop(key, None)
        return connection.execute(sql, values).rowcount

    def scan(self, group: str) -> list[bytes]:
        """The values of a group without its token records, in the order of the first write of their keys."""
        rows = self._file.read(f"SELECT value {_OF_GROUP} ORDER BY position", (group,))
        return [value for (value,) in rows]

    def count(self, group: str) -> int:
        """How many entries a group has, without its token records."""
        return int(self._number(f"SELECT count(*) {_OF_GROUP}", group))

    def count_named(self, prefix: str, limit: int) -> int:
        """How many entries have a key that begins with an ASCII prefix; `limit` if there are more."""
        start = prefix.encode()
        after = start[:-1] + bytes([start[-1] + 1])
        return int(self._number(_COUNT_NAMED, start, after, limit))

    def version(self, group: str) -> int:
        """A number that changes whenever an entry of the group, other than a token record, changes."""
        return int(self._number('SELECT max(version) FROM versions WHERE "group" = ?', group) or 0)

    def usage(self) -> Usage:
        """How much the token records use."""
        return Usage(*self._file.read("SELECT records, size FROM usage")[0])

    def token_records(self) -> list[TokenRecord]:
        """All token records."""
        return [
            TokenRecord(key.decode("utf-8", "surrogatepass"), group, size, TokenTimes(*times))
            for key, group, size, *times in self._file.read(_LIST_RECORDS)
        ]

    def evict(self, records: Iterable[TokenRecord]) -> None:
        """Remove token records, except those that differ by now."""
        rows = [(_encode(each.key), each.group, each.size, *_times(each.times)) for each in records]
        self._remove(lambda connection: connection.executemany(_EVICT, rows))

    def forget(self, group: str, swap: Swap | None = None) -> bool:
        """Remove all entries of a group. With `swap`, do both, or nothing: then it is False."""

        def remove(connection: sqlite3.Connection) -> bool:
            if swap and not _swap(connection, swap):
                return False
            connection.execute('DELETE FROM entries WHERE "group" = ?', (group,))
            return True

        return self._remove(remove)

    def clear(self, entries: Iterable[tuple[str, str, bytes]]) -> None:
        """Replace all entries by these, each a group, a key and a value."""
        rows = [_row(key, value, group) for group, key, value in entries]

        def replace(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM entries")
            connection.executemany(_PUT, rows)

        self._remove(replace)

    def _remove(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        def remove(connection: sqlite3.Connection) -> _Result:
            self._known.clear()
            return work(connection)

        return self._file.transact(remove)

    def close(self) -> None:
        """Close the file. A later call opens it again."""
        self._file.close()

    def _number(self, sql: str, *values: object) -> Any:
        return self._file.read(sql, values)[0][0]


def _select(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, bytes | None]:
    """The values of these keys; None for one that is absent."""
    found: dict[str, bytes | None] = {}
    for start in range(0, len(keys), _MOST_VALUES):
        part = keys[start : start + _MOST_VALUES]
        row = connection.execute(_select_statement(len(part)), [_encode(key) for key in part]).fetchone()
        found.update(zip(part, row, strict=True))
    return found


@lru_cache(maxsize=64)
def _select_statement(count: int) -> str:
    return f"SELECT {', '.join(['(SELECT value FROM entries WHERE key = ?)'] * count)}"  # noqa: S608


def _swap(connection: sqlite3.Connection, swap: Swap) -> bool:
    """Change an entry in a transaction; False if it has another value."""
    key, value = _encode(swap.key), swap.value
    (found,) = connection.execute(_select_statement(1), (key,)).fetchone()
    if found != swap.expected:
        return False
    if value is None:
        connection.execute(_DELETE, (key,))
    else:
        connection.execute(_PUT, _row(swap.key, value, swap.group))
    return True


def _is_small(key: str, value: bytes | None) -> bool:
    return len(key) + len(value or b"") <= _LARGEST_KNOWN


def _encode(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _row(key: str, value: bytes, group: str, times: TokenTimes | None = None) -> Sequence[object]:
    """The values of `_INSERT`."""
    name = _encode(key)
    if times is None:
        return (value, None, None, None, None, name, group, True, group)
    return (value, len(key) + len(value), *_times(times), name, group, False, group)


def _times(times: TokenTimes) -> tuple[float, float, float]:
    return times.issued_at, times.expires_at, times.real_expiry
