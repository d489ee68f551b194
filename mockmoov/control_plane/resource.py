"""Owns what a resource of the control plane is asked, and what it says. Must not know HTTP."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mockmoov.control_plane.validation import known
from mockmoov.oauth.messages import Waiting
from mockmoov.oauth.records import ApiKey
from mockmoov.storage.repository import Repository


class Refused(Exception):  # noqa: N818 - it is an answer
    """The request cannot be done; `status` says how that is answered."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request to a resource: parameters of its path, of its query, and the members of its body."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a resource says; a document of None is no body. `waiting` as in `HttpResponse`."""

    document: object = None
    status: int = 200
    waiting: Waiting | None = None


Resource = Callable[[Asked], Answer]


def owner_of(asked: Asked, repository: Repository) -> str | None:
    """The client id of the API key that a request is about, None for the server; raises `Refused`."""
    return api_key_of(asked, repository).client_id if "client_id" in asked.parameters else None


def api_key_of(asked: Asked, repository: Repository) -> ApiKey:
    """The API key that a request is about; raises `Refused`."""
    found = repository.api_keys([asked.parameters["client_id"]])
    if not found:
        raise Refused(404, "there is no API key with this client_id")
    return found[0]


def want_members(asked: Asked, *names: str) -> None:
    """Refuse a body with any other members; raises `FieldError`."""
    for name in asked.body:
        known(name, names, "field")
