"""Owns what is told of a failed comparison with what hides its values. Must not know who tells it.

What hides itself is known by its name, so that nobody pays for importing it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

_HIDDEN = frozenset(
    (
        "mockmoov.client.tokens.Token",
        "mockmoov.double.environment.Hidden",
        "mockmoov.double.handles.MintedToken",
    )
)


def _hides_itself(value: object) -> bool:
    """Whether its values must not be shown: only its `repr` may be."""
    return any(f"{kind.__module__}.{kind.__qualname__}" in _HIDDEN for kind in type(value).__mro__)


def compared(operator: str, left: object, right: object) -> list[str] | None:
    """The lines that tell of `left operator right`, and no value of either; None if neither hides itself."""
    if not (_hides_itself(left) or _hides_itself(right)):
        return None
    return [f"{_shown(left)} {operator} {_shown(right)}", *_differences(left, right)]


def _shown(value: object) -> str:
    """What stands for a value: the other side of a secret may be the same secret in plain text."""
    harmless = value is None or isinstance(value, bool) or _hides_itself(value)
    return repr(value) if harmless else f"<{type(value).__name__} that is not shown>"


def _differences(left: object, right: object) -> Iterator[str]:
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        yield from _of_mappings(left, right)
    elif type(left) is type(right) and is_dataclass(left):
        yield from _of_records(left, right)


def _of_mappings(left: Mapping[Any, Any], right: Mapping[Any, Any]) -> Iterator[str]:
    names = list(left if _hides_itself(left) else right)  # of the other one even the names may be secrets
    found = {
        "only left": [name for name in names if name not in right],
        "only right": [name for name in names if name not in left],
        "another value": [
            name for name in names if name in left and name in right and left[name] != right[name]
        ],
    }
    yield from (f"{what}: {', '.join(those)}" for what, those in found.items() if those)
    if others := len({*left, *right} - set(names)):
        yield f"other names: {others}"


def _of_records(left: Any, right: Any) -> Iterator[str]:
    for field in fields(left):
        one, other = getattr(left, field.name), getattr(right, field.name)
        if one != other:
            yield f"another {field.name}" + (f": {one!r}, {other!r}" if field.repr else "")
