"""Parses the values of settings, given as text or as native values.

Each parser raises `ValueError` with a message that continues the name of the setting: "must be ...".
"""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from reprlib import Repr
from typing import Any, cast

from mockmoov.config.application import Application, AsgiCallable, is_asgi
from mockmoov.oauth.api_keys import make_api_key
from mockmoov.oauth.contracts import RECOMMENDED_VERSION, contract_named
from mockmoov.oauth.encoding import read_json_object, to_json
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.origins import serialize_origin
from mockmoov.oauth.records import ApiKey
from mockmoov.oauth.suggestions import nearest
from mockmoov.simulation.matching import check_size
from mockmoov.simulation.stubs import Stub, make_stub


def text(value: object) -> str:
    """Parse text of printable characters."""
    if not isinstance(value, str) or not value.isprintable() or not value:
        raise ValueError("must be printable text, and not empty")
    return value


def file_path(value: object) -> str:
    """Parse the path of a file or a folder: text, or a `Path`."""
    return text(os.fspath(value) if isinstance(value, os.PathLike) else value)


def header_value(value: object) -> str:
    """Parse text that a header can carry unchanged: printable ASCII, no space at either end."""
    parsed = text(value)
    if not parsed.isascii() or parsed != parsed.strip():
        raise ValueError(
            "must be printable ASCII without leading or trailing spaces, as it goes into a header"
        )
    return parsed


def integer(low: int, high: int) -> Callable[[object], int]:
    """Make a parser of whole numbers from `low` to `high`, both included."""

    def parse(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value):
            value = int(value)
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return parse


_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_ALIAS = re.compile(r"[a-z0-9_.-]{1,253}")  # of a container, which may have an underscore
_SWITCH = dict.fromkeys(("on", "true", "yes", "1"), True) | dict.fromkeys(("off", "false", "no", "0"), False)


def switch(value: object) -> bool:
    """Parse on or off, and their synonyms."""
    is_on = value if isinstance(value, bool) else _SWITCH.get(str(value).lower())
    if is_on is None:
        raise ValueError("must be on or off")
    return is_on


def choice(options: Sequence[str]) -> Callable[[object], str]:
    """Make a parser that accepts one of `options`."""

    def parse(value: object) -> str:
        if value not in options:
            raise ValueError(f"must be one of {', '.join(options)}{nearest(str(value), options)}")
        return str(value)

    return parse


def text_list(value: object) -> tuple[str, ...]:
    """Parse a list of strings, or one string that separates them by commas or white space."""
    items = re.split(r"[,\s]+", value.strip()) if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise ValueError("must be a list of strings, or one string with commas between them")
    return tuple(map(text, items)) if items != [""] else ()


_URL = re.compile(
    r"https?://(?:\[[0-9a-f:.]+\]|(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63})(?::([0-9]{1,5}))?((?:/[a-z0-9._~-]+)*)/?",
    re.IGNORECASE,
)
_MAX_PORT = 65535


def url(value: object) -> str:
    """Parse the base URL of a server: scheme, host, optional port and path. Drops a trailing slash."""
    match = _URL.fullmatch(text(value))
    if not match or int(match[1] or 0) > _MAX_PORT or {".", ".."} & set(match[2].split("/")):
        raise ValueError(
            "must be a URL such as http://localhost:8080, without credentials, query or fragment"
        )
    return match[0].rstrip("/")


_quoting = Repr()
_quoting.maxother = _quoting.maxstring = 80  # characters; it never raises


def upstream(value: object) -> str | Application:
    """Parse the base URL of a server; an ASGI application is also accepted."""
    if isinstance(value, str):
        return url(value)
    if not is_asgi(value):
        raise ValueError(f"must be a URL or an ASGI application, not {_quoting.repr(value)}")
    return Application(cast("AsgiCallable", value))


def audiences(value: object) -> tuple[str, ...]:
    """Parse one or more audiences."""
    parsed = text_list(value)
    if not parsed:
        raise ValueError("must name at least one audience: the first is the API itself")
    return parsed


def origins(value: object) -> tuple[str, ...]:
    """Parse origins, serialized as they are compared (RFC 6454 §6.1), or `*`."""
    parsed = tuple(item if item == "*" else serialize_origin(item) for item in text_list(value))
    if None in parsed or any("*" in str(item)[1:] for item in parsed):
        raise ValueError("must be origins such as https://shop.example, without a path, or * for any")
    return tuple(filter(None, parsed))


def host_names(value: object) -> tuple[str, ...]:
    """Parse host names and IP addresses; the names become lower case."""
    parsed = tuple(item.lower() for item in text_list(value))
    if not all(_HOST_NAME.fullmatch(item) or _is_address(item) for item in parsed):
        raise ValueError("must be host names or IP addresses, without a port")
    return parsed


def hosts(value: object) -> tuple[str, ...]:
    """Parse values of the header Host: names or addresses, each with or without a port."""
    parsed = tuple(item.lower() for item in text_list(value))
    names = [re.sub(r":[0-9]{1,5}\Z", "", item) for item in parsed]
    if not all(_ALIAS.fullmatch(name) or _is_address(name.strip("[]")) for name in names):
        raise ValueError("must be hosts as in a URL, such as mockmoov or mockmoov:8080")
    return parsed


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


_VERSIONS = ("2023", "2023-sdk", RECOMMENDED_VERSION, "latest")


def version(value: object) -> str:
    """Parse a value of `default_version`."""
    if contract_named(str(value)) is None:
        hint = nearest(str(value), _VERSIONS)
        raise ValueError(f"must be 2023, 2023-sdk, or a version such as {RECOMMENDED_VERSION}{hint}")
    return str(value)


def stubs(value: object) -> tuple[Stub, ...]:
    """Parse stubs, given as JSON text or as a list of objects."""
    items = _objects(value, '[{"endpoint": "listAccounts", "json": []}]')
    try:
        # Written and read again, so that it has only what JSON has, as from the control plane.
        members = read_json_object(to_json({"stubs": items}))["stubs"]
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"must be a list of JSON objects: {error}") from None
    parsed = tuple(_stub(number, item) for number, item in enumerate(members, 1))
    try:
        check_size(parsed, "stubs")
    except ValueError as error:
        raise ValueError(f"contains too much: {error}") from None
    return parsed


def _stub(number: int, members: Mapping[str, Any]) -> Stub:
    try:
        return replace(make_stub(members), id=f"settings-{number}")
    except FieldError as error:
        raise ValueError(f"contains an invalid stub, number {number}: {error}") from None


def api_keys(value: object) -> tuple[ApiKey, ...]:
    """Parse API keys, given as JSON text or as a list of objects."""
    items = _objects(value, '[{"client_id": "a", ...}]')
    if not items:
        raise ValueError("must be a list of one or more objects")
    try:
        keys = tuple(map(make_api_key, items))
    except ValueError as error:
        raise ValueError(f"contains an invalid key: {error}") from None
    if len({key.client_id for key in keys}) < len(keys):
        raise ValueError("must not repeat a client_id")
    return keys


def _objects(value: object, example: str) -> Sequence[dict[str, Any]]:
    try:
        items = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        raise ValueError(f"must be a JSON list of objects such as {example}, and this is not JSON") from None
    if not isinstance(items, list | tuple) or not all(isinstance(item, dict) for item in items):
        raise ValueError(f"must be a list of objects such as {example}")
    return items
