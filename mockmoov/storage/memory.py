"""Owns a store in the memory of one process. Must not know records."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from threading import Lock

from mockmoov.storage.memory_log import MemoryLog
from mockmoov.storage.store import Log

_SWEEP_EVERY = 1024  # writes, at least; then as many as there are entries


@dataclass(frozen=True, slots=True)
class _Entry:
    value: bytes
    group: str
    expires_at: float


class MemoryStore:
    """A `Store` that lives and dies with the process. Safe from any thread; `wall` tells real time."""

    def __init__(
        self, *, wall: Callable[[], float] = time.time, log_lines: int = 10_000, log_bytes: int = 2**24
    ) -> None:
        self._entries: dict[str, _Entry] = {}
        self._groups: dict[str, dict[str, None]] = {}  # the keys of each, in the order they came
        self._scans: dict[str, tuple[bytes, ...]] = {}  # of each that was not changed since
        self._kept: set[str | None] = set()
        self._log = MemoryLog(max_lines=log_lines, max_bytes=log_bytes)
        self._lock = Lock()
        self._wall = wall
        self._writes_left = _SWEEP_EVERY

    def get_many(self, keys: Iterable[str]) -> list[bytes | None]:
        """The values of these keys, in their order; None for one that is absent."""
        with self._lock:
            return [entry.value if (entry := self._entries.get(key)) else None for key in keys]

    def put(self, key: str, value: bytes, *, group: str, expires_at: float | None = None) -> None:
        """Write a value, whatever was there; without an expiry it stays."""
        with self._lock:
            self._write(key, value, group, expires_at)

    def compare_and_swap(
        self, key: str, expected: bytes | None, value: bytes, *, group: str, expires_at: float | None = None
    ) -> bool:
        """Write a value if `expected` (None: absent) is what is there; whether it was."""
        with self._lock:
            entry = self._entries.get(key)
            if (entry.value if entry else None) != expected:
                return False
            self._write(key, value, group, expires_at)
            return True

    def delete(self, key: str) -> bool:
        """Remove an entry; whether it was there."""
        with self._lock:
            return self._remove(key)

    def scan(self, group: str) -> tuple[bytes, ...]:
        """The values of a group, in the order in which their keys came; one object until one is written."""
        with self._lock:
            scan = self._scans.get(group)
            if scan is None and group in self._groups:
                scan = self._scans[group] = tuple([self._entries[key].value for key in self._groups[group]])
            return scan or ()

    def keep(self, group: str | None) -> None:
        """From now on forget nothing of this group (None: of any) because it expired, until it is cleared."""
        with self._lock:
            self._kept.add(group)

    def forget(self, group: str) -> None:
        """Remove all entries and lines of a group."""
        with self._lock:
            for key in self._groups.pop(group, ()):
                del self._entries[key]
            self._scans.pop(group, None)
            self._kept.discard(group)
            self._log.forget(group)

    def clear(self, entries: Iterable[tuple[str, str, bytes]]) -> None:
        """Remove everything, and in the same moment write these: group, key, value."""
        with self._lock:
            for gone in (self._entries, self._groups, self._scans, self._kept, self._log):
                gone.clear()
            for group, key, value in entries:
                self._write(key, value, group, None)

    def append(self, value: bytes, *, group: str) -> None:
        """Add a line to the log; the oldest ones make room for it."""
        with self._lock:
            self._log.append(value, group)

    def read_log(self, group: str | None = None, *, after: int = 0) -> Log:
        """The lines of a group (None: of all) with higher numbers than `after` that are still there."""
        with self._lock:
            return self._log.read(group, after)

    def log_generation(self) -> int:
        """A number that is another one once lines were removed, other than to make room."""
        return self._log.generation

    def clear_log(self, group: str | None = None) -> None:
        """Remove the lines of a group (None: of all)."""
        with self._lock:
            self._log.clear() if group is None else self._log.forget(group)

    def _write(self, key: str, value: bytes, group: str, expires_at: float | None) -> None:
        before = self._entries.get(key)
        if before and before.group != group:
            self._remove(key)
        self._entries[key] = _Entry(value, group, inf if expires_at is None else expires_at)
        self._groups.setdefault(group, {})[key] = None
        self._scans.pop(group, None)
        self._writes_left -= 1
        if self._writes_left <= 0:
            self._sweep()

    def _remove(self, key: str) -> bool:
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        keys = self._groups[entry.group]
        del keys[key]
        self._scans.pop(entry.group, None)
        if not keys:
            del self._groups[entry.group]
        return True

    def _sweep(self) -> None:
        now = self._wall()
        if None not in self._kept:
            for key in [
                key
                for key, entry in self._entries.items()
                if entry.expires_at <= now and entry.group not in self._kept
            ]:
                self._remove(key)
        self._writes_left = max(_SWEEP_EVERY, len(self._entries))
