"""Owns the arithmetic of the rate limit. Must not know accounts, stores or HTTP."""

from typing import NamedTuple

_REQUEST = 10**9  # the cost of a request: a bucket gains `rate` times that a second
_ROUNDING = 1000  # nanoseconds: a float of today's Unix time holds no less


class Bucket(NamedTuple):
    """What a token bucket held when it was last looked at, and when that was, in Unix nanoseconds.

    A request costs 10**9 of what it holds: whole numbers, so that rounding never adds up to a request.
    """

    held: int
    at: int


def take(bucket: Bucket | None, now: float, rate: int) -> tuple[Bucket, float]:
    """Take one request from a token bucket that holds `rate` and gains `rate` a second; None is a full one.

    Returns the bucket after that and the seconds to wait; 0 means that the request may pass. A clock that
    was moved back finds what the bucket held: no time has passed, and from there on it does.
    """
    at, full = round(now * 1e9), _REQUEST * rate
    held = full if bucket is None else min(full, bucket.held + max(0, at - bucket.at) * rate)
    lacking = _REQUEST - held
    return (Bucket(held, at), lacking / full) if lacking > _ROUNDING * rate else (Bucket(-lacking, at), 0.0)
