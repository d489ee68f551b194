"""Clocks: what they read, how they are moved, frozen and resumed, and the range they stay in."""

import pytest
from hypothesis import example, given
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
LATER = st.integers(0, 10**6)
SETTINGS = st.builds(
    ClockSetting, offset=st.integers(-(10**9), 10**9).map(float), frozen_at=st.none() | TIMES
)
RANGE = "^must stay between the years 1970 and 9998$"


@given(offset=st.integers(-(10**12), 10**12).map(float), base=BASES)
@example(offset=0.0, base=5.0)
@example(offset=-5.0, base=4.0)
@example(offset=5.0, base=LAST - 4.0)
def test_clock_is_its_base_plus_offset_within_its_range(offset: float, base: float) -> None:
    assert UNCHANGED.read(base) == base
    reading = ClockSetting(offset=offset).read(base)
    assert 0 == FIRST <= reading <= LAST == 253_370_764_800
    assert reading == base + offset or reading == (FIRST if offset < 0 else LAST)


@given(setting=SETTINGS, base=BASES, at=BASES, later=LATER)
@example(setting=ClockSetting(frozen_at=1.0), base=2.0, at=3.0, later=4)
@example(setting=ClockSetting(offset=1.0), base=2.0, at=3.0, later=4)
def test_moved_clock_reads_that_time_and_keeps_its_state(
    setting: ClockSetting, base: float, at: float, later: int
) -> None:
    moved = move_to(setting, base, at)
    assert moved.read(base) == at
    assert moved.read(base + later) == (at + later if setting.frozen_at is None else at)


@given(setting=SETTINGS, base=BASES, seconds=st.integers(-(10**8), 10**8))
@example(setting=UNCHANGED, base=5.0, seconds=-5)
@example(setting=UNCHANGED, base=5.0, seconds=-6)
def test_shifted_clock_moves_by_that_much(setting: ClockSetting, base: float, seconds: int) -> None:
    expected = setting.read(base) + seconds
    if FIRST <= expected < LAST:
        assert shift(setting, base, seconds).read(base) == expected
    else:
        with pytest.raises(ValueError, match=RANGE):
            shift(setting, base, seconds)


def test_clock_cannot_leave_its_range() -> None:
    for setting in (UNCHANGED, ClockSetting(frozen_at=5.0)):
        assert move_to(setting, 0.0, LAST - 1).read(0.0) == LAST - 1
        for at in (-1.0, -0.5, float(LAST), float("nan"), float("inf"), float("-inf")):
            with pytest.raises(ValueError, match=RANGE):
                move_to(setting, 0.0, at)


@given(setting=SETTINGS, base=BASES, later=LATER, more=LATER)
@example(setting=ClockSetting(offset=1.0), base=2.0, later=3, more=4)
def test_frozen_clock_stops_and_resumes_where_it_was(
    setting: ClockSetting, base: float, later: int, more: int
) -> None:
    at = setting.read(base)
    frozen = freeze(setting, base)
    assert frozen.read(base + later) == at
    assert freeze(frozen, base + later) == frozen
    resumed = resume(frozen, base + later)
    assert resumed.frozen_at is None
    assert resumed.read(base + later) == resume(resumed, base + later).read(base + later) == at
    assert resumed.read(base + later + more) == min(at + more, LAST)


def test_dates_have_the_format_of_http() -> None:
    assert http_date(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT"  # RFC 9110 §5.6.7
    assert http_date(FIRST) == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert http_date(LAST) == "Fri, 01 Jan 9999 00:00:00 GMT"
