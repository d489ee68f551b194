"""Owns the token a caller holds and the two meanings of `expires_in`; it must not know HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mockmoov.client.errors import ProtocolError
from mockmoov.client.sanitize import is_printable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_LIFETIME = 10 * 365 * 24 * 3600
"""Ten years in seconds. A larger `expires_in` is a Unix time: as one, ten years is the end of 1979."""

KNOWN_TYPES = frozenset({"bearer", "jwt", "opaque"})
"""Token types this client knows how to use (RFC 6749 §7.1), compared without case (§5.1)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """An access token with its refresh token. Its repr hides both.

    `scope` is the granted scope as sent (single spaces); `expires_at` is an aware UTC datetime.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    token_type: str
    scope: str
    expires_at: datetime

    @property
    def scopes(self) -> tuple[str, ...]:
        """The granted scopes, in the order they came."""
        return tuple(self.scope.split())

    def is_expired(self, now: datetime, leeway: float = 0.0) -> bool:
        """Whether the token is expired at `now` (aware), or will be within `leeway` seconds."""
        return (self.expires_at - now).total_seconds() <= leeway


def read_token(members: Mapping[str, object], now: datetime) -> Token:
    """The token in a 200 answer's JSON object, received at `now`; members nobody asked for are ignored.

    Raises `ProtocolError` where a member is missing or ill-typed; its text quotes no value.
    """
    token_type = _text(members, "token_type")
    if token_type.lower() not in KNOWN_TYPES:
        raise ProtocolError("the answer's token_type is none that this client knows how to use")
    return Token(
        access_token=_text(members, "access_token"),
        refresh_token=_text(members, "refresh_token"),
        token_type=token_type,
        scope=_text(members, "scope"),
        expires_at=expiry(members.get("expires_in"), now),
    )


def expiry(expires_in: object, now: datetime) -> datetime:
    """When a token received at `now` expires, from either contract's `expires_in`.

    The 2023 contract sends a lifetime in seconds, the dated contract the Unix time of expiry. They are told
    apart by size: what would be a lifetime of more than ten years is a Unix time.
    """
    seconds = _whole_number(expires_in)
    start = EPOCH if seconds > LONGEST_LIFETIME else now.astimezone(UTC)
    try:
        return start + timedelta(seconds=seconds)
    except OverflowError:
        raise ProtocolError("the answer's expires_in lies beyond the year 9999") from None


def _whole_number(value: object) -> int:
    """`value` where it is a whole number of at least 0: JSON's 3600 and 3600.0 are the same number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ProtocolError("the answer's expires_in is not a whole number of at least 0")


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    if isinstance(value, str) and is_printable(value):
        return value
    raise ProtocolError(f"the answer has no {name} of printable ASCII")
