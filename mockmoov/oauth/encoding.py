"""Owns compact JSON and base64url. Must not know what is encoded."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from msgspec.json import Encoder

to_json = Encoder().encode  # compact, in UTF-8
INTEGERS = range(-(2**63), 2**64)  # that it can write, and that are read


def encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def encode_json(value: object) -> str:
    """A JSON text in base64url."""
    return encode(to_json(value))


def decode(text: str) -> bytes:
    """The bytes of a base64url text without padding."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
