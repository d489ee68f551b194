"""Which requests a plan applies to: the conditions and counts that faults, stubs and the journal share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, TypeVar

from msgspec import Meta, Struct
from msgspec.structs import replace

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.fields import require_known
from mockmoov.oauth.messages import Headers
from mockmoov.oauth.operations import path_parameters

MAX_COUNT = 10**9
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Positive = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
Seconds = Annotated[float, Meta(ge=0, le=3600)]
Values = Mapping[str, tuple[str, ...]]  # the values of each name


class Where(Struct, frozen=True, kw_only=True):
    """The requests that match. None for a header or parameter: it must be absent. All else is exact.

    `path` is raw; `path_parameters` and `query` are decoded; header names are matched without case. Of a
    header or query parameter with several values, one is enough. `parameters` are those of an OAuth request.
    `body` is matched in part: an object needs the members given here and may have others; null matches null
    or an absent member; a list must have as many items.
    """

    method: str | None = None
    path: str | None = None
    path_parameters: Mapping[str, str] = {}
    query: Mapping[str, str | None] = {}
    headers: Mapping[str, str | None] = {}
    parameters: Mapping[str, str | None] = {}
    body: Any = None


class Planned(Struct, frozen=True, kw_only=True):
    """What a fault and a stub have in common: which requests it applies to, and when.

    `endpoint` is token, revoke or the name of an operation (ping, listCards). It skips the first `after`
    matches, then applies to every `every`-th match, to at most `times` in all (None: no limit). `matched`
    counts the requests that matched, `triggered` those that it applied to.
    """

    id: str = ""
    endpoint: str | None = None
    where: Where = Where()
    after: Count = 0
    every: Positive = 1
    times: Positive | None = None
    matched: int = 0
    triggered: int = 0


class RequestFacts(Struct, frozen=True, kw_only=True):
    """What plans are compared with: `endpoint` is None for an unknown path, `path` is raw.

    `body` is the JSON body of a request to an operation, None if there is none.
    """

    endpoint: str | None
    method: str
    path: str
    headers: Headers
    parameters: Mapping[str, object]
    path_parameters: Mapping[str, str] = {}
    query: Values = {}
    body: Any = None


class Mismatch(NamedTuple):
    """A condition that a request doesn't meet: what it is about, what was expected, and what was sent."""

    name: str
    expected: object
    actual: object


P = TypeVar("P", bound=Planned)
MOST_PLANNED = 1000  # in a plan
MOST_BYTES = 2**20  # of a plan


def check_size(plan: Sequence[Planned], name: str) -> None:
    """Raise `ValueError` if a plan is too large; `name` is that of its items, such as stubs."""
    if len(plan) > MOST_PLANNED:
        raise ValueError(f"there are {MOST_PLANNED} {name} in the plan, which is the limit")
    if len(to_json(plan)) > MOST_BYTES:
        raise ValueError(f"the plan would be larger than {MOST_BYTES} bytes, which is the limit")


def check_where(members: Mapping[str, Any]) -> None:
    """Reject unknown members of `where`; raises `FieldError`."""
    where = members.get("where")
    for name in where if isinstance(where, Mapping) else ():
        require_known(name, Where.__struct_fields__, "condition", are_listed=True)


def check_conditions(endpoint: str | None, where: Where) -> None:
    """Reject conditions that no request to an endpoint can meet; raises `FieldError`."""
    if endpoint is None:
        return
    is_operation = endpoint not in ("token", "revoke")
    for name in ("parameters",) if is_operation else ("path_parameters", "query", "body"):
        if getattr(where, name) not in (None, {}):
            others = (
                "for an operation, use query or body" if is_operation else f"for {endpoint}, use parameters"
            )
            raise FieldError(f"where.{name}", f"where.{name} never matches a request to {endpoint}: {others}")
    known = sorted(path_parameters(endpoint))
    if where.path_parameters and not known:
        raise FieldError("where.path_parameters", f"the path of {endpoint} has no parameters")
    for name in where.path_parameters:
        require_known(name, known, "path parameter", are_listed=True)


def untriggered(plan: Sequence[P]) -> tuple[P, ...]:
    """Return the items of a plan that never applied to a request."""
    return tuple(planned for planned in plan if not planned.triggered)


def is_used_up(planned: Planned) -> bool:
    """Whether it has applied to as many requests as it may."""
    return planned.times is not None and planned.triggered >= planned.times


def count_match(planned: P) -> P:
    """Count a request that matches."""
    return replace(planned, matched=planned.matched + 1)


def count_trigger(planned: P) -> P:
    """Count a request that it applies to."""
    return replace(planned, triggered=planned.triggered + 1)


def is_due(planned: Planned) -> bool:
    """Whether it applies to the latest match, already counted."""
    number = planned.matched - planned.after
    return number > 0 and number % planned.every == 0


def matches(where: Where, facts: RequestFacts) -> bool:
    """Whether a request meets all conditions."""
    return next(mismatches(where, facts), None) is None


def mismatches(where: Where, facts: RequestFacts) -> Iterator[Mismatch]:
    """The conditions that a request doesn't meet."""
    for name in ("method", "path"):
        expected, actual = getattr(where, name), getattr(facts, name)
        if expected not in (None, actual):
            yield Mismatch(name, expected, actual)
    for kind in ("path_parameters", "query", "headers", "parameters"):
        for name, expected in getattr(where, kind).items():
            sent = getattr(facts, kind).get(name.lower() if kind == "headers" else name)
            values = sent if isinstance(sent, tuple) else (sent,)
            if expected not in values:
                yield Mismatch(f"{kind}.{name}", expected, values[0])
    if where.body is not None:
        yield from json_mismatches("body", where.body, facts.body)


def json_mismatches(name: str, expected: object, actual: object) -> Iterator[Mismatch]:
    """Where a JSON value isn't as expected, in part."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for member, value in expected.items():
            yield from json_mismatches(f"{name}.{member}", value, actual.get(member))
    elif isinstance(expected, list | tuple) and isinstance(actual, list) and len(expected) == len(actual):
        for index, (value, item) in enumerate(zip(expected, actual, strict=True)):
            yield from json_mismatches(f"{name}[{index}]", value, item)
    elif expected != actual or isinstance(expected, bool) != isinstance(actual, bool):
        yield Mismatch(name, expected, actual)
