"""The arithmetic of the rate limit: a token bucket (docs: requests per second per account)."""

from typing import NamedTuple

_REQUEST = 10**9  # what a request costs; a bucket gains `rate` times that per second
_ROUNDING = 1000  # nanoseconds: a float of today's Unix time is no more precise


class Bucket(NamedTuple):
    """The balance of a token bucket at a time `at`, in Unix nanoseconds.

    A request costs 10**9: with whole numbers, rounding errors never add up to a request.
    """

    balance: int
    at: int


def take(bucket: Bucket | None, now: float, rate: int) -> tuple[Bucket, float]:
    """Take one request from a bucket that holds up to `rate` requests and gains `rate` per second.

    `bucket` None is a full one; `now` is in Unix seconds. Returns the bucket afterwards and the seconds to
    wait: 0 if the request may pass. If the clock moved back, the balance is unchanged, and the bucket gains
    from the new time on.
    """
    at, full = round(now * 1e9), _REQUEST * rate
    balance = full if bucket is None else min(full, bucket.balance + max(0, at - bucket.at) * rate)
    missing = _REQUEST - balance
    if missing > _ROUNDING * rate:
        return Bucket(balance, at), missing / full
    return Bucket(-missing, at), 0.0
