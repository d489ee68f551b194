"""What a backend must do: store bytes under keys, and keep a journal of exchanges that can be waited for."""

from collections.abc import Callable, Iterable
from typing import Protocol

from mockmoov.oauth.records import Exchange
from mockmoov.simulation.journal import Query
from mockmoov.storage.watches import Watch


class JournalStore(Protocol):
    """Where exchanges are recorded, numbered from 1; when there are too many, the oldest ones make room.

    The owner of an exchange is its `client_id`. Each method is atomic and safe to call from any thread.
    """

    generation: int

    def append(self, exchange: Exchange) -> None:
        """Add an exchange and number it; the oldest ones make room."""
        ...

    def read(self, owner: str | None = None, *, after: int = 0) -> tuple[list[Exchange], int]:
        """The exchanges of an owner, or (None) all, after a number; and how many were dropped before them."""
        ...

    def clear(self, owner: str | None = None) -> None:
        """Remove the exchanges of an owner, or (None) all; then numbers start at 1 again."""
        ...

    def watch(self, owner: str | None, query: Query, count: int, notify: Callable[[], None]) -> Watch:
        """Wait for exchanges of an owner, or (None) any; raises `TooManyWatchersError`."""
        ...


class Store(Protocol):
    """Where all mutable facts live. Each method is atomic, and one round trip where there is a wire.

    Every entry belongs to a group, so that what belongs together is found and forgotten together.
    `expires_at` is wall-clock Unix seconds after which an entry may be forgotten; it
    need not be: whoever reads an entry still asks the clock.
    """

    @property
    def journal(self) -> JournalStore:
        """The journal that goes with the entries."""
        ...

    def get_many(self, keys: Iterable[str]) -> list[bytes | None]:
        """The values of these keys, in their order; None for one that is absent."""
        ...

    def put(self, key: str, value: bytes, *, group: str, expires_at: float | None = None) -> None:
        """Write a value, whatever was there; without an expiry it stays."""
        ...

    def compare_and_swap(
        self, key: str, expected: bytes | None, value: bytes, *, group: str, expires_at: float | None = None
    ) -> bool:
        """Write a value if `expected` (None: absent) is what is there; whether it was."""
        ...

    def delete(self, key: str) -> bool:
        """Remove an entry; whether it was there."""
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

    def keep(self, group: str | None) -> None:
        """From now on forget nothing of this group (None: of any) because it expired, until it is cleared."""
        ...

    def forget(self, group: str) -> None:
        """Remove all entries of a group."""
        ...

    def clear(self, entries: Iterable[tuple[str, str, bytes]]) -> None:
        """Remove everything, and in the same moment write these: group, key, value."""
        ...
