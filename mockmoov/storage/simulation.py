"""What a test controls, in a store: clocks, planned faults, stubs and the journal.

The server has each of these, and so has every API key; `owner` is a client id, or None for the server. A
request is subject to the clock of the API key that it claims, and to the faults and stubs of that key before
those of the server. It is recorded in the journal under that key. Times are Unix seconds.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial

from msgspec import Struct
from msgspec.json import Decoder

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.records import ApiKey, Exchange
from mockmoov.simulation.clock import ClockSetting
from mockmoov.simulation.faults import Fault, Plan, is_success, select_fault
from mockmoov.simulation.journal import Query
from mockmoov.simulation.matching import RequestFacts
from mockmoov.simulation.stubs import Stub, StubPlan, select_stub
from mockmoov.storage.entries import SIGNING_KEYS, decode_api_key, decode_clock, entry_name, group_of
from mockmoov.storage.plans import Plans
from mockmoov.storage.store import Journal, Numbering, Seen, Store, Watch

_NAMES = ("clock", "faults", "stubs", SIGNING_KEYS)  # the entries that a request needs of the server
_OF_A_KEY = ("api-key", "clock", "faults", "stubs")  # and of an API key

ClockChange = Callable[[ClockSetting, float], ClockSetting]


class ClaimedClient(Struct, frozen=True, kw_only=True):
    """What a request is subject to: the API key that it claims, if there is one, its time, and any plans.

    `stubbed` has the operations with stubs, `seen` all that was read of the store.
    """

    api_key: ApiKey | None
    now: float
    has_faults: bool
    stubbed: frozenset[str | None] = frozenset()
    seen: Seen = {}

    def __repr__(self) -> str:
        return f"ClaimedClient(api_key={self.api_key!r}, now={self.now!r})"


class _Client(Struct, frozen=True, kw_only=True):
    """The claimed API key, the clocks of the server and of the key, and their plans."""

    api_key: ApiKey | None
    clock: ClockSetting
    own_clock: ClockSetting
    has_faults: bool
    stubbed: frozenset[str | None]


class SimulationState:
    """Clocks, planned faults and the journal. `wall` returns the real time, in Unix seconds."""

    def __init__(self, store: Store, *, wall: Callable[[], float]) -> None:
        self._store = store
        self._wall = wall
        self.faults: Plans[Fault] = Plans(store, "faults", Decoder(Plan))
        self.stubs: Plans[Stub] = Plans(store, "stubs", Decoder(StubPlan))
        self._decode = lru_cache(maxsize=32)(self._read_client)  # plans may be large

    def claimed_client(self, client_ids: Sequence[str], records: Iterable[str] = ()) -> ClaimedClient:
        """What a request is subject to that claims these API keys: the first that exists counts.

        All that the request needs of the store is read at one moment, with these records of its token, too.
        """
        names = [*_NAMES, *[f"{record}:{owner}" for owner in client_ids for record in _OF_A_KEY], *records]
        values = self._store.get_many(names)
        client = self._decode(tuple(values[: len(_NAMES) + len(client_ids) * len(_OF_A_KEY)]))
        return ClaimedClient(
            api_key=client.api_key,
            now=client.own_clock.read(client.clock.read(self._wall())),
            has_faults=client.has_faults,
            stubbed=client.stubbed,
            seen=dict(zip(names, values, strict=True)),
        )

    def _read_client(self, values: tuple[bytes | None, ...]) -> "_Client":
        """What these entries mean: those of the server, and of each API key that the request claims."""
        clock, *plans = values[:3]
        for start in range(len(_NAMES), len(values), len(_OF_A_KEY)):
            value, own_clock, *own_plans = values[start : start + len(_OF_A_KEY)]
            if value is not None:
                return self._client(clock, plans, decode_api_key(value), own_clock, own_plans)
        return self._client(clock, plans)

    def _client(
        self,
        clock: bytes | None,
        plans: Sequence[bytes | None],
        api_key: ApiKey | None = None,
        own_clock: bytes | None = None,
        own_plans: Sequence[bytes | None] = (None, None),
    ) -> "_Client":
        faults, stubs = zip(plans, own_plans, strict=True)
        return _Client(
            api_key=api_key,
            clock=decode_clock(clock),
            own_clock=decode_clock(own_clock),
            has_faults=any(map(self.faults.decode, faults)),
            stubbed=frozenset().union(*map(self.stubs.endpoints, stubs)),
        )

    # --- clocks -----------------------------------------------------------------------------------

    def now(self, owner: str | None = None) -> float:
        """What a clock shows."""
        return self.clock(owner).read(self._base(owner))

    def clock(self, owner: str | None = None) -> ClockSetting:
        """How a clock is set."""
        return decode_clock(self._get("clock", owner))

    def set_clock(self, owner: str | None, change: ClockChange) -> None:
        """Change a clock: `change` gets its setting and what its base shows, and returns the new setting."""
        while True:
            value, base = self._get("clock", owner), self._base(owner)
            if self._swap("clock", owner, value, to_json(change(decode_clock(value), base))):
                return

    def _base(self, owner: str | None) -> float:
        wall = self._wall()
        return wall if owner is None else self.clock().read(wall)

    # --- faults -----------------------------------------------------------------------------------

    def take_fault(
        self, owners: Sequence[str | None], facts: RequestFacts, now: float, *, is_authorized: bool | None
    ) -> tuple[Fault | None, Sequence[str | None]]:
        """The fault that a request triggers, of the plans of these owners, in their order.

        `now` is what the clock of the API key shows; time windows in the server's plan follow its own clock.
        If a success is next and it is not known whether the request is authorized (None), there is no fault
        yet: ask again, with the owners that are returned, when it is known.
        """
        for position, owner in enumerate(owners):
            shown = self.now() if owner is None else now
            select = partial(select_fault, facts=facts, now=shown, is_authorized=is_authorized)
            fault = self.faults.take(owner, select)
            if fault is not None and is_authorized is None and is_success(fault):
                return None, owners[position:]
            if fault is not None:
                return fault, ()
        return None, ()

    # --- stubs ------------------------------------------------------------------------------------

    def take_stub(self, owners: Iterable[str | None], facts: RequestFacts) -> Stub | None:
        """The stub that answers a request, of the plans of these owners, in their order."""
        select = partial(select_stub, facts=facts)
        return next(filter(None, (self.stubs.take(owner, select) for owner in owners)), None)

    # --- the journal ------------------------------------------------------------------------------

    def record(self, exchange: Exchange) -> None:
        """Write an exchange into the journal."""
        self._store.journal.append(exchange)

    def count_exchanges(self) -> int:
        """How many exchanges the journal has."""
        return self._store.journal.count()

    def numbering(self) -> Numbering:
        """Which numbers the exchanges of the whole journal have."""
        return self._store.journal.numbering()

    def journal(self, owner: str | None = None, *, after: int = 0) -> Journal:
        """The exchanges of an API key, or (None) all, after a number."""
        return self._store.journal.read(owner, after=after)

    def watch(self, owner: str | None, query: Query, count: int) -> Watch:
        """Wait until the journal of an API key, or (None) the whole journal, has `count` matching exchanges.

        Read `missing` first, then set `notify`: it is called only for later changes. Raises
        `TooManyWatchesError`.
        """
        plain = Query(**{name: getattr(query, name) for name in Query.__struct_fields__})
        return self._store.journal.watch(owner, plain, count, lambda: None)

    def clear_journal(self, owner: str | None = None) -> None:
        """Remove the exchanges of an API key, or (None) all."""
        self._store.journal.clear(owner)

    def _get(self, record: str, owner: str | None) -> bytes | None:
        return self._store.get_many([entry_name(record, owner)])[0]

    def _swap(self, record: str, owner: str | None, expected: bytes | None, value: bytes) -> bool:
        name = entry_name(record, owner)
        return self._store.compare_and_swap(name, expected, value, group=group_of(owner))
