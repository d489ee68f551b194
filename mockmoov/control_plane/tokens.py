"""Owns tokens on demand and the keys that sign them, as resources. Must not know paths or HTTP."""

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
from mockmoov.control_plane.validation import among, convert
from mockmoov.oauth import signing_keys as keys
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.records import ApiKey, ClientType, IssuerKeys
from mockmoov.oauth.token_defects import DEFECTS
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.minting import Minter, MintRequest

_MOST_KEYS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _MintInput:
    scope: Annotated[str, Meta(pattern=r"^[\x20-\x7e]+\Z", max_length=4096)] = "/ping.read"
    client_type: ClientType = "web"
    lifetime: Annotated[int, Meta(ge=1, le=10**8)] | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    defect: str | None = None
    client_id: str | None = None


class TokensResource:
    """Access tokens on demand."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._repository = server.repository
        self._simulation = server.simulation
        self._settings = server.settings
        self._mint = Minter(server.repository, server.policy, server.settings.token_format)

    def mint(self, request: ControlRequest) -> ControlResponse:
        """A token of the API key in the path, or else in the body, or else the first of the settings."""
        hidden = ("client_id",) if "client_id" in request.parameters else ()
        given = convert(request.body, _MintInput, hidden=hidden)
        api_key = self._api_key(request, given)
        wish = MintRequest(
            scope=given.scope,
            client_type=given.client_type,
            lifetime=given.lifetime or self._settings.access_token_lifetime,
            claims=given.claims,
            defect=None if given.defect is None else among("defect", given.defect, DEFECTS),
        )
        minted = self._mint.mint(api_key, wish, now=self._simulation.now(api_key.client_id))
        return ControlResponse(
            document={
                "client_id": api_key.client_id,
                "access_token": minted.access_token,
                "claims": minted.claims,
                "defect": wish.defect,
            },
            status=201,
        )

    def _api_key(self, request: ControlRequest, given: _MintInput) -> ApiKey:
        if "client_id" in request.parameters:
            return api_key_of(request, self._repository)
        client_id = given.client_id or self._settings.api_keys[0].client_id
        found = self._repository.api_keys([client_id])
        if not found:
            raise FieldError("client_id", "there is no API key with this client_id")
        return found[0]


class SigningKeysResource:
    """The keys that sign and verify: they can be listed, rotated and dropped."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._repository = server.repository

    def list_all(self, _request: ControlRequest) -> ControlResponse:
        """The public keys; the first one signs."""
        return ControlResponse(document=_public_members(self._repository.signing_keys()))

    def rotate(self, request: ControlRequest) -> ControlResponse:
        """Sign with a new key from now on; what the others signed stays good."""
        allow_members(request)
        if len(self._repository.signing_keys().retired) >= _MOST_KEYS:
            raise ResourceError(409, f"there are {_MOST_KEYS} retired keys, which is the limit: drop some")
        private_key = token_bytes(32)
        return ControlResponse(
            document=_public_members(
                self._repository.change_signing_keys(lambda before: keys.rotate(before, private_key))
            )
        )

    def drop(self, request: ControlRequest) -> ControlResponse:
        """Forget a retired key: what it signed is no longer good."""
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
