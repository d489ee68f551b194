"""Issues an access token and a refresh token for a grant."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from secrets import token_urlsafe

from mockmoov.oauth import tokens
from mockmoov.oauth.errors import invalid_grant, invalid_scope
from mockmoov.oauth.grants import Grant, RefreshPolicy
from mockmoov.oauth.messages import TokenResponse
from mockmoov.oauth.records import ApiKey, IssuerKeys, RefreshToken, TokenFormat
from mockmoov.server.ids import new_id
from mockmoov.storage.repository import Repository
from mockmoov.storage.store import NOTHING, Seen

_ROOM = 12  # characters by which a refresh token may grow as its sequence gains digits


@dataclass(slots=True)
class Issuer:
    """Issues pairs of tokens. The store is written only where the access token is opaque."""

    repository: Repository
    policy: tokens.IssuerPolicy
    format: TokenFormat
    refresh: RefreshPolicy

    def issue(
        self, keys: IssuerKeys, api_key: ApiKey, grant: Grant, *, now: float, seen: Seen = NOTHING
    ) -> TokenResponse:
        """A new pair; uses up the refresh token of the grant, if there is one. Raises `OAuthError`.

        `seen` is what the request has read of the store already. The tokens are made and measured first, so
        that a refused request uses nothing up.
        """
        family, jti = grant.refreshed.family if grant.refreshed else new_id(), new_id()
        scope, issued_at = " ".join(grant.scope), int(now)
        claims = tokens.access_claims(
            self.policy,
            api_key,
            scope=scope,
            client_type=grant.client_type,
            family=family,
            jti=jti,
            now=now,
        )
        refresh_token = self._next(api_key, grant, family, now)
        response = TokenResponse(
            access_token=_ENCODERS[self.format](keys, claims),
            refresh_token=tokens.write_refresh_token(keys, refresh_token),
            scope=scope,
            issued_at=issued_at,
            expires_at=issued_at + self.policy.access_token_lifetime,
            token_format=self.format,
            jti=jti,
            family=family,
            sequence=refresh_token.sequence,
            refresh_expires_at=refresh_token.expires_at,
        )
        if max(len(response.access_token), len(response.refresh_token) + _ROOM) > tokens.MAX_LENGTH:
            raise invalid_scope(f"the token would be longer than {tokens.MAX_LENGTH} characters")
        if used := grant.refreshed:
            expires_at = self.policy.family_expiry(used.expires_at, now)
            if reason := self.repository.consume_refresh_token(
                used, now=now, policy=self.refresh, expires_at=expires_at, seen=seen
            ):
                raise invalid_grant(f"refresh_token {reason}")
        if self.format == "opaque":
            self.repository.put_opaque_token(
                tokens.fingerprint(response.access_token),
                claims,
                client_id=api_key.client_id,
                now=now,
                expires_at=response.expires_at,
            )
        return response

    def _next(self, api_key: ApiKey, grant: Grant, family: str, now: float) -> RefreshToken:
        """The new refresh token; it keeps the granted scope, however this request narrowed it."""
        before = grant.refreshed
        if before and not self.refresh.rotation:
            return before
        return RefreshToken(
            client_id=api_key.client_id,
            epoch=api_key.epoch,
            family=family,
            sequence=before.sequence + 1 if before else 0,
            scope=before.scope if before else " ".join(grant.scope),
            client_type=grant.client_type,
            issued_at=int(now),
            expires_at=int(now) + self.policy.refresh_token_lifetime,
        )


_ENCODERS: Mapping[TokenFormat, Callable[[IssuerKeys, Mapping[str, object]], str]] = {
    "jwt": tokens.sign,
    "opaque": lambda _keys, _claims: token_urlsafe(tokens.OPAQUE_BYTES),
}
