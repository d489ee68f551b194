"""Reads a JSON or YAML file into plain values, however hostile it is.

In YAML a plain scalar means what OpenAPI prescribes (YAML 1.2 §10.2): null, true, false and numbers as in
JSON; anything else is a string, such as `2024-11-26` and `NO`. Keys are strings, whatever they look like.
An alias shares the value of its anchor.
"""

import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import yaml
from msgspec import MsgspecError
from msgspec.json import decode as from_json

from mockmoov.oauth.encoding import MAX_DEPTH, children
from mockmoov.oauth.errors import printable

MAX_BYTES = 16 * 1024 * 1024
MAX_VALUES = 2_000_000  # an alias counts as all that it stands for


class DescriptionError(ValueError):
    """A description can't be used. The message is one line, and names the place in the file."""


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", re.ASCII)
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_TOO_MANY = f"more than {MAX_VALUES:,} values"


def parse(data: bytes) -> Any:
    """The value that a file contains; raises `DescriptionError`."""
    if len(data) > MAX_BYTES:
        raise DescriptionError(f"larger than {MAX_BYTES >> 20} MiB")
    try:
        document = from_json(data)
    except (MsgspecError, UnicodeError, RecursionError):
        document = _parse_yaml(data)
    _check_size(document)
    return document


def _check_size(document: object) -> None:
    level, count = [document], 1
    for _ in range(MAX_DEPTH):
        level = list(islice(chain.from_iterable(map(children, level)), MAX_VALUES))
        count += len(level)
        if count > MAX_VALUES:
            raise DescriptionError(_TOO_MANY)
    if level:
        raise DescriptionError(_TOO_DEEP)


def _parse_yaml(data: bytes) -> Any:
    try:
        values = list(_YamlReader(iter(yaml.parse(data, Loader=_LOADER))).values(0))
    except yaml.MarkedYAMLError as error:
        raise _error(error.problem_mark, str(error.problem)) from None
    except yaml.reader.ReaderError as error:
        raise DescriptionError(f"neither JSON nor YAML: {error.reason} at byte {error.position}") from None
    if len(values) != 1:
        raise DescriptionError(f"contains {len(values)} documents instead of one")
    return values[0]


def _error(mark: Any, problem: str) -> DescriptionError:
    return DescriptionError(f"line {mark.line + 1}, column {mark.column + 1}: {problem}")


class _YamlReader:
    """Builds values from the events of PyYAML's parser, and counts them."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, Any] = {}
        self._count = 0

    def values(self, depth: int) -> Iterator[Any]:
        """The values up to the end of a collection or of the stream."""
        for event in self._events:
            if isinstance(event, yaml.CollectionEndEvent):
                return
            if isinstance(event, yaml.NodeEvent):
                yield self._value(event, depth)

    def _value(self, event: Any, depth: int) -> Any:
        self._count += 1
        if self._count > MAX_VALUES or depth > MAX_DEPTH:
            raise _error(event.start_mark, _TOO_DEEP if depth > MAX_DEPTH else _TOO_MANY)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _error(event.start_mark, f"there is no anchor {event.anchor} above")
            return self._anchors[event.anchor]
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = list(self.values(depth + 1))
        else:
            value = dict(self._members(depth + 1))
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _members(self, depth: int) -> Iterator[tuple[str, Any]]:
        for key in self._events:
            if isinstance(key, yaml.CollectionEndEvent):
                return
            if not isinstance(key, yaml.ScalarEvent) or (key.value == "<<" and not key.style):
                raise _error(key.start_mark, "a key must be a string; YAML 1.2 has no merge keys")
            yield key.value, self._value(next(self._events), depth)


def _scalar(event: Any) -> Any:
    text: str = event.value
    if event.style or event.tag is not None:
        return text
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    if not _NUMBER.fullmatch(text):
        return text
    try:
        return from_json(text)
    except MsgspecError:
        raise _error(event.start_mark, f"{printable(text, 40)} is out of range") from None
