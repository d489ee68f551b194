"""Owns what a store must be able to do: bytes under keys. Must not know records or any one backend."""

from collections.abc import Iterable
from typing import Protocol


class Store(Protocol):
    """Where all mutable facts live. Each method is atomic, and one round trip where there is a wire.

    `expires_at` is wall-clock Unix seconds after which an entry may be forgotten; it need not be:
    whoever reads an entry still asks the clock.
    """

    def get_many(self, keys: Iterable[str]) -> list[bytes | None]:
        """The values of these keys, in their order; None for one that is absent."""
        ...

    def put(self, key: str, value: bytes, *, expires_at: float | None = None) -> None:
        """Write a value, whatever was there; without an expiry it stays."""
        ...

    def compare_and_swap(
        self, key: str, expected: bytes | None, value: bytes, *, expires_at: float | None = None
    ) -> bool:
        """Write a value if `expected` (None: absent) is what is there; whether it was."""
        ...
