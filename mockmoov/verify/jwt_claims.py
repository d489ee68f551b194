"""Owns reading what an access token says of itself, unverified. Must not know what it should say."""

import json
from base64 import urlsafe_b64decode

from mockmoov.verify.results import NotCheckable


def segments(token: str) -> tuple[dict[str, object], dict[str, object]]:
    """Header and claims of a JWS, unverified; raises `NotCheckable` for what is none."""
    parts = token.split(".")
    try:
        header, claims = (json.loads(urlsafe_b64decode(part + "==")) for part in parts[:2])
    except (ValueError, RecursionError):
        raise NotCheckable("the access token is opaque") from None
    if len(parts) != 3 or not isinstance(header, dict) or not isinstance(claims, dict):
        raise NotCheckable("the access token is opaque")
    return header, claims


def claims_of(token: str) -> dict[str, object]:
    """The claims of an access token."""
    return segments(token)[1]


def origins_of(token: str) -> tuple[str, ...]:
    """The audiences of an access token: a browser's origin must be among them."""
    audiences = claims_of(token).get("aud")
    return tuple(item for item in audiences if isinstance(item, str)) if isinstance(audiences, list) else ()
