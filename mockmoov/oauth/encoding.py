"""Compact JSON and base64url, as JOSE uses them."""

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable
from functools import lru_cache, wraps
from typing import Any, TypeVar

from msgspec import MsgspecError
from msgspec.json import Encoder
from msgspec.json import decode as from_json

to_json = Encoder().encode  # compact, UTF-8
INTEGERS = range(-(2**63), 2**64)  # what `to_json` can write, so what is accepted on reading
_LONGEST_KNOWN = 4096  # characters
_Read = TypeVar("_Read")
MAX_DEPTH = 64  # levels of JSON that any parser can handle


def remembered(read: Callable[[str], _Read]) -> Callable[[str], _Read]:
    """Remember what was read from a text: clients send the same ones again and again.

    At most from 256 texts of up to 4,096 characters, so that no attacker fills the memory. What is returned
    is shared: do not change it.
    """
    known = lru_cache(maxsize=256)(read)

    @wraps(read)
    def look_up(text: str) -> _Read:
        return known(text) if len(text) <= _LONGEST_KNOWN else read(text)

    return look_up


def encode(data: bytes) -> str:
    """Encode bytes as base64url without padding (RFC 7515 §2)."""
    return b2a_base64(data, newline=False).decode().replace("+", "-").replace("/", "_").rstrip("=")


def encode_json(value: object) -> str:
    """Encode a value as JSON, then as base64url."""
    return encode(to_json(value))


def decode(text: str) -> bytes:
    """Decode base64url without padding; raises `ValueError`."""
    return a2b_base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))


def read_json_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object that can be written again; raises `ValueError` with the reason."""
    document = read_json(body)
    if not isinstance(document, dict):
        raise ValueError("the JSON body is not an object")
    return document


def read_json(body: bytes) -> Any:
    """Read JSON that can be written again; raises `ValueError` with the reason.

    Refuses what other parsers can't handle: deep nesting, integers beyond 64 bits, a lone surrogate.
    """
    try:
        document = from_json(body)  # which refuses a lone surrogate, unlike the standard library
    except (MsgspecError, UnicodeError, RecursionError):
        raise ValueError("the body is not JSON") from None
    level: list[object] = [document]
    for _ in range(MAX_DEPTH):
        if any(isinstance(value, int) and value not in INTEGERS for value in level):
            raise ValueError("the JSON body has an integer beyond 64 bits")
        level = [child for value in level for child in children(value)]
    if level:
        raise ValueError(f"the JSON body is nested deeper than {MAX_DEPTH} levels")
    return document


def children(value: object) -> Iterable[object]:
    """The values one level below this one."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
