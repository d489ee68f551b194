"""Plans in a store: the faults, or the stubs, of the server and of each API key.

A plan is written when it changes. Its counts have another record, as most requests change nothing else.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Generic, TypeVar

from msgspec.json import Decoder
from msgspec.structs import replace

from mockmoov.oauth.encoding import to_json
from mockmoov.simulation.matching import Planned, check_size
from mockmoov.storage.entries import entry_name, group_of
from mockmoov.storage.store import Store

CONFIGURED = "settings-"
"""How the id of an item begins that comes from the settings."""
P = TypeVar("P", bound=Planned)
_Answer = TypeVar("_Answer")
_COUNTS = Decoder(dict[str, tuple[int, int]])  # matched and triggered, by id


class Plans(Generic[P]):
    """The plans of one kind; `name` is that of their records and their items, such as faults."""

    def __init__(self, store: Store, name: str, decoder: Decoder[tuple[P, ...]]) -> None:
        self._store = store
        self._name, self._counts = name, f"{name}-counts"
        self._decode = lru_cache(maxsize=64)(decoder.decode)
        self._endpoints = lru_cache(maxsize=64)(self._read_endpoints)

    def decode(self, value: bytes | None) -> tuple[P, ...]:
        """The plan of a record; one without a record is empty."""
        return () if value is None else self._decode(value)

    def endpoints(self, value: bytes | None) -> frozenset[str | None]:
        """The endpoints in the plan of a record."""
        return frozenset() if value is None else self._endpoints(value)

    def _read_endpoints(self, value: bytes) -> frozenset[str | None]:
        return frozenset(item.endpoint for item in self.decode(value))

    def read(self, owner: str | None = None) -> tuple[P, ...]:
        """The plan of an owner with its counts, in the order in which it was added."""
        return self._counted(*self._values(owner))

    def add(self, owner: str | None, *items: P) -> None:
        """Add to the end of a plan; raises `ValueError` if it is full."""

        def append(plan: tuple[P, ...]) -> tuple[P, ...]:
            after = (*plan, *items)
            check_size(after, self._name)
            return after

        self._change(owner, append)

    def put_configured(self, items: tuple[P, ...]) -> None:
        """Put the items of the settings first in the server's plan, in place of those of an earlier start.

        Their ids begin with `settings-`. One that is the same as before keeps its counts.
        """

        def put(plan: tuple[P, ...]) -> tuple[P, ...]:
            return (*items, *(item for item in plan if not item.id.startswith(CONFIGURED)))

        before, after = self._change(None, put)
        same = {item.id for item in before if item in after}
        self.take(
            None, lambda plan: (None, tuple(i if i.id in same else _with_counts(i, 0, 0) for i in plan))
        )

    def remove(self, owner: str | None, item_id: str | None = None) -> int:
        """Remove one item, or (None) all of a plan; return how many."""
        before, after = self._change(
            owner, lambda plan: tuple(item for item in plan if item_id not in (None, item.id))
        )
        self.take(owner, lambda plan: (None, plan))  # without the counts of what was removed
        return len(before) - len(after)

    def take(
        self, owner: str | None, select: Callable[[tuple[P, ...]], tuple[_Answer, tuple[P, ...]]]
    ) -> _Answer:
        """Select from a plan: `select` gets it, and returns its answer and the plan with other counts."""
        while True:
            plan, counts = self._values(owner)
            answer, after = select(self._counted(plan, counts))
            new_counts = to_json(_counts_of(after))
            if new_counts == (counts or b"{}") or self._swap(self._counts, owner, counts, new_counts):
                return answer

    def _change(
        self, owner: str | None, change: Callable[[tuple[P, ...]], tuple[P, ...]]
    ) -> tuple[tuple[P, ...], tuple[P, ...]]:
        """Change what is planned; return it before and after."""
        while True:
            value, _ = self._values(owner)
            before = self.decode(value)
            after = change(before)
            if after == before or self._swap(self._name, owner, value, to_json(after)):
                return before, after

    def _counted(self, plan: bytes | None, counts: bytes | None) -> tuple[P, ...]:
        items = self.decode(plan)
        if counts is None:
            return items
        by_id = _COUNTS.decode(counts)
        return tuple(_with_counts(item, *by_id[item.id]) if item.id in by_id else item for item in items)

    def _values(self, owner: str | None) -> Sequence[bytes | None]:
        return self._store.get_many([entry_name(self._name, owner), entry_name(self._counts, owner)])

    def _swap(self, record: str, owner: str | None, expected: bytes | None, value: bytes) -> bool:
        name = entry_name(record, owner)
        return self._store.compare_and_swap(name, expected, value, group=group_of(owner))


def _with_counts(item: P, matched: int, triggered: int) -> P:
    return replace(item, matched=matched, triggered=triggered)


def _counts_of(plan: tuple[P, ...]) -> dict[str, tuple[int, int]]:
    return {item.id: (item.matched, item.triggered) for item in plan if item.matched}
