"""How tests get a server and talk to it without a socket."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from mockmoov.config.settings import Layer, load
from mockmoov.control_plane.access import Exposure, control_access
from mockmoov.control_plane.router import ControlPlane
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.oauth.messages import HttpRequest
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.factory import create_server
from tests.support.contract_fixtures import Answer, Send

CLIENT_ID, CLIENT_SECRET = str(EXAMPLE["client_id"]), str(EXAMPLE["client_secret"])
NOW = 1_800_000_000.5
VERSIONS = {"2023": "2023", "dated": "v2026.07.00"}  # values of default_version by contract

Header = tuple[str, str]


@dataclass
class Clock:
    """A clock that stands still until a test moves it; Unix seconds."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now

    def shift(self, seconds: float) -> None:
        self.now += seconds


def new_server(
    *, clock: Clock | None = None, keys: Iterable[Mapping[str, Any]] = (EXAMPLE,), **settings: object
) -> AuthorizationServer:
    """A server of its own; settings as text or native values."""
    layer = Layer(settings={"api_keys": [dict(key) for key in keys], **settings})
    return create_server(load(layer), clock=clock or Clock())


def new_control(server: AuthorizationServer, exposure: Exposure = "process") -> ControlPlane:
    """Our own endpoints of a server that those can reach."""
    return ControlPlane(server, control_access(server.settings, exposure))


def sender(server: AuthorizationServer, control: ControlPlane | None = None) -> Send:
    """A callable that asks the server, our own endpoints included, as a connection would."""
    control = control or new_control(server)

    def send(method: str, target: str, headers: list[Header], body: bytes) -> Answer:
        path, _, query = target.partition("?")
        grouped: dict[str, tuple[str, ...]] = {}
        for name, value in headers:
            grouped[name.lower()] = (*grouped.get(name.lower(), ()), value)
        request = HttpRequest(
            method=method, path=path, query=query.encode("latin-1"), headers=grouped, body=body
        )
        ours = path.startswith(("/_mockmoov/", "/.well-known/"))
        response = control.handle(request) if ours else server.handle(request)
        assert response is not None, "no response was sent"
        assert len(dict(response.headers)) == len(response.headers), "a header is repeated"
        return response.status, dict(response.headers), response.body

    return send


def basic(client_id: str = CLIENT_ID, client_secret: str = CLIENT_SECRET) -> Header:
    """An `Authorization` header with Basic credentials, raw."""
    return "authorization", "Basic " + base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()


def bearer(token: str) -> Header:
    """An `Authorization` header with a bearer token."""
    return "authorization", f"Bearer {token}"


def post_form(send: Send, path: str, *headers: Header, **parameters: str) -> Answer:
    """POST a form."""
    content_type = ("content-type", "application/x-www-form-urlencoded")
    return send("POST", path, [content_type, *headers], urlencode(parameters).encode())


def another_key(client_id: str = "other", **members: Any) -> dict[str, Any]:
    """The members of a second API key."""
    return {"client_id": client_id, "client_secret": f"secret-of-{client_id}-0123456789", **members}
