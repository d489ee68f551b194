"""The `Token` that callers get, and the two meanings of `expires_in`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mockmoov.client.errors import ProtocolError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_LIFETIME = 10 * 365 * 24 * 3600  # ten years; a larger `expires_in` is a Unix time, from 1979 on
SUPPORTED_TYPES = frozenset({"bearer", "jwt", "opaque"})  # RFC 6749 §7.1; case-insensitive (§5.1)
_PRINTABLE = re.compile(r"[\x20-\x7E]+")  # VSCHAR, RFC 6749 Appendix A


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """An access token with its refresh token. Its repr hides both.

    `scope` is the granted scope as the server sent it; `expires_at` is an aware UTC datetime.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    token_type: str
    scope: str
    expires_at: datetime

    @property
    def scopes(self) -> tuple[str, ...]:
        """The granted scopes, in the server's order."""
        return tuple(self.scope.split())

    def is_expired(self, now: datetime, leeway: float = 0.0) -> bool:
        """Whether the token has expired at `now` (aware), or expires within `leeway` seconds."""
        return (self.expires_at - now).total_seconds() <= leeway


def read_token(members: Mapping[str, object], now: datetime) -> Token:
    """The token in the JSON object of a 200 response that came at `now`. Ignores unknown members.

    Raises `ProtocolError` if a member is missing or has the wrong type. The error quotes no value.
    """
    token_type = _printable(members, "token_type")
    if token_type.lower() not in SUPPORTED_TYPES:
        raise ProtocolError("the response has a token_type that this client does not support")
    return Token(
        access_token=_printable(members, "access_token"),
        refresh_token=_printable(members, "refresh_token"),
        token_type=token_type,
        scope=_printable(members, "scope"),
        expires_at=expiry(members.get("expires_in"), now),
    )


def expiry(expires_in: object, now: datetime) -> datetime:
    """When a token that came at `now` expires, from the `expires_in` of either contract.

    The 2023 contract sends a lifetime in seconds, the dated contract the Unix time of expiry. Size tells them
    apart: a lifetime of more than ten years is a Unix time. In JSON 3600 and 3600.0 are the same number.
    """
    if isinstance(expires_in, float) and expires_in.is_integer():
        expires_in = int(expires_in)
    if not isinstance(expires_in, int) or isinstance(expires_in, bool) or expires_in < 0:
        raise ProtocolError("the response has an expires_in that is not an integer of at least 0")
    start = EPOCH if expires_in > LONGEST_LIFETIME else now.astimezone(UTC)
    try:
        return start + timedelta(seconds=expires_in)
    except OverflowError:
        raise ProtocolError("the response has an expires_in beyond the year 9999") from None


def is_printable(text: str) -> bool:
    """Whether `text` consists of one or more of RFC 6749's VSCHARs (visible ASCII and spaces)."""
    return _PRINTABLE.fullmatch(text) is not None


def _printable(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    if isinstance(value, str) and is_printable(value):
        return value
    raise ProtocolError(f"the response has no {name} of printable ASCII")
