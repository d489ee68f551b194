"""Compact JSON and base64url, as JOSE uses them."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from msgspec.json import Encoder

to_json = Encoder().encode  # compact, UTF-8
INTEGERS = range(-(2**63), 2**64)  # what `to_json` can write, so what is accepted on reading


def encode(data: bytes) -> str:
    """Encode bytes as base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def encode_json(value: object) -> str:
    """Encode a value as JSON, then as base64url."""
    return encode(to_json(value))


def decode(text: str) -> bytes:
    """Decode base64url without padding; raises `ValueError`."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
