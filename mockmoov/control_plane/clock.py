"""Owns the clocks, of the server and of API keys, as resources. Must not know paths or HTTP."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from mockmoov.control_plane.resource import Answer, Asked, owner_of, want_members
from mockmoov.control_plane.validation import convert, read_time
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


class Clock:
    """A clock: it can be read, shifted, moved, frozen and resumed."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._conditions = server.conditions
        self._owner = partial(owner_of, repository=server.repository)

    def read(self, asked: Asked) -> Answer:
        """What the clock shows, and how it is set."""
        owner = self._owner(asked)
        setting, now = self._conditions.clock(owner), self._conditions.now(owner)
        return Answer(
            document={
                "client_id": owner,
                "now": now,
                "time": datetime.fromtimestamp(now, UTC).isoformat(),
                "frozen": setting.frozen_at is not None,
                "offset": setting.offset,
            }
        )

    def shift(self, asked: Asked) -> Answer:
        """Put it forward, or back."""
        by = convert(asked.body, _Duration)
        seconds = by.seconds + 60 * (by.minutes + 60 * (by.hours + 24 * by.days))
        if not asked.body:
            raise FieldError("seconds", "seconds, minutes, hours or days must be given")
        return self._change(asked, lambda setting, base: clock.shift(setting, base, seconds))

    def move_to(self, asked: Asked) -> Answer:
        """Put it to a time."""
        want_members(asked, "to")
        at = read_time("to", asked.body.get("to"))
        return self._change(asked, lambda setting, base: clock.move_to(setting, base, at))

    def freeze(self, asked: Asked) -> Answer:
        """Stop it, where it is or at a time."""
        want_members(asked, "at")
        at = read_time("at", asked.body["at"]) if "at" in asked.body else None

        def freeze(setting: ClockSetting, base: float) -> ClockSetting:
            return clock.freeze(setting if at is None else clock.move_to(setting, base, at), base)

        return self._change(asked, freeze)

    def resume(self, asked: Asked) -> Answer:
        """Let it tick on."""
        want_members(asked)
        return self._change(asked, clock.resume)

    def _change(self, asked: Asked, change: ClockChange) -> Answer:
        try:
            self._conditions.set_clock(self._owner(asked), change)
        except ValueError as error:
            raise FieldError(next(iter(asked.body), "..."), f"the clock {error}") from None
        return self.read(asked)
