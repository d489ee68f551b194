"""How a planned fault is read from a request of the control plane."""

from collections.abc import Mapping
from secrets import randbelow
from typing import Any

from msgspec.structs import replace

from mockmoov.control_plane.validation import read_selectors, read_time
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.fields import parse_as, require_one_of
from mockmoov.oauth.operations import ENDPOINTS
from mockmoov.simulation import fault_effects
from mockmoov.simulation.faults import PRESETS, Fault, is_success
from mockmoov.simulation.matching import MAX_COUNT, check_conditions, check_where

_ASSIGNED = ("id", "matched", "triggered")  # the server sets these members
# Members that only select exchanges, and `preset`, which is replaced by its own members.
_SELECTORS = {
    "preset", "endpoint", "grant_type", "where",
    "after", "every", "times", "probability", "seed", "start", "end",
}  # fmt: skip


def make_fault(body: Mapping[str, Any]) -> Fault:
    """Make a fault from its members; raises `FieldError`."""
    fault = _parse(body)
    if (problem := fault_effects.invalid_member(fault)) is not None:
        raise FieldError(problem[0], " ".join(problem))
    _check_success(fault)
    return fault


def _parse(body: Mapping[str, Any]) -> Fault:
    members = _members(body)
    fault = parse_as(members, Fault, hidden=_ASSIGNED)
    fault = replace(fault, endpoint=read_selectors(fault.endpoint, fault.grant_type))
    check_conditions(fault.endpoint, fault.where)
    if fault.start is not None and fault.end is not None and fault.end <= fault.start:
        raise FieldError("end", "end must be after start")
    if not members.keys() - _SELECTORS:
        raise FieldError(
            "preset", "this fault does nothing: add a preset, a status, a delay or another effect"
        )
    has_seed = fault.probability == 1 or "seed" in members
    return fault if has_seed else replace(fault, seed=randbelow(MAX_COUNT))


def _check_success(fault: Fault) -> None:
    """A planned success is for the OAuth endpoints; stubs answer operations, after the guard."""
    if is_success(fault) and fault.endpoint not in ("token", "revoke"):
        example = f': stubs.add("{fault.endpoint}", json={{}})' if fault.endpoint else ""
        raise FieldError(
            "status",
            'a fault below 400 needs endpoint="token" or "revoke"; to answer an operation, use a stub'
            + example,
        )


def _members(body: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a fault, those of its preset included, with times in Unix seconds."""
    members = dict(body)
    if (preset := body.get("preset")) is not None:
        if isinstance(preset, str) and preset in ENDPOINTS:
            raise FieldError("preset", f'{preset} is an endpoint, not a preset: use endpoint="{preset}"')
        members = {**PRESETS[require_one_of("preset", preset, PRESETS)], **body}
    for name in ("start", "end"):
        if members.get(name) is not None:
            members[name] = read_time(name, members[name])
    check_where(members)
    return members
