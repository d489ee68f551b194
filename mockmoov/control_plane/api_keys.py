"""The API keys, as resources of the control plane."""

from collections.abc import Mapping
from secrets import token_hex, token_urlsafe
from typing import Any

from msgspec.structs import asdict, replace

from mockmoov.control_plane.resource import (
    ControlRequest,
    ControlResponse,
    ResourceError,
    allow_members,
    api_key_of,
)
from mockmoov.oauth.api_keys import make_api_key, unknown_scope
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.records import ApiKey
from mockmoov.oauth.scopes import CATALOGUES, did_you_mean
from mockmoov.server.authorization_server import AuthorizationServer

_MOST = 10_000
_INTERNAL = ("epoch", "floor")  # members that requests and responses don't have


class ApiKeysResource:
    """Creates, lists, changes and deletes API keys. Only creation returns the secret."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._repository = server.repository
        self._known_scope = CATALOGUES[server.settings.scope_catalogue]

    def list_all(self, _request: ControlRequest) -> ControlResponse:
        """List the keys in the order of creation."""
        return ControlResponse(
            document={"api_keys": [_public_members(key) for key in self._repository.all_api_keys()]}
        )

    def create(self, request: ControlRequest) -> ControlResponse:
        """Create a key. Generates the credentials that are missing."""
        generated = {"client_id": token_urlsafe(12), "client_secret": token_urlsafe(24)}
        members = {name: value for name, value in request.body.items() if value is not None}
        api_key = replace(self._make({**generated, **members}), epoch=token_hex(8))
        if self._repository.count_api_keys() >= _MOST:
            raise ResourceError(409, f"the limit of {_MOST} API keys is reached: delete some")
        if not self._repository.create_api_key(api_key):
            raise ResourceError(409, "an API key with this client_id already exists")
        return ControlResponse(
            document={**_public_members(api_key), "client_secret": api_key.client_secret}, status=201
        )

    def read(self, request: ControlRequest) -> ControlResponse:
        """Read one key."""
        return ControlResponse(document=_public_members(api_key_of(request, self._repository)))

    def change(self, request: ControlRequest) -> ControlResponse:
        """Change attributes of a key; null restores the default. Its tokens stay valid."""
        if "client_id" in request.body:
            raise FieldError("client_id", "the client_id of an API key cannot be changed")

        def change(before: ApiKey) -> ApiKey:
            members = {name: value for name, value in asdict(before).items() if name not in _INTERNAL}
            after = self._make({**members, **request.body})
            return replace(after, **{name: getattr(before, name) for name in _INTERNAL})

        changed = self._repository.change_api_key(request.parameters["client_id"], change)
        if changed is None:
            raise ResourceError(404, "there is no API key with this client_id")
        return ControlResponse(document=_public_members(changed))

    def delete(self, request: ControlRequest) -> ControlResponse:
        """Delete a key and everything that belongs to it. Its tokens stop working."""
        allow_members(request)
        if not self._repository.delete_api_key(request.parameters["client_id"]):
            raise ResourceError(404, "there is no API key with this client_id")
        return ControlResponse(status=204)

    def _make(self, members: Mapping[str, Any]) -> ApiKey:
        api_key = make_api_key(members)
        if unknown := unknown_scope(api_key, self._known_scope):
            raise FieldError("scopes", f"there is no scope {unknown}{did_you_mean(unknown)}")
        return api_key


def _public_members(api_key: ApiKey) -> dict[str, Any]:
    return {
        name: value for name, value in asdict(api_key).items() if name not in ("client_secret", *_INTERNAL)
    }
