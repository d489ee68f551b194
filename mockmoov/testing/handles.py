"""Owns the handles of what a test controls, of a server or a key. Must not know how it is reached."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Unpack
from urllib.parse import quote

import anyio.to_thread
import msgspec

from mockmoov.control_plane.exchanges import LONGEST_WAIT
from mockmoov.oauth.records import Exchange
from mockmoov.simulation.faults import Fault, untriggered
from mockmoov.simulation.journal import format_line
from mockmoov.testing.transport import Transport, hide_refusals
from mockmoov.testing.types import FaultArguments, QueryArguments, Time

__tracebackhide__ = hide_refusals
_TOLD = 20  # exchanges in a message
_TURN = 0.5  # seconds that a thread waits on, at most, when nobody does any more


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is controlled: the control plane, and the path of its owner there."""

    transport: Transport
    path: str = ""

    def __str__(self) -> str:
        return self.path.rpartition("/")[2] or "the server"

    def get(self, path: str, query: Mapping[str, Any] | None = None, *, timeout: float = 0) -> Any:
        """Read."""
        return self.transport("GET", self.path + path, query=query, timeout=timeout)

    def change(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Change."""
        return self.transport(method, self.path + path, body=body)


def unix(value: Time) -> float:
    """A time in Unix seconds; raises `ValueError` for a datetime without a time zone."""
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise ValueError("a datetime needs a time zone here: datetime.now(UTC), for example")
    return value.timestamp()


class _Handle:
    """Of something that the server has, and each API key."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._place}>"


class Clock(_Handle):
    """A clock of the server's, or of one API key. Each verb returns what it shows then."""

    def now(self) -> datetime:
        """What the clock shows, in UTC."""
        return _time(self._place.get("/clock"))

    def shift(
        self,
        by: timedelta = timedelta(0),
        *,
        seconds: float = 0,
        minutes: float = 0,
        hours: float = 0,
        days: float = 0,
    ) -> datetime:
        """Put it forward, or back."""
        if not isinstance(by, timedelta):
            raise TypeError("a clock is shifted by shift(hours=2), or a timedelta")
        by += timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days)
        return _time(self._place.change("POST", "/clock/shift", {"seconds": by.total_seconds()}))

    def move_to(self, to: Time) -> datetime:
        """Put it to a time; if it is frozen it stays so."""
        return _time(self._place.change("POST", "/clock/move-to", {"to": unix(to)}))

    def freeze(self, at: Time | None = None) -> datetime:
        """Stop it, where it is or at a time."""
        return _time(self._place.change("POST", "/clock/freeze", {} if at is None else {"at": unix(at)}))

    def resume(self) -> datetime:
        """Let it tick on from where it stands."""
        return _time(self._place.change("POST", "/clock/resume", {}))


def _time(document: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(document["now"], UTC)


class Faults(_Handle):
    """The planned faults of the server, or of one API key, in the order in which they were added."""

    def add(self, preset: str | None = None, **members: Unpack[FaultArguments]) -> Fault:
        """Plan a fault at the end: a preset by name, what is given beside it, or both."""
        given: dict[str, Any] = {"preset": preset, **members}
        for name in ("start", "end"):
            if given.get(name) is not None:
                given[name] = unix(given[name])
        given = {name: value for name, value in given.items() if value is not None}
        return msgspec.convert(self._place.change("POST", "/faults", given)["fault"], Fault)

    def list(self) -> tuple[Fault, ...]:
        """The plan, with how often each fault `matched` and `triggered`."""
        return msgspec.convert(self._place.get("/faults")["faults"], tuple[Fault, ...])

    def untriggered(self) -> tuple[Fault, ...]:
        """The faults that never happened."""
        return untriggered(self.list())

    def remove(self, fault: Fault) -> None:
        """Remove one."""
        self._place.change("DELETE", f"/faults/{fault.id}")

    def clear(self) -> None:
        """Remove all."""
        self._place.change("DELETE", "/faults")

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self.list())


class Exchanges(_Handle):
    """The journal of the server, or of one API key: what was asked, and how it was answered."""

    def __call__(self, **query: Unpack[QueryArguments]) -> list[Exchange]:
        """The exchanges that are like this, in their order."""
        return _exchanges(self._place.get("/exchanges", _query(query)))

    def count(self, **query: Unpack[QueryArguments]) -> int:
        """How many there are like this."""
        return int(self._place.get("/exchanges", {**_query(query), "limit": 0})["count"])

    def wait(self, count: int = 1, *, timeout: float = 5, **query: Unpack[QueryArguments]) -> list[Exchange]:
        """The exchanges like this once there are so many; raises `TimeoutError` after `timeout` seconds."""
        for seconds in _turns(timeout, LONGEST_WAIT):
            found = self._look(count, seconds, query)
            if found["complete"]:
                return _exchanges(found)
        raise _too_few(count, timeout, found)

    async def wait_async(
        self, count: int = 1, *, timeout: float = 5, **query: Unpack[QueryArguments]
    ) -> list[Exchange]:
        """As `wait`, on a thread that ends soon after this is cancelled; the event loop goes on."""
        for seconds in _turns(timeout, _TURN):
            look = partial(self._look, count, seconds, query)
            found = await anyio.to_thread.run_sync(look, abandon_on_cancel=True)
            if found["complete"]:
                return _exchanges(found)
        raise _too_few(count, timeout, found)

    def _look(self, count: int, seconds: float, query: QueryArguments) -> Mapping[str, Any]:
        asked = {**_query(query), "count": count, "timeout": seconds}
        return dict(self._place.get("/exchanges/wait", asked, timeout=seconds))

    @property
    def dropped(self) -> int:
        """How many of the oldest are gone because the journal was full."""
        return int(self._place.get("/exchanges", {"limit": 0})["dropped"])

    def clear(self) -> None:
        """Remove all."""
        self._place.change("DELETE", "/exchanges")


def _turns(timeout: float, longest: float) -> Iterator[float]:
    """A time to wait, in turns; no clock is asked, as tests stop clocks."""
    while timeout > longest:
        yield longest
        timeout -= longest
    yield max(timeout, 0)


def _query(query: QueryArguments) -> dict[str, Any]:
    return {name: unix(value) if isinstance(value, datetime) else value for name, value in query.items()}


def _exchanges(document: Mapping[str, Any]) -> list[Exchange]:
    return msgspec.convert(document["exchanges"], list[Exchange])


def _too_few(count: int, timeout: float, found: Mapping[str, Any]) -> TimeoutError:
    exchanges = _exchanges(found)
    shown = [format_line(exchange) for exchange in exchanges[-_TOLD:]]
    saw = "\n  ".join([f"{len(exchanges)}", *shown])
    return TimeoutError(f"waited {timeout} s for {count} exchanges like this, saw {saw}")


class SigningKeys:
    """The keys that sign and verify access tokens, by `kid`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> tuple[str, ...]:
        """The kids of the JWKS; the first one signs."""
        return tuple(key["kid"] for key in self._transport("GET", "/signing-keys")["keys"])

    def rotate(self) -> str:
        """Sign with a new key from now on, and return its kid; what others signed stays good."""
        return str(self._transport("POST", "/signing-keys/rotate", body={})["signs"])

    def drop(self, kid: str) -> None:
        """Forget a key that signs no longer: what it signed is no longer good."""
        self._transport("DELETE", f"/signing-keys/{quote(kid, safe='')}")


class MintedToken(str):
    """An access token; `claims` is what it says, `defect` what is wrong with it, if anything."""

    __slots__ = ("claims", "defect")

    claims: Mapping[str, Any]
    defect: str | None

    def __repr__(self) -> str:
        return f"MintedToken(jti={self.claims.get('jti')!r}, defect={self.defect!r})"


def minted(document: Mapping[str, Any]) -> MintedToken:
    """The token that the control plane has minted."""
    token = MintedToken(document["access_token"])
    token.claims = document["claims"]
    token.defect = document["defect"]
    return token
