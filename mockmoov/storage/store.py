"""Owns what a store can do: bytes under keys, and a log. Must not know records or any one backend."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol


class Line(NamedTuple):
    """One line of the log: lines are numbered from 1 in the order they were appended."""

    number: int
    value: bytes


class Log(NamedTuple):
    """Lines in their order, and how many that were before them are gone."""

    lines: list[Line]
    dropped: int


class Store(Protocol):
    """Where all mutable facts live. Each method is atomic, and one round trip where there is a wire.

    Every entry and every line of the log belongs to a group, so that what belongs together is found and
    forgotten together. `expires_at` is wall-clock Unix seconds after which an entry may be forgotten; it
    need not be: whoever reads an entry still asks the clock.
    """

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

    def scan(self, group: str) -> tuple[bytes, ...]:
        """The values of a group, in the order in which their keys came.

        The same object until one of them is written, if it can be: what is made of them may be kept with it.
        """
        ...

    def keep(self, group: str | None) -> None:
        """From now on forget nothing of this group (None: of any) because it expired, until it is cleared."""
        ...

    def forget(self, group: str) -> None:
        """Remove all entries and lines of a group."""
        ...

    def clear(self, entries: Iterable[tuple[str, str, bytes]]) -> None:
        """Remove everything, and in the same moment write these: group, key, value."""
        ...

    def append(self, value: bytes, *, group: str) -> None:
        """Add a line to the log; the oldest ones make room for it."""
        ...

    def read_log(self, group: str | None = None, *, after: int = 0) -> Log:
        """The lines of a group (None: of all) with higher numbers than `after` that are still there."""
        ...

    def log_generation(self) -> int:
        """A number that is another one once lines were removed, other than to make room."""
        ...

    def clear_log(self, group: str | None = None) -> None:
        """Remove the lines of a group (None: of all)."""
        ...
