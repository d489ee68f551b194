"""What a program's lines mean: `ok NAME`, or `not ok NAME: what came`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

OK, NOT_OK = "ok ", "not ok "


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What one run printed, by the names of its checks."""

    ok: tuple[str, ...]
    failed: tuple[str, ...]
    stray: tuple[str, ...]
    """Lines that are neither."""

    @property
    def names(self) -> tuple[str, ...]:
        return self.ok + self.failed


def _name(text: str, known: Iterable[str]) -> str:
    """The check that a complaint is of: the longest that fits, since a name may have a colon in it."""
    return max((name for name in known if text.startswith(f"{name}: ")), key=len, default=text)


def read(stdout: str, known: Iterable[str]) -> Said:
    """The lines of a run of a program whose checks are known."""
    known, lines = tuple(known), stdout.splitlines()
    return Said(
        ok=tuple(line.removeprefix(OK) for line in lines if line.startswith(OK)),
        failed=tuple(_name(line.removeprefix(NOT_OK), known) for line in lines if line.startswith(NOT_OK)),
        stray=tuple(line for line in lines if not line.startswith((OK, NOT_OK))),
    )
