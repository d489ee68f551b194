"""Owns the planned faults, of the server and of API keys, as resources. Must not know paths or HTTP."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from secrets import randbelow, token_hex
from typing import Any

from mockmoov.control_plane.resource import Answer, Asked, Refused, owner_of, want_members
from mockmoov.control_plane.validation import among, convert, endpoint, known, read_time
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.grants import GRANTS
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.simulation import fault_effects
from mockmoov.simulation.faults import MOST, PRESETS, Fault, Where

_ASSIGNED = ("id", "seen", "met")  # members that are ours to give
# Members that say which exchanges and when; without any other one, nothing would happen to them.
_AIMS = frozenset(
    (
        *("preset", "endpoint", "grant_type", "where"),
        *("after", "every", "times", "probability", "seed", "start", "end"),
    )
)


class Faults:
    """The plan of faults: they can be listed, added and removed."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._conditions = server.conditions
        self._owner = partial(owner_of, repository=server.repository)
        self._endpoints = server.endpoint_names

    def list_all(self, asked: Asked) -> Answer:
        """The plan in its order, with how often each fault was seen and met."""
        owner = self._owner(asked)
        return Answer(document={"client_id": owner, "faults": self._conditions.faults(owner)})

    def add(self, asked: Asked) -> Answer:
        """Add a fault at the end of the plan."""
        owner = self._owner(asked)
        fault = replace(self._read(asked.body), id=token_hex(8))
        if (problem := fault_effects.check(fault)) is not None:
            raise FieldError(problem[0], " ".join(problem))
        try:
            self._conditions.add_fault(owner, fault)
        except ValueError as error:
            raise Refused(409, str(error)) from None
        return Answer(document={"client_id": owner, "fault": fault}, status=201)

    def remove(self, asked: Asked) -> Answer:
        """Remove one fault."""
        want_members(asked)
        if not self._conditions.remove_faults(self._owner(asked), asked.parameters["fault_id"]):
            raise Refused(404, "there is no fault with this id in the plan")
        return Answer(status=204)

    def remove_all(self, asked: Asked) -> Answer:
        """Empty the plan."""
        want_members(asked)
        self._conditions.remove_faults(self._owner(asked))
        return Answer(status=204)

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
        return fault if fault.probability == 1 or "seed" in members else replace(fault, seed=randbelow(MOST))


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
