"""Owns what a moved clock reads. Must not know whose clock it is, nor what the time is.

Times are Unix seconds. A setting is read over a base: the server's over the wall clock, an API key's over
the server's. So a key's clock keeps its distance when the server's is moved.
"""

from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import lru_cache

FIRST, LAST = 0, 253_370_764_800  # 1970 and, a year before the calendar of datetime ends, 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSetting:
    """How a clock differs from its base: by so many seconds, or (`frozen_at`) by standing still."""

    offset: float = 0.0
    frozen_at: float | None = None

    def read(self, base: float) -> float:
        """What the clock shows when its base shows that; it stops at the ends of its range."""
        return min(max(base + self.offset, FIRST), LAST) if self.frozen_at is None else self.frozen_at


UNCHANGED = ClockSetting()


def shift(setting: ClockSetting, base: float, seconds: float) -> ClockSetting:
    """The clock put forward, or back where that is negative; raises `ValueError`."""
    return move_to(setting, base, setting.read(base) + seconds)


def move_to(setting: ClockSetting, base: float, at: float) -> ClockSetting:
    """The clock put to a time; a frozen one stays frozen. Raises `ValueError` outside 1970 to 9998."""
    if not FIRST <= at < LAST:
        raise ValueError("must stay between the years 1970 and 9998")
    if setting.frozen_at is not None:
        return replace(setting, frozen_at=at)
    return ClockSetting(offset=at - base)


def freeze(setting: ClockSetting, base: float) -> ClockSetting:
    """The clock standing still where it is."""
    return replace(setting, frozen_at=setting.read(base))


def resume(setting: ClockSetting, base: float) -> ClockSetting:
    """The clock ticking on from where it stands."""
    return ClockSetting(offset=setting.read(base) - base)


@lru_cache(maxsize=8)
def http_date(second: int) -> str:
    """A whole second as in the `Date` header (RFC 9110 §5.6.7)."""
    return formatdate(second, usegmt=True)
