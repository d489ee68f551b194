"""Clocks that a test can shift, set, freeze and resume.

How it works. There are three clocks, each read on top of the one before: the wall clock, the clock of the
server, and the clock of an API key. A `ClockSetting` stores only the difference from the clock below, its
base: an offset in seconds, or the time at which the clock is frozen. So all clocks tick by themselves, and
shifting the server's clock shifts the clock of every API key with it, except those that are frozen.

One clock decides. Everything about an API key is timed by that key's clock: issue and expiry of its tokens,
its rate limit, the windows of its faults, its journal entries and the `Date` header. The server's clock
decides what belongs to no key. The wall clock is read once per request, outside this module: these functions
get the reading of the base as an argument, and all times are in Unix seconds.

A clock may move back. That changes only what a time decides: an expired token is valid again until the clock
passes its expiry a second time, and a fault window can open again. What happened stays: revoked tokens and
used-up refresh tokens remain rejected, faults keep their counts, and journal entries keep their times.
"""

from email.utils import formatdate
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

FIRST, LAST = 0, 253_370_764_800  # the years 1970 and 9999; the calendar of datetime ends a year later


class ClockSetting(Struct, frozen=True, kw_only=True):
    """How a clock differs from its base: by `offset` seconds, or frozen at a time (`frozen_at`)."""

    offset: float = 0.0
    frozen_at: float | None = None

    def read(self, base: float) -> float:
        """Read the clock, given the reading of its base; the result stays between `FIRST` and `LAST`."""
        if self is UNCHANGED:
            return base
        return min(max(base + self.offset, FIRST), LAST) if self.frozen_at is None else self.frozen_at


UNCHANGED = ClockSetting()


def shift(setting: ClockSetting, base: float, seconds: float) -> ClockSetting:
    """Move the clock forward, or back if `seconds` is negative; raises `ValueError` like `move_to`."""
    return move_to(setting, base, setting.read(base) + seconds)


def move_to(setting: ClockSetting, base: float, at: float) -> ClockSetting:
    """Set the clock to a time; a frozen clock stays frozen. Raises `ValueError` outside 1970 to 9998."""
    if not FIRST <= at < LAST:
        raise ValueError("must stay between the years 1970 and 9998")
    if setting.frozen_at is not None:
        return replace(setting, frozen_at=at)
    return ClockSetting(offset=at - base)


def freeze(setting: ClockSetting, base: float) -> ClockSetting:
    """Stop the clock at its current time."""
    return replace(setting, frozen_at=setting.read(base))


def resume(setting: ClockSetting, base: float) -> ClockSetting:
    """Let the clock tick again, from its current time."""
    return ClockSetting(offset=setting.read(base) - base)


@lru_cache(maxsize=8)
def http_date(second: int) -> str:
    """Format Unix seconds as in the `Date` header (RFC 9110 §5.6.7)."""
    return formatdate(second, usegmt=True)
