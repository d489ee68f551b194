"""The breakages of tokens: what they say, how they are signed, which are good."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from mockmoov.oauth import operations, token_defects, tokens
from mockmoov.oauth import signing_keys as keys
from mockmoov.oauth.encoding import encode, encode_json
from mockmoov.oauth.errors import OAuthError
from mockmoov.oauth.grants import Grant
from mockmoov.oauth.messages import HttpResponse, TokenResponse
from mockmoov.oauth.records import AccessToken, ApiKey, IssuerKeys, RefreshToken
from mockmoov.oauth.signing_keys import key_pair
from mockmoov.server.issuing import Issuer
from mockmoov.server.validation import TokenValidator
from mockmoov.storage.store import NOTHING, Seen
from tools.breakages.bending import because, body
from tools.breakages.seams import Breakage

Claims = dict[str, Any]
_OTHER_KEYS = keys.make_issuer_keys(b"\x07" * 32)
_NO_RECORD = "they do not look into a token"


# --- what a token says ---------------------------------------------------------------------------------


def claiming(change: Callable[[Claims], Claims]) -> type[Issuer]:
    """Signs other claims than the right ones."""
    return writing(lambda signing_keys, claims: tokens.sign(signing_keys, change(claims)))


def writing(write: Callable[[IssuerKeys, Claims], str]) -> type[Issuer]:
    """Writes an access token in another way."""

    class Writing(Issuer):
        def issue(
            self, keys: IssuerKeys, api_key: ApiKey, grant: Grant, *, now: float, seen: Seen = NOTHING
        ) -> TokenResponse:
            response = super().issue(keys, api_key, grant, now=now, seen=seen)
            claims = tokens.unverified_claims(response.access_token)
            return response if claims is None else replace(response, access_token=write(keys, dict(claims)))

    return Writing


def heading(change: Callable[[dict[str, str]], dict[str, str]]) -> type[Issuer]:
    """Signs with another JOSE header."""

    def write(signing_keys: IssuerKeys, claims: Claims) -> str:
        pair = key_pair(signing_keys.private_key)
        right = {"alg": keys.ALGORITHM, "cty": "JWT", "kid": pair.kid}
        signing_input = f"{encode_json(change(right))}.{encode_json(claims)}"
        return f"{signing_input}.{encode(pair.sign(signing_input.encode()))}"

    return writing(write)


def without_claim(name: str) -> type[Issuer]:
    return claiming(lambda claims: {key: value for key, value in claims.items() if key != name})


def with_claim(name: str, value: Callable[[Claims], object]) -> type[Issuer]:
    return claiming(lambda claims: {**claims, name: value(claims)})


def _foreign(signing_keys: IssuerKeys, claims: Claims) -> str:
    """Signed by a key that nobody publishes, under the right kid."""
    other = key_pair(_OTHER_KEYS.private_key)
    signing_input = f"{key_pair(signing_keys.private_key).header}.{encode_json(claims)}"
    return f"{signing_input}.{encode(other.sign(signing_input.encode()))}"


def _too_long(response: HttpResponse) -> HttpResponse:
    document = {
        "access_token": "x" * 5000,
        "expires_in": 3600,
        "refresh_token": "x" * 5000,
        "scope": "/ping.read",
        "token_type": "Bearer",
    }
    return body(200, json.dumps(document).encode())(response)


class SameJti(Issuer):
    """Numbers no token."""

    def issue(
        self, keys: IssuerKeys, api_key: ApiKey, grant: Grant, *, now: float, seen: Seen = NOTHING
    ) -> TokenResponse:
        response = super().issue(keys, api_key, grant, now=now, seen=seen)
        claims = {**(tokens.unverified_claims(response.access_token) or {}), "jti": "0" * 32}
        return replace(response, access_token=tokens.sign(keys, claims), jti="0" * 32)


class ForgetsApplication(Issuer):
    """A refreshed token names no application."""

    def issue(
        self, keys: IssuerKeys, api_key: ApiKey, grant: Grant, *, now: float, seen: Seen = NOTHING
    ) -> TokenResponse:
        response = super().issue(keys, api_key, grant, now=now, seen=seen)
        claims = tokens.unverified_claims(response.access_token) or {}
        kept = {name: value for name, value in claims.items() if name != "aid" or not grant.refreshed}
        return replace(response, access_token=tokens.sign(keys, kept))


CLAIMS: dict[str, Breakage] = {
    "token-unsigned": Breakage(
        rule="an access token is signed", issuer=writing(token_defects.JWS_DEFECTS["alg-none"])
    ),
    "token-hs256": Breakage(
        rule="an access token is signed with Ed25519",
        issuer=writing(token_defects.JWS_DEFECTS["hs256-public-key"]),
    ),
    "token-bad-signature": Breakage(
        rule="the signature of a token verifies", issuer=writing(token_defects.JWS_DEFECTS["bad-signature"])
    ),
    "token-foreign-key": Breakage(
        rule="a token is signed by the key that its kid names", issuer=writing(_foreign)
    ),
    "token-typ-not-cty": Breakage(
        rule="the header of a token has alg, cty and kid",
        issuer=heading(lambda right: {"alg": right["alg"], "typ": "JWT", "kid": right["kid"]}),
        unseen=_NO_RECORD,
    ),
    "token-without-kid": Breakage(
        rule="a token names the key that signed it",
        issuer=heading(lambda right: {"alg": right["alg"], "cty": "JWT"}),
    ),
    "claim-iss-other": Breakage(
        rule="iss is Moov's applications", settings={"issuer": "https://auth.example"}, unseen=_NO_RECORD
    ),
    "claim-aud-without-origins": Breakage(
        rule="aud has the key's origins",
        issuer=with_claim("aud", lambda claims: [a for a in claims["aud"] if "moov" in a]),
    ),
    "claim-aud-without-api": Breakage(
        rule="aud has Moov's API host",
        issuer=with_claim("aud", lambda claims: [a for a in claims["aud"] if a != "https://api.moov.io"]),
    ),
    "claim-aud-reordered": Breakage(
        rule="aud has the key's origins first, then Moov's hosts",
        issuer=with_claim("aud", lambda claims: claims["aud"][::-1]),
        unseen=_NO_RECORD,
    ),
    "claim-aud-text": Breakage(
        rule="aud is a list",
        issuer=with_claim("aud", lambda claims: "https://api.moov.io"),
    ),
    "claim-scp-missing": Breakage(rule="scp says the scope", issuer=without_claim("scp")),
    "claim-scp-list": Breakage(
        rule="scp is the scope as one text", issuer=with_claim("scp", lambda claims: claims["scp"].split())
    ),
    "claim-scp-more": Breakage(
        rule="scp is what the answer says",
        issuer=with_claim("scp", lambda claims: claims["scp"] + " /accounts.write"),
        unseen=_NO_RECORD,
    ),
    "claim-aid-missing": Breakage(
        rule="aid says the application", issuer=without_claim("aid"), unseen=_NO_RECORD
    ),
    "claim-aid-lost-at-refresh": Breakage(
        rule="a refreshed token says what the one before it said",
        issuer=ForgetsApplication,
        unseen=_NO_RECORD,
    ),
    "claim-caid-missing": Breakage(
        rule="caid says the account", issuer=without_claim("caid"), unseen=_NO_RECORD
    ),
    "claim-caid-of-the-application": Breakage(
        rule="caid is the account of the key, not its application",
        issuer=with_claim("caid", lambda claims: claims["aid"]),
        unseen=_NO_RECORD,
    ),
    "claim-iat-milliseconds": Breakage(
        rule="iat counts seconds",
        issuer=with_claim("iat", lambda claims: claims["iat"] * 1000),
        unseen=_NO_RECORD,
    ),
    "claim-exp-missing": Breakage(rule="a token expires", issuer=without_claim("exp")),
    "claim-exp-other": Breakage(
        rule="exp says what expires_in says",
        issuer=with_claim("exp", lambda claims: claims["exp"] + 86400),
        unseen=_NO_RECORD,
    ),
    "claim-jti-missing": Breakage(rule="a token has an id", issuer=without_claim("jti")),
    "claim-jti-repeated": Breakage(
        rule="each token has an id of its own",
        issuer=SameJti,
        unseen="they look at one token at a time",
    ),
    "lifetime-a-day": Breakage(
        rule="an access token lives for an hour",
        settings={"access_token_lifetime": 86400},
    ),
    "refresh-lifetime-an-hour": Breakage(
        rule="a refresh token lives for three days",
        settings={"refresh_token_lifetime": 3600},
        unseen="they last no hour",
    ),
    "tokens-too-long": Breakage(
        rule="a token has at most 4,096 characters", bend=because(_too_long, "the token would be longer")
    ),
}


# --- what makes one good -------------------------------------------------------------------------------


class Lenient(TokenValidator):
    """Lets the claims of a token pass, of those with our signature, that would not."""

    forgiven: Mapping[str, object] = {}

    def access_token(self, text: str, now: float, seen: Seen = NOTHING) -> AccessToken:
        claims = tokens.verify(self._repository.signing_keys(), text)
        if claims is not None:
            mended = {**claims, **self._mended(claims, now)}
            token = tokens.read_claims(mended)
            if token and not tokens.claims_error(mended, now, self._policy):
                return token
        return super().access_token(text, now, seen)

    def _mended(self, claims: Mapping[str, object], now: float) -> Mapping[str, object]:
        return {name: now + 60 if value == "later" else value for name, value in self.forgiven.items()}


class NoExpiry(Lenient):
    forgiven = {"exp": "later"}


class AnyIssuer(Lenient):
    forgiven = {"iss": "https://api.moov.io#applications"}


class AnyAudience(Lenient):
    forgiven = {"aud": ["https://api.moov.io"]}


class AnyBeginning(Lenient):
    forgiven = {"nbf": 0}


class ExpWithLeeway(Lenient):
    """Takes a token for a minute longer, as many libraries do."""

    def _mended(self, claims: Mapping[str, object], now: float) -> Mapping[str, object]:
        expires = claims.get("exp")
        return {"exp": expires + 60} if isinstance(expires, int) else {}


class UnsignedGood(TokenValidator):
    """Reads a token without a look at its signature."""

    def access_token(self, text: str, now: float, seen: Seen = NOTHING) -> AccessToken:
        claims = tokens.unverified_claims(text)
        token = tokens.read_claims(claims) if claims else None
        if claims and token and not tokens.claims_error(claims, now, self._policy):
            return token
        return super().access_token(text, now, seen)


class NoneGood(UnsignedGood):
    """Takes alg none for a signature (RFC 8725 §2.1)."""

    def access_token(self, text: str, now: float, seen: Seen = NOTHING) -> AccessToken:
        return (
            super().access_token(text, now, seen)
            if text.endswith(".")
            else TokenValidator.access_token(self, text, now)
        )


class AnyKid(TokenValidator):
    """Verifies with the one key there is, whatever the kid."""

    def access_token(self, text: str, now: float, seen: Seen = NOTHING) -> AccessToken:
        signing_keys = self._repository.signing_keys()
        pair = key_pair(signing_keys.private_key)
        signing_input, _, signature = text.rpartition(".")
        claims = tokens.unverified_claims(text)
        if claims and signature == encode(pair.sign(signing_input.encode())):
            return super().access_token(tokens.sign(signing_keys, claims), now)
        return super().access_token(text, now, seen)


class RefreshIsAccess(TokenValidator):
    """Takes a refresh token for an access token."""

    def live_access_token(self, text: str, now: float, seen: Seen = NOTHING) -> tuple[ApiKey, AccessToken]:
        try:
            return super().live_access_token(text, now, seen)
        except OAuthError:
            refresh = self.refresh_token(text, now)
            if refresh is None:
                raise
            return self._repository.api_keys([refresh.client_id])[0], _as_access(refresh)


def _as_access(token: RefreshToken) -> AccessToken:
    return AccessToken(
        client_id=token.client_id,
        epoch=token.epoch,
        family=token.family,
        client_type="service",
        jti="none",
        scope=token.scope,
        audiences=(),
        expires_at=token.expires_at,
        claims={},
    )


class EveryoneABrowser(TokenValidator):
    """Binds every token to an origin."""

    def live_access_token(self, text: str, now: float, seen: Seen = NOTHING) -> tuple[ApiKey, AccessToken]:
        api_key, token = super().live_access_token(text, now, seen)
        return api_key, replace(token, client_type="web")


class NoOriginRegistered(TokenValidator):
    """Knows only Moov's own origins."""

    def live_access_token(self, text: str, now: float, seen: Seen = NOTHING) -> tuple[ApiKey, AccessToken]:
        api_key, token = super().live_access_token(text, now, seen)
        return api_key, replace(token, audiences=self._policy.audiences)


class OriginsByHost(TokenValidator):
    """Compares origins by their host, whatever the scheme and port."""

    def live_access_token(self, text: str, now: float, seen: Seen = NOTHING) -> tuple[ApiKey, AccessToken]:
        api_key, token = super().live_access_token(text, now, seen)
        other = {"https": "http", "http": "https"}
        both = [f"{other[scheme]}:{rest}" for scheme, _, rest in (a.partition(":") for a in token.audiences)]
        return api_key, replace(token, audiences=(*token.audiences, *both))


class EveryScope(TokenValidator):
    """Gives every token every scope."""

    def live_access_token(self, text: str, now: float, seen: Seen = NOTHING) -> tuple[ApiKey, AccessToken]:
        api_key, token = super().live_access_token(text, now, seen)
        table = operations.BY_PATH.values()
        sets = [scopes for methods in table for item in methods.values() for scopes in item.scope_sets]
        wanted = {scope for scopes in sets for scope in scopes}
        return api_key, replace(token, scope=" ".join(wanted))


class ScopeByPermission(TokenValidator):
    """Takes any scope to read for every scope to read."""

    def live_access_token(self, text: str, now: float, seen: Seen = NOTHING) -> tuple[ApiKey, AccessToken]:
        api_key, token = super().live_access_token(text, now, seen)
        return api_key, replace(token, scope="/ping.read" if ".read" in token.scope else token.scope)


BEARERS: dict[str, Breakage] = {
    "bearer-signature-unread": Breakage(
        rule="a token whose signature does not verify is refused",
        validator=UnsignedGood,
        unseen="they have no forged token that reads well",
    ),
    "bearer-alg-none": Breakage(
        rule="a token without a signature is refused",
        validator=NoneGood,
        unseen="they have no forged token that reads well",
    ),
    "bearer-kid-unread": Breakage(
        rule="a token with an unknown kid is refused", validator=AnyKid, unseen="they have none"
    ),
    "bearer-expired-good": Breakage(
        rule="an expired token is refused", validator=NoExpiry, unseen="they last no hour"
    ),
    "bearer-leeway": Breakage(
        rule="a token is expired in the second of its exp",
        validator=ExpWithLeeway,
        unseen="they last no hour",
    ),
    "bearer-any-issuer": Breakage(
        rule="a token of another issuer is refused", validator=AnyIssuer, unseen="they have none"
    ),
    "bearer-any-audience": Breakage(
        rule="a token for another audience is refused",
        validator=AnyAudience,
    ),
    "bearer-nbf-unread": Breakage(
        rule="a token that is not valid yet is refused", validator=AnyBeginning, unseen="they have none"
    ),
    "bearer-refresh-token-good": Breakage(
        rule="a refresh token is no access token", validator=RefreshIsAccess
    ),
    "bearer-every-scope": Breakage(rule="a token is good for its own scopes only", validator=EveryScope),
    "bearer-scope-by-permission": Breakage(
        rule="a scope to read one thing is not one to read another",
        validator=ScopeByPermission,
        unseen="the token without the scope is one to write",
    ),
    "bearer-service-bound": Breakage(
        rule="the Origin rule is for tokens of browsers only", validator=EveryoneABrowser
    ),
    "origin-unregistered": Breakage(
        rule="a registered origin passes",
        validator=NoOriginRegistered,
    ),
    "origin-by-host": Breakage(
        rule="an origin is scheme, host and port", validator=OriginsByHost, unseen="none differs so little"
    ),
}
