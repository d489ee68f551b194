"""Owns the journal, whole or of one API key, as a resource. Must not know paths or HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from msgspec import Meta

from mockmoov.control.asked import Answer, Asked, owner_of, want_members
from mockmoov.control.inputs import among, convert, endpoint, read_time
from mockmoov.grants import GRANTS
from mockmoov.journal import Query, select
from mockmoov.server import AuthorizationServer

LONGEST_WAIT = 60.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _List(Query):
    limit: Annotated[int, Meta(ge=0, le=10**6)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wait(Query):
    count: Annotated[int, Meta(ge=1, le=10**6)] = 1
    timeout: Annotated[float, Meta(ge=0, le=LONGEST_WAIT)] = 5.0


class Exchanges:
    """The journal: it can be asked, waited for, and emptied."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._conditions = server.conditions
        self._owner = partial(owner_of, repository=server.repository)
        self._endpoints = server.endpoint_names

    def list_all(self, asked: Asked) -> Answer:
        """The exchanges that a query is about; with a limit the last ones, while all are counted."""
        query = convert(self._read(asked.query), _List, strict=False)
        found = self._find(asked, query)
        if query.limit is not None:
            found["exchanges"] = found["exchanges"][max(0, found["count"] - query.limit) :]
        return Answer(document=found)

    def wait(self, asked: Asked) -> Answer:
        """The same once there are `count`, or when the time is up; `complete` tells which."""
        query = convert(self._read(asked.query), _Wait, strict=False)
        found = self._find(asked, query)
        complete = found["count"] >= query.count
        retry_seconds = 0.0 if complete else query.timeout
        return Answer(document={**found, "complete": complete}, retry_seconds=retry_seconds)

    def clear(self, asked: Asked) -> Answer:
        """Empty the journal."""
        want_members(asked)
        self._conditions.clear_journal(self._owner(asked))
        return Answer(status=204)

    def _find(self, asked: Asked, query: Query) -> dict[str, Any]:
        owner = self._owner(asked)
        journal = self._conditions.journal(owner)
        found = select(journal.exchanges, query)
        return {"client_id": owner, "count": len(found), "dropped": journal.dropped, "exchanges": found}

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
