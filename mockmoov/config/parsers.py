"""Owns how values of settings are read, from text or native. Must not know which settings there are.

Each parser raises `ValueError` whose message goes on after the name of a setting: "must be ...".
"""

import json
import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from mockmoov.oauth.api_keys import make_api_key
from mockmoov.oauth.contracts import contract_named
from mockmoov.oauth.origins import serialize_origin
from mockmoov.oauth.records import ApiKey
from mockmoov.oauth.suggestions import nearest


def text(value: object) -> str:
    """A text of printable characters."""
    if not isinstance(value, str) or not value.isprintable() or not value:
        raise ValueError("must be a text of printable characters")
    return value


def header_value(value: object) -> str:
    """A text that arrives as it was sent in a header: printable ASCII without blanks at its ends."""
    shown = text(value)
    if not shown.isascii() or shown != shown.strip():
        raise ValueError("must be printable ASCII without blanks at its ends, to fit into a header")
    return shown


def integer(low: int, high: int) -> Callable[[object], int]:
    """A parser of whole numbers in a range, both ends in it."""

    def parse(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value):
            value = int(value)
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return parse


_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_SWITCH = {
    "on": True,
    "true": True,
    "yes": True,
    "1": True,
    "off": False,
    "false": False,
    "no": False,
    "0": False,
}


def switch(value: object) -> bool:
    """On or off."""
    found = value if isinstance(value, bool) else _SWITCH.get(str(value).lower())
    if found is None:
        raise ValueError("must be on or off")
    return found


def choice(options: Sequence[str]) -> Callable[[object], str]:
    """A parser of one of these."""

    def parse(value: object) -> str:
        if value not in options:
            raise ValueError(f"must be one of {', '.join(options)}{nearest(str(value), options)}")
        return str(value)

    return parse


def texts(value: object) -> tuple[str, ...]:
    """A list of texts, or a text with commas or white space between them."""
    items = re.split(r"[,\s]+", value.strip()) if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise ValueError("must be a list of texts, or a text with commas between them")
    return tuple(map(text, items)) if items != [""] else ()


_URL = re.compile(
    r"https?://(?:\[[0-9a-f:.]+\]|(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63})(?::([0-9]{1,5}))?((?:/[a-z0-9._~-]+)*)/?",
    re.IGNORECASE,
)
_LAST_PORT = 65535


def url(value: object) -> str:
    """The URL of a server: scheme, host, maybe port and path; a slash at its end is dropped."""
    match = _URL.fullmatch(text(value))
    if not match or int(match[1] or 0) > _LAST_PORT or {".", ".."} & set(match[2].split("/")):
        raise ValueError(
            "must be a URL such as http://localhost:4010, without credentials, query or fragment"
        )
    return match[0].rstrip("/")


def audiences(value: object) -> tuple[str, ...]:
    """At least one audience."""
    named = texts(value)
    if not named:
        raise ValueError("must name at least one audience: the first is the API itself")
    return named


def origins(value: object) -> tuple[str, ...]:
    """Origins as they are compared, or `*`."""
    found = tuple(item if item == "*" else serialize_origin(item) for item in texts(value))
    if None in found or any("*" in str(item)[1:] for item in found):
        raise ValueError("must be origins such as https://shop.example, without a path, or * for any")
    return tuple(filter(None, found))


def names(value: object) -> tuple[str, ...]:
    """Host names in lower case, and IP addresses."""
    found = tuple(item.lower() for item in texts(value))
    if not all(map(_is_name, found)):
        raise ValueError("must be host names or IP addresses, without a port")
    return found


def _is_name(text: str) -> bool:
    return bool(_NAME.fullmatch(text)) or _is_address(text)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def host_of(url: str) -> str:
    """The host of such a URL, and its port if it has one, as a Host header says them."""
    return urlsplit(url).netloc.lower()


_VERSIONS = ("2023", "2023-sdk", "latest")


def version(value: object) -> str:
    """A value of `default_version`."""
    if contract_named(str(value)) is None:
        hint = nearest(str(value), _VERSIONS)
        raise ValueError(f"must be {', '.join(_VERSIONS)} or a version such as v2026.07.00{hint}")
    return str(value)


def api_keys(value: object) -> tuple[ApiKey, ...]:
    """API keys, as JSON text or as a list of objects."""
    try:
        items = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        raise ValueError(
            'must be a JSON list of objects, and this is not JSON: [{"client_id": "a", ...}]'
        ) from None
    if not isinstance(items, list | tuple) or not items or not all(isinstance(item, dict) for item in items):
        raise ValueError("must be a list of one or more objects")
    try:
        keys = tuple(map(make_api_key, items))
    except ValueError as error:
        raise ValueError(f"has a key that is not good: {error}") from None
    if len({key.client_id for key in keys}) < len(keys):
        raise ValueError("must not have the same client_id twice")
    return keys
