"""The rate limit: a token bucket of size = rate, against a naive model of one."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockmoov.oauth.rate_limit import Bucket as Held
from mockmoov.oauth.rate_limit import take

NOW = 1_750_000_000
# Multiples of 1/64 are exact as floats: at these rates, rounding never decides whether a request passes.
EXACT_RATES = st.sampled_from([1, 2, 4, 8, 16, 32, 64])
EXACT_STEPS = st.lists(st.sampled_from([0, 0, 0, 0, 0, 1, 1, 2, 3, 8, 64, 200, -1, -8, -200]), max_size=60)
RATES = st.integers(1, 500)
CLOCKS = st.floats(1e9, 2.1e9)
ROUNDING = 2e-6  # seconds


class Bucket:
    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.state: Held | None = None

    def take(self, now: float) -> float:
        self.state, wait = take(self.state, now, self.rate)
        return wait


class NaiveBucket:
    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.held = Fraction(rate)
        self.last = Fraction(NOW)

    def take(self, now: Fraction) -> Fraction:
        self.held = min(Fraction(self.rate), self.held + self.rate * max(Fraction(0), now - self.last))
        self.last = now
        if self.held >= 1:
            self.held -= 1
            return Fraction(0)
        return (1 - self.held) / self.rate


@given(EXACT_RATES, EXACT_STEPS)
def test_a_token_bucket_of_size_rate_is_what_is_spent_from_and_gains_nothing_by_time_that_goes_back(
    rate: int, steps: list[int]
) -> None:
    model, bucket, now = NaiveBucket(rate), Bucket(rate), Fraction(NOW)
    for step in steps:
        now += Fraction(step, 64)
        wait, expected = bucket.take(float(now)), float(model.take(now))
        assert wait == pytest.approx(expected, abs=ROUNDING)
        assert (wait == 0) == (expected == 0)


def assert_bursts_of_the_rate_pass(rate: int, now: float) -> None:
    bucket = Bucket(rate)
    waits = [bucket.take(now) for _ in range(rate + 1)]
    assert waits[:rate] == [0] * rate
    assert waits[rate] == pytest.approx(1 / rate, abs=ROUNDING)


@given(RATES, CLOCKS)
def test_a_full_bucket_holds_as_many_requests_as_the_rate_and_no_more(rate: int, now: float) -> None:
    assert_bursts_of_the_rate_pass(rate, now)


@pytest.mark.parametrize("rate", [40, 10])  # docs: in production, in test mode
def test_the_documented_rates_pass_in_one_burst(rate: int) -> None:
    assert_bursts_of_the_rate_pass(rate, NOW)


@given(RATES, st.lists(CLOCKS, max_size=5), CLOCKS)
def test_a_request_that_must_wait_takes_nothing_and_passes_after_the_wait(
    rate: int, past: list[float], now: float
) -> None:
    bucket = Bucket(rate)
    for moment in past:
        bucket.take(moment)
    wait = next(wait for _ in range(rate * 2) if (wait := bucket.take(now)))
    assert bucket.take(now) == wait
    assert bucket.take(now + wait + ROUNDING) == 0


@given(RATES, st.lists(CLOCKS, min_size=1, max_size=20))
def test_nobody_waits_longer_than_for_one_request_even_if_the_clock_was_moved_back(
    rate: int, moments: list[float]
) -> None:
    bucket = Bucket(rate)
    for moment in moments:
        assert 0 <= bucket.take(moment) <= 1 / rate + ROUNDING


@given(RATES, CLOCKS, st.floats(1 + ROUNDING, 1e9))
def test_an_empty_bucket_is_full_again_after_a_second(rate: int, now: float, idle: float) -> None:
    bucket = Bucket(rate)
    while not bucket.take(now):
        pass
    assert [bucket.take(now + idle) for _ in range(rate)] == [0] * rate


@given(RATES, st.integers(0, 10**9))
def test_what_a_float_cannot_tell_is_no_reason_to_wait(rate: int, second: int) -> None:
    microsecond = 1000 * rate
    enough, too_little = (Held(10**9 - microsecond - less, second * 10**9) for less in (0, 1))
    assert take(enough, float(second), rate) == (Held(-microsecond, second * 10**9), 0)
    assert take(too_little, float(second), rate)[1] > 0


@settings(max_examples=30)
@given(st.integers(1, 100), st.integers(0, 10**8))
def test_one_request_every_interval_always_passes(rate: int, offset: int) -> None:
    bucket = Bucket(rate)
    while not bucket.take(NOW + offset):
        pass
    assert [bucket.take(NOW + offset + count / rate) for count in range(1, 50)] == [0] * 49
