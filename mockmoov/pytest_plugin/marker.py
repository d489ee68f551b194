"""Owns what a test may ask for by name, and whom each wish concerns. Must not know pytest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mockmoov.oauth.suggestions import nearest
from mockmoov.testing.types import KeyArguments, SettingArguments

UNTRIGGERED_FAULTS = ("fail", "ignore")
_OURS = ("faults", "scope", "untriggered_faults")


class WishError(ValueError):
    """There is no such thing to wish for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a test asks for: of its API key, of its server, of its token, and of what is checked."""

    attributes: Mapping[str, Any]
    settings: Mapping[str, Any]
    faults: tuple[Mapping[str, Any], ...]
    scope: str
    untriggered_faults: str | None


def read_wishes(members: Mapping[str, Any]) -> Wishes:
    """The members of a marker, sorted by whom they concern; raises `WishError`."""
    keys, settings = KeyArguments.__annotations__, SettingArguments.__annotations__
    known = (*_OURS, *keys, *settings)
    for name in members:
        if name not in known:
            raise WishError(f"there is no member {name}{nearest(name, known)}")
    return Wishes(
        attributes={name: value for name, value in members.items() if name in keys},
        settings={name: value for name, value in members.items() if name in settings},
        faults=_faults(members.get("faults", ())),
        scope=members.get("scope", "/ping.read"),
        untriggered_faults=_untriggered_faults(members.get("untriggered_faults")),
    )


def read_settings(lines: Iterable[str]) -> dict[str, Any]:
    """The settings of the server that are lines of `NAME = VALUE`; raises `WishError`."""
    pairs = (line.partition("=") for line in lines)
    given = {name.strip(): value.strip() for name, _, value in pairs}
    known = SettingArguments.__annotations__
    for name in given:
        if name not in known:
            raise WishError(f"there is no setting {name}{nearest(name, known)}")
    return given


def _faults(given: object) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(given, list | tuple):
        raise WishError("faults must be a list of presets by name, or of mappings")
    return tuple(_fault(item) for item in given)


def _fault(given: object) -> Mapping[str, Any]:
    match given:
        case str():
            return {"preset": given}
        case Mapping() if all(isinstance(name, str) for name in given):
            return given
    raise WishError("a fault must be the name of a preset, or a mapping of names to values")


def _untriggered_faults(given: object) -> str | None:
    if given is not None and given not in UNTRIGGERED_FAULTS:
        raise WishError(f"untriggered_faults must be {' or '.join(UNTRIGGERED_FAULTS)}")
    return given if isinstance(given, str) else None
