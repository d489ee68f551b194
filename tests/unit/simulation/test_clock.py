"""Clocks that can be moved: what they read, that they tick on or stand still, and when time may run again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.simulation.clock import (
    FIRST,
    LAST,
    UNCHANGED,
    ClockSetting,
    freeze,
    http_date,
    move_to,
    resume,
    shift,
)

TIMES = st.integers(FIRST, LAST - 1).map(float)
BASES = st.integers(0, 4 * 10**9).map(float)
SETTINGS = st.builds(
    ClockSetting, offset=st.integers(-(10**9), 10**9).map(float), frozen_at=st.none() | TIMES
)
TICKING = SETTINGS.filter(lambda setting: setting.frozen_at is None)
RANGE = "^must stay between the years 1970 and 9998$"


@given(base=TIMES)
def test_a_clock_that_was_never_set_shows_its_base(base: float) -> None:
    assert UNCHANGED.read(base) == base


@given(offset=st.integers(-(10**12), 10**12).map(float), base=BASES)
def test_a_clock_differs_from_its_base_but_stays_in_its_range(offset: float, base: float) -> None:
    shown = ClockSetting(offset=offset).read(base)
    assert FIRST <= shown <= LAST
    assert shown == base + offset or shown == (FIRST if offset < 0 else LAST)


def test_the_range_is_from_1970_to_9999() -> None:
    assert ClockSetting(offset=-5.0).read(4.0) == FIRST == 0
    assert ClockSetting(offset=5.0).read(LAST - 4.0) == LAST == 253_370_764_800


@given(setting=SETTINGS, base=BASES, at=TIMES)
def test_a_moved_clock_shows_that_time(setting: ClockSetting, base: float, at: float) -> None:
    moved = move_to(setting, base, at)
    assert moved.read(base) == at
    assert (moved.frozen_at is None) == (setting.frozen_at is None)


@given(setting=TICKING, base=BASES, at=BASES, later=st.integers(0, 10**6))
def test_a_moved_clock_ticks_on(setting: ClockSetting, base: float, at: float, later: int) -> None:
    assert move_to(setting, base, at).read(base + later) == at + later


@given(setting=SETTINGS, base=BASES, seconds=st.integers(-(10**8), 10**8))
def test_a_shifted_clock_is_that_much_ahead(setting: ClockSetting, base: float, seconds: int) -> None:
    expected = setting.read(base) + seconds
    if FIRST <= expected < LAST:
        assert shift(setting, base, seconds).read(base) == expected
    else:
        with pytest.raises(ValueError, match=RANGE):
            shift(setting, base, seconds)


@pytest.mark.parametrize("setting", [UNCHANGED, ClockSetting(frozen_at=5.0)])
@pytest.mark.parametrize("at", [-1.0, -0.5, float(LAST), float("nan"), float("inf"), float("-inf")])
def test_a_clock_cannot_be_moved_out_of_its_range(setting: ClockSetting, at: float) -> None:
    with pytest.raises(ValueError, match=RANGE):
        move_to(setting, 0.0, at)


@given(setting=SETTINGS, base=BASES, later=st.integers(0, 10**6))
def test_a_frozen_clock_stands_where_it_was(setting: ClockSetting, base: float, later: int) -> None:
    frozen = freeze(setting, base)
    assert frozen.read(base + later) == setting.read(base)
    assert freeze(frozen, base + later) == frozen


@given(setting=SETTINGS, base=BASES, later=st.integers(0, 10**6), more=st.integers(0, 10**6))
def test_a_resumed_clock_ticks_on_from_where_it_stood(
    setting: ClockSetting, base: float, later: int, more: int
) -> None:
    at = setting.read(base)
    resumed = resume(freeze(setting, base), base + later)
    assert resumed.frozen_at is None
    assert resumed.read(base + later) == at
    assert resumed.read(base + later + more) == min(at + more, LAST)


@given(setting=TICKING, base=BASES)
def test_a_clock_that_ticks_is_resumed_in_vain(setting: ClockSetting, base: float) -> None:
    assert resume(setting, base).read(base) == setting.read(base)


# --- Dates ----------------------------------------------------------------------------------------


def test_a_date_is_told_as_http_does() -> None:
    assert http_date(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT"  # RFC 9110 §5.6.7
    assert http_date(FIRST) == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert http_date(LAST) == "Fri, 01 Jan 9999 00:00:00 GMT"
