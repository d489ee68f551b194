"""A store and a journal in the memory of one process, safe to use from any thread."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Reversible
from itertools import takewhile
from threading import Lock

from msgspec import Struct
from msgspec.json import Decoder
from msgspec.structs import replace

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.records import Exchange
from mockmoov.simulation.journal import Query, matching
from mockmoov.storage.store import TokenRecord, TokenTimes, Usage
from mockmoov.storage.watches import Tally, Watch, Watches

_EXCHANGE = Decoder(Exchange)


class _Entry(Struct, frozen=True, gc=False):  # there may be many: they must not slow the garbage collector
    value: bytes
    group: str


class _Group:
    """The keys of a group in the order in which they were written, and the number of the last change."""

    __slots__ = ("keys", "version")

    def __init__(self) -> None:
        self.keys: dict[str, None] = {}
        self.version = 0


_EMPTY = _Group()


class MemoryStore:
    """A `Store` that lives and dies with the process."""

    def __init__(self, *, journal_size: int = 10_000, journal_bytes: int = 2**24) -> None:
        self.journal = MemoryJournal(max_exchanges=journal_size, max_bytes=journal_bytes)
        self._lock = Lock()
        self._changes = 0
        self._start()

    def _start(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._groups: dict[str, _Group] = {}  # without empty ones
        self._tokens: dict[str, TokenRecord] = {}  # in the order in which they were written
        self._token_bytes = 0

    def get_many(self, keys: Iterable[str]) -> list[bytes | None]:
        """The values of these keys, in their order; None for one that is absent."""
        with self._lock:
            return [entry.value if (entry := self._entries.get(key)) else None for key in keys]

    def put(self, key: str, value: bytes, *, group: str, times: TokenTimes | None = None) -> None:
        """Write a value, whatever was there before."""
        with self._lock:
            self._write(key, value, group, times)

    def compare_and_swap(
        self, key: str, expected: bytes | None, value: bytes, *, group: str, times: TokenTimes | None = None
    ) -> bool:
        """Write a value and return True if the entry has the value `expected` (None: is absent)."""
        with self._lock:
            entry = self._entries.get(key)
            if (entry.value if entry else None) != expected:
                return False
            self._write(key, value, group, times)
            return True

    def delete(self, key: str) -> bool:
        """Remove an entry; False if it was absent."""
        with self._lock:
            return self._remove(key)

    def scan(self, group: str) -> list[bytes]:
        """The values of a group, in the order in which their keys were first written."""
        with self._lock:
            return [self._entries[key].value for key in self._groups.get(group, _EMPTY).keys]

    def count(self, group: str) -> int:
        """How many entries a group has."""
        with self._lock:
            return len(self._groups.get(group, _EMPTY).keys)

    def version(self, group: str) -> int:
        """A number that changes whenever an entry of the group is written or removed."""
        with self._lock:
            return self._groups.get(group, _EMPTY).version

    def usage(self) -> Usage:
        """How much the token records use."""
        with self._lock:
            return Usage(len(self._tokens), self._token_bytes)

    def token_records(self) -> list[TokenRecord]:
        """All token records, in the order in which they were written."""
        with self._lock:
            return list(self._tokens.values())

    def evict(self, records: Iterable[TokenRecord]) -> None:
        """Remove token records, except those that were written again since they were listed."""
        with self._lock:
            for record in records:
                if self._tokens.get(record.key) is record:
                    self._remove(record.key)

    def forget(self, group: str) -> None:
        """Remove all entries of a group."""
        with self._lock:
            for key in list(self._groups.get(group, _EMPTY).keys):
                self._remove(key)

    def clear(self, entries: Iterable[tuple[str, str, bytes]]) -> None:
        """Replace all entries by these, each a group, a key and a value."""
        with self._lock:
            self._start()
            for group, key, value in entries:
                self._write(key, value, group, None)

    def _write(self, key: str, value: bytes, group: str, times: TokenTimes | None) -> None:
        before = self._entries.get(key)
        if before and before.group != group:
            self._remove(key)
        self._entries[key] = _Entry(value, group)
        members = self._groups.get(group) or self._groups.setdefault(group, _Group())
        members.keys[key] = None
        self._changes = members.version = self._changes + 1
        self._remove_token(key)
        if times:
            record = self._tokens[key] = TokenRecord(key, group, len(key) + len(value), times)
            self._token_bytes += record.size

    def _remove(self, key: str) -> bool:
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        group = self._groups[entry.group]
        del group.keys[key]
        self._changes = group.version = self._changes + 1
        if not group.keys:
            del self._groups[entry.group]
        self._remove_token(key)
        return True

    def _remove_token(self, key: str) -> None:
        record = self._tokens.pop(key, None)
        if record:
            self._token_bytes -= record.size


class _Owner:
    """The encoded exchanges of one API key by number, and how many were dropped."""

    __slots__ = ("client_id", "dropped", "exchanges")

    def __init__(self, client_id: str | None) -> None:
        self.client_id = client_id
        self.exchanges: dict[int, bytes] = {}
        self.dropped = 0


class MemoryJournal:
    """A `JournalStore` of encoded exchanges. With `max_exchanges` 0 it keeps and counts none."""

    def __init__(self, *, max_exchanges: int = 10_000, max_bytes: int = 2**24) -> None:
        self._max_exchanges = max_exchanges
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._watches = Watches()
        self._clearings = 0  # how often numbering began again
        self._start()

    def _start(self) -> None:
        self._owners: dict[str | None, _Owner] = {}
        self._owner_of: OrderedDict[int, _Owner] = OrderedDict()
        self._number = self._bytes = 0

    def append(self, exchange: Exchange) -> None:
        """Add an exchange and number it. Drop the oldest ones if there is no room."""
        if not self._max_exchanges:
            return
        # A copy of the exact length: a buffer of msgspec may be half as large again.
        value = memoryview(to_json(exchange)).tobytes()
        client_id = exchange.client_id
        with self._lock:
            self._number = number = self._number + 1
            owner = self._owners.get(client_id) or self._owners.setdefault(client_id, _Owner(client_id))
            self._owner_of[number] = owner
            owner.exchanges[number] = value
            self._bytes += len(value)
            while len(self._owner_of) > self._max_exchanges or self._bytes > self._max_bytes:
                self._drop_oldest()
            complete = self._watches.count_exchange(number, exchange) if number in self._owner_of else []
        _notify(complete)

    def _drop_oldest(self) -> None:
        number, owner = self._owner_of.popitem(last=False)
        self._bytes -= len(owner.exchanges.pop(number))
        owner.dropped += 1
        self._watches.drop(number, owner.client_id)

    def read(self, owner: str | None = None, *, after: int = 0) -> tuple[list[Exchange], int]:
        """The exchanges of an owner, or (None) all, after a number; and how many were dropped before them."""
        with self._lock:
            encoded, dropped = self._encoded(owner, after), self._dropped(owner)
        return [_decode(*each) for each in encoded], dropped

    def clear(self, owner: str | None = None) -> None:
        """Remove the exchanges of an owner, or (None) all. Numbers start at 1 again if all are removed."""
        with self._lock:
            if owner is None:
                self._clearings += 1
                self._start()
                notified = self._watches.clear_all()
            else:
                removed = self._owners.pop(owner, _Owner(owner)).exchanges
                for number, value in removed.items():
                    del self._owner_of[number]
                    self._bytes -= len(value)
                notified = self._watches.clear(owner, removed)
        _notify(notified)

    def watch(self, owner: str | None, query: Query, count: int, notify: Callable[[], None]) -> Watch:
        """Wait for exchanges of an owner, or (None) any; raises `TooManyWatchersError`."""
        with self._lock:
            self._watches.check_limit()
            clearings, last = self._clearings, self._number
            known = self._watches.find_tally(owner, query) is not None
            encoded = [] if known else self._encoded(owner)
        matching = _matching(encoded, query)  # takes a while, so without the lock
        with self._lock:
            if clearings != self._clearings:
                matching, last = [], 0
            tally = self._watches.find_tally(owner, query)
            if tally is None:
                numbers = [number for number in matching if number in self._owner_of]
                after = 0 if known else last  # a tally that was known may be gone
                tally = Tally(owner, query, numbers + _matching(self._encoded(owner, after), query))
            watch = Watch(self, tally, count, notify)
            self._watches.add(watch)
        return watch

    def read_tally(self, tally: Tally) -> list[Exchange]:
        """The exchanges of a tally."""
        with self._lock:
            encoded = [(number, self._owner_of[number].exchanges[number]) for number in tally.numbers]
        return [_decode(*each) for each in encoded]

    def dropped(self, owner: str | None) -> int:
        """How many exchanges of an owner, or (None) of all, were dropped to make room."""
        with self._lock:
            return self._dropped(owner)

    def close_watch(self, watch: Watch) -> None:
        """Stop counting for a watch."""
        with self._lock:
            self._watches.remove(watch)

    def _encoded(self, owner: str | None, after: int = 0) -> list[tuple[int, bytes]]:
        if owner is None:
            return [(n, self._owner_of[n].exchanges[n]) for n in _later(self._owner_of, after)]
        exchanges = self._owners.get(owner, _Owner(owner)).exchanges
        return [(n, exchanges[n]) for n in _later(exchanges, after)]

    def _dropped(self, owner: str | None) -> int:
        if owner is None:
            return sum(each.dropped for each in self._owners.values())
        return self._owners.get(owner, _Owner(owner)).dropped


def _later(numbers: Reversible[int], after: int) -> list[int]:
    """The numbers that are higher. They are in order, so that only those have to be read, from the end."""
    return [*takewhile(after.__lt__, reversed(numbers))][::-1]


def _decode(number: int, value: bytes) -> Exchange:
    return replace(_EXCHANGE.decode(value), number=number)


def _matching(encoded: Iterable[tuple[int, bytes]], query: Query) -> list[int]:
    """The numbers of the encoded exchanges that match a query. Most others are passed over undecoded."""
    exact = {name: getattr(query, name) for name in ("endpoint", "grant_type", "status", "method", "fault")}
    members = [to_json({name: value})[1:-1] for name, value in exact.items() if value is not None]
    return [
        number
        for number, value in encoded
        if all(member in value for member in members) and matching((_EXCHANGE.decode(value),), query)
    ]


def _notify(watches: Iterable[Watch]) -> None:
    for watch in watches:
        watch.is_notified = True
        watch.notify()
