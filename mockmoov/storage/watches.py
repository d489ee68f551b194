"""Watches: they wait until a journal has enough exchanges that match a query.

An owner is a client id; None is the whole journal. All watches of one owner and one query share a `Tally`:
the matching exchanges in the journal, by their `Exchange.number`.
A new exchange is matched once per tally, however many watches share it, and a watch holds only its count. No
clock is involved: the journal reports each change to `Watches`, which returns the watches to notify.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from mockmoov.oauth.records import Exchange
from mockmoov.simulation.journal import Query, matching

MAX_WATCHES = 2_000  # (choice)


class TooManyWatchesError(Exception):
    """A journal has as many watches as it accepts."""

    def __init__(self) -> None:
        super().__init__(f"{MAX_WATCHES} requests are waiting for exchanges, which is the limit")


class Tally:
    """The matching exchanges by number, in order, and the watches by the count that they wait for."""

    __slots__ = ("numbers", "owner", "query", "watches")

    def __init__(self, owner: str | None, query: Query, numbers: Iterable[int]) -> None:
        self.owner = owner
        self.query = query
        self.numbers = deque(numbers)
        self.watches: dict[int, set[Watch]] = {}


class WatchedJournal(Protocol):
    """What a watch needs from its journal."""

    def read_tally(self, tally: Tally) -> list[Exchange]:
        """The exchanges of a tally."""
        ...

    def dropped(self, owner: str | None) -> int:
        """How many exchanges of an owner, or (None) of all, were dropped to make room."""
        ...

    def close_watch(self, watch: "Watch") -> None:
        """Stop counting for a watch."""
        ...


class Watch:
    """Waits until a journal has `count` exchanges that match a query. Close it when the wait is over.

    `notify` is called when the last missing exchange arrives, and when the exchanges of the watched owner are
    removed. It runs in the thread that appends or removes, so it must be quick, and it must not raise.
    From then on `is_notified` is true, until the waiter resets it.
    """

    __slots__ = ("_journal", "count", "is_notified", "notify", "tally")

    def __init__(self, journal: WatchedJournal, tally: Tally, count: int, notify: Callable[[], None]) -> None:
        self._journal = journal
        self.tally = tally
        self.count = count
        self.notify = notify
        self.is_notified = False

    @property
    def missing(self) -> int:
        """How many matching exchanges are still missing: 0 if there are enough."""
        return max(0, self.count - len(self.tally.numbers))

    @property
    def dropped(self) -> int:
        """How many exchanges of the watched owner were dropped to make room."""
        return self._journal.dropped(self.tally.owner)

    def found(self) -> list[Exchange]:
        """The matching exchanges that the journal holds now, in order."""
        return self._journal.read_tally(self.tally)

    def close(self) -> None:
        """End the watch; it must not be used afterwards. Closing it again does nothing."""
        self._journal.close_watch(self)

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Watches:
    """The watches of one journal. Call its methods only while holding the journal's lock."""

    def __init__(self) -> None:
        self._tallies: dict[str | None, dict[Query, Tally]] = {}
        self._open = 0

    def find_tally(self, owner: str | None, query: Query) -> Tally | None:
        """The tally of an owner and a query; None if no watch uses one."""
        return self._tallies.get(owner, {}).get(query)

    def check_limit(self) -> None:
        """Raise `TooManyWatchersError` if there is no room for another watch."""
        if self._open >= MAX_WATCHES:
            raise TooManyWatchesError

    def add(self, watch: Watch) -> None:
        """Add a watch, and its tally if that is new. Raises `TooManyWatchersError`."""
        self.check_limit()
        self._open += 1
        tally = watch.tally
        tally.watches.setdefault(watch.count, set()).add(watch)
        self._tallies.setdefault(tally.owner, {})[tally.query] = tally

    def remove(self, watch: Watch) -> None:
        """Remove a watch if it is open, and its tally if no other watch uses it."""
        tally = watch.tally
        same_count = tally.watches.get(watch.count, set())
        if watch not in same_count:
            return
        self._open -= 1
        same_count.remove(watch)
        if not same_count:
            del tally.watches[watch.count]
        if not tally.watches:
            tallies = self._tallies[tally.owner]
            del tallies[tally.query]
            if not tallies:
                del self._tallies[tally.owner]

    def count_exchange(self, number: int, exchange: Exchange) -> list[Watch]:
        """Count a new exchange. Return the watches that have enough exchanges with this one."""
        complete: list[Watch] = []
        for tally in self._tallies_of(exchange.client_id):
            if matching((exchange,), tally.query):
                tally.numbers.append(number)
                complete += tally.watches.get(len(tally.numbers), ())
        return complete

    def drop(self, number: int, owner: str | None) -> None:
        """Stop counting an exchange that was dropped, which is the oldest one."""
        for tally in self._tallies_of(owner):
            if tally.numbers and tally.numbers[0] == number:
                tally.numbers.popleft()

    def clear(self, owner: str, numbers: Iterable[int]) -> list[Watch]:
        """Stop counting the exchanges of an owner, which were removed. Return the watches of that owner.

        They are notified because the API key may be gone, too; watches of the whole journal just go on.
        """
        removed = frozenset(numbers)
        for tally in self._tallies.get(None, {}).values():
            tally.numbers = deque(number for number in tally.numbers if number not in removed)
        return _clear(self._tallies.get(owner, {}).values())

    def clear_all(self) -> list[Watch]:
        """Stop counting all exchanges, which were removed. Return every watch."""
        return _clear(tally for tallies in self._tallies.values() for tally in tallies.values())

    def _tallies_of(self, owner: str | None) -> list[Tally]:
        """The tallies that count an exchange of this owner: its own, and those of the whole journal."""
        if not self._tallies:
            return []
        return [tally for key in {None, owner} for tally in self._tallies.get(key, {}).values()]


def _clear(tallies: Iterable[Tally]) -> list[Watch]:
    """Set tallies back to zero. Return their watches."""
    watches: list[Watch] = []
    for tally in tallies:
        tally.numbers.clear()
        for same_count in tally.watches.values():
            watches += same_count
    return watches
