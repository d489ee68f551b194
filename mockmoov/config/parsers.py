"""Parses the values of settings, given as text or as native values.

Each parser raises `ValueError` with a message that continues the name of the setting: "must be ...". It is an
`InvalidValueError` if the value may be quoted.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from msgspec import Struct
from msgspec.structs import replace

from mockmoov.oauth.api_keys import make_api_key
from mockmoov.oauth.contracts import RECOMMENDED_VERSION, contract_named
from mockmoov.oauth.encoding import read_json_object, to_json
from mockmoov.oauth.errors import FieldError, InvalidValueError
from mockmoov.oauth.origins import serialize_origin
from mockmoov.oauth.records import ApiKey
from mockmoov.oauth.suggestions import nearest
from mockmoov.simulation.matching import check_size
from mockmoov.simulation.stubs import Stub, make_stub

if TYPE_CHECKING:
    from mockmoov.config.application import Application, AsgiCallable


def text(value: object) -> str:
    """Parse text of printable characters."""
    if not isinstance(value, str) or not value.isprintable() or not value:
        raise InvalidValueError("must be printable text, at least one character", value)
    return value


def file_path(value: object) -> str:
    """Parse the path of a file or a folder: text, or a `Path`."""
    return text(os.fspath(value) if isinstance(value, os.PathLike) else value)


def header_value(value: object) -> str:
    """Parse text that a header can carry unchanged: printable ASCII, no space at either end."""
    parsed = text(value)
    if not parsed.isascii() or parsed != parsed.strip():
        expected = "must be printable ASCII without leading or trailing spaces, as it goes into a header"
        raise InvalidValueError(expected, value)
    return parsed


class Integer(Struct, frozen=True):
    """Parses whole numbers from `low` to `high`, both included."""

    low: int
    high: int

    def __call__(self, value: object) -> int:
        """Parse a number, or its digits."""
        number = int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value) else value
        if type(number) is not int or not self.low <= number <= self.high:
            raise InvalidValueError(f"must be a whole number from {self.low} to {self.high}", value)
        return number


class Choice(Struct, frozen=True):
    """Parses one of the texts in `options`."""

    options: tuple[str, ...]

    def __call__(self, value: object) -> str:
        """Parse one of the options."""
        if isinstance(value, str) and value in self.options:
            return value
        raise InvalidValueError(
            f"must be one of {', '.join(self.options)}", value, _hint(value, self.options)
        )


def _hint(value: object, options: Iterable[str]) -> str:
    return nearest(value, options) if isinstance(value, str) else ""


_SWITCH = dict.fromkeys(("on", "true", "yes", "1"), True) | dict.fromkeys(("off", "false", "no", "0"), False)


def switch(value: object) -> bool:
    """Parse on or off, and their synonyms."""
    is_on = _SWITCH.get(str(value).lower()) if isinstance(value, str) or value in (0, 1) else None
    if is_on is None:
        raise InvalidValueError("must be on or off", value)
    return is_on


def text_list(value: object) -> tuple[str, ...]:
    """Parse a list of strings, or one string that separates them by commas or white space."""
    items = re.split(r"[,\s]+", value.strip()) if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise InvalidValueError("must be a list of strings, or one string with commas between them", value)
    return tuple(map(text, items)) if items != [""] else ()


_NAME = r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}"  # containers and proxies may have underscores
_ADDRESS = r"\[(?P<address>[0-9a-f:.]+)\]"
_PORT = r"(?::(?P<port>[1-9][0-9]{0,4}))?"
_MAX_PORT = 65535
_PATH = r"(?P<path>(?:/[a-z0-9._~-]+)*)/?"
_URL = rf"(?ai)https?://(?:{_ADDRESS}|{_NAME}){_PORT}{_PATH}"
_HOST = rf"(?:{_ADDRESS}|\.?{_NAME}\.?){_PORT}"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME = rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*"  # in a certificate
# What to do about a value that is invalid: the advice of the first row that is found in it.
Advice: TypeAlias = Sequence[tuple[str, str]]
_IDNA = (r"[^\x00-\x7f]", "write its name as IDNA, xn--...")
_URL_ADVICE: Advice = (
    (r"\A(?!.*://)", "put http:// or https:// in front"),
    _IDNA,
    (r"://[^/@\[]*:[0-9]*(?:/|\Z)", "a port is a number from 1 to 65535"),
)
_NAME_ADVICE: Advice = (
    ("://", "leave out the scheme"),
    ("[/?#]", "leave out the path"),
    _IDNA,
    (r"\.\.", "a part of the name is empty"),
)
_ORIGIN_ADVICE: Advice = (
    (r"\A(?!.*://)", "put http:// or https:// in front"),
    (r"[^/]/\Z", "leave out the last /"),
)
_CERTIFICATE_ADVICE: Advice = (*_NAME_ADVICE, (r"\*", "list each name, without *"))
_HOST_ADVICE: Advice = (
    *_NAME_ADVICE,
    (r"\A\*(\.[A-Za-z0-9_.:-]+)\Z", r"write \1"),
    (r":[0-9]*\Z", "a port is a number from 1 to 65535"),
)


def advice_for(text: str, table: Advice) -> str:
    """The end of a message: the advice for a text, or ""."""
    found = ((re.search(pattern, text), hint) for pattern, hint in table)
    return next((f": {match.expand(hint)}" for match, hint in found if match), "")


def _exist(match: re.Match[str]) -> bool:
    """Whether the address and the port of a match exist, where it has them."""
    address, port = match["address"], match["port"]
    return int(port or 1) <= _MAX_PORT and (address is None or ":" in (_address(address) or ""))


def _address(text: str) -> str | None:
    """An IP address as browsers write it; None if it isn't one."""
    try:
        return None if "%" in text else str(ip_address(text))
    except ValueError:
        return None


def url(value: object) -> str:
    """Parse the base URL of a server: scheme, host, optional port and path. Drops a trailing slash."""
    match = re.fullmatch(_URL, text(value))
    if not match or not _exist(match) or {".", ".."} & set(match["path"].split("/")):
        expected = "must be a URL such as http://localhost:8080, without credentials, query or fragment"
        raise InvalidValueError(expected, value, advice_for(str(value), _URL_ADVICE))
    return match[0].rstrip("/")


def upstream(value: object) -> "str | Application":
    """Parse the base URL of a server; an ASGI application is also accepted."""
    if isinstance(value, str):
        return url(value)
    from mockmoov.config.application import Application, is_asgi  # noqa: PLC0415 - text names none

    if not is_asgi(value):
        raise InvalidValueError("must be a URL or an ASGI application", value)
    return Application(cast("AsgiCallable", value))


def audiences(value: object) -> tuple[str, ...]:
    """Parse one or more audiences."""
    parsed = text_list(value)
    if not parsed:
        raise InvalidValueError(
            "must name at least one audience, the first of which is the API itself", value
        )
    return parsed


def origins(value: object) -> tuple[str, ...]:
    """Parse origins, serialized as they are compared (RFC 6454 §6.1), or `*`."""
    return tuple(map(_origin, text_list(value)))


def _origin(item: str) -> str:
    origin = item if item == "*" else serialize_origin(item)
    if origin is None or "*" in origin[1:]:
        expected = "must be origins such as https://shop.example, without a path, or * for any"
        raise InvalidValueError(expected, item, advice_for(item, _ORIGIN_ADVICE))
    return origin


def host_names(value: object) -> tuple[str, ...]:
    """Parse host names and IP addresses; the names become lower case."""
    return tuple(map(_host_name, text_list(value)))


def _host_name(item: str) -> str:
    name = _address(item) or item.lower()
    if not item.isascii() or not (_address(item) or re.fullmatch(_HOST_NAME, name)):
        expected = "must be host names or IP addresses, without a port"
        raise InvalidValueError(expected, item, advice_for(item, _CERTIFICATE_ADVICE))
    return name


def hosts(value: object) -> tuple[str, ...]:
    """Parse names, addresses and `.example.com`, each with or without a port, or `*`.

    They become as in the header Host: in lower case, and IPv6 addresses in brackets.
    """
    return tuple(map(_host, text_list(value)))


def _host(item: str) -> str:
    if address := _address(item):
        return in_url(address)
    match = re.fullmatch(_HOST, item.lower()) if item.isascii() else None
    if item != "*" and not (match and _exist(match)):
        expected = "must be hosts such as mockmoov, mockmoov:8080, .example.com or *"
        raise InvalidValueError(expected, item, advice_for(item, _HOST_ADVICE))
    return item.lower()


def in_url(host: str) -> str:
    """A host name or an IP address as a URL and the header Host have it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


_VERSIONS = ("2023", "2023-sdk", RECOMMENDED_VERSION, "latest")


def version(value: object) -> str:
    """Parse a value of `default_version`."""
    if isinstance(value, str) and contract_named(value) is not None:
        return value
    expected = f"must be 2023, 2023-sdk, or a version such as {RECOMMENDED_VERSION}"
    raise InvalidValueError(expected, value, _hint(value, _VERSIONS))


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
    except FieldError as error:
        raise ValueError(f"contains an invalid key: {error.quoted}") from None
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
