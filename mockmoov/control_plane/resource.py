"""What a resource of the control plane gets and returns."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from mockmoov.control_plane.validation import require_known
from mockmoov.oauth.records import ApiKey
from mockmoov.server.steps import Step
from mockmoov.storage.repository import Repository


class ResourceError(Exception):
    """The request cannot be served; `status` is that of the response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequest:
    """One request to a resource: the parameters of its path and query, and the members of its JSON body."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlResponse:
    """What a resource returns; without a document the response has no body."""

    document: object = None
    status: int = 200


Waiting: TypeAlias = Generator[Step, Any, ControlResponse]
Resource: TypeAlias = Callable[[ControlRequest], "ControlResponse | Waiting"]
"""A method of a resource. One that waits is a generator of steps, as in `server.steps`."""


def owner_of(request: ControlRequest, repository: Repository) -> str | None:
    """The client id of the API key in the path, None for the server itself; raises `ResourceError`."""
    return api_key_of(request, repository).client_id if "client_id" in request.parameters else None


def api_key_of(request: ControlRequest, repository: Repository) -> ApiKey:
    """The API key in the path; raises `ResourceError`."""
    found = repository.api_keys([request.parameters["client_id"]])
    if not found:
        raise ResourceError(404, "there is no API key with this client_id")
    return found[0]


def allow_members(request: ControlRequest, *names: str) -> None:
    """Reject a body with any other member; raises `FieldError`."""
    for name in request.body:
        require_known(name, names, "field")
