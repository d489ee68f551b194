"""Owns the journal, whole or of one API key, as a resource. Must not know paths or HTTP."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from msgspec import Meta

from mockmoov.control_plane.resource import ControlRequest, ControlResponse, allow_members, owner_of
from mockmoov.control_plane.validation import among, convert, endpoint, read_time
from mockmoov.oauth.grants import GRANTS
from mockmoov.oauth.messages import Waiting
from mockmoov.oauth.records import Exchange
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.simulation.journal import Query, matching
from mockmoov.storage.simulation import Journal

LONGEST_WAIT = 60.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _List(Query):
    limit: Annotated[int, Meta(ge=0, le=10**6)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wait(Query):
    count: Annotated[int, Meta(ge=1, le=10**6)] = 1
    timeout: Annotated[float, Meta(ge=0, le=LONGEST_WAIT)] = 5.0


class ExchangesResource:
    """The journal: it can be asked, waited for, and emptied."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._simulation = server.simulation
        self._owner = partial(owner_of, repository=server.repository)
        self._endpoints = server.endpoint_names

    def list_all(self, request: ControlRequest) -> ControlResponse:
        """The exchanges that a query is about; with a limit the last ones, while all are counted."""
        query = convert(self._read(request.query), _List, strict=False)
        owner = self._owner(request)
        journal = self._simulation.journal(owner)
        found = matching(journal.exchanges, query)
        document = _document(owner, journal, found)
        if query.limit is not None:
            document["exchanges"] = found[max(0, len(found) - query.limit) :]
        return ControlResponse(document=document)

    def wait(self, request: ControlRequest) -> ControlResponse:
        """The same once there are `count`, or when the time is up; `complete` tells which."""
        query = convert(self._read(request.query), _Wait, strict=False)
        owner, generation = self._owner(request), self._simulation.journal_generation()
        journal = self._simulation.journal(owner)
        found = matching(journal.exchanges, query)
        missing = query.count - len(found)
        document = {**_document(owner, journal, found), "complete": missing <= 0}
        if missing <= 0:
            return ControlResponse(document=document)
        latest = journal.exchanges[-1].number if journal.exchanges else 0
        is_over = self._arrival(owner, query, missing, latest, generation)
        return ControlResponse(document=document, waiting=Waiting(seconds=query.timeout, is_over=is_over))

    def _arrival(
        self, owner: str | None, query: Query, missing: int, latest: int, generation: int
    ) -> Callable[[], bool]:
        """Whether what is missing has come after the latest, or exchanges are gone; looks at each once."""

        def is_over() -> bool:
            nonlocal missing, latest
            new = self._simulation.journal(owner, after=latest).exchanges
            latest = new[-1].number if new else latest
            missing -= len(matching(new, query))
            return missing <= 0 or self._simulation.journal_generation() != generation

        return is_over

    def clear(self, request: ControlRequest) -> ControlResponse:
        """Empty the journal."""
        allow_members(request)
        self._simulation.clear_journal(self._owner(request))
        return ControlResponse(status=204)

    def _read(self, given: Mapping[str, str]) -> dict[str, Any]:
        values: dict[str, Any] = dict(given)
        if "endpoint" in values:
            endpoint(values["endpoint"], self._endpoints)
        if "grant_type" in values:
            among("grant_type", values["grant_type"], GRANTS)
        for name in ("since", "until"):
            if name in values:
                values[name] = read_time(name, values[name])
        return values


def _document(owner: str | None, journal: Journal, found: list[Exchange]) -> dict[str, Any]:
    return {"client_id": owner, "count": len(found), "dropped": journal.dropped, "exchanges": found}
