"""The journal, of the server or of one API key, as a resource."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from msgspec import Meta

from mockmoov.control_plane.resource import (
    ControlRequest,
    ControlResponse,
    ResourceError,
    Waiting,
    allow_members,
    owner_of,
)
from mockmoov.control_plane.validation import parse_as, read_time, require_endpoint, require_one_of
from mockmoov.oauth.grants import GRANTS
from mockmoov.oauth.records import Exchange
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.steps import WaitForExchanges
from mockmoov.simulation.journal import Query, matching
from mockmoov.storage.journal import TooManyWatchesError

LONGEST_WAIT = 60.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _List(Query):
    limit: Annotated[int, Meta(ge=0, le=10**6)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wait(Query):
    count: Annotated[int, Meta(ge=1, le=10**6)] = 1
    timeout: Annotated[float, Meta(ge=0, le=LONGEST_WAIT)] = 5.0


class ExchangesResource:
    """The journal: it can be read, waited for, and cleared."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._simulation = server.simulation
        self._owner = partial(owner_of, repository=server.repository)
        self._endpoints = server.endpoint_names

    def list_all(self, request: ControlRequest) -> ControlResponse:
        """The exchanges that match the query; with a limit only the last ones, while all are counted."""
        query = parse_as(self._read(request.query), _List, strict=False)
        owner = self._owner(request)
        journal = self._simulation.journal(owner)
        found = matching(journal.exchanges, query)
        document = _document(owner, found, journal.dropped)
        if query.limit is not None:
            document["exchanges"] = found[max(0, len(found) - query.limit) :]
        return ControlResponse(document=document)

    def wait(self, request: ControlRequest) -> Waiting:
        """The exchanges that match once there are `count` of them, or when `timeout` is over."""
        wait = parse_as(self._read(request.query), _Wait, strict=False)
        owner = self._owner(request)
        try:
            watch = self._simulation.watch(owner, wait, wait.count)
        except TooManyWatchesError as error:
            raise ResourceError(429, str(error)) from None
        with watch:
            step = WaitForExchanges(watch, wait.timeout)
            while watch.missing and step.seconds > 0:
                yield step
                self._owner(request)  # it may have been deleted
            is_complete = not watch.missing
            document = _document(owner, watch.found(), watch.dropped)
        return ControlResponse(document={**document, "complete": is_complete})

    def clear(self, request: ControlRequest) -> ControlResponse:
        """Clear the journal."""
        allow_members(request)
        self._simulation.clear_journal(self._owner(request))
        return ControlResponse(status=204)

    def _read(self, given: Mapping[str, str]) -> dict[str, Any]:
        values: dict[str, Any] = dict(given)
        if "endpoint" in values:
            require_endpoint(values["endpoint"], self._endpoints)
        if "grant_type" in values:
            require_one_of("grant_type", values["grant_type"], GRANTS)
        for name in ("since", "until"):
            if name in values:
                values[name] = read_time(name, values[name])
        return values


def _document(owner: str | None, found: list[Exchange], dropped: int) -> dict[str, Any]:
    return {"client_id": owner, "count": len(found), "dropped": dropped, "exchanges": found}
