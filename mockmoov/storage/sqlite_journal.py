"""The journal of exchanges in a SQLite file, and watches, which look at it in turns.

Several processes may write the journal, so nobody notifies a watch: it looks whether there is more. When the
journal is full, the oldest exchanges go in batches: now and then at an addition, or before a read or a
clearing.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from threading import Lock

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.records import Exchange
from mockmoov.simulation.journal import Query
from mockmoov.storage.exchanges import decode, numbers_of_matching
from mockmoov.storage.shared_watch import JournalState, SharedWatch
from mockmoov.storage.sqlite_file import SqliteFile
from mockmoov.storage.store import MAX_WATCHES, Journal, Numbering, StoreError, TooManyWatchesError, Watch

_TURN_SECONDS = 0.025
_BATCH = 64  # how many exchanges a process appends before it looks whether there are too many
_AFTER_ALL = 2**62  # no exchange has such a number
_QUICK_WATCHES = 50  # so many look again after one turn
_FREE_PART = 16  # then one part in 16 of the bound is made free
# `total` adds up the sizes of the exchanges so far. An exchange without an API key has an empty client id in
# `dropped`. In `journal` are the last number before some were cleared, and how often that was.
JOURNAL_SCHEMA = """
CREATE TABLE exchanges (
    number INTEGER PRIMARY KEY, client_id TEXT, total INTEGER NOT NULL, value BLOB NOT NULL
);;
CREATE TABLE dropped (client_id TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;;
CREATE TABLE journal (last INTEGER NOT NULL, clearings INTEGER NOT NULL);;
INSERT INTO journal VALUES (0, 0)
"""
_APPEND = """
INSERT INTO exchanges (number, client_id, total, value) VALUES (
    (SELECT max(last, coalesce((SELECT max(number) FROM exchanges), 0)) + 1 FROM journal),
    ?,
    coalesce((SELECT total FROM exchanges ORDER BY number DESC LIMIT 1), 0) + ?,
    ?
)
"""
# How many exchanges there are at most, and their size: fewer if some in between were removed.
_AT_MOST = """
SELECT newest.number - oldest.number + 1, newest.total - oldest.total + length(oldest.value)
FROM (SELECT * FROM exchanges ORDER BY number LIMIT 1) AS oldest,
    (SELECT number, total FROM exchanges ORDER BY number DESC LIMIT 1) AS newest
"""
_EXACTLY = "SELECT count(*), coalesce(sum(length(value)), 0) FROM exchanges"
_NOTE_CLEARING = """
UPDATE journal SET
    clearings = clearings + 1, last = max(last, (SELECT coalesce(max(number), 0) FROM exchanges))
"""
_NOTE_LAST = "UPDATE journal SET last = max(last, (SELECT coalesce(max(number), 0) FROM exchanges))"
_DROP = """
INSERT INTO dropped SELECT coalesce(client_id, ''), count(*) FROM exchanges WHERE number <= ? GROUP BY 1
ON CONFLICT (client_id) DO UPDATE SET count = count + excluded.count
"""
# How often exchanges were cleared, and the first and the last number.
_STATE = """
SELECT clearings, (SELECT min(number) FROM exchanges), (SELECT max(number) FROM exchanges) FROM journal
"""
# How many were dropped, the number, and the exchange; one row without a number if there is none. `{own}`
# chooses those of an owner.
_READ = """
SELECT (SELECT coalesce(sum(count), 0) FROM dropped WHERE {own}), number, value
FROM journal LEFT JOIN exchanges ON number > :after AND {own} ORDER BY number
"""
_CLEAR = ("DELETE FROM exchanges WHERE {own}", "DELETE FROM dropped WHERE {own}")


def _of(owner: str | None, sql: str) -> str:
    """A statement for the exchanges of an owner, or (None) for all."""
    return sql.replace("{own}", "TRUE" if owner is None else "client_id = :owner")


class SqliteJournal:
    """Encoded exchanges, numbered from 1; the oldest are dropped when there are too many.

    With `max_exchanges` 0 it adds none, and drops those from before.
    """

    def __init__(self, file: SqliteFile, *, max_exchanges: int, max_bytes: int) -> None:
        self._file = file
        self._max_exchanges = max_exchanges
        self._max_bytes = max_bytes
        self._appended = 0  # by this process
        self._open = 0  # watches
        self._lock = Lock()

    def append(self, exchange: Exchange) -> None:
        """Add an exchange and number it. Drop the oldest ones, in batches, if there is no room."""
        if not self._max_exchanges:
            return
        value = to_json(exchange)
        self._file.write(sqlite3.Connection.execute, _APPEND, (exchange.client_id, len(value), value))
        self._appended += 1
        if self._appended % _BATCH == 0:
            with suppress(StoreError):  # the exchange is there
                self._make_room()

    def count(self) -> int:
        """How many exchanges there are."""
        self._make_room()
        return int(self._file.read("SELECT count(*) FROM exchanges")[0][0])

    def numbering(self) -> Numbering:
        """Which numbers the exchanges have."""
        self._make_room()
        return self.state().numbering

    def read(self, owner: str | None = None, *, after: int = 0) -> Journal:
        """The exchanges of an owner, or (None) all, after a number."""
        self._make_room()
        rows = self._rows(owner, after)
        encoded = [(number, value) for _, number, value in rows if number is not None]
        return Journal(decode(encoded), rows[0][0])

    def dropped(self, owner: str | None) -> int:
        """How many exchanges of an owner, or (None) of all, were dropped to make room."""
        self._make_room()
        return self._rows(owner, after=_AFTER_ALL)[0][0]

    def clear(self, owner: str | None = None) -> None:
        """Remove the exchanges of an owner, or (None) all. Numbers start at 1 again if all are removed."""

        def remove(connection: sqlite3.Connection) -> None:
            connection.execute(_NOTE_CLEARING)
            for sql in _CLEAR:
                connection.execute(_of(owner, sql), {"owner": owner})
            if owner is None:
                connection.execute("UPDATE journal SET last = 0")

        self._make_room()  # else exchanges that are too many would stay, in the room that this makes
        self._file.transact(remove)

    def watch(self, owner: str | None, query: Query, count: int, notify: Callable[[], None]) -> SharedWatch:
        """Wait for exchanges of an owner, or (None) any; raises `TooManyWatchesError`."""
        with self._lock:
            if self._open >= MAX_WATCHES:
                raise TooManyWatchesError
            self._open += 1
        return SharedWatch(self, owner, query, count, notify)

    def closed(self, _watch: Watch) -> None:
        """A watch was closed."""
        with self._lock:
            self._open -= 1

    def state(self) -> JournalState:
        """What a watch compares."""
        clearings, first, last = self._file.read(_STATE)[0]
        return JournalState(f"{clearings:016x}", first or 0, last or 0)

    @property
    def turn(self) -> float:
        """After how many seconds a watch looks again: the more there are, the longer."""
        return _TURN_SECONDS * (1 + self._open // _QUICK_WATCHES)

    def matching(self, owner: str | None, query: Query, after: int) -> list[int]:
        """The numbers, after one, of the exchanges of an owner that match a query."""
        rows = self._rows(owner, after)
        return numbers_of_matching([(n, value) for _, n, value in rows if n is not None], query)

    def _rows(self, owner: str | None, after: int) -> list[tuple[int, int | None, bytes]]:
        return self._file.read(_of(owner, _READ), {"owner": owner, "after": after})

    def _make_room(self) -> None:
        """If there are too many exchanges, drop the oldest ones, and so many more that a part is free."""
        most = self._file.read(_AT_MOST)
        if most and self._is_full(*most[0]) and self._is_full(*self._file.read(_EXACTLY)[0]):
            self._file.transact(self._drop)

    def _is_full(self, records: int, size: int) -> bool:
        return records > self._max_exchanges or size > self._max_bytes

    def _drop(self, connection: sqlite3.Connection) -> None:
        records, size = connection.execute(_EXACTLY).fetchone()
        if not self._is_full(records, size):  # another process was quicker
            return
        records += self._max_exchanges // _FREE_PART
        size += self._max_bytes // _FREE_PART
        last = 0
        for number, its_size in connection.execute("SELECT number, length(value) FROM exchanges").fetchall():
            if not self._is_full(records, size):
                break
            last, records, size = number, records - 1, size - its_size
        connection.execute(_NOTE_LAST)
        for sql in (_DROP, "DELETE FROM exchanges WHERE number <= ?"):
            connection.execute(sql, (last,))
