"""What a test controls on a server or on one API key: clock, faults, stubs, exchanges and signing keys."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar, Unpack
from urllib.parse import quote

import anyio.to_thread
import msgspec

from mockmoov.control_plane.exchanges import LONGEST_WAIT
from mockmoov.data.operation_names import OperationName, OperationPath
from mockmoov.oauth.operations import ENDPOINTS, endpoint_name
from mockmoov.oauth.records import Exchange
from mockmoov.oauth.suggestions import nearest
from mockmoov.simulation.faults import Fault
from mockmoov.simulation.journal import Query, format_line, nearest_misses
from mockmoov.simulation.matching import Planned, untriggered
from mockmoov.simulation.stubs import Stub
from mockmoov.testing.transport import Control, hide_traceback, json_text
from mockmoov.testing.types import (
    DurationArguments,
    FaultArguments,
    PresetName,
    QueryArguments,
    StubArguments,
    Time,
)

__tracebackhide__ = hide_traceback
P = TypeVar("P", bound=Planned)
_DURATIONS = ("delay", "retry_after")
_MAX_LINES = 20  # exchanges in an error message
_LONGEST_THREAD_WAIT = 0.5  # seconds until the thread of a cancelled `wait_async` ends


def unix_time(value: Time) -> float:
    """A time in Unix seconds; raises `ValueError` for a datetime without a time zone."""
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise ValueError("a datetime needs a time zone here, for example datetime.now(UTC)")
    return value.timestamp()


def _in_seconds(members: dict[str, Any]) -> dict[str, Any]:
    """The members of a fault or a stub, with durations in seconds."""
    return {
        name: value.total_seconds() if name in _DURATIONS and isinstance(value, timedelta) else value
        for name, value in members.items()
    }


class _Handle:
    def __init__(self, control: Control) -> None:
        self._control = control

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._control}>"


class Clock(_Handle):
    """The clock of a server or of an API key. Each method returns the time that the clock then shows."""

    def now(self) -> datetime:
        """The time that the clock shows, in UTC."""
        return _time(self._control("GET", "/clock"))

    def shift(self, by: timedelta | None = None, **units: Unpack[DurationArguments]) -> datetime:
        """Move the clock forward, or back by a negative duration.

        The units, seconds, minutes, hours and days, are added to each other and to `by`.
        """
        if not isinstance(by, timedelta) and (by is not None or not units):
            raise TypeError("shift() takes a timedelta or keyword arguments, such as shift(hours=2)")
        known = DurationArguments.__annotations__
        for name in units:
            if name not in known:
                raise TypeError(
                    f"shift() has no argument {name}, only {', '.join(known)}{nearest(name, known)}"
                )
        total = (by or timedelta(0)) + timedelta(**units)
        return _time(self._control("POST", "/clock/shift", {"seconds": total.total_seconds()}))

    def move_to(self, to: Time) -> datetime:
        """Set the clock to a time; a frozen clock stays frozen."""
        return _time(self._control("POST", "/clock/move-to", {"to": unix_time(to)}))

    def freeze(self, at: Time | None = None) -> datetime:
        """Stop the clock, at the current time or at a given one."""
        body = {} if at is None else {"at": unix_time(at)}
        return _time(self._control("POST", "/clock/freeze", body))

    def resume(self) -> datetime:
        """Let a frozen clock run again from the time that it shows."""
        return _time(self._control("POST", "/clock/resume", {}))


def _time(document: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(document["now"], UTC)


class _Plan(_Handle, Generic[P]):
    """A plan, in the order in which it was added."""

    _name: ClassVar[str]
    _type: type[P]

    def list(self) -> tuple[P, ...]:
        """Everything that is planned, with the counts `matched` and `triggered`."""
        document = self._control("GET", f"/{self._name}")
        return tuple(msgspec.convert(item, self._type) for item in document[self._name])

    def untriggered(self) -> tuple[P, ...]:
        """Those that have not applied to any request."""
        return untriggered(self.list())

    def remove(self, planned: P | str) -> None:
        """Remove one, given itself or its id."""
        item_id = planned if isinstance(planned, str) else planned.id
        self._control("DELETE", f"/{self._name}/{quote(item_id, safe='')}")

    def clear(self) -> None:
        """Remove all."""
        self._control("DELETE", f"/{self._name}")

    def __iter__(self) -> Iterator[P]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self.list())


class Faults(_Plan[Fault]):
    """The planned faults of a server or of an API key. Of those that match, the first one added applies."""

    _name, _type = "faults", Fault

    def add(self, preset: PresetName | None = None, **members: Unpack[FaultArguments]) -> Fault:
        """Add a fault to the end of the plan: a preset, members, or both; members override the preset."""
        body = _in_seconds({"preset": preset, **members})
        for name in ("start", "end"):
            if body.get(name) is not None:
                body[name] = unix_time(body[name])
        body = {name: value for name, value in body.items() if value is not None}
        return msgspec.convert(self._control("POST", "/faults", body)["fault"], Fault)


class Stubs(_Plan[Stub]):
    """The stubs of a server or of an API key. Of those that match, the last one added answers."""

    _name, _type = "stubs", Stub

    def add(self, endpoint: OperationName | OperationPath, **members: Unpack[StubArguments]) -> Stub:
        """Answer an operation: `add("listAccounts", json=[])` or `add("GET /accounts", json=[])`.

        `Stub` explains the members. The answer is a 200 without a body if there are none.
        """
        if isinstance(members.get("body"), str):
            raise TypeError("body must be bytes; for text, use text")
        given = {name: value for name, value in members.items() if value is not None or name == "json"}
        given = _in_seconds(given)
        return msgspec.convert(self._control("POST", "/stubs", {"endpoint": endpoint, **given})["stub"], Stub)


class Exchanges(_Handle):
    """The journal of a server or of an API key: the requests it received and how they were answered."""

    def __call__(self, **query: Unpack[QueryArguments]) -> list[Exchange]:
        """The exchanges that match, in order."""
        return _exchanges(self._control("GET", "/exchanges", query=_query(query)))

    def count(self, **query: Unpack[QueryArguments]) -> int:
        """The number of exchanges that match."""
        return int(self._control("GET", "/exchanges", query={**_query(query), "limit": 0})["count"])

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self())

    def __len__(self) -> int:
        return self.count()

    def exactly(self, count: int, **query: Unpack[QueryArguments]) -> list[Exchange]:
        """The exchanges that match, in order; raises `AssertionError` unless there are `count`.

        The message lists them, and those that come nearest if some are missing.
        """
        _require_number(count, "exactly")
        found = self(**query)
        if len(found) != count:
            conditions = ", ".join(f"{name}={value!r}" for name, value in query.items()) or "no conditions"
            exchanges = "1 exchange" if count == 1 else f"{count} exchanges"
            message = f"expected {exchanges} with {conditions}, found {len(found)}"
            raise AssertionError(self._explain(message, count, found, query))
        return found

    def one(self, **query: Unpack[QueryArguments]) -> Exchange:
        """The only exchange that matches; raises `AssertionError` if there is none, or more than one."""
        return self.exactly(1, **query)[0]

    def wait(self, count: int = 1, *, timeout: float = 5, **query: Unpack[QueryArguments]) -> list[Exchange]:
        """Wait until `count` exchanges match, and return them.

        Raises `TimeoutError` after `timeout` seconds.
        """
        _require_number(count, "wait")
        for seconds in _split(timeout, LONGEST_WAIT):
            document = self._wait_once(count, seconds, query)
            if document["complete"]:
                return _exchanges(document)
        raise self._too_few(count, timeout, document, query)

    async def wait_async(
        self, count: int = 1, *, timeout: float = 5, **query: Unpack[QueryArguments]
    ) -> list[Exchange]:
        """The same as `wait`, in a thread, so that the event loop keeps running."""
        _require_number(count, "wait_async")
        for seconds in _split(timeout, _LONGEST_THREAD_WAIT):
            wait_once = partial(self._wait_once, count, seconds, query)
            document = await anyio.to_thread.run_sync(wait_once, abandon_on_cancel=True)
            if document["complete"]:
                return _exchanges(document)
        raise self._too_few(count, timeout, document, query)

    def _wait_once(self, count: int, seconds: float, query: QueryArguments) -> Mapping[str, Any]:
        parameters = {**_query(query), "count": count, "timeout": seconds}
        return dict(self._control("GET", "/exchanges/wait", query=parameters, timeout=seconds))

    def _too_few(
        self, count: int, timeout: float, document: Mapping[str, Any], query: QueryArguments
    ) -> TimeoutError:
        found = _exchanges(document)
        message = f"waited {timeout} s for {count} matching exchanges, found {len(found)}"
        return TimeoutError(self._explain(message, count, found, query))

    def _explain(self, message: str, count: int, found: list[Exchange], query: QueryArguments) -> str:
        """The message, with the exchanges that match, and those that come nearest if some are missing."""
        lines = [message, *map(format_line, found[-_MAX_LINES:])]
        if len(found) < count and (misses := nearest_misses(self(), _journal_query(query))):
            lines += ["nearest misses:", *misses]
        return "\n  ".join(lines)

    @property
    def dropped(self) -> int:
        """The number of oldest exchanges that were dropped because the journal was full."""
        return int(self._control("GET", "/exchanges", query={"limit": 0})["dropped"])

    def clear(self) -> None:
        """Remove all exchanges."""
        self._control("DELETE", "/exchanges")


def _require_number(count: object, method: str) -> None:
    """Raise `TypeError` for a text, such as the name of an endpoint, in place of a number of exchanges."""
    if isinstance(count, str):
        example = (
            f'{method}(1, endpoint="{endpoint}")' if (endpoint := ENDPOINTS.get(count)) else f"{method}(1)"
        )
        raise TypeError(f"{method}() takes the number of exchanges first, such as {example}")


def _split(timeout: float, longest: float) -> Iterator[float]:
    """Split a timeout into waits of at most `longest` seconds; reads no clock, as tests freeze clocks."""
    while timeout > longest:
        yield longest
        timeout -= longest
    yield max(timeout, 0)


def _query(query: QueryArguments) -> dict[str, Any]:
    """The conditions as parameters of a query string."""
    given: dict[str, Any] = {**query}
    for name in ("fault", "stub"):
        if isinstance(given.get(name), Planned):
            given[name] = given[name].id
    for name in ("since", "until"):
        if name in given:
            given[name] = unix_time(given[name])
    if "where" in given:
        given["where"] = json_text(given["where"]).decode()
    return given


def _journal_query(query: QueryArguments) -> Query:
    """The conditions as the journal compares them."""
    members = {**_query(query), "where": query.get("where")}
    if "endpoint" in members:
        members["endpoint"] = endpoint_name(members["endpoint"])
    return msgspec.convert(members, Query)


def _exchanges(document: Mapping[str, Any]) -> list[Exchange]:
    return msgspec.convert(document["exchanges"], list[Exchange])


class SigningKeys(_Handle):
    """The keys of a server that sign and verify access tokens, by `kid`."""

    def list(self) -> tuple[str, ...]:
        """The kids of the key set; the first key signs."""
        return tuple(key["kid"] for key in self._control("GET", "/signing-keys")["keys"])

    def rotate(self) -> str:
        """Sign with a new key from now on and return its kid; older keys still verify."""
        return str(self._control("POST", "/signing-keys/rotate", {})["signs"])

    def drop(self, kid: str) -> None:
        """Remove an older key; the tokens that it signed become invalid."""
        self._control("DELETE", f"/signing-keys/{quote(kid, safe='')}")


class MintedToken(str):
    """An access token with its `claims` and its `defect`, if any; `repr` doesn't show the token itself."""

    __slots__ = ("claims", "defect")

    claims: Mapping[str, Any]
    defect: str | None

    def __repr__(self) -> str:
        return f"MintedToken(jti={self.claims.get('jti')!r}, defect={self.defect!r})"
