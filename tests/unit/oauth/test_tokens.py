"""Tokens: what they say, that nobody else can make one, and when they stop being good."""

import hashlib
import hmac
import json
import string
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from mockmoov.oauth.encoding import decode, encode, encode_json
from mockmoov.oauth.records import ApiKey, RefreshToken
from mockmoov.oauth.signing_keys import drop, jwks, key_pair, key_pairs, make_issuer_keys, rotate
from mockmoov.oauth.tokens import (
    MAX_LENGTH,
    IssuerPolicy,
    access_claims,
    claimed_client_id,
    claims_rejection_reason,
    fingerprint,
    read_claims,
    read_refresh_token,
    sign,
    unverified_claims,
    verify,
    write_refresh_token,
)

KEYS, OTHER_KEYS = make_issuer_keys(bytes(range(32))), make_issuer_keys(bytes(range(1, 33)))
PAIR = key_pair(KEYS.private_key)
NOW = 1_750_000_000
POLICY = IssuerPolicy(
    issuer="https://api.moov.io#applications",
    audiences=("https://api.moov.io", "https://cards.moov.io", "https://api.moov.money"),
    access_token_lifetime=3600,
    refresh_token_lifetime=259_200,
)
KEY = ApiKey(
    client_id="id",
    client_secret="secret",
    account_id="account",
    application_id="application",
    origins=("https://shop.example",),
    scopes=None,
    grants=("client_credentials",),
    enabled=True,
    epoch="epoch",
)
CLAIMS = access_claims(
    POLICY, KEY, scope="/ping.read", client_type="web", family="family", jti="jti", now=NOW + 0.9
)
TOKEN = sign(KEYS, CLAIMS)
HEADER, PAYLOAD, SIGNATURE = TOKEN.split(".")
ANY_INTEGER = st.sampled_from([-(2**63), 2**64 - 1]) | st.integers(-(2**63), 2**64 - 1)  # 64 bits
BASE64URL = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
REFRESH = RefreshToken(
    client_id="id",
    epoch="epoch",
    family="family",
    sequence=3,
    scope="/ping.read",
    client_type="service",
    issued_at=NOW,
    expires_at=NOW + 259_200,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


def forged(header: object, payload: str = PAYLOAD, keys: Any = KEYS) -> str:
    signing_input = f"{encode_json(header)}.{payload}"
    signature = key_pair(keys.private_key).private_key.sign(signing_input.encode())
    return f"{signing_input}.{encode(signature)}"


def accepted(token: str, now: float = NOW) -> bool:
    claims = verify(KEYS, token)
    return (
        claims is not None
        and claims_rejection_reason(claims, now, POLICY) == ""
        and read_claims(claims) is not None
    )


SOME_ODD: list[object] = [None, 1, ["web"], {}]


# --- what an access token says ----------------------------------------------------------------------


def test_the_claims_are_those_of_the_live_api_and_one_of_our_own() -> None:
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


def test_the_header_is_that_of_the_documented_example() -> None:
    assert json.loads(decode(HEADER)) == {"alg": "EdDSA", "cty": "JWT", "kid": PAIR.kid}


def test_another_jose_library_verifies_our_token_with_our_jwk_set() -> None:
    key = jwt.PyJWKSet.from_dict(jwks(KEYS))[jwt.get_unverified_header(TOKEN)["kid"]].key
    options: Any = {"verify_exp": False, "verify_iat": False, "strict_aud": False}
    claims = jwt.decode(
        TOKEN, key, algorithms=["EdDSA"], audience=POLICY.audiences[0], issuer=POLICY.issuer, options=options
    )
    assert claims == CLAIMS
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(TOKEN[:-6] + "AAAAAA"[:5] + "A", key, algorithms=["EdDSA"], options={"verify_aud": False})


@given(st.dictionaries(st.text(), st.text() | ANY_INTEGER | st.booleans(), max_size=4))
def test_what_we_sign_we_verify_and_nobody_else_does(claims: dict[str, object]) -> None:
    token = sign(KEYS, claims)
    assert verify(KEYS, token) == claims
    assert verify(OTHER_KEYS, token) is None
    assert sign(KEYS, claims) == token
    assert sign(OTHER_KEYS, claims) != token


@pytest.mark.parametrize("number", [-(2**63) - 1, 2**64, 10**20 - 1, -(10**19), 10**3900])
def test_a_signed_integer_beyond_64_bits_is_not_read(number: int) -> None:
    payload = encode(b'{"n":%d}' % number)
    signing_input = f"{HEADER}.{payload}"
    token = f"{signing_input}.{encode(PAIR.private_key.sign(signing_input.encode()))}"
    assert verify(KEYS, token) is None
    assert unverified_claims(token) is None


def test_what_the_claims_say_can_be_read_back() -> None:
    token = read_claims(CLAIMS)
    assert token is not None
    assert (token.client_id, token.epoch, token.family) == ("id", "epoch", "family")
    assert (token.client_type, token.jti, token.scope) == ("web", "jti", "/ping.read")
    assert token.audiences == ("https://shop.example", *POLICY.audiences)
    assert token.expires_at == NOW + 3600
    assert token.claims == CLAIMS


# --- forged tokens ----------------------------------------------------------------------------------

GOOD = {"alg": "EdDSA", "cty": "JWT", "kid": PAIR.kid}
PUBLIC_KEY = PAIR.private_key.public_key().public_bytes_raw()


def hs256(secret: bytes) -> str:
    signing_input = f"{encode_json({**GOOD, 'alg': 'HS256'})}.{PAYLOAD}"
    return f"{signing_input}.{encode(hmac.digest(secret, signing_input.encode(), 'sha256'))}"


def test_a_genuine_token_is_accepted() -> None:
    assert accepted(TOKEN)
    assert accepted(forged(GOOD))


@pytest.mark.parametrize(
    "token",
    [
        f"{encode_json({**GOOD, 'alg': 'none'})}.{PAYLOAD}.",
        f"{encode_json({**GOOD, 'alg': 'none'})}.{PAYLOAD}.{SIGNATURE}",
        hs256(PUBLIC_KEY),
        hs256(PAIR.jwk["x"].encode()),
        hs256(json.dumps(jwks(KEYS)).encode()),
        forged({**GOOD, "alg": "none"}),
        forged({**GOOD, "alg": "eddsa"}),
        forged({**GOOD, "alg": "HS256"}),
        forged({**GOOD, "alg": ["EdDSA"]}),
        forged({"cty": "JWT", "kid": PAIR.kid}),
        forged({**GOOD, "kid": key_pair(OTHER_KEYS.private_key).kid}),
        forged({**GOOD, "kid": None}),
        forged({**GOOD, "kid": 1}),
        forged({"alg": "EdDSA", "cty": "JWT"}),
        forged(GOOD, keys=OTHER_KEYS),
        forged({**GOOD, "jwk": key_pair(OTHER_KEYS.private_key).jwk}, keys=OTHER_KEYS),
        forged({**GOOD, "crit": ["exp"]}),
        forged({**GOOD, "crit": []}),
        forged({**GOOD, "crit": ["x"], "x": True}),
        forged({**GOOD, "crit": ["b64"], "b64": True}),
        forged({**GOOD, "b64": False}),
        forged({**GOOD, "b64": False, "crit": ["b64"]}),
        forged([GOOD]),
        forged("header"),
        forged(GOOD, payload=encode_json([CLAIMS])),
        forged(GOOD, payload=encode_json("claims")),
        forged(GOOD, payload=encode(b"not JSON")),
        forged(GOOD, payload=encode(b'{"exp": \xff}')),
        forged(GOOD, payload=encode(b"[" * 2500)),
        f"{HEADER}.{encode_json({**CLAIMS, 'scp': '/accounts.write'})}.{SIGNATURE}",
        f"{HEADER}.{encode_json({**CLAIMS, 'exp': NOW * 2})}.{SIGNATURE}",
        f"{HEADER}.{PAYLOAD}.",
        f"{HEADER}.{PAYLOAD}",
        f"{HEADER}..{SIGNATURE}",
        f".{PAYLOAD}.{SIGNATURE}",
        f"{HEADER}.{PAYLOAD}.{SIGNATURE}.{SIGNATURE}",
        f"{HEADER}.{PAYLOAD}.{encode(bytes(64))}",
        f"{HEADER}.{PAYLOAD}.{SIGNATURE}==",
        f"{TOKEN}\n",
        f" {TOKEN}",
        f"Bearer {TOKEN}",
        "",
        "..",
        "\ud800",
        "é.é.é",
        write_refresh_token(KEYS, REFRESH),
    ],
)
def test_a_forged_token_never_passes(token: str) -> None:
    assert verify(KEYS, token) is None


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(BASE64URL))
def test_a_token_with_one_other_character_never_passes(place: int, character: str) -> None:
    altered = TOKEN[:place] + character + TOKEN[place + 1 :]
    assert (verify(KEYS, altered) is not None) == (altered == TOKEN)


@pytest.mark.parametrize("character", sorted(set(BASE64URL) - {SIGNATURE[-1]}))
def test_the_last_characters_unused_bits_may_not_differ_either(character: str) -> None:
    assert verify(KEYS, TOKEN[:-1] + character) is None


@given(st.text())
def test_any_text_is_verified_without_fail(text: str) -> None:
    for token in (text, f"{HEADER}.{PAYLOAD}.{text}", f"{text}.{PAYLOAD}.{SIGNATURE}"):
        assert verify(KEYS, token) is None


def test_a_token_of_4096_characters_passes_and_a_longer_one_does_not() -> None:
    def padded(length: int) -> str:
        payload_bytes = (length - len(HEADER) - len(SIGNATURE) - 2) * 3 // 4
        return sign(KEYS, {"a": "x" * (payload_bytes - len('{"a":""}'))})

    assert len(padded(4096)) == MAX_LENGTH == 4096
    assert verify(KEYS, padded(4096)) is not None
    assert len(padded(4098)) == 4098
    assert verify(KEYS, padded(4098)) is None


# --- several keys -----------------------------------------------------------------------------------

NEW_KEYS = rotate(KEYS, bytes(range(2, 34)))
NEW_PAIR = key_pair(NEW_KEYS.private_key)


def test_a_token_verifies_by_the_key_that_it_names_until_that_is_dropped() -> None:
    new = sign(NEW_KEYS, CLAIMS)
    assert json.loads(decode(new.split(".")[0]))["kid"] == NEW_PAIR.kid != PAIR.kid
    assert verify(NEW_KEYS, TOKEN) == verify(NEW_KEYS, new) == CLAIMS
    assert verify(KEYS, new) is None
    dropped = drop(NEW_KEYS, PAIR.kid)
    assert verify(dropped, TOKEN) is None
    assert verify(dropped, new) == CLAIMS


def test_a_token_never_verifies_by_another_key_than_the_one_it_names() -> None:
    for named, signing in ((PAIR, NEW_PAIR), (NEW_PAIR, PAIR)):
        signing_input = f"{encode_json({**GOOD, 'kid': named.kid})}.{PAYLOAD}"
        right = encode(named.private_key.sign(signing_input.encode()))
        wrong = encode(signing.private_key.sign(signing_input.encode()))
        assert verify(NEW_KEYS, f"{signing_input}.{right}") == CLAIMS
        assert verify(NEW_KEYS, f"{signing_input}.{wrong}") is None


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=4))
def test_through_any_rotation_every_token_stays_good(private_keys: list[bytes]) -> None:
    keys, issued = KEYS, [(TOKEN, WRITTEN)]
    for private_key in private_keys:
        keys = rotate(keys, private_key)
        issued.append((sign(keys, CLAIMS), write_refresh_token(keys, REFRESH)))
    for access, refresh in issued:
        assert verify(keys, access) == CLAIMS
        assert read_refresh_token(keys, refresh) == REFRESH


def test_refresh_tokens_live_on_when_the_key_of_their_time_is_dropped() -> None:
    dropped = drop(NEW_KEYS, PAIR.kid)
    assert [pair.kid for pair in key_pairs(dropped)] == [NEW_PAIR.kid]
    assert read_refresh_token(dropped, WRITTEN) == REFRESH


# --- what a token claims, genuine or not ---------------------------------------------------------------


@given(st.dictionaries(st.text(), st.text() | ANY_INTEGER | st.booleans(), max_size=4))
def test_the_claims_of_a_token_can_be_read_whatever_its_header_and_signature_are(
    claims: dict[str, object],
) -> None:
    header, payload, signature = sign(OTHER_KEYS, claims).split(".")
    for token in (f"{header}.{payload}.{signature}", f".{payload}.", f"é.{payload}.x y"):
        assert unverified_claims(token) == claims


@pytest.mark.parametrize(
    "token",
    [
        "",
        "..",
        "x",
        PAYLOAD,
        f"{HEADER}.{PAYLOAD}",
        f"{HEADER}.{PAYLOAD}.{SIGNATURE}.",
        f".{encode_json([CLAIMS])}.",
        f".{encode_json('claims')}.",
        f".{encode(b'not JSON')}.",
        f".{encode(bytes([255]))}.",
        f".{encode(b'[' * 2500)}.",
        "." + encode(b'{"exp":' + b"9" * 20 + b"}") + ".",
        "." + encode(b'{"exp":NaN}') + ".",
        ".é.",
        ".\ud800.",
        ".A.",
    ],
)
def test_what_is_no_jwt_claims_nothing(token: str) -> None:
    assert unverified_claims(token) is None


@given(st.text())
def test_any_text_may_be_asked_for_claims(text: str) -> None:
    for token in (text, f".{text}.", f"{text}.{PAYLOAD}.{text}"):
        claims = unverified_claims(token)
        assert claims is None or isinstance(claims, dict)


def test_of_more_than_4096_characters_no_claims_are_read() -> None:
    rest = MAX_LENGTH - len(PAYLOAD) - 2
    assert unverified_claims(f".{PAYLOAD}.{'x' * rest}") == CLAIMS
    assert unverified_claims(f".{PAYLOAD}.{'x' * (rest + 1)}") is None


@given(st.text())
def test_claims_name_their_client(client_id: str) -> None:
    assert claimed_client_id({"mockmoov": {"client_id": client_id}}) == client_id
    assert claimed_client_id(CLAIMS) == "id"


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"client_id": "id"},
        *({"mockmoov": odd} for odd in ("id", ["id"], *SOME_ODD)),
        *({"mockmoov": {"client_id": odd}} for odd in SOME_ODD),
    ],
)
def test_claims_that_name_no_client_claim_none(claims: dict[str, object]) -> None:
    assert claimed_client_id(claims) is None


# --- time and audience ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (NOW, ""),
        (NOW + 3599, ""),
        (NOW + 3599.999, ""),
        (NOW + 3600, "the token has expired"),
        (NOW + 3600.001, "the token has expired"),
        (0, ""),
    ],
)
def test_a_token_is_good_until_the_moment_it_expires(now: float, reason: str) -> None:
    assert claims_rejection_reason(CLAIMS, now, POLICY) == reason


ODD: list[object] = [
    None,
    "9999999999",
    True,
    False,
    [NOW],
    {},
    float("nan"),
    float("inf"),
    -float("inf"),
    "é",
]


@pytest.mark.parametrize("expires", ODD)
def test_an_expiry_that_is_no_number_is_none(expires: object) -> None:
    assert (
        claims_rejection_reason({**CLAIMS, "exp": expires}, NOW, POLICY) == "the token has no valid exp claim"
    )


def test_a_token_without_expiry_is_not_good() -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != "exp"}
    assert claims_rejection_reason(claims, NOW, POLICY) == "the token has no valid exp claim"
    assert not accepted(sign(KEYS, claims))


@pytest.mark.parametrize("expires", [NOW + 0.001, 1e300, 10**400])
def test_an_expiry_may_be_any_finite_number(expires: float) -> None:
    assert claims_rejection_reason({**CLAIMS, "exp": expires}, float(NOW), POLICY) == ""


@pytest.mark.parametrize(
    ("not_before", "good"),
    [
        (NOW - 1, True),
        (NOW, True),
        (NOW + 0.5, False),
        (NOW + 1, False),
        (-1.5, True),
        *((odd, False) for odd in ODD),
    ],
)
def test_a_token_is_not_good_before_its_time(not_before: object, good: bool) -> None:
    reason = claims_rejection_reason({**CLAIMS, "nbf": not_before}, NOW, POLICY)
    assert reason == ("" if good else "the token is not valid yet")


@pytest.mark.parametrize("issuer", [None, "", "https://api.moov.io", ["https://api.moov.io#applications"], 1])
def test_a_token_of_another_issuer_is_not_good(issuer: object) -> None:
    assert claims_rejection_reason({**CLAIMS, "iss": issuer}, NOW, POLICY) == "the token has the wrong issuer"


@pytest.mark.parametrize(
    "audience",
    [None, [], "https://shop.example", ["https://cards.moov.io"], {"https://api.moov.io": 1}, [["x"]], 1],
)
def test_a_token_that_is_not_for_the_api_itself_is_not_good(audience: object) -> None:
    assert (
        claims_rejection_reason({**CLAIMS, "aud": audience}, NOW, POLICY)
        == "the token is not for this audience"
    )


@pytest.mark.parametrize(
    "audience", ["https://api.moov.io", ["https://api.moov.io"], [1, None, "https://api.moov.io"]]
)
def test_an_audience_may_be_one_text_or_a_list(audience: object) -> None:
    claims = {**CLAIMS, "aud": audience}
    assert claims_rejection_reason(claims, NOW, POLICY) == ""
    token = read_claims(claims)
    assert token is not None
    assert token.audiences == ("https://api.moov.io",)


@given(st.dictionaries(st.sampled_from([*CLAIMS, "nbf"]), JSON, max_size=9))
def test_claims_of_any_type_are_checked_without_fail(claims: dict[str, object]) -> None:
    assert isinstance(claims_rejection_reason(claims, NOW, POLICY), str)
    token = read_claims(claims)
    assert token is None or isinstance(token.jti, str)


PRIVATE: Any = CLAIMS["mockmoov"]


@pytest.mark.parametrize(
    "changed",
    [
        *({name: value} for name in ("jti", "scp") for value in SOME_ODD),
        {"exp": None},
        {"exp": "1"},
        {"mockmoov": None},
        {"mockmoov": []},
        {"mockmoov": "text"},
        *({"mockmoov": {**PRIVATE, name: value}} for name in PRIVATE for value in SOME_ODD),
        *({"mockmoov": {key: PRIVATE[key] for key in PRIVATE if key != name}} for name in PRIVATE),
        {"mockmoov": {**PRIVATE, "client_type": "mobile"}},
    ],
)
def test_a_token_that_lacks_a_claim_of_ours_is_no_access_token_of_ours(changed: dict[str, object]) -> None:
    assert read_claims({**CLAIMS, **changed}) is None


@pytest.mark.parametrize("client_type", ["web", "device", "service"])
def test_a_token_names_its_client_type(client_type: Any) -> None:
    token = read_claims({**CLAIMS, "mockmoov": {**PRIVATE, "client_type": client_type}})
    assert token is not None
    assert token.client_type == client_type


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0, 4e9), st.floats(0, 4e9))
def test_a_familys_record_outlives_every_token_it_speaks_for(
    access: int, refresh: int, now: float, expires_at: float
) -> None:
    policy = IssuerPolicy(
        issuer="i", audiences=("a",), access_token_lifetime=access, refresh_token_lifetime=refresh
    )
    expiry = policy.family_expiry(expires_at, now)
    assert expiry >= expires_at
    assert expiry >= now + access
    assert expiry >= now + refresh
    assert expiry in {expires_at, now + access, now + refresh}


# --- opaque tokens ----------------------------------------------------------------------------------


def test_an_opaque_token_is_known_by_its_sha_256() -> None:
    assert fingerprint("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert fingerprint("é") == hashlib.sha256("é".encode()).hexdigest()
    assert fingerprint("\ud800") == hashlib.sha256(b"\xed\xa0\x80").hexdigest()


@given(st.text(st.characters()), st.text(st.characters()))
def test_any_text_has_a_fingerprint_of_its_own(one: str, other: str) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (one == other)


# --- refresh tokens ---------------------------------------------------------------------------------

REFRESH_TOKENS = st.builds(
    RefreshToken,
    client_id=st.text(max_size=50),
    epoch=st.text(max_size=20),
    family=st.text(max_size=40),
    sequence=st.integers(0, 2**63 - 1),
    scope=st.text(max_size=100),
    client_type=st.sampled_from(["web", "device", "service"]),
    issued_at=st.integers(0, 10**10),
    expires_at=st.integers(0, 10**10),
)
WRITTEN = write_refresh_token(KEYS, REFRESH)


@given(REFRESH_TOKENS)
def test_a_refresh_token_says_what_was_written(token: RefreshToken) -> None:
    text = write_refresh_token(KEYS, token)
    assert read_refresh_token(KEYS, text) == token
    assert read_refresh_token(OTHER_KEYS, text) is None


@given(st.integers(0, len(WRITTEN) - 1), st.sampled_from(BASE64URL + ".="))
def test_a_refresh_token_with_one_other_character_is_unknown(place: int, character: str) -> None:
    altered = WRITTEN[:place] + character + WRITTEN[place + 1 :]
    assert read_refresh_token(KEYS, altered) == (REFRESH if altered == WRITTEN else None)


@pytest.mark.parametrize("character", sorted(set(BASE64URL) - {WRITTEN[-1]}))
def test_the_last_character_of_a_refresh_token_may_not_differ(character: str) -> None:
    assert read_refresh_token(KEYS, WRITTEN[:-1] + character) is None


@given(st.text())
def test_any_text_is_read_without_fail(text: str) -> None:
    payload, mac = WRITTEN.split(".")
    for token in (text, f"{payload}.{text}", f"{text}.{mac}"):
        assert read_refresh_token(KEYS, token) is None


@pytest.mark.parametrize(
    "token",
    ["", ".", WRITTEN + "\n", WRITTEN + "=", WRITTEN + ".", f"{WRITTEN}.{WRITTEN}", "\ud800", "é.é", TOKEN],
)
def test_what_is_no_refresh_token_of_ours_is_unknown(token: str) -> None:
    assert read_refresh_token(KEYS, token) is None


def test_a_refresh_token_is_authenticated_with_a_secret_of_its_own() -> None:
    payload, mac = WRITTEN.split(".")
    assert decode(mac) == hmac.digest(decode(KEYS.refresh_secret), payload.encode(), "sha256")
    for secret in (KEYS.private_key, encode(PUBLIC_KEY)):
        other = encode(hmac.digest(decode(secret), payload.encode(), "sha256"))
        assert read_refresh_token(KEYS, f"{payload}.{other}") is None


def test_a_refresh_token_is_no_access_token_nor_the_other_way_round() -> None:
    assert verify(KEYS, WRITTEN) is None
    assert read_refresh_token(KEYS, TOKEN) is None
    assert read_refresh_token(KEYS, f"{HEADER}.{PAYLOAD}") is None


def test_a_refresh_token_of_4096_characters_is_read_and_a_longer_one_is_not() -> None:
    def padded(length: int) -> RefreshToken:
        shortest = len(decode(WRITTEN.split(".")[0])) - len(REFRESH.scope)
        return RefreshToken(
            **{
                **asdict(REFRESH),
                "scope": "x" * ((length - 44) * 3 // 4 - shortest),
            }
        )

    for length, read in ((4096, padded(4096)), (4098, None)):
        text = write_refresh_token(KEYS, padded(length))
        assert len(text) == length
        assert read_refresh_token(KEYS, text) == read


@pytest.mark.parametrize(
    ("payload", "read"),
    [
        ('{"exp":18446744073709551615}', True),
        ('{"exp":18446744073709551616}', False),
        ('{"exp":1e400}', True),
        ('{"exp":NaN}', False),
        ('{"exp":Infinity}', False),
        ('{"scp":"\\u00e9"}', True),
        ('{"scp":"\\ud800"}', False),
        ('{"deep":[{"\\udfff":1}]}', False),
    ],
)
def test_claims_that_could_not_be_written_again_are_not_read(payload: str, read: bool) -> None:
    assert (verify(KEYS, forged(GOOD, payload=encode(payload.encode()))) is not None) == read
