"""Tokens: their claims, that nobody else can make one, and when they are valid."""

import hashlib
import hmac
import json
import string
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

import jwt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockmoov.oauth.encoding import decode, encode, encode_json
from mockmoov.oauth.records import RefreshToken
from mockmoov.oauth.signing_keys import drop, jwks, key_pair, key_pairs, make_issuer_keys, rotate
from mockmoov.oauth.tokens import (
    MAX_LENGTH,
    PRIVATE_CLAIM,
    IssuerPolicy,
    access_claims,
    claimed_client_id,
    claims_error,
    fingerprint,
    read_claims,
    read_refresh_token,
    sign,
    unverified_access_token,
    unverified_claims,
    unverified_header,
    verified_access_token,
    verify,
    write_refresh_token,
)
from tests.support.records import ACCESS_TOKEN, REFRESH_TOKEN
from tests.support.records import API_KEY as KEY

KEYS, OTHER_KEYS = make_issuer_keys(bytes(range(32))), make_issuer_keys(bytes(range(1, 33)))
PAIR = key_pair(KEYS.private_key)
NOW = 1_750_000_000
API = "https://api.moov.io"
POLICY = IssuerPolicy(
    issuer="https://api.moov.io#applications",
    audiences=(API, "https://cards.moov.io", "https://api.moov.money"),
    access_token_lifetime=3600,
    refresh_token_lifetime=259_200,
)
CLAIMS = access_claims(
    POLICY, KEY, scope="/ping.read", client_type="web", family="family", jti="jti", now=NOW + 0.9
)
TOKEN = sign(KEYS, CLAIMS)
HEADER, PAYLOAD, SIGNATURE = TOKEN.split(".")
VALID = {"alg": "EdDSA", "cty": "JWT", "kid": PAIR.kid}
REFRESH = replace(REFRESH_TOKEN, sequence=3, client_type="service", issued_at=NOW, expires_at=NOW + 259_200)
WRITTEN = write_refresh_token(KEYS, REFRESH)
BASE64URL = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
CLAIM_SETS = st.dictionaries(
    st.text(), st.text() | st.integers(-(2**63), 2**64 - 1) | st.booleans(), max_size=4
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
NOT_TEXT: list[Any] = [None, 1, ["web"], {}]


def forged(header: object, payload: str = PAYLOAD, keys: Any = KEYS) -> str:
    signing_input = f"{encode_json(header)}.{payload}"
    signature = key_pair(keys.private_key).sign(signing_input.encode())
    return f"{signing_input}.{encode(signature)}"


def without(claims: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in claims.items() if key != name}


def test_claims_are_those_of_the_live_api_and_a_private_one() -> None:
    claims = access_claims(
        POLICY, KEY, scope="/ping.read", client_type="web", family="family", jti="jti", now=NOW + 0.9
    )
    assert claims == {
        "iss": "https://api.moov.io#applications",
        "aud": ["https://shop.example", *POLICY.audiences],
        "scp": "/ping.read",
        "aid": "application",
        "caid": "account",
        "iat": NOW,
        "exp": NOW + 3600,
        "jti": "jti",
        "mockmoov": {"client_id": "id", "client_type": "web", "epoch": "epoch", "family": "family"},
    }
    assert json.loads(decode(HEADER)) == VALID


PARSED = replace(
    ACCESS_TOKEN, audiences=("https://shop.example", *POLICY.audiences), expires_at=NOW + 3600, claims=CLAIMS
)
PRIVATE: Any = CLAIMS["mockmoov"]
ODD: list[Any] = [None, "text", []]
UNREADABLE: list[dict[str, Any]] = [
    *({name: value} for name in ("jti", "scp") for value in NOT_TEXT),
    *({"exp": value} for value in ODD[:2]),
    *({"mockmoov": value} for value in ODD),
    *({"mockmoov": {**PRIVATE, name: value}} for name in PRIVATE for value in NOT_TEXT),
    *({"mockmoov": without(PRIVATE, name)} for name in PRIVATE),
    {"mockmoov": {**PRIVATE, "client_type": "mobile"}},
]


def test_claims_are_read_back_only_if_all_are_there() -> None:
    assert read_claims(CLAIMS) == PARSED
    kinds = ["web", "device", "service"]
    read = [read_claims({**CLAIMS, "mockmoov": {**PRIVATE, "client_type": kind}}) for kind in kinds]
    assert [token and token.client_type for token in read] == kinds
    assert [changes for changes in UNREADABLE if read_claims({**CLAIMS, **changes}) is not None] == []


# --- signatures -------------------------------------------------------------------------------------


def test_another_jose_library_verifies_a_token() -> None:
    key = jwt.PyJWKSet.from_dict(jwks(KEYS))[jwt.get_unverified_header(TOKEN)["kid"]].key
    options: Any = {"verify_exp": False, "verify_iat": False, "strict_aud": False}
    claims = jwt.decode(TOKEN, key, algorithms=["EdDSA"], audience=API, issuer=POLICY.issuer, options=options)
    assert claims == CLAIMS
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(TOKEN[:-6] + "AAAAAA", key, algorithms=["EdDSA"], options={"verify_aud": False})


@given(CLAIM_SETS)
@example({"low": -(2**63), "high": 2**64 - 1})
def test_only_the_signing_keys_verify_a_token(claims: dict[str, object]) -> None:
    token = sign(KEYS, claims)
    assert verify(KEYS, token) == claims
    assert verify(OTHER_KEYS, token) is None
    assert sign(KEYS, claims) == token
    assert sign(OTHER_KEYS, claims) != token


PUBLIC_KEY = PAIR.public_key


def hs256(secret: bytes) -> str:
    signing_input = f"{encode_json({**VALID, 'alg': 'HS256'})}.{PAYLOAD}"
    return f"{signing_input}.{encode(hmac.digest(secret, signing_input.encode(), 'sha256'))}"


OTHER_PAIR = key_pair(OTHER_KEYS.private_key)
# What a header must not have: another algorithm or key, a key of its own, or an extension (RFC 7515 §4.1.11).
HEADERS: list[Any] = [
    *({**VALID, "alg": value} for value in ("none", "eddsa", "HS256", ["EdDSA"])),
    *({**VALID, "kid": value} for value in (OTHER_PAIR.kid, None, 1)),
    *({**VALID, "crit": value} for value in (["exp"], [], ["x"])),
    *(without(VALID, "alg"), without(VALID, "kid"), {**VALID, "crit": ["x"], "x": True}),
    *({**VALID, "crit": ["b64"], "b64": True}, {**VALID, "b64": False}),
    *({**VALID, "crit": ["b64"], "b64": False}, [VALID], "header"),
]
NOT_CLAIMS = [encode_json([CLAIMS]), encode_json("claims")]
NOT_CLAIMS += map(encode, (b"not JSON", b"\xff", b'{"exp": \xff}', b"[" * 2500))
FORGED = [
    *map(forged, HEADERS),
    *(forged(VALID, payload) for payload in NOT_CLAIMS),
    *(forged(VALID, keys=OTHER_KEYS), forged({**VALID, "jwk": OTHER_PAIR.jwk}, keys=OTHER_KEYS)),
    *map(hs256, (PUBLIC_KEY, PAIR.jwk["x"].encode(), json.dumps(jwks(KEYS)).encode())),
    *(f"{encode_json({**VALID, 'alg': 'none'})}.{PAYLOAD}.{signature}" for signature in ("", SIGNATURE)),
    *(f"{HEADER}.{encode_json(CLAIMS | new)}.{SIGNATURE}" for new in ({"scp": "/a.b"}, {"exp": NOW * 2})),
    *(f"{HEADER}.{PAYLOAD}{rest}" for rest in ("", ".", f".{encode(bytes(64))}")),
    *(f"{HEADER}..{SIGNATURE}", f".{PAYLOAD}.{SIGNATURE}", f"{TOKEN}.{SIGNATURE}"),
    *(f"{TOKEN}==", f"{TOKEN}\n", f" {TOKEN}", f"Bearer {TOKEN}", "", "..", "\ud800", "é.é.é", WRITTEN),
    # the unused bits of the last character
    *(TOKEN[:-1] + character for character in BASE64URL if character != TOKEN[-1]),
]


def test_forged_tokens_never_verify() -> None:
    assert verify(KEYS, TOKEN) == verify(KEYS, forged(VALID)) == CLAIMS
    assert [token for token in FORGED if verify(KEYS, token) is not None] == []


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(BASE64URL), st.text())
def test_altered_tokens_and_noise_never_verify(place: int, character: str, text: str) -> None:
    altered = TOKEN[:place] + character + TOKEN[place + 1 :]
    assert (verify(KEYS, altered) is not None) == (altered == TOKEN)
    for token in (text, f"{HEADER}.{PAYLOAD}.{text}", f"{text}.{PAYLOAD}.{SIGNATURE}"):
        assert verify(KEYS, token) is None


def test_claims_that_cannot_be_written_again_are_rejected() -> None:
    payloads = {
        '{"exp":18446744073709551615}': True,
        '{"exp":18446744073709551616}': False,
        '{"exp":-9223372036854775808}': True,
        '{"exp":-9223372036854775809}': False,
        f'{{"exp":{10**3000}}}': False,
        '{"exp":1e400}': True,
        '{"exp":NaN}': False,
        '{"exp":Infinity}': False,
        '{"scp":"\\u00e9"}': True,
        '{"scp":"\\ud800"}': False,
        '{"deep":[{"\\udfff":1}]}': False,
    }
    tokens = {text: forged(VALID, payload=encode(text.encode())) for text in payloads}
    assert {text: verify(KEYS, token) is not None for text, token in tokens.items()} == payloads


def test_token_may_have_4096_characters() -> None:
    for length in (4096, 4098):
        payload_bytes = (length - len(HEADER) - len(SIGNATURE) - 2) * 3 // 4
        token = sign(KEYS, {"a": "x" * (payload_bytes - len('{"a":""}'))})
        assert len(token) == length
        assert (verify(KEYS, token) is not None) == (length == MAX_LENGTH)


NEW_KEYS = rotate(KEYS, bytes(range(2, 34)))
NEW_PAIR = key_pair(NEW_KEYS.private_key)


def test_token_is_verified_by_the_key_it_names_until_dropped() -> None:
    new = sign(NEW_KEYS, CLAIMS)
    assert json.loads(decode(new.split(".")[0]))["kid"] == NEW_PAIR.kid != PAIR.kid
    assert verify(NEW_KEYS, TOKEN) == verify(NEW_KEYS, new) == CLAIMS
    assert verify(KEYS, new) is None
    for named, signing in ((PAIR, NEW_PAIR), (NEW_PAIR, PAIR)):
        signing_input = f"{encode_json({**VALID, 'kid': named.kid})}.{PAYLOAD}"
        wrong = encode(signing.sign(signing_input.encode()))
        assert verify(NEW_KEYS, f"{signing_input}.{wrong}") is None
    dropped = drop(NEW_KEYS, PAIR.kid)
    assert [pair.kid for pair in key_pairs(dropped)] == [NEW_PAIR.kid]
    assert (verify(dropped, TOKEN), verify(dropped, new)) == (None, CLAIMS)
    assert read_refresh_token(dropped, WRITTEN) == REFRESH  # its secret is another one


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=4))
@example([bytes(32), bytes(range(32)), bytes(32)])
def test_tokens_stay_valid_through_rotations(private_keys: list[bytes]) -> None:
    keys, issued = KEYS, [(TOKEN, WRITTEN)]
    for private_key in private_keys:
        keys = rotate(keys, private_key)
        issued.append((sign(keys, CLAIMS), write_refresh_token(keys, REFRESH)))
    for access, refresh in issued:
        assert verify(keys, access) == CLAIMS
        assert read_refresh_token(keys, refresh) == REFRESH


# --- unverified claims ------------------------------------------------------------------------------


@given(CLAIM_SETS)
def test_claims_are_read_whatever_header_and_signature_are(claims: dict[str, object]) -> None:
    header, payload, signature = sign(OTHER_KEYS, claims).split(".")
    for token in (f"{header}.{payload}.{signature}", f".{payload}.", f"é.{payload}.x y"):
        assert unverified_claims(token) == claims


NOT_JWTS = [
    *("", "..", "x", PAYLOAD, f"{HEADER}.{PAYLOAD}", f"{TOKEN}.", ".é.", ".\ud800.", ".A."),
    *(f".{payload}." for payload in NOT_CLAIMS),
    *(f".{encode(payload)}." for payload in (b'{"exp":NaN}', b'{"exp":18446744073709551616}')),
]


def test_text_that_is_not_a_jwt_has_no_claims() -> None:
    assert [token for token in NOT_JWTS if unverified_claims(token) is not None] == []
    rest = MAX_LENGTH - len(PAYLOAD) - 2
    assert unverified_claims(f".{PAYLOAD}.{'x' * rest}") == CLAIMS
    assert unverified_claims(f".{PAYLOAD}.{'x' * (rest + 1)}") is None


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    for token in (text, f".{text}.", f"{text}.{PAYLOAD}.{text}"):
        claims = unverified_claims(token)
        assert claims is None or isinstance(claims, dict)
    payload, mac = WRITTEN.split(".")
    for token in (text, f"{payload}.{text}", f"{text}.{mac}"):
        assert read_refresh_token(KEYS, token) is None


def test_claims_may_name_a_client() -> None:
    assert claimed_client_id(CLAIMS) == "id"
    nameless: list[dict[str, Any]] = [
        {},
        {"client_id": "id"},
        *({"mockmoov": value} for value in ("id", ["id"], *NOT_TEXT)),
        *({"mockmoov": {"client_id": value}} for value in NOT_TEXT),
    ]
    assert [claims for claims in nameless if claimed_client_id(claims) is not None] == []


# --- time, issuer and audience ----------------------------------------------------------------------

EXPIRED = "the token expired"
TOO_EARLY = "the token is not valid yet"
NOT_NUMBERS: list[object] = [
    None, "9999999999", True, False, [NOW], {}, float("nan"), float("inf"), -float("inf"), "é",
]  # fmt: skip


def rejection(now: float = NOW, **changes: object) -> str:
    return reason_of({**CLAIMS, **changes}, now)


def reason_of(claims: Mapping[str, object], now: float = NOW) -> str:
    error = claims_error(claims, now, POLICY)
    assert error is None or error.code == "invalid_client"
    return error.reason if error else ""


def test_token_is_valid_until_the_moment_it_expires() -> None:
    date = formatdate(NOW + 3600, usegmt=True)
    times = {0: "", NOW: "", NOW + 3599.999: ""}
    times |= {NOW + 3600 + age: f"{EXPIRED} {age:.0f} s ago, at {date}" for age in (0, 0.001, 7200)}
    assert {now: rejection(now) for now in times} == times
    assert rejection(exp=0) == f"{EXPIRED} {NOW:.0f} s ago, at Thu, 01 Jan 1970 00:00:00 GMT"
    assert {rejection(exp=expiry) for expiry in (-1, -(10**400), -1e300)} == {"the token has expired"}
    assert {rejection(float(NOW), exp=expiry) for expiry in (NOW + 0.001, 1e300, 10**400)} == {""}
    for expiry in NOT_NUMBERS:
        assert (expiry, rejection(exp=expiry)) == (expiry, "the token has no valid exp claim")
    assert reason_of(without(CLAIMS, "exp")) == "the token has no valid exp claim"


def test_token_is_not_valid_before_nbf() -> None:
    times = {NOW - 1: "", NOW: "", -1.5: "", NOW + 0.5: TOO_EARLY, NOW + 1: TOO_EARLY}
    assert {now: rejection(nbf=now) for now in times} == times
    assert {rejection(nbf=value) for value in NOT_NUMBERS} == {TOO_EARLY}


def test_token_is_valid_only_for_its_issuer_and_audience() -> None:
    issuers: list[object] = [None, "", API, ["https://api.moov.io#applications"], 1]
    assert {rejection(iss=issuer) for issuer in issuers} == {"the token has the wrong issuer"}
    others: list[object] = [None, [], "https://shop.example", POLICY.audiences[1:], {API: 1}, [["x"]], 1]
    assert {rejection(aud=audience) for audience in others} == {
        f"the token is not for this API: its aud lacks {POLICY.audiences[0]}"
    }
    for audience in (API, [API], [1, None, API]):
        assert rejection(aud=audience) == ""
        token = read_claims({**CLAIMS, "aud": audience})
        assert token is not None
        assert token.audiences == (API,)


@given(st.dictionaries(st.sampled_from([*CLAIMS, "nbf"]), JSON, max_size=9))
def test_claims_of_any_type_can_be_checked(claims: dict[str, object]) -> None:
    assert isinstance(reason_of(claims), str)
    token = read_claims(claims)
    assert token is None or isinstance(token.jti, str)


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0, 4e9), st.floats(0, 4e9))
@example(1, 2, 0.0, 5.0)
@example(2, 1, 0.0, 5.0)
@example(1, 2, 9.0, 5.0)
def test_family_record_outlives_every_token_of_the_family(
    access: int, refresh: int, now: float, expires_at: float
) -> None:
    policy = replace(POLICY, access_token_lifetime=access, refresh_token_lifetime=refresh)
    assert policy.family_expiry(expires_at, now) == max(expires_at, now + access, now + refresh)


@given(st.text(st.characters()), st.text(st.characters()))
def test_fingerprint_is_the_sha_256(one: str, other: str) -> None:
    assert fingerprint("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert fingerprint("é\ud800") == hashlib.sha256(b"\xc3\xa9\xed\xa0\x80").hexdigest()
    assert (fingerprint(one) == fingerprint(other)) == (one == other)


# --- refresh tokens ---------------------------------------------------------------------------------

TEXTS = dict.fromkeys(("client_id", "epoch", "family", "scope"), st.text(max_size=50))
TIMES = dict.fromkeys(("issued_at", "expires_at"), st.integers(0, 10**10))
TYPES = st.sampled_from(["web", "device", "service"])
REFRESH_TOKENS = st.builds(
    RefreshToken, sequence=st.integers(0, 2**63 - 1), client_type=TYPES, **TEXTS, **TIMES
)


@given(REFRESH_TOKENS)
@example(REFRESH)
def test_refresh_token_round_trips_with_its_keys_only(token: RefreshToken) -> None:
    text = write_refresh_token(KEYS, token)
    assert read_refresh_token(KEYS, text) == token
    assert read_refresh_token(OTHER_KEYS, text) is None


@given(st.integers(0, len(WRITTEN) - 1), st.sampled_from(BASE64URL + ".="))
def test_altered_refresh_token_is_unknown(place: int, character: str) -> None:
    altered = WRITTEN[:place] + character + WRITTEN[place + 1 :]
    assert read_refresh_token(KEYS, altered) == (REFRESH if altered == WRITTEN else None)


def keyed_hash(secret: str, payload: str) -> str:
    return encode(hashlib.blake2b(payload.encode(), digest_size=32, key=secret.encode()).digest())


def test_forged_refresh_tokens_are_unknown() -> None:
    payload, mac = WRITTEN.split(".")
    assert mac == keyed_hash(KEYS.refresh_secret, payload)
    secrets = (KEYS.private_key, encode(PUBLIC_KEY), "")
    tokens = [
        *("", ".", WRITTEN + "\n", WRITTEN + "=", WRITTEN + ".", f"{WRITTEN}.{WRITTEN}", "\ud800", "é.é"),
        *(TOKEN, f"{HEADER}.{PAYLOAD}"),
        *(f"{payload}.{keyed_hash(secret, payload)}" for secret in secrets),
        *(WRITTEN[:-1] + character for character in BASE64URL if character != WRITTEN[-1]),
    ]
    assert [token for token in tokens if read_refresh_token(KEYS, token) is not None] == []


def test_refresh_token_may_have_4096_characters() -> None:
    shortest = len(decode(WRITTEN.split(".")[0])) - len(REFRESH.scope)
    for length in (4096, 4098):
        token = replace(REFRESH, scope="x" * ((length - 44) * 3 // 4 - shortest))
        text = write_refresh_token(KEYS, token)
        assert len(text) == length
        assert read_refresh_token(KEYS, text) == (token if length == MAX_LENGTH else None)


# --- access tokens, read and verified ----------------------------------------------------------------


def test_verified_token_is_read_once_for_each_set_of_keys() -> None:
    read = verified_access_token(KEYS, TOKEN)
    assert read is not None
    assert read is verified_access_token(KEYS, TOKEN)
    assert (read.claims, read.token) == (CLAIMS, read_claims(CLAIMS))
    assert verified_access_token(OTHER_KEYS, TOKEN) is None
    assert [text for text in FORGED if verified_access_token(KEYS, text) is not None] == []


def test_token_up_to_the_longest_is_read() -> None:
    for length, is_read in ((MAX_LENGTH, True), (MAX_LENGTH + 1, False)):
        text = token_of(length)
        assert len(text) == length
        assert (verified_access_token(KEYS, text) is not None) is is_read
        assert (unverified_access_token(text) is not None) is is_read
        assert ((unverified_header(text) or {}).get("kid") == PAIR.kid) is is_read


def token_of(length: int) -> str:
    """A token with claims that make it so long."""
    for padding in range(length):
        text = sign(KEYS, {**CLAIMS, "padding": "x" * (length * 3 // 4 - 900 + padding)})
        if len(text) >= length:
            return text
    raise AssertionError


def test_unverified_token_is_read_whoever_signed_it() -> None:
    token = sign(OTHER_KEYS, {"scp": "/a.read", PRIVATE_CLAIM: {"client_id": "id"}})
    read = unverified_access_token(token)
    assert read is not None
    assert (read.claims["scp"], read.token) == ("/a.read", None)
    assert unverified_access_token("no token") is None


def test_header_of_a_jwt_is_a_json_object() -> None:
    number, named = (encode_json(header) for header in (1, {"kid": "a"}))
    texts = [
        f"{named}.x.y",
        f"{number}.x.y",
        f"{named}.x",
        f"{named}.x.y.z",
        "a.b.c",
        "..",
        "",
    ]
    assert [unverified_header(text) for text in texts] == [{"kid": "a"}, *[None] * 6]
