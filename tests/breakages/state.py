"""Owns the breakages of decisions and of memory: API keys, grants, families. Must not know what is sent."""

from collections.abc import Callable
from dataclasses import replace
from secrets import token_hex
from typing import Any

from mockmoov import tokens
from mockmoov.conditions import ClockChange, Conditions
from mockmoov.endpoints import Endpoints
from mockmoov.errors import ErrorCode, OAuthError
from mockmoov.grants import Facts, Grant, RefreshPolicy
from mockmoov.inspection import Inspector
from mockmoov.issuing import Issuer
from mockmoov.messages import ClientCredentials, TokenRequest, TokenResponse
from mockmoov.records import AccessToken, ApiKey, RefreshToken, SigningKeys, TokenFamily
from mockmoov.repository import Repository
from mockmoov.scopes import CATALOGUES, covers, invalid_scope, template
from tests.breakages.seams import Breakage

_LONG_AGO = 0.0


# --- API keys ------------------------------------------------------------------------------------------


class AnySecret(Endpoints):
    """Takes a client at its word."""

    def _authenticate(self, credentials: ClientCredentials | None) -> ApiKey:
        for api_key in self.repository.api_keys(credentials.client_ids if credentials else ()):
            return api_key
        return super()._authenticate(credentials)


def secret_like(alike: Callable[[str, str], bool]) -> type[Endpoints]:
    """Compares what is shown with the secret in a way of its own."""

    class Alike(Endpoints):
        def _authenticate(self, credentials: ClientCredentials | None) -> ApiKey:
            for api_key in self.repository.api_keys(credentials.client_ids if credentials else ()):
                shown = credentials.client_secrets if credentials else ()
                if any(alike(api_key.client_secret, secret) for secret in shown):
                    return super()._authenticate(
                        replace(credentials, client_secrets=(api_key.client_secret,)) if credentials else None
                    )
            return super()._authenticate(credentials)

    return Alike


class UnknownTold(Endpoints):
    """Says that a client is unknown."""

    def _authenticate(self, credentials: ClientCredentials | None) -> ApiKey:
        if credentials and not self.repository.api_keys(credentials.client_ids):
            reason = "there is no such client"
            raise OAuthError(ErrorCode.INVALID_CLIENT, reason, parameter=credentials.parameter)
        return super()._authenticate(credentials)


class GrantTypeFirst(Endpoints):
    """Looks at what is asked for before it knows who asks."""

    def _authenticate(self, credentials: ClientCredentials | None) -> ApiKey:
        try:
            return super()._authenticate(credentials)
        except OAuthError as error:
            raise OAuthError(ErrorCode.UNSUPPORTED_GRANT_TYPE, error.reason) from None


class DisabledGood(Endpoints):
    """A disabled key authenticates as any other."""

    def _authenticate(self, credentials: ClientCredentials | None) -> ApiKey:
        if credentials:
            for api_key in self.repository.api_keys(credentials.client_ids):
                if api_key.client_secret in credentials.client_secrets:
                    return api_key
        return super()._authenticate(credentials)


class TokensOutliveKeys(Inspector):
    """What became of a token's API key is not looked at, only whether it was deleted."""

    def live_access_token(self, text: str, now: float) -> tuple[ApiKey, AccessToken]:
        token = self.access_token(text, now)
        for api_key in self._repository.api_keys([token.client_id]):
            if not api_key.enabled:
                return api_key, token
        return super().live_access_token(text, now)


KEYS: dict[str, Breakage] = {
    "secret-unchecked": Breakage(rule="a client proves that it has the secret", endpoints=AnySecret),
    "secret-by-prefix": Breakage(
        rule="a secret is compared to its end",
        endpoints=secret_like(lambda right, shown: bool(shown) and right.startswith(shown)),
        unseen="their wrong secrets have nothing in common with the right one",
    ),
    "secret-without-case": Breakage(
        rule="a secret has a case",
        endpoints=secret_like(lambda right, shown: right.lower() == shown.lower()),
        unseen="their wrong secrets have nothing in common with the right one",
    ),
    "unknown-client-told": Breakage(
        rule="an unknown client and a wrong secret look alike",
        endpoints=UnknownTold,
        unseen="they take any reason, and look at one answer at a time",
    ),
    "grant-type-before-credentials": Breakage(
        rule="who asks is looked at before what is asked for", endpoints=GrantTypeFirst
    ),
    "disabled-key-authenticates": Breakage(rule="a disabled key is refused", endpoints=DisabledGood),
    "disabled-key-keeps-tokens": Breakage(
        rule="the tokens of a disabled key are dead",
        inspector=TokensOutliveKeys,
        unseen="no key is disabled after it had tokens",
    ),
}

# --- what a decision rests on --------------------------------------------------------------------------


def believing(change: Callable[[TokenRequest, Facts], Facts]) -> type[Endpoints]:
    """Decides on other facts than those there are."""

    class Believing(Endpoints):
        def _facts(self, keys: SigningKeys, request: TokenRequest, api_key: ApiKey, now: float) -> Facts:
            return change(request, super()._facts(keys, request, api_key, now))

    return Believing


def granting(change: Callable[[TokenRequest], TokenRequest]) -> type[Endpoints]:
    """Grants another request than the one that was made."""

    class Granting(Endpoints):
        def _grant(self, request: TokenRequest, api_key: ApiKey, now: float) -> TokenResponse:
            return super()._grant(change(request), api_key, now)

    return Granting


def _with_token(facts: Facts, **changes: object) -> Facts:
    token = facts.refresh_token
    return replace(facts, refresh_token=replace(token, **changes)) if token else facts  # type: ignore[arg-type]


def _may_all(_request: TokenRequest, facts: Facts) -> Facts:
    return replace(facts, api_key=replace(facts.api_key, scopes=None))


def _may_either(_request: TokenRequest, facts: Facts) -> Facts:
    return replace(facts, api_key=replace(facts.api_key, grants=("client_credentials", "refresh_token")))


def _of_whoever_asks(_request: TokenRequest, facts: Facts) -> Facts:
    return _with_token(facts, client_id=facts.api_key.client_id, epoch=facts.api_key.epoch)


def _granted_all(request: TokenRequest, facts: Facts) -> Facts:
    token = facts.refresh_token
    return _with_token(facts, scope=f"{token.scope} {request.scope}") if token and request.scope else facts


def _read_with_write(_request: TokenRequest, facts: Facts) -> Facts:
    token = facts.refresh_token
    return (
        _with_token(facts, scope=f"{token.scope} {token.scope.replace('.write', '.read')}")
        if token
        else facts
    )


def _account_with_global(request: TokenRequest, facts: Facts) -> Facts:
    """A scope of an account passes where the same of all accounts was granted."""
    token = facts.refresh_token
    if not token:
        return facts
    held = set(token.scope.split())
    meant = [
        s for s in (request.scope or "").split() if template(s).removeprefix("/accounts/{accountID}") in held
    ]
    return _with_token(facts, scope=" ".join([token.scope, *meant]))


def _any_scope(_request: TokenRequest, facts: Facts) -> Facts:
    return replace(facts, known_scope=lambda scope: facts.known_scope(scope) or scope.startswith("/"))


def _any_account(_request: TokenRequest, facts: Facts) -> Facts:
    return replace(
        facts, known_scope=lambda scope: facts.known_scope(scope) or scope.startswith("/accounts/")
    )


def _scope_without_case(_request: TokenRequest, facts: Facts) -> Facts:
    return replace(facts, known_scope=lambda scope: facts.known_scope(scope.lower()))


def _scope_by_slash(request: TokenRequest) -> TokenRequest:
    scope = request.scope and " ".join(f"/{name.strip('/')}" for name in request.scope.split())
    return replace(request, scope=scope)


def _known_part(request: TokenRequest) -> TokenRequest:
    """Leaves out what it does not know, as RFC 6749 §3.3 would let it."""
    asked = (request.scope or "").split(" ")
    known = [scope for scope in asked if CATALOGUES["strict"](scope)]
    return replace(request, scope=" ".join(known)) if known else request


def _strict_spaces(request: TokenRequest) -> TokenRequest:
    odd = "" in (request.scope or "x").split(" ")
    return replace(request, scope='"') if odd else request


def _default_scope(request: TokenRequest) -> TokenRequest:
    missing = request.grant_type == "client_credentials" and not (request.scope or "").strip()
    return replace(request, scope="/ping.read") if missing else request


def _refresh_without_token(request: TokenRequest) -> TokenRequest:
    """Hands out a pair of its own where a refresh has no token."""
    if request.grant_type == "refresh_token" and request.refresh_token is None:
        return replace(request, grant_type="client_credentials", scope=request.scope or "/ping.read")
    return request


class ScopeKept(Endpoints):
    """A refresh that asks for less gets all the same what was granted."""

    def _grant(self, request: TokenRequest, api_key: ApiKey, now: float) -> TokenResponse:
        refreshing = request.grant_type == "refresh_token"
        return super()._grant(replace(request, scope=None) if refreshing else request, api_key, now)


GRANTS: dict[str, Breakage] = {
    "scope-missing-granted": Breakage(
        rule="a token is for scopes that were asked for", endpoints=granting(_default_scope)
    ),
    "scope-unknown-granted": Breakage(
        rule="an unknown scope is refused", settings={"scope_catalogue": "open"}
    ),
    "scope-unknown-dropped": Breakage(
        rule="an unknown scope is refused, even beside known ones", endpoints=granting(_known_part)
    ),
    "scope-anything-granted": Breakage(rule="a scope is of Moov's form", endpoints=believing(_any_scope)),
    "scope-any-account": Breakage(rule="an account in a scope is a UUID", endpoints=believing(_any_account)),
    "scope-by-case": Breakage(
        rule="a scope has a case",
        endpoints=believing(_scope_without_case),
        unseen="their unknown scopes are unknown in any case",
    ),
    "scope-slash-added": Breakage(
        rule="a scope begins with its slash",
        endpoints=granting(_scope_by_slash),
        unseen="their scopes all begin with one",
    ),
    "scope-spaces-refused": Breakage(
        rule="more white space between scopes is tolerated", endpoints=granting(_strict_spaces)
    ),
    "scope-not-allowed-granted": Breakage(
        rule="a scope that the key may not ask for is refused", endpoints=believing(_may_all)
    ),
    "grant-not-allowed-granted": Breakage(
        rule="a grant that the key may not use is refused", endpoints=believing(_may_either)
    ),
    "refresh-without-token-granted": Breakage(
        rule="a refresh has a refresh_token", endpoints=granting(_refresh_without_token)
    ),
    "refresh-expired-granted": Breakage(
        rule="an expired refresh token is refused",
        endpoints=believing(lambda _request, facts: replace(facts, now=_LONG_AGO)),
        unseen="they last no three days",
    ),
    "refresh-of-another-granted": Breakage(
        rule="another client's refresh token is refused", endpoints=believing(_of_whoever_asks)
    ),
    "refresh-wider-granted": Breakage(
        rule="a refresh never widens the scope", endpoints=believing(_granted_all)
    ),
    "refresh-write-implies-read": Breakage(
        rule="write does not imply read",
        endpoints=believing(_read_with_write),
        unseen="none asks for the other permission of a scope that it has",
    ),
    "refresh-global-implies-account": Breakage(
        rule="a scope of all accounts does not stand for an account's",
        endpoints=believing(_account_with_global),
        unseen="none asks for an account's part of what it has",
    ),
    "refresh-narrower-ignored": Breakage(rule="a refresh may ask for less", endpoints=ScopeKept),
}

# --- families ------------------------------------------------------------------------------------------


class KeepsOldTokens(Repository):
    """Rotates, but the old refresh token stays good."""

    def consume_refresh_token(
        self, token: RefreshToken, *, now: float, policy: RefreshPolicy, expires_at: float
    ) -> bool:
        return not self.family(token.family).revoked


class LosesRaces(Repository):
    """Looks whether a refresh token is good, waits, and then uses it up: two at once are both the first."""

    def consume_refresh_token(
        self, token: RefreshToken, *, now: float, policy: RefreshPolicy, expires_at: float
    ) -> bool:
        import time

        good = self.family(token.family).sequence == token.sequence
        time.sleep(0.02)
        super().consume_refresh_token(
            token,
            now=now,
            policy=replace(policy, reuse_detection=not good and policy.reuse_detection),
            expires_at=expires_at,
        )
        return good and not self.family(token.family).revoked


class NoCascade(Repository):
    """Revoking a refresh token leaves the access tokens of its family good."""

    def is_revoked(self, *, jti: str, family: str) -> bool:
        return super().is_revoked(jti=jti, family="none")


class ForgetsRevocations(Repository):
    """Says 204 to a revocation and does nothing."""

    def revoke_family(self, token: RefreshToken, *, now: float, expires_at: float) -> None:
        pass

    def revoke_access_token(self, token: AccessToken, *, now: float) -> None:
        pass


class ForgetsFamilyRevocations(Repository):
    """Revokes access tokens only."""

    def revoke_family(self, token: RefreshToken, *, now: float, expires_at: float) -> None:
        pass


class ForgetsTokenRevocations(Repository):
    """Revokes refresh tokens only."""

    def revoke_access_token(self, token: AccessToken, *, now: float) -> None:
        pass


class RevokesAll(Repository):
    """Revoking a refresh token revokes whatever its API key has."""

    def revoke_family(self, token: RefreshToken, *, now: float, expires_at: float) -> None:
        self.change_api_key(token.client_id, lambda api_key: replace(api_key, epoch=token_hex(8)))


class RevokesTooMuch(Repository):
    """An access token takes its family with it."""

    def is_revoked(self, *, jti: str, family: str) -> bool:
        return super().is_revoked(jti=jti, family=family) or self._get(f"revoked:{family}") is not None

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

    def issue(self, keys: SigningKeys, api_key: ApiKey, grant: Grant, *, now: float) -> TokenResponse:
        response = super().issue(keys, api_key, grant, now=now)
        token = tokens.read_claims(tokens.unverified_claims(response.access_token) or {})
        if token:
            if before := self._latest.get(token.family):
                self._repository.revoke_access_token(before, now=now)
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

    def issue(self, keys: SigningKeys, api_key: ApiKey, grant: Grant, *, now: float) -> TokenResponse:
        kept = replace(grant, client_type="web") if grant.refreshed else grant
        return super().issue(keys, api_key, kept, now=now)


class SameTokens(Issuer):
    """Gives the same tokens to who asks for the same again."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._issued: dict[object, TokenResponse] = {}

    def issue(self, keys: SigningKeys, api_key: ApiKey, grant: Grant, *, now: float) -> TokenResponse:
        if grant.refreshed:
            return super().issue(keys, api_key, grant, now=now)
        asked = (api_key.client_id, grant.scope, grant.client_type)
        if asked not in self._issued:
            self._issued[asked] = super().issue(keys, api_key, grant, now=now)
        return self._issued[asked]


class OneClock(Conditions):
    """All API keys share a clock."""

    def set_clock(self, owner: str | None, change: ClockChange) -> None:
        super().set_clock(None, change)


class RefusalsUseUp(Endpoints):
    """A refresh that is refused for its scope has used the token up."""

    def _grant(self, request: TokenRequest, api_key: ApiKey, now: float) -> TokenResponse:
        try:
            return super()._grant(request, api_key, now)
        except OAuthError as error:
            presented = tokens.read_refresh_token(self.repository.signing_keys(), request.refresh_token or "")
            if error.code is ErrorCode.INVALID_SCOPE and presented:
                self.repository.revoke_family(presented, now=now, expires_at=presented.expires_at)
            raise


class ScopeBeforeToken(Endpoints):
    """Looks at the scope of a refresh before it looks at the token."""

    def _grant(self, request: TokenRequest, api_key: ApiKey, now: float) -> TokenResponse:
        presented = tokens.read_refresh_token(self.repository.signing_keys(), request.refresh_token or "")
        if presented and request.scope and not covers(presented.scope.split(), request.scope.split()):
            raise invalid_scope("scope is wider than what was granted")
        return super()._grant(request, api_key, now)


class OthersReplaysCount(Endpoints):
    """A refresh token that another client presents revokes its family."""

    def _facts(self, keys: SigningKeys, request: TokenRequest, api_key: ApiKey, now: float) -> Facts:
        facts = super()._facts(keys, request, api_key, now)
        token = facts.refresh_token
        if token and token.client_id != api_key.client_id:
            self.repository.revoke_family(token, now=now, expires_at=token.expires_at)
        return facts


class AccessAsRefresh(Endpoints):
    """An access token refreshes as well as a refresh token."""

    def _facts(self, keys: SigningKeys, request: TokenRequest, api_key: ApiKey, now: float) -> Facts:
        facts = super()._facts(keys, request, api_key, now)
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
            issued_at=int(now),
            expires_at=int(now) + 60,
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
        unseen="none asks for the same twice",
    ),
    "clock-shared": Breakage(
        rule="the clock of an API key is its own",
        conditions=OneClock,
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


class UnknownRefused(Inspector):
    """Refuses to revoke what it does not know."""

    def revoke(self, text: str, api_key: ApiKey, now: float) -> None:
        if self.refresh_token(text, now) is None and self._unknown(text, now):
            raise OAuthError(ErrorCode.INVALID_REQUEST, "the token is unknown", parameter="token")
        super().revoke(text, api_key, now)

    def _unknown(self, text: str, now: float) -> bool:
        try:
            self.access_token(text, now)
        except OAuthError:
            return True
        return False


class OncePerToken(Inspector):
    """Refuses to revoke what is revoked already."""

    def revoke(self, text: str, api_key: ApiKey, now: float) -> None:
        try:
            self.live_access_token(text, now)
        except OAuthError as error:
            if "revoked" in error.reason:
                raise OAuthError(ErrorCode.INVALID_REQUEST, error.reason, parameter="token") from None
        super().revoke(text, api_key, now)


class AnyOwner(Inspector):
    """Revokes a token whoever asks."""

    def revoke(self, text: str, api_key: ApiKey, now: float) -> None:
        refresh = self.refresh_token(text, now)
        if refresh:
            api_key = replace(api_key, client_id=refresh.client_id)
        else:
            try:
                api_key = replace(api_key, client_id=self.access_token(text, now).client_id)
            except OAuthError:
                return
        super().revoke(text, api_key, now)


REVOCATION: dict[str, Breakage] = {
    "revoke-unknown-refused": Breakage(
        rule="revoking an unknown token is a success", inspector=UnknownRefused
    ),
    "revoke-twice-refused": Breakage(rule="revoking a revoked token is a success", inspector=OncePerToken),
    "revoke-by-anyone": Breakage(rule="a token is revoked by its own client only", inspector=AnyOwner),
}
