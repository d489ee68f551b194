"""The journal of exchanges in a SQLite file, and watches, which look at it in turns.

Several processes may write the journal, so nobody notifies a watch: it looks whether there is more. When the
journal is full, the oldest exchanges go in batches: a reader removes those that are too many before it reads.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import ClassVar

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.records import Exchange
from mockmoov.simulation.journal import Query, matching
from mockmoov.storage.exchanges import decode, numbers_of_matching
from mockmoov.storage.sqlite_file import SqliteFile
from mockmoov.storage.store import MAX_WATCHES, Journal, TooManyWatchesError, Watch

_TURN_SECONDS = 0.025
_BATCH = 64  # how many exchanges a process appends before it looks whether there are too many
# An exchange without an API key has an empty client id in `dropped`. `removals` counts how often some went.
JOURNAL_SCHEMA = """
CREATE TABLE exchanges (number INTEGER PRIMARY KEY AUTOINCREMENT, client_id TEXT, value BLOB NOT NULL);;
CREATE INDEX exchanges_of_clients ON exchanges (client_id);;
CREATE TABLE dropped (client_id TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;;
CREATE TABLE journal (records INTEGER NOT NULL, size INTEGER NOT NULL, removals INTEGER NOT NULL);;
INSERT INTO journal VALUES (0, 0, 0);;
CREATE TRIGGER journal_of_new AFTER INSERT ON exchanges BEGIN
    UPDATE journal SET records = records + 1, size = size + length(NEW.value);
END;;
CREATE TRIGGER journal_of_removed AFTER DELETE ON exchanges BEGIN
    UPDATE journal SET records = records - 1, size = size - length(OLD.value);
END
"""
_APPEND = "INSERT INTO exchanges (client_id, value) VALUES (?, ?)"
_REMOVED = "UPDATE journal SET removals = removals + 1"
_DROP = """
INSERT INTO dropped SELECT coalesce(client_id, ''), count(*) FROM exchanges WHERE number <= ? GROUP BY 1
ON CONFLICT DO UPDATE SET count = count + excluded.count
"""
# How often exchanges were removed, and the last number; `{own}` chooses an owner's.
_STATE = "SELECT removals, (SELECT max(number) FROM exchanges WHERE {own}) FROM journal"
# How many were dropped, the number, and the exchange; one row without a number if there is none.
_READ = """
SELECT (SELECT coalesce(sum(count), 0) FROM dropped WHERE {own}), number, value
FROM journal LEFT JOIN exchanges ON number > :after AND {own} ORDER BY number
"""
_CLEAR = ("DELETE FROM exchanges WHERE {own}", "DELETE FROM dropped WHERE {own}")
_RESTART = "DELETE FROM sqlite_sequence WHERE name = 'exchanges'"


def _of(owner: str | None, sql: str) -> str:
    """A statement for the exchanges of an owner, or (None) for all."""
    return sql.replace("{own}", "TRUE" if owner is None else "client_id = :owner")


class SqliteJournal:
    """Encoded exchanges, numbered from 1; the oldest are dropped when there are too many.

    With `max_exchanges` 0 it keeps and counts none.
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
        self._file.write(_APPEND, (exchange.client_id, to_json(exchange)))
        self._appended += 1
        if self._appended % _BATCH == 0:
            self._make_room()

    def count(self) -> int:
        """How many exchanges there are."""
        self._make_room()
        return int(self._file.read("SELECT records FROM journal")[0][0])

    def read(self, owner: str | None = None) -> Journal:
        """The exchanges of an owner, or (None) all."""
        self._make_room()
        rows = self._rows(owner, after=0)
        encoded = [(number, value) for _, number, value in rows if number is not None]
        return Journal(decode(encoded), rows[0][0])

    def clear(self, owner: str | None = None) -> None:
        """Remove the exchanges of an owner, or (None) all. Numbers start at 1 again if all are removed."""

        def remove(connection: sqlite3.Connection) -> None:
            for sql in _CLEAR:
                connection.execute(_of(owner, sql), {"owner": owner})
            if owner is None:
                connection.execute(_RESTART)
            connection.execute(_REMOVED)

        self._file.transact(remove)

    def watch(self, owner: str | None, query: Query, count: int, notify: Callable[[], None]) -> "SqliteWatch":
        """Wait for exchanges of an owner, or (None) any; raises `TooManyWatchesError`."""
        with self._lock:
            if self._open >= MAX_WATCHES:
                raise TooManyWatchesError
            self._open += 1
        return SqliteWatch(owner, query, count, notify, self)

    def closed(self) -> None:
        """A watch was closed."""
        with self._lock:
            self._open -= 1

    def state(self, owner: str | None) -> tuple[int, int]:
        """How often exchanges were removed, and the last number of an owner, or (None) of all."""
        self._make_room()
        removals, last = self._file.read(_of(owner, _STATE), {"owner": owner})[0]
        return removals, last or 0

    def matching(self, owner: str | None, query: Query, after: int) -> list[int]:
        """The numbers, after one, of the exchanges of an owner that match a query."""
        rows = self._rows(owner, after)
        return numbers_of_matching([(n, value) for _, n, value in rows if n is not None], query)

    def _rows(self, owner: str | None, after: int) -> list[tuple[int, int | None, bytes]]:
        return self._file.read(_of(owner, _READ), {"owner": owner, "after": after})

    def _make_room(self) -> None:
        """Drop the oldest exchanges, if there are too many."""
        if self._is_full(*self._file.read("SELECT records, size FROM journal")[0]):
            self._file.transact(self._drop)

    def _is_full(self, records: int, size: int) -> bool:
        return records > self._max_exchanges > 0 or size > self._max_bytes

    def _drop(self, connection: sqlite3.Connection) -> None:
        records, size = connection.execute("SELECT records, size FROM journal").fetchone()
        last = 0
        for number, its_size in connection.execute("SELECT number, length(value) FROM exchanges"):
            if not self._is_full(records, size):
                break
            last, records, size = number, records - 1, size - its_size
        connection.execute(_DROP, (last,))
        connection.execute("DELETE FROM exchanges WHERE number <= ?", (last,))
        connection.execute(_REMOVED)


@dataclass(slots=True, eq=False)
class SqliteWatch(Watch):
    """A watch that compares the journal with what it has seen. Another process may write it, so look again.

    It counts as notified when exchanges were removed.
    """

    journal: SqliteJournal
    turn: ClassVar[float] = _TURN_SECONDS
    _numbers: list[int] = field(default_factory=list)
    _seen: tuple[int, int] = (-1, 0)  # removals, and the last number
    _is_open: bool = True

    @property
    def missing(self) -> int:
        """How many matching exchanges are still missing: 0 if there are enough."""
        self._look()
        return max(0, self.count - len(self._numbers))

    @property
    def dropped(self) -> int:
        """How many exchanges of the watched owner were dropped to make room."""
        return self.journal.read(self.owner).dropped

    def found(self) -> list[Exchange]:
        """The matching exchanges that the journal holds now, in order."""
        return matching(self.journal.read(self.owner).exchanges, self.query)

    def close(self) -> None:
        """End the watch; it must not be used afterwards. Closing it again does nothing."""
        if self._is_open:
            self._is_open = False
            self.journal.closed()

    def _look(self) -> None:
        """Add the exchanges that are new. When some were removed, count again."""
        state = removals, last = self.journal.state(self.owner)
        if state == self._seen:
            return
        seen_removals, seen = self._seen
        if removals != seen_removals:
            self.is_notified = seen_removals >= 0
            self._numbers, seen = [], 0
        self._numbers += [
            number for number in self.journal.matching(self.owner, self.query, seen) if number <= last
        ]
        self._seen = state
