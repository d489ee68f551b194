"""The arguments of `@pytest.mark.mockmoov`, and the settings in the ini file."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mockmoov.oauth.suggestions import nearest
from mockmoov.testing.types import KeyArguments, SettingArguments

_OWN_ARGUMENTS = ("faults", "stubs", "scope", "untriggered")  # the others are of the API key or the server

_SHORT_FORMS = {"preset": "a preset name", "endpoint": "an operation name"}  # of a fault and of a stub


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerOptions:
    """The arguments of the marker, by what they configure.

    `attributes` are those of the API key, `settings` those of its server, `scope` is that of `moov_token`.
    """

    attributes: Mapping[str, Any]
    settings: Mapping[str, Any]
    faults: tuple[Mapping[str, Any], ...]
    stubs: tuple[Mapping[str, Any], ...]
    scope: str
    untriggered: str | None


def read_marker(arguments: Mapping[str, Any]) -> MarkerOptions:
    """Sort the arguments of a marker by what they configure; raises `ValueError`."""
    attributes, settings = KeyArguments.__annotations__, SettingArguments.__annotations__
    known = (*_OWN_ARGUMENTS, *attributes, *settings)
    _check_names("argument", arguments, known)
    untriggered = arguments.get("untriggered")
    if untriggered not in (None, "fail", "ignore"):
        raise ValueError("untriggered must be fail or ignore")
    others = {name: value for name, value in arguments.items() if name not in _OWN_ARGUMENTS}
    return MarkerOptions(
        attributes={name: value for name, value in others.items() if name in attributes},
        settings={name: value for name, value in others.items() if name in settings},
        faults=_plan("faults", "preset", arguments.get("faults", ())),
        stubs=_plan("stubs", "endpoint", arguments.get("stubs", ())),
        scope=arguments.get("scope", "/ping.read"),
        untriggered=untriggered,
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


def _plan(name: str, short: str, value: object) -> tuple[Mapping[str, Any], ...]:
    """The faults or stubs of a marker; an item that is only a text is the member `short`."""
    if not isinstance(value, list | tuple):
        raise ValueError(f"{name} must be a list of {_SHORT_FORMS[short].partition(' ')[2]}s or mappings")
    return tuple(_members(name, short, item) for item in value)


def _members(name: str, short: str, value: object) -> Mapping[str, Any]:
    match value:
        case str():
            return {short: value}
        case Mapping() if all(isinstance(member, str) for member in value):
            if short == "endpoint" and short not in value:
                raise ValueError("each stub needs an endpoint, such as listAccounts")
            return value
    one = name.removesuffix("s")
    raise ValueError(f"each {one} must be {_SHORT_FORMS[short]}, or a mapping from names to values")
