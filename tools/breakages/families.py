"""The breakages of token families: rotation, replays, races, revocation."""

from collections.abc import Callable
from secrets import token_hex
from typing import Any

from msgspec.structs import replace

from mockmoov.oauth import tokens
from mockmoov.oauth.errors import ErrorCode, OAuthError, invalid_scope
from mockmoov.oauth.grants import Grant, GrantFacts, RefreshPolicy
from mockmoov.oauth.messages import TokenRequest, TokenResponse
from mockmoov.oauth.records import AccessToken, ApiKey, IssuerKeys, RefreshToken, TokenFamily
from mockmoov.oauth.scopes import covers
from mockmoov.server.endpoints import Endpoints
from mockmoov.server.issuing import Issuer
from mockmoov.server.validation import TokenValidator
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import ClaimedClient, ClockChange, SimulationState
from mockmoov.storage.store import NOTHING, Seen
from tools.breakages.seams import Breakage


class KeepsOldTokens(Repository):
    """Rotates, but the old refresh token stays good."""

    def consume_refresh_token(self, token: RefreshToken, **_: Any) -> str:
        return "was revoked" if self.family(token.family).revoked else ""


class LosesRaces(Repository):
    """Looks whether a refresh token is good, waits, and then uses it up: two at once are both the first."""

    def consume_refresh_token(self, token: RefreshToken, *, policy: RefreshPolicy, **others: Any) -> str:
        import time

        good = self.family(token.family).sequence == token.sequence
        time.sleep(0.02)
        policy = replace(policy, reuse_detection=not good and policy.reuse_detection)
        super().consume_refresh_token(token, policy=policy, **others)
        return "" if good and not self.family(token.family).revoked else "was used already"


class NoCascade(Repository):
    """Revoking a refresh token leaves the access tokens of its family good."""

    def is_revoked(self, *, jti: str, family: str, seen: Seen = NOTHING) -> bool:
        return super().is_revoked(jti=jti, family="none", seen=seen)


class ForgetsRevocations(Repository):
    """Says 204 to a revocation and does nothing."""

    def revoke_family(
        self, token: RefreshToken, *, now: float, expires_at: float, seen: Seen = NOTHING
    ) -> None:
        pass

    def revoke_access_token(self, token: AccessToken, *, now: float) -> None:
        pass


class ForgetsFamilyRevocations(Repository):
    """Revokes access tokens only."""

    def revoke_family(
        self, token: RefreshToken, *, now: float, expires_at: float, seen: Seen = NOTHING
    ) -> None:
        pass


class ForgetsTokenRevocations(Repository):
    """Revokes refresh tokens only."""

    def revoke_access_token(self, token: AccessToken, *, now: float) -> None:
        pass


class RevokesAll(Repository):
    """Revoking a refresh token revokes whatever its API key has."""

    def revoke_family(
        self, token: RefreshToken, *, now: float, expires_at: float, seen: Seen = NOTHING
    ) -> None:
        self.change_api_key(token.client_id, lambda api_key: replace(api_key, epoch=token_hex(8)))


class RevokesTooMuch(Repository):
    """An access token takes its family with it."""

    def is_revoked(self, *, jti: str, family: str, seen: Seen = NOTHING) -> bool:
        return (
            super().is_revoked(jti=jti, family=family, seen=seen)
            or self._get(f"revoked:{family}") is not None
        )

    def family(self, family: str) -> TokenFamily:
        known = super().family(family)
        return replace(known, revoked=known.revoked or self._get(f"revoked:{family}") is not None)

    def revoke_access_token(self, token: AccessToken, *, now: float) -> None:
        super().revoke_access_token(token, now=now)
        super().revoke_access_token(replace(token, jti=token.family), now=now)


class OldTokensDie(Issuer):
    """A refresh ends the access token that came before it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._latest: dict[str, AccessToken] = {}

    def issue(
        self, keys: IssuerKeys, api_key: ApiKey, grant: Grant, *, now: float, seen: Seen = NOTHING
    ) -> TokenResponse:
        response = super().issue(keys, api_key, grant, now=now, seen=seen)
        token = tokens.read_claims(tokens.unverified_claims(response.access_token) or {})
        if token:
            if before := self._latest.get(token.family):
                self.repository.revoke_access_token(before, now=now)
            self._latest[token.family] = token
        return response


def issuing(change: Callable[[Issuer, RefreshToken, Grant, float], RefreshToken]) -> type[Issuer]:
    """Issues another refresh token than the right one."""

    class Issuing(Issuer):
        def _next(self, api_key: ApiKey, grant: Grant, family: str, now: float) -> RefreshToken:
            return change(self, super()._next(api_key, grant, family, now), grant, now)

    return Issuing


def _narrowed(_issuer: Issuer, token: RefreshToken, grant: Grant, _now: float) -> RefreshToken:
    return replace(token, scope=" ".join(grant.scope))


def _not_prolonged(_issuer: Issuer, token: RefreshToken, grant: Grant, _now: float) -> RefreshToken:
    return replace(token, expires_at=grant.refreshed.expires_at) if grant.refreshed else token


class ForgetsClientType(Issuer):
    """A refreshed token is a browser's."""

    def issue(
        self, keys: IssuerKeys, api_key: ApiKey, grant: Grant, *, now: float, seen: Seen = NOTHING
    ) -> TokenResponse:
        kept = replace(grant, client_type="web") if grant.refreshed else grant
        return super().issue(keys, api_key, kept, now=now, seen=seen)


class SameTokens(Issuer):
    """Gives the same tokens to who asks for the same again."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._issued: dict[object, TokenResponse] = {}

    def issue(
        self, keys: IssuerKeys, api_key: ApiKey, grant: Grant, *, now: float, seen: Seen = NOTHING
    ) -> TokenResponse:
        if grant.refreshed:
            return super().issue(keys, api_key, grant, now=now, seen=seen)
        asked = (api_key.client_id, grant.scope, grant.client_type)
        if asked not in self._issued:
            self._issued[asked] = super().issue(keys, api_key, grant, now=now, seen=seen)
        return self._issued[asked]


class OneClock(SimulationState):
    """All API keys share a clock."""

    def set_clock(self, owner: str | None, change: ClockChange) -> None:
        super().set_clock(None, change)


class RefusalsUseUp(Endpoints):
    """A refresh that is refused for its scope has used the token up."""

    def _grant(self, request: TokenRequest, api_key: ApiKey, client: ClaimedClient) -> TokenResponse:
        try:
            return super()._grant(request, api_key, client)
        except OAuthError as error:
            presented = tokens.read_refresh_token(self.repository.signing_keys(), request.refresh_token or "")
            if error.code is ErrorCode.INVALID_SCOPE and presented:
                self.repository.revoke_family(presented, now=client.now, expires_at=presented.expires_at)
            raise


class ScopeBeforeToken(Endpoints):
    """Looks at the scope of a refresh before it looks at the token."""

    def _grant(self, request: TokenRequest, api_key: ApiKey, client: ClaimedClient) -> TokenResponse:
        presented = tokens.read_refresh_token(self.repository.signing_keys(), request.refresh_token or "")
        if presented and request.scope and not covers(presented.scope.split(), request.scope.split()):
            raise invalid_scope("scope is wider than the original grant")
        return super()._grant(request, api_key, client)


class OthersReplaysCount(Endpoints):
    """A refresh token that another client presents revokes its family."""

    def _facts(
        self, keys: IssuerKeys, request: TokenRequest, api_key: ApiKey, client: ClaimedClient
    ) -> GrantFacts:
        facts = super()._facts(keys, request, api_key, client)
        token = facts.refresh_token
        if token and token.client_id != api_key.client_id:
            self.repository.revoke_family(token, now=client.now, expires_at=token.expires_at)
        return facts


class AccessAsRefresh(Endpoints):
    """An access token refreshes as well as a refresh token."""

    def _facts(
        self, keys: IssuerKeys, request: TokenRequest, api_key: ApiKey, client: ClaimedClient
    ) -> GrantFacts:
        facts = super()._facts(keys, request, api_key, client)
        claims = tokens.verify(keys, request.refresh_token or "")
        access = tokens.read_claims(claims) if claims else None
        if access is None:
            return facts
        stand_in = RefreshToken(
            client_id=access.client_id,
            epoch=access.epoch,
            family=access.jti,
            sequence=0,
            scope=access.scope,
            client_type=access.client_type,
            issued_at=int(client.now),
            expires_at=int(client.now) + 60,
        )
        return replace(facts, refresh_token=stand_in)


FAMILIES: dict[str, Breakage] = {
    "old-refresh-token-stays": Breakage(
        rule="a refresh token is good for one use", repository=KeepsOldTokens, clients=True
    ),
    "refresh-token-not-rotated": Breakage(
        rule="a refresh gives a new refresh token", settings={"refresh_rotation": "off"}
    ),
    "replay-revokes-nothing": Breakage(
        rule="a replay revokes the whole family", settings={"refresh_reuse_detection": "off"}, clients=True
    ),
    "replay-excused": Breakage(
        rule="no replay is excused without a grace period", settings={"refresh_grace_seconds": 60}
    ),
    "replay-by-another-counts": Breakage(
        rule="only its owner's replay of a refresh token counts", endpoints=OthersReplaysCount
    ),
    "refresh-races-lost": Breakage(
        rule="of many simultaneous uses of a refresh token exactly one succeeds",
        repository=LosesRaces,
        unseen="they come one after the other",
    ),
    "refresh-narrows-the-grant": Breakage(
        rule="a narrower refresh narrows the new access token only", issuer=issuing(_narrowed)
    ),
    "tokens-given-again": Breakage(
        rule="each request gives tokens of its own",
        issuer=SameTokens,
    ),
    "clock-shared": Breakage(
        rule="the clock of an API key is its own",
        simulation=OneClock,
        unseen="no clock is moved",
    ),
    "refresh-not-prolonged": Breakage(
        rule="each refresh prolongs the life of the refresh token",
        issuer=issuing(_not_prolonged),
        unseen="they last no three days",
    ),
    "refresh-forgets-client-type": Breakage(
        rule="a refreshed token keeps its client type",
        issuer=ForgetsClientType,
        unseen="the device's token is not refreshed in them",
    ),
    "refused-refresh-uses-up": Breakage(rule="a refused refresh uses nothing up", endpoints=RefusalsUseUp),
    "refresh-scope-before-token": Breakage(
        rule="the refresh token is looked at before the scope", endpoints=ScopeBeforeToken
    ),
    "access-token-refreshes": Breakage(rule="an access token is no refresh token", endpoints=AccessAsRefresh),
    "no-cascade": Breakage(
        rule="revoking a refresh token revokes the access tokens of its family",
        repository=NoCascade,
        clients=True,
    ),
    "revocation-forgotten": Breakage(
        rule="a revoked token is dead", repository=ForgetsRevocations, clients=True
    ),
    "refresh-revocation-forgotten": Breakage(
        rule="a revoked refresh token is dead", repository=ForgetsFamilyRevocations
    ),
    "access-revocation-forgotten": Breakage(
        rule="a revoked access token is dead", repository=ForgetsTokenRevocations
    ),
    "revocation-of-everything": Breakage(
        rule="a revocation leaves other families alone",
        repository=RevokesAll,
        unseen="they look at one family at a time",
    ),
    "access-revocation-cascades": Breakage(
        rule="revoking an access token revokes that one only", repository=RevokesTooMuch
    ),
    "refresh-ends-older-access-tokens": Breakage(
        rule="older access tokens outlive a refresh", issuer=OldTokensDie
    ),
}


# --- revocation ----------------------------------------------------------------------------------------


class UnknownRefused(TokenValidator):
    """Refuses to revoke what it does not know."""

    def revoke(self, text: str, api_key: ApiKey, now: float, seen: Seen = NOTHING) -> None:
        if self.refresh_token(text, now) is None and self._unknown(text, now):
            raise OAuthError(ErrorCode.INVALID_REQUEST, "the token is unknown", parameter="token")
        super().revoke(text, api_key, now, seen)

    def _unknown(self, text: str, now: float) -> bool:
        try:
            self.access_token(text, now)
        except OAuthError:
            return True
        return False


class OncePerToken(TokenValidator):
    """Refuses to revoke what is revoked already."""

    def revoke(self, text: str, api_key: ApiKey, now: float, seen: Seen = NOTHING) -> None:
        try:
            self.live_access_token(text, now)
        except OAuthError as error:
            if "revoked" in error.reason:
                raise OAuthError(ErrorCode.INVALID_REQUEST, error.reason, parameter="token") from None
        super().revoke(text, api_key, now, seen)


class AnyOwner(TokenValidator):
    """Revokes a token whoever asks."""

    def revoke(self, text: str, api_key: ApiKey, now: float, seen: Seen = NOTHING) -> None:
        refresh = self.refresh_token(text, now)
        if refresh:
            api_key = replace(api_key, client_id=refresh.client_id)
        else:
            try:
                api_key = replace(api_key, client_id=self.access_token(text, now).client_id)
            except OAuthError:
                return
        super().revoke(text, api_key, now, seen)


REVOCATION: dict[str, Breakage] = {
    "revoke-unknown-refused": Breakage(
        rule="revoking an unknown token is a success", validator=UnknownRefused
    ),
    "revoke-twice-refused": Breakage(rule="revoking a revoked token is a success", validator=OncePerToken),
    "revoke-by-anyone": Breakage(rule="a token is revoked by its own client only", validator=AnyOwner),
}
