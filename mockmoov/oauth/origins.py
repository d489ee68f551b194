"""Origins (RFC 6454), and Moov's Origin rule: a browser token works only from a registered origin (docs)."""

import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

from msgspec import Struct

from mockmoov.oauth.messages import Headers


class OriginPolicy(Struct, frozen=True, kw_only=True):
    """Why a request without an origin, or from a loopback origin, is rejected; "" if it is accepted."""

    absent: str
    loopback: str


# The values of the setting `origin_policy`; None turns the Origin rule off.
ORIGIN_POLICIES: Mapping[str, OriginPolicy | None] = {
    "if-present": OriginPolicy(absent="", loopback=""),  # choice: a fake is for local development
    "required": OriginPolicy(  # docs
        absent="no Origin or Referer header was sent: origin_policy=required needs one",
        loopback="Moov rejects loopback origins: use a registered origin, or set origin_policy=if-present",
    ),
    "off": None,
}

_ORIGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(\[[0-9A-Fa-f:.]+\]|[^\s:/?#@\[\]\\*]+)(?::([0-9]{1,5}))?")
_NO_ORIGIN = "the page has no origin, as a file or a sandboxed frame has none: serve it over http"
NOT_AN_ORIGIN = "the Origin or Referer is not an origin such as https://shop.example, without a path"
_LAST_PORT = 65535
_DEFAULT_PORTS = {"http": 80, "https": 443}
_OCTET = r"\.(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})"
_LOOPBACK = re.compile(rf"(?:[a-z0-9_-]+\.)*localhost|127(?:{_OCTET}){{3}}|\[::1\]")


def serialize_origin(text: str) -> str | None:
    """Normalize an origin: lower case, no default port (RFC 6454 §6.1).

    None if it is null, or has a path or a `*`: no origin matches a pattern.
    """
    match = _ORIGIN.fullmatch(text)
    if not match:
        return None
    scheme, host = match[1].lower(), match[2].lower()
    port = int(match[3]) if match[3] else None
    if port is None or port == _DEFAULT_PORTS.get(scheme):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{port}" if port <= _LAST_PORT else None


def is_loopback_host(host: str) -> bool:
    """Whether a host name (IPv6 in brackets) always means the local machine."""
    return _LOOPBACK.fullmatch(host.lower()) is not None


def is_loopback(origin: str) -> bool:
    """Whether a serialized origin is on the local machine, on any port."""
    match = _ORIGIN.fullmatch(origin)
    return match is not None and is_loopback_host(match[2])


def request_origin(headers: Headers) -> str | None:
    """Return the origin of a request, serialized; None without `Origin` and `Referer`, "" if invalid.

    `Origin` wins over `Referer`, of which only scheme, host and port count (docs).
    """
    if "origin" in headers:
        origins = headers["origin"]
        return (serialize_origin(origins[0]) or "") if len(origins) == 1 else ""
    if "referer" in headers:
        return _referer_origin(headers["referer"])
    return None


def _referer_origin(referers: tuple[str, ...]) -> str:
    try:
        parts = urlsplit(referers[0] if len(referers) == 1 else "")
    except ValueError:
        return ""
    return serialize_origin(f"{parts.scheme}://{parts.netloc}") or ""


def origin_rejection_reason(
    policy: OriginPolicy | None,
    headers: Headers,
    audiences: Iterable[str],
    *,
    registered: Iterable[str] = (),
    show: Callable[[str], str] = str,
) -> str:
    """Why the Origin rule rejects a request with a browser token, or "" if it doesn't (docs).

    `audiences` are those of the token: the origins of its API key when it was issued are among them;
    `registered` are those of now. `show` hides what could be a secret in an origin.
    """
    if policy is None:
        return ""
    origin = request_origin(headers)
    if origin is None:
        return policy.absent
    if is_loopback(origin):
        return policy.loopback
    allowed = [each for each in map(serialize_origin, audiences) if each]
    if origin in allowed:
        return ""
    if origin == "":
        return _NO_ORIGIN if headers.get("origin") == ("null",) else NOT_AN_ORIGIN
    return _why_foreign(origin, allowed, registered, show)


def _why_foreign(
    origin: str, allowed: Iterable[str], registered: Iterable[str], show: Callable[[str], str]
) -> str:
    if origin in registered:
        return f"{show(origin)} was added to the API key after the token was issued: request a new token"
    same_host = next((each for each in allowed if _host(each) == _host(origin)), "")
    other = f", but {show(same_host)} is: scheme and port count" if same_host else ""
    return f"{show(origin)} is not an origin of the API key{other}; add it, and request a new token"


def _host(origin: str) -> str:
    found = _ORIGIN.fullmatch(origin)
    return found[2] if found else ""
