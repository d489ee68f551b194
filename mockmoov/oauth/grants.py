"""Owns who may have what: client authentication and the two grants. Must not know contracts or stores."""

import hmac
from collections.abc import Callable, Iterable

from msgspec import Struct
from msgspec.structs import replace

from mockmoov.oauth import scopes
from mockmoov.oauth.errors import ErrorCode, OAuthError
from mockmoov.oauth.messages import ClientCredentials, TokenRequest
from mockmoov.oauth.records import ApiKey, ClientType, RefreshToken, TokenFamily

NEW_FAMILY = TokenFamily()


class GrantFacts(Struct, frozen=True, kw_only=True):
    """All that a decision rests on. `refresh_token` is None if the one presented is not genuine."""

    api_key: ApiKey
    now: float
    known_scope: Callable[[str], bool]
    refresh_token: RefreshToken | None = None
    family: TokenFamily = NEW_FAMILY


class Grant(Struct, frozen=True, kw_only=True):
    """What may be issued: `scope` for the access token, `refreshed` the token that this grant uses up."""

    scope: tuple[str, ...]
    client_type: ClientType
    refreshed: RefreshToken | None = None


class RefreshPolicy(Struct, frozen=True, kw_only=True):
    """The switches of refresh token rotation (RFC 9700 §4.14.2); `grace` in seconds."""

    rotation: bool
    reuse_detection: bool
    grace: float


def authenticate_client(keys: Iterable[ApiKey], credentials: ClientCredentials | None) -> ApiKey:
    """The key that these credentials prove, among those with their client id (RFC 6749 §3.2.1)."""
    if credentials is None:
        raise OAuthError(ErrorCode.INVALID_CLIENT, "no client credentials were sent")
    for key in keys:
        if _same(key.client_secret, credentials.client_secrets):
            if not key.enabled:
                raise OAuthError(
                    ErrorCode.INVALID_CLIENT, "the API key is disabled", parameter=credentials.parameter
                )
            return key
    raise OAuthError(
        ErrorCode.INVALID_CLIENT, "unknown client_id or wrong client_secret", parameter=credentials.parameter
    )


def _same(secret: str, shown: Iterable[str]) -> bool:
    expected = secret.encode()
    matches = [
        hmac.compare_digest(expected, candidate.encode("utf-8", "surrogatepass")) for candidate in shown
    ]
    return any(matches)


def decide(request: TokenRequest, facts: GrantFacts) -> Grant:
    """What the client may have, or the `OAuthError` that says why not (RFC 6749 §3.2, §5.2)."""
    if request.grant_type is None:
        raise OAuthError(ErrorCode.INVALID_REQUEST, "grant_type is missing")
    grant = GRANTS.get(request.grant_type)
    if grant is None:
        raise OAuthError(
            ErrorCode.UNSUPPORTED_GRANT_TYPE, "grant_type is neither client_credentials nor refresh_token"
        )
    if request.grant_type not in facts.api_key.grants:
        raise OAuthError(ErrorCode.UNAUTHORIZED_CLIENT, f"the API key may not use {request.grant_type}")
    return grant(request, facts)


def _client_credentials(request: TokenRequest, facts: GrantFacts) -> Grant:  # RFC 6749 §4.4
    asked = scopes.parse_scope(request.scope or "")
    scopes.check_grantable(asked, facts.known_scope, facts.api_key.scopes)
    return Grant(scope=asked, client_type=request.client_type)


def _refresh_token(request: TokenRequest, facts: GrantFacts) -> Grant:  # RFC 6749 §6
    if request.refresh_token is None:
        raise OAuthError(ErrorCode.INVALID_REQUEST, "refresh_token is missing", parameter="refresh_token")
    token = _valid(facts)
    granted = scopes.parse_scope(token.scope)
    grant = Grant(scope=granted, client_type=token.client_type, refreshed=token)
    if request.scope is None or facts.family.sequence != token.sequence:
        return grant  # one that is used up is refused when it is redeemed, before its scope is looked at
    narrowed = scopes.parse_scope(request.scope)
    if not scopes.covers(granted, narrowed):
        raise scopes.invalid_scope("scope is wider than what was granted")
    return replace(grant, scope=narrowed)


def _valid(facts: GrantFacts) -> RefreshToken:
    """The refresh token, if its client may still use it."""
    token = facts.refresh_token
    if token is None:
        raise invalid_grant("refresh_token is unknown")
    if token.client_id != facts.api_key.client_id:
        raise invalid_grant("refresh_token was issued to another client")
    if reason := facts.api_key.rejection_reason(token):
        raise invalid_grant(f"refresh_token {reason}")
    if token.expires_at <= facts.now:
        raise invalid_grant("refresh_token has expired")
    if facts.family.revoked:
        raise invalid_grant("refresh_token was revoked")
    return token


GRANTS: dict[str, Callable[[TokenRequest, GrantFacts], Grant]] = {
    "client_credentials": _client_credentials,
    "refresh_token": _refresh_token,
}


def redeem(family: TokenFamily, sequence: int, now: float, policy: RefreshPolicy) -> tuple[TokenFamily, bool]:
    """The family after the refresh token `sequence` was presented, and whether that one was good.

    A token that was used up before, be it by a thief or by a lost race, revokes its family
    (RFC 9700 §4.14.2), unless it is the last one's predecessor within the grace period.
    """
    if family.revoked:
        return family, False
    if sequence == family.sequence:
        return (replace(family, sequence=sequence + 1, rotated_at=now) if policy.rotation else family), True
    excused = sequence == family.sequence - 1 and max(0.0, now - family.rotated_at) < policy.grace
    return (replace(family, revoked=True) if policy.reuse_detection and not excused else family), False


def invalid_grant(reason: str) -> OAuthError:
    """The refusal of a refresh token."""
    return OAuthError(ErrorCode.INVALID_GRANT, reason, parameter="refresh_token")
