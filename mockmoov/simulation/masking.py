"""Masks what an operation was sent, so that the journal holds no secret, card number or account number.

A member is masked by its name (cardNumber, accountNumber, ssn, anything with token or secret in it), a value
by its looks: twelve or more digits, or twenty or more characters without a space that are neither a UUID nor
readable words.
"""

import re
from collections.abc import Mapping
from typing import Any

from mockmoov.oauth.scopes import UUID
from mockmoov.simulation.matching import Values, Where, json_mismatches
from mockmoov.simulation.redaction import HIDDEN, READABLE, redact_headers, redact_parameters

_SECRET_NAME = re.compile(
    r"secret|passw|passphrase|token|apikey|privatekey|credential|authorization|signature"
    r"|cvv|cvc|securitycode|^pin$|ssn|itin|^ein$|taxid"
    r"|(?<!lastfour)(?<!last4)(?:cardnumber|accountnumber)|^pan$|iban"
)
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]")
_UUID = re.compile(UUID)
_LONG_NUMBER = re.compile(r"(?<![0-9A-Za-z])(?:[0-9][ -]?){11,}[0-9](?![0-9A-Za-z])")
_LARGEST_NUMBER = 10**11  # a number of as many digits may be that of a card
_LONG_WORD = re.compile(r"[A-Za-z0-9_+=~-]{20,}")


def mask_json(value: Any, secret: str | None = None) -> Any:
    """Mask a JSON value; `secret`, that of the claimed client, is hidden wherever it occurs."""
    if isinstance(value, Mapping):
        return {_mask_text(name, secret): mask_member(name, member, secret) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [mask_json(item, secret) for item in value]
    if isinstance(value, str):
        return _mask_text(value, secret)
    is_long_number = isinstance(value, int | float) and abs(value) >= _LARGEST_NUMBER
    return HIDDEN if is_long_number else value


def mask_query(query: Values, secret: str | None = None) -> dict[str, tuple[str, ...]]:
    """Mask the values of a query."""
    return {
        _mask_text(name, secret): tuple(mask_member(name, value, secret) for value in values)
        for name, values in query.items()
    }


def mask_member(name: str, value: Any, secret: str | None = None) -> Any:
    """Mask the value of a member or a parameter."""
    is_secret = _SECRET_NAME.search(_NOT_ALPHANUMERIC.sub("", name.lower()))
    return HIDDEN if is_secret else mask_json(value, secret)


def masked_condition(where: Where) -> str | None:
    """Name the first condition that compares with something that the journal masks; None if none does."""
    for name in ("path_parameters", "query", "body"):
        expected = getattr(where, name)
        if found := next(json_mismatches(name, mask_json(expected), expected), None):
            return found.name
    for name, value in where.headers.items():
        if redact_headers({name.lower(): (value or "",)}, None) != {name.lower(): value or ""}:
            return f"headers.{name}"
    for name, value in where.parameters.items():
        if redact_parameters({name: value or ""}, value) != {name: value or ""}:
            return f"parameters.{name}"
    return None


def _mask_text(text: str, secret: str | None) -> str:
    if _UUID.fullmatch(text):
        return text
    if secret:
        text = text.replace(secret, HIDDEN)
    text = _LONG_NUMBER.sub(HIDDEN, text)
    return _LONG_WORD.sub(_unless_harmless, text)


def _unless_harmless(word: re.Match[str]) -> str:
    return word[0] if _UUID.fullmatch(word[0]) or READABLE.fullmatch(word[0]) else HIDDEN
