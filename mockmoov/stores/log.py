"""Owns a log in memory, bounded in lines and in bytes. Must not know records, nor guard against threads."""

from collections import Counter, OrderedDict

from mockmoov.stores import Line, Log


class MemoryLog:
    """Lines by number, and by group; the oldest make room. `max_lines` 0 keeps none, and counts none."""

    def __init__(self, *, max_lines: int, max_bytes: int) -> None:
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self.clear()

    def clear(self) -> None:
        """Remove all lines, and begin to count from 1 again."""
        self._groups: dict[str, dict[int, bytes]] = {}
        self._group_of: OrderedDict[int, str] = OrderedDict()
        self._dropped: Counter[str] = Counter()
        self._number = self._bytes = 0

    def append(self, value: bytes, group: str) -> None:
        """Add a line."""
        if not self._max_lines:
            return
        self._number += 1
        self._group_of[self._number] = group
        self._groups.setdefault(group, {})[self._number] = value
        self._bytes += len(value)
        while len(self._group_of) > self._max_lines or self._bytes > self._max_bytes:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        number, group = self._group_of.popitem(last=False)
        lines = self._groups[group]
        self._bytes -= len(lines.pop(number))
        if not lines:
            del self._groups[group]
        self._dropped[group] += 1

    def forget(self, group: str) -> None:
        """Remove the lines of a group, and how many of them were dropped."""
        for number, value in self._groups.pop(group, {}).items():
            del self._group_of[number]
            self._bytes -= len(value)
        self._dropped.pop(group, None)

    def read(self, group: str | None) -> Log:
        """The lines of a group, or all."""
        if group is not None:
            lines = self._groups.get(group, {})
            return Log([Line(*item) for item in lines.items()], self._dropped[group])
        everything = [Line(number, self._groups[of][number]) for number, of in self._group_of.items()]
        return Log(everything, self._dropped.total())
