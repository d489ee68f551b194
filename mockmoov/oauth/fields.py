"""Turns members of JSON objects, query strings and configuration files into checked values."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import getitem
from typing import Any, TypeVar

import msgspec

from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.suggestions import nearest

_Input = TypeVar("_Input", bound=msgspec.Struct)
_NAME = re.compile(r"[A-Za-z_-]{1,40}")
_ANY_MEMBER = "[...]"  # how msgspec names the member of a mapping
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
# Names that people try, and what the same thing may be called here.
_OTHER_NAMES = {
    "operation": "endpoint",
    "params": "query",
    "pathParameters": "path_parameters",
    "json": "body",
}


def require_known(name: str, known_names: Iterable[str], kind: str, *, are_listed: bool = False) -> None:
    """Raise `FieldError` with the nearest known name, unless the name is known.

    `kind` says what it names, such as "field". If `are_listed`, the message lists all known names. An odd
    name isn't repeated: it may be a secret.
    """
    known = list(known_names)
    if name not in known:
        printed = name if _NAME.fullmatch(name) else "..."
        listed = f", only {', '.join(known)}" if are_listed else ""
        other = _OTHER_NAMES.get(name, "")
        hint = f"; it is called {other}" if other in known else nearest(name, known)
        raise FieldError(printed, f"there is no {kind} {printed}{listed}{hint}")


def require_one_of(field: str, value: object, options: Iterable[str], description: str = "") -> str:
    """Return the value if it is an option, or raise `FieldError` with the options or their description."""
    choices = sorted(options)
    if value not in choices:
        expected = description or f"one of {', '.join(choices)}"
        raise FieldError(field, f"{field} must be {expected}{nearest(str(value), choices)}")
    return str(value)


def parse_as(
    members: Mapping[str, Any], form: type[_Input], *, hidden: Iterable[str] = (), strict: bool = True
) -> _Input:
    """Convert members to a struct; raises `FieldError`.

    The `hidden` fields can't be set by a request.
    With `strict=False` it converts text to numbers, for query strings.
    """
    names = [name for name in form.__struct_fields__ if name not in hidden]
    for name in members:
        require_known(name, names, "field")
    try:
        return msgspec.convert(members, form, strict=strict)
    except msgspec.ValidationError as error:
        place = _PLACE.fullmatch(str(error))
        field = _name_member((place[2] if place else "") or "...", members, form)
        raise FieldError(field, f"{field}{_describe(place[1] if place else str(error))}") from None


def _name_member(field: str, members: Mapping[str, Any], form: type[_Input]) -> str:
    """Name the member in a field that msgspec reports: `where.query.a` for `where.query[...]`.

    An odd name isn't repeated: it may be a secret.
    """
    path, any_member, _ = field.partition(_ANY_MEMBER)
    if not any_member:
        return field
    names = path.split(".")
    found = reduce(getitem, names, members)
    invalid = next(name for name in found if _is_invalid(_replace(members, names, {name: found[name]}), form))
    return f"{path}.{invalid}" if _NAME.fullmatch(invalid) else field


def _replace(members: Mapping[str, Any], names: Sequence[str], value: Any) -> Mapping[str, Any]:
    """The members with another value at a path of names, and nothing next to it below the first one."""
    return {**members, **reduce(lambda inner, name: {name: inner}, reversed(names), value)}


def _is_invalid(members: Mapping[str, Any], form: type[_Input]) -> bool:
    try:
        msgspec.convert(members, form)
    except msgspec.ValidationError:
        return True
    return False


def _describe(problem: str) -> str:
    """Reword msgspec's "Expected `int | null`, got `str`" so that it can follow the name of a field."""
    if not problem.startswith("Expected "):
        return f": {problem[0].lower()}{problem[1:]}"
    plain = _TYPES.sub(
        lambda types: " or ".join(_TYPE_NAMES.get(n, n) for n in types[1].split(" | ")), problem
    )
    return f" must be {plain.removeprefix('Expected ')}"
