"""What a test controls, in a store: clocks, plans, the journal; the server's and each API key's."""

import dataclasses
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockmoov.oauth.api_keys import make_api_key
from mockmoov.oauth.records import ApiKey, Exchange
from mockmoov.oauth.signing_keys import make_issuer_keys
from mockmoov.simulation import clock
from mockmoov.simulation.clock import UNCHANGED, ClockSetting
from mockmoov.simulation.faults import Fault, RequestFacts
from mockmoov.storage import simulation
from mockmoov.storage.journal import Journal
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import SimulationState

NOW = 1000.0
FACTS = RequestFacts(endpoint="token", method="POST", path="/oauth2/token", headers={}, parameters={})
OWNERS = [None, "a", "b"]
each_owner = pytest.mark.parametrize("owner", OWNERS)
EXCHANGE = Exchange(
    at=5.0, client_id=None, endpoint=None, method="GET", path="/", contract="2023", grant_type=None,
    status=404, reason="x", fault=None, headers={"a": "b"}, parameters={}, issued={},
)  # fmt: skip


def api_key(client_id: str) -> ApiKey:
    return make_api_key({"client_id": client_id, "client_secret": "s"})


class World:
    """A store with two API keys in it, and a wall clock."""

    def __init__(self) -> None:
        self.now = NOW
        self.store = MemoryStore()
        self.repository = Repository(self.store, wall=lambda: self.now)
        self.repository.reset(make_issuer_keys(bytes(32)), [api_key("a"), api_key("b")])
        self.simulation = SimulationState(self.store, wall=lambda: self.now)

    def shift(self, owner: str | None, seconds: float) -> None:
        self.simulation.set_clock(owner, lambda setting, base: clock.shift(setting, base, seconds))


@pytest.fixture
def world() -> World:
    return World()


# --- Of an exchange -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claimed", "found"),
    [([], None), (["x"], None), (["a"], "a"), (["x", "b"], "b"), (["b", "a"], "b"), (["x", "y"], None)],
)
def test_the_first_that_exists_of_those_that_are_claimed_is_who_it_comes_from(
    world: World, claimed: list[str], found: str | None
) -> None:
    condition = world.simulation.claimed_client(iter(claimed))
    assert condition.api_key == (None if found is None else api_key(found))
    assert (condition.now, condition.has_faults) == (NOW, False)


def test_an_exchange_goes_by_the_clock_of_its_key_over_the_servers(world: World) -> None:
    world.shift(None, 10)
    world.shift("b", 100)
    assert [world.simulation.claimed_client(claimed).now for claimed in ([], ["a"], ["b"], ["x"])] == [
        1010,
        1010,
        1110,
        1010,
    ]
    assert [world.simulation.now(owner) for owner in OWNERS] == [1010, 1010, 1110]


def test_a_key_that_does_not_exist_has_no_clock_even_if_one_was_left_behind(world: World) -> None:
    world.shift("a", 100)
    world.store.delete("api-key:a")
    assert world.simulation.claimed_client(["a"]).now == NOW
    assert world.simulation.claimed_client(["a", "b"]).api_key == api_key("b")


@pytest.mark.parametrize(
    ("owner", "expected"),
    [(None, [True, True, True]), ("a", [False, True, False]), ("b", [False, False, True])],
)
def test_an_exchange_knows_whether_faults_are_planned_for_it(
    world: World, owner: str | None, expected: list[bool]
) -> None:
    world.simulation.add_fault(owner, Fault(id="f"))
    assert [world.simulation.claimed_client(claimed).has_faults for claimed in ([], ["a"], ["b"])] == expected
    world.simulation.remove_faults(owner)
    assert not any(world.simulation.claimed_client(claimed).has_faults for claimed in ([], ["a"], ["b"]))


# --- Clocks ---------------------------------------------------------------------------------------


@each_owner
def test_a_clock_is_unchanged_until_it_is_set_and_others_stay(world: World, owner: str | None) -> None:
    assert world.simulation.clock(owner) == UNCHANGED
    world.simulation.set_clock(
        owner, lambda setting, base: ClockSetting(offset=base, frozen_at=setting.offset + 1)
    )
    assert world.simulation.clock(owner) == ClockSetting(offset=NOW, frozen_at=1.0)
    assert all(world.simulation.clock(other) == UNCHANGED for other in OWNERS if other != owner)
    world.simulation.set_clock(owner, clock.resume)
    assert world.simulation.clock(owner).frozen_at is None


def test_a_change_is_given_what_its_base_shows(world: World) -> None:
    world.shift(None, 10)
    world.shift("a", 100)
    seen: list[float] = []

    def look(setting: ClockSetting, base: float) -> ClockSetting:
        seen.append(base)
        return setting

    for owner in OWNERS:
        world.simulation.set_clock(owner, look)
    assert seen == [NOW, NOW + 10, NOW + 10]


def test_a_change_that_cannot_be_made_leaves_the_clock(world: World) -> None:
    with pytest.raises(ValueError, match="1970"):
        world.shift("a", -2 * NOW)
    assert world.simulation.clock("a") == UNCHANGED


# --- Plans ----------------------------------------------------------------------------------------


def ids(world: World, owner: str | None) -> list[str]:
    return [fault.id for fault in world.simulation.faults(owner)]


@each_owner
def test_faults_are_added_at_the_end_and_removed_by_id_or_all(world: World, owner: str | None) -> None:
    for name in "xyzx":
        world.simulation.add_fault(owner, Fault(id=name, status=500, body={"a": [1.5, None, "é"]}))
    assert ids(world, owner) == list("xyzx")
    assert [ids(world, other) for other in OWNERS if other != owner] == [[], []]
    assert world.simulation.remove_faults(owner, "x") == 2
    assert world.simulation.remove_faults(owner, "x") == 0
    assert ids(world, owner) == list("yz")
    assert world.simulation.remove_faults(owner) == 2
    assert world.simulation.remove_faults(owner) == 0
    assert ids(world, owner) == []


def test_a_plan_holds_only_so_many_faults(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "MOST_FAULTS", 2)
    for _ in range(2):
        world.simulation.add_fault("a", Fault(id="x"))
    with pytest.raises(ValueError, match=r"^there are 2 faults in the plan, which is the limit$"):
        world.simulation.add_fault("a", Fault(id="y"))
    assert ids(world, "a") == ["x", "x"]


def test_a_plan_holds_only_so_many_bytes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.simulation.add_fault("a", Fault(id="x", text="é" * 100))
    size = len(world.store.get_many(["faults:a"])[0] or b"")
    monkeypatch.setattr(simulation, "MOST_BYTES", size)
    world.simulation.add_fault("b", Fault(id="x", text="é" * 100))
    with pytest.raises(ValueError, match=f"^the plan would be larger than {size} bytes, which is the limit$"):
        world.simulation.add_fault("b", Fault(id="y"))
    assert ids(world, "b") == ["x"]


def taken(world: World, client_id: str | None, now: float = NOW) -> str | None:
    fault = world.simulation.take_fault(
        [None] if client_id is None else [client_id, None], FACTS, now, is_authorized=True
    )[0]
    return fault.id if fault else None


def test_a_fault_of_the_key_is_taken_before_the_servers(world: World) -> None:
    world.simulation.add_fault(None, Fault(id="server", times=3))
    world.simulation.add_fault("a", Fault(id="key", times=1))
    assert [taken(world, owner) for owner in ("b", "a", "a", None, None, "a")] == [
        "server", "key", "server", "server", None, None,
    ]  # fmt: skip
    assert [
        (fault.matched, fault.triggered) for owner in (None, "a") for fault in world.simulation.faults(owner)
    ] == [
        (3, 3),
        (1, 1),
    ]


def test_what_is_looked_at_in_vain_is_counted(world: World) -> None:
    world.simulation.add_fault("a", Fault(id="x", after=5))
    assert taken(world, "a") is None
    assert [(fault.matched, fault.triggered) for fault in world.simulation.faults("a")] == [(1, 0)]


def test_windows_go_by_the_clock_of_the_plans_owner(world: World) -> None:
    world.simulation.add_fault(None, Fault(id="server", start=NOW + 10, end=NOW + 20))
    world.simulation.add_fault("a", Fault(id="key", start=NOW + 100))
    assert taken(world, "a", NOW + 15) is None
    assert taken(world, "a", NOW + 100) == "key"
    world.shift(None, 10)
    assert taken(world, "a", NOW) == taken(world, None, NOW) == "server"


def test_no_fault_is_planned_for_a_key_that_was_deleted_meanwhile(world: World) -> None:
    world.simulation.add_fault("a", Fault(id="x"))
    world.repository.delete_api_key("a")
    assert taken(world, "a") is None
    assert world.store.get_many(["faults:a", "clock:a"]) == [None, None]


def test_of_simultaneous_exchanges_each_fault_is_met_by_as_many_as_were_planned(world: World) -> None:
    world.simulation.add_fault(None, Fault(id="x", times=50))
    found: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: found.extend([taken(world, "a") for _ in range(25)]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found.count("x"), found.count(None)) == (50, 50)


class Contended(MemoryStore):
    """Somebody else changes an entry just before each first swap."""

    def __init__(self, other: dict[str, bytes]) -> None:
        super().__init__()
        self._other = other

    def compare_and_swap(self, key: str, expected: bytes | None, value: bytes, **more: Any) -> bool:
        if key in self._other:
            self.put(key, self._other.pop(key), group="server")
        return super().compare_and_swap(key, expected, value, **more)


def test_a_change_is_made_again_on_what_somebody_else_has_made_meanwhile() -> None:
    store = Contended({"clock": b'{"offset":5.0}', "faults": b'[{"id":"theirs"}]'})
    contended = SimulationState(store, wall=lambda: NOW)
    contended.set_clock(None, lambda setting, base: dataclasses.replace(setting, offset=setting.offset + 1))
    contended.add_fault(None, Fault(id="ours"))
    assert contended.clock().offset == 6
    assert [fault.id for fault in contended.faults()] == ["theirs", "ours"]


FAULTS = st.builds(
    Fault,
    id=st.text(max_size=4),
    body=st.recursive(
        st.none()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=4,
    ),
    text=st.none() | st.text(max_size=9),
    delay=st.floats(0, 3600),
    seed=st.integers(0, 10**9),
    drop=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    start=st.none() | st.floats(0, 10**10),
)


@given(fault=FAULTS)
def test_a_fault_comes_back_as_it_was_planned(fault: Fault) -> None:
    world = World()
    world.simulation.add_fault("a", fault)
    assert world.simulation.faults("a") == (fault,)


# --- The journal ----------------------------------------------------------------------------------


@given(owners=st.lists(st.sampled_from(OWNERS), max_size=8))
def test_an_exchange_is_in_the_journal_of_its_key_and_in_that_of_the_server(owners: list[str | None]) -> None:
    world = World()
    expected = []
    for number, owner in enumerate(owners, 1):
        exchange = replace(EXCHANGE, client_id=owner, at=float(number))
        world.simulation.record(exchange)
        expected.append(replace(exchange, number=number))
    assert world.simulation.journal() == Journal(exchanges=expected, dropped=0)
    for owner in ("a", "b"):
        own = [exchange for exchange in expected if exchange.client_id == owner]
        assert world.simulation.journal(owner) == Journal(exchanges=own, dropped=0)


@pytest.mark.parametrize(("owner", "left"), [("a", [None, "b"]), (None, []), ("x", [None, "a", "b"])])
def test_a_journal_is_emptied_for_its_owner(world: World, owner: str | None, left: list[str | None]) -> None:
    for client_id in OWNERS:
        world.simulation.record(replace(EXCHANGE, client_id=client_id))
    world.simulation.clear_journal(owner)
    assert [exchange.client_id for exchange in world.simulation.journal().exchanges] == left


def test_what_had_no_room_is_counted() -> None:
    small = SimulationState(MemoryStore(journal_size=1), wall=lambda: NOW)
    for client_id in ("a", "b", "a"):
        small.record(replace(EXCHANGE, client_id=client_id))
    assert [small.journal(owner).dropped for owner in OWNERS] == [2, 1, 1]
    assert [exchange.number for exchange in small.journal("a").exchanges] == [3]
