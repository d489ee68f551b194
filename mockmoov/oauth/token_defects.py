"""Defective access tokens for tests to mint: each defect breaks one rule.

A defect of the claims changes them before the token is signed as usual; a defect of the JWS replaces the
signing. `revoked` is neither: a valid token is minted and then revoked.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping

from mockmoov.oauth.encoding import decode, encode, encode_json
from mockmoov.oauth.records import IssuerKeys
from mockmoov.oauth.signing_keys import ALGORITHM, key_pair, public_pem
from mockmoov.oauth.tokens import sign

Claims = Mapping[str, object]
REVOKED = "revoked"
_HOUR = 3600
_OTHER_AUDIENCE = "https://another.example"


def _expired(claims: Claims, now: int) -> Claims:
    lifetime = _seconds(claims["exp"]) - _seconds(claims["iat"])
    return {**claims, "iat": now - lifetime - 1, "exp": now - 1}


def _not_yet_valid(claims: Claims, now: int) -> Claims:
    return {**claims, "nbf": now + _HOUR, "exp": max(_seconds(claims["exp"]), now + 2 * _HOUR)}


def _seconds(value: object) -> int:
    return value if isinstance(value, int) else 0


# Change the claims, given the time in Unix seconds (RFC 7519 §4.1).
CLAIM_DEFECTS: Mapping[str, Callable[[Claims, int], Claims]] = {
    "expired": _expired,
    "not-yet-valid": _not_yet_valid,
    "wrong-audience": lambda claims, _: {**claims, "aud": [_OTHER_AUDIENCE]},
    "wrong-issuer": lambda claims, _: {**claims, "iss": f"{_OTHER_AUDIENCE}/"},
    "no-exp": lambda claims, _: {name: value for name, value in claims.items() if name != "exp"},
}


def _unknown_kid(keys: IssuerKeys, claims: Claims) -> str:
    pair = key_pair(keys.private_key)
    unknown = encode(hashlib.sha256(pair.kid.encode()).digest())  # looks real, matches no key
    signing_input = _signing_input(ALGORITHM, unknown, claims)
    return f"{signing_input}.{encode(pair.sign(signing_input.encode()))}"


def _bad_signature(keys: IssuerKeys, claims: Claims) -> str:
    signing_input, _, signature = sign(keys, claims).rpartition(".")
    raw = decode(signature)
    return f"{signing_input}.{encode(bytes([raw[0] ^ 1]) + raw[1:])}"


def _alg_none(keys: IssuerKeys, claims: Claims) -> str:
    return _signing_input("none", key_pair(keys.private_key).kid, claims) + "."  # RFC 7519 §6.1


def _hs256(keys: IssuerKeys, claims: Claims) -> str:
    """The key confusion of RFC 8725 §2.1: an HMAC with the public key, in PEM, as its secret."""
    signing_input = _signing_input("HS256", key_pair(keys.private_key).kid, claims)
    return f"{signing_input}.{encode(hmac.digest(public_pem(keys), signing_input.encode(), 'sha256'))}"


def _signing_input(algorithm: str, kid: str, claims: Claims) -> str:
    header = {"alg": algorithm, "cty": "JWT", "kid": kid}
    return f"{encode_json(header)}.{encode_json(claims)}"


# Write the claims as a defective JWS (RFC 7515 §5.1).
JWS_DEFECTS: Mapping[str, Callable[[IssuerKeys, Claims], str]] = {
    "unknown-kid": _unknown_kid,
    "bad-signature": _bad_signature,
    "alg-none": _alg_none,
    "hs256-public-key": _hs256,
}
DEFECTS = (*CLAIM_DEFECTS, *JWS_DEFECTS, REVOKED)
