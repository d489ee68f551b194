"""Planned faults: what a test can plan, and which fault is triggered by which exchange.

A plan is a tuple of faults, in the order they were added. An exchange is compared with each fault in that
order until it triggers one; the faults after that aren't compared. A used-up fault is skipped. A fault that
sends a success waits until the request is authorized, so that no plan lets an insufficient token pass.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta

from mockmoov.simulation.matching import (
    Count,
    Planned,
    RequestFacts,
    Seconds,
    count_match,
    count_trigger,
    is_due,
    is_used_up,
    matches,
)

Text = Annotated[str, Meta(max_length=64 * 1024)]
NetworkError = Literal["hang", "reset", "cut"]
NO_RESPONSE = ("hang", "reset")  # network errors that send no response


class Fault(Planned, frozen=True, kw_only=True):
    """A planned fault: which exchanges it affects, when, and how. All conditions must be met.

    Which: `endpoint` (token, revoke or the name of an operation: ping, listCards), `grant_type`, `where`.
    When: skip the first `after` matches, then affect every `every`-th match, each with `probability` (drawn
    from `seed`), from `start` to before `end` (Unix seconds on the clock of the plan's owner), and at most
    `times` matches in all (None: no limit).
    How: wait `delay` seconds, then send a response with `status`, `headers` and `body` (JSON) or `text` (of
    type `content_type`). Without status, body and text the real response is sent; `drop` and `set` change the
    members of its JSON body, and `other_expires_in` gives `expires_in` the meaning that it has in the other
    contract. A header that is None is left out, `x-request-id` too. `retry_after` (seconds) adds the retry
    headers of the contract; `truncate` keeps that many bytes of the body, but never all;
    `network_error`: the client gets no response (hang), a reset connection (reset), or one that ends in the
    middle of the response (cut).
    `matched` counts the exchanges that matched, `triggered` those that were affected. An exchange counts as
    affected even if its response is the same as without the fault: `drop` of an absent member, `set` to the
    value that is there, and either of them with an error response.
    """

    preset: str | None = None
    grant_type: str | None = None
    probability: Annotated[float, Meta(gt=0, le=1)] = 1.0
    seed: Count = 0
    start: float | None = None
    end: float | None = None
    delay: Seconds = 0.0
    status: Annotated[int, Meta(ge=200, le=599)] | None = None
    headers: Mapping[str, str | None] = {}
    body: Any = None
    text: Text | None = None
    content_type: str | None = None
    retry_after: Seconds | None = None
    drop: tuple[str, ...] = ()
    set: Mapping[str, Any] = {}
    other_expires_in: bool = False
    truncate: Count | None = None
    network_error: NetworkError | None = None


Plan: TypeAlias = tuple[Fault, ...]
_DEFAULT = Fault()
# Fields that `describe_fault` omits: counts, and contents that may be long or secret.
_OMITTED = frozenset(("id", "seed", "matched", "triggered", "where", "headers", "body", "text", "set"))

_HTML = "<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>"
# The faults that most tests need, by name; members sent in addition to the preset win.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "server-error": {"status": 500},
    "unavailable": {"status": 503},
    "gateway-timeout": {"status": 504},
    "rate-limited": {"status": 429, "retry_after": 1},
    "html": {"status": 502, "text": _HTML, "content_type": "text/html"},
    "empty-body": {"truncate": 0},
    "truncated-json": {"truncate": 40},
    "wrong-content-type": {"content_type": "text/plain"},
    "missing-access-token": {"drop": ["access_token"]},
    "missing-refresh-token": {"drop": ["refresh_token"]},
    "missing-expires-in": {"drop": ["expires_in"]},
    "string-expires-in": {"set": {"expires_in": "3600"}},
    "negative-expires-in": {"set": {"expires_in": -1}},
    "huge-expires-in": {"set": {"expires_in": 10**18}},
    "expires-in-other": {"other_expires_in": True},
    # What Moov's edge answers to a client that it blocks (live, 2026-09).
    "edge-blocked": {
        "status": 403,
        "text": "error code: 1010",
        "content_type": "text/plain",
        "headers": {"cf-ray": "9a1f0c3e5b7d2468-IAD", "x-request-id": None},
    },
    "slow": {"delay": 2},
    "hang": {"network_error": "hang"},
    "reset": {"network_error": "reset"},
    "cut": {"network_error": "cut"},
}


def has_response(fault: Fault) -> bool:
    """Whether a fault sends its own response instead of the real one."""
    return fault.status is not None or fault.body is not None or fault.text is not None


def is_success(fault: Fault) -> bool:
    """Whether a fault sends a success of its own, which only an authorized request may get."""
    return has_response(fault) and (fault.status or 200) < 400 and fault.network_error not in NO_RESPONSE


def select_fault(
    plan: Plan, facts: RequestFacts, now: float, *, is_authorized: bool | None = True
) -> tuple[Fault | None, Plan]:
    """Return the fault that an exchange triggers, or None, and the plan with updated counts.

    `now` is in Unix seconds on the clock of the plan's owner. Successes are for authorized requests only. As
    long as it is not known whether the request is authorized (None), the first success that matches is
    returned, and nothing is counted: ask again when it is known.
    """
    counted: list[Fault] = []
    for index, fault in enumerate(plan):
        is_skipped = is_authorized is False and is_success(fault)
        if is_skipped or not _is_open(fault, now) or not _matches(fault, facts):
            counted.append(fault)
            continue
        if is_authorized is None and is_success(fault):
            return fault, plan
        matched = count_match(fault)
        if is_due(matched) and _draw(matched.seed, matched.matched) < matched.probability:
            triggered = count_trigger(matched)
            return triggered, (*counted, triggered, *plan[index + 1 :])
        counted.append(matched)
    return None, tuple(counted)


def fault_reason(fault: Fault) -> str:
    """The reason of a response that a fault sends, or of its lack: the fault's id, and its preset."""
    return f"fault {fault.id} ({fault.preset})" if fault.preset else f"fault {fault.id}"


def describe_fault(fault: Fault) -> str:
    """Describe a fault in one line: every field that isn't at its default, except those in `_OMITTED`."""
    names = ("preset", *Fault.__struct_fields__)
    values = {name: getattr(fault, name) for name in names if name not in _OMITTED}
    return ", ".join(
        f"{name}={value!r}" for name, value in values.items() if value != getattr(_DEFAULT, name)
    )


def _is_open(fault: Fault, now: float) -> bool:
    started = fault.start is None or now >= fault.start
    return started and not is_used_up(fault) and (fault.end is None or now < fault.end)


def _matches(fault: Fault, facts: RequestFacts) -> bool:
    return (
        fault.endpoint in (None, facts.endpoint)
        and fault.grant_type in (None, facts.parameters.get("grant_type"))
        and matches(fault.where, facts)
    )


def _draw(seed: int, number: int) -> float:
    """Compute the number-th draw of a seed, in [0, 1); the same on every machine and in every release."""
    digest = hashlib.blake2b(f"{seed} {number}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48
