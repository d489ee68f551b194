"""Matches and generates text for the `pattern` of a schema, in bounded time.

Python's `re` can take for ever on a pattern such as `(a+)+$`. Here it only judges single characters; the
matcher follows all ways through a pattern at once, with a bit for each position in the text. Literals,
classes, groups, alternatives, quantifiers and anchors are known. Anything else, such as look-around, is a
`PatternError`.
"""

import re
from functools import lru_cache
from string import ascii_letters, digits, punctuation
from typing import NamedTuple, TypeAlias


class PatternError(ValueError):
    """The pattern is invalid, too large, or has something that this module doesn't know."""


class _Edge(NamedTuple):
    is_end: bool


class _Item(NamedTuple):
    """A part of a pattern, and how often it may occur."""

    node: "_Node"
    low: int
    high: int


_Choice: TypeAlias = list[list[_Item]]  # alternatives, each of them a sequence
_Node: TypeAlias = re.Pattern[str] | _Edge | _Choice  # the first matches one character
_MAX_PATTERN = 200  # characters, so that groups cannot be deep either
_MAX_TEXT = 10_000  # characters
_MAX_STEPS = 100_000
_USUAL = ascii_letters + digits + punctuation + " "
_SYMBOLS = {None: (1, 1), "*": (0, _MAX_TEXT), "+": (1, _MAX_TEXT), "?": (0, 1)}
_CLASS = r"\[\^?(?:\\.|[^\]\[\\])+\]"
_ESCAPE = r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[dDwWsStnrfv]|[^0-9A-Za-z])"
_TOKEN = re.compile(
    rf"(?P<open>\((?:\?:|\?<[A-Za-z_]\w*>|(?!\?)))|(?P<bar>\|)"
    rf"|(?:(?P<close>\))|(?P<edge>[\^$])|(?P<character>{_CLASS}|{_ESCAPE}|[^\\\[()|*+?^$]))"
    r"(?:(?P<symbol>[*+?])|\{(?P<low>\d{1,6})(?P<comma>,(?P<high>\d{1,6})?)?\})?\??"
)


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern is found anywhere in a text; raises `PatternError` if that can't be decided."""
    if len(text) > _MAX_TEXT:
        raise PatternError("is for a text that is too long")
    everywhere = (1 << (len(text) + 1)) - 1
    return _Matcher(text).ends(_parse(pattern), everywhere) != 0


def generate(pattern: str, length: int = 0) -> str:
    """A text that should match, of `length` characters or more if it may be longer; raises `PatternError`."""
    node = _parse(pattern)
    text = _sample(node, 0)
    for extra in range(1, min(length, 1000)):
        if len(text) >= length or text == (text := _sample(node, extra)):
            break
    return text


@lru_cache(maxsize=256)
def _parse(pattern: str) -> _Choice:
    if len(pattern) > _MAX_PATTERN:
        raise PatternError("is too long")
    groups: list[_Choice] = [[[]]]  # the open ones
    at = 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None or (token["close"] and len(groups) == 1):
            raise PatternError(f"has {pattern[at : at + 4]}, which mockmoov doesn't know")
        at = token.end()
        if token["open"]:
            groups.append([[]])
        elif token["bar"]:
            groups[-1].append([])
        else:
            node = groups.pop() if token["close"] else _single(token)
            groups[-1][-1].append(_Item(node, *_occurrences(token)))
    if len(groups) > 1:
        raise PatternError("has an open group")
    return groups[0]


def _single(token: re.Match[str]) -> _Node:
    if token["edge"]:
        return _Edge(token["edge"] == "$")
    character = token["character"]
    try:
        return re.compile(
            character if len(character) > 1 or character == "." else re.escape(character), re.ASCII
        )
    except re.error as error:
        raise PatternError(f"has {character}: {error}") from None


def _occurrences(token: re.Match[str]) -> tuple[int, int]:
    if token["low"] is None:
        return _SYMBOLS[token["symbol"]]
    low = int(token["low"])
    return low, int(token["high"] or _MAX_TEXT) if token["comma"] else low


class _Matcher:
    """Sets of positions in one text, as the bits of an integer."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: dict[re.Pattern[str], int] = {}
        self._steps = 0

    def ends(self, node: _Node, starts: int) -> int:
        """Where a match ends that begins at one of these positions."""
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise PatternError("takes too long")
        if isinstance(node, re.Pattern):
            return (starts & self._positions(node)) << 1
        if isinstance(node, _Edge):
            return starts & (1 << (len(self._text) if node.is_end else 0))
        found = 0
        for sequence in node:
            reached = starts
            for item in sequence:
                reached = self._repeat(item, reached)
            found |= reached
        return found

    def _repeat(self, item: _Item, starts: int) -> int:
        for _ in range(item.low):
            before, starts = starts, self.ends(item.node, starts)
            if starts == before:  # so they stay, however often it goes on
                break
        found = new = starts
        for _ in range(item.high - item.low):
            new = self.ends(item.node, new) & ~found
            if not new:
                break
            found |= new
        return found

    def _positions(self, character: re.Pattern[str]) -> int:
        if character not in self._found:
            bits = "".join("01"[bool(character.fullmatch(each))] for each in reversed(self._text))
            self._found[character] = int(bits or "0", 2)
        return self._found[character]


def _sample(node: _Node, extra: int) -> str:
    """A text for a node, with each item `extra` times more often than it has to be, where it may."""
    if isinstance(node, _Edge):
        return ""
    if isinstance(node, re.Pattern):
        text = next(filter(node.fullmatch, (*_USUAL, *map(chr, range(0x3000)))), "")
        if text:
            return text
        raise PatternError(f"has {node.pattern}, for which mockmoov finds no character")
    text = ""
    for item in node[0]:
        part, count = _sample(item.node, extra), min(item.low + extra, item.high)
        if len(part) * count > _MAX_TEXT:
            raise PatternError("needs a text that is too long")
        text += part * count
    return text
