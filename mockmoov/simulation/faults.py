"""Owns planned faults: which exchange meets which. Must not know how a fault looks on the wire.

A plan is a tuple of faults in the order they were added. An exchange goes through them in that order until
one of them happens to it; those after that one do not see it. A fault that is used up is passed over.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from mockmoov.oauth.messages import Headers

MAX_COUNT = 10**9
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Positive = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
Seconds = Annotated[float, Meta(ge=0, le=3600)]
Text = Annotated[str, Meta(max_length=64 * 1024)]
NetworkError = Literal["hang", "reset", "cut"]
NO_RESPONSE = ("hang", "reset")  # the network errors before which nothing is sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What an exchange must be like. A header or parameter of None must be absent; all else is exact."""

    method: str | None = None
    path: str | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    parameters: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A planned fault: which exchanges, when, and what happens to them; all that is given must hold.

    Which: `endpoint` (token, revoke, or an operation's name: ping, listCards), `grant_type`, `where`.
    When: not the first `after` of these, then every `every`-th, each with `probability` (drawn from `seed`),
    from `start` to `end` (Unix seconds on the owner's clock), at most `times` in all (None: without end).
    What: `delay` in seconds first, then an answer with `status`, `headers` and `body` (JSON) or `text`
    (`content_type`); without those the real answer, of which `drop` and `set` change members of the JSON.
    `retry_after` (seconds) says so as the contract does; `truncate` keeps that many bytes of the body;
    `network_error` hangs, resets, or is cut in the middle of the answer.
    `matched` counts the exchanges that match, `triggered` those it happened to.
    """

    id: str = ""
    preset: str | None = None
    endpoint: str | None = None
    grant_type: str | None = None
    where: Where = field(default_factory=Where)
    after: Count = 0
    every: Positive = 1
    times: Positive | None = None
    probability: Annotated[float, Meta(gt=0, le=1)] = 1.0
    seed: Count = 0
    start: float | None = None
    end: float | None = None
    delay: Seconds = 0.0
    status: Annotated[int, Meta(ge=200, le=599)] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    text: Text | None = None
    content_type: str | None = None
    retry_after: Seconds | None = None
    drop: tuple[str, ...] = ()
    set: Mapping[str, Any] = field(default_factory=dict)
    truncate: Count | None = None
    network_error: NetworkError | None = None
    matched: int = 0
    triggered: int = 0


Plan: TypeAlias = tuple[Fault, ...]
_NONE = Fault()
# What a line does not say of a fault: counts, and contents that may be long or secret.
_UNTOLD = frozenset(("id", "seed", "matched", "triggered", "where", "headers", "body", "text", "set"))

_HTML = "<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>"
# The faults that most tests want, by name; what is given beside the name wins.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "server-error": {"status": 500},
    "unavailable": {"status": 503},
    "gateway-timeout": {"status": 504},
    "rate-limited": {"status": 429, "retry_after": 1},
    "html": {"status": 502, "text": _HTML, "content_type": "text/html"},
    "empty-body": {"status": 200, "text": "", "content_type": "application/json"},
    "truncated-json": {"truncate": 40},
    "wrong-content-type": {"content_type": "text/plain"},
    "missing-access-token": {"drop": ["access_token"]},
    "missing-refresh-token": {"drop": ["refresh_token"]},
    "missing-expires-in": {"drop": ["expires_in"]},
    "string-expires-in": {"set": {"expires_in": "3600"}},
    "negative-expires-in": {"set": {"expires_in": -1}},
    "huge-expires-in": {"set": {"expires_in": 10**18}},
    "slow": {"delay": 2},
    "hang": {"network_error": "hang"},
    "reset": {"network_error": "reset"},
    "cut": {"network_error": "cut"},
}


class RequestFacts(Struct, frozen=True, kw_only=True):
    """What a fault may look at: `endpoint` is None where there is none, `path` is raw."""

    endpoint: str | None
    method: str
    path: str
    headers: Headers
    parameters: Mapping[str, object]


def has_response(fault: Fault) -> bool:
    """Whether the fault gives the response itself, in place of the real one."""
    return fault.status is not None or fault.body is not None or fault.text is not None


def is_success(fault: Fault) -> bool:
    """Whether the fault answers with a success, which only an authorized request gets."""
    return has_response(fault) and (fault.status or 200) < 400 and fault.network_error not in NO_RESPONSE


def select_fault(
    plan: Plan, facts: RequestFacts, now: float, *, successes: bool = False
) -> tuple[Fault | None, Plan]:
    """The fault that happens to an exchange, if one does, and the plan with its counts after it.

    Only faults that are successes are looked at, or only those that are not.
    """
    counted: list[Fault] = []
    for index, fault in enumerate(plan):
        if is_success(fault) != successes or not _is_open(fault, now) or not _matches(fault, facts):
            counted.append(fault)
            continue
        matched = replace(fault, matched=fault.matched + 1)
        if _happens(matched):
            triggered = replace(matched, triggered=matched.triggered + 1)
            return triggered, (*counted, triggered, *plan[index + 1 :])
        counted.append(matched)
    return None, tuple(counted)


def untriggered(plan: Plan) -> Plan:
    """The faults of a plan that never happened."""
    return tuple(fault for fault in plan if not fault.triggered)


def describe_fault(fault: Fault) -> str:
    """A fault in a line: what was given of it."""
    names = (item.name for item in fields(Fault) if item.name not in _UNTOLD)
    given = {name: getattr(fault, name) for name in names if getattr(fault, name) != getattr(_NONE, name)}
    return ", ".join(f"{name}={value!r}" for name, value in given.items())


def _is_open(fault: Fault, now: float) -> bool:
    used_up = fault.times is not None and fault.triggered >= fault.times
    begun = fault.start is None or now >= fault.start
    return begun and not used_up and (fault.end is None or now < fault.end)


def _matches(fault: Fault, facts: RequestFacts) -> bool:
    where, shown = fault.where, facts.parameters
    return (
        fault.endpoint in (None, facts.endpoint)
        and fault.grant_type in (None, shown.get("grant_type"))
        and where.method in (None, facts.method)
        and where.path in (None, facts.path)
        and all(value in facts.headers.get(name.lower(), (None,)) for name, value in where.headers.items())
        and all(shown.get(name) == value for name, value in where.parameters.items())
    )


def _happens(fault: Fault) -> bool:
    turn = fault.matched - fault.after
    return turn > 0 and turn % fault.every == 0 and _draw(fault.seed, fault.matched) < fault.probability


def _draw(seed: int, number: int) -> float:
    """The number-th draw of a seed, from 0 up to but not including 1; the same on any machine."""
    digest = hashlib.blake2b(f"{seed} {number}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48
