"""Owns the way from JSON and query strings to checked values. Must not know what they are for."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

import msgspec

from mockmoov.oauth.encoding import INTEGERS
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.messages import HttpRequest
from mockmoov.oauth.suggestions import nearest
from mockmoov.simulation.clock import FIRST, LAST

_Input = TypeVar("_Input")
_NAME = re.compile(r"[a-z_]{1,40}")
_PLACE = re.compile(r"(.*) - at `(?:key in )?\$\.?([^`]*)`")
_TYPES = re.compile("`([^`]*)`")
_IN_WORDS = {
    "array": "a list",
    "bool": "a boolean",
    "float": "a number",
    "int": "an integer",
    "object": "an object",
    "str": "a string",
}
_DEEPEST = 64  # levels of JSON: no reader runs out of stack on them


class NotJsonError(ValueError):
    """The body is not a JSON object."""


def read_body(request: HttpRequest) -> dict[str, Any]:
    """The members of the JSON object in the body; an empty body has none. Raises `NotJsonError`."""
    if not request.body:
        return {}
    try:
        document = msgspec.json.decode(request.body)
        msgspec.json.encode(document)  # what cannot be written again is not read: a lone surrogate
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise NotJsonError("the body is not JSON") from error
    if not isinstance(document, dict):
        raise NotJsonError("the JSON body is not an object")
    _check_bounds(document)
    return document


def _check_bounds(document: object) -> None:
    """Refuse what other readers of the same JSON would choke on: deep nesting, integers beyond 64 bits."""
    level = [document]
    for _ in range(_DEEPEST):
        if any(isinstance(value, int) and value not in INTEGERS for value in level):
            raise NotJsonError("the JSON body has an integer beyond 64 bits")
        level = [inner for value in level for inner in _inside(value)]
    if level:
        raise NotJsonError(f"the JSON body is nested deeper than {_DEEPEST} levels")


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def read_query(request: HttpRequest) -> dict[str, str]:
    """The parameters of the query string; the last of a name counts."""
    return dict(parse_qsl(request.query.decode("latin-1"), keep_blank_values=True))


def known(name: str, names: Iterable[str], what: str) -> str:
    """The name, if it is one of these; raises `FieldError` that says what is nearest."""
    if name not in names:
        shown = name if _NAME.fullmatch(name) else "..."
        raise FieldError(shown, f"there is no {what} {shown}{nearest(name, names)}")
    return name


def among(field: str, value: object, options: Iterable[str], describe_fault: str = "") -> str:
    """The value of a field, if it is one of these (`described`: what they are); raises `FieldError`."""
    choices = sorted(options)
    if value not in choices:
        what = describe_fault or f"one of {', '.join(choices)}"
        raise FieldError(field, f"{field} must be {what}{nearest(str(value), choices)}")
    return str(value)


def endpoint(value: object, names: Iterable[str]) -> str:
    """The name of an endpoint of Moov's; raises `FieldError`."""
    return among("endpoint", value, names, "token, revoke or the name of an operation, such as ping")


def convert(
    members: Mapping[str, Any], form: type[_Input], *, hidden: Iterable[str] = (), strict: bool = True
) -> _Input:
    """The members as this dataclass, whose `hidden` ones cannot be given; raises `FieldError`."""
    names = [field.name for field in fields(cast("Any", form)) if field.name not in hidden]
    for name in members:
        known(name, names, "field")
    try:
        return msgspec.convert(members, form, strict=strict)
    except msgspec.ValidationError as error:
        place = _PLACE.fullmatch(str(error))
        field = (place[2] if place else "") or "..."
        raise FieldError(field, f"{field}{_in_words(place[1] if place else str(error))}") from None


def _in_words(problem: str) -> str:
    """What msgspec says of a value, such as "Expected `int | null`, got `str`", after the name of a field."""
    if not problem.startswith("Expected "):
        return f": {problem[0].lower()}{problem[1:]}"
    plain = _TYPES.sub(lambda types: " or ".join(_IN_WORDS.get(n, n) for n in types[1].split(" | ")), problem)
    return f" must be {plain.removeprefix('Expected ')}"


def read_time(field: str, value: object) -> float:
    """A time, given as Unix seconds or in ISO 8601 with an offset, in Unix seconds; raises `FieldError`."""
    seconds: float | None = None
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
            seconds = at.timestamp() if at.tzinfo else None
        except (ValueError, OverflowError):
            seconds = _number(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    if seconds is None or not FIRST <= seconds < LAST:
        raise FieldError(
            field, f"{field} must be Unix seconds or ISO 8601 with an offset, in the years 1970 to 9998"
        )
    return seconds


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]{1,15}(?:\.[0-9]{1,9})?", text) else None
