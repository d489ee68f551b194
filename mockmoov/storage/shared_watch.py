"""A watch on a journal that other processes write, too: it looks whether there is more."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from mockmoov.oauth.records import Exchange
from mockmoov.simulation.journal import Query, matching
from mockmoov.storage.store import Journal, Numbering, Watch


class JournalState(NamedTuple):
    """An id that changes when exchanges are cleared, the first and the last number; 0 if there is none."""

    id: str
    first: int
    last: int

    @property
    def numbering(self) -> Numbering:
        """Which numbers the exchanges have."""
        return Numbering(self.id, self.first)


class SharedJournal(Protocol):
    """What a watch needs of a journal."""

    @property
    def turn(self) -> float:
        """After how many seconds a watch looks again."""
        ...

    def state(self) -> JournalState:
        """What a watch compares."""
        ...

    def matching(self, owner: str | None, query: Query, after: int) -> list[int]:
        """The numbers, after one, of the exchanges of an owner that match a query."""
        ...

    def read(self, owner: str | None = None, *, after: int = 0) -> Journal:
        """The exchanges of an owner, or (None) all, after a number."""
        ...

    def dropped(self, owner: str | None) -> int:
        """How many exchanges of an owner, or (None) of all, were dropped to make room."""
        ...

    def closed(self, watch: Watch) -> None:
        """A watch was closed."""
        ...


class SharedWatch(Watch):
    """A watch that compares the journal with what it has seen.

    It counts as notified when exchanges were cleared.
    """

    def __init__(
        self, journal: SharedJournal, owner: str | None, query: Query, count: int, notify: Callable[[], None]
    ) -> None:
        super().__init__(owner, query, count, notify)
        self.journal = journal
        self._numbers: list[int] = []
        self._seen: JournalState | None = None
        self._is_open = True

    @property
    def turn(self) -> float:
        """After how many seconds to look again."""
        return self.journal.turn

    @property
    def missing(self) -> int:
        """How many matching exchanges are still missing: 0 if there are enough."""
        self._look()
        return max(0, self.count - len(self._numbers))

    @property
    def dropped(self) -> int:
        """How many exchanges of the watched owner were dropped to make room."""
        return self.journal.dropped(self.owner)

    def found(self) -> list[Exchange]:
        """The matching exchanges that the journal holds now, in order."""
        return matching(self.journal.read(self.owner, after=self.query.after).exchanges, self.query)

    def close(self) -> None:
        """End the watch; it must not be used afterwards. Closing it again does nothing."""
        if self._is_open:
            self._is_open = False
            self.journal.closed(self)

    def _look(self) -> None:
        """Add the exchanges that are new, without those that were dropped. After a clearing, count again."""
        now, seen = self.journal.state(), self._seen
        if now == seen:
            return
        if seen is None or now.id != seen.id:
            self.is_notified = seen is not None
            self._numbers, seen = [], JournalState(now.id, 0, 0)
        new = self.journal.matching(self.owner, self.query, after=max(seen.last, self.query.after))
        kept = (number for number in (*self._numbers, *new) if now.first <= number <= now.last)
        self._numbers, self._seen = list(kept), now
