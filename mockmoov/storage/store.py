"""What a store is: the protocol of its entries, that of its journal, and the error of one that fails.

A store keeps everything that changes, as bytes under keys. A swap is its only atom, alone or together with
forgetting a group: nobody holds a lock across calls. So servers, also in several processes, can share one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import NamedTuple, Protocol, Self, TypeAlias

from mockmoov.oauth.records import Exchange
from mockmoov.simulation.journal import Query
from mockmoov.storage.eviction import TokenRecord, TokenTimes, Usage

MAX_WATCHES = 2_000  # (choice)
Seen: TypeAlias = Mapping[str, bytes | None]
"""What a request has read already, all at one moment: the values by key; None for one that is absent."""
NOTHING: Seen = {}
Given: TypeAlias = tuple[str, bytes | None]
"""A key, and the value that it must have (None: is absent)."""


class StoreError(Exception):
    """A store cannot be read or written now: the disk is full, for example. The message says why.

    Nothing was changed by the call that raised it, unless a connection broke meanwhile: then nobody knows.
    The store works again as soon as the cause is gone.
    """


class UnreachableError(StoreError):
    """Another machine or process keeps the store, and there is no connection to it now."""


class SchemaVersionError(StoreError):
    """The store was written by another version of mockmoov, and is left as it is."""


class TooManyWatchesError(Exception):
    """A journal has as many watches as it accepts."""

    def __init__(self) -> None:
        super().__init__(f"{MAX_WATCHES} requests are waiting for exchanges, which is the limit")


class Swap(NamedTuple):
    """A change of one entry, if it has the value `expected` (None: is absent); value None removes it."""

    key: str
    expected: bytes | None
    value: bytes | None
    group: str


class Journal(NamedTuple):
    """Exchanges in order, and how many before them were dropped to make room."""

    exchanges: list[Exchange]
    dropped: int


class Numbering(NamedTuple):
    """An id that changes when exchanges are cleared, and the number of the oldest one; 0 if there is none."""

    id: str
    first: int


class Watch(ABC):
    """Waits until a journal has `count` exchanges that match a query. Close it when the wait is over.

    `notify` is called when the last missing exchange may have arrived, and when watched exchanges are
    cleared. It runs in the thread that appends or clears, or in another one, so it must be quick, and it must
    not raise. From then on `is_notified` is true, until the waiter resets it. A journal that other processes
    write may be unable to notify: look at `missing` again every `turn` seconds.
    """

    def __init__(self, owner: str | None, query: Query, count: int, notify: Callable[[], None]) -> None:
        self.owner = owner
        self.query = query
        self.count = count
        self.notify = notify
        self.is_notified = False

    @property
    def turn(self) -> float:
        """After how many seconds to look again."""
        return inf

    @property
    @abstractmethod
    def missing(self) -> int:
        """How many matching exchanges are still missing: 0 if there are enough."""

    @property
    @abstractmethod
    def dropped(self) -> int:
        """How many exchanges of the watched owner were dropped to make room."""

    @abstractmethod
    def found(self) -> list[Exchange]:
        """The matching exchanges that the journal holds now, in order."""

    @abstractmethod
    def close(self) -> None:
        """End the watch; it must not be used afterwards. Closing it again does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class JournalStore(Protocol):
    """Exchanges, numbered from 1; the oldest are dropped when there are too many.

    The owner of an exchange is its `client_id`; None is the whole journal. Each method is atomic, and safe
    to call from any thread. It may raise `StoreError`.
    """

    def append(self, exchange: Exchange) -> None:
        """Add an exchange and number it. Drop the oldest ones if there is no room."""
        ...

    def count(self) -> int:
        """How many exchanges there are."""
        ...

    def numbering(self) -> "Numbering":
        """Which numbers the exchanges have."""
        ...

    def read(self, owner: str | None = None, *, after: int = 0) -> Journal:
        """The exchanges of an owner, or (None) all, after a number."""
        ...

    def clear(self, owner: str | None = None) -> None:
        """Remove the exchanges of an owner, or (None) all, and notify watches: the key may be gone, too.

        Numbers start at 1 again if all are removed.
        """
        ...

    def watch(self, owner: str | None, query: Query, count: int, notify: Callable[[], None]) -> Watch:
        """Wait for exchanges of an owner, or (None) any; raises `TooManyWatchesError`."""
        ...


class Store(Protocol):
    """Entries in groups, which are listed and forgotten as a whole, and the journal.

    Each method is atomic, and safe to call from any thread. It may raise `StoreError`. An entry that is
    written with `times` is a token record: it counts towards `usage` and may be evicted. Each write of an
    entry names the same group, and has `times` or not, as the first one did.

    A store that lost its entries while the server ran calls `on_emptied`, which puts back what a start does.
    """

    on_emptied: Callable[[], object] | None

    @property
    def journal(self) -> JournalStore:
        """The journal."""
        ...

    def get_many(self, keys: Iterable[str]) -> list[bytes | None]:
        """The values of these keys, in their order; None for one that is absent."""
        ...

    def put(self, key: str, value: bytes, *, group: str, times: TokenTimes | None = None) -> None:
        """Write a value, whatever was there before."""
        ...

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
        ...

    def scan(self, group: str) -> list[bytes]:
        """The values of a group without its token records, in the order of the first write of their keys."""
        ...

    def count(self, group: str) -> int:
        """How many entries a group has, without its token records."""
        ...

    def count_named(self, prefix: str, limit: int) -> int:
        """How many entries have a key that begins with an ASCII prefix; `limit` if there are more."""
        ...

    def version(self, group: str) -> int:
        """A number that changes whenever an entry of the group, other than a token record, changes."""
        ...

    def usage(self) -> Usage:
        """How much the token records use."""
        ...

    def token_records(self) -> list[TokenRecord]:
        """All token records."""
        ...

    def evict(self, records: Iterable[TokenRecord]) -> None:
        """Remove token records, except those that differ by now."""
        ...

    def forget(self, group: str, swap: Swap | None = None) -> bool:
        """Remove all entries of a group. With `swap`, do both, or nothing: then it is False."""
        ...

    def clear(self, entries: Iterable[tuple[str, str, bytes]]) -> None:
        """Replace all entries by these, each a group, a key and a value."""
        ...

    def close(self) -> None:
        """Release files and connections. A later call opens them again."""
        ...
