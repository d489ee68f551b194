"""Too many token records: which go first, what is refused then, and that nothing comes back to life."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from secrets import token_hex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mockmoov.oauth.api_keys import make_api_key
from mockmoov.oauth.grants import RefreshPolicy
from mockmoov.oauth.records import NO_FLOOR, AccessToken, ApiKey, RefreshToken, TokenFloor
from mockmoov.oauth.signing_keys import make_issuer_keys
from mockmoov.simulation import clock
from mockmoov.storage.eviction import (
    MAX_USAGE,
    Eviction,
    TokenRecord,
    TokenTimes,
    Usage,
    is_exceeded,
    plan_evictions,
)
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import SimulationState
from tests.support.forgetting import few
from tests.support.servers import Clock

NOW = 1000.0
STRICT = RefreshPolicy(rotation=True, reuse_detection=True, grace=0)


def test_the_bound_is_that_of_the_contract() -> None:
    assert Usage(200_000, 134_217_728) == MAX_USAGE


@pytest.mark.parametrize(
    ("usage", "exceeded"),
    [(Usage(2, 9), False), (Usage(3, 9), True), (Usage(2, 10), True), (Usage(0, 0), False)],
)
def test_a_bound_is_exceeded_by_one_record_or_one_byte_too_many(usage: Usage, exceeded: bool) -> None:
    assert is_exceeded(Usage(2, 9), usage) == exceeded


# --- which go first -------------------------------------------------------------------------------


def record(
    name: str,
    group: str = "a",
    *,
    issued: float = 0,
    expires: float = NOW + 1,
    real: float = 0,
    size: int = 1,
) -> TokenRecord:
    return TokenRecord(name, group, size, TokenTimes(issued, expires, real))


def expired(name: str, group: str = "a", *, expires: float = NOW, size: int = 1) -> TokenRecord:
    return record(name, group, expires=expires, size=size)


def plan(records: list[TokenRecord], bound: Usage, clocks: dict[str, float] | None = None) -> list[Eviction]:
    clocks = clocks or dict.fromkeys("abc", NOW)
    return sorted(plan_evictions(records, clocks, wall=NOW, bound=bound))


def names(records: list[TokenRecord], bound: Usage, clocks: dict[str, float] | None = None) -> str:
    return "".join(sorted(each.key for evicted in plan(records, bound, clocks) for each in evicted.records))


@pytest.mark.parametrize(
    ("candidate", "goes"),
    [
        (record("x", expires=NOW, real=NOW), True),
        (record("x", expires=NOW + 0.1, real=NOW), False),
        (record("x", expires=NOW, real=NOW + 0.1), False),
        (record("x", "c", expires=NOW + 9, real=NOW), True),
        (record("x", "c", expires=NOW + 10.1, real=NOW), False),
    ],
)
def test_a_record_has_expired_if_it_has_on_its_keys_clock_and_on_the_wall(
    candidate: TokenRecord, goes: bool
) -> None:
    records = [record("1", "b", issued=-1), record("2", "b"), candidate]
    assert names(records, few(2), {"a": NOW, "b": NOW, "c": NOW + 10}) == ("x" if goes else "1")


def test_of_expired_records_those_go_that_were_written_first_and_no_live_one() -> None:
    records = [record("l"), expired("1"), expired("2", "b"), expired("3"), record("m", issued=-1)]
    assert [names(records, few(n)) for n in (5, 4, 3, 2, 1, 0)] == ["", "1", "12", "123", "123m", "123lm"]


def test_of_live_records_the_oldest_of_the_key_with_the_most_goes() -> None:
    records = [record(name, "a", issued=at) for name, at in zip("1234", (4, 1, 3, 2), strict=True)]
    records += [record(name, "b", issued=at) for name, at in zip("56", (-9, 9), strict=True)]
    records += [record("7", "c", issued=-99)]
    evicted = [names(records, few(n)) for n in (6, 5, 4, 3)]
    assert evicted == ["2", "24", "234", "2345"]


@pytest.mark.parametrize(
    ("count", "bound", "left"), [(161, 160, 150), (17, 16, 15), (9, 8, 8), (2, 1, 1), (160, 160, 150)]
)
def test_a_sixteenth_of_the_bound_is_made_free_at_once(count: int, bound: int, left: int) -> None:
    for make in (record, expired):
        records = [make(str(number)) for number in range(count)]
        (evicted,) = plan(records, few(bound))
        assert count - len(evicted.records) == left


def test_bytes_are_made_free_as_well_as_records() -> None:
    for make in (record, expired):
        sizes = [make(str(number), size=10) for number in range(17)]
        (evicted,) = plan(sizes, Usage(1000, 160))
        assert len(evicted.records) == 2
        assert plan(sizes, Usage(1000, 1000)) == []


def test_a_floor_covers_the_latest_of_the_records_that_go() -> None:
    records = [expired("1", expires=5), expired("2", expires=7), expired("3", "b", expires=6)]
    records += [record("4", "c", issued=8), record("5", "c", issued=9), record("6", "c", issued=10)]
    assert [(each.group, each.floor, each.live) for each in plan(records, few(1))] == [
        ("a", TokenFloor(expires_at=7), False),
        ("b", TokenFloor(expires_at=6), False),
        ("c", TokenFloor(issued_at=9), True),
    ]


# --- in the repository ----------------------------------------------------------------------------


class World:
    """A repository with a few API keys, and a wall clock."""

    def __init__(self, bound: Usage, store: MemoryStore | None = None) -> None:
        self.wall = Clock(NOW)
        self.store = store or MemoryStore()
        self.repository = Repository(self.store, wall=self.wall, bound=bound)
        keys = [make_api_key({"client_id": name, "client_secret": "s"}) for name in "ab"]
        self.repository.reset(make_issuer_keys(bytes(32)), [replace(key, epoch="e") for key in keys])
        self.simulation = SimulationState(self.store, wall=self.wall)

    def key(self, client_id: str = "a") -> ApiKey:
        return self.repository.api_keys([client_id])[0]

    def shift(self, seconds: float, owner: str | None = "a") -> None:
        self.simulation.set_clock(owner, partial(clock.shift, seconds=seconds))

    def token(self, client_id: str = "a", jti: str = "", lifetime: float = 100) -> AccessToken:
        """An access token that is issued now."""
        now = self.simulation.now(client_id)
        return AccessToken(
            client_id=client_id, epoch=self.key(client_id).epoch, family=f"family of {jti}",
            client_type="web", jti=jti or token_hex(8), scope="", audiences=(), expires_at=now + lifetime,
            claims={"iat": int(now)},
        )  # fmt: skip

    def revoke(self, token: AccessToken) -> None:
        self.repository.revoke_access_token(token, now=self.simulation.now(token.client_id))

    def is_good(self, token: AccessToken) -> bool:
        """Whether a token that has not expired is accepted."""
        revoked = self.repository.is_revoked(jti=token.jti, family=token.family)
        return not revoked and not self.key(token.client_id).rejection_reason(token)


def test_what_is_refused_after_an_eviction_is_what_it_had_to_be() -> None:
    world = World(few(2))
    tokens = []
    for _ in range(4):
        tokens += [(world.token(), world.token(lifetime=500), world.token("b"))]
        world.wall.shift(10)
    for first, *_ in tokens[1:3]:
        world.revoke(first)
    assert world.key().floor == NO_FLOOR
    world.revoke(tokens[0][0])
    assert world.key().floor == TokenFloor(issued_at=NOW)
    assert [world.is_good(token) for pair in tokens for token in pair] == [
        False, False, True, False, True, True, False, True, True, True, True, True,
    ]  # fmt: skip
    world.wall.shift(1000)
    world.revoke(world.token())
    assert world.key().floor == TokenFloor(issued_at=NOW, expires_at=NOW + 110)


def test_a_reset_of_a_key_takes_its_floor_away() -> None:
    world = World(few(1))
    for name in ("a", "b", "a", "b"):
        world.wall.shift(10)
        world.revoke(world.token(name))
    assert world.key("a").floor != NO_FLOOR != world.key("b").floor
    world.repository.reset_api_key("a", epoch="new")
    assert world.key("a").floor == NO_FLOOR != world.key("b").floor


@pytest.mark.parametrize("moved", [0, -50])
def test_on_a_clock_that_does_not_pass_the_floor_all_tokens_die_and_new_ones_live(moved: float) -> None:
    world = World(few(2))
    world.simulation.set_clock("a", clock.freeze)
    old, of_another_key = [world.token() for _ in range(4)], world.token("b")
    world.shift(moved)
    for token in old[:3]:
        world.revoke(token)
    assert world.key().epoch != "e"
    assert world.key().floor == NO_FLOOR
    assert not any(map(world.is_good, old))
    assert world.is_good(of_another_key)
    assert world.repository.count_api_keys() == 2
    assert world.store.usage() == Usage(0, 0)
    new = world.token()
    assert world.is_good(new)
    world.revoke(new)
    assert not world.is_good(new)


@pytest.mark.parametrize(("ahead", "real"), [(0, NOW + 100), (50, NOW + 150), (-50, NOW + 100)])
def test_a_token_expires_in_real_time_after_its_lifetime_and_not_before_it_does_on_the_wall(
    ahead: float, real: float
) -> None:
    world = World(few(1))
    world.shift(ahead)
    world.revoke(world.token(lifetime=100))
    assert [each.times for each in world.store.token_records()] == [
        TokenTimes(NOW + ahead, NOW + ahead + 100, real)
    ]


def test_a_warning_is_logged_once_and_only_if_a_live_record_goes(caplog: pytest.LogCaptureFixture) -> None:
    world = World(few(1))
    caplog.set_level(logging.WARNING, "mockmoov")
    for _ in range(3):
        world.revoke(world.token(lifetime=1))
        world.wall.shift(1)
    assert caplog.messages == []
    for _ in range(3):
        world.wall.shift(1)
        world.revoke(world.token())
    assert caplog.messages == [
        "there are more than 1 token records, or they are larger than 1073741824 bytes: tokens that were "
        "issued before the oldest record that is kept are refused from now on"
    ]


class OvertakenStore(MemoryStore):
    """A store in which something happens once after its token records were listed, or before they are."""

    before: Callable[[], object] | None = None
    after: Callable[[], object] | None = None

    def token_records(self) -> list[TokenRecord]:
        before, self.before = self.before, None
        if before:
            before()
        records = super().token_records()
        after, self.after = self.after, None
        if after:
            after()
        return records


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_key_that_is_reset_during_an_eviction_loses_nothing_of_its_new_epoch(when: str) -> None:
    store = OvertakenStore()
    world = World(few(2), store)
    new: list[AccessToken] = []

    def reset() -> None:
        world.repository.reset_api_key("a", epoch="new")
        new.extend(world.token() for _ in range(4))
        for token in new:
            world.revoke(token)

    for _ in range(2):
        world.revoke(world.token())
        world.wall.shift(1)
    setattr(store, when, reset)
    world.revoke(world.token())
    assert (world.key().epoch, world.key().floor) == ("new", NO_FLOOR)
    assert not any(map(world.is_good, new))


def test_the_records_that_a_deleted_key_left_behind_are_evicted() -> None:
    world = World(few(2))
    left = world.token("b")
    world.repository.delete_api_key("b")
    world.repository.revoke_access_token(left, now=NOW)
    world.wall.shift(200)
    for _ in range(2):
        world.revoke(world.token())
    assert not world.repository.is_revoked(jti=left.jti, family="none")
    assert world.key().floor == NO_FLOOR


def test_a_record_that_was_written_again_during_an_eviction_stays() -> None:
    store = OvertakenStore()
    world = World(few(1), store)
    first = world.token(jti="first")
    world.revoke(first)
    world.wall.shift(1)
    store.after = lambda: world.revoke(first)
    world.revoke(world.token())
    assert world.repository.is_revoked(jti="first", family="none")
    assert not world.is_good(first)


def refresh_token(world: World, family: str, sequence: int = 0) -> RefreshToken:
    now = int(world.simulation.now("a"))
    return RefreshToken(
        client_id="a", epoch=world.key().epoch, family=family, sequence=sequence, scope="", client_type="web",
        issued_at=now, expires_at=now + 100,
    )  # fmt: skip


def use_up(world: World, token: RefreshToken) -> bool:
    now = world.simulation.now("a")
    return world.repository.consume_refresh_token(token, now=now, policy=STRICT, expires_at=now + 100)


class EvictingStore(MemoryStore):
    """A store in which something happens once between reading an entry and swapping it."""

    between: Callable[[], object] | None = None

    def compare_and_swap(
        self, key: str, expected: bytes | None, value: bytes, *, group: str, times: TokenTimes | None = None
    ) -> bool:
        between, self.between = (self.between, None) if key.startswith("family:") else (None, self.between)
        if between:
            between()
        return super().compare_and_swap(key, expected, value, group=group, times=times)


def test_the_second_use_of_a_refresh_token_is_refused_though_the_record_of_the_first_is_evicted() -> None:
    store = EvictingStore()
    world = World(few(1), store)
    token, used = refresh_token(world, "family"), list[bool]()
    world.wall.shift(10)

    def overtake() -> None:
        used.append(use_up(world, token))
        world.wall.shift(10)
        world.revoke(world.token())
        assert store.get_many(["family:family"]) == [None]

    store.between = overtake
    assert (use_up(world, token), used) == (False, [True])


def test_many_threads_that_revoke_keep_to_the_bound_and_bring_nothing_back() -> None:
    world = World(few(50))
    tokens = []
    for number in range(600):
        tokens.append(world.token("ab"[number % 2]))
        world.wall.shift(1)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(world.revoke, tokens))
    assert not any(map(world.is_good, tokens))
    world.revoke(world.token())
    assert world.store.usage().records <= 50


class Lives:
    """Tokens that are minted, revoked and used up while clocks are moved."""

    def __init__(self, bound: int) -> None:
        self.world = World(few(bound))
        self.good: list[AccessToken] = []
        self.dead: list[AccessToken] = []
        self.refresh: list[RefreshToken] = []
        self.used: list[RefreshToken] = []

    def mint(self, name: str, seconds: int) -> None:
        self.good.append(self.world.token(name, lifetime=10 + abs(seconds)))
        self.refresh.append(refresh_token(self.world, token_hex(8)))

    def revoke(self, _: str, seconds: int) -> None:
        for token in self.good[seconds % 3 :][:1]:
            self.world.revoke(token)
            self.dead.append(token)

    def use_up(self, _: str, seconds: int) -> None:
        for token in self.refresh[seconds % 3 :][:1]:
            use_up(self.world, token)
            self.used.append(token)
            self.refresh.remove(token)

    def shift(self, name: str, seconds: int) -> None:
        self.world.shift(seconds, name)

    def shift_all(self, _: str, seconds: int) -> None:
        self.world.shift(seconds, None)

    def wait(self, _: str, seconds: int) -> None:
        self.world.wall.shift(abs(seconds))

    def freeze(self, name: str, _: int) -> None:
        self.world.simulation.set_clock(name, clock.freeze)

    def resume(self, name: str, _: int) -> None:
        self.world.simulation.set_clock(name, clock.resume)

    def check(self) -> None:
        """All that was refused once is refused."""
        assert not any(map(self.world.is_good, self.dead))
        self.dead += [token for token in self.good if not self.world.is_good(token)]
        self.good = [token for token in self.good if token not in self.dead]
        for token in self.used:
            assert self.world.key().rejection_reason(token) or not use_up(self.world, token)


Step = Callable[[Lives, str, int], None]
STEPS: list[Step] = [
    Lives.mint, Lives.mint, Lives.revoke, Lives.use_up, Lives.shift, Lives.shift_all, Lives.wait,
    Lives.freeze, Lives.resume,
]  # fmt: skip
steps = st.tuples(st.sampled_from(STEPS), st.sampled_from("ab"), st.integers(-60, 60))


@settings(max_examples=300)
@given(
    bound=st.integers(1, 8),
    taken=st.lists(steps, max_size=40),
)
def test_what_was_refused_is_never_good_again_whatever_clocks_do(
    bound: int, taken: list[tuple[Step, str, int]]
) -> None:
    lives = Lives(bound)
    for step, name, seconds in taken:
        step(lives, name, seconds)
        lives.check()
