"""Matches and generates text for the `pattern` of a schema.

Patterns that `regex` doesn't know match anything, and so does one that takes too long, as `(a+)+$` can.
"""

from collections.abc import Sequence
from typing import Any, cast

import regex
from rstr import Rstr

_MAX_LENGTH = 1000  # characters to reach by repeating
_MAX_REPETITIONS = 10_000  # in one text
_MAX_SECONDS = 0.1


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern is found anywhere in a text, or this can't be decided."""
    try:
        return regex.search(pattern, text, timeout=_MAX_SECONDS) is not None
    except (regex.error, TimeoutError, OverflowError, RecursionError):
        return True


def generate(pattern: str, length: int = 0) -> str | None:
    """A text that should match, of `length` characters or more if it may be longer; None if there is none."""
    try:
        text = _sample(pattern, 0)
        for extra in range(1, min(length, _MAX_LENGTH)):
            if len(text) >= length or text == (text := _sample(pattern, extra)):
                break
    except Exception:  # rstr raises anything for what it doesn't know
        return None
    return text


def _sample(pattern: str, extra: int) -> str:
    return Rstr(cast("Any", _Plain(extra))).xeger(pattern)


class _Plain:
    """Stands for `random.Random` in rstr, so that the same plain text is made each time.

    It chooses the plainest characters, and `extra` more of them than the fewest possible.
    """

    def __init__(self, extra: int) -> None:
        self._extra = extra
        self._left = _MAX_REPETITIONS

    def choice(self, seq: Sequence[Any]) -> Any:
        """The plainest character, or the first alternative."""
        characters = [item for item in seq if isinstance(item, str)]
        return min(characters, key=_plainness) if characters else seq[0]

    def randint(self, a: int, b: int) -> int:
        """The lower bound and `extra`, up to the upper bound."""
        times = min(a + self._extra, b)
        self._left -= times
        if self._left < 0:
            raise OverflowError
        return times

    def shuffle(self, x: list[Any]) -> None:
        """Leave everything in its order."""


def _plainness(character: str) -> tuple[bool, bool, str]:
    return not character.isalnum(), character.isspace(), character
