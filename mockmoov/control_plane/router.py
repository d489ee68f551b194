"""Owns the control plane: who asks for what, and how it is answered. Must not know what can be controlled."""

import time
from collections.abc import Mapping
from urllib.parse import unquote

from msgspec.structs import replace

from mockmoov.control_plane.access import Guard
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
from mockmoov.server.authorization_server import MAX_BODY, AuthorizationServer
from mockmoov.server.discovery import Discovery
from mockmoov.server.routing import OWN_LIKENESS, Routes
from mockmoov.simulation.clock import http_date

BASE = "/_mockmoov"
_OURS = (("x-mockmoov-extension", "not part of Moov's API"),)
_JSON = ("content-type", "application/json")


class ControlPlane:
    """What is ours and not Moov's, discovery and control plane. `handle` is total, as the server's is."""

    def __init__(self, server: AuthorizationServer, guard: Guard, ca_pem: bytes | None = None) -> None:
        self._guard = guard
        self._discovery = Discovery(server, ca_pem)
        self._routes = Routes(_routes(server), likeness=OWN_LIKENESS)
        self.paths = (*self._discovery.routes.templates, *self._routes.templates)

    def is_open(self, path: str) -> bool:
        """Whether a raw path is for anyone, and not the control plane's."""
        return self._discovery.has(path)

    def handle(self, request: HttpRequest) -> HttpResponse:
        """The answer to a request on one of our own paths."""
        if self.is_open(request.path):
            response = self._discovery.handle(request)
        else:
            response = self._guard.refusal(request) or self._answer(request)
        date = http_date(int(time.time()))
        return replace(response, headers=(*response.headers, *_OURS, ("date", date)))

    def _answer(self, request: HttpRequest) -> HttpResponse:
        found = self._routes.endpoint(request)
        if isinstance(found, HttpResponse):
            return found
        resource, parameters = found
        if len(request.body) > MAX_BODY:
            return responses.render_too_large(MAX_BODY)
        try:
            asked = _asked(request, parameters)
            return _render(resource(asked))
        except ResourceError as refused:
            return _problem(refused.status, str(refused))
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


def _asked(request: HttpRequest, parameters: Mapping[str, str]) -> ControlRequest:
    """What is asked; a change must be labelled as JSON, which no page can do across origins unasked."""
    read_only = request.method == "GET"
    if not read_only:
        media_types = request.headers.get("content-type", ("",))
        if len(media_types) != 1 or media_types[0].partition(";")[0].strip().lower() != _JSON[1]:
            raise ResourceError(415, "a change wants Content-Type: application/json, even without a body")
    return ControlRequest(
        parameters={name: unquote(value) for name, value in parameters.items()},
        query=read_query(request),
        body={} if read_only else read_body(request),
    )


def _render(answer: ControlResponse) -> HttpResponse:
    if answer.document is None:
        return responses.render_empty(answer.status)
    return HttpResponse(
        status=answer.status,
        headers=(_JSON, *responses.NO_STORE),
        body=to_json(answer.document),
        waiting=answer.waiting,
    )


def _problem(status: int, message: str, field: str | None = None) -> HttpResponse:
    document = {"error": message} if field is None else {"error": message, "field": field}
    return HttpResponse(status=status, headers=(_JSON, *responses.NO_STORE), body=to_json(document))
