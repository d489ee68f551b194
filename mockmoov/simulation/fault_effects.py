"""Owns how a fault looks on the wire. Must not know which exchange meets it, nor sockets."""

import json
import re
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from mockmoov.oauth.contracts import Contract
from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.responses import NO_STORE, REASON_HEADER
from mockmoov.simulation.faults import Fault, has_response

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110 §5.6.2
_FIELD_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,2000}[\x21-\x7e])?")  # RFC 9110 §5.5, ASCII only
_OURS = frozenset(
    {"connection", "content-length", "date", "trailer", "transfer-encoding", REASON_HEADER, "x-request-id"}
)
_WITHOUT_BODY = frozenset({204, 205, 304})  # RFC 9110 §15.3.5, §15.3.6, §15.4.5


def invalid_member(fault: Fault) -> tuple[str, str] | None:
    """The member of a fault that could not be sent, and why; None if all can."""
    for name, value in fault.headers.items():
        if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
            return "headers", "has a name that is no header's, or one that the server sets itself"
        if not _FIELD_VALUE.fullmatch(value):
            return "headers", "has a value that is not printable ASCII"
    if fault.content_type is not None and not _FIELD_VALUE.fullmatch(fault.content_type):
        return "content_type", "is not printable ASCII"
    if fault.body is not None and fault.text is not None:
        return "text", "and body exclude each other"
    if has_response(fault) and (fault.status in _WITHOUT_BODY and _body(fault)):
        return "status", "cannot have a body"
    return None


def planned_response(fault: Fault, contract: Contract) -> HttpResponse | None:
    """The answer that stands in for the real one; None if the real one is to go out."""
    if not has_response(fault):
        return None
    content_type = fault.content_type or ("application/json" if fault.body is not None else "text/plain")
    headers: dict[str, str] = {"content-type": content_type} if _has_body(fault) else {}
    headers |= dict(NO_STORE) | {REASON_HEADER: f"fault {fault.id}"} | _retry_after(fault, contract)
    body = _body(fault)[: fault.truncate]
    return HttpResponse(status=fault.status or 200, headers=_with(headers.items(), fault.headers), body=body)


def apply_to_response(fault: Fault, response: HttpResponse, contract: Contract) -> HttpResponse:
    """The real answer as the fault leaves it: members are changed only where it is a success with JSON."""
    changes = dict(_retry_after(fault, contract))
    if fault.content_type is not None and response.body:
        changes["content-type"] = fault.content_type
    body = response.body
    if body and response.status == 200 and (fault.drop or fault.set):
        body = _changed(fault, body)
    headers = _with(_with(response.headers, changes), fault.headers)
    return replace(response, headers=headers, body=body[: fault.truncate])


def needs_whole_body(fault: Fault) -> bool:
    """Whether the real answer must be known whole before the fault can alter it."""
    return bool(
        fault.drop
        or fault.set
        or fault.truncate is not None
        or fault.content_type is not None
        or fault.network_error
    )


def _changed(fault: Fault, body: bytes) -> bytes:
    """The members as the fault leaves them, if it is a JSON object, which another server's may not be."""
    try:
        document = json.loads(body)
        kept = {name: value for name, value in document.items() if name not in fault.drop}
        return to_json({**kept, **fault.set})
    except (ValueError, AttributeError, OverflowError, RecursionError):
        return body


def _has_body(fault: Fault) -> bool:
    return fault.body is not None or fault.text is not None


def _retry_after(fault: Fault, contract: Contract) -> dict[str, str]:
    return {} if fault.retry_after is None else dict(contract.rate_limit_headers(fault.retry_after))


def _body(fault: Fault) -> bytes:
    if fault.body is not None:
        return to_json(fault.body)
    return (fault.text or "").encode()


def _with(headers: Iterable[tuple[str, str]], changes: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    changed = {name.lower(): value for name, value in changes.items()}
    return (*((name, value) for name, value in headers if name not in changed), *changed.items())
