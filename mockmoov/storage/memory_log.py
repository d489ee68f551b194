"""Owns a log in memory, bounded in lines and in bytes. Must not know records, nor guard against threads."""

from collections import OrderedDict
from collections.abc import Reversible
from itertools import takewhile

from mockmoov.storage.store import Line, Log


class _Group:
    """The lines of a group by their numbers, and how many of it made room for others."""

    __slots__ = ("dropped", "lines")

    def __init__(self) -> None:
        self.lines: dict[int, bytes] = {}
        self.dropped = 0


class MemoryLog:
    """Lines by number, and by group; the oldest make room. `max_lines` 0 keeps none, and counts none."""

    def __init__(self, *, max_lines: int, max_bytes: int) -> None:
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self.generation = 0  # another one once lines were removed, other than to make room
        self.clear()

    def clear(self) -> None:
        """Remove all lines, and begin to count from 1 again."""
        self._groups: dict[str, _Group] = {}
        self._group_of: OrderedDict[int, _Group] = OrderedDict()
        self._number = self._bytes = 0
        self.generation += 1

    def append(self, value: bytes, group: str) -> None:
        """Add a line."""
        if not self._max_lines:
            return
        self._number += 1
        owner = self._groups.get(group) or self._groups.setdefault(group, _Group())
        self._group_of[self._number] = owner
        # A copy of just its length: what msgspec writes may hold half as much again that nobody sees.
        owner.lines[self._number] = memoryview(value).tobytes()
        self._bytes += len(value)
        while len(self._group_of) > self._max_lines or self._bytes > self._max_bytes:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        number, owner = self._group_of.popitem(last=False)
        self._bytes -= len(owner.lines.pop(number))
        owner.dropped += 1

    def forget(self, group: str) -> None:
        """Remove the lines of a group, and how many of them were dropped."""
        self.generation += 1
        for number, value in self._groups.pop(group, _Group()).lines.items():
            del self._group_of[number]
            self._bytes -= len(value)

    def read(self, group: str | None, after: int = 0) -> Log:
        """The lines of a group, or all, that came after the one of this number."""
        if group is not None:
            owner = self._groups.get(group, _Group())
            return Log([Line(n, owner.lines[n]) for n in _later(owner.lines, after)], owner.dropped)
        everything = [Line(n, self._group_of[n].lines[n]) for n in _later(self._group_of, after)]
        return Log(everything, sum(owner.dropped for owner in self._groups.values()))


def _later(numbers: Reversible[int], after: int) -> list[int]:
    """Of numbers in their order those that are higher; the others are not looked at."""
    return [*takewhile(after.__lt__, reversed(numbers))][::-1]
