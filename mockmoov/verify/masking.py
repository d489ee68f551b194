"""Replaces secrets and tokens by names of shell variables, and shows exchanges as curl commands."""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import suppress
from urllib.parse import quote, quote_plus

import httpx2

from mockmoov.verify.budget import RecordedExchange

_SHORTEST = 4  # characters; shorter values of a server would match too much other text
_LONG_WORD = re.compile(r"[\w.~+/%\\-]{16,}", re.ASCII)  # characters of tokens (RFC 6750 §2.1), or escapes
_LONGEST = 600  # characters of a body to show
_HEADERS_OF_CURL = frozenset((b"host", b"content-length"))  # curl adds them
_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


class Masking:
    """The values to hide, and the name of the shell variable that is shown instead of each."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def hide(self, value: str, name: str) -> None:
        """From now on show `$name` instead of the value."""
        if value:
            self._names.setdefault(value, name)

    def hide_numbered(self, value: str, kind: str) -> None:
        """Hide a value under a numbered name, such as `$REFRESH_TOKEN_2`, unless it has a name already."""
        if len(value) >= _SHORTEST and value not in self._names:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self.hide(value, f"{kind}_{self._counts[kind]}")

    def hide_key(self, client_id: str, client_secret: str, prefix: str) -> None:
        """Hide a client secret in every encoding in which it may be sent or echoed."""
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
        for escaped in (in_json, json.dumps(in_json)[1:-1]):  # as sent, and as a server may escape it again
            self.hide(escaped, f"{prefix}CLIENT_SECRET_ESCAPED")

    def names_in(self, text: str) -> frozenset[str]:
        """The variables whose values the text contains."""
        return frozenset(self._names[found] for found in self._find(text))

    def mask(self, text: str) -> str:
        """The text with variables instead of hidden values."""
        for value in self._find(text):
            text = text.replace(value, f"${self._names[value]}")
        return text

    def shell_word(self, text: str) -> str:
        """The text as one word of a shell command, with variables instead of hidden values."""
        found = self._find(text)
        parts = re.split(f"({'|'.join(map(re.escape, found))})", text) if found else [text]
        words = (f'"${self._names[part]}"' if part in self._names else _quote(part) for part in parts if part)
        return "".join(words) or "''"

    def _find(self, text: str) -> list[str]:
        """The hidden values in a text. The longest comes first, as one may contain another."""
        return sorted((value for value in self._names if value in text), key=len, reverse=True)


def long_words(body: bytes) -> Iterator[str]:
    """Everything in a body that may be a token: in the raw text, and in the strings of JSON at any depth."""
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
    """The credentials of an `Authorization: Basic` header (RFC 7617 §2)."""
    return b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode()


def _quote(text: str) -> str:
    """The text in bash's quotes, with escapes for characters that are not printable."""
    if _NEEDS_NO_QUOTES.fullmatch(text):
        return text
    if text.isascii() and text.isprintable() and "'" not in text:
        return f"'{text}'"
    return f"$'{''.join(map(_escape, text))}'"


def _escape(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if " " <= char <= "~":
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def commands(exchanges: Sequence[RecordedExchange], masking: Masking) -> tuple[str, ...]:
    """The last exchange and those that it depends on, one line each.

    A comment has the status, and the variables for the tokens in the response.
    """
    if not exchanges:
        return ()
    chain = [exchanges[-1]]
    names = _names(exchanges[-1], masking)
    for exchange in reversed(exchanges[:-1]):
        if names & _names(exchange, masking):
            chain.insert(0, exchange)
            names |= _names(exchange, masking)
    known: frozenset[str] = frozenset()
    lines = []
    for exchange in chain:
        new = sorted(_linking_names(exchange.response.content, masking) - known)
        known |= frozenset(new)
        returns = f", returns {' '.join('$' + name for name in new)}" if new else ""
        lines.append(f"{_command(exchange.request, masking)}  # {exchange.response.status_code}{returns}")
    return tuple(lines)


def _names(exchange: RecordedExchange, masking: Masking) -> frozenset[str]:
    request = exchange.request
    sent = [str(request.url).encode(), *(value for _, value in request.headers.raw), request.content]
    return _linking_names(b"\n".join(sent), masking) | _linking_names(exchange.response.content, masking)


def _linking_names(text: bytes, masking: Masking) -> frozenset[str]:
    """The variables for tokens and temporary keys in a text. The secret of the run's key is in most."""
    names = masking.names_in(text.decode("latin-1"))
    return frozenset(name for name in names if "_TOKEN_" in name or name.startswith("KEY_"))


def _command(request: httpx2.Request, masking: Masking) -> str:
    words = ["curl", "-i", "-X", request.method]
    for name, value in request.headers.raw:
        if name.lower() not in _HEADERS_OF_CURL:
            words += _header(name.decode("latin-1"), value.decode("latin-1"), masking)
    if request.content:
        words += ["--data-binary", _body(request.content, masking)]
    return " ".join([*words, masking.shell_word(str(request.url))])


def _header(name: str, value: str, masking: Masking) -> list[str]:
    """The options for a header. Basic credentials are shown decoded, with the secret as a variable."""
    scheme, _, encoded = value.partition(" ")
    if scheme == "Basic":
        with suppress(ValueError):
            credentials = b64decode(encoded, validate=True).decode()
            if ":" in credentials:
                return ["-u", masking.shell_word(credentials)]
    # curl sends an empty header only if a semicolon follows its name.
    return ["-H", masking.shell_word(f"{name}: {value}" if value else f"{name};")]


def _body(content: bytes, masking: Masking) -> str:
    text = content.decode("utf-8", "surrogateescape")
    if len(text) <= _LONGEST or masking.names_in(text):
        return masking.shell_word(text)
    return f"{masking.shell_word(text[:40])}...  # {len(content)} bytes"
