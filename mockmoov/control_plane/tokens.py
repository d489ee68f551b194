"""Minted access tokens and signing keys, as resources of the control plane."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Annotated, Any

from msgspec import Meta

from mockmoov.control_plane.resource import (
    ControlRequest,
    ControlResponse,
    ResourceError,
    allow_members,
    api_key_of,
)
from mockmoov.control_plane.validation import parse_as, require_one_of
from mockmoov.oauth import signing_keys as keys
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.records import ApiKey, ClientType, IssuerKeys
from mockmoov.oauth.token_defects import DEFECTS
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.minting import Minter, MintRequest

_MAX_RETIRED_KEYS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _MintBody:
    scope: Annotated[str, Meta(pattern=r"^[\x20-\x7e]+\Z", max_length=4096)] = "/ping.read"
    client_type: ClientType = "web"
    lifetime: Annotated[int, Meta(ge=1, le=10**8)] | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    defect: str | None = None
    client_id: str | None = None


class TokensResource:
    """Mints access tokens, valid or with a defect."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._repository = server.repository
        self._simulation = server.simulation
        self._settings = server.settings
        self._minter = Minter(server.repository, server.policy, server.settings.token_format)

    def mint(self, request: ControlRequest) -> ControlResponse:
        """Mint a token for the API key in the path or the body, or else for the first one in the settings."""
        hidden = ("client_id",) if "client_id" in request.parameters else ()
        body = parse_as(request.body, _MintBody, hidden=hidden)
        api_key = self._api_key(request, body)
        mint_request = MintRequest(
            scope=body.scope,
            client_type=body.client_type,
            lifetime=body.lifetime or self._settings.access_token_lifetime,
            claims=body.claims,
            defect=None if body.defect is None else require_one_of("defect", body.defect, DEFECTS),
        )
        now = self._simulation.now(api_key.client_id)
        minted = self._minter.mint(api_key, mint_request, now=now)
        return ControlResponse(
            document={
                "client_id": api_key.client_id,
                "access_token": minted.access_token,
                "claims": minted.claims,
                "defect": body.defect,
            },
            status=201,
        )

    def _api_key(self, request: ControlRequest, body: _MintBody) -> ApiKey:
        if "client_id" in request.parameters:
            return api_key_of(request, self._repository)
        client_id = body.client_id or self._settings.api_keys[0].client_id
        found = self._repository.api_keys([client_id])
        if not found:
            raise FieldError("client_id", "there is no API key with this client_id")
        return found[0]


class SigningKeysResource:
    """Lists, rotates and drops the keys that sign tokens."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._repository = server.repository

    def list_all(self, _request: ControlRequest) -> ControlResponse:
        """List the public keys; the first one signs."""
        return ControlResponse(document=_public_members(self._repository.signing_keys()))

    def rotate(self, request: ControlRequest) -> ControlResponse:
        """Sign with a new key from now on. Tokens signed by the others stay valid."""
        allow_members(request)
        if len(self._repository.signing_keys().retired) >= _MAX_RETIRED_KEYS:
            raise ResourceError(409, f"the limit of {_MAX_RETIRED_KEYS} retired keys is reached: drop some")
        private_key = token_bytes(32)
        return ControlResponse(
            document=_public_members(
                self._repository.change_signing_keys(lambda before: keys.rotate(before, private_key))
            )
        )

    def drop(self, request: ControlRequest) -> ControlResponse:
        """Drop a retired key. Tokens that it signed stop working."""
        allow_members(request)
        try:
            self._repository.change_signing_keys(lambda before: keys.drop(before, request.parameters["kid"]))
        except keys.UnknownKeyError as error:
            raise ResourceError(404, str(error)) from None
        except ValueError as error:
            raise ResourceError(409, str(error)) from None
        return ControlResponse(status=204)


def _public_members(signing_keys: IssuerKeys) -> dict[str, object]:
    return {"signs": keys.key_pair(signing_keys.private_key).kid, **keys.jwks(signing_keys)}
