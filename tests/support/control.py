"""How tests ask the control plane, in process. Every answer is held against its description."""

import json
from collections.abc import Mapping
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
    """What the control plane said; `document` is None where there is no body."""

    status: int
    headers: Mapping[str, str]
    document: Any

    def __getitem__(self, name: str) -> Any:
        """A member of a success."""
        assert self.status < 400, self
        return self.document[name]

    @property
    def problem(self) -> tuple[int, str, str | None]:
        """Status, message and field of a refusal."""
        return self.status, self.document["error"], self.document.get("field")


class Desk:
    """A server, and those who may ask its control plane."""

    def __init__(
        self, server: AuthorizationServer | None = None, exposure: Exposure = "process", **settings: object
    ) -> None:
        self.server = server or new_server(**settings)  # type: ignore[arg-type]
        self.control: ControlPlane = new_control(self.server, exposure)
        self.send = sender(self.server)

    def ask(self, method: str, path: str, body: object = None) -> Reply:
        """Ask with a JSON body, if one is given."""
        data = b"" if body is None else json.dumps(body).encode()
        return self.ask_raw(method, path, data, content_type=JSON)

    def get(self, path: str, **query: object) -> Reply:
        return self.ask_raw("GET", path, query=urlencode(query).encode())

    def post(self, path: str, **body: object) -> Reply:
        return self.ask("POST", path, body)

    def ask_raw(self, method: str, path: str, body: bytes = b"", query: bytes = b"", **headers: str) -> Reply:
        """Ask with any bytes and any headers; `_` in a name stands for `-`."""
        sent = {name.replace("_", "-"): (value,) for name, value in headers.items()}
        return self.handle(HttpRequest(method=method, path=BASE + path, query=query, headers=sent, body=body))

    def handle(self, request: HttpRequest) -> Reply:
        return checked(request.method, request.path, at_once(self.control.respond(request), request.body))

    # --- Moov's own endpoints ---

    def token(self, client_id: str | None = None, client_secret: str | None = None, **more: str) -> int:
        """Ask for a token; the status."""
        auth = basic(*filter(None, (client_id, client_secret)))
        asked = {"grant_type": "client_credentials", "scope": "/ping.read", **more}
        return post_form(self.send, "/oauth2/token", auth, **asked)[0]

    def ping(self, token: str) -> int:
        """Use an access token; the status."""
        return self.send("GET", "/ping", [bearer(token)], b"")[0]

    def new_key(self, **members: object) -> dict[str, Any]:
        created = self.post("/api-keys", **members)
        assert created.status == 201, created
        document: dict[str, Any] = created.document
        return document


def at_once(steps: Steps, body: bytes) -> HttpResponse:
    """The response of the control plane; the time of a wait is up at once."""
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
    """The answer, if the description allows it."""
    names = [name for name, _ in response.headers]
    assert len(set(names)) == len(names), f"a header is repeated: {names}"
    headers = dict(response.headers)
    assert "access-control-allow-origin" not in headers
    describe_fault = documented(method, path, response.status, has_body=bool(response.body))
    where = f"{method} {path} answered {response.status}"
    assert describe_fault is not None, f"{where}, which is not described: {response.body!r}"
    problems = list(describe_fault.problems(headers, response.body, bodiless=False))
    assert not problems, f"{where}: " + "; ".join(problems)
    document = json.loads(response.body) if response.body else None
    return Reply(status=response.status, headers=headers, document=document)


def documented(method: str, path: str, status: int, *, has_body: bool) -> DocumentedResponse | None:
    """What the description says of an answer."""
    describe_fault = description("control")
    template = template_of(path)
    if (status == 404 and not has_body) or template is None:
        return describe_fault.elsewhere.get(status)
    return describe_fault.paths[template].responses(method).get(status, describe_fault.elsewhere.get(status))


@cache
def template_of(path: str) -> str | None:
    """The described path that this one is like, the one with fewest parameters; None if there is none."""
    like = [template for template in resolved_openapi("control")["paths"] if _is_like(template, path)]
    return min(like, key=lambda template: template.count("{"), default=None)


def _is_like(template: str, path: str) -> bool:
    names, values = template.split("/"), path.split("/")
    return len(names) == len(values) and all(
        name == value or (name.startswith("{") and value != "")
        for name, value in zip(names, values, strict=True)
    )
