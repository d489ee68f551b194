"""The issuer's keys: from a file or a seed, rotated, and published as a JWKS."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace
from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from mockmoov.oauth.encoding import decode, encode, encode_json, to_json
from mockmoov.oauth.records import IssuerKeys

ALGORITHM = "EdDSA"


class KeyPair(Struct, frozen=True, kw_only=True):
    """A parsed Ed25519 key; `kid` is its RFC 7638 thumbprint, `header` the JOSE header of its tokens.

    `public_key` has 32 bytes, `secret_key` the private and the public key (RFC 8032 §5.1.5).
    """

    public_key: bytes
    secret_key: bytes
    kid: str
    jwk: Mapping[str, str]
    header: str

    def __repr__(self) -> str:
        return f"KeyPair(kid={self.kid!r})"

    def sign(self, data: bytes) -> bytes:
        """The signature of 64 bytes (RFC 8032 §5.1.6)."""
        return crypto_sign(data, self.secret_key)[:crypto_sign_BYTES]

    def has_signed(self, data: bytes, signature: bytes) -> bool:
        """Whether this is the key's signature (RFC 8032 §5.1.7)."""
        try:
            crypto_sign_open(signature + data, self.public_key)
        except BadSignatureError:
            return False
        return True


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
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415
    from jwt.algorithms import OKPAlgorithm  # noqa: PLC0415 - imported only for key files
    from jwt.exceptions import PyJWTError  # noqa: PLC0415

    try:
        if data.lstrip().startswith(b"{"):
            jwk = json.loads(data.decode())
            key: object = OKPAlgorithm.from_jwk(jwk)
            if isinstance(key, Ed25519PrivateKey) and key.public_key().public_bytes_raw() != decode(jwk["x"]):
                raise ValueError("x is another key's")  # PyJWT before 2.15 doesn't compare
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
    public_key, secret_key = crypto_sign_seed_keypair(decode(private_key))
    public = {"crv": "Ed25519", "kty": "OKP", "x": encode(public_key)}
    kid = encode(hashlib.sha256(to_json(public)).digest())  # RFC 7638 §3, RFC 8037 §2
    return KeyPair(
        public_key=public_key,
        secret_key=secret_key,
        kid=kid,
        jwk={**public, "alg": ALGORITHM, "kid": kid, "use": "sig"},
        header=encode_json({"alg": ALGORITHM, "cty": "JWT", "kid": kid}),
    )


def jwks(keys: IssuerKeys) -> dict[str, object]:
    """The JWK Set that verifies the access tokens (RFC 7517 §5)."""
    return {"keys": [dict(pair.jwk) for pair in key_pairs(keys)]}


def public_pem(keys: IssuerKeys) -> bytes:
    """The public key that verifies new access tokens, in PEM (SubjectPublicKeyInfo)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - rare
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    public_key = Ed25519PublicKey.from_public_bytes(key_pair(keys.private_key).public_key)
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
    """Derive 32 bytes with HKDF-SHA256, without a salt (RFC 5869 §2)."""
    pseudorandom_key = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(pseudorandom_key, info + b"\x01", "sha256")
