"""Owns tokens on demand and the keys that sign them, as resources. Must not know paths or HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Annotated, Any

from msgspec import Meta

from mockmoov.control_plane.resource import Answer, Asked, Refused, api_key_of, want_members
from mockmoov.control_plane.validation import among, convert
from mockmoov.oauth import signing_keys as keys
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.records import ApiKey, ClientType, SigningKeys
from mockmoov.oauth.token_defects import DEFECTS
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.minting import Mint, Wish

_MOST_KEYS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    scope: Annotated[str, Meta(pattern=r"^[\x20-\x7e]+\Z", max_length=4096)] = "/ping.read"
    client_type: ClientType = "web"
    lifetime: Annotated[int, Meta(ge=1, le=10**8)] | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    defect: str | None = None
    client_id: str | None = None


class Tokens:
    """Access tokens on demand."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._repository = server.repository
        self._conditions = server.conditions
        self._settings = server.settings
        self._mint = Mint(server.repository, server.policy, server.settings.token_format)

    def mint(self, asked: Asked) -> Answer:
        """A token of the API key in the path, or else in the body, or else the first of the settings."""
        hidden = ("client_id",) if "client_id" in asked.parameters else ()
        given = convert(asked.body, _Wish, hidden=hidden)
        api_key = self._api_key(asked, given)
        wish = Wish(
            scope=given.scope,
            client_type=given.client_type,
            lifetime=given.lifetime or self._settings.access_token_lifetime,
            claims=given.claims,
            defect=None if given.defect is None else among("defect", given.defect, DEFECTS),
        )
        minted = self._mint.mint(api_key, wish, now=self._conditions.now(api_key.client_id))
        return Answer(
            document={
                "client_id": api_key.client_id,
                "access_token": minted.access_token,
                "claims": minted.claims,
                "defect": wish.defect,
            },
            status=201,
        )

    def _api_key(self, asked: Asked, given: _Wish) -> ApiKey:
        if "client_id" in asked.parameters:
            return api_key_of(asked, self._repository)
        client_id = given.client_id or self._settings.api_keys[0].client_id
        found = self._repository.api_keys([client_id])
        if not found:
            raise FieldError("client_id", "there is no API key with this client_id")
        return found[0]


class SigningKeysOfServer:
    """The keys that sign and verify: they can be listed, rotated and dropped."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._repository = server.repository

    def list_all(self, _asked: Asked) -> Answer:
        """The public keys; the first one signs."""
        return Answer(document=_shown(self._repository.signing_keys()))

    def rotate(self, asked: Asked) -> Answer:
        """Sign with a new key from now on; what the others signed stays good."""
        want_members(asked)
        if len(self._repository.signing_keys().retired) >= _MOST_KEYS:
            raise Refused(409, f"there are {_MOST_KEYS} retired keys, which is the limit: drop some")
        private_key = token_bytes(32)
        return Answer(
            document=_shown(
                self._repository.change_signing_keys(lambda before: keys.rotate(before, private_key))
            )
        )

    def drop(self, asked: Asked) -> Answer:
        """Forget a retired key: what it signed is no longer good."""
        want_members(asked)
        try:
            self._repository.change_signing_keys(lambda before: keys.drop(before, asked.parameters["kid"]))
        except keys.UnknownKeyError as error:
            raise Refused(404, str(error)) from None
        except ValueError as error:
            raise Refused(409, str(error)) from None
        return Answer(status=204)


def _shown(signing_keys: SigningKeys) -> dict[str, object]:
    return {"signs": keys.key_pair(signing_keys.private_key).kid, **keys.jwks(signing_keys)}
