"""The API keys, as resources of the control plane. Only creation returns the secret."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict, replace

from mockmoov.control_plane.resource import NO_API_KEY, ControlRequest, ResourceError
from mockmoov.oauth.api_keys import make_api_key, unknown_scope
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.records import ApiKey
from mockmoov.oauth.responses import render_empty, render_json
from mockmoov.oauth.scopes import CATALOGUES, did_you_mean
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.new_api_keys import ApiKeyConflictError, create_api_key, new_credentials

_INTERNAL = ("epoch", "floor", "created_at")  # members that requests and responses don't have


def list_all(request: ControlRequest) -> HttpResponse:
    """List the keys in the order of creation."""
    return render_json({"api_keys": list(map(_public_members, request.server.repository.all_api_keys()))})


def create(request: ControlRequest) -> HttpResponse:
    """Create a key. Generates the credentials that are missing."""
    members = {name: value for name, value in request.body.items() if value is not None}
    api_key = _make({**new_credentials(), **members}, request.server)
    try:
        create_api_key(request.server.repository, api_key, request.server.simulation.now(None))
    except ApiKeyConflictError as error:
        raise ResourceError(409, str(error)) from None
    return render_json({**_public_members(api_key), "client_secret": api_key.client_secret}, status=201)


def read(request: ControlRequest) -> HttpResponse:
    """Read one key."""
    return render_json(_public_members(request.api_key()))


def change(request: ControlRequest) -> HttpResponse:
    """Change attributes of a key; null restores the default. Its tokens stay valid."""
    if "client_id" in request.body:
        raise FieldError("client_id", "the client_id of an API key cannot be changed")

    def merge(before: ApiKey) -> ApiKey:
        members = {name: value for name, value in asdict(before).items() if name not in _INTERNAL}
        after = _make({**members, **request.body}, request.server)
        return replace(after, **{name: getattr(before, name) for name in _INTERNAL})

    changed = request.server.repository.change_api_key(request.parameters["client_id"], merge)
    if changed is None:
        raise ResourceError(404, NO_API_KEY)
    return render_json(_public_members(changed))


def delete(request: ControlRequest) -> HttpResponse:
    """Delete a key and everything that belongs to it. Its tokens stop working."""
    request.allow_members()
    if not request.server.repository.delete_api_key(request.parameters["client_id"]):
        raise ResourceError(404, NO_API_KEY)
    return render_empty(204)


def _make(members: Mapping[str, Any], server: AuthorizationServer) -> ApiKey:
    api_key = make_api_key(members)
    if unknown := unknown_scope(api_key, CATALOGUES[server.settings.scope_catalogue]):
        raise FieldError("scopes", f"there is no scope {unknown}{did_you_mean(unknown)}")
    return api_key


def _public_members(api_key: ApiKey) -> dict[str, Any]:
    hidden = ("client_secret", *_INTERNAL)
    return {name: value for name, value in asdict(api_key).items() if name not in hidden}
