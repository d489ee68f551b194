"""Masks what an operation was sent, so that the journal holds no secret, card number or account number.

A member is masked by its name: cardNumber, accountNumber, ssn, anything with token or secret in it. A text is
masked by what is in it: twelve or more digits, twenty or more characters that are neither a UUID nor readable
words, a password in a URL, or `name=value` with the name of a secret.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from mockmoov.oauth.scopes import UUID
from mockmoov.simulation.matching import Values

HIDDEN = "..."
READABLE = re.compile(r"(?!.{33})[A-Z]?[a-z]+(?:-?[A-Z][a-z]+|-[a-z]+)*")  # AppleWebKit, moov-sdk-typescript
# Those that are texts are compiled at first use: a start is sooner.
_HIDDEN_NAME = (
    r"secret|passw|passphrase|^pwd$|token|apikey|privatekey|credential|^auth$|authorization|bearer|cookie|signature"
    r"|cvv|cvc|securitycode|otp$|(?:^|card|user)pin(?:$|code)|ssn|socialsecurity|itin|^ein$|taxid"
    r"|(?<!lastfour)(?<!last4)(?:cardnumber|accountnumber)|^pan$|iban"
)
_NOT_ALPHANUMERIC = r"[^a-z0-9]"
_LONG_NUMBER = r"(?:\d[\s._/\u2010-\u2015-]{0,2}){11,}\d"
_LARGEST_NUMBER = 10**11  # a number of as many digits may be that of a card
_LONG = 20  # characters of a word that may be a secret
_LONG_WORD = rf"[A-Za-z0-9_+=~/-]{{{_LONG},}}"
_MIXED = r"(?=.*[a-z])(?=.*[A-Z]).*[0-9+]"
_USER_INFO = r"(?<=://)[^/?#@\s]+(?=@)"
# Bounded, so that the time grows with the length of the text only.
_ASSIGNMENT = r"([\w-]{1,40})(\"?\s{0,3}(?:=|:(?!//))\s{0,3}\"?)([^\s\"&,;}]+)"
_SUSPECT = re.compile(r"[=:@]|\S{20}|(?:\d\D{0,2}){12}")  # what any of these has in it


def mask_json(value: Any, secret: str | None = None) -> Any:
    """Mask a JSON value; `secret`, that of the claimed client, is hidden wherever it occurs."""
    if isinstance(value, Mapping):
        return {_mask_name(name, secret): mask_member(name, member, secret) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [mask_json(item, secret) for item in value]
    if isinstance(value, str):
        return _mask_text(value, secret)
    is_long_number = isinstance(value, int | float) and abs(value) >= _LARGEST_NUMBER
    return HIDDEN if is_long_number else value


def mask_query(query: Values, secret: str | None = None) -> dict[str, tuple[str, ...]]:
    """Mask the values of a query."""
    return {
        _mask_name(name, secret): tuple(mask_member(name, value, secret) for value in values)
        for name, values in query.items()
    }


def mask_member(name: str, value: Any, secret: str | None = None) -> Any:
    """Mask the value of a member or a parameter."""
    return HIDDEN if is_secret_name(name) else mask_json(value, secret)


def _mask_text(text: str, secret: str | None) -> str:
    if secret:
        text = text.replace(secret, HIDDEN)
    if re.fullmatch(UUID, text) or not _SUSPECT.search(text):
        return text
    text = re.sub(_ASSIGNMENT, _mask_assignment, re.sub(_USER_INFO, HIDDEN, text))
    text = re.sub(_LONG_NUMBER, HIDDEN, text)
    return re.sub(_LONG_WORD, lambda word: word[0] if _is_harmless(word[0]) else HIDDEN, text)


_mask_name = lru_cache(maxsize=1024)(_mask_text)  # names recur


def _mask_assignment(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}{HIDDEN}" if is_secret_name(found[1]) else found[0]


def _is_harmless(word: str) -> bool:
    """Whether a long word is a UUID, is readable, or consists of such words and of short ones."""
    if re.fullmatch(UUID, word) or READABLE.fullmatch(word):
        return True
    parts = word.split("/")
    if len(parts) == 1 or re.match(_MIXED, word):
        return False
    return all(len(part) < _LONG or _is_harmless(part) for part in parts)


@lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """Whether the value of a member with this name is masked, whatever it is."""
    return bool(re.search(_HIDDEN_NAME, re.sub(_NOT_ALPHANUMERIC, "", name.lower())))
