"""The planned faults of the server and of each API key, as resources of the control plane."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from secrets import randbelow, token_hex
from typing import Any

from mockmoov.control_plane import validation
from mockmoov.control_plane.resource import ControlRequest, ResourceError
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.responses import render_empty, render_json
from mockmoov.simulation import fault_effects
from mockmoov.simulation.faults import MAX_COUNT, PRESETS, Fault, Where

_ASSIGNED = ("id", "matched", "triggered")  # the server sets these members
# Members that only select exchanges, and `preset`, which is replaced by its own members.
_SELECTORS = {
    "preset", "endpoint", "grant_type", "where",
    "after", "every", "times", "probability", "seed", "start", "end",
}  # fmt: skip


def list_all(request: ControlRequest) -> HttpResponse:
    """List the faults in order, with how often each one matched and triggered."""
    owner = request.owner()
    return render_json({"client_id": owner, "faults": request.server.simulation.faults(owner)})


def add(request: ControlRequest) -> HttpResponse:
    """Add a fault at the end of the plan."""
    owner = request.owner()
    fault = replace(_parse(request.body, request.server.endpoint_names), id=token_hex(8))
    if (problem := fault_effects.invalid_member(fault)) is not None:
        raise FieldError(problem[0], " ".join(problem))
    try:
        request.server.simulation.add_fault(owner, fault)
    except ValueError as error:
        raise ResourceError(409, str(error)) from None
    return render_json({"client_id": owner, "fault": fault}, status=201)


def remove(request: ControlRequest) -> HttpResponse:
    """Remove one fault."""
    request.allow_members()
    if not request.server.simulation.remove_faults(request.owner(), request.parameters["fault_id"]):
        raise ResourceError(404, "there is no fault with this id in the plan")
    return render_empty(204)


def remove_all(request: ControlRequest) -> HttpResponse:
    """Remove all faults."""
    request.allow_members()
    request.server.simulation.remove_faults(request.owner())
    return render_empty(204)


def _parse(body: Mapping[str, Any], endpoints: Iterable[str]) -> Fault:
    members = _members(body)
    fault = validation.parse_as(members, Fault, hidden=_ASSIGNED)
    validation.require_selectors(fault.endpoint, fault.grant_type, endpoints)
    if fault.start is not None and fault.end is not None and fault.end <= fault.start:
        raise FieldError("end", "end must be after start")
    if not members.keys() - _SELECTORS:
        raise FieldError(
            "preset", "this fault does nothing: add a preset, a status, a delay or another effect"
        )
    has_seed = fault.probability == 1 or "seed" in members
    return fault if has_seed else replace(fault, seed=randbelow(MAX_COUNT))


def _members(body: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a fault, those of its preset included, with times in Unix seconds."""
    members = dict(body)
    if (preset := body.get("preset")) is not None:
        members = {**PRESETS[validation.require_one_of("preset", preset, PRESETS)], **body}
    for name in ("start", "end"):
        if members.get(name) is not None:
            members[name] = validation.read_time(name, members[name])
    if isinstance(members.get("where"), dict):
        for name in members["where"]:
            validation.require_known(name, Where.__slots__, "field of where named")
    return members
