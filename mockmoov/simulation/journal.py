"""Owns which exchanges a question is about, and how one is told in a line. Must not know stores."""

from collections.abc import Iterable
from dataclasses import dataclass

from mockmoov.oauth.records import Exchange
from mockmoov.simulation.clock import http_date


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What an exchange must be like to count; None asks nothing.

    `since` (inclusive) and `until` (exclusive) are Unix seconds on the clock of the exchange's API key;
    `fault` is the id of one.
    """

    endpoint: str | None = None
    grant_type: str | None = None
    status: int | None = None
    method: str | None = None
    fault: str | None = None
    since: float | None = None
    until: float | None = None


def matching(exchanges: Iterable[Exchange], query: Query) -> list[Exchange]:
    """The exchanges that a query is about, in their order."""
    return [exchange for exchange in exchanges if _answers(exchange, query)]


def _answers(exchange: Exchange, query: Query) -> bool:
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
    """An exchange in a line: number, time, request, contract, answer, reason."""
    shown = (exchange.parameters.get(name) for name in ("grant_type", "scope", "token"))
    contract = f"(contract {exchange.contract})"
    asked = " ".join(filter(None, (exchange.method, exchange.path, *shown, contract)))
    answer = "no answer" if exchange.status is None else exchange.status
    reason = f": {exchange.reason}" if exchange.reason else ""
    return f"#{exchange.number} {http_date(int(exchange.at))} {asked} -> {answer}{reason}"
