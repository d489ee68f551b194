"""Mints access tokens for tests, valid or with one defect."""

from collections.abc import Mapping
from secrets import token_urlsafe

from msgspec import Struct
from msgspec.structs import replace

from mockmoov.oauth import scopes, token_defects, tokens
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.records import ApiKey, ClientType, TokenFormat
from mockmoov.server.ids import new_id
from mockmoov.storage.repository import Repository


class MintRequest(Struct, frozen=True, kw_only=True):
    """The token to mint. `lifetime` is in seconds; `claims` are added to the usual ones or replace them.

    `{accountID}` in the scope is the account of the API key.
    """

    scope: str
    client_type: ClientType
    lifetime: int
    claims: Mapping[str, object]
    defect: str | None


class Minted(Struct, frozen=True, kw_only=True):
    """An access token and its claims."""

    access_token: str
    claims: Mapping[str, object]


class Minter(Struct, frozen=True):
    """Mints access tokens without a grant; any well-formed scope will do."""

    repository: Repository
    policy: tokens.IssuerPolicy
    format: TokenFormat

    def mint(self, api_key: ApiKey, wish: MintRequest, *, now: float) -> Minted:
        """A new access token of this key; raises `FieldError` if it cannot be minted or is too long."""
        claims: Mapping[str, object] = tokens.access_claims(
            replace(self.policy, access_token_lifetime=wish.lifetime),
            api_key,
            scope=_scope(api_key, wish),
            client_type=wish.client_type,
            family=new_id(),
            jti=new_id(),
            now=now,
        )
        claims = {**claims, **wish.claims}
        if spoil := token_defects.CLAIM_DEFECTS.get(wish.defect or ""):
            claims = spoil(claims, int(now))
        token = self._write(api_key, claims, wish, now)
        if len(token) > tokens.MAX_LENGTH:
            raise FieldError("claims", f"the token would be longer than {tokens.MAX_LENGTH} characters")
        if wish.defect == token_defects.REVOKED:
            self._revoke(claims, now)
        return Minted(access_token=token, claims=claims)

    def _write(self, api_key: ApiKey, claims: Mapping[str, object], wish: MintRequest, now: float) -> str:
        keys = self.repository.signing_keys()
        if write := token_defects.JWS_DEFECTS.get(wish.defect or ""):
            return write(keys, claims)
        if self.format == "jwt":
            return tokens.sign(keys, claims)
        token = token_urlsafe(tokens.OPAQUE_BYTES)
        claimed = claims.get("exp")
        expires_at = float(claimed) if isinstance(claimed, int | float) else now
        # A defect is refused for itself, not because the record is gone.
        expires_at = max(expires_at, now + wish.lifetime)
        self.repository.put_opaque_token(
            tokens.fingerprint(token), claims, client_id=api_key.client_id, now=now, expires_at=expires_at
        )
        return token

    def _revoke(self, claims: Mapping[str, object], now: float) -> None:
        token = tokens.read_claims(claims)
        if token is None:
            raise FieldError("claims", "with these claims it is not an access token and cannot be revoked")
        self.repository.revoke_access_token(token, now=now)


def _scope(api_key: ApiKey, wish: MintRequest) -> str:
    """The scope with the key's account filled in; its form is checked unless `scp` is given."""
    scope = wish.scope.replace(scopes.ACCOUNT_ID, api_key.account_id)
    if "scp" not in wish.claims and not all(map(scopes.is_well_formed, scope.split(" "))):
        raise FieldError("scope", f"each scope must be {scopes.SCOPE_FORM}")
    return scope
