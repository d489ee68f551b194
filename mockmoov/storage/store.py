"""What a backend must do: store bytes under keys, and keep a journal of exchanges that can be waited for."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from msgspec import Struct

from mockmoov.oauth.records import Exchange
from mockmoov.simulation.journal import Query
from mockmoov.storage.watches import Watch


class TokenTimes(Struct, frozen=True, gc=False):
    """When the tokens that a record is about were issued and expire: the latest of each, in Unix seconds.

    `issued_at` and `expires_at` are read on the clock of their API key. `real_expiry` is when they have
    expired on the wall clock and as much real time has passed as they were valid for.
    """

    issued_at: float
    expires_at: float
    real_expiry: float


class TokenRecord(Struct, frozen=True, gc=False):
    """A token record as eviction sees it; `size` is the bytes of its key and value."""

    key: str
    group: str
    size: int
    times: TokenTimes


class Usage(NamedTuple):
    """How many token records there are, and the bytes of their keys and values."""

    records: int
    size: int


class JournalStore(Protocol):
    """Where exchanges are recorded, numbered from 1. If there are too many, the oldest ones are dropped.

    The owner of an exchange is its `client_id`. Each method is atomic and safe to call from any thread.
    """

    def append(self, exchange: Exchange) -> None:
        """Add an exchange and number it. Drop the oldest ones if there is no room."""
        ...

    def read(self, owner: str | None = None, *, after: int = 0) -> tuple[list[Exchange], int]:
        """The exchanges of an owner, or (None) all, after a number; and how many were dropped before them."""
        ...

    def clear(self, owner: str | None = None) -> None:
        """Remove the exchanges of an owner, or (None) all. Numbers start at 1 again if all are removed."""
        ...

    def watch(self, owner: str | None, query: Query, count: int, notify: Callable[[], None]) -> Watch:
        """Wait for exchanges of an owner, or (None) any; raises `TooManyWatchersError`."""
        ...


class Store(Protocol):
    """Where everything that changes is kept. Each method is atomic, safe from any thread, and one round trip.

    Every entry belongs to a group, and groups are listed and forgotten as a whole. An entry that is written
    with `times` is a token record: it counts towards `usage` and may be evicted.
    """

    @property
    def journal(self) -> JournalStore:
        """The journal that goes with the entries."""
        ...

    def get_many(self, keys: Iterable[str]) -> list[bytes | None]:
        """The values of these keys, in their order; None for one that is absent."""
        ...

    def put(self, key: str, value: bytes, *, group: str, times: TokenTimes | None = None) -> None:
        """Write a value, whatever was there before."""
        ...

    def compare_and_swap(
        self, key: str, expected: bytes | None, value: bytes, *, group: str, times: TokenTimes | None = None
    ) -> bool:
        """Write a value and return True if the entry has the value `expected` (None: is absent)."""
        ...

    def delete(self, key: str) -> bool:
        """Remove an entry; False if it was absent."""
        ...

    def scan(self, group: str) -> list[bytes]:
        """The values of a group, in the order in which their keys were first written."""
        ...

    def count(self, group: str) -> int:
        """How many entries a group has."""
        ...

    def version(self, group: str) -> int:
        """A number that changes whenever an entry of the group is written or removed."""
        ...

    def usage(self) -> Usage:
        """How much the token records use."""
        ...

    def token_records(self) -> list[TokenRecord]:
        """All token records, in the order in which they were written."""
        ...

    def evict(self, records: Iterable[TokenRecord]) -> None:
        """Remove token records, except those that were written again since they were listed."""
        ...

    def forget(self, group: str) -> None:
        """Remove all entries of a group."""
        ...

    def clear(self, entries: Iterable[tuple[str, str, bytes]]) -> None:
        """Replace all entries by these, each a group, a key and a value."""
        ...
