"""Which token records go when there are too many, and which tokens are refused afterwards.

A token record says that a token was revoked or used up, or what an opaque token means. It is kept until its
API key is reset or deleted, or until there are too many. No token may become valid again because its record
was evicted, wherever a test moves the clocks. So the API key gets a `TokenFloor` that refuses every token
which the evicted records were about:

- Records whose tokens have expired, on the clock of their API key and in real time, go first. The key then
  refuses tokens that expire no later than the last of those: it matters only if its clock is moved back.
- Then live records go: one by one the oldest of the API key that has the most, so that a busy key doesn't
  affect the others. The key then refuses tokens that were issued no later than the newest of those.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
_WRITERS, _LARGEST, _MOST_UNREAD = 8, 2**14, 64  # processes on a store, bytes of a record, records

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


def writes_with_room(bound: Usage, usage: Usage) -> int:
    """How many records can be written before the usage has to be read again, though others write as many."""
    records = (bound.records - usage.records) // _WRITERS
    return max(0, min(records, (bound.size - usage.size) // (_WRITERS * _LARGEST), _MOST_UNREAD))


def plan_evictions(
    records: Sequence[TokenRecord], clocks: Mapping[str, float], *, wall: float, bound: Usage
) -> list[Eviction]:
    """What has to go of each group, so that a sixteenth of the bound is free.

    `clocks` says what the clock of each group's API key shows, `wall` is the real time, in Unix seconds.
    """
    too_many = len(records) - bound.records + bound.records // _FREE_PART
    too_large = sum(record.size for record in records) - bound.size + bound.size // _FREE_PART
    candidates = _candidates(records, clocks, wall)
    expired, live = _Groups(list), _Groups(list)
    while too_many > 0 or too_large > 0:
        record, is_live = next(candidates)
        (live if is_live else expired)[record.group].append(record)
        too_many -= 1
        too_large -= record.size
    return [_eviction(group, expired[group], live[group]) for group in {*expired, *live}]


def _candidates(
    records: Iterable[TokenRecord], clocks: Mapping[str, float], wall: float
) -> Iterator[tuple[TokenRecord, bool]]:
    """All records, in the order in which they go, and whether they are live."""
    live = _Groups(list)
    for record in records:
        times = record.times
        if times.expires_at <= clocks[record.group] and times.real_expiry <= wall:
            yield record, False
        else:
            live[record.group].append(record)
    for own in live.values():
        own.sort(key=lambda record: record.times.issued_at, reverse=True)
    # Sizes are negative, so that the largest group is first.
    heap = [(-len(own), position, own) for position, own in enumerate(live.values())]
    heapify(heap)
    while True:
        size, position, own = heap[0]
        yield own.pop(), True
        heapreplace(heap, (size + 1, position, own))


def _eviction(group: str, expired: list[TokenRecord], live: list[TokenRecord]) -> Eviction:
    floor = TokenFloor(
        issued_at=max((record.times.issued_at for record in live), default=NO_FLOOR.issued_at),
        expires_at=max((record.times.expires_at for record in expired), default=NO_FLOOR.expires_at),
    )
    return Eviction(group, expired + live, floor, bool(live))
