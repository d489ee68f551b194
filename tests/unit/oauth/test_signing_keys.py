"""Keys: their RFC vectors, where they may come from, and the JWK Set."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from hypothesis import given
from hypothesis import strategies as st
from jwt import PyJWK
from msgspec.structs import replace

from mockmoov.oauth.encoding import decode, encode
from mockmoov.oauth.records import IssuerKeys
from mockmoov.oauth.signing_keys import (
    UnknownKeyError,
    drop,
    jwks,
    key_pair,
    key_pairs,
    make_issuer_keys,
    private_key_from_file,
    private_key_from_seed,
    public_pem,
    rotate,
)

# RFC 8037 Appendix A.1 to A.3: an Ed25519 key and its thumbprint.
PRIVATE = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
PUBLIC = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
JWK = {"kty": "OKP", "crv": "Ed25519", "d": PRIVATE, "x": PUBLIC}
PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
PLAIN = serialization.NoEncryption()


def hkdf(secret: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 with SHA-256 and no salt, from its text."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    output = block = b""
    for count in range(1, -(-length // 32) + 1):
        block = hmac.digest(extracted, block + info + bytes([count]), "sha256")
        output += block
    return output[:length]


def test_our_reading_of_hkdf_gives_the_third_vector_of_rfc_5869() -> None:
    assert hkdf(b"\x0b" * 22, b"", 42).hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )


@given(st.text())
def test_the_same_seed_gives_the_same_key_by_hkdf(seed: str) -> None:
    assert private_key_from_seed(seed) == hkdf(seed.encode(), b"mockmoov signing key", 32)


@given(st.binary(min_size=32, max_size=32))
def test_refresh_tokens_have_a_secret_of_their_own_derived_by_hkdf(private_key: bytes) -> None:
    keys = make_issuer_keys(private_key)
    assert decode(keys.private_key) == private_key
    assert decode(keys.refresh_secret) == hkdf(private_key, b"mockmoov refresh tokens", 32)
    assert keys.refresh_secret != keys.private_key


def test_a_key_is_named_by_its_thumbprint_as_in_rfc_8037() -> None:
    pair = key_pair(PRIVATE)
    assert pair.kid == THUMBPRINT
    assert pair.jwk["x"] == PUBLIC
    assert encode(pair.private_key.public_key().public_bytes_raw()) == PUBLIC


@given(st.binary(min_size=32, max_size=32))
def test_every_kid_is_the_sha256_of_the_required_members_in_order(private_key: bytes) -> None:
    jwk = key_pair(encode(private_key)).jwk
    members = '{"crv":"Ed25519","kty":"OKP","x":"' + jwk["x"] + '"}'  # RFC 7638 §3.1
    assert decode(jwk["kid"]) == hashlib.sha256(members.encode()).digest()


def test_a_token_header_names_algorithm_content_type_and_key() -> None:
    assert json.loads(decode(key_pair(PRIVATE).header)) == {"alg": "EdDSA", "cty": "JWT", "kid": THUMBPRINT}


def test_the_jwk_set_has_the_one_public_key_and_nothing_private() -> None:
    assert jwks(make_issuer_keys(decode(PRIVATE))) == {
        "keys": [
            {"crv": "Ed25519", "kty": "OKP", "x": PUBLIC, "alg": "EdDSA", "kid": THUMBPRINT, "use": "sig"}
        ]
    }


def test_the_jwk_set_is_one_that_a_jose_library_reads() -> None:
    document: Any = jwks(make_issuer_keys(decode(PRIVATE)))
    key: Any = PyJWK(document["keys"][0])
    assert (key.key_id, key.key_type, key.public_key_use) == (THUMBPRINT, "OKP", "sig")


def test_the_jwk_set_is_a_copy_that_may_be_changed() -> None:
    keys = make_issuer_keys(decode(PRIVATE))
    jwks(keys)["keys"][0]["kid"] = "other"  # type: ignore[index]
    assert key_pair(keys.private_key).kid == THUMBPRINT


def test_the_public_key_in_pem_is_the_one_that_verifies() -> None:
    keys = rotate(make_issuer_keys(bytes(32)), decode(PRIVATE))
    key = serialization.load_pem_public_key(public_pem(keys))
    assert isinstance(key, ed25519.Ed25519PublicKey)
    assert encode(key.public_bytes_raw()) == PUBLIC
    assert public_pem(keys).startswith(b"-----BEGIN PUBLIC KEY-----\n")


# --- rotation ---------------------------------------------------------------------------------------

SOME_KEYS = [bytes([number]) * 32 for number in range(4)]
KIDS = [key_pair(encode(key)).kid for key in SOME_KEYS]


def rotated(*numbers: int) -> IssuerKeys:
    """The first key, and then the others in their turn."""
    keys = make_issuer_keys(SOME_KEYS[numbers[0]])
    for number in numbers[1:]:
        keys = rotate(keys, SOME_KEYS[number])
    return keys


def kids(keys: IssuerKeys) -> list[int]:
    """Which keys verify, the one that signs first."""
    return [KIDS.index(pair.kid) for pair in key_pairs(keys)]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_the_last_key_signs_and_every_other_one_verifies_once_the_latest_first(numbers: list[int]) -> None:
    keys = rotated(*numbers)
    assert kids(keys) == list(dict.fromkeys(reversed(numbers)))
    assert decode(keys.private_key) == SOME_KEYS[numbers[-1]]
    assert keys.refresh_secret == rotated(numbers[0]).refresh_secret
    document: Any = jwks(keys)
    assert [key["kid"] for key in document["keys"]] == [pair.kid for pair in key_pairs(keys)]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(0, 3))
def test_a_retired_key_can_be_dropped_and_no_other(numbers: list[int], number: int) -> None:
    keys = rotated(*numbers)
    if number == numbers[-1]:
        with pytest.raises(ValueError, match=r"^this key signs new tokens: rotate the keys first$") as caught:
            drop(keys, KIDS[number])
        assert not isinstance(caught.value, UnknownKeyError)
    elif number in numbers:
        dropped = drop(keys, KIDS[number])
        assert kids(dropped) == [kid for kid in kids(keys) if kid != number]
        assert replace(dropped, retired=keys.retired) == keys
    else:
        with pytest.raises(UnknownKeyError, match=r"^there is no signing key with this kid$"):
            drop(keys, KIDS[number])


@pytest.mark.parametrize("kid", ["", "x", KIDS[0][:-1], KIDS[0] + "A"])
def test_a_kid_that_no_key_has_is_unknown(kid: str) -> None:
    with pytest.raises(UnknownKeyError):
        drop(rotated(0, 1), kid)


def test_signing_keys_show_nothing_of_themselves() -> None:
    keys = rotated(0, 1)
    for secret in (keys.private_key, keys.refresh_secret, *keys.retired):
        assert secret not in repr(keys)


# --- key files --------------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32))
def test_a_pem_key_is_read(private_key: bytes) -> None:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(private_key)
    assert private_key_from_file(key.private_bytes(PEM, PKCS8, PLAIN)) == private_key


@pytest.mark.parametrize("before", ["", " \n\t"])
def test_a_jwk_is_read(before: str) -> None:
    assert private_key_from_file((before + json.dumps(JWK)).encode()) == decode(PRIVATE)


def pem_of_a_public_key() -> bytes:
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def encrypted_pem() -> bytes:
    secret = serialization.BestAvailableEncryption(b"secret")
    return ed25519.Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, secret)


def unknown_algorithm() -> bytes:
    der = ed25519.Ed25519PrivateKey.generate().private_bytes(serialization.Encoding.DER, PKCS8, PLAIN)
    body = base64.b64encode(der.replace(b"\x2b\x65\x70", b"\x2b\x65\x73"))  # OID 1.3.101.112 becomes .115
    return b"-----BEGIN PRIVATE KEY-----\n" + body + b"\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no key",
        b"\xff\xfe",
        b"{\xff}",
        b"{}",
        b'{"kty":"OKP","crv":"Ed25519","x":1,"d":2}',
        json.dumps({**JWK, "x": "A" * 43}).encode(),
        json.dumps([JWK]).encode(),
        b'{"a":' + b"[" * 100_000,
        pem_of_a_public_key(),
        encrypted_pem(),
        unknown_algorithm(),
    ],
    ids=[
        "empty",
        "text",
        "bytes",
        "not UTF-8",
        "no members",
        "numbers",
        "mismatch",
        "list",
        "nested",
        "public",
        "lock",
        "other algorithm",
    ],
)
def test_what_is_no_readable_key_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not an unencrypted private key in PEM or JWK format$"):
        private_key_from_file(data)


@pytest.mark.parametrize(
    "data",
    [
        json.dumps({name: JWK[name] for name in ("kty", "crv", "x")}).encode(),
        ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, PKCS8, PLAIN),
        x25519.X25519PrivateKey.generate().private_bytes(PEM, PKCS8, PLAIN),
    ],
    ids=["public JWK", "P-256", "X25519"],
)
def test_a_key_that_is_not_a_private_ed25519_key_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not an Ed25519 private key$"):
        private_key_from_file(data)
