"""Clocks as resources: read, shifted, moved, frozen, resumed; the server's, and that of each API key."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mockmoov.simulation.clock import LAST
from tests.support.control import Desk
from tests.support.servers import CLIENT_ID, NOW, Clock

KEY = f"/api-keys/{CLIENT_ID}"
RANGE = "must stay between the years 1970 and 9998"
TIME = "must be Unix seconds or ISO 8601 with an offset, in the years 1970 to 9998"
each_clock = pytest.mark.parametrize("of", ["", KEY])


def now(desk: Desk, of: str = "") -> float:
    shown: float = desk.get(f"{of}/clock")["now"]
    return shown


@each_clock
def test_a_clock_shows_the_real_time_at_first(desk: Desk, of: str) -> None:
    assert desk.get(f"{of}/clock").document == {
        "client_id": CLIENT_ID if of else None,
        "now": NOW,
        "time": "2027-01-15T08:00:00.500000+00:00",
        "frozen": False,
        "offset": 0,
    }


@each_clock
def test_shifts_add_up_in_both_directions(desk: Desk, of: str) -> None:
    shifts: list[tuple[dict[str, float], float]] = [
        ({"seconds": 1.5}, 1.5), ({"minutes": 2}, 120), ({"hours": -1}, -3600), ({"days": 1}, 86400),
        ({"seconds": 0}, 0), ({"seconds": 1, "minutes": 1, "hours": 1, "days": 1}, 90061),
    ]  # fmt: skip
    offset = 0.0
    for by, seconds in shifts * 2:
        offset += seconds
        shifted = desk.post(f"{of}/clock/shift", **by)
        assert (shifted["now"], shifted["offset"]) == (NOW + offset, offset), by


@each_clock
def test_a_moved_clock_ticks_on_from_there(desk: Desk, wall: Clock, of: str) -> None:
    times: list[tuple[Any, float]] = [
        (0, 0), (1.5, 1.5), (1_700_000_000, 1_700_000_000), ("1700000000.25", 1_700_000_000.25),
        ("2023-11-14T22:13:20Z", 1_700_000_000), ("2023-11-15T00:13:20+02:00", 1_700_000_000),
    ]  # fmt: skip
    for to, expected in times:
        moved = desk.post(f"{of}/clock/move-to", to=to)
        assert moved["now"] == expected
        assert datetime.fromisoformat(moved["time"]) == datetime.fromtimestamp(expected, UTC)
        wall.shift(5)
        assert now(desk, of) == expected + 5


@each_clock
def test_a_frozen_clock_stops_until_it_is_resumed(desk: Desk, wall: Clock, of: str) -> None:
    assert desk.post(f"{of}/clock/freeze")["frozen"]
    wall.shift(5)
    assert now(desk, of) == NOW
    resumed = desk.post(f"{of}/clock/resume")
    assert (resumed["frozen"], resumed["now"], resumed["offset"]) == (False, NOW, -5)
    wall.shift(5)
    assert now(desk, of) == NOW + 5


@each_clock
def test_a_frozen_clock_can_be_shifted_and_moved(desk: Desk, wall: Clock, of: str) -> None:
    assert desk.post(f"{of}/clock/freeze", at=1000)["now"] == 1000
    assert desk.post(f"{of}/clock/shift", hours=1)["now"] == 4600
    assert desk.post(f"{of}/clock/move-to", to=50)["frozen"]
    wall.shift(5)
    assert now(desk, of) == 50


BAD_TIMES: list[object] = [
    *(None, True, [1], -1, LAST, 2**64 - 1, 1e300, "tomorrow", "1e3", "2027-01-15T08:00:00"),
    *("9999-12-31T00:00:00Z", "0001-01-01T00:00:00+23:59"),
]
BAD: list[tuple[str, dict[str, object], str, str]] = [  # verb, body, message and field
    ("shift", {}, "seconds, minutes, hours or days is required", "seconds"),
    ("shift", {"hours": "2"}, "hours must be a number, got a string", "hours"),
    ("shift", {"hours": None}, "hours must be a number, got null", "hours"),
    ("shift", {"hour": 2}, "there is no field hour; did you mean hours?", "hour"),
    ("shift", {"days": 1e300}, f"the clock {RANGE}", "days"),
    ("shift", {"days": -1e308, "hours": 1e308}, f"the clock {RANGE}", "days"),
    ("shift", {"seconds": -NOW - 1}, f"the clock {RANGE}", "seconds"),
    ("move-to", {}, f"to {TIME}", "to"),
    ("move-to", {"at": 1}, "there is no field at", "at"),
    *(("move-to", {"to": time}, f"to {TIME}", "to") for time in BAD_TIMES),
    ("freeze", {"at": None}, f"at {TIME}", "at"),
    ("freeze", {"to": 1}, "there is no field to", "to"),
    ("resume", {"at": 1}, "there is no field at", "at"),
]


@each_clock
def test_bad_requests_are_named_and_change_nothing(desk: Desk, of: str) -> None:
    before = desk.get(f"{of}/clock").document
    wrong = []
    for verb, body, message, field in BAD:
        problem = desk.ask("POST", f"{of}/clock/{verb}", body).problem
        if problem != (422, message, field):
            wrong.append((verb, body, problem))
    assert wrong == []
    assert desk.get(f"{of}/clock").document == before
