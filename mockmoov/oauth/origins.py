"""Owns what an origin is, and the Origin rule for browsers' tokens. Must not know tokens or stores."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from mockmoov.oauth.messages import Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginPolicy:
    """Why a request is refused that names no origin, or one of this machine; "" if it is not."""

    absent: str
    loopback: str


# The values of the setting `origin_policy`; None asks nothing.
ORIGIN_POLICIES: Mapping[str, OriginPolicy | None] = {
    "if-present": OriginPolicy(absent="", loopback=""),  # choice: local development is what a fake is for
    "required": OriginPolicy(  # docs
        absent="neither Origin nor Referer was sent",
        loopback="the origin is this machine's, which Moov refuses",
    ),
    "off": None,
}

_ORIGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(\[[0-9A-Fa-f:.]+\]|[^\s:/?#@\[\]\\]+)(?::([0-9]{1,5}))?")
_LAST_PORT = 65535
_DEFAULT_PORTS = {"http": 80, "https": 443}
_OCTET = r"\.(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})"
_LOOPBACK = re.compile(rf"(?:[a-z0-9_-]+\.)*localhost|127(?:{_OCTET}){{3}}|\[::1\]")


def serialize_origin(text: str) -> str | None:
    """An origin as it is compared: lower case, default port dropped (RFC 6454 §6.1); None if it is none.

    `null`, and anything with a path, is no origin.
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
    """Whether a host name, IPv6 in brackets, can only mean this machine."""
    return _LOOPBACK.fullmatch(host.lower()) is not None


def is_loopback(origin: str) -> bool:
    """Whether a serialised origin is this machine's, on any port."""
    match = _ORIGIN.fullmatch(origin)
    return match is not None and is_loopback_host(match[2])


def request_origin(headers: Headers) -> str | None:
    """The origin that a request names, or None if it names none; "" for one that is no origin.

    `Origin` wins over `Referer`, of which only scheme, host and port count (docs).
    """
    if "origin" in headers:
        values = headers["origin"]
        return (serialize_origin(values[0]) or "") if len(values) == 1 else ""
    if "referer" in headers:
        return _referer_origin(headers["referer"])
    return None


def _referer_origin(values: tuple[str, ...]) -> str:
    try:
        parts = urlsplit(values[0] if len(values) == 1 else "")
    except ValueError:
        return ""
    return serialize_origin(f"{parts.scheme}://{parts.netloc}") or ""


def origin_rejection_reason(policy: OriginPolicy | None, headers: Headers, audiences: Iterable[str]) -> str:
    """Why the Origin rule refuses a request with a browser's token, or "" if it does not (docs)."""
    if policy is None:
        return ""
    origin = request_origin(headers)
    if origin is None:
        return policy.absent
    if is_loopback(origin):
        return policy.loopback
    if origin in map(serialize_origin, audiences):
        return ""
    return (
        "the token is not for this origin: it was not registered when the token was made; "
        "register it, then mint again"
    )
