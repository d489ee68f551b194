"""What tests of races need: a store in which something happens at the wrong moment, and a held lock."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Lock
from typing import Any, TypeVar

from mockmoov.storage.eviction import TokenRecord
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.store import Swap

Answer = TypeVar("Answer")


def ended_without(lock: Lock, calls: Mapping[str, Callable[[], object]]) -> set[str]:
    """The names of the calls that end while somebody else has the lock."""
    with ThreadPoolExecutor(len(calls)) as pool, lock:
        futures = {pool.submit(call): name for name, call in calls.items()}
        return {futures[future] for future in wait(futures, timeout=0.1).done}


def methods_of(kind: type) -> set[str]:
    """The names of the public methods of a class."""
    return {name for name in vars(kind) if not name.startswith("_")}


class OvertakenStore(MemoryStore):
    """A store in which something happens once, just before or just after a method does its work."""

    def __init__(self) -> None:
        super().__init__()
        self.before: dict[str, Callable[[], object]] = {}
        self.after: dict[str, Callable[[], object]] = {}

    def compare_and_swap(self, *arguments: Any, **named: Any) -> bool:
        swap = super().compare_and_swap
        return self._overtake("compare_and_swap", lambda: swap(*arguments, **named))

    def forget(self, group: str, swap: Swap | None = None) -> bool:
        forget = super().forget
        return self._overtake("forget", lambda: forget(group, swap))

    def token_records(self) -> list[TokenRecord]:
        return self._overtake("token_records", super().token_records)

    def version(self, group: str) -> int:
        version = super().version
        return self._overtake("version", lambda: version(group))

    def scan(self, group: str) -> list[bytes]:
        scan = super().scan
        return self._overtake("scan", lambda: scan(group))

    def _overtake(self, name: str, work: Callable[[], Answer]) -> Answer:
        if act := self.before.pop(name, None):
            act()
        answer = work()
        if act := self.after.pop(name, None):
            act()
        return answer
