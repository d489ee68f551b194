"""The journal, of the server or of one API key, as a resource: it can be read, waited for, and cleared."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from mockmoov.control_plane.resource import ControlRequest, ResourceError, Waiting
from mockmoov.control_plane.validation import read_selectors, read_time
from mockmoov.oauth.encoding import read_json_object
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.fields import parse_as
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.records import Exchange
from mockmoov.oauth.responses import render_empty, render_json
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.steps import WaitForExchanges
from mockmoov.simulation.journal import Query, matching
from mockmoov.simulation.matching import Where, check_conditions, check_where
from mockmoov.simulation.redaction import masked_condition
from mockmoov.storage.store import Numbering, TooManyWatchesError

LONGEST_WAIT = 60.0  # seconds


class _List(Query, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=0, le=10**6)] | None = None


class _Wait(Query, frozen=True, kw_only=True):
    count: Annotated[int, Meta(ge=1, le=10**6)] = 1
    timeout: Annotated[float, Meta(ge=0, le=LONGEST_WAIT)] = 5.0
    journal: str | None = None


class _Where(Struct, frozen=True, kw_only=True):
    where: Where


def list_all(request: ControlRequest) -> HttpResponse:
    """The exchanges that match the query; with a limit only the last ones, while all are counted."""
    query = parse_as(_query(request), _List, strict=False)
    simulation = request.server.simulation
    numbering = simulation.numbering()  # first, so that whoever waits with it learns of a later clearing
    journal = simulation.journal(request.owner(), after=query.after)
    found = matching(journal.exchanges, query)
    document = _document(request, numbering, found, journal.dropped)
    if query.limit is not None:
        document["exchanges"] = found[max(0, len(found) - query.limit) :]
    return render_json(document)


def wait(request: ControlRequest) -> Waiting:
    """The exchanges that match once there are `count` of them, or when `timeout` is over."""
    query = parse_as(_query(request), _Wait, strict=False)
    owner, simulation = request.owner(), request.server.simulation
    try:
        watch = simulation.watch(owner, query, query.count)
    except TooManyWatchesError as error:
        raise ResourceError(429, str(error)) from None
    with watch:
        step = WaitForExchanges(watch, query.timeout)
        while watch.missing and step.seconds > 0 and query.journal in (None, simulation.numbering().id):
            yield step
            request.owner()  # it may have been deleted
        is_complete = not watch.missing
        numbering = simulation.numbering()
        document = _document(request, numbering, watch.found(), watch.dropped)
    return render_json({**document, "complete": is_complete})


def clear(request: ControlRequest) -> HttpResponse:
    """Clear the journal."""
    request.allow_members()
    request.server.simulation.clear_journal(request.owner())
    return render_empty(204)


def _query(request: ControlRequest) -> dict[str, Any]:
    values: dict[str, Any] = dict(request.query)
    values["endpoint"] = read_selectors(values.get("endpoint"), values.get("grant_type"))
    for name in ("since", "until"):
        if name in values:
            values[name] = read_time(name, values[name])
    if "where" in values:
        values["where"] = _where(request.server, values["endpoint"], values["where"])
    return values


def _where(server: AuthorizationServer, endpoint: str | None, text: str) -> dict[str, Any]:
    """The conditions of a query; raises `FieldError` for one that the journal can't tell."""
    try:
        members = {"where": read_json_object(text.encode())}
    except ValueError as error:
        raise FieldError("where", f"where must be a JSON object of conditions: {error}") from None
    check_where(members)
    where = parse_as(members, _Where).where
    check_conditions(endpoint, where)
    masked = masked_condition(where)
    if where.path not in (None, server.redact_path(where.path or "")):
        masked = "path"
    if where.body is not None and not server.settings.journal_bodies:
        raise FieldError("where", "body can't be searched for, as journal_bodies is off")
    if masked is not None:
        raise FieldError(
            "where",
            f"{masked} can't be searched for, as the journal masks it or leaves it out: "
            "match it in the where of a stub, and search with stub=stub",
        )
    return members["where"]


def _document(
    request: ControlRequest, numbering: Numbering, found: list[Exchange], dropped: int
) -> dict[str, Any]:
    return {
        "client_id": request.parameters.get("client_id"),
        "count": len(found),
        "dropped": dropped,
        "journal": numbering.id,
        "first": numbering.first,
        "exchanges": found,
    }
