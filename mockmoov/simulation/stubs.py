"""Stubs: answers that a test plans for operations.

A stub answers a request that the guard has let pass, so it never replaces a refusal. A plan is a tuple of
stubs in the order they were added; the last one that matches answers. One that isn't due, or is used up,
leaves the request to those before it.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta
from msgspec.structs import replace

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.fields import parse_as
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.operations import ENDPOINTS, operation_name
from mockmoov.oauth.responses import NO_STORE, REASON_HEADER
from mockmoov.simulation.masking import mask_member
from mockmoov.simulation.matching import (
    Mismatch,
    Planned,
    RequestFacts,
    Seconds,
    Where,
    check_conditions,
    check_where,
    count_match,
    count_trigger,
    is_due,
    is_used_up,
    matches,
    mismatches,
)
from mockmoov.simulation.planned_headers import WITHOUT_BODY, invalid_header, set_headers

_ASSIGNED = ("id", "matched", "triggered")  # the server sets these members
_CONTENT_TYPES = {
    "json": "application/json",
    "text": "text/plain; charset=utf-8",
    "body": "application/octet-stream",
}
_PLACEHOLDER = re.compile(r"\{\{|\{([A-Za-z0-9]+)\}")


class Stub(Planned, frozen=True, kw_only=True):
    """A planned answer to an operation: `status`, `headers`, and one of `json`, `text` and `body` (bytes).

    It is sent after `delay` seconds. In `text` and in the strings of `json`, `{accountID}` is replaced with
    the path parameter of that name, if the operation has one; `{{` is a literal brace.
    """

    status: Annotated[int, Meta(ge=200, le=599)] = 200
    headers: Mapping[str, str] = {}
    json: Any = UNSET
    text: str | None = None
    body: bytes | None = None
    delay: Seconds = 0.0


StubPlan: TypeAlias = tuple[Stub, ...]


def make_stub(members: Mapping[str, Any]) -> Stub:
    """Make a stub from its members; raises `FieldError`."""
    check_where(members)
    if isinstance(members.get("body"), dict | list):
        raise FieldError("body", "body must be bytes: for JSON, use json")
    stub = parse_as(members, Stub, hidden=_ASSIGNED)
    if stub.endpoint is None:
        raise FieldError("endpoint", "endpoint is missing: name an operation, such as listAccounts")
    if ENDPOINTS.get(stub.endpoint) in ("token", "revoke"):
        fault = f'plan a fault, such as faults.add(endpoint="{ENDPOINTS[stub.endpoint]}", status=503)'
        raise FieldError("endpoint", f"a stub answers an operation: for {stub.endpoint}, {fault}")
    stub = replace(stub, endpoint=operation_name(stub.endpoint))
    check_conditions(stub.endpoint, stub.where)
    contents = _contents(stub)
    if len(contents) > 1:
        raise FieldError(contents[1], f"{contents[1]} cannot be combined with {contents[0]}")
    if (problem := invalid_header(stub.headers)) is not None:
        raise FieldError("headers", f"headers {problem}")
    if stub.status in WITHOUT_BODY and contents:
        raise FieldError("status", f"status {stub.status} cannot have a body")
    return stub


def select_stub(plan: StubPlan, facts: RequestFacts) -> tuple[Stub | None, StubPlan]:
    """Return the stub that answers a request, or None, and the plan with updated counts."""
    counted = list(plan)
    for index in reversed(range(len(plan))):
        stub = plan[index]
        if stub.endpoint != facts.endpoint or is_used_up(stub) or not matches(stub.where, facts):
            continue
        counted[index] = matched = count_match(stub)
        if is_due(matched):
            counted[index] = answering = count_trigger(matched)
            return answering, tuple(counted)
    return None, tuple(counted)


def miss_reason(plan: StubPlan, facts: RequestFacts) -> str:
    """Why the last stub of an operation doesn't answer a request, without secrets; "" if there is no stub."""
    stub = next((each for each in reversed(plan) if each.endpoint == facts.endpoint), None)
    if stub is None:
        return ""
    if is_used_up(stub):
        return f"it is used up (times={stub.times})"
    missed = [_describe(mismatch) for mismatch in mismatches(stub.where, facts)]
    return ", ".join(missed) or f"it skips this request (after={stub.after}, every={stub.every})"


def _describe(mismatch: Mismatch) -> str:
    kind, _, rest = mismatch.name.partition(".")
    if mismatch.actual is None:
        return f"{mismatch.name} is absent" + ("" if rest or kind != "body" else ", or isn't JSON")
    if kind == "headers":
        return f"{mismatch.name} differs"
    member = rest.rpartition(".")[2]
    expected, actual = (mask_member(member, value) for value in (mismatch.expected, mismatch.actual))
    return f"{mismatch.name} is {actual!r}, not {expected!r}"


def stub_response(stub: Stub, path_parameters: Mapping[str, str]) -> HttpResponse:
    """Make the response of a stub; `path_parameters` are those of the request, decoded."""
    headers = {**dict(NO_STORE), REASON_HEADER: f"stub {stub.id}"}
    for kind in _contents(stub):
        headers["content-type"] = _CONTENT_TYPES[kind]
    return HttpResponse(
        status=stub.status,
        headers=set_headers(headers.items(), stub.headers),
        body=_body(stub, path_parameters),
    )


def describe_stub(stub: Stub) -> str:
    """Describe a stub in one line, without its contents."""
    counts = {"after": 0, "every": 1, "times": None, "status": 200}
    values = {name: getattr(stub, name) for name, default in counts.items() if getattr(stub, name) != default}
    conditions = [name for name in Where.__struct_fields__ if getattr(stub.where, name) not in (None, {})]
    where = f", where {' and '.join(conditions)}" if conditions else ""
    return ", ".join([repr(stub.endpoint), *(f"{name}={value}" for name, value in values.items())]) + where


def _contents(stub: Stub) -> list[str]:
    """Which of `json`, `text` and `body` a stub has."""
    given = {"json": stub.json is not UNSET, "text": stub.text is not None, "body": stub.body is not None}
    return [name for name, is_given in given.items() if is_given]


def _body(stub: Stub, path_parameters: Mapping[str, str]) -> bytes:
    if stub.json is not UNSET:
        return to_json(_fill(stub.json, path_parameters))
    if stub.text is not None:
        return _fill_text(stub.text, path_parameters).encode()
    return stub.body or b""


def _fill(value: Any, path_parameters: Mapping[str, str]) -> Any:
    """A JSON value with path parameters filled into its strings; names of members stay as they are."""
    if isinstance(value, str):
        return _fill_text(value, path_parameters)
    if isinstance(value, Mapping):
        return {name: _fill(member, path_parameters) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_fill(item, path_parameters) for item in value]
    return value


def _fill_text(text: str, path_parameters: Mapping[str, str]) -> str:
    if "{" not in text:
        return text
    return _PLACEHOLDER.sub(lambda found: path_parameters.get(found[1], found[0]) if found[1] else "{", text)
