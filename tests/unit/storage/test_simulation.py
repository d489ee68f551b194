"""Clocks, planned faults and the journal in a store: the server's own, and those of each API key."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockmoov.oauth.api_keys import make_api_key
from mockmoov.oauth.records import ApiKey
from mockmoov.oauth.signing_keys import make_issuer_keys
from mockmoov.simulation import clock, matching
from mockmoov.simulation.clock import UNCHANGED, ClockSetting
from mockmoov.simulation.faults import Fault
from mockmoov.simulation.matching import RequestFacts
from mockmoov.simulation.stubs import Stub
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import SimulationState
from mockmoov.storage.store import Journal, Swap
from tests.support.records import EXCHANGE
from tests.support.stores import OvertakenStore

NOW = 1000.0
FACTS = RequestFacts(endpoint="token", method="POST", path="/oauth2/token", headers={}, parameters={})
PING = RequestFacts(endpoint="ping", method="GET", path="/ping", headers={}, parameters={})
OWNERS = [None, "a", "b"]
each_owner = pytest.mark.parametrize("owner", OWNERS)


def api_key(client_id: str) -> ApiKey:
    return make_api_key({"client_id": client_id, "client_secret": "s"})


class World:
    """A store with two API keys in it, and a wall clock."""

    def __init__(self) -> None:
        self.store = OvertakenStore()
        self.repository = Repository(self.store, wall=lambda: NOW)
        self.repository.reset(make_issuer_keys(bytes(32)), [api_key("a"), api_key("b")])
        self.simulation = SimulationState(self.store, wall=lambda: NOW)

    def shift(self, owner: str | None, seconds: float) -> None:
        self.simulation.set_clock(owner, lambda setting, base: clock.shift(setting, base, seconds))

    def take(self, client_id: str | None, now: float = NOW) -> str | None:
        """The id of the fault that a request of this API key triggers."""
        owners = [None] if client_id is None else [client_id, None]
        fault, _ = self.simulation.take_fault(owners, FACTS, now, is_authorized=True)
        return fault.id if fault else None

    def fault_ids(self, owner: str | None) -> list[str]:
        return [fault.id for fault in self.simulation.faults.read(owner)]

    def counts(self, owner: str | None) -> list[tuple[int, int]]:
        return [(fault.matched, fault.triggered) for fault in self.simulation.faults.read(owner)]


@pytest.fixture
def world() -> World:
    return World()


# --- what a request is subject to -------------------------------------------------------------------


def test_first_existing_claimed_key_counts(world: World) -> None:
    claims = {(): None, ("x",): None, ("a",): "a", ("x", "b"): "b", ("b", "a"): "b", ("x", "y"): None}
    found = {claimed: world.simulation.claimed_client(claimed) for claimed in claims}
    assert {claimed: client.api_key for claimed, client in found.items()} == {
        claimed: None if name is None else api_key(name) for claimed, name in claims.items()
    }
    assert {(client.now, client.has_faults) for client in found.values()} == {(NOW, False)}


def test_request_is_timed_by_its_keys_clock(world: World) -> None:
    world.shift(None, 10)
    world.shift("b", 100)
    times = [world.simulation.claimed_client(claimed).now for claimed in ([], ["a"], ["b"], ["x"])]
    assert times == [1010, 1010, 1110, 1010]
    assert [world.simulation.now(owner) for owner in OWNERS] == [1010, 1010, 1110]
    (record,) = world.store.get_many(["api-key:b"])
    assert world.store.forget("none", Swap("api-key:b", record, None, "api-keys"))  # its clock is left behind
    assert world.simulation.claimed_client(["b"]).now == 1010
    assert world.simulation.claimed_client(["b", "a"]).api_key == api_key("a")


@pytest.mark.parametrize(
    ("owner", "expected"),
    [(None, [True, True, True]), ("a", [False, True, False]), ("b", [False, False, True])],
)
def test_request_knows_whether_faults_are_planned_for_it(
    world: World, owner: str | None, expected: list[bool]
) -> None:
    def has_faults() -> list[bool]:
        return [world.simulation.claimed_client(claimed).has_faults for claimed in ([], ["a"], ["b"])]

    world.simulation.faults.add(owner, Fault(id="f"))
    assert has_faults() == expected
    world.simulation.faults.remove(owner)
    assert has_faults() == [False] * 3


# --- clocks -----------------------------------------------------------------------------------------


@each_owner
def test_clock_is_unchanged_until_set_and_others_stay(world: World, owner: str | None) -> None:
    assert world.simulation.clock(owner) == UNCHANGED
    world.simulation.set_clock(
        owner, lambda setting, base: ClockSetting(offset=base, frozen_at=setting.offset + 1)
    )
    assert world.simulation.clock(owner) == ClockSetting(offset=NOW, frozen_at=1.0)
    assert all(world.simulation.clock(other) == UNCHANGED for other in OWNERS if other != owner)
    world.simulation.set_clock(owner, clock.resume)
    assert world.simulation.clock(owner).frozen_at is None


def test_change_of_a_clock_gets_the_reading_of_its_base(world: World) -> None:
    world.shift(None, 10)
    world.shift("a", 100)
    bases: list[float] = []

    def look(setting: ClockSetting, base: float) -> ClockSetting:
        bases.append(base)
        return setting

    for owner in OWNERS:
        world.simulation.set_clock(owner, look)
    assert bases == [NOW, NOW + 10, NOW + 10]


def test_invalid_change_leaves_the_clock(world: World) -> None:
    with pytest.raises(ValueError, match="1970"):
        world.shift("a", -2 * NOW)
    assert world.simulation.clock("a") == UNCHANGED


# --- plans ------------------------------------------------------------------------------------------


@each_owner
def test_faults_are_added_last_and_removed_by_id_or_all(world: World, owner: str | None) -> None:
    for name in "xyzx":
        world.simulation.faults.add(owner, Fault(id=name, status=500, body={"a": [1.5, None, "é"]}))
    assert world.fault_ids(owner) == list("xyzx")
    assert [world.fault_ids(other) for other in OWNERS if other != owner] == [[], []]
    removed = [world.simulation.faults.remove(owner, name) for name in ("x", "x", None, None)]
    assert (removed, world.fault_ids(owner)) == ([2, 0, 2, 0], [])


def test_counts_survive_changes_of_the_plan_and_go_with_their_fault(world: World) -> None:
    faults = world.simulation.faults
    for name in "xy":
        faults.add("a", Fault(id=name, times=1))
    assert [world.take("a") for _ in range(2)] == ["x", "y"]
    faults.add("a", Fault(id="z"))
    faults.remove("a", "x")
    assert world.counts("a") == [(1, 1), (0, 0)]
    assert world.store.get_many(["faults-counts:a"]) == [b'{"y":[1,1]}']
    assert world.take("a") == "z"
    assert world.store.get_many(["faults-counts:a"]) == [b'{"y":[1,1],"z":[1,1]}']
    world.repository.reset_api_key("a", epoch="e")
    assert world.store.get_many(["faults:a", "faults-counts:a"]) == [None, None]


def test_stubs_of_the_key_come_before_the_servers(world: World) -> None:
    stubs = world.simulation.stubs
    stubs.add(None, Stub(id="server", endpoint="ping"))
    stubs.add("a", Stub(id="key", endpoint="ping", times=1))
    stubs.add("a", Stub(id="other", endpoint="listCards"))
    taken = [world.simulation.take_stub(("a", None), PING) for _ in range(2)]
    assert [stub and stub.id for stub in taken] == ["key", "server"]
    assert world.simulation.take_stub(("a",), PING) is None
    stubbed = [world.simulation.claimed_client(names).stubbed for names in (["a"], ["b"], [])]
    assert stubbed == [{"ping", "listCards"}, {"ping"}, {"ping"}]


def test_plan_is_limited_in_faults_and_bytes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.simulation.faults.add("a", Fault(id="x", text="é" * 100))
    size = len(world.store.get_many(["faults:a"])[0] or b"")
    with monkeypatch.context() as patched:
        patched.setattr(matching, "MOST_BYTES", size)
        world.simulation.faults.add("b", Fault(id="x", text="é" * 100))
        limit = f"^the plan would be larger than {size} bytes, which is the limit$"
        with pytest.raises(ValueError, match=limit):
            world.simulation.faults.add("b", Fault(id="y"))
    monkeypatch.setattr(matching, "MOST_PLANNED", 2)
    world.simulation.faults.add("a", Fault(id="x"))
    with pytest.raises(ValueError, match=r"^there are 2 faults in the plan, which is the limit$"):
        world.simulation.faults.add("a", Fault(id="y"))
    assert (world.fault_ids("a"), world.fault_ids("b")) == (["x", "x"], ["x"])


def test_faults_of_the_key_come_before_the_servers(world: World) -> None:
    world.simulation.faults.add(None, Fault(id="server", times=3))
    world.simulation.faults.add("a", Fault(id="late", after=5))
    world.simulation.faults.add("a", Fault(id="key", times=1))
    assert [world.take(owner) for owner in ("b", "a", "a", None, None, "a")] == [
        "server", "key", "server", "server", None, None,
    ]  # fmt: skip
    assert (world.counts(None), world.counts("a")) == ([(3, 3)], [(3, 0), (1, 1)])


def test_windows_follow_the_clock_of_the_plans_owner(world: World) -> None:
    world.simulation.faults.add(None, Fault(id="server", start=NOW + 10, end=NOW + 20))
    world.simulation.faults.add("a", Fault(id="key", start=NOW + 100))
    assert world.take("a", NOW + 15) is None
    assert world.take("a", NOW + 100) == "key"
    world.shift(None, 10)
    assert world.take("a", NOW) == world.take(None, NOW) == "server"


def test_success_waits_with_the_plans_that_are_left(world: World) -> None:
    world.simulation.faults.add(None, Fault(id="success", status=200))
    first = world.simulation.take_fault(["a", None], FACTS, NOW, is_authorized=None)
    assert (first, world.counts(None)) == ((None, [None]), [(0, 0)])
    rejected = world.simulation.take_fault([None], FACTS, NOW, is_authorized=False)
    assert (rejected, world.counts(None)) == ((None, ()), [(0, 0)])
    fault, left = world.simulation.take_fault([None], FACTS, NOW, is_authorized=True)
    assert fault is not None
    assert (fault.id, left, world.counts(None)) == ("success", (), [(1, 1)])


def test_deleted_key_has_no_faults(world: World) -> None:
    world.simulation.faults.add("a", Fault(id="x"))
    world.repository.delete_api_key("a")
    assert world.take("a") is None
    assert world.store.get_many(["faults:a", "clock:a"]) == [None, None]


def test_threads_trigger_a_fault_as_often_as_planned(world: World) -> None:
    world.simulation.faults.add(None, Fault(id="x", times=50))
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(world.take, "a" * 100))
    assert (taken.count("x"), taken.count(None)) == (50, 50)


def test_overtaken_change_is_made_again(world: World) -> None:
    def theirs(name: str, value: bytes) -> None:
        world.store.before["compare_and_swap"] = lambda: world.store.put(name, value, group="server")

    theirs("clock", b'{"offset":5.0}')
    world.shift(None, 1)
    theirs("faults", b'[{"id":"theirs"}]')
    world.simulation.faults.add(None, Fault(id="ours"))
    assert world.simulation.clock().offset == 6
    assert world.fault_ids(None) == ["theirs", "ours"]
    theirs("faults-counts", b'{"theirs":[5,5]}')
    assert world.take(None) == "theirs"
    assert world.counts(None) == [(6, 6), (0, 0)]


SCALARS = (
    st.none()
    | st.text(max_size=4)
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
FAULTS = st.builds(
    Fault,
    id=st.text(max_size=4),
    body=SCALARS | st.dictionaries(st.text(max_size=3), SCALARS | st.lists(SCALARS, max_size=2), max_size=2),
    text=st.none() | st.text(max_size=9),
    delay=st.floats(0, 3600),
    seed=st.integers(0, 10**9),
    drop=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    start=st.none() | st.floats(0, 10**10),
)


@given(fault=FAULTS)
def test_fault_comes_back_as_planned(fault: Fault) -> None:
    state = SimulationState(MemoryStore(), wall=lambda: NOW)
    state.faults.add("a", fault)
    assert state.faults.read("a") == (fault,)


# --- the journal ------------------------------------------------------------------------------------


def test_journal_is_read_and_cleared_by_owner() -> None:
    state = SimulationState(MemoryStore(journal_size=3), wall=lambda: NOW)
    sent = [replace(EXCHANGE, client_id=owner, number=n) for n, owner in enumerate(["a", "b", None, "a"], 1)]
    for exchange in sent:
        state.record(replace(exchange, number=0))
    assert state.journal() == Journal(exchanges=sent[1:], dropped=1)
    assert state.journal("a") == Journal(exchanges=sent[3:], dropped=1)
    assert state.journal("b") == Journal(exchanges=sent[1:2], dropped=0)
    state.clear_journal("b")
    assert state.journal().exchanges == sent[2:]
    state.clear_journal()
    assert state.journal() == Journal(exchanges=[], dropped=0)
