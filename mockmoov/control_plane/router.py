"""The control plane: which resource answers which path, and how a request that fails is answered."""

import time
from collections.abc import Mapping
from operator import attrgetter
from typing import cast

from msgspec.structs import replace

from mockmoov.control_plane import api_keys, catalogue, clock, exchanges, server, tokens
from mockmoov.control_plane.access import ControlAccess
from mockmoov.control_plane.faults import make_fault
from mockmoov.control_plane.plans import PlanResource
from mockmoov.control_plane.resource import Resource, ResourceError, Waiting, read_request
from mockmoov.oauth import responses
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.server.authorization_server import MAX_BODY as MAX_OPEN_BODY
from mockmoov.server.authorization_server import (
    REQUEST_ID_HEADER,
    RETRY_SOON,
    AuthorizationServer,
    render_internal_error,
    store_failure,
)
from mockmoov.server.discovery import Discovery
from mockmoov.server.ids import new_request_id
from mockmoov.server.routing import OWN_LIKENESS, Routes
from mockmoov.server.steps import ReadBody, Steps, run_in_process
from mockmoov.simulation.clock import http_date
from mockmoov.simulation.stubs import make_stub
from mockmoov.storage.store import StoreError

BASE = "/_mockmoov"
_INSIDE = f"{BASE}/"
MAX_BODY = 2**20  # bytes: as much as a plan may have
_MARK = (("x-mockmoov-extension", "not part of Moov's API"),)
_FAULTS = PlanResource(item="fault", plans=attrgetter("faults"), make=make_fault)
_STUBS = PlanResource(item="stub", plans=attrgetter("stubs"), make=make_stub)
# The resources of the server, which each API key has too.
_OF_OWNER: Mapping[str, Mapping[str, Resource]] = {
    "/clock": {"GET": clock.read},
    "/clock/shift": {"POST": clock.shift},
    "/clock/move-to": {"POST": clock.move_to},
    "/clock/freeze": {"POST": clock.freeze},
    "/clock/resume": {"POST": clock.resume},
    "/faults": {"GET": _FAULTS.list_all, "POST": _FAULTS.add, "DELETE": _FAULTS.remove_all},
    "/faults/{fault_id}": {"DELETE": _FAULTS.remove},
    "/stubs": {"GET": _STUBS.list_all, "POST": _STUBS.add, "DELETE": _STUBS.remove_all},
    "/stubs/{stub_id}": {"DELETE": _STUBS.remove},
    "/exchanges": {"GET": exchanges.list_all, "DELETE": exchanges.clear},
    "/exchanges/wait": {"GET": exchanges.wait},
    "/tokens": {"POST": tokens.mint},
    "/reset": {"POST": server.reset},
}
# Every resource, by path and method.
ROUTES: Mapping[str, Mapping[str, Resource]] = {
    **{f"{BASE}{path}": methods for path, methods in _OF_OWNER.items()},
    **{f"{BASE}/api-keys/{{client_id}}{path}": methods for path, methods in _OF_OWNER.items()},
    f"{BASE}/api-keys": {"GET": api_keys.list_all, "POST": api_keys.create},
    f"{BASE}/api-keys/{{client_id}}": {
        "GET": api_keys.read,
        "PATCH": api_keys.change,
        "DELETE": api_keys.delete,
    },
    f"{BASE}/signing-keys": {"GET": tokens.list_keys},
    f"{BASE}/signing-keys/rotate": {"POST": tokens.rotate_keys},
    f"{BASE}/signing-keys/{{kid}}": {"DELETE": tokens.drop_key},
    f"{BASE}/config": {"GET": server.config},
    f"{BASE}/catalogue": {"GET": catalogue.read},
    f"{BASE}/catalogue/{{operation}}": {"GET": catalogue.read_operation},
}


class ControlPlane:
    """Everything at mockmoov's own paths: the control plane, and discovery, which needs no access to it."""

    def __init__(
        self, server: AuthorizationServer, access: ControlAccess, ca_pem: bytes | None = None
    ) -> None:
        self.access = access
        self._server = server
        self._discovery = Discovery(server, ca_pem)
        self._routes = Routes(ROUTES, likeness=OWN_LIKENESS)
        self.paths = (*self._discovery.routes.templates, *self._routes.templates)

    def is_open(self, path: str) -> bool:
        """Whether a raw path is open to anyone, and not guarded as the control plane is."""
        return self._discovery.has(path)

    def is_guarded(self, path: str) -> bool:
        """Whether a raw path belongs to the control plane, which then judges the Host itself."""
        return path.startswith(_INSIDE) and not self.is_open(path)

    def handle(self, request: HttpRequest) -> HttpResponse:
        """The response to a request inside the process."""
        return cast("HttpResponse", run_in_process(self.respond(request), request.body))  # never None

    def respond(self, request: HttpRequest) -> Steps:
        """The steps that answer a request to one of mockmoov's own paths."""
        try:
            body = yield ReadBody(MAX_OPEN_BODY if self.is_open(request.path) else MAX_BODY)
            response = yield from self._respond(replace(request, body=body))
        except StoreError as error:
            response = responses.render_json({"error": store_failure(error)}, status=503)
            response = replace(response, headers=(*response.headers, RETRY_SOON))
        except Exception:
            request_id = new_request_id()
            response = render_internal_error(request_id)
            response = replace(response, headers=(*response.headers, (REQUEST_ID_HEADER, request_id)))
        return replace(response, headers=(*response.headers, *_MARK, ("date", http_date(int(time.time())))))

    def _respond(self, request: HttpRequest) -> Waiting:
        if self.is_open(request.path):
            return self._discovery.handle(request)
        found = self.access.error_response(request) or self._routes.endpoint(request)
        if isinstance(found, HttpResponse):
            return found
        if len(request.body) > MAX_BODY:
            return responses.render_too_large(MAX_BODY)
        resource, parameters = found
        try:
            result = resource(read_request(self._server, request, parameters))
            return result if isinstance(result, HttpResponse) else (yield from result)
        except ResourceError as error:
            return responses.render_json({"error": str(error)}, status=error.status)
        except FieldError as error:
            return responses.render_json({"error": str(error), "field": error.field}, status=422)
