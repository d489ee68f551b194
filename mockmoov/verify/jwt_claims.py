"""Reads the header and the claims of an access token, without verifying it."""

import json
from base64 import urlsafe_b64decode

from mockmoov.verify.results import NotCheckable


def decode_jwt(token: str) -> tuple[dict[str, object], dict[str, object]]:
    """The header and the claims of a token. Raises `NotCheckable` if it is not a JWT."""
    parts = token.split(".")
    try:
        header, claims = (json.loads(urlsafe_b64decode(part + "==")) for part in parts[:2])
    except (ValueError, RecursionError):
        raise NotCheckable("the access token is not a JWT") from None
    if len(parts) != 3 or not isinstance(header, dict) or not isinstance(claims, dict):
        raise NotCheckable("the access token is not a JWT")
    return header, claims


def claims_of(token: str) -> dict[str, object]:
    """The claims of an access token. Raises `NotCheckable` if it is not a JWT."""
    return decode_jwt(token)[1]


def origins_of(token: str) -> tuple[str, ...]:
    """The audiences of an access token, which are the origins that browsers may use it from."""
    audiences = claims_of(token).get("aud")
    return tuple(item for item in audiences if isinstance(item, str)) if isinstance(audiences, list) else ()
