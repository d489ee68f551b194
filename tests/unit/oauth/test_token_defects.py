"""Token defects: each one breaks one rule of the token and leaves the rest as it is."""

import hmac
import json
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
UNTIMED: Any = {"verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_nbf": False}
UNVERIFIED: Any = {**UNTIMED, "verify_signature": False}


def broken(defect: str, **changes: object) -> dict[str, Any]:
    return dict(CLAIM_DEFECTS[defect]({**CLAIMS, **changes}, NOW))


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    header, payload, signature = token.split(".")
    return json.loads(decode(header)), json.loads(decode(payload)), decode(signature)


def differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def test_there_are_ten_defects() -> None:
    assert len(set(DEFECTS)) == 10
    assert (*CLAIM_DEFECTS, *JWS_DEFECTS, "revoked") == DEFECTS == (*DEFECTS[:-1], REVOKED)


ANOTHER = "https://another.example"
CHANGES: dict[str, dict[str, object]] = {
    "expired": {"iat": NOW - 61, "exp": NOW - 1},
    "not-yet-valid": {"nbf": NOW + 3600, "exp": NOW + 7200},
    "wrong-audience": {"aud": [ANOTHER]},
    "wrong-issuer": {"iss": f"{ANOTHER}/"},
    "no-exp": {"exp": None},
}


def test_defect_of_the_claims_changes_only_these() -> None:
    for defect, changes in CHANGES.items():
        claims = broken(defect)
        assert {name: claims.get(name) for name in differing(claims, CLAIMS)} == changes
    assert "exp" not in broken("no-exp")
    assert broken("not-yet-valid", exp=NOW + 9999)["exp"] == NOW + 9999


@given(iat=VALUES, exp=VALUES)
def test_odd_claims_can_be_broken_too(iat: object, exp: object) -> None:
    for defect in CLAIM_DEFECTS:
        claims = broken(defect, iat=iat, exp=exp)
        assert defect != "expired" or claims["exp"] == NOW - 1
        assert defect != "not-yet-valid" or claims["exp"] >= NOW + 7200


def test_time_that_is_not_a_whole_number_counts_as_zero() -> None:
    assert broken("expired", iat="x")["iat"] == NOW - 1 - CLAIMS["exp"]
    assert broken("not-yet-valid", exp=None)["exp"] == NOW + 7200


def test_defect_of_the_jws_keeps_claims_and_other_headers() -> None:
    valid = parts(sign(KEYS, CLAIMS))[0]
    changed = {}
    for defect, write in JWS_DEFECTS.items():
        header, claims, _ = parts(write(KEYS, CLAIMS))
        assert (defect, claims) == (defect, CLAIMS)
        changed[defect] = differing(valid, header)
    assert changed == {
        "unknown-kid": {"kid"}, "bad-signature": set(), "alg-none": {"alg"}, "hs256-public-key": {"alg"},
    }  # fmt: skip


def test_unknown_kid_is_signed_with_the_right_key() -> None:
    token = JWS_DEFECTS["unknown-kid"](KEYS, CLAIMS)
    kid = parts(token)[0]["kid"]
    assert len(kid) == len(KID)
    assert kid not in str(jwks(KEYS))
    assert kid == parts(JWS_DEFECTS["unknown-kid"](KEYS, {}))[0]["kid"]  # the same each time
    assert jwt.decode(token, public_pem(KEYS), ["EdDSA"], options=UNTIMED) == CLAIMS


def test_bad_signature_differs_in_one_bit() -> None:
    token = JWS_DEFECTS["bad-signature"](KEYS, CLAIMS)
    signatures = zip(parts(sign(KEYS, CLAIMS))[2], parts(token)[2], strict=True)
    assert [one ^ other for one, other in signatures] == [1] + [0] * 63
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, public_pem(KEYS), ["EdDSA"], options=UNTIMED)


def test_alg_none_has_no_signature() -> None:
    token = JWS_DEFECTS["alg-none"](KEYS, CLAIMS)
    assert token.endswith(".")
    assert (parts(token)[0]["alg"], parts(token)[2]) == ("none", b"")
    assert jwt.decode(token, options=UNVERIFIED) == CLAIMS


def test_hs256_uses_the_public_key_as_secret() -> None:
    token = JWS_DEFECTS["hs256-public-key"](KEYS, CLAIMS)
    signing_input, _, signature = token.rpartition(".")
    assert parts(token)[0] == {"alg": "HS256", "cty": "JWT", "kid": KID}
    assert signature == encode(hmac.digest(public_pem(KEYS), signing_input.encode(), "sha256"))
