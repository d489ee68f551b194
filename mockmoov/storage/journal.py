"""The journal of exchanges in memory, and watches: they wait until it has enough that match a query.

The owner of an exchange is its `client_id`; None is the whole journal. All watches of one owner and one query
share a `Tally`, so that a new exchange is matched once per tally, however many watches share it. No clock is
involved: the journal notifies the watches.
"""

from collections import deque
from collections.abc import Callable, Iterable
from itertools import takewhile
from secrets import token_hex
from threading import Lock

from msgspec import Struct, field
from msgspec.structs import replace

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.records import Exchange
from mockmoov.simulation.journal import Query, matching
from mockmoov.storage.exchanges import Encoded, decode, numbers_of_matching
from mockmoov.storage.store import MAX_WATCHES, Journal, Numbering, TooManyWatchesError, Watch


class _Owner(Struct):
    """The encoded exchanges of one API key by number, and how many were dropped."""

    client_id: str | None
    exchanges: dict[int, bytes] = field(default_factory=dict)
    dropped: int = 0


_NOBODY = _Owner(None)  # nothing is ever added to it


class Tally(Struct, eq=False):
    """The matching exchanges by number, in order, and the watches by the count that they wait for."""

    owner: str | None
    query: Query
    numbers: deque[int]
    watches: dict[int, set["MemoryWatch"]] = field(default_factory=dict)


class MemoryWatch(Watch):
    """A watch that is notified in the thread that appends or removes."""

    def __init__(
        self, journal: "MemoryJournal", tally: Tally, count: int, notify: Callable[[], None]
    ) -> None:
        super().__init__(tally.owner, tally.query, count, notify)
        self.journal = journal
        self.tally = tally

    @property
    def missing(self) -> int:
        """How many matching exchanges are still missing: 0 if there are enough."""
        return max(0, self.count - len(self.tally.numbers))

    @property
    def dropped(self) -> int:
        """How many exchanges of the watched owner were dropped to make room."""
        return self.journal.dropped(self.owner)

    def found(self) -> list[Exchange]:
        """The matching exchanges that the journal holds now, in order."""
        return self.journal.read_tally(self.tally)

    def close(self) -> None:
        """End the watch; it must not be used afterwards. Closing it again does nothing."""
        self.journal.close_watch(self)


class MemoryJournal:
    """Encoded exchanges, numbered from 1; the oldest are dropped when there are too many.

    Each method is atomic, and safe to call from any thread. With `max_exchanges` 0 it keeps and counts none.
    """

    def __init__(self, *, max_exchanges: int = 10_000, max_bytes: int = 2**24) -> None:
        self._max_exchanges = max_exchanges
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._tallies: dict[str | None, dict[bytes, Tally]] = {}  # by owner and query, without empty ones
        self._open = 0  # watches
        self._clearings = 0  # how often numbering began again
        self._start()

    def _start(self) -> None:
        self._owners: dict[str | None, _Owner] = {}
        self._owner_of: dict[int, _Owner] = {}  # by number, in order
        self._id = token_hex(8)
        self._number = self._bytes = 0
        self._oldest = 1  # no number in the journal is lower

    def append(self, exchange: Exchange) -> None:
        """Add an exchange and number it. Drop the oldest ones if there is no room."""
        if not self._max_exchanges:
            return
        # A copy of the exact length: a buffer of msgspec may be half as large again.
        value = memoryview(to_json(exchange)).tobytes()
        client_id = exchange.client_id
        with self._lock:
            self._number = number = self._number + 1
            owner = self._owners.get(client_id) or self._owners.setdefault(client_id, _Owner(client_id))
            self._owner_of[number] = owner
            owner.exchanges[number] = value
            self._bytes += len(value)
            while len(self._owner_of) > self._max_exchanges or self._bytes > self._max_bytes:
                self._drop_oldest()
            complete = self._count(number, exchange) if self._tallies and number in self._owner_of else []
        _notify(complete)

    def _find_oldest(self) -> int:
        # The search goes on where the last one ended, as the start of a dict is slow to find.
        while self._oldest not in self._owner_of:
            self._oldest += 1
        return self._oldest

    def _drop_oldest(self) -> None:
        owner = self._owner_of.pop(self._find_oldest())
        self._bytes -= len(owner.exchanges.pop(self._oldest))
        owner.dropped += 1
        for tally in self._tallies_of(owner.client_id) if self._tallies else ():
            if tally.numbers and tally.numbers[0] == self._oldest:
                tally.numbers.popleft()

    def _count(self, number: int, exchange: Exchange) -> list[MemoryWatch]:
        """Count a new exchange. Return the watches that have enough exchanges with this one."""
        complete: list[MemoryWatch] = []
        numbered = replace(exchange, number=number)
        for tally in self._tallies_of(exchange.client_id):
            if matching((numbered,), tally.query):
                tally.numbers.append(number)
                complete += tally.watches.get(len(tally.numbers), ())
        return complete

    def _tallies_of(self, owner: str | None) -> list[Tally]:
        """The tallies that count an exchange of this owner: its own, and those of the whole journal."""
        return [tally for key in {None, owner} for tally in self._tallies.get(key, {}).values()]

    def count(self) -> int:
        """How many exchanges there are."""
        with self._lock:
            return len(self._owner_of)

    def numbering(self) -> Numbering:
        """Which numbers the exchanges have."""
        with self._lock:
            return Numbering(self._id, self._find_oldest() if self._owner_of else 0)

    def read(self, owner: str | None = None, *, after: int = 0) -> Journal:
        """The exchanges of an owner, or (None) all, after a number."""
        with self._lock:
            encoded, dropped = self._encoded(owner, after), self._dropped(owner)
        return Journal(decode(encoded), dropped)

    def clear(self, owner: str | None = None) -> None:
        """Remove the exchanges of an owner, or (None) all, and notify watches: the key may be gone, too.

        Numbers start at 1 again if all are removed.
        """
        with self._lock:
            if owner is None:
                self._clearings += 1
                self._start()
                cleared = [tally for tallies in self._tallies.values() for tally in tallies.values()]
            else:
                for number, value in self._owners.pop(owner, _NOBODY).exchanges.items():
                    del self._owner_of[number]
                    self._bytes -= len(value)
                for tally in self._tallies.get(None, {}).values():
                    tally.numbers = deque(filter(self._owner_of.__contains__, tally.numbers))
                self._id = token_hex(8)
                cleared = [*self._tallies.get(owner, {}).values()]
            for tally in cleared:
                tally.numbers.clear()
            changed = cleared if owner is None else [*cleared, *self._tallies.get(None, {}).values()]
            notified = [watch for tally in changed for same in tally.watches.values() for watch in same]
        _notify(notified)

    def watch(self, owner: str | None, query: Query, count: int, notify: Callable[[], None]) -> MemoryWatch:
        """Wait for exchanges of an owner, or (None) any; raises `TooManyWatchesError`."""
        key = to_json(query)
        with self._lock:
            if self._open >= MAX_WATCHES:
                raise TooManyWatchesError
            clearings, last = self._clearings, self._number
            known = key in self._tallies.get(owner, {})
            encoded = [] if known else self._encoded(owner, query.after)
        found = numbers_of_matching(encoded, query)  # takes a while, so without the lock
        with self._lock:
            if clearings != self._clearings:
                found, last = [], 0
            tallies = self._tallies.setdefault(owner, {})
            if key not in tallies:
                after = 0 if known else last  # a tally that was known may be gone
                numbers = [number for number in found if number in self._owner_of]
                numbers += numbers_of_matching(self._encoded(owner, after), query)
                tallies[key] = Tally(owner, query, deque(numbers))
            watch = MemoryWatch(self, tallies[key], count, notify)
            watch.tally.watches.setdefault(count, set()).add(watch)
            self._open += 1
        return watch

    def close_watch(self, watch: MemoryWatch) -> None:
        """Remove a watch if it is open, and its tally if no other watch uses it."""
        tally = watch.tally
        with self._lock:
            same_count = tally.watches.get(watch.count, set())
            if watch not in same_count:
                return
            self._open -= 1
            same_count.remove(watch)
            if not same_count:
                del tally.watches[watch.count]
            if not tally.watches:
                del self._tallies[tally.owner][to_json(tally.query)]
            if not self._tallies[tally.owner]:
                del self._tallies[tally.owner]

    def read_tally(self, tally: Tally) -> list[Exchange]:
        """The exchanges of a tally."""
        with self._lock:
            encoded = self._pick(tally.numbers)
        return decode(encoded)

    def dropped(self, owner: str | None) -> int:
        """How many exchanges of an owner, or (None) of all, were dropped to make room."""
        with self._lock:
            return self._dropped(owner)

    def _encoded(self, owner: str | None, after: int = 0) -> list[Encoded]:
        """The exchanges of an owner, or (None) all, after a number. Only those are read, from the end."""
        numbers = self._owner_of if owner is None else self._owners.get(owner, _NOBODY).exchanges
        return self._pick([*takewhile(after.__lt__, reversed(numbers))][::-1])

    def _pick(self, numbers: Iterable[int]) -> list[Encoded]:
        return [(number, self._owner_of[number].exchanges[number]) for number in numbers]

    def _dropped(self, owner: str | None) -> int:
        if owner is None:
            return sum(each.dropped for each in self._owners.values())
        return self._owners.get(owner, _NOBODY).dropped


def _notify(watches: Iterable[MemoryWatch]) -> None:
    for watch in watches:
        watch.is_notified = True
        watch.notify()
