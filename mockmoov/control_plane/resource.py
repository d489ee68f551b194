"""What a resource of the control plane gets and returns: how a request is read, and how it fails."""

from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from mockmoov.oauth.encoding import read_json_object
from mockmoov.oauth.fields import require_known
from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.oauth.records import ApiKey
from mockmoov.oauth.requests import JSON
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.routing import declared_method
from mockmoov.server.steps import Step

NO_API_KEY = "there is no API key with this client_id"


class ResourceError(Exception):
    """The request cannot be served; `status` is that of the response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ControlRequest(Struct, frozen=True, kw_only=True):
    """One request to a resource: the parameters of its path and query, and the members of its JSON body."""

    server: AuthorizationServer
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]

    def owner(self) -> str | None:
        """The client id of the API key in the path, None for the server itself; raises `ResourceError`."""
        return self.api_key().client_id if "client_id" in self.parameters else None

    def api_key(self) -> ApiKey:
        """The API key in the path; raises `ResourceError`."""
        found = self.server.repository.api_keys([self.parameters["client_id"]])
        if not found:
            raise ResourceError(404, NO_API_KEY)
        return found[0]

    def allow_members(self, *names: str) -> None:
        """Reject a body with any other member; raises `FieldError`."""
        for name in self.body:
            require_known(name, names, "field")


Waiting: TypeAlias = Generator[Step, Any, HttpResponse]
Resource: TypeAlias = Callable[[ControlRequest], HttpResponse | Waiting]
"""What answers a method of a path. One that waits is a generator of steps, as in `server.steps`."""


def read_request(
    server: AuthorizationServer, request: HttpRequest, parameters: Mapping[str, str]
) -> ControlRequest:
    """The request as a resource gets it; raises `ResourceError`.

    Of a repeated parameter of the query the last counts. A change must be labelled as JSON, which a web
    page of another origin cannot do without a preflight.
    """
    read_only = declared_method(request.method) == "GET"
    if not read_only:
        media_types = request.headers.get("content-type", ("",))
        if len(media_types) != 1 or media_types[0].partition(";")[0].strip().lower() != JSON:
            raise ResourceError(415, "a change requires Content-Type: application/json, even without a body")
    return ControlRequest(
        server=server,
        parameters={name: unquote(value) for name, value in parameters.items()},
        query=dict(parse_qsl(request.query.decode("latin-1"), keep_blank_values=True)),
        body={} if read_only else _read_body(request.body),
    )


def _read_body(body: bytes) -> dict[str, Any]:
    try:
        return read_json_object(body) if body else {}
    except ValueError as error:
        raise ResourceError(400, str(error)) from None
