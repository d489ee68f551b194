"""Owns what may be told of a request: no secret, no whole token. Must not know who reads it, nor exchanges.

What is told is what is known to be harmless, by tables: a parameter or header that no table names is left
out. `...` stands for what is not told.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial

from mockmoov.oauth.errors import printable
from mockmoov.oauth.messages import Headers
from mockmoov.oauth.origins import request_origin
from mockmoov.oauth.scopes import UUID, quote_scope
from mockmoov.oauth.tokens import unverified_claims

HIDDEN = "..."
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))
_SCOPES = 20  # of one request that are told
_UUID = re.compile(UUID)
_JTI = re.compile(r"[0-9a-f]{32}")
_VERSION = re.compile(r"v[0-9]{4}\.[0-9]{2}\.[0-9]{2}|latest")
_MEDIA_TYPE = re.compile(r"[a-z]{1,20}/[a-z.+-]{1,40}(?: ?; ?charset=[a-z0-9-]{1,12})?", re.IGNORECASE)
_LONG_WORD = re.compile(r"[A-Za-z0-9_+=~-]{16,}")
_READABLE = re.compile(r"(?!.{33})[A-Z]?[a-z]+(?:-?[A-Z][a-z]+|-[a-z]+)*")  # AppleWebKit, moov-sdk-typescript
_GRANT_TYPES = frozenset(("client_credentials", "refresh_token", "password", "authorization_code"))
_CLIENT_TYPES = frozenset(("web", "device", "service", "w", "d", "s"))
_HINTS = frozenset(("access_token", "refresh_token"))


def redact_path(path: str, words: Iterable[str]) -> str:
    """A raw path of which only known words and UUIDs are told: a segment may be a credential."""
    segments = (item if item in words or _UUID.fullmatch(item) else HIDDEN for item in path.split("/"))
    return printable("/".join(segments))


def redact_method(method: str) -> str:
    """A method, if it is one of HTTP's own."""
    return method if method in METHODS else HIDDEN


def token_name(token: str) -> str:
    """A name for a token that gives nothing away: the `jti` of a JWT, else a short hash."""
    claims = unverified_claims(token)
    jti = claims.get("jti") if claims else None
    return jti if isinstance(jti, str) and _JTI.fullmatch(jti) else short_hash(token)


def short_hash(token: str) -> str:
    """The beginning of a token's SHA-256: equal tokens have equal ones."""
    return "sha256:" + hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def redact_parameters(given: Mapping[str, object], client_id: str | None) -> dict[str, str]:
    """The known parameters that were given; the client id is told if it is this one, which exists."""
    return {
        name: _PARAMETERS[name](value, client_id) if isinstance(value, str) else HIDDEN
        for name, value in given.items()
        if name in _PARAMETERS
    }


def redact_headers(headers: Headers, secret: str | None) -> dict[str, str]:
    """The known headers that were sent; the secret of the client that was claimed is blotted out."""
    return _redact_headers(tuple([(name, headers[name][0]) for name in headers if name in _HEADERS]), secret)


@lru_cache(maxsize=256)
def _redact_headers(sent: tuple[tuple[str, str], ...], secret: str | None) -> dict[str, str]:
    shown = {name: _HEADERS[name](value) for name, value in sent}
    if secret:
        shown = {name: value.replace(secret, HIDDEN) for name, value in shown.items()}
    return shown


def _among(known: frozenset[str], value: str, _client_id: str | None) -> str:
    return value if value in known else HIDDEN


@lru_cache(maxsize=256)
def _scope(value: str, _client_id: str | None) -> str:
    asked = value.split()
    return " ".join([*map(quote_scope, asked[:_SCOPES]), *([HIDDEN] if len(asked) > _SCOPES else [])])


# How a parameter is told; what is not here is not.
_PARAMETERS: Mapping[str, Callable[[str, str | None], str]] = {
    "grant_type": partial(_among, _GRANT_TYPES),
    "scope": _scope,
    "client_id": lambda value, client_id: value if value == client_id else HIDDEN,
    "client_secret": lambda _value, _: HIDDEN,
    "client_type": partial(_among, _CLIENT_TYPES),
    "refresh_token": lambda value, _: token_name(value),
    "token": lambda value, _: token_name(value),
    "token_type_hint": partial(_among, _HINTS),
}


def _authorization(value: str) -> str:
    scheme, _, rest = value.partition(" ")
    tell = _SCHEMES.get(scheme.lower())
    return f"{scheme} {tell(rest.strip())}" if tell else HIDDEN


_SCHEMES: Mapping[str, Callable[[str], str]] = {"basic": lambda _: HIDDEN, "bearer": token_name}


def _matching(pattern: re.Pattern[str], value: str) -> str:
    return value if pattern.fullmatch(value) else HIDDEN


def _origin(value: str) -> str:
    return _scrubbed(request_origin({"referer": (value,)}) or HIDDEN)  # of an origin or a whole address


def _scrubbed(text: str) -> str:
    """The text without long words that nobody would have written, as credentials are."""
    return _LONG_WORD.sub(lambda word: word[0] if _READABLE.fullmatch(word[0]) else HIDDEN, printable(text))


# How a header is told; what is not here is not.
_HEADERS: Mapping[str, Callable[[str], str]] = {
    "authorization": _authorization,
    "content-type": partial(_matching, _MEDIA_TYPE),
    "origin": _origin,
    "referer": _origin,
    "user-agent": _scrubbed,
    "x-idempotency-key": partial(_matching, _UUID),
    "x-moov-version": partial(_matching, _VERSION),
}
