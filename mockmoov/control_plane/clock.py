"""The clocks of the server and of each API key, as resources of the control plane."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from mockmoov.control_plane.resource import ControlRequest, ControlResponse, allow_members, owner_of
from mockmoov.control_plane.validation import parse_as, read_time
from mockmoov.oauth.errors import FieldError
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.simulation import clock
from mockmoov.simulation.clock import ClockSetting
from mockmoov.storage.simulation import ClockChange


@dataclass(frozen=True, slots=True, kw_only=True)
class _Duration:
    seconds: float = 0
    minutes: float = 0
    hours: float = 0
    days: float = 0


class ClockResource:
    """Reads, shifts, moves, freezes and resumes a clock."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._simulation = server.simulation
        self._owner = partial(owner_of, repository=server.repository)

    def read(self, request: ControlRequest) -> ControlResponse:
        """Read the time of the clock and how it is set."""
        owner = self._owner(request)
        setting, now = self._simulation.clock(owner), self._simulation.now(owner)
        return ControlResponse(
            document={
                "client_id": owner,
                "now": now,
                "time": datetime.fromtimestamp(now, UTC).isoformat(),
                "frozen": setting.frozen_at is not None,
                "offset": setting.offset,
            }
        )

    def shift(self, request: ControlRequest) -> ControlResponse:
        """Move the clock forward, or back if the sum is negative."""
        by = parse_as(request.body, _Duration)
        seconds = by.seconds + 60 * (by.minutes + 60 * (by.hours + 24 * by.days))
        if not request.body:
            raise FieldError("seconds", "seconds, minutes, hours or days is required")
        return self._change(request, lambda setting, base: clock.shift(setting, base, seconds))

    def move_to(self, request: ControlRequest) -> ControlResponse:
        """Set the clock to a time; it ticks on from there, unless it is frozen."""
        allow_members(request, "to")
        at = read_time("to", request.body.get("to"))
        return self._change(request, lambda setting, base: clock.move_to(setting, base, at))

    def freeze(self, request: ControlRequest) -> ControlResponse:
        """Stop the clock at its current time or at the given one."""
        allow_members(request, "at")
        at = read_time("at", request.body["at"]) if "at" in request.body else None

        def freeze(setting: ClockSetting, base: float) -> ClockSetting:
            return clock.freeze(setting if at is None else clock.move_to(setting, base, at), base)

        return self._change(request, freeze)

    def resume(self, request: ControlRequest) -> ControlResponse:
        """Let a frozen clock tick again."""
        allow_members(request)
        return self._change(request, clock.resume)

    def _change(self, request: ControlRequest, change: ClockChange) -> ControlResponse:
        try:
            self._simulation.set_clock(self._owner(request), change)
        except ValueError as error:
            raise FieldError(next(iter(request.body), "..."), f"the clock {error}") from None
        return self.read(request)
