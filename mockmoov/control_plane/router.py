"""The control plane: which resource answers which path, and how its result is rendered."""

import time
from collections.abc import Generator, Mapping
from typing import Any, cast
from urllib.parse import unquote

from msgspec.structs import replace

from mockmoov.control_plane.access import ControlAccess
from mockmoov.control_plane.api_keys import ApiKeysResource
from mockmoov.control_plane.clock import ClockResource
from mockmoov.control_plane.exchanges import ExchangesResource
from mockmoov.control_plane.faults import FaultsResource
from mockmoov.control_plane.resource import ControlRequest, ControlResponse, Resource, ResourceError
from mockmoov.control_plane.server import ServerResource
from mockmoov.control_plane.tokens import SigningKeysResource, TokensResource
from mockmoov.control_plane.validation import NotJsonError, read_body, read_query
from mockmoov.oauth import responses
from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.server.authorization_server import (
    MAX_BODY,
    REQUEST_ID_HEADER,
    AuthorizationServer,
    render_internal_error,
)
from mockmoov.server.context import new_request_id
from mockmoov.server.discovery import Discovery
from mockmoov.server.routing import OWN_LIKENESS, Routes
from mockmoov.server.steps import ReadBody, Step, Steps, run_in_process
from mockmoov.simulation.clock import http_date

BASE = "/_mockmoov"
_MARK = (("x-mockmoov-extension", "not part of Moov's API"),)
_JSON = ("content-type", "application/json")


class ControlPlane:
    """Everything at mockmoov's own paths: the control plane, and discovery, which needs no access to it."""

    def __init__(
        self, server: AuthorizationServer, access: ControlAccess, ca_pem: bytes | None = None
    ) -> None:
        self._access = access
        self._discovery = Discovery(server, ca_pem)
        self._routes = Routes(_routes(server), likeness=OWN_LIKENESS)
        self.paths = (*self._discovery.routes.templates, *self._routes.templates)

    def is_open(self, path: str) -> bool:
        """Whether a raw path is open to anyone, and not guarded as the control plane is."""
        return self._discovery.has(path)

    def handle(self, request: HttpRequest) -> HttpResponse:
        """The response to a request inside the process."""
        return cast("HttpResponse", run_in_process(self.respond(request), request.body))  # never None

    def respond(self, request: HttpRequest) -> Steps:
        """The steps that answer a request to one of mockmoov's own paths."""
        try:
            body = yield ReadBody(MAX_BODY)
            response = yield from self._respond(replace(request, body=body))
        except Exception:
            request_id = new_request_id()
            response = render_internal_error(request_id)
            response = replace(response, headers=(*response.headers, (REQUEST_ID_HEADER, request_id)))
        return replace(response, headers=(*response.headers, *_MARK, ("date", http_date(int(time.time())))))

    def _respond(self, request: HttpRequest) -> Generator[Step, Any, HttpResponse]:
        if self.is_open(request.path):
            return self._discovery.handle(request)
        found = self._access.error_response(request) or self._routes.endpoint(request)
        if isinstance(found, HttpResponse):
            return found
        if len(request.body) > MAX_BODY:
            return responses.render_too_large(MAX_BODY)
        resource, parameters = found
        return (yield from _ask(resource, request, parameters))


def _ask(
    resource: Resource, request: HttpRequest, parameters: Mapping[str, str]
) -> Generator[Step, Any, HttpResponse]:
    try:
        result = resource(_control_request(request, parameters))
        return _render(result if isinstance(result, ControlResponse) else (yield from result))
    except ResourceError as error:
        return _problem(error.status, str(error))
    except NotJsonError as error:
        return _problem(400, str(error))
    except FieldError as error:
        return _problem(422, str(error), error.field)


def _routes(server: AuthorizationServer) -> Mapping[str, Mapping[str, Resource]]:
    """Every resource by path and method: those that belong to the server or to one API key at both places."""
    clock, faults, exchanges, whole = (
        ClockResource(server),
        FaultsResource(server),
        ExchangesResource(server),
        ServerResource(server),
    )
    tokens, signing_keys, api_keys = (
        TokensResource(server),
        SigningKeysResource(server),
        ApiKeysResource(server),
    )
    of_owner: Mapping[str, Mapping[str, Resource]] = {
        "/clock": {"GET": clock.read},
        "/clock/shift": {"POST": clock.shift},
        "/clock/move-to": {"POST": clock.move_to},
        "/clock/freeze": {"POST": clock.freeze},
        "/clock/resume": {"POST": clock.resume},
        "/faults": {"GET": faults.list_all, "POST": faults.add, "DELETE": faults.remove_all},
        "/faults/{fault_id}": {"DELETE": faults.remove},
        "/exchanges": {"GET": exchanges.list_all, "DELETE": exchanges.clear},
        "/exchanges/wait": {"GET": exchanges.wait},
        "/tokens": {"POST": tokens.mint},
        "/reset": {"POST": whole.reset},
    }
    table: Mapping[str, Mapping[str, Resource]] = {
        **of_owner,
        **{f"/api-keys/{{client_id}}{path}": methods for path, methods in of_owner.items()},
        "/api-keys": {"GET": api_keys.list_all, "POST": api_keys.create},
        "/api-keys/{client_id}": {
            "GET": api_keys.read,
            "PATCH": api_keys.change,
            "DELETE": api_keys.delete,
        },
        "/signing-keys": {"GET": signing_keys.list_all},
        "/signing-keys/rotate": {"POST": signing_keys.rotate},
        "/signing-keys/{kid}": {"DELETE": signing_keys.drop},
        "/config": {"GET": whole.config},
    }
    return {BASE + path: methods for path, methods in table.items()}


def _control_request(request: HttpRequest, parameters: Mapping[str, str]) -> ControlRequest:
    """The request as a resource gets it.

    A change must be labelled as JSON, which a web page of another origin cannot do without a preflight.
    """
    read_only = request.method == "GET"
    if not read_only:
        media_types = request.headers.get("content-type", ("",))
        if len(media_types) != 1 or media_types[0].partition(";")[0].strip().lower() != _JSON[1]:
            raise ResourceError(415, "a change requires Content-Type: application/json, even without a body")
    return ControlRequest(
        parameters={name: unquote(value) for name, value in parameters.items()},
        query=read_query(request),
        body={} if read_only else read_body(request),
    )


def _render(result: ControlResponse) -> HttpResponse:
    if result.document is None:
        return responses.render_empty(result.status)
    return HttpResponse(
        status=result.status, headers=(_JSON, *responses.NO_STORE), body=to_json(result.document)
    )


def _problem(status: int, message: str, field: str | None = None) -> HttpResponse:
    document = {"error": message} if field is None else {"error": message, "field": field}
    return HttpResponse(status=status, headers=(_JSON, *responses.NO_STORE), body=to_json(document))
