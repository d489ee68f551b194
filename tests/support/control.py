"""How tests use the control plane in process. Each response is checked against its description."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode

from mockmoov.control_plane.access import Exposure
from mockmoov.control_plane.router import ControlPlane
from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.steps import ReadBody, Steps, WaitForExchanges
from tests.support.contract_fixtures import DocumentedResponse, description, resolved_openapi
from tests.support.servers import basic, bearer, new_control, new_server, post_form, sender

BASE = "/_mockmoov"
JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A response of the control plane; `document` is None if it has no body."""

    status: int
    headers: Mapping[str, str]
    document: Any

    def __getitem__(self, name: str) -> Any:
        """A member of a success."""
        assert self.status < 400, self
        return self.document[name]

    @property
    def problem(self) -> tuple[int, str, str | None]:
        """Status, message and field of an error."""
        return self.status, self.document["error"], self.document.get("field")


class Desk:
    """A server and its control plane."""

    def __init__(
        self, server: AuthorizationServer | None = None, exposure: Exposure = "process", **settings: object
    ) -> None:
        self.server = server or new_server(**settings)  # type: ignore[arg-type]
        self.control: ControlPlane = new_control(self.server, exposure)
        self.send = sender(self.server)

    def ask(self, method: str, path: str, body: object = None) -> Reply:
        """Send a request with a JSON body, if one is given."""
        data = b"" if body is None else json.dumps(body).encode()
        return self.ask_raw(method, path, data, content_type=JSON)

    def get(self, path: str, **query: object) -> Reply:
        return self.ask_raw("GET", path, query=urlencode(query).encode())

    def post(self, path: str, **body: object) -> Reply:
        return self.ask("POST", path, body)

    def ask_raw(self, method: str, path: str, body: bytes = b"", query: bytes = b"", **headers: str) -> Reply:
        """Send any bytes and headers; `_` in a name stands for `-`."""
        sent = {name.replace("_", "-"): (value,) for name, value in headers.items()}
        return self.handle(HttpRequest(method=method, path=BASE + path, query=query, headers=sent, body=body))

    def mismatches(self, method: str, path: str, table: Iterable[tuple[object, str, str]]) -> list[object]:
        """The rows (body, field, part of the message) whose error differs, and that error."""
        found = [(row, self.ask(method, path, row[0]).problem) for row in table]
        return [
            (row, (status, message, field))
            for row, (status, message, field) in found
            if (status, field) != (422, row[1]) or row[2] not in message
        ]

    def handle(self, request: HttpRequest) -> Reply:
        return checked(request.method, request.path, at_once(self.control.respond(request), request.body))

    # --- Moov's own endpoints ---

    def token(self, client_id: str | None = None, client_secret: str | None = None, **more: str) -> int:
        """Request a token; returns the status."""
        auth = basic(*filter(None, (client_id, client_secret)))
        asked = {"grant_type": "client_credentials", "scope": "/ping.read", **more}
        return post_form(self.send, "/oauth2/token", auth, **asked)[0]

    def ping(self, token: str) -> int:
        """Use an access token; returns the status."""
        return self.send("GET", "/ping", [bearer(token)], b"")[0]

    def new_key(self, **members: object) -> dict[str, Any]:
        created = self.post("/api-keys", **members)
        assert created.status == 201, created
        document: dict[str, Any] = created.document
        return document


def at_once(steps: Steps, body: bytes) -> HttpResponse:
    """The response of the control plane; a wait ends at once."""
    try:
        step = next(steps)
        while True:
            if isinstance(step, WaitForExchanges):
                step.seconds = 0
            step = steps.send(body if isinstance(step, ReadBody) else None)
    except StopIteration as end:
        response: HttpResponse = end.value
        return response


def checked(method: str, path: str, response: HttpResponse) -> Reply:
    """The response, which must be as described."""
    names = [name for name, _ in response.headers]
    assert len(set(names)) == len(names), f"a header is repeated: {names}"
    headers = dict(response.headers)
    assert "access-control-allow-origin" not in headers
    described = documented(method, path, response.status, has_body=bool(response.body))
    where = f"{method} {path} answered {response.status}"
    assert described is not None, f"{where}, which is not described: {response.body!r}"
    problems = list(described.problems(headers, response.body, bodiless=False))
    assert not problems, f"{where}: " + "; ".join(problems)
    document = json.loads(response.body) if response.body else None
    return Reply(status=response.status, headers=headers, document=document)


def documented(method: str, path: str, status: int, *, has_body: bool) -> DocumentedResponse | None:
    """The description of a response."""
    control = description("control")
    template = template_of(path)
    if (status == 404 and not has_body) or template is None:
        return control.elsewhere.get(status)
    return control.paths[template].responses(method).get(status, control.elsewhere.get(status))


@cache
def template_of(path: str) -> str | None:
    """The described path with the fewest parameters that matches this one; None if none does."""
    like = [template for template in resolved_openapi("control")["paths"] if _is_like(template, path)]
    return min(like, key=lambda template: template.count("{"), default=None)


def _is_like(template: str, path: str) -> bool:
    names, values = template.split("/"), path.split("/")
    return len(names) == len(values) and all(
        name == value or (name.startswith("{") and value != "")
        for name, value in zip(names, values, strict=True)
    )
