"""Owns what a resource of the control plane is asked, and what it says. Must not know HTTP."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mockmoov.control_plane.validation import known
from mockmoov.oauth.messages import Waiting
from mockmoov.oauth.records import ApiKey
from mockmoov.storage.repository import Repository


class ResourceError(Exception):
    """The request cannot be done; `status` says how that is answered."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequest:
    """One request to a resource: parameters of its path, of its query, and the members of its body."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlResponse:
    """What a resource says; a document of None is no body. `waiting` as in `HttpResponse`."""

    document: object = None
    status: int = 200
    waiting: Waiting | None = None


Resource = Callable[[ControlRequest], ControlResponse]


def owner_of(request: ControlRequest, repository: Repository) -> str | None:
    """The client id of the API key that a request is about, None for the server; raises `Refused`."""
    return api_key_of(request, repository).client_id if "client_id" in request.parameters else None


def api_key_of(request: ControlRequest, repository: Repository) -> ApiKey:
    """The API key that a request is about; raises `Refused`."""
    found = repository.api_keys([request.parameters["client_id"]])
    if not found:
        raise ResourceError(404, "there is no API key with this client_id")
    return found[0]


def allow_members(request: ControlRequest, *names: str) -> None:
    """Refuse a body with any other members; raises `FieldError`."""
    for name in request.body:
        known(name, names, "field")
