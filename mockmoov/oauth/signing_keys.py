"""The issuer's keys: from a file or a seed, rotated, and published as a JWKS."""

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
    """A parsed Ed25519 key; `kid` is its RFC 7638 thumbprint, `header` the JOSE header of its tokens."""

    private_key: Ed25519PrivateKey
    kid: str
    jwk: Mapping[str, str]
    header: str


def make_issuer_keys(private_key: bytes) -> IssuerKeys:
    """Make the record of an Ed25519 private key (32 bytes); the refresh secret is derived (RFC 5869)."""
    return IssuerKeys(
        private_key=encode(private_key),
        refresh_secret=encode(_derive(private_key, b"mockmoov refresh tokens")),
    )


def private_key_from_seed(seed: str) -> bytes:
    """Derive an Ed25519 private key from a seed: the same seed gives the same key on every machine."""
    return _derive(seed.encode(), b"mockmoov signing key")


def private_key_from_file(data: bytes) -> bytes:
    """Read the 32 bytes of an Ed25519 private key in PEM (PKCS #8) or JWK format; raises `ValueError`."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415
    from jwt.algorithms import OKPAlgorithm  # noqa: PLC0415 - imported only for key files
    from jwt.exceptions import PyJWTError  # noqa: PLC0415

    try:
        if data.lstrip().startswith(b"{"):
            key: object = OKPAlgorithm.from_jwk(data.decode())
        else:
            key = load_pem_private_key(data, password=None)
    except (PyJWTError, RecursionError, TypeError, UnsupportedAlgorithm, ValueError) as error:
        raise ValueError("not an unencrypted private key in PEM or JWK format") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 private key")
    return key.private_bytes_raw()


@lru_cache(maxsize=64)
def key_pair(private_key: str) -> KeyPair:
    """Parse a private key of an `IssuerKeys` record."""
    key = Ed25519PrivateKey.from_private_bytes(decode(private_key))
    public = {"crv": "Ed25519", "kty": "OKP", "x": encode(key.public_key().public_bytes_raw())}
    kid = encode(hashlib.sha256(to_json(public)).digest())  # RFC 7638 §3, RFC 8037 §2
    return KeyPair(
        private_key=key,
        kid=kid,
        jwk={**public, "alg": ALGORITHM, "kid": kid, "use": "sig"},
        header=encode_json({"alg": ALGORITHM, "cty": "JWT", "kid": kid}),
    )


def jwks(keys: IssuerKeys) -> dict[str, object]:
    """The JWK Set that verifies the access tokens (RFC 7517 §5)."""
    return {"keys": [dict(pair.jwk) for pair in key_pairs(keys)]}


def public_pem(keys: IssuerKeys) -> bytes:
    """The public key that verifies new access tokens, in PEM (SubjectPublicKeyInfo)."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - rare

    public_key = key_pair(keys.private_key).private_key.public_key()
    return public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_pairs(keys: IssuerKeys) -> list[KeyPair]:
    """All keys that verify access tokens; the first one signs."""
    return [key_pair(private_key) for private_key in (keys.private_key, *keys.retired)]


class UnknownKeyError(ValueError):
    """There is no signing key with this id."""


def rotate(keys: IssuerKeys, private_key: bytes) -> IssuerKeys:
    """Replace the key that signs; the previous one is retired, so it still verifies."""
    retired = tuple(key for key in (keys.private_key, *keys.retired) if key != encode(private_key))
    return replace(keys, private_key=encode(private_key), retired=retired)


def drop(keys: IssuerKeys, kid: str) -> IssuerKeys:
    """Remove a retired key; raises `UnknownKeyError` if there is none, `ValueError` if it still signs."""
    if kid == key_pair(keys.private_key).kid:
        raise ValueError("this key signs new tokens: rotate the keys first")
    retired = tuple(key for key in keys.retired if key_pair(key).kid != kid)
    if retired == keys.retired:
        raise UnknownKeyError("there is no signing key with this kid")
    return replace(keys, retired=retired)


def _derive(secret: bytes, info: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - once per start
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    return HKDF(SHA256(), 32, salt=None, info=info).derive(secret)
