"""Parses where the state is kept: in memory, in a file, or in Redis."""

import os
import re
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlsplit

from mockmoov.config.parsers import Advice, advice_for, text
from mockmoov.oauth.errors import InvalidValueError
from mockmoov.oauth.suggestions import nearest

_EXPECTED = (
    "must be memory, sqlite: and the path of a file, such as sqlite:state.db, or the URL of a Redis, such as "
    "redis://localhost:6379"
)
_STORE_ADVICE: Advice = (
    (r"\A:memory:\Z", "memory is all that this would be: write memory"),
    (r"\A\s|\s\Z", "leave out the spaces around it"),
    (r"(?i)\Asqlite3?:?\Z", "name the file"),
    (r"(?s)\Asqlite:.", "this path has characters that cannot be printed"),
    (r"(?i)\Asqlite3?:", "write sqlite:"),
    (r"(?i)\Afile:", "it isn't a URL: write sqlite: and the path"),
    (r"\A[^:]+\.(?:db|sqlite3?)(?::|\Z)", "put sqlite: in front"),
    (r"(?i)\Avalkey(s?)://", r"write redis\1://, which Valkey speaks, too"),
    (r"(?i)\A(?:redis|rediss|unix):(?!//)", "write :// after the scheme"),
    (r"\Aunix:", "name the socket by its whole path: unix:///run/redis.sock"),
    (r"\Arediss?://(?:[^/]*@)?(?:[/:]|\Z)", "name the host"),
    (r"(?s)\Arediss?://.*#", "write a # in the password as %23"),
    (r"\Arediss?://[^?]*/[^?]*[^?\d]", "after the host there is only the number of the database: /0"),
    (r"\Arediss?://[^?]*\Z", "a port is a number from 1 to 65535"),
    (r"\Arediss?://", "its options are db, ssl_ca_certs, ssl_certfile, ssl_keyfile and ssl_cert_reqs"),
)
_STORE_PATH_ADVICE: Advice = (
    (r"\A:memory:\Z", "a store in memory is memory, without sqlite:"),
    (r"\A\s|\s\Z", "leave out the spaces around the path"),
    (r"\A//", "it isn't a URL: write sqlite: and the path"),
    (r"(?i)\Afile:", "it isn't a URL: write the path"),
    (r"/\Z", "name a file in this folder"),
)
# A number for the database; whom to trust, and a client's certificate, for rediss.
_OPTIONS = frozenset(("db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs"))


def store(value: object) -> str:
    """Parse memory, sqlite: and the path of a file, which becomes absolute, or the URL of a Redis."""
    if value == "memory" or (isinstance(value, str) and _is_redis_url(value)):
        return str(value)
    match = re.fullmatch(r"sqlite:(.+)", value) if isinstance(value, str) and value.isprintable() else None
    if match is None:
        hint = advice_for(str(value), _STORE_ADVICE) or _nearest_store(value)
    else:
        hint = advice_for(match[1], _STORE_PATH_ADVICE)
        if not hint:
            return f"sqlite:{os.path.abspath(os.path.expanduser(match[1]))}"
    if re.search("(?s):.*(?:@|//)", str(value)):  # a URL, which may contain a password
        raise ValueError(f"{_EXPECTED}{hint}")
    raise InvalidValueError(_EXPECTED, value, hint)


def _nearest_store(value: object) -> str:
    """A hint for a typo. It doesn't repeat the rest: that may contain a password."""
    known = {"memory": "memory", "sqlite": "sqlite:PATH", "redis": "redis://HOST"}
    return nearest(str(value).partition(":")[0].lower(), known, known.__getitem__)


def _is_redis_url(url: str) -> bool:
    if not url.isprintable() or url != url.strip() or "#" in url:
        return False
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=True) if parts.query else ())
        has_port = parts.port != 0
    except ValueError:
        return False
    if not options.keys() <= _OPTIONS or not re.fullmatch(r"[0-9]{0,9}", options.get("db", "")):
        return False
    if parts.scheme == "unix":
        return parts.hostname is None and re.fullmatch(r"/[^?]*[^/?]", parts.path) is not None
    is_redis = re.match("rediss?://", url) is not None
    return is_redis and bool(parts.hostname) and has_port and bool(re.fullmatch(r"/?|/[0-9]+", parts.path))


def shown_store(store: str) -> str:
    """The value of `store` without the user, the password and the options of a URL: it may be shown."""
    if "://" not in store:
        return store
    parts = urlsplit(store)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def is_far(store: str) -> bool:
    """Whether a call of the store takes longer than handing it to a thread: Redis on another machine."""
    host = urlsplit(store).hostname if "://" in store else None
    try:
        return host not in (None, "localhost") and not ip_address(str(host)).is_loopback
    except ValueError:
        return True


def store_namespace(value: object) -> str:
    """Parse a namespace of at most 64 letters, digits, dots, hyphens and underscores."""
    if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text(value)):
        return text(value)
    raise InvalidValueError("must be letters, digits, dots, hyphens and underscores, at most 64", value)
