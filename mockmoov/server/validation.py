"""Validates access and refresh tokens, and revokes them."""

from collections.abc import Mapping

from mockmoov.oauth import hints, tokens
from mockmoov.oauth.errors import ErrorCode, OAuthError, invalid_client
from mockmoov.oauth.records import REVOKED, AccessToken, ApiKey, IssuerKeys, RefreshToken
from mockmoov.oauth.signing_keys import ALGORITHM, key_pairs
from mockmoov.simulation.redaction import show_origin
from mockmoov.storage.repository import Repository
from mockmoov.storage.store import NOTHING, Seen


class TokenValidator:
    """Decides whether a token is genuine and still good. Times are Unix seconds.

    The error of a token that isn't: a 401 without a code at a protected path, nothing at revocation.
    `restart_advice` ends the reason of one that may be from before a restart. `seen` is what the request has
    read of the store already.
    """

    def __init__(self, repository: Repository, policy: tokens.IssuerPolicy, restart_advice: str = "") -> None:
        self._repository = repository
        self._policy = policy
        self.restart_advice = restart_advice

    def unverified(self, text: str) -> tokens.ReadToken | None:
        """An access token, genuine or not; None if it is neither a JWT nor a known opaque token."""
        return tokens.unverified_access_token(text) or self._opaque_token(text)

    def access_token(self, text: str, now: float, seen: Seen = NOTHING) -> AccessToken:
        """A genuine access token that has not expired, be it a JWT or opaque; raises `OAuthError`."""
        keys = self._repository.signing_keys(seen)
        read = tokens.verified_access_token(keys, text) or self._opaque_token(text)
        if read is None:
            raise invalid_client(f"the token {self._why_unknown(keys, text)}")
        if error := tokens.claims_error(read.claims, now, self._policy):
            raise error
        if read.token is None:
            raise invalid_client("the token lacks claims that every access token of mockmoov has")
        return read.token

    def _opaque_token(self, text: str) -> tokens.ReadToken | None:
        claims = self._repository.opaque_token(tokens.fingerprint(text))
        return None if claims is None else tokens.ReadToken(claims, tokens.read_claims(claims))

    def _why_unknown(self, keys: IssuerKeys, text: str) -> str:
        """Why a text is not an access token of this server, as a predicate."""
        if odd := hints.token_oddity(text):
            return odd
        if tokens.read_refresh_token(keys, text):
            return "is a refresh token: send the access_token of the same response"
        if text in self._repository.secrets() or self._repository.api_keys([text]):
            return "is a part of an API key: request a token with the key at POST /oauth2/token"
        header, claims = tokens.unverified_header(text), tokens.unverified_claims(text)
        if header is None or claims is None:
            return f"is not a whole JWT, and {hints.elsewhere(self.restart_advice)}"
        if header.get("alg") == ALGORITHM and not tokens.has_whole_signature(text):
            return f"is cut short: it has {len(text)} characters, and its signature is not whole"
        return self._why_not_genuine(keys, header, claims)

    def why_not_refresh_token(self, text: str) -> str:
        """Why a text is not a refresh token of this server, as a predicate."""
        if odd := hints.token_oddity(text):
            return odd
        if self.unverified(text):
            return "is an access token: send the refresh_token of the same response"
        if not tokens.has_refresh_token_form(text):
            return "is cut short, or not a refresh token"
        return f"was altered, or {hints.elsewhere(self.restart_advice)}"

    def _why_not_genuine(
        self, keys: IssuerKeys, header: Mapping[str, object], claims: Mapping[str, object]
    ) -> str:
        if header.get("alg") != ALGORITHM:
            return f"is not signed with {ALGORITHM}, as Moov's tokens are"
        if any(pair.kid == header.get("kid") for pair in key_pairs(keys)):
            return "was altered: its signature does not match"
        issuer = claims.get("iss")
        if isinstance(issuer, str) and issuer != self._policy.issuer:
            return f"was issued by another server: its issuer is {show_origin(issuer)}"
        return hints.elsewhere(self.restart_advice)

    def live_access_token(self, text: str, now: float, seen: Seen = NOTHING) -> tuple[ApiKey, AccessToken]:
        """An access token that is good for use, with its API key; raises `OAuthError`."""
        token = self.access_token(text, now, seen)
        # Before the key is read, unless both were seen at one moment.
        is_revoked = self._repository.is_revoked(jti=token.jti, family=token.family, seen=seen)
        keys = self._repository.api_keys([token.client_id], seen)
        if not keys:
            reason = "the token's API key does not exist: it was deleted, or lost in a restart without store"
            raise invalid_client(reason)
        if not keys[0].enabled:
            raise invalid_client("the token's API key is disabled")
        if reason := keys[0].rejection_reason(token, self.restart_advice):
            raise invalid_client(f"the token {reason}")
        if is_revoked:
            raise invalid_client(f"the token {REVOKED}")
        return keys[0], token

    def live_refresh_token(self, text: str, api_key: ApiKey, now: float) -> RefreshToken | None:
        """A refresh token of this key that could be used now, or None."""
        token = self.refresh_token(text, now)
        if token is None or token.client_id != api_key.client_id or api_key.rejection_reason(token):
            return None
        family = self._repository.family(token.family)
        return token if not family.revoked and family.sequence == token.sequence else None

    def refresh_token(self, text: str, now: float, seen: Seen = NOTHING) -> RefreshToken | None:
        """A genuine refresh token that has not expired, or None."""
        token = tokens.read_refresh_token(self._repository.signing_keys(seen), text)
        return token if token and now < token.expires_at else None

    def revoke(self, text: str, api_key: ApiKey, now: float, seen: Seen = NOTHING) -> None:
        """Revoke a token of this key: a refresh token with its family, an access token alone (RFC 7009 §2.1).

        A token that is not genuine, or has expired, needs nothing; another key's raises `OAuthError`.
        """
        refresh = self.refresh_token(text, now, seen)
        if refresh is not None:
            _require_owner(refresh.client_id, api_key)
            expires_at = self._policy.family_expiry(refresh.expires_at, now)
            self._repository.revoke_family(refresh, now=now, expires_at=expires_at, seen=seen)
            return
        try:
            access = self.access_token(text, now, seen)
        except OAuthError:
            return
        _require_owner(access.client_id, api_key)
        self._repository.revoke_access_token(access, now=now)


def _require_owner(client_id: str, api_key: ApiKey) -> None:
    if client_id != api_key.client_id:
        raise OAuthError(ErrorCode.UNAUTHORIZED_CLIENT, "the token was issued to another client")
