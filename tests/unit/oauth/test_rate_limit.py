"""The rate limit: a token bucket of size = rate, compared with a naive model."""

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.oauth.rate_limit import Bucket, take

NOW = 1_750_000_000
# Multiples of 1/64 are exact as floats: at these rates, rounding never decides whether a request passes.
EXACT_RATES = st.sampled_from([1, 2, 4, 8, 16, 32, 64])
EXACT_STEPS = st.lists(st.sampled_from([0, 0, 0, 0, 0, 1, 1, 2, 3, 8, 64, 200, -1, -8, -200]), max_size=60)
RATES = st.integers(1, 500)
CLOCKS = st.floats(1e9, 2.1e9)
ROUNDING = 2e-6  # seconds


class Taker:
    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.bucket: Bucket | None = None

    def take(self, now: float) -> float:
        self.bucket, wait = take(self.bucket, now, self.rate)
        return wait


class NaiveTaker:
    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.balance = Fraction(rate)
        self.last = Fraction(NOW)

    def take(self, now: Fraction) -> Fraction:
        gained = self.rate * max(Fraction(0), now - self.last)
        self.balance, self.last = min(Fraction(self.rate), self.balance + gained), now
        if self.balance >= 1:
            self.balance -= 1
            return Fraction(0)
        return (1 - self.balance) / self.rate


@given(EXACT_RATES, EXACT_STEPS)
@example(2, [0, 0, 0, 8, 32, 0, -200, 0, 3, 64, 0, 0, 0])
def test_bucket_gains_with_time_and_nothing_when_it_goes_back(rate: int, steps: list[int]) -> None:
    model, taker, now = NaiveTaker(rate), Taker(rate), Fraction(NOW)
    for step in steps:
        now += Fraction(step, 64)
        wait, expected = taker.take(float(now)), float(model.take(now))
        assert wait == pytest.approx(expected, abs=ROUNDING)
        assert (wait == 0) == (expected == 0)


@given(RATES, CLOCKS)
@example(40, NOW)  # docs: in production
@example(10, NOW)  # docs: in test mode
def test_full_bucket_holds_as_many_requests_as_the_rate(rate: int, now: float) -> None:
    taker = Taker(rate)
    waits = [taker.take(now) for _ in range(rate + 1)]
    assert waits[:rate] == [0] * rate
    assert waits[rate] == pytest.approx(1 / rate, abs=ROUNDING)


@given(RATES, st.lists(CLOCKS, max_size=20), CLOCKS)
def test_waiting_request_takes_nothing_and_then_passes(rate: int, past: list[float], now: float) -> None:
    taker = Taker(rate)
    for moment in past:  # the clock may have moved back
        assert 0 <= taker.take(moment) <= 1 / rate + ROUNDING
    wait = next(wait for _ in range(rate * 2) if (wait := taker.take(now)))
    assert taker.take(now) == wait
    assert taker.take(now + wait + ROUNDING) == 0


@given(RATES, CLOCKS, st.floats(1 + ROUNDING, 1e9))
def test_empty_bucket_is_full_again_after_a_second(rate: int, now: float, idle: float) -> None:
    taker = Taker(rate)
    while not taker.take(now):
        pass
    assert [taker.take(now + idle) for _ in range(rate)] == [0] * rate


@given(RATES, st.integers(0, 10**9))
def test_rounding_of_a_float_is_no_reason_to_wait(rate: int, second: int) -> None:
    microsecond = 1000 * rate
    enough, too_little = (Bucket(10**9 - microsecond - less, second * 10**9) for less in (0, 1))
    assert take(enough, float(second), rate) == (Bucket(-microsecond, second * 10**9), 0)
    assert take(too_little, float(second), rate)[1] > 0


@given(st.integers(1, 100), st.integers(0, 10**8))
def test_one_request_every_interval_always_passes(rate: int, offset: int) -> None:
    taker = Taker(rate)
    while not taker.take(NOW + offset):
        pass
    assert [taker.take(NOW + offset + count / rate) for count in range(1, 50)] == [0] * 49
