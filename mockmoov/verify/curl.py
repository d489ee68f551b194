"""Writes recorded exchanges as curl commands that reproduce them."""

from base64 import b64decode
from collections.abc import Sequence
from contextlib import suppress

import httpx2

from mockmoov.verify.budget import RecordedExchange
from mockmoov.verify.masking import Masking

_LONGEST = 600  # characters of a body to show
_HEADERS_OF_CURL = frozenset((b"host", b"content-length"))  # curl adds them


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
        new = sorted(_names_in_response(exchange, masking) - known)
        known |= frozenset(new)
        returns = f", returns {' '.join('$' + name for name in new)}" if new else ""
        lines.append(f"{_command(exchange.request, masking)}  # {exchange.response.status_code}{returns}")
    return tuple(lines)


def _names(exchange: RecordedExchange, masking: Masking) -> frozenset[str]:
    """The variables for tokens and temporary keys in an exchange. The secret of the run's key is in most."""
    request = exchange.request
    values = (value.decode("latin-1") for _, value in request.headers.raw)
    text = "\n".join([str(request.url), *values, request.content.decode("latin-1")])
    return _linking_names(text, masking) | _names_in_response(exchange, masking)


def _names_in_response(exchange: RecordedExchange, masking: Masking) -> frozenset[str]:
    return _linking_names(exchange.response.content.decode("latin-1"), masking)


def _linking_names(text: str, masking: Masking) -> frozenset[str]:
    names = masking.names_in(text)
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
