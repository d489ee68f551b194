"""Client authentication and the two grants: who may get which tokens.

Pure functions: everything a decision depends on is an argument, the time included.
"""

import hmac
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from mockmoov.oauth import hints, scopes
from mockmoov.oauth.errors import (
    ErrorCode,
    OAuthError,
    invalid_client,
    invalid_grant,
    invalid_request,
    invalid_scope,
)
from mockmoov.oauth.messages import ClientCredentials, TokenRequest
from mockmoov.oauth.records import ApiKey, ClientType, RefreshToken, TokenFamily

NEW_FAMILY = TokenFamily()


class GrantFacts(Struct, frozen=True, kw_only=True):
    """Everything that `decide` depends on; `now` in Unix seconds on the clock of the API key.

    `refresh_token` is None if the client sent none or sent one that is not genuine; `family` is its family,
    which matters if the request narrows the scope. `why_unknown` says of one that isn't genuine why, as a
    predicate.
    `restart_advice` ends the reason of one that may be from before a restart.
    """

    api_key: ApiKey
    now: float
    known_scope: Callable[[str], bool]
    refresh_token: RefreshToken | None = None
    why_unknown: str = ""
    family: TokenFamily = NEW_FAMILY
    restart_advice: str = ""


class Grant(Struct, frozen=True, kw_only=True):
    """What may be issued: `scope` for the access token; `refreshed` is the refresh token it uses up."""

    scope: tuple[str, ...]
    client_type: ClientType
    refreshed: RefreshToken | None = None


class RefreshPolicy(Struct, frozen=True, kw_only=True):
    """The settings of refresh token rotation (RFC 9700 §4.14.2); `grace` in seconds."""

    rotation: bool
    reuse_detection: bool
    grace: float


def authenticate_client(keys: Iterable[ApiKey], credentials: ClientCredentials | None) -> ApiKey:
    """Return the API key whose secret these credentials contain (RFC 6749 §3.2.1); raises `OAuthError`.

    `keys` are the API keys with the client id of the credentials.
    """
    if credentials is None:
        raise invalid_client(
            "no client credentials were sent: use HTTP Basic, or client_id and client_secret in the body",
            missing=("client_id", "client_secret"),
        )
    known, wrong = list(keys), partial(invalid_client, parameter=credentials.parameter)
    for key in known:
        if _same(key.client_secret, credentials.client_secrets):
            if not key.enabled:
                raise wrong("the API key is disabled")
            return key
    missing = _missing(credentials)
    raise wrong(_why_wrong(credentials, known), missing=missing)


def _missing(credentials: ClientCredentials) -> tuple[str, ...]:
    sent = {"client_id": credentials.client_ids, "client_secret": credentials.client_secrets}
    return tuple(name for name, values in sent.items() if not values)


def _why_wrong(credentials: ClientCredentials, known: Sequence[ApiKey]) -> str:
    """What is wrong with credentials; `known` are the API keys with their client id."""
    if missing := _missing(credentials):
        return f"{missing[0]} is missing"
    if not known:
        return "there is no API key with this client_id" + hints.odd_value(credentials.client_ids[0])
    sent = credentials.client_secrets[0]
    return f"client_secret is wrong{hints.odd_value(sent) or hints.similar_secret(sent, known[0])}"


def _same(secret: str, candidates: Iterable[str]) -> bool:
    """Whether a candidate equals the secret, in constant time."""
    expected = secret.encode()
    matches = [hmac.compare_digest(expected, sent.encode("utf-8", "surrogatepass")) for sent in candidates]
    return any(matches)


def decide(request: TokenRequest, facts: GrantFacts) -> Grant:
    """Decide what an authenticated client gets (RFC 6749 §3.2, §5.2); raises `OAuthError`."""
    if request.grant_type is None:
        raise invalid_request(
            "grant_type is missing: send client_credentials or refresh_token", missing=("grant_type",)
        )
    grant = GRANTS.get(request.grant_type)
    if grant is None:
        reason = "grant_type must be client_credentials or refresh_token"
        hint = hints.grant_type_hint(request.grant_type, GRANTS)
        raise OAuthError(ErrorCode.UNSUPPORTED_GRANT_TYPE, reason + hint)
    if request.grant_type not in facts.api_key.grants:
        reason = f"the API key may not use grant_type {request.grant_type}"
        raise OAuthError(ErrorCode.UNAUTHORIZED_CLIENT, reason)
    return grant(request, facts)


def _client_credentials(request: TokenRequest, facts: GrantFacts) -> Grant:  # RFC 6749 §4.4
    requested = scopes.parse_scope(request.scope or "")
    scopes.check_grantable(requested, facts.known_scope, facts.api_key.scopes)
    return Grant(scope=requested, client_type=request.client_type)


def _refresh_token(request: TokenRequest, facts: GrantFacts) -> Grant:  # RFC 6749 §6
    if request.refresh_token is None:
        raise invalid_request(
            "refresh_token is missing", parameter="refresh_token", missing=("refresh_token",)
        )
    token = _valid_refresh_token(facts)
    granted = scopes.parse_scope(token.scope)
    grant = Grant(scope=granted, client_type=token.client_type, refreshed=token)
    if request.scope is None or facts.family.revoked or facts.family.sequence != token.sequence:
        return grant  # `redeem` rejects a token that was used up or revoked, whatever its scope
    narrowed = scopes.parse_scope(request.scope)
    if not scopes.covers(granted, narrowed):
        raise invalid_scope("scope is wider than the original grant: request a part of it, or omit scope")
    return replace(grant, scope=narrowed)


def _valid_refresh_token(facts: GrantFacts) -> RefreshToken:
    """Return the refresh token if its client may still use it; raises `OAuthError`."""
    token = facts.refresh_token
    if token is None:
        raise invalid_grant(f"refresh_token is unknown: it {facts.why_unknown}")
    if token.client_id != facts.api_key.client_id:
        raise invalid_grant("refresh_token was issued to another client")
    if reason := facts.api_key.rejection_reason(token, facts.restart_advice):
        raise invalid_grant(f"refresh_token {reason}")
    if token.expires_at <= facts.now:
        raise invalid_grant(f"refresh_token {hints.expired(token.expires_at, facts.now)}")
    return token


GRANTS: dict[str, Callable[[TokenRequest, GrantFacts], Grant]] = {
    "client_credentials": _client_credentials,
    "refresh_token": _refresh_token,
}


def redeem(family: TokenFamily, sequence: int, now: float, policy: RefreshPolicy) -> tuple[TokenFamily, bool]:
    """Present refresh token number `sequence`: the family afterwards, and whether the token was valid.

    A used-up token revokes its family, as a thief may have used it (RFC 9700 §4.14.2); so does a lost race.
    The exception is the token just before the current one, within the grace period. `now` in Unix seconds.
    """
    if family.revoked:
        return family, False
    if sequence == family.sequence:
        return (replace(family, sequence=sequence + 1, rotated_at=now) if policy.rotation else family), True
    in_grace = sequence == family.sequence - 1 and max(0.0, now - family.rotated_at) < policy.grace
    return (replace(family, revoked=True) if policy.reuse_detection and not in_grace else family), False
