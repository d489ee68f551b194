"""Defects: each breaks one rule and no other; repaired, the token is as good as any."""

import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.oauth.encoding import decode, encode
from mockmoov.oauth.signing_keys import jwks, key_pair, make_issuer_keys, public_pem
from mockmoov.oauth.token_defects import CLAIM_DEFECTS, DEFECTS, JWS_DEFECTS, REVOKED
from mockmoov.oauth.tokens import sign

KEYS = make_issuer_keys(bytes(range(32)))
KID = key_pair(KEYS.private_key).kid
NOW = 1_800_000_000
CLAIMS: dict[str, Any] = {
    "iss": "https://api.moov.io#applications",
    "aud": ["https://shop.example", "https://api.moov.io"],
    "iat": NOW - 10,
    "exp": NOW + 50,
    "jti": "id",
}
VALUES = (
    st.none()
    | st.text(max_size=3)
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.booleans()
)
each_of_jws = pytest.mark.parametrize("defect", JWS_DEFECTS)


def spoilt(defect: str, **changes: object) -> dict[str, Any]:
    return dict(CLAIM_DEFECTS[defect]({**CLAIMS, **changes}, NOW))


def changed(claims: dict[str, Any]) -> set[str]:
    return {name for name in claims.keys() | CLAIMS.keys() if claims.get(name) != CLAIMS.get(name)}


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    header, payload, signature = token.split(".")
    return json.loads(decode(header)), json.loads(decode(payload)), decode(signature)


def test_there_are_ten_defects_and_one_happens_afterwards() -> None:
    assert len(DEFECTS) == len(set(DEFECTS)) == 10
    assert (*CLAIM_DEFECTS, *JWS_DEFECTS, REVOKED) == DEFECTS
    assert REVOKED == "revoked"


# --- Of the claims --------------------------------------------------------------------------------


def test_an_expired_token_was_good_for_its_whole_lifetime_until_just_now() -> None:
    claims = spoilt("expired")
    assert changed(claims) == {"iat", "exp"}
    assert (claims["iat"], claims["exp"]) == (NOW - 61, NOW - 1)


def test_a_token_that_is_not_valid_yet_will_be_before_it_expires() -> None:
    claims = spoilt("not-yet-valid")
    assert changed(claims) == {"nbf", "exp"}
    assert (claims["nbf"], claims["exp"]) == (NOW + 3600, NOW + 7200)
    assert spoilt("not-yet-valid", exp=NOW + 9999)["exp"] == NOW + 9999


def test_a_token_for_another_audience_names_no_other_than_that() -> None:
    claims = spoilt("wrong-audience")
    assert changed(claims) == {"aud"}
    assert claims["aud"] == ["https://another.example"]


def test_a_token_of_another_issuer_names_that_one() -> None:
    claims = spoilt("wrong-issuer")
    assert changed(claims) == {"iss"}
    assert claims["iss"] == "https://another.example/"


def test_a_token_without_expiry_has_all_else() -> None:
    claims = spoilt("no-exp")
    assert changed(claims) == {"exp"}
    assert "exp" not in claims


@pytest.mark.parametrize("defect", CLAIM_DEFECTS)
@given(iat=VALUES, exp=VALUES)
def test_claims_that_were_odd_before_can_be_spoilt_too(defect: str, iat: object, exp: object) -> None:
    claims = spoilt(defect, iat=iat, exp=exp)
    assert defect != "expired" or claims["exp"] == NOW - 1
    assert defect != "not-yet-valid" or claims["exp"] >= NOW + 7200


def test_a_time_that_is_no_whole_number_counts_as_none() -> None:
    assert spoilt("expired", iat="x")["iat"] == NOW - 1 - CLAIMS["exp"]
    assert spoilt("not-yet-valid", exp=None)["exp"] == NOW + 7200


# --- Of the JWS -----------------------------------------------------------------------------------


@each_of_jws
def test_the_claims_stay_as_they_are(defect: str) -> None:
    assert parts(JWS_DEFECTS[defect](KEYS, CLAIMS))[1] == CLAIMS


@each_of_jws
def test_only_what_is_broken_differs_from_a_good_token(defect: str) -> None:
    good, bad = parts(sign(KEYS, CLAIMS))[0], parts(JWS_DEFECTS[defect](KEYS, CLAIMS))[0]
    differing = {name for name in good.keys() | bad.keys() if good.get(name) != bad.get(name)}
    assert differing == {"unknown-kid": {"kid"}, "bad-signature": set()}.get(defect, {"alg"})


def test_the_key_of_an_unknown_kid_is_the_right_one() -> None:
    token = JWS_DEFECTS["unknown-kid"](KEYS, CLAIMS)
    header, _, _ = parts(token)
    assert len(header["kid"]) == len(KID)
    assert header["kid"] not in str(jwks(KEYS))
    assert header["kid"] == parts(JWS_DEFECTS["unknown-kid"](KEYS, {}))[0]["kid"]  # the same each time
    assert jwt.decode(token, public_pem(KEYS), ["EdDSA"], options=UNTIMED) == CLAIMS


def test_a_bad_signature_differs_in_one_bit() -> None:
    good, bad = (parts(make(KEYS, CLAIMS))[2] for make in MAKERS)
    assert [one ^ other for one, other in zip(good, bad, strict=True)] == [1] + [0] * 63
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(JWS_DEFECTS["bad-signature"](KEYS, CLAIMS), public_pem(KEYS), ["EdDSA"], options=UNTIMED)


def test_alg_none_has_no_signature() -> None:
    token = JWS_DEFECTS["alg-none"](KEYS, CLAIMS)
    assert token.endswith(".")
    assert (parts(token)[0]["alg"], parts(token)[2]) == ("none", b"")
    assert jwt.decode(token, options=UNVERIFIED) == CLAIMS


def test_hs256_is_a_mac_under_the_public_key() -> None:
    token = JWS_DEFECTS["hs256-public-key"](KEYS, CLAIMS)
    signing_input, _, signature = token.rpartition(".")
    assert parts(token)[0] == {"alg": "HS256", "cty": "JWT", "kid": KID}
    assert signature == encode(hmac.digest(public_pem(KEYS), signing_input.encode(), "sha256"))


UNTIMED: Any = {"verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_nbf": False}
UNVERIFIED: Any = {**UNTIMED, "verify_signature": False}
MAKERS: tuple[Callable[..., str], ...] = (sign, JWS_DEFECTS["bad-signature"])
