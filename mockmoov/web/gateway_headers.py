"""Owns what of a message passes a gateway (RFC 9110 §7.6), and what stays behind. Must not know sockets."""

import re
from collections.abc import Iterable

from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.oauth.responses import render_error

Fields = tuple[tuple[str, str], ...]
OURS = "x-mockmoov-"
_VIA = "1.1 mockmoov"  # RFC 9110 §7.6.3
# RFC 9110 §7.6.1; what frames a message is made anew.
_HOP_BY_HOP = frozenset(
    (
        *("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    )
)
_NOT_PASSED = _HOP_BY_HOP | {"host", "expect", "content-length", "via", "x-request-id", "forwarded"}
_NOT_BELIEVED = (OURS, "x-forwarded-")  # upstreams believe their neighbour, which is us, and not who asks
_NOT_RETURNED = _HOP_BY_HOP | {"date", "x-request-id"}
_CORS = "access-control-"  # which pages may read an answer is ours to say
# Dot segments, in any spelling that some server might resolve into another path (RFC 3986 §6.2.2.3).
_DOT_SEGMENT = re.compile(r"(?:^|/|\\|%2f|%5c)(?:\.|%2e){1,2}(?:$|/|\\|;|%2f|%5c|%3b)", re.IGNORECASE)
_LENGTH = re.compile(r"[0-9]{1,18}")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110 §5.5


def refusal(request: HttpRequest) -> HttpResponse | None:
    """The answer to a request that is not forwarded, whoever sends it; None if it may be."""
    headers = request.headers
    if "sec-websocket-key" in headers:  # RFC 6455 §4.1
        return render_error(501, "websockets are not forwarded")
    if any("mockmoov" in value for value in headers.get("via", ())):
        return render_error(502, "the upstream leads back to mockmoov")
    if _DOT_SEGMENT.search(request.path):
        return render_error(404, "no path with dot segments is forwarded: it may be another one elsewhere")
    codings, lengths = headers.get("transfer-encoding", ()), headers.get("content-length", ())
    if codings and [coding.lower() for coding in codings] != ["chunked"]:  # RFC 9112 §6.1
        return render_error(501, "no transfer coding but chunked is forwarded")
    if (codings and lengths) or len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):  # RFC 9112 §6.3
        return render_error(400, "the length of the body is not clear")
    return None


def passed(request: HttpRequest, *, plain: bool) -> list[tuple[str, str]]:
    """The header fields of a request that are sent on; `plain` asks for an answer that is not compressed."""
    dropped = _NOT_PASSED | _named(request.headers.get("connection", ()))
    if plain:
        dropped |= {"accept-encoding"}
    kept = (
        (name, value)
        for name, values in request.headers.items()
        if dropped.isdisjoint((name, _read(name))) and not _read(name).startswith(_NOT_BELIEVED)
        for value in values
    )
    return [*kept, *(("via", value) for value in (*request.headers.get("via", ()), _VIA))]


def framing(request: HttpRequest) -> tuple[str, str]:
    """The field that says where the body of a request ends, if it has one."""
    lengths = request.headers.get("content-length")
    return ("content-length", str(int(lengths[0]))) if lengths else ("transfer-encoding", "chunked")


def is_answer(status: int, fields: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether an answer can be sent back: its status is one, and no field has control characters."""
    return 200 <= status <= 599 and not any(_CONTROL.search(value) for _, value in fields)


def returned(status: int, fields: Fields) -> Fields:
    """The header fields of an answer that are sent back; names in lower case."""
    dropped = _NOT_RETURNED | _named(value for name, value in fields if name == "connection")
    if status in (204, 304) or any(name == "transfer-encoding" for name, _ in fields):
        dropped |= {"content-length"}
    return tuple(
        (name, value)
        for name, value in fields
        if name not in dropped and not _read(name).startswith(OURS) and not name.startswith(_CORS)
    )


def _named(values: Iterable[str]) -> frozenset[str]:
    """The fields that a Connection field names: they end here (RFC 9110 §7.6.1)."""
    return frozenset(name.strip().lower() for value in values for name in value.split(","))


def _read(name: str) -> str:
    """The name as it is read by who takes an underscore for a hyphen, as CGI does."""
    return name.replace("_", "-")
