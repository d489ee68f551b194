"""Plans in a store: the faults, or the stubs, of the server and of each API key."""

from collections.abc import Callable
from functools import lru_cache
from typing import Generic, TypeVar

from msgspec.json import Decoder

from mockmoov.oauth.encoding import to_json
from mockmoov.simulation.matching import Planned, check_size
from mockmoov.storage.entries import entry_name, group_of
from mockmoov.storage.memory import MemoryStore

P = TypeVar("P", bound=Planned)
_Answer = TypeVar("_Answer")


class Plans(Generic[P]):
    """The plans of one kind; `name` is that of their records and their items, such as faults."""

    def __init__(self, store: MemoryStore, name: str, decoder: Decoder[tuple[P, ...]]) -> None:
        self._store = store
        self._name = name
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
        """The plan of an owner, in the order in which it was added."""
        return self.decode(self._value(owner))

    def add(self, owner: str | None, item: P) -> None:
        """Add to the end of a plan; raises `ValueError` if it is full."""

        def append(plan: tuple[P, ...]) -> tuple[None, tuple[P, ...]]:
            after = (*plan, item)
            check_size(after, self._name)
            return None, after

        self.change(owner, append)

    def remove(self, owner: str | None, item_id: str | None = None) -> int:
        """Remove one item, or (None) all of a plan; return how many."""

        def remove(plan: tuple[P, ...]) -> tuple[int, tuple[P, ...]]:
            left = tuple(item for item in plan if item_id not in (None, item.id))
            return len(plan) - len(left), left

        return self.change(owner, remove)

    def change(
        self, owner: str | None, change: Callable[[tuple[P, ...]], tuple[_Answer, tuple[P, ...]]]
    ) -> _Answer:
        """Replace a plan: `change` gets it, and returns an answer and the new plan."""
        while True:
            value = self._value(owner)
            before = self.decode(value)
            answer, after = change(before)
            if after == before or self._swap(owner, value, to_json(after)):
                return answer

    def _value(self, owner: str | None) -> bytes | None:
        return self._store.get_many([entry_name(self._name, owner)])[0]

    def _swap(self, owner: str | None, expected: bytes | None, value: bytes) -> bool:
        name = entry_name(self._name, owner)
        return self._store.compare_and_swap(name, expected, value, group=group_of(owner))
