"""The issuer's keys: where they come from, rotation, and the JWK Set; checked against RFC vectors."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from hypothesis import example, given
from hypothesis import strategies as st
from jwt import PyJWK
from jwt.algorithms import OKPAlgorithm
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
PRIVATE_KEYS = st.binary(min_size=32, max_size=32)


def hkdf(secret: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 with SHA-256 and no salt, from its text."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    output = block = b""
    for count in range(1, -(-length // 32) + 1):
        block = hmac.digest(extracted, block + info + bytes([count]), "sha256")
        output += block
    return output[:length]


@given(st.text(), PRIVATE_KEYS)
def test_seed_and_refresh_secret_are_derived_with_hkdf(seed: str, private_key: bytes) -> None:
    vector = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    assert hkdf(b"\x0b" * 22, b"", 42).hex() == vector  # RFC 5869 A.3
    assert private_key_from_seed(seed) == hkdf(seed.encode(), b"mockmoov signing key", 32)
    keys = make_issuer_keys(private_key)
    assert decode(keys.private_key) == private_key
    assert decode(keys.refresh_secret) == hkdf(private_key, b"mockmoov refresh tokens", 32)


@given(PRIVATE_KEYS)
@example(decode(PRIVATE))
def test_kid_is_the_thumbprint_of_rfc_7638(private_key: bytes) -> None:
    jwk = key_pair(encode(private_key)).jwk
    members = '{"crv":"Ed25519","kty":"OKP","x":"' + jwk["x"] + '"}'  # RFC 7638 §3.1
    assert decode(jwk["kid"]) == hashlib.sha256(members.encode()).digest()


def test_key_pair_is_that_of_rfc_8037() -> None:
    pair = key_pair(PRIVATE)
    assert (pair.kid, pair.jwk["x"]) == (THUMBPRINT, PUBLIC)
    assert encode(pair.public_key) == PUBLIC
    assert json.loads(decode(pair.header)) == {"alg": "EdDSA", "cty": "JWT", "kid": THUMBPRINT}


def test_jwk_set_contains_the_public_key_only() -> None:
    keys = make_issuer_keys(decode(PRIVATE))
    public = {"crv": "Ed25519", "kty": "OKP", "x": PUBLIC, "alg": "EdDSA", "kid": THUMBPRINT, "use": "sig"}
    document: Any = jwks(keys)
    assert document == {"keys": [public]}
    key: Any = PyJWK(document["keys"][0])
    assert (key.key_id, key.key_type, key.public_key_use) == (THUMBPRINT, "OKP", "sig")
    document["keys"][0]["kid"] = "other"
    assert jwks(keys) == {"keys": [public]}  # the other one was a copy


def test_public_pem_is_the_key_that_verifies_new_tokens() -> None:
    keys = rotate(make_issuer_keys(bytes(32)), decode(PRIVATE))
    key = serialization.load_pem_public_key(public_pem(keys))
    assert isinstance(key, ed25519.Ed25519PublicKey)
    assert encode(key.public_bytes_raw()) == PUBLIC
    assert public_pem(keys).startswith(b"-----BEGIN PUBLIC KEY-----\n")


SOME_KEYS = [bytes([number]) * 32 for number in range(4)]
KIDS = [key_pair(encode(key)).kid for key in SOME_KEYS]
NUMBERS = st.lists(st.integers(0, 3), min_size=1, max_size=8)


def rotated(*numbers: int) -> IssuerKeys:
    """The first key, then each of the others in turn."""
    keys = make_issuer_keys(SOME_KEYS[numbers[0]])
    for number in numbers[1:]:
        keys = rotate(keys, SOME_KEYS[number])
    return keys


def numbers_of(keys: IssuerKeys) -> list[int]:
    return [KIDS.index(pair.kid) for pair in key_pairs(keys)]


@given(NUMBERS)
@example([0, 1, 2, 0, 0])
def test_last_key_signs_and_earlier_ones_verify(numbers: list[int]) -> None:
    keys = rotated(*numbers)
    assert numbers_of(keys) == list(dict.fromkeys(reversed(numbers)))
    assert decode(keys.private_key) == SOME_KEYS[numbers[-1]]
    assert keys.refresh_secret == rotated(numbers[0]).refresh_secret
    document: Any = jwks(keys)
    assert [key["kid"] for key in document["keys"]] == [pair.kid for pair in key_pairs(keys)]


@given(NUMBERS, st.integers(0, 3))
@example([0, 1, 2], 1)
@example([0, 1, 2], 2)
@example([0, 1, 2], 3)
def test_only_a_retired_key_can_be_dropped(numbers: list[int], number: int) -> None:
    keys = rotated(*numbers)
    if number == numbers[-1]:
        with pytest.raises(ValueError, match=r"^this key signs new tokens: rotate the keys first$") as caught:
            drop(keys, KIDS[number])
        assert not isinstance(caught.value, UnknownKeyError)
    elif number in numbers:
        dropped = drop(keys, KIDS[number])
        assert numbers_of(dropped) == [other for other in numbers_of(keys) if other != number]
        assert replace(dropped, retired=keys.retired) == keys
    else:
        for kid in (KIDS[number], "", "x", KIDS[0][:-1], KIDS[0] + "A"):
            with pytest.raises(UnknownKeyError, match=r"^there is no signing key with this kid$"):
                drop(keys, kid)


@given(PRIVATE_KEYS)
def test_private_key_is_read_from_pem_and_jwk(private_key: bytes) -> None:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(private_key)
    assert private_key_from_file(key.private_bytes(PEM, PKCS8, PLAIN)) == private_key
    for before in ("", " \n\t"):
        assert private_key_from_file((before + json.dumps(JWK)).encode()) == decode(PRIVATE)


def unreadable_keys() -> list[bytes]:
    key = ed25519.Ed25519PrivateKey.generate()
    der = key.private_bytes(serialization.Encoding.DER, PKCS8, PLAIN)
    unknown = base64.b64encode(der.replace(b"\x2b\x65\x70", b"\x2b\x65\x73"))  # OID 1.3.101.112 becomes .115
    return [
        b"",
        b"no key",
        b"\xff\xfe",
        b"{\xff}",
        b"{}",
        b'{"kty":"OKP","crv":"Ed25519","x":1,"d":2}',
        json.dumps({**JWK, "x": "A" * 43}).encode(),
        json.dumps([JWK]).encode(),
        b'{"a":' + b"[" * 100_000,
        key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        key.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"secret")),
        b"-----BEGIN PRIVATE KEY-----\n" + unknown + b"\n-----END PRIVATE KEY-----\n",
    ]


def test_file_without_a_readable_private_key_is_rejected() -> None:
    for data in unreadable_keys():
        with pytest.raises(ValueError, match=r"^not an unencrypted private key in PEM or JWK format$"):
            private_key_from_file(data)


def test_jwk_with_the_x_of_another_key_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(decode(PRIVATE))
    monkeypatch.setattr(OKPAlgorithm, "from_jwk", lambda _: key)  # PyJWT before 2.15 compares nothing
    assert private_key_from_file(json.dumps(JWK).encode()) == decode(PRIVATE)
    with pytest.raises(ValueError, match=r"^not an unencrypted private key in PEM or JWK format$"):
        private_key_from_file(json.dumps({**JWK, "x": "A" * 43}).encode())


@pytest.mark.parametrize(
    "data",
    [
        json.dumps({name: JWK[name] for name in ("kty", "crv", "x")}).encode(),
        ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, PKCS8, PLAIN),
        x25519.X25519PrivateKey.generate().private_bytes(PEM, PKCS8, PLAIN),
    ],
    ids=["public JWK", "P-256", "X25519"],
)
def test_key_must_be_a_private_ed25519_key(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not an Ed25519 private key$"):
        private_key_from_file(data)
