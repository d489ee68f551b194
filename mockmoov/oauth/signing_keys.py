"""Owns the issuer's keys: where they come from, the JWKS. Must not know tokens, HTTP or stores."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from mockmoov.oauth.encoding import decode, encode, encode_json, to_json
from mockmoov.oauth.records import IssuerKeys

ALGORITHM = "EdDSA"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """An Ed25519 key ready for use; `header` is the encoded JOSE header of its tokens."""

    private_key: Ed25519PrivateKey
    jwk: Mapping[str, str]
    header: str

    @property
    def kid(self) -> str:
        """The RFC 7638 thumbprint."""
        return self.jwk["kid"]


def make_issuer_keys(private_key: bytes) -> IssuerKeys:
    """The record of an Ed25519 private key of 32 bytes, with the refresh tokens' own secret (RFC 5869)."""
    return IssuerKeys(
        private_key=encode(private_key),
        refresh_secret=encode(_derive(private_key, b"mockmoov refresh tokens")),
    )


def private_key_from_seed(seed: str) -> bytes:
    """The Ed25519 private key that belongs to a seed: the same seed, the same key, on any machine."""
    return _derive(seed.encode(), b"mockmoov signing key")


def private_key_from_file(data: bytes) -> bytes:
    """The 32 bytes of an Ed25519 private key in PEM (PKCS #8) or as a JWK; raises `ValueError`."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415
    from jwt.algorithms import OKPAlgorithm  # noqa: PLC0415 - only key files pay for these
    from jwt.exceptions import PyJWTError  # noqa: PLC0415

    try:
        if data.lstrip().startswith(b"{"):
            key: object = OKPAlgorithm.from_jwk(data.decode())
        else:
            key = load_pem_private_key(data, password=None)
    except (PyJWTError, RecursionError, TypeError, UnsupportedAlgorithm, ValueError) as error:
        raise ValueError("neither an unencrypted PEM nor a JWK of a private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 private key")
    return key.private_bytes_raw()


@lru_cache(maxsize=64)
def key_pair(private_key: str) -> KeyPair:
    """The key of a `SigningKeys` record, ready for use."""
    key = Ed25519PrivateKey.from_private_bytes(decode(private_key))
    public = {"crv": "Ed25519", "kty": "OKP", "x": encode(key.public_key().public_bytes_raw())}
    kid = encode(hashlib.sha256(to_json(public)).digest())  # RFC 7638 §3, RFC 8037 §2
    return KeyPair(
        private_key=key,
        jwk={**public, "alg": ALGORITHM, "kid": kid, "use": "sig"},
        header=encode_json({"alg": ALGORITHM, "cty": "JWT", "kid": kid}),
    )


def jwks(keys: IssuerKeys) -> dict[str, object]:
    """The JWK Set that verifies our access tokens (RFC 7517 §5)."""
    return {"keys": [dict(pair.jwk) for pair in key_pairs(keys)]}


def public_pem(keys: IssuerKeys) -> bytes:
    """The public key that verifies new access tokens, in PEM (SubjectPublicKeyInfo)."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - rarely

    public_key = key_pair(keys.private_key).private_key.public_key()
    return public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_pairs(keys: IssuerKeys) -> list[KeyPair]:
    """Every key that verifies access tokens; the first one signs."""
    return [key_pair(private_key) for private_key in (keys.private_key, *keys.retired)]


class UnknownKeyError(ValueError):
    """There is no such signing key."""


def rotate(keys: IssuerKeys, private_key: bytes) -> IssuerKeys:
    """The keys with another that signs from now on; the one before it verifies on."""
    retired = tuple(key for key in (keys.private_key, *keys.retired) if key != encode(private_key))
    return replace(keys, private_key=encode(private_key), retired=retired)


def drop(keys: IssuerKeys, kid: str) -> IssuerKeys:
    """The keys without a retired one: what it signed is no longer good. Raises `ValueError`."""
    if kid == key_pair(keys.private_key).kid:
        raise ValueError("this key signs: rotate first")
    retired = tuple(key for key in keys.retired if key_pair(key).kid != kid)
    if retired == keys.retired:
        raise UnknownKeyError("there is no signing key with this kid")
    return replace(keys, retired=retired)


def _derive(secret: bytes, info: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - once a start
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    return HKDF(SHA256(), 32, salt=None, info=info).derive(secret)
