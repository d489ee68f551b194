"""Redacts requests for the journal and the log, so that they contain no secret and no whole token.

Only what is known to be harmless is kept: tables list the parameters and headers, and how to redact each one;
all others are left out. `...` replaces what is hidden.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from urllib.parse import unquote

from mockmoov.oauth.contracts import VERSION
from mockmoov.oauth.errors import printable
from mockmoov.oauth.messages import Headers
from mockmoov.oauth.origins import request_origin
from mockmoov.oauth.scopes import UUID, quote_scope
from mockmoov.oauth.tokens import unverified_claims
from mockmoov.simulation.masking import HIDDEN, READABLE, mask_json
from mockmoov.simulation.matching import Where, json_mismatches

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))
_MAX_SCOPES = 20  # per request
# Those that are texts are compiled at first use: a start is sooner.
_PLAIN_WORD = r"[a-z-]{1,40}"
_JTI = r"[0-9a-f]{32}"
_CHARSET = "[Cc][Hh][Aa][Rr][Ss][Ee][Tt]"  # compiled in a fifth of the time that IGNORECASE takes
_MEDIA_TYPE = rf"[A-Za-z]{{1,20}}/[A-Za-z.+-]{{1,40}}(?: ?; ?{_CHARSET}=[A-Za-z0-9-]{{1,12}})?"
_PATH_SEGMENT = re.compile(r"[\w.~%:@{}!$&'()*;=+\x00-\x1f\x7f-\xff-]*", re.ASCII)
_NOT_ALPHANUMERIC = r"[\W_]+"
_OVERLAP = 8  # letters and digits in a row that a text has of a secret
_LONG_ID = 24  # characters of a client id that may be a secret: Moov's have 16
_LONG_WORD = r"[A-Za-z0-9_+=~-]{16,}"
_WORD = r"[^\s;,()]+"
_PLAIN = r"[A-Za-z0-9_./:@+-]+"  # a product, a version, a word of a comment
_GRANT_TYPES = frozenset(("client_credentials", "refresh_token", "password", "authorization_code"))
_CLIENT_TYPES = frozenset(("web", "device", "service", "w", "d", "s"))
_HINTS = frozenset(("access_token", "refresh_token"))


def redact_path(path: str, words: Iterable[str]) -> str:
    """Redact a raw path: only known words and UUIDs are kept, as a segment may be a credential."""
    segments = (item if item in words or re.fullmatch(UUID, item) else HIDDEN for item in path.split("/"))
    return printable("/".join(segments))


def show_path(path: str, words: Iterable[str], secrets: Callable[[], Iterable[str]]) -> str:
    """The raw path for a line of the log: as it was sent, but for what is or could be a secret or a token.

    `words` are those of known paths; `secrets` is called only for others. A UUID is an account's.
    """
    segments = (
        item if item in words or re.fullmatch(UUID, item) or _is_harmless(item, secrets) else HIDDEN
        for item in path.split("/")
    )
    return printable("/".join(segments))


def _is_harmless(segment: str, secrets: Callable[[], Iterable[str]]) -> bool:
    if not _PATH_SEGMENT.fullmatch(segment) or HIDDEN in _without_credentials(unquote(segment)):
        return False
    return not repeats_secret(segment, secrets())


def show_client_id(claimed: str, secrets: Callable[[], Iterable[str]]) -> str:
    """A client id without an API key for a line of the log, unless it is or could be a secret or a token."""
    is_short = len(claimed) < _LONG_ID or re.fullmatch(UUID, claimed)
    return printable(claimed) if is_short and not repeats_secret(claimed, secrets()) else HIDDEN


def repeats_secret(text: str, secrets: Iterable[str]) -> bool:
    """Whether a text has a secret or a part of one, whatever its case, its quotes and its encoding."""
    bare = _bare(text)
    return any(_overlap(bare, _bare(secret)) for secret in secrets)


def _overlap(text: str, secret: str) -> bool:
    starts = range(len(secret) - _OVERLAP + 1)
    return text == secret != "" or any(secret[start : start + _OVERLAP] in text for start in starts)


@lru_cache(maxsize=4096)
def _bare(text: str) -> str:
    return re.sub(_NOT_ALPHANUMERIC, "", unquote(text).casefold())


def show_origin(origin: str) -> str:
    """The value of Origin for a reason or a line of the log."""
    return origin if origin == "null" else _origin(origin)


def redact_method(method: str) -> str:
    """Redact a method that HTTP doesn't define."""
    return method if method in METHODS else HIDDEN


def token_name(token: str) -> str:
    """Identify a token without revealing it: by the `jti` of a JWT, else by a short hash."""
    claims = unverified_claims(token)
    jti = claims.get("jti") if claims else None
    return jti if isinstance(jti, str) and re.fullmatch(_JTI, jti) else short_hash(token)


def short_hash(token: str) -> str:
    """Return the first 12 hex digits of a token's SHA-256, as `sha256:...`."""
    return "sha256:" + hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def redact_parameters(parameters: Mapping[str, object], client_id: str | None) -> dict[str, str]:
    """Redact the parameters of a request. `client_id` is that of an existing API key; any other is hidden."""
    return {
        name: _PARAMETERS[name](value, client_id) if isinstance(value, str) else HIDDEN
        for name, value in parameters.items()
        if name in _PARAMETERS
    }


def redact_headers(headers: Headers, secret: str | None) -> dict[str, str]:
    """Redact the headers of a request; `secret`, that of the claimed client, is hidden wherever it occurs."""
    redacted = {name: _HEADERS[name](values[0]) for name, values in headers.items() if name in _HEADERS}
    if secret:
        redacted = {name: value.replace(secret, HIDDEN) for name, value in redacted.items()}
    return redacted


def _known(known: frozenset[str], value: str, _client_id: str | None) -> str:
    return value if value in known else HIDDEN


@lru_cache(maxsize=256)
def _scope(value: str, _client_id: str | None) -> str:
    scopes = value.split()
    hidden = [HIDDEN] if len(scopes) > _MAX_SCOPES else []
    return " ".join([*map(quote_scope, scopes[:_MAX_SCOPES]), *hidden])


# How to redact each parameter; one that isn't listed is left out.
_PARAMETERS: Mapping[str, Callable[[str, str | None], str]] = {
    "grant_type": partial(_known, _GRANT_TYPES),
    "scope": _scope,
    "client_id": lambda value, client_id: value if value == client_id else HIDDEN,
    "client_secret": lambda _value, _: HIDDEN,
    "client_type": partial(_known, _CLIENT_TYPES),
    "refresh_token": lambda value, _: token_name(value),
    "token": lambda value, _: token_name(value),
    "token_type_hint": partial(_known, _HINTS),
}


def _authorization(value: str) -> str:
    scheme, _, rest = value.partition(" ")
    redact = _SCHEMES.get(scheme.lower())
    return f"{scheme} {redact(rest.strip())}" if redact else HIDDEN


_SCHEMES: Mapping[str, Callable[[str], str]] = {"basic": lambda _: HIDDEN, "bearer": token_name}


def _matching(pattern: str, value: str) -> str:
    return value if re.fullmatch(pattern, value) else HIDDEN


def _origin(value: str) -> str:
    return _without_credentials(request_origin({"referer": (value,)}) or HIDDEN)  # takes a whole URL too


def _user_agent(value: str) -> str:
    """Hide long words that don't look like words, and words with characters that names of products lack."""
    text = _without_credentials(value)
    return re.sub(_WORD, lambda word: word[0] if re.fullmatch(_PLAIN, word[0]) else HIDDEN, text)


def _without_credentials(text: str) -> str:
    """Hide long words that don't look like words, as credentials do."""
    return re.sub(
        _LONG_WORD, lambda word: word[0] if READABLE.fullmatch(word[0]) else HIDDEN, printable(text)
    )


# How to redact each header; one that isn't listed is left out.
_HEADERS: Mapping[str, Callable[[str], str]] = {
    "authorization": _authorization,
    "content-type": partial(_matching, _MEDIA_TYPE),
    "origin": _origin,
    "referer": _origin,
    "user-agent": _user_agent,
    "x-idempotency-key": lambda value: token_name(value) if unverified_claims(value) else printable(value),
    "x-wait-for": partial(_matching, _PLAIN_WORD),
    "x-moov-version": lambda value: value if VERSION.fullmatch(value) or value == "dev" else HIDDEN,
}


def masked_condition(where: Where) -> str | None:
    """Name the first condition that compares with something that the journal masks; None if none does."""
    for name in ("path_parameters", "query", "body"):
        expected = getattr(where, name)
        if found := next(json_mismatches(name, mask_json(expected), expected), None):
            return found.name
    for name, value in where.headers.items():
        redact = _HEADERS.get(name.lower())
        if redact is None or (value is not None and redact(value) != value):
            return f"headers.{name}"
    for name, value in where.parameters.items():
        redact_parameter = _PARAMETERS.get(name)
        if redact_parameter is None or (value is not None and redact_parameter(value, value) != value):
            return f"parameters.{name}"
    return None
