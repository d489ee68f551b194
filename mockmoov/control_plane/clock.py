"""The clocks of the server and of each API key, as resources of the control plane."""

from datetime import UTC, datetime

from msgspec import Struct

from mockmoov.control_plane.resource import ControlRequest
from mockmoov.control_plane.validation import read_time
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.fields import parse_as
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.responses import render_json
from mockmoov.simulation import clock
from mockmoov.simulation.clock import ClockSetting
from mockmoov.storage.simulation import ClockChange


class _Duration(Struct, frozen=True, kw_only=True):
    seconds: float = 0
    minutes: float = 0
    hours: float = 0
    days: float = 0


def read(request: ControlRequest) -> HttpResponse:
    """Read the time of the clock and how it is set."""
    owner, simulation = request.owner(), request.server.simulation
    setting, now = simulation.clock(owner), simulation.now(owner)
    return render_json(
        {
            "client_id": owner,
            "now": now,
            "time": datetime.fromtimestamp(now, UTC).isoformat(),
            "frozen": setting.frozen_at is not None,
            "offset": setting.offset,
        }
    )


def shift(request: ControlRequest) -> HttpResponse:
    """Move the clock forward, or back if the sum is negative."""
    by = parse_as(request.body, _Duration)
    seconds = by.seconds + 60 * (by.minutes + 60 * (by.hours + 24 * by.days))
    if not request.body:
        raise FieldError("seconds", "seconds, minutes, hours or days is required")
    return _change(request, lambda setting, base: clock.shift(setting, base, seconds))


def move_to(request: ControlRequest) -> HttpResponse:
    """Set the clock to a time; it ticks on from there, unless it is frozen."""
    request.allow_members("to")
    at = read_time("to", request.body.get("to"))
    return _change(request, lambda setting, base: clock.move_to(setting, base, at))


def freeze(request: ControlRequest) -> HttpResponse:
    """Stop the clock at its current time or at the given one."""
    request.allow_members("at")
    at = read_time("at", request.body["at"]) if "at" in request.body else None

    def change(setting: ClockSetting, base: float) -> ClockSetting:
        return clock.freeze(setting if at is None else clock.move_to(setting, base, at), base)

    return _change(request, change)


def resume(request: ControlRequest) -> HttpResponse:
    """Let a frozen clock tick again."""
    request.allow_members()
    return _change(request, clock.resume)


def _change(request: ControlRequest, change: ClockChange) -> HttpResponse:
    try:
        request.server.simulation.set_clock(request.owner(), change)
    except ValueError as error:
        raise FieldError(next(iter(request.body), "..."), f"the clock {error}") from None
    return read(request)
