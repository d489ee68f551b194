"""Access tokens and refresh tokens: their claims, how they are signed and how they are verified.

Access tokens are signed and verified here, without a JOSE library, which costs more than the signature: there
is one algorithm, the header of every token is the same, and no extension is supported. The caller passes the
time.
"""

import hmac
import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import NamedTuple, TypeGuard

from msgspec import MsgspecError, Struct
from msgspec.json import Decoder

from mockmoov.oauth.encoding import INTEGERS, decode, encode, encode_json, remembered, to_json
from mockmoov.oauth.errors import ExpiredTokenError, OAuthError, invalid_client
from mockmoov.oauth.hints import expired
from mockmoov.oauth.records import AccessToken, ApiKey, ClientType, IssuerKeys, RefreshToken
from mockmoov.oauth.signing_keys import ALGORITHM, key_pair, key_pairs

MAX_LENGTH = 4096  # characters of a token (seed, spec)
OPAQUE_BYTES = 32  # of an opaque access token: 256 bits
PRIVATE_CLAIM = "mockmoov"
# A signature of 64 bytes has 86 characters; the last one holds two bits, so four characters are canonical.
_COMPACT_JWS = re.compile(r"[\w-]+\.[\w-]+\.[\w-]{85}[AQgw]", re.ASCII)
_REFRESH_TOKEN = re.compile(r"[\w-]+\.[\w-]{43}", re.ASCII)
_REFRESH_TOKENS = Decoder(RefreshToken)


class IssuerPolicy(Struct, frozen=True, kw_only=True):
    """The settings that shape tokens; lifetimes in seconds. The first of the `audiences` is Moov's API."""

    issuer: str
    audiences: tuple[str, ...]
    access_token_lifetime: int
    refresh_token_lifetime: int

    def family_expiry(self, expires_at: float, now: float) -> float:
        """The latest time at which a token of a family can expire, if one expires at `expires_at`."""
        return max(expires_at, now + max(self.access_token_lifetime, self.refresh_token_lifetime))


def access_claims(
    policy: IssuerPolicy,
    api_key: ApiKey,
    *,
    scope: str,
    client_type: ClientType,
    family: str,
    jti: str,
    now: float,
) -> dict[str, object]:
    """The claims of a new access token: the live API's, and a private one. `now` is in Unix seconds."""
    issued_at = int(now)
    return {
        "iss": policy.issuer,
        "aud": [*api_key.origins, *policy.audiences],
        "scp": scope,
        "aid": api_key.application_id,
        "caid": api_key.account_id,
        "iat": issued_at,
        "exp": issued_at + policy.access_token_lifetime,
        "jti": jti,
        PRIVATE_CLAIM: {
            "client_id": api_key.client_id,
            "client_type": client_type,
            "epoch": api_key.epoch,
            "family": family,
        },
    }


def sign(keys: IssuerKeys, claims: Mapping[str, object]) -> str:
    """Sign claims as a compact JWS (RFC 7515 §7.1, RFC 8037 §3.1)."""
    pair = key_pair(keys.private_key)
    signing_input = f"{pair.header}.{encode_json(claims)}"
    return f"{signing_input}.{encode(pair.sign(signing_input.encode()))}"


def verify(keys: IssuerKeys, token: str) -> Mapping[str, object] | None:
    """Return the claims of a JWT if one of the keys signed it, else None (RFC 7515 §5.2, RFC 8037 §3.1).

    Claims aren't checked.
    """
    if len(token) > MAX_LENGTH or not _COMPACT_JWS.fullmatch(token):
        return None
    signing_input, _, signature = token.rpartition(".")
    header = _read_header(signing_input.partition(".")[0]) or {}
    if header.get("alg") != ALGORITHM or header.keys() & _EXTENSIONS:
        return None
    pair = next((pair for pair in key_pairs(keys) if pair.kid == header.get("kid")), None)
    if pair is None or not pair.has_signed(signing_input.encode(), decode(signature)):
        return None
    claims = unverified_claims(token)
    try:
        to_json(claims)  # reject what can't be written again, such as a lone surrogate
    except (ValueError, RecursionError):
        return None
    return claims


def _bounded_int(digits: str) -> int:
    number = int(digits)
    if number not in INTEGERS:
        raise ValueError("an integer of more than 64 bits")
    return number


_DOTS = 2  # in a compact JWS
_SIGNATURE = 86  # characters
_EXTENSIONS = {"crit", "b64"}  # none is supported (RFC 7515 §4.1.11, RFC 7797 §6)
_CLAIMS = json.JSONDecoder(parse_int=_bounded_int, parse_constant=_bounded_int)


@remembered
def unverified_claims(token: str) -> Mapping[str, object] | None:
    """Return the claims of a JWT without verifying it; None if it isn't a JWT. Do not change them."""
    if len(token) > MAX_LENGTH or token.count(".") != _DOTS:
        return None
    return _read_part(token.split(".")[1])


def unverified_header(token: str) -> Mapping[str, object] | None:
    """Return the header of a JWT without verifying it; None if it isn't a JWT."""
    is_jwt = len(token) <= MAX_LENGTH and token.count(".") == _DOTS
    return _read_part(token.partition(".")[0]) if is_jwt else None


def has_whole_signature(token: str) -> bool:
    """Whether the last part of a JWT is as long as an Ed25519 signature in base64url."""
    return len(token.rpartition(".")[2]) >= _SIGNATURE


def _read_part(part: str) -> dict[str, object] | None:
    """The JSON object in a part of a JWT, or None."""
    try:
        members = _CLAIMS.decode(decode(part).decode())
    except (ValueError, RecursionError):
        return None
    return members if isinstance(members, dict) else None


_read_header = remembered(_read_part)  # all tokens of a key have the same


def claimed_client_id(claims: Mapping[str, object]) -> str | None:
    """Return the client id in claims, verified or not; None if there is none."""
    private = claims.get(PRIVATE_CLAIM)
    client_id = private.get("client_id") if isinstance(private, dict) else None
    return client_id if isinstance(client_id, str) else None


def claims_error(claims: Mapping[str, object], now: float, policy: IssuerPolicy) -> OAuthError | None:
    """What is wrong with these claims at this time (Unix seconds), or None (RFC 7519 §4.1)."""
    expires, not_before = claims.get("exp"), claims.get("nbf", 0)
    if claims.get("iss") != policy.issuer:
        return invalid_client("the token has the wrong issuer")
    audience = claims.get("aud")
    if policy.audiences[0] not in (audience if isinstance(audience, list) else [audience]):
        return invalid_client(f"the token is not for this API: its aud lacks {policy.audiences[0]}")
    if not (_is_number(not_before) and not_before <= now):
        return invalid_client("the token is not valid yet")
    if not _is_number(expires):
        return invalid_client("the token has no valid exp claim")
    return None if now < expires else ExpiredTokenError(f"the token {expired(expires, now)}")


class ReadToken(NamedTuple):
    """The claims of an access token, and its contents; None if its claims are not mockmoov's."""

    claims: Mapping[str, object]
    token: AccessToken | None


@remembered
def unverified_access_token(token: str) -> ReadToken | None:
    """Read a JWT without verifying it; None if it isn't one."""
    claims = unverified_claims(token)
    return None if claims is None else ReadToken(claims, read_claims(claims))


def verified_access_token(keys: IssuerKeys, token: str) -> ReadToken | None:
    """Read a JWT that one of the keys signed, else None. What a key has signed is verified once."""
    return _verified(keys, token) if len(token) <= MAX_LENGTH else None


@lru_cache(maxsize=256)
def _verified(keys: IssuerKeys, token: str) -> ReadToken | None:
    return None if verify(keys, token) is None else unverified_access_token(token)


def read_claims(claims: Mapping[str, object]) -> AccessToken | None:
    """Parse the claims of an access token; None if claims that mockmoov always writes are missing."""
    private = claims.get(PRIVATE_CLAIM)
    private_claims = private if isinstance(private, dict) else {}
    common = [claims.get(name) for name in ("exp", "jti", "scp")]
    match [*common, *map(private_claims.get, ("client_id", "client_type", "epoch", "family"))]:
        case [
            int() | float() as expires_at, str(jti), str(scope),
            str(client_id), "web" | "device" | "service" as kind, str(epoch), str(family),
        ]:  # fmt: skip
            return AccessToken(
                client_id=client_id,
                epoch=epoch,
                family=family,
                client_type=kind,
                jti=jti,
                scope=scope,
                audiences=_audiences(claims),
                expires_at=expires_at,
                claims=claims,
            )
    return None


def fingerprint(token: str) -> str:
    """Compute the SHA-256, in hex, under which an opaque token is stored."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _audiences(claims: Mapping[str, object]) -> tuple[str, ...]:
    audience = claims.get("aud")
    values = audience if isinstance(audience, list) else [audience]
    return tuple(value for value in values if isinstance(value, str))


def _is_number(value: object) -> TypeGuard[float]:
    return type(value) is int or (type(value) is float and math.isfinite(value))


def write_refresh_token(keys: IssuerKeys, token: RefreshToken) -> str:
    """Write a refresh token as `payload.mac`, with a MAC: the JWKS can't verify it."""
    payload = encode_json(token)
    return f"{payload}.{_mac(keys, payload)}"


def has_refresh_token_form(text: str) -> bool:
    """Whether a text has the form of a refresh token, genuine or not."""
    return len(text) <= MAX_LENGTH and _REFRESH_TOKEN.fullmatch(text) is not None


def read_refresh_token(keys: IssuerKeys, text: str) -> RefreshToken | None:
    """Parse a refresh token; None if it isn't genuine. Its expiry isn't checked."""
    if not has_refresh_token_form(text):
        return None
    payload, _, mac = text.partition(".")
    if not hmac.compare_digest(mac, _mac(keys, payload)):
        return None
    return _REFRESH_TOKENS.decode(decode(payload))


def claimed_family(text: str) -> str | None:
    """The family that a refresh token claims, unless it is the first token there. Nothing is checked."""
    try:
        token = _REFRESH_TOKENS.decode(decode(text.partition(".")[0]))
    except (ValueError, MsgspecError):  # older releases of msgspec raise no ValueError
        return None
    return token.family if token.sequence else None


def _mac(keys: IssuerKeys, payload: str) -> str:
    """Compute a keyed BLAKE2b hash (RFC 7693), which costs a third of an HMAC."""
    return encode(blake2b(payload.encode(), digest_size=32, key=keys.refresh_secret.encode()).digest())
