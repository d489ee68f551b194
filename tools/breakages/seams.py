"""How a rule of mockmoov is bent, and the server that has it bent.

The seams, from the outside in: the answer, the request, the settings, and subclasses of what decides.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from msgspec.structs import replace

from mockmoov.config.settings import SETTINGS, Settings
from mockmoov.control_plane.access import control_access
from mockmoov.control_plane.router import ControlPlane
from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.context import RequestContext
from mockmoov.server.endpoints import Endpoints, moov_routes
from mockmoov.server.factory import create_server
from mockmoov.server.issuing import Issuer
from mockmoov.server.steps import ReadBody, Steps
from mockmoov.server.validation import TokenValidator
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import SimulationState

Bend = Callable[[HttpRequest, HttpResponse], HttpResponse]
"""What goes out instead of the right answer to a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakage:
    """One bent rule: answers, requests, settings (as text or native values), or what decides.

    `ours` bends the answers of the endpoints that are ours and not Moov's.
    `unseen` says why no documented exchange can notice it; `clients` whether the foreign clients are asked.
    """

    rule: str
    bend: Bend = lambda _request, response: response
    ours: Bend = lambda _request, response: response
    understand: Callable[[HttpRequest], HttpRequest] = lambda request: request
    settings: Mapping[str, object] = field(default_factory=dict)
    repository: type[Repository] = Repository
    simulation: type[SimulationState] = SimulationState
    endpoints: type[Endpoints] = Endpoints
    validator: type[TokenValidator] = TokenValidator
    issuer: type[Issuer] = Issuer
    unseen: str = ""
    clients: bool = False


class BrokenServer(AuthorizationServer):
    """The server with one breakage in it."""

    def __init__(self, settings: Settings, breakage: Breakage) -> None:
        self.breakage = breakage
        bent = {name: SETTINGS[name].metadata["parse"](value) for name, value in breakage.settings.items()}
        right = create_server(dataclasses.replace(settings, **bent))
        repository = breakage.repository(right.repository._store)
        simulation = breakage.simulation(right.repository._store, wall=right.simulation._wall)
        super().__init__(
            right.settings, repository, simulation, make_signing_keys=right.repository.signing_keys
        )
        self.validator = breakage.validator(repository, self.policy)
        self.issuer = breakage.issuer(
            repository, self.policy, self.settings.token_format, right.issuer.refresh
        )
        parts = {item.name: getattr(self._endpoints, item.name) for item in fields(Endpoints)}
        parts |= {"validator": self.validator, "issuer": self.issuer}
        self.routes = moov_routes(breakage.endpoints(**parts), forwards=False)

    def respond(self, context: RequestContext) -> Steps:
        """The right steps, with the request understood otherwise and the response changed."""
        understand = self.breakage.understand
        if context.request.path not in ("/oauth2/token", "/oauth2/revoke"):  # of these the body is to come
            context.request = understand(context.request)
        steps = super().respond(context)
        result: Any = None
        try:
            while True:
                step = steps.send(result)
                result = yield step
                if isinstance(step, ReadBody):
                    context.request = request = understand(replace(context.request, body=result))
                    context.head = self.read_head(replace(request, body=b""))
                    result = request.body
        except StopIteration as end:
            response: HttpResponse | None = end.value
            return response and self.breakage.bend(context.request, response)


class BrokenControl(ControlPlane):
    """Our own endpoints of such a server."""

    def __init__(self, server: BrokenServer) -> None:
        super().__init__(server, control_access(server.settings, "process"))
        self._ours = server.breakage.ours

    def handle(self, request: HttpRequest) -> HttpResponse:
        return self._ours(request, super().handle(request))
