"""Owns the arithmetic of the rate limit. Must not know accounts, stores or HTTP."""


def spend(full_at: float, now: float, rate: float) -> tuple[float, float]:
    """Take one request from a token bucket that holds `rate` and gains `rate` a second.

    `full_at` is the Unix time at which the bucket will be full again (any time past: it is full).
    Returns the next `full_at` and the seconds to wait; 0 means that the request may pass.
    A clock that was moved back never finds the bucket emptier than empty.
    """
    full_at = min(max(full_at, now), now + 1)
    wait = full_at + 1 / rate - (now + 1)
    return (full_at, wait) if wait > _ROUNDING else (full_at + 1 / rate, 0.0)


_ROUNDING = 1e-6  # seconds: a float of today's Unix time holds no less
