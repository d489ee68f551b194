"""Which header fields a gateway passes on, and which requests it does not forward (RFC 9110 §7.6)."""

import re
from collections.abc import Iterable

from mockmoov.oauth.messages import Fields, HttpRequest, HttpResponse
from mockmoov.oauth.responses import render_error

OWN_PREFIX = "x-mockmoov-"
_VIA = "1.1 mockmoov"  # RFC 9110 §7.6.3
# RFC 9110 §7.6.1. Fields that frame a message are written again.
_HOP_BY_HOP = frozenset(
    (
        *("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    )
)
_NOT_SENT_ON = _HOP_BY_HOP | {"host", "expect", "content-length", "via", "x-request-id", "forwarded"}
_UNTRUSTED_PREFIXES = (OWN_PREFIX, "x-forwarded-")  # an upstream trusts these, so no client may set them
_NOT_SENT_BACK = _HOP_BY_HOP | {"date", "x-request-id"}
_CORS = "access-control-"  # mockmoov decides which pages may read a response
# Dot segments, in any spelling that some server might resolve into another path (RFC 3986 §6.2.2.3).
_DOT_SEGMENT = re.compile(r"(?:^|/|\\|%2f|%5c)(?:\.|%2e){1,2}(?:$|/|\\|;|%2f|%5c|%3b)", re.IGNORECASE)
_LENGTH = re.compile(r"[0-9]{1,18}")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110 §5.5


def forwarding_error(request: HttpRequest) -> HttpResponse | None:
    """The response to a request that must not be forwarded, whoever sends it; None for any other."""
    headers = request.headers
    if "sec-websocket-key" in headers:  # RFC 6455 §4.1
        return render_error(501, "websockets are not forwarded")
    if any("mockmoov" in value for value in headers.get("via", ())):
        return render_error(502, "the upstream leads back to mockmoov")
    if _DOT_SEGMENT.search(request.path):
        return render_error(
            404, "a path with dot segments is not forwarded: the upstream may read it as another path"
        )
    codings, lengths = headers.get("transfer-encoding", ()), headers.get("content-length", ())
    if codings and [coding.lower() for coding in codings] != ["chunked"]:  # RFC 9112 §6.1
        return render_error(501, "only the transfer coding chunked is forwarded")
    if (codings and lengths) or len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):  # RFC 9112 §6.3
        return render_error(400, "the length of the body is ambiguous")
    return None


def request_headers(request: HttpRequest, *, plain: bool) -> list[tuple[str, str]]:
    """The header fields that the upstream gets; `plain` asks it for a response without compression."""
    dropped = _NOT_SENT_ON | _connection_options(request.headers.get("connection", ()))
    if plain:
        dropped |= {"accept-encoding"}
    kept = (
        (name, value)
        for name, fields in request.headers.items()
        if dropped.isdisjoint((name, _hyphenated(name)))
        and not _hyphenated(name).startswith(_UNTRUSTED_PREFIXES)
        for value in fields
    )
    return [*kept, *(("via", value) for value in (*request.headers.get("via", ()), _VIA))]


def framing_header(request: HttpRequest) -> tuple[str, str]:
    """The field that says where the body of a request ends."""
    lengths = request.headers.get("content-length")
    return ("content-length", str(int(lengths[0]))) if lengths else ("transfer-encoding", "chunked")


def is_valid_response(status: int, fields: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a response can be sent back: it has a valid status, and no field has control characters."""
    return 200 <= status <= 599 and not any(_CONTROL.search(value) for _, value in fields)


def response_headers(status: int, fields: Fields) -> Fields:
    """The header fields of a response that the client gets; names in lower case."""
    dropped = _NOT_SENT_BACK | _connection_options(value for name, value in fields if name == "connection")
    if status in (204, 304) or any(name == "transfer-encoding" for name, _ in fields):
        dropped |= {"content-length"}
    return tuple(
        (name, value)
        for name, value in fields
        if name not in dropped and not _hyphenated(name).startswith(OWN_PREFIX) and not name.startswith(_CORS)
    )


def _connection_options(fields: Iterable[str]) -> frozenset[str]:
    """The fields that Connection names: they are for this hop only (RFC 9110 §7.6.1)."""
    return frozenset(name.strip().lower() for value in fields for name in value.split(","))


def _hyphenated(name: str) -> str:
    """The name as CGI reads it, which takes an underscore for a hyphen."""
    return name.replace("_", "-")
