"""Keeps everything that changes in Redis: it survives a restart, and servers on several machines share it.

Each call is one command, or one script, which Redis runs as one step. `redis_scripts` says how the data are
laid out.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from threading import RLock

from msgspec import json

from mockmoov.storage import redis_scripts as scripts
from mockmoov.storage.entries import SIGNING_KEYS
from mockmoov.storage.eviction import TokenRecord, TokenTimes, Usage
from mockmoov.storage.redis_journal import RedisJournal
from mockmoov.storage.redis_server import RedisServer
from mockmoov.storage.store import Given, SchemaVersionError, Swap

SCHEMA_VERSION = 1
_ANY, _PART = ("any", b""), 1000
_Record = tuple[int, str, float, float, float]  # a token record: size, group and times
_log = logging.getLogger("mockmoov")


class RedisStore:
    """The store in Redis, under keys that begin with `mockmoov:NAMESPACE:`; it touches no others.

    Messages call the server `shown`: its URL may have a password. It `is_far` on another machine.

    `on_emptied` is called when the data are gone, as after a restart of a server that keeps them in memory
    only. It puts back what the settings name, the signing keys last: they say that there are data.
    """

    def __init__(
        self,
        url: str,
        namespace: str,
        *,
        shown: str,
        is_far: bool = False,
        journal_size: int = 10_000,
        journal_bytes: int = 2**24,
    ) -> None:
        self._prefix = f"mockmoov:{namespace}:"
        self._entries, self._records = f"{self._prefix}entries", f"{self._prefix}records"
        self._server = RedisServer(url, shown)
        self.journal = RedisJournal(
            self._server, self._prefix, is_far=is_far, max_exchanges=journal_size, max_bytes=journal_bytes
        )
        self.on_emptied: Callable[[], object] | None = None
        self._refilling = RLock()
        self._is_refilling = self._is_incomplete = False
        self._check_schema()

    def _check_schema(self) -> None:
        schema = int(self._server.run(scripts.OPEN, self._prefix, (SCHEMA_VERSION,)))
        if schema != SCHEMA_VERSION:
            raise SchemaVersionError(
                f"{self._server.shown} has schema {schema} under {self._prefix}, and this version of "
                f"mockmoov uses schema {SCHEMA_VERSION}: use the one that wrote it, or set store_namespace"
            )

    def get_many(self, keys: Iterable[str]) -> list[bytes | None]:
        """The values of these keys, in their order; None for one that is absent."""
        names = [_encode(key) for key in keys]
        command = ("HMGET", self._entries, SIGNING_KEYS, *names)
        signing_keys, *values = self._server.call(*command)
        if (signing_keys is None or self._is_incomplete) and self._refill():
            _, *values = self._server.call(*command)
        return list(values)

    def _refill(self) -> bool:
        """Put back what the settings name, if the data are gone; False if nobody has to."""
        if self.on_emptied is None:
            return False
        with self._refilling:
            if self._is_refilling:  # it is this thread that does so
                return False
            if self._is_incomplete or not self._server.call("HEXISTS", self._entries, SIGNING_KEYS):
                _log.warning("%s has lost its data: all tokens from before end", self._server.shown)
                self._is_refilling = self._is_incomplete = True
                try:
                    self._check_schema()
                    self.on_emptied()
                    self._is_incomplete = False  # else the next call tries again
                finally:
                    self._is_refilling = False
        return True

    def put(self, key: str, value: bytes, *, group: str, times: TokenTimes | None = None) -> None:
        """Write a value, whatever was there before."""
        self._write(_entry(key, value, group, times), _ANY)

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
        another = (_encode(given[0]), *_condition(given[1])) if given else ("", *_ANY)
        return self._write(_entry(key, value, group, times), _condition(expected), another)

    def _write(
        self,
        entry: Sequence[str | bytes],
        condition: Sequence[str | bytes],
        another: Sequence[str | bytes] = ("", *_ANY),
    ) -> bool:
        return bool(self._server.run(scripts.WRITE, self._prefix, (*entry, *condition, *another)))

    def scan(self, group: str) -> list[bytes]:
        """The values of a group without its token records, in the order of the first write of their keys."""
        self.get_many(())  # which notices that the data are gone
        found: list[bytes] = self._server.run(scripts.SCAN, self._prefix, (group,))
        return found

    def count(self, group: str) -> int:
        """How many entries a group has, without its token records."""
        return int(self._server.call("ZCARD", f"{self._prefix}listed:{group}"))

    def count_named(self, prefix: str, limit: int) -> int:
        """How many entries have a key that begins with an ASCII prefix; `limit` if there are more."""
        found, cursor = set[bytes](), b"0"
        while True:
            command = ("HSCAN", self._entries, cursor, "MATCH", f"{prefix}*", "COUNT", _PART)
            cursor, items = self._server.call(*command)
            found.update(items[::2])
            if cursor == b"0" or len(found) >= limit:
                return min(limit, len(found))

    def version(self, group: str) -> int:
        """A number that changes whenever an entry of the group, other than a token record, changes."""
        return int(self._server.call("HGET", f"{self._prefix}versions", group) or 0)

    def usage(self) -> Usage:
        """How much the token records use."""
        records, size = self._server.call("HMGET", f"{self._prefix}usage", "records", "size")
        return Usage(int(records or 0), int(size or 0))

    def token_records(self) -> list[TokenRecord]:
        """All token records."""
        found = self._server.call("HGETALL", self._records)
        return [_decode_record(key, record) for key, record in zip(found[::2], found[1::2], strict=True)]

    def evict(self, records: Iterable[TokenRecord]) -> None:
        """Remove token records, except those that differ by now."""
        rows = [(_encode(each.key), _pack(each.size, each.group, each.times), each.group) for each in records]
        for first in range(0, len(rows), _PART):
            arguments = [argument for row in rows[first : first + _PART] for argument in row]
            self._server.run(scripts.EVICT, self._prefix, arguments)

    def forget(self, group: str, swap: Swap | None = None) -> bool:
        """Remove all entries of a group. With `swap`, do both, or nothing: then it is False."""
        arguments: list[str | bytes] = [group]
        if swap:
            remains = "" if swap.value is None else "1"
            arguments += ["1", _encode(swap.key), swap.group, remains, swap.value or b""]
            arguments += _condition(swap.expected)
        return bool(self._server.run(scripts.FORGET, self._prefix, arguments))

    def clear(self, entries: Iterable[tuple[str, str, bytes]]) -> None:
        """Replace all entries by these, each a group, a key and a value."""
        arguments = [each for group, key, value in entries for each in (group, _encode(key), value)]
        self._server.run(scripts.CLEAR, self._prefix, arguments)

    def close(self) -> None:
        """Close the connections. A later call opens others."""
        self._server.close()


def _condition(expected: bytes | None) -> tuple[str, bytes]:
    return ("absent", b"") if expected is None else ("is", expected)


def _encode(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _entry(key: str, value: bytes, group: str, times: TokenTimes | None) -> Sequence[str | bytes]:
    record = b"" if times is None else _pack(len(key) + len(value), group, times)
    return (_encode(key), value, group, record)


def _pack(size: int, group: str, times: TokenTimes) -> bytes:
    # As floats, since `evict` compares what it writes of a decoded record.
    seconds = map(float, (times.issued_at, times.expires_at, times.real_expiry))
    return json.encode((size, group, *seconds))


def _decode_record(key: bytes, record: bytes) -> TokenRecord:
    size, group, *times = json.decode(record, type=_Record)
    return TokenRecord(key.decode("utf-8", "surrogatepass"), group, size, TokenTimes(*times))
