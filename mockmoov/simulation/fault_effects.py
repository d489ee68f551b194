"""What a triggered fault does to a response: replace it, change it, or lose it on the way."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.messages import HttpResponse, TokenResponse
from mockmoov.oauth.responses import NO_STORE, REASON_HEADER
from mockmoov.simulation.faults import Fault, fault_reason, has_response
from mockmoov.simulation.planned_headers import (
    REQUEST_ID,
    WITHOUT_BODY,
    invalid_header,
    is_field_value,
    set_headers,
)

if TYPE_CHECKING:
    from mockmoov.oauth.contracts import Contract


def invalid_member(fault: Fault) -> tuple[str, str] | None:
    """Return the first member of a fault that can't be sent, and why, as a predicate; None if all can."""
    if (problem := invalid_header(fault.headers)) is not None:
        return "headers", problem
    if fault.content_type is not None and not is_field_value(fault.content_type):
        return "content_type", "must be printable ASCII"
    if fault.body is not None and fault.text is not None:
        return "text", "cannot be combined with body"
    if fault.status in WITHOUT_BODY and _body(fault):
        return "status", f"{fault.status} cannot have a body"
    return None


def planned_response(fault: Fault, contract: "Contract") -> HttpResponse | None:
    """Make the response that a fault sends instead of the real one; None if it doesn't replace it."""
    if not has_response(fault):
        return None
    headers: dict[str, str] = {}
    if fault.body is not None or fault.text is not None:
        usual = "text/plain" if fault.body is None else "application/json"
        headers["content-type"] = fault.content_type or usual
    headers |= dict(NO_STORE) | {REASON_HEADER: fault_reason(fault)} | _retry_after(fault, contract)
    sent, body = set_headers(headers.items(), fault.headers), _truncate(fault, _body(fault))
    return HttpResponse(status=fault.status or 200, headers=sent, body=body)


def apply_to_response(
    fault: Fault, response: HttpResponse, contract: "Contract", issued: TokenResponse | None = None
) -> HttpResponse:
    """Change the real response as a fault says. `drop` and `set` change only a success with a JSON object.

    `issued` are the tokens in it, if there are any.
    """
    changes: dict[str, str | None] = dict(_retry_after(fault, contract))
    members = fault.set
    if fault.other_expires_in and issued is not None:
        members = {"expires_in": contract.other_expires_in(issued), **members}
    if fault.content_type is not None and any(name == "content-type" for name, _ in response.headers):
        changes["content-type"] = fault.content_type
    body = response.body
    if body and response.status < 300 and (fault.drop or members):
        body = _change_members(fault.drop, members, body)
    headers = set_headers(set_headers(response.headers, changes), fault.headers)
    return replace(response, headers=headers, body=_truncate(fault, body))


def needs_whole_body(fault: Fault) -> bool:
    """Whether a fault needs the whole body of the real response, so that it can't be streamed."""
    changed = (fault.truncate, fault.content_type)
    return bool(fault.drop or fault.set or fault.network_error or changed != (None, None))


def has_request_id(fault: Fault) -> bool:
    """Whether the response has a request id: only a fault leaves it out."""
    return all(name.lower() != REQUEST_ID for name in fault.headers)


def _change_members(dropped: Iterable[str], members: Mapping[str, object], body: bytes) -> bytes:
    """Drop and set members of a JSON object; a body that isn't one, as an upstream's may be, is unchanged."""
    try:
        document = json.loads(body)
        kept = {name: value for name, value in document.items() if name not in dropped}
        return to_json({**kept, **members})
    except (ValueError, AttributeError, OverflowError, RecursionError):
        return body


def _truncate(fault: Fault, body: bytes) -> bytes:
    """The first bytes of a body, but never the whole."""
    return body if fault.truncate is None else body[: min(fault.truncate, max(0, len(body) - 1))]


def _retry_after(fault: Fault, contract: "Contract") -> dict[str, str]:
    return {} if fault.retry_after is None else dict(contract.rate_limit_headers(fault.retry_after))


def _body(fault: Fault) -> bytes:
    return (fault.text or "").encode() if fault.body is None else to_json(fault.body)
