"""The planned faults of the server and of each API key, as resources of the control plane."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from secrets import randbelow, token_hex
from typing import Any

from mockmoov.control_plane.resource import (
    ControlRequest,
    ControlResponse,
    ResourceError,
    allow_members,
    owner_of,
)
from mockmoov.control_plane.validation import (
    parse_as,
    read_time,
    require_endpoint,
    require_known,
    require_one_of,
)
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.grants import GRANTS
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.simulation import fault_effects
from mockmoov.simulation.faults import MAX_COUNT, PRESETS, Fault, Where

_ASSIGNED = ("id", "matched", "triggered")  # the server sets these members
# Members that only select exchanges, and `preset`, which is replaced by its own members.
_SELECTORS = {
    "preset", "endpoint", "grant_type", "where",
    "after", "every", "times", "probability", "seed", "start", "end",
}  # fmt: skip


class FaultsResource:
    """Lists, adds and removes planned faults."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._simulation = server.simulation
        self._owner = partial(owner_of, repository=server.repository)
        self._endpoints = server.endpoint_names

    def list_all(self, request: ControlRequest) -> ControlResponse:
        """List the faults in order, with how often each one matched and triggered."""
        owner = self._owner(request)
        return ControlResponse(document={"client_id": owner, "faults": self._simulation.faults(owner)})

    def add(self, request: ControlRequest) -> ControlResponse:
        """Add a fault at the end of the plan."""
        owner = self._owner(request)
        fault = replace(self._parse(request.body), id=token_hex(8))
        if (problem := fault_effects.invalid_member(fault)) is not None:
            raise FieldError(problem[0], " ".join(problem))
        try:
            self._simulation.add_fault(owner, fault)
        except ValueError as error:
            raise ResourceError(409, str(error)) from None
        return ControlResponse(document={"client_id": owner, "fault": fault}, status=201)

    def remove(self, request: ControlRequest) -> ControlResponse:
        """Remove one fault."""
        allow_members(request)
        if not self._simulation.remove_faults(self._owner(request), request.parameters["fault_id"]):
            raise ResourceError(404, "there is no fault with this id in the plan")
        return ControlResponse(status=204)

    def remove_all(self, request: ControlRequest) -> ControlResponse:
        """Remove all faults."""
        allow_members(request)
        self._simulation.remove_faults(self._owner(request))
        return ControlResponse(status=204)

    def _parse(self, body: Mapping[str, Any]) -> Fault:
        members = _members(body)
        fault = parse_as(members, Fault, hidden=_ASSIGNED)
        if fault.endpoint is not None:
            require_endpoint(fault.endpoint, self._endpoints)
        if fault.grant_type is not None:
            require_one_of("grant_type", fault.grant_type, GRANTS)
        if fault.start is not None and fault.end is not None and fault.end <= fault.start:
            raise FieldError("end", "end must be after start")
        if not members.keys() - _SELECTORS:
            raise FieldError(
                "preset", "this fault does nothing: add a preset, a status, a delay or another effect"
            )
        return (
            fault
            if fault.probability == 1 or "seed" in members
            else replace(fault, seed=randbelow(MAX_COUNT))
        )


def _members(body: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a fault, those of its preset included, with times in Unix seconds."""
    preset = body.get("preset")
    members = dict(body) if preset is None else {**PRESETS[require_one_of("preset", preset, PRESETS)], **body}
    for name in ("start", "end"):
        if members.get(name) is not None:
            members[name] = read_time(name, members[name])
    if isinstance(members.get("where"), dict):
        for name in members["where"]:
            require_known(name, Where.__slots__, "field of where named")
    return members
