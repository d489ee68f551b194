"""The arguments of `@pytest.mark.mockmoov`, and the settings in the ini file."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mockmoov.oauth.suggestions import nearest
from mockmoov.testing.types import KeyArguments, SettingArguments

_OWN_ARGUMENTS = ("faults", "scope", "untriggered_faults")  # the others are of the API key or the server


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerOptions:
    """The arguments of the marker, by what they configure.

    `attributes` are those of the API key, `settings` those of its server, `scope` is that of `moov_token`.
    """

    attributes: Mapping[str, Any]
    settings: Mapping[str, Any]
    faults: tuple[Mapping[str, Any], ...]
    scope: str
    untriggered_faults: str | None


def read_marker(arguments: Mapping[str, Any]) -> MarkerOptions:
    """Sort the arguments of a marker by what they configure; raises `ValueError`."""
    attributes, settings = KeyArguments.__annotations__, SettingArguments.__annotations__
    known = (*_OWN_ARGUMENTS, *attributes, *settings)
    _check_names("argument", arguments, known)
    faults, untriggered = _faults(arguments.get("faults", ())), arguments.get("untriggered_faults")
    if untriggered not in (None, "fail", "ignore"):
        raise ValueError("untriggered_faults must be fail or ignore")
    return MarkerOptions(
        attributes={name: value for name, value in arguments.items() if name in attributes},
        settings={name: value for name, value in arguments.items() if name in settings},
        faults=faults,
        scope=arguments.get("scope", "/ping.read"),
        untriggered_faults=untriggered,
    )


def read_settings(lines: Iterable[str]) -> dict[str, Any]:
    """Read the server's settings from lines of `NAME = VALUE`; raises `ValueError`."""
    pairs = (line.partition("=") for line in lines)
    settings = {name.strip(): value.strip() for name, _, value in pairs}
    _check_names("setting", settings, SettingArguments.__annotations__)
    return settings


def _check_names(what: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"unknown {what} {name}{nearest(name, known)}")


def _faults(value: object) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("faults must be a list of preset names or mappings")
    return tuple(map(_fault, value))


def _fault(value: object) -> Mapping[str, Any]:
    match value:
        case str():
            return {"preset": value}
        case Mapping() if all(isinstance(name, str) for name in value):
            return value
    raise ValueError("each fault must be a preset name, or a mapping from names to values")
