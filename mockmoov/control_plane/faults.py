"""Owns the planned faults, of the server and of API keys, as resources. Must not know paths or HTTP."""

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
from mockmoov.control_plane.validation import among, convert, endpoint, known, read_time
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.grants import GRANTS
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.simulation import fault_effects
from mockmoov.simulation.faults import MAX_COUNT, PRESETS, Fault, Where

_ASSIGNED = ("id", "matched", "triggered")  # members that are ours to give
# Members that say which exchanges and when; without any other one, nothing would happen to them.
_AIMS = frozenset(
    (
        *("preset", "endpoint", "grant_type", "where"),
        *("after", "every", "times", "probability", "seed", "start", "end"),
    )
)


class FaultsResource:
    """The plan of faults: they can be listed, added and removed."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._simulation = server.simulation
        self._owner = partial(owner_of, repository=server.repository)
        self._endpoints = server.endpoint_names

    def list_all(self, request: ControlRequest) -> ControlResponse:
        """The plan in its order, with how often each fault matched and triggered."""
        owner = self._owner(request)
        return ControlResponse(document={"client_id": owner, "faults": self._simulation.faults(owner)})

    def add(self, request: ControlRequest) -> ControlResponse:
        """Add a fault at the end of the plan."""
        owner = self._owner(request)
        fault = replace(self._read(request.body), id=token_hex(8))
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
        """Empty the plan."""
        allow_members(request)
        self._simulation.remove_faults(self._owner(request))
        return ControlResponse(status=204)

    def _read(self, body: Mapping[str, Any]) -> Fault:
        members = _members(body)
        fault = convert(members, Fault, hidden=_ASSIGNED)
        if fault.endpoint is not None:
            endpoint(fault.endpoint, self._endpoints)
        if fault.grant_type is not None:
            among("grant_type", fault.grant_type, GRANTS)
        if fault.start is not None and fault.end is not None and fault.end <= fault.start:
            raise FieldError("end", "end must be after start")
        if not members.keys() - _AIMS:
            raise FieldError("preset", "nothing would happen: give a preset, a status, a delay or the like")
        return (
            fault
            if fault.probability == 1 or "seed" in members
            else replace(fault, seed=randbelow(MAX_COUNT))
        )


def _members(body: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked for, on top of its preset, with times in Unix seconds; raises `FieldError`."""
    preset = body.get("preset")
    members = dict(body) if preset is None else {**PRESETS[among("preset", preset, PRESETS)], **body}
    for name in ("start", "end"):
        if members.get(name) is not None:
            members[name] = read_time(name, members[name])
    if isinstance(members.get("where"), dict):
        for name in members["where"]:
            known(name, Where.__slots__, "field of where")
    return members
