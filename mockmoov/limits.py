"""Owns the arithmetic of the rate limit. Must not know accounts, stores or HTTP."""

_REQUEST = 10**9  # the cost of a request: a bucket gains `rate` times that a second
_ROUNDING = 1000  # nanoseconds: a float of today's Unix time holds no less


def spend(full_at: int, now: float, rate: int) -> tuple[int, float]:
    """Take one request from a token bucket that holds `rate` and gains `rate` a second.

    `full_at` is the Unix time at which the bucket will be full again (any time past: it is full), in
    nanoseconds times `rate`: whole numbers, so that rounding never adds up to a request.
    Returns the next `full_at` and the seconds to wait; 0 means that the request may pass.
    A clock that was moved back never finds the bucket emptier than empty.
    """
    second = _REQUEST * rate
    empty_at = round(now * 1e9) * rate + second
    full_at = min(max(full_at, empty_at - second), empty_at)
    wait = full_at + _REQUEST - empty_at
    return (full_at, wait / second) if wait > _ROUNDING * rate else (full_at + _REQUEST, 0.0)
