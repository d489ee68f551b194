"""The journal's queries: which exchanges match, and how an exchange is printed in one line."""

from collections.abc import Iterable
from dataclasses import dataclass

from mockmoov.oauth.records import Exchange
from mockmoov.simulation.clock import http_date


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The exchanges to select: every field that isn't None must match.

    `since` (inclusive) and `until` (exclusive) are Unix seconds on the clock of the exchange's API key;
    `fault` is the id of a fault.
    """

    endpoint: str | None = None
    grant_type: str | None = None
    status: int | None = None
    method: str | None = None
    fault: str | None = None
    since: float | None = None
    until: float | None = None


def matching(exchanges: Iterable[Exchange], query: Query) -> list[Exchange]:
    """Return the exchanges that match a query, in their order."""
    return [exchange for exchange in exchanges if _matches(exchange, query)]


def _matches(exchange: Exchange, query: Query) -> bool:
    return (
        query.endpoint in (None, exchange.endpoint)
        and query.grant_type in (None, exchange.grant_type)
        and query.status in (None, exchange.status)
        and query.method in (None, exchange.method)
        and query.fault in (None, exchange.fault)
        and (query.since is None or query.since <= exchange.at)
        and (query.until is None or exchange.at < query.until)
    )


def format_line(exchange: Exchange) -> str:
    """Format an exchange as one line: number, time, request, contract, status, reason."""
    parameters = (exchange.parameters.get(name) for name in ("grant_type", "scope", "token"))
    contract = f"(contract {exchange.contract})"
    request = " ".join(filter(None, (exchange.method, exchange.path, *parameters, contract)))
    status = "no response" if exchange.status is None else exchange.status
    reason = f": {exchange.reason}" if exchange.reason else ""
    return f"#{exchange.number} {http_date(int(exchange.at))} {request} -> {status}{reason}"
