"""Keeps everything that changes, as bytes under keys, in the memory of one process."""

from collections.abc import Callable, Iterable
from threading import Lock

from msgspec import Struct, field

from mockmoov.storage.eviction import TokenRecord, TokenTimes, Usage
from mockmoov.storage.journal import MemoryJournal
from mockmoov.storage.store import Given, Swap


class _Group(Struct):
    """The keys of a group, in the order of their first write, and the number of the last change."""

    keys: dict[str, None] = field(default_factory=dict)
    version: int = 0


_EMPTY = _Group()


class MemoryStore:
    """Entries in groups, which are listed and forgotten as a whole, and the journal.

    Each method is atomic, and safe to call from any thread.
    """

    def __init__(self, *, journal_size: int = 10_000, journal_bytes: int = 2**24) -> None:
        self.on_emptied: Callable[[], object] | None = None  # never called
        self.journal = MemoryJournal(max_exchanges=journal_size, max_bytes=journal_bytes)
        self._lock = Lock()
        self._changes = 0
        self._start()

    def _start(self) -> None:
        self._values: dict[str, bytes] = {}
        self._group_of: dict[str, str] = {}
        self._groups: dict[str, _Group] = {}  # without empty ones
        self._tokens: dict[str, TokenRecord] = {}  # in the order in which their keys were first written
        self._token_bytes = 0

    def get_many(self, keys: Iterable[str]) -> list[bytes | None]:
        """The values of these keys, in their order; None for one that is absent."""
        with self._lock:
            return list(map(self._values.get, keys))

    def put(self, key: str, value: bytes, *, group: str, times: TokenTimes | None = None) -> None:
        """Write a value, whatever was there before."""
        with self._lock:
            self._write(key, value, group, times)

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
        with self._lock:
            if given and self._values.get(given[0]) != given[1]:
                return False
            return self._swap(Swap(key, expected, value, group), times)

    def scan(self, group: str) -> list[bytes]:
        """The values of a group without its token records, in the order of the first write of their keys."""
        with self._lock:
            return [self._values[key] for key in self._names(group)]

    def count(self, group: str) -> int:
        """How many entries a group has, without its token records."""
        with self._lock:
            return len(self._names(group))

    def count_named(self, prefix: str, limit: int) -> int:
        """How many entries have a key that begins with an ASCII prefix; `limit` if there are more."""
        with self._lock:
            return min(limit, sum(key.startswith(prefix) for key in self._values))

    def version(self, group: str) -> int:
        """A number that changes whenever an entry of the group is written or removed."""
        with self._lock:
            return self._groups.get(group, _EMPTY).version

    def usage(self) -> Usage:
        """How much the token records use."""
        with self._lock:
            return Usage(len(self._tokens), self._token_bytes)

    def token_records(self) -> list[TokenRecord]:
        """All token records."""
        with self._lock:
            return list(self._tokens.values())

    def evict(self, records: Iterable[TokenRecord]) -> None:
        """Remove token records, except those that differ by now."""
        with self._lock:
            for record in records:
                if self._tokens.get(record.key) == record:
                    self._remove(record.key)

    def forget(self, group: str, swap: Swap | None = None) -> bool:
        """Remove all entries of a group. With `swap`, do both, or nothing: then it is False."""
        with self._lock:
            if swap and not self._swap(swap):
                return False
            for key in list(self._groups.get(group, _EMPTY).keys):
                self._remove(key)
            return True

    def clear(self, entries: Iterable[tuple[str, str, bytes]]) -> None:
        """Replace all entries by these, each a group, a key and a value."""
        with self._lock:
            self._start()
            for group, key, value in entries:
                self._write(key, value, group, None)

    def close(self) -> None:
        """Release nothing: the entries stay."""

    def _names(self, group: str) -> list[str]:
        return [key for key in self._groups.get(group, _EMPTY).keys if key not in self._tokens]

    def _swap(self, swap: Swap, times: TokenTimes | None = None) -> bool:
        if self._values.get(swap.key) != swap.expected:
            return False
        if swap.value is None:
            self._remove(swap.key)
        else:
            self._write(swap.key, swap.value, swap.group, times)
        return True

    def _write(self, key: str, value: bytes, group: str, times: TokenTimes | None) -> None:
        group = self._group_of.setdefault(key, group)
        self._values[key] = value
        members = self._groups.get(group) or self._groups.setdefault(group, _Group())
        members.keys[key] = None
        self._changes = members.version = self._changes + 1
        if times is None:
            self._remove_token(key)
            return
        before_size = record.size if (record := self._tokens.get(key)) else 0
        record = self._tokens[key] = TokenRecord(key, group, len(key) + len(value), times)
        self._token_bytes += record.size - before_size

    def _remove(self, key: str) -> bool:
        if key not in self._values:
            return False
        del self._values[key]
        name = self._group_of.pop(key)
        group = self._groups[name]
        del group.keys[key]
        self._changes = group.version = self._changes + 1
        if not group.keys:
            del self._groups[name]
        self._remove_token(key)
        return True

    def _remove_token(self, key: str) -> None:
        record = self._tokens.pop(key, None)
        if record:
            self._token_bytes -= record.size
