"""Which token records go when there are too many, and which tokens are refused afterwards.

A token record says that a token was revoked or used up, or what an opaque token means. It is kept until its
API key is reset or deleted, or until there are too many. No token may become valid again because its record
was evicted, wherever a test moves the clocks. So the API key gets a `TokenFloor` that refuses every token
which the evicted records were about:

- Records whose tokens have expired, on the clock of their API key and in real time, go first. From then on
  the key refuses tokens that expire no later than the last of those, which matters only if its clock is
  moved back.
- If that is not enough, live records go: one by one the oldest of the API key that has the most, so that a
  busy key doesn't affect the others. From then on the key refuses tokens that were issued no later than the
  newest of those.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heapreplace
from typing import NamedTuple

from msgspec import Struct

from mockmoov.oauth.records import NO_FLOOR, TokenFloor


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


MAX_USAGE = Usage(records=200_000, size=128 * 2**20)
_FREE_PART = 16  # afterwards one part in 16 of the bound is free

_Groups = defaultdict[str, list[TokenRecord]]  # records by their group


class Eviction(NamedTuple):
    """What is removed from one group, which tokens are refused, and whether a removed record is live."""

    group: str
    records: list[TokenRecord]
    floor: TokenFloor
    live: bool


def is_exceeded(bound: Usage, usage: Usage) -> bool:
    """Whether more is used than a bound allows."""
    return usage.records > bound.records or usage.size > bound.size


def plan_evictions(
    records: Sequence[TokenRecord], clocks: Mapping[str, float], *, wall: float, bound: Usage
) -> list[Eviction]:
    """What has to go of each group, so that a sixteenth of the bound is free.

    `clocks` says what the clock of each group's API key shows, `wall` is the real time, in Unix seconds.
    """
    excess = _Excess(records, bound)
    expired, live = _Groups(list), _Groups(list)
    for record in records:
        if not excess:
            break  # the rest stays: whenever there is still an excess, `live` is complete
        times = record.times
        if times.expires_at <= clocks[record.group] and times.real_expiry <= wall:
            expired[record.group].append(record)
            excess.shrink(record)
        else:
            live[record.group].append(record)
    evicted = _oldest(live, excess)
    return [_eviction(group, expired[group], evicted[group]) for group in {*expired, *evicted}]


class _Excess:
    """How many records, and bytes of them, are still to go."""

    def __init__(self, records: Iterable[TokenRecord], bound: Usage) -> None:
        sizes = [record.size for record in records]
        self.records = len(sizes) - bound.records + bound.records // _FREE_PART
        self.size = sum(sizes) - bound.size + bound.size // _FREE_PART

    def __bool__(self) -> bool:
        return self.records > 0 or self.size > 0

    def shrink(self, record: TokenRecord) -> None:
        """Count a record that goes."""
        self.records -= 1
        self.size -= record.size


def _oldest(live: _Groups, excess: _Excess) -> _Groups:
    """The live records that go: one by one the oldest of the group that has the most."""
    evicted = _Groups(list)
    # Sizes are negative, so that the largest group is first.
    heap = [(-len(records), position, group) for position, (group, records) in enumerate(live.items())]
    heapify(heap)
    while excess:
        size, position, group = heap[0]
        records = live[group]
        if group not in evicted:
            records.sort(key=lambda record: record.times.issued_at, reverse=True)
        record = records.pop()
        evicted[group].append(record)
        excess.shrink(record)
        heapreplace(heap, (size + 1, position, group))
    return evicted


def _eviction(group: str, expired: list[TokenRecord], live: list[TokenRecord]) -> Eviction:
    floor = TokenFloor(
        issued_at=max((record.times.issued_at for record in live), default=NO_FLOOR.issued_at),
        expires_at=max((record.times.expires_at for record in expired), default=NO_FLOOR.expires_at),
    )
    return Eviction(group, expired + live, floor, bool(live))
