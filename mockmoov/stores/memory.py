"""Owns a store in the memory of one process. Must not know records."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from threading import Lock

_SWEEP_EVERY = 1024  # writes, at least; then as many as there are entries


@dataclass(frozen=True, slots=True)
class _Entry:
    value: bytes
    expires_at: float


class MemoryStore:
    """A `Store` that lives and dies with the process. Safe from any thread; `wall` tells real time."""

    def __init__(self, *, wall: Callable[[], float] = time.time) -> None:
        self._entries: dict[str, _Entry] = {}
        self._lock = Lock()
        self._wall = wall
        self._writes_left = _SWEEP_EVERY

    def get_many(self, keys: Iterable[str]) -> list[bytes | None]:
        """The values of these keys, in their order; None for one that is absent."""
        with self._lock:
            return [entry.value if (entry := self._entries.get(key)) else None for key in keys]

    def put(self, key: str, value: bytes, *, expires_at: float | None = None) -> None:
        """Write a value, whatever was there; without an expiry it stays."""
        with self._lock:
            self._write(key, value, expires_at)

    def compare_and_swap(
        self, key: str, expected: bytes | None, value: bytes, *, expires_at: float | None = None
    ) -> bool:
        """Write a value if `expected` (None: absent) is what is there; whether it was."""
        with self._lock:
            entry = self._entries.get(key)
            if (entry.value if entry else None) != expected:
                return False
            self._write(key, value, expires_at)
            return True

    def _write(self, key: str, value: bytes, expires_at: float | None) -> None:
        self._entries[key] = _Entry(value, inf if expires_at is None else expires_at)
        self._writes_left -= 1
        if self._writes_left <= 0:
            self._sweep()

    def _sweep(self) -> None:
        now = self._wall()
        self._entries = {key: entry for key, entry in self._entries.items() if entry.expires_at > now}
        self._writes_left = max(_SWEEP_EVERY, len(self._entries))
