"""Turns members of JSON bodies and query strings of the control plane into checked values."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar, cast

import msgspec

from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.grants import GRANTS
from mockmoov.oauth.suggestions import nearest
from mockmoov.simulation.clock import FIRST, LAST

_Input = TypeVar("_Input")
_NAME = re.compile(r"[a-z_]{1,40}")
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")
_PLACE = re.compile(r"(.*) - at `(?:key in )?\$\.?([^`]*)`")
_TYPES = re.compile("`([^`]*)`")
_TYPE_NAMES = {
    "array": "a list",
    "bool": "a boolean",
    "float": "a number",
    "int": "an integer",
    "object": "an object",
    "str": "a string",
}


def require_known(name: str, known_names: Iterable[str], kind: str) -> None:
    """Raise `FieldError` with the nearest known name, unless the name is known.

    `kind` says what it names, such as "field". An odd name isn't repeated: it may be a secret.
    """
    if name not in known_names:
        printed = name if _NAME.fullmatch(name) else "..."
        raise FieldError(printed, f"there is no {kind} {printed}{nearest(name, known_names)}")


def require_one_of(field: str, value: object, options: Iterable[str], description: str = "") -> str:
    """Return the value if it is an option, or raise `FieldError` with the options or their description."""
    choices = sorted(options)
    if value not in choices:
        expected = description or f"one of {', '.join(choices)}"
        raise FieldError(field, f"{field} must be {expected}{nearest(str(value), choices)}")
    return str(value)


def require_selectors(endpoint: str | None, grant_type: str | None, endpoints: Iterable[str]) -> None:
    """Raise `FieldError` unless these select exchanges that can be, or are None; `endpoints` are Moov's."""
    if endpoint is not None:
        description = "token, revoke or the name of an operation, such as ping"
        require_one_of("endpoint", endpoint, endpoints, description)
    if grant_type is not None:
        require_one_of("grant_type", grant_type, GRANTS)


def parse_as(
    members: Mapping[str, Any], form: type[_Input], *, hidden: Iterable[str] = (), strict: bool = True
) -> _Input:
    """Convert members to a dataclass; raises `FieldError`. The `hidden` fields can't be set by a request.

    With `strict=False` it converts text to numbers, for query strings.
    """
    names = [field.name for field in fields(cast("Any", form)) if field.name not in hidden]
    for name in members:
        require_known(name, names, "field")
    try:
        return msgspec.convert(members, form, strict=strict)
    except msgspec.ValidationError as error:
        place = _PLACE.fullmatch(str(error))
        field = (place[2] if place else "") or "..."
        raise FieldError(field, f"{field}{_describe(place[1] if place else str(error))}") from None


def _describe(problem: str) -> str:
    """Reword msgspec's "Expected `int | null`, got `str`" so that it can follow the name of a field."""
    if not problem.startswith("Expected "):
        return f": {problem[0].lower()}{problem[1:]}"
    plain = _TYPES.sub(
        lambda types: " or ".join(_TYPE_NAMES.get(n, n) for n in types[1].split(" | ")), problem
    )
    return f" must be {plain.removeprefix('Expected ')}"


def read_time(field: str, value: object) -> float:
    """Parse Unix seconds, or ISO 8601 with an offset, into Unix seconds; raises `FieldError`."""
    seconds: float | None = None
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
            seconds = at.timestamp() if at.tzinfo else None
        except (ValueError, OverflowError):
            seconds = float(value) if _NUMBER.fullmatch(value) else None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    if seconds is None or not FIRST <= seconds < LAST:
        raise FieldError(
            field, f"{field} must be Unix seconds or ISO 8601 with an offset, in the years 1970 to 9998"
        )
    return seconds
