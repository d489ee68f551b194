"""Owns how exchanges are told as curl commands that repeat them. Must not know what went wrong."""

from base64 import b64decode
from collections.abc import Sequence
from contextlib import suppress

import httpx2

from mockmoov.verify.budget import Exchange
from mockmoov.verify.masking import Hidden

_LONGEST = 600  # characters of a body that are shown
_UNSAID = frozenset((b"host", b"content-length"))


def commands(exchanges: Sequence[Exchange], hidden: Hidden) -> tuple[str, ...]:
    """The last exchange and those that it builds upon, a line each; tokens are named as they come."""
    if not exchanges:
        return ()
    wanted = [exchanges[-1]]
    names = _names(exchanges[-1], hidden)
    for exchange in reversed(exchanges[:-1]):
        if names & _names(exchange, hidden):
            wanted.insert(0, exchange)
            names |= _names(exchange, hidden)
    known: frozenset[str] = frozenset()
    lines = []
    for exchange in wanted:
        new = sorted(_given(exchange, hidden) - known)
        known |= frozenset(new)
        gives = f", gives {' '.join('$' + name for name in new)}" if new else ""
        lines.append(f"{_command(exchange.request, hidden)}  # {exchange.response.status_code}{gives}")
    return tuple(lines)


def _names(exchange: Exchange, hidden: Hidden) -> frozenset[str]:
    """The tokens and keys of ours in an exchange; a secret that is in each of them connects nothing."""
    asked = exchange.request
    values = (value.decode("latin-1") for _, value in asked.headers.raw)
    text = "\n".join([str(asked.url), *values, asked.content.decode("latin-1")])
    return _telling(text, hidden) | _given(exchange, hidden)


def _given(exchange: Exchange, hidden: Hidden) -> frozenset[str]:
    return _telling(exchange.response.content.decode("latin-1"), hidden)


def _telling(text: str, hidden: Hidden) -> frozenset[str]:
    return frozenset(name for name in hidden.names_in(text) if "_TOKEN_" in name or name.startswith("KEY_"))


def _command(request: httpx2.Request, hidden: Hidden) -> str:
    words = ["curl", "-i", "-X", request.method]
    for name, value in request.headers.raw:
        if name.lower() not in _UNSAID:
            words += _header(name.decode("latin-1"), value.decode("latin-1"), hidden)
    if request.content:
        words += ["--data-binary", _body(request.content, hidden)]
    return " ".join([*words, hidden.shell(str(request.url))])


def _header(name: str, value: str, hidden: Hidden) -> list[str]:
    """Basic credentials in the clear, secrets as variables: curl encodes them just so."""
    scheme, _, encoded = value.partition(" ")
    if scheme == "Basic":
        with suppress(ValueError):
            credentials = b64decode(encoded, validate=True).decode()
            if ":" in credentials:
                return ["-u", hidden.shell(credentials)]
    # An empty header wants a semicolon from curl.
    return ["-H", hidden.shell(f"{name}: {value}" if value else f"{name};")]


def _body(content: bytes, hidden: Hidden) -> str:
    text = content.decode("utf-8", "surrogateescape")
    if len(text) <= _LONGEST or hidden.names_in(text):
        return hidden.shell(text)
    return f"{hidden.shell(text[:40])}...  # {len(content)} bytes"
