"""Owns what must not be shown: secrets and tokens, and the names that stand for them. Must not know HTTP."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote, quote_plus

_SHORTEST = 4  # of what a server gave; what is shorter would hide half of every text
_LONG_WORD = re.compile(
    r"[\w.~+/%\\-]{16,}", re.ASCII
)  # of what tokens are made of (RFC 6750 §2.1), or escaped
_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


class Hidden:
    """Values by the shell variable that is shown instead of each."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def hide(self, value: str, name: str) -> None:
        """Show `$name` instead of the value from now on."""
        if value:
            self._names.setdefault(value, name)

    def hide_numbered(self, value: str, kind: str) -> None:
        """The same with a number of its own: `$REFRESH_TOKEN_2`; a value keeps the name it has."""
        if len(value) >= _SHORTEST and value not in self._names:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self.hide(value, f"{kind}_{self._counts[kind]}")

    def hide_key(self, client_id: str, client_secret: str, prefix: str) -> None:
        """Hide a client secret in each form in which it travels."""
        self.hide(client_secret, f"{prefix}CLIENT_SECRET")
        self.hide(basic(client_id, client_secret), f"{prefix}BASIC")
        for encoded in (quote_plus(client_secret), quote(client_secret, safe="")):
            self.hide(encoded, f"{prefix}CLIENT_SECRET_ENCODED")
            self.hide(basic(quote_plus(client_id), encoded), f"{prefix}BASIC_ENCODED")
        data = client_secret.encode("utf-8", "surrogateescape")
        for echoed in (b64encode(data).decode().rstrip("="), data.hex(), "".join(f"%{b:02x}" for b in data)):
            self.hide(echoed, f"{prefix}CLIENT_SECRET_ECHOED")
            self.hide(echoed.upper(), f"{prefix}CLIENT_SECRET_ECHOED")
        in_json = json.dumps(client_secret)[1:-1]
        for escaped in (in_json, json.dumps(in_json)[1:-1]):  # as it is sent, and as it may come back
            self.hide(escaped, f"{prefix}CLIENT_SECRET_ESCAPED")

    def names_in(self, text: str) -> frozenset[str]:
        """The variables that stand for something in a text."""
        return frozenset(self._names[found] for found in self._find(text))

    def shown(self, text: str) -> str:
        """The text with variables instead of what is hidden."""
        for value in self._find(text):
            text = text.replace(value, f"${self._names[value]}")
        return text

    def shell(self, text: str) -> str:
        """The text as one word of a shell, variables instead of what is hidden."""
        found = self._find(text)
        parts = re.split(f"({'|'.join(map(re.escape, found))})", text) if found else [text]
        words = (f'"${self._names[part]}"' if part in self._names else _word(part) for part in parts if part)
        return "".join(words) or "''"

    def _find(self, text: str) -> list[str]:
        """What is hidden in a text, the longest first: one may hold another."""
        return sorted((value for value in self._names if value in text), key=len, reverse=True)


def long_words(body: bytes) -> Iterator[str]:
    """What could be a token in the body of an answer: as it stands there, and as JSON has it at any depth."""
    text = body.decode("utf-8", "backslashreplace")
    with suppress(ValueError, RecursionError):
        text += "\n" + "\n".join(_strings(json.loads(text)))
    yield from _LONG_WORD.findall(text)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in [*value, *(value.values() if isinstance(value, dict) else ())]:
            yield from _strings(item)


def basic(user: str, password: str) -> str:
    """Credentials as `Authorization: Basic` carries them (RFC 7617 §2)."""
    return b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode()


def _word(text: str) -> str:
    """A piece of a word in bash's quotes; what does not print becomes an escape."""
    if _PLAIN.fullmatch(text):
        return text
    if text.isascii() and text.isprintable() and "'" not in text:
        return f"'{text}'"
    escaped = "".join(
        f"\\{char}"
        if char in "\\'"
        else char
        if " " <= char <= "~"
        else "".join(f"\\x{b:02x}" for b in _bytes(char))
        for char in text
    )
    return f"$'{escaped}'"


def _bytes(char: str) -> bytes:
    return char.encode("utf-8", "surrogateescape")
