"""The journal's queries: which exchanges match, and how an exchange is printed in one line."""

from collections.abc import Iterable, Iterator
from typing import Annotated
from urllib.parse import urlencode

from msgspec import Meta, Struct

from mockmoov.oauth.records import Exchange
from mockmoov.simulation.clock import http_date
from mockmoov.simulation.matching import Mismatch, RequestFacts, Where, mismatches

# The fields of a query that an exchange has, too, and which must be equal.
EXACT = ("endpoint", "grant_type", "status", "method", "fault", "stub")
_NEAREST = 3  # exchanges in a message about a count


class Query(Struct, frozen=True, kw_only=True):
    """The exchanges to select: every field that isn't None must match.

    `after` is a number, and only later exchanges match. `since` (inclusive) and `until` (exclusive) are Unix
    seconds on the clock of the exchange's API key. `fault` and `stub` are ids. `where` is compared with the
    exchange as the journal has it.
    """

    endpoint: str | None = None
    grant_type: str | None = None
    status: int | None = None
    method: str | None = None
    fault: str | None = None
    stub: str | None = None
    after: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    since: float | None = None
    until: float | None = None
    where: Where | None = None


def matching(exchanges: Iterable[Exchange], query: Query) -> list[Exchange]:
    """Return the exchanges that match a query, in their order."""
    return [exchange for exchange in exchanges if next(_misses(exchange, query), None) is None]


def nearest_misses(exchanges: Iterable[Exchange], query: Query) -> list[str]:
    """Describe the exchanges that come nearest to a query, in one line each; at most three.

    They differ in the fewest conditions, but not in the endpoint.
    """
    misses = [(exchange, list(_misses(exchange, query))) for exchange in exchanges]
    near = [found for found in misses if found[1] and found[1][0].name != "endpoint"]
    return [
        f"{', '.join(map(_describe, missed))}: {format_line(exchange)}"
        for exchange, missed in sorted(near, key=lambda found: len(found[1]))[:_NEAREST]
    ]


def _describe(missed: Mismatch) -> str:
    actual = "absent" if missed.actual is None else repr(missed.actual)
    return f"{missed.name} is {actual}, not {missed.expected!r}"


def _misses(exchange: Exchange, query: Query) -> Iterator[Mismatch]:
    """The conditions of a query that an exchange doesn't meet."""
    for name in EXACT:
        expected, actual = getattr(query, name), getattr(exchange, name)
        if expected not in (None, actual):
            yield Mismatch(name, expected, actual)
    if query.after and exchange.number <= query.after:
        yield Mismatch("after", query.after, exchange.number)
    if query.since is not None and exchange.at < query.since:
        yield Mismatch("since", query.since, exchange.at)
    if query.until is not None and exchange.at >= query.until:
        yield Mismatch("until", query.until, exchange.at)
    if query.where is not None:
        yield from mismatches(query.where, _facts(exchange))


def _facts(exchange: Exchange) -> RequestFacts:
    """A request as the journal has it."""
    return RequestFacts(
        endpoint=exchange.endpoint,
        method=exchange.method,
        path=exchange.path,
        headers={name: (value,) for name, value in exchange.headers.items()},
        parameters=exchange.parameters,
        path_parameters=exchange.path_parameters,
        query=exchange.query,
        body=exchange.body,
    )


def format_line(exchange: Exchange) -> str:
    """Format an exchange as one line: number, time, request, contract, status, reason."""
    query = f"?{urlencode(exchange.query, doseq=True, safe='./:')}" if exchange.query else ""
    parameters = (exchange.parameters.get(name) for name in ("grant_type", "scope", "token"))
    contract = f"(contract {exchange.contract})"
    request = " ".join(filter(None, (exchange.method, exchange.path + query, *parameters, contract)))
    status = "no response" if exchange.status is None else exchange.status
    planned = f"fault {exchange.fault}" if exchange.fault else ""
    reasons = [exchange.reason, "" if (exchange.reason or "").startswith(planned) else planned]
    reason = ", ".join(filter(None, reasons))
    return f"#{exchange.number} {http_date(int(exchange.at))} {request} -> {status}" + (
        f": {reason}" if reason else ""
    )
