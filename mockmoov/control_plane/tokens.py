"""Minted access tokens and signing keys, as resources of the control plane."""

from collections.abc import Mapping
from secrets import token_bytes
from typing import Annotated, Any

from msgspec import Meta, Struct

from mockmoov.control_plane.resource import NO_API_KEY, ControlRequest, ResourceError
from mockmoov.oauth import signing_keys as keys
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.fields import parse_as, require_one_of
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.records import ApiKey, ClientType, IssuerKeys
from mockmoov.oauth.responses import render_empty, render_json
from mockmoov.oauth.token_defects import DEFECTS
from mockmoov.server.minting import Minter, MintRequest

_MAX_RETIRED_KEYS = 100


class _MintBody(Struct, frozen=True, kw_only=True):
    scope: Annotated[str, Meta(pattern=r"^[\x20-\x7e]+\Z", max_length=4096)] = "/ping.read"
    client_type: ClientType = "web"
    lifetime: Annotated[int, Meta(ge=1, le=10**8)] | None = None
    claims: Mapping[str, Any] = {}
    defect: str | None = None
    client_id: str | None = None


def mint(request: ControlRequest) -> HttpResponse:
    """Mint a token for the API key in the path or the body, or else for the first one in the settings."""
    server = request.server
    hidden = ("client_id",) if "client_id" in request.parameters else ()
    body = parse_as(request.body, _MintBody, hidden=hidden)
    api_key = _api_key(request, body)
    mint_request = MintRequest(
        scope=body.scope,
        client_type=body.client_type,
        lifetime=body.lifetime or server.settings.access_token_lifetime,
        claims=body.claims,
        defect=None if body.defect is None else require_one_of("defect", body.defect, DEFECTS),
    )
    minter = Minter(server.repository, server.policy, server.settings.token_format)
    minted = minter.mint(api_key, mint_request, now=server.simulation.now(api_key.client_id))
    document = {
        "client_id": api_key.client_id,
        "access_token": minted.access_token,
        "claims": minted.claims,
        "defect": body.defect,
    }
    return render_json(document, status=201)


def _api_key(request: ControlRequest, body: _MintBody) -> ApiKey:
    if "client_id" in request.parameters:
        return request.api_key()
    client_id = body.client_id or request.server.settings.api_keys[0].client_id
    found = request.server.repository.api_keys([client_id])
    if not found:
        raise FieldError("client_id", NO_API_KEY)
    return found[0]


def list_keys(request: ControlRequest) -> HttpResponse:
    """List the public signing keys; the first one signs."""
    return _render(request.server.repository.signing_keys())


def rotate_keys(request: ControlRequest) -> HttpResponse:
    """Sign with a new key from now on. Tokens signed by the others stay valid."""
    request.allow_members()
    repository = request.server.repository
    if len(repository.signing_keys().retired) >= _MAX_RETIRED_KEYS:
        raise ResourceError(409, f"the limit of {_MAX_RETIRED_KEYS} retired keys is reached: drop some")
    private_key = token_bytes(32)
    return _render(repository.change_signing_keys(lambda before: keys.rotate(before, private_key)))


def drop_key(request: ControlRequest) -> HttpResponse:
    """Drop a retired key. Tokens that it signed stop working."""
    request.allow_members()
    kid = request.parameters["kid"]
    try:
        request.server.repository.change_signing_keys(lambda before: keys.drop(before, kid))
    except keys.UnknownKeyError as error:
        raise ResourceError(404, str(error)) from None
    except ValueError as error:
        raise ResourceError(409, str(error)) from None
    return render_empty(204)


def _render(signing_keys: IssuerKeys) -> HttpResponse:
    kid = keys.key_pair(signing_keys.private_key).kid
    return render_json({"signs": kid, **keys.jwks(signing_keys)})
