"""Eviction: which token records go, which tokens are rejected then, and that none comes back to life."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from secrets import token_hex

import pytest
from hypothesis import example, given
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
    writes_with_room,
)
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import SimulationState
from tests.support.forgetting import few
from tests.support.records import ACCESS_TOKEN, REFRESH_TOKEN
from tests.support.servers import Clock
from tests.support.stores import OvertakenStore

NOW = 1000.0
STRICT = RefreshPolicy(rotation=True, reuse_detection=True, grace=0)


def test_bound_is_exceeded_by_one_record_or_byte_too_many() -> None:
    assert Usage(200_000, 134_217_728) == MAX_USAGE
    usages = {Usage(2, 9): False, Usage(3, 9): True, Usage(2, 10): True, Usage(0, 0): False}
    assert {usage: is_exceeded(Usage(2, 9), usage) for usage in usages} == usages


# --- which records go first -------------------------------------------------------------------------


def record(
    key: str, group: str = "a", *, issued: float = 0, expires: float = NOW + 1, real: float = 0, size: int = 1
) -> TokenRecord:
    return TokenRecord(key, group, size, TokenTimes(issued, expires, real))


expired = partial(record, expires=NOW)


def plan(records: list[TokenRecord], bound: Usage, **clocks: float) -> list[Eviction]:
    all_clocks = dict.fromkeys("abc", NOW) | clocks
    return sorted(plan_evictions(records, all_clocks, wall=NOW, bound=bound))


def names(records: list[TokenRecord], bound: Usage, **clocks: float) -> str:
    return "".join(sorted(each.key for evicted in plan(records, bound, **clocks) for each in evicted.records))


def test_record_expires_on_its_keys_clock_and_on_the_wall() -> None:
    rows = [
        (record("x", expires=NOW, real=NOW), True),
        (record("x", expires=NOW + 0.1, real=NOW), False),
        (record("x", expires=NOW, real=NOW + 0.1), False),
        (record("x", "c", expires=NOW + 9, real=NOW), True),
        (record("x", "c", expires=NOW + 10.1, real=NOW), False),
    ]
    for candidate, goes in rows:
        records = [record("1", "b", issued=-1), record("2", "b"), candidate]
        assert (candidate, names(records, few(2), c=NOW + 10)) == (candidate, "x" if goes else "1")


def test_expired_records_go_before_live_ones() -> None:
    records = [record("l"), expired("1"), expired("2", "b"), expired("3"), record("m", issued=-1)]
    assert [names(records, few(n)) for n in (5, 4, 3, 2, 1, 0)] == ["", "1", "12", "123", "123m", "123lm"]


def test_oldest_live_record_of_the_busiest_key_goes() -> None:
    records = [record(name, "a", issued=at) for name, at in zip("1234", (4, 1, 3, 2), strict=True)]
    records += [record(name, "b", issued=at) for name, at in zip("56", (-9, 9), strict=True)]
    records += [record("7", "c", issued=-99)]
    assert [names(records, few(n)) for n in (6, 5, 4, 3)] == ["2", "24", "234", "2345"]


@pytest.mark.parametrize("make", [record, expired])
def test_a_sixteenth_of_the_bound_is_freed_at_once(make: Callable[..., TokenRecord]) -> None:
    for count, bound, kept in ((161, 160, 150), (17, 16, 15), (9, 8, 8), (2, 1, 1), (160, 160, 150)):
        (evicted,) = plan([make(str(number)) for number in range(count)], few(bound))
        assert (count, count - len(evicted.records)) == (count, kept)
    large = [make(str(number), size=10) for number in range(17)]
    (evicted,) = plan(large, Usage(1000, 160))
    assert len(evicted.records) == 2
    assert plan(large, Usage(1000, 1000)) == []


def test_floor_covers_the_latest_evicted_record() -> None:
    records = [expired("1", expires=5), expired("2", expires=7), expired("3", "b", expires=6)]
    records += [record("4", "c", issued=8), record("5", "c", issued=9), record("6", "c", issued=10)]
    assert [(each.group, each.floor, each.live) for each in plan(records, few(1))] == [
        ("a", TokenFloor(expires_at=7), False),
        ("b", TokenFloor(expires_at=6), False),
        ("c", TokenFloor(issued_at=9), True),
    ]


# --- in the repository ------------------------------------------------------------------------------


class World:
    """A repository with two API keys, and a wall clock."""

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

    def token(self, client_id: str = "a", *, lifetime: float = 100, family: str = "") -> AccessToken:
        """An access token issued now."""
        now = self.simulation.now(client_id)
        token = replace(ACCESS_TOKEN, client_id=client_id, epoch=self.key(client_id).epoch, jti=token_hex(8))
        claims = {"iat": int(now)}
        return replace(token, family=family or token_hex(8), expires_at=now + lifetime, claims=claims)

    def refresh_token(self, client_id: str = "a", sequence: int = 0, family: str = "family") -> RefreshToken:
        """A refresh token issued now."""
        now = int(self.simulation.now(client_id))
        token = replace(REFRESH_TOKEN, client_id=client_id, epoch=self.key(client_id).epoch)
        return replace(token, family=family, sequence=sequence, issued_at=now, expires_at=now + 100)

    def use_up(self, token: RefreshToken, policy: RefreshPolicy = STRICT, lifetime: float = 100) -> bool:
        now = self.simulation.now(token.client_id)
        consume = self.repository.consume_refresh_token
        return consume(token, now=now, policy=policy, expires_at=now + lifetime) == ""

    def revoke(self, token: AccessToken) -> None:
        self.repository.revoke_access_token(token, now=self.simulation.now(token.client_id))

    def accepts(self, token: AccessToken) -> bool:
        """Whether a token that hasn't expired is accepted."""
        revoked = self.repository.is_revoked(jti=token.jti, family=token.family)
        return not revoked and not self.key(token.client_id).rejection_reason(token)


def test_floor_rejects_only_what_it_must() -> None:
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
    assert [[world.accepts(token) for token in three] for three in tokens] == [
        [False, False, True], [False, True, True], [False, True, True], [True, True, True],
    ]  # fmt: skip
    world.wall.shift(1000)
    world.revoke(world.token())
    assert world.key().floor == TokenFloor(issued_at=NOW, expires_at=NOW + 110)


def test_reset_of_a_key_removes_its_floor() -> None:
    world = World(few(1))
    for name in "abab":
        world.wall.shift(10)
        world.revoke(world.token(name))
    assert world.key("a").floor != NO_FLOOR != world.key("b").floor
    world.repository.reset_api_key("a", epoch="new")
    assert world.key("a").floor == NO_FLOOR != world.key("b").floor


@pytest.mark.parametrize("moved", [0, -50])
def test_key_with_a_frozen_clock_gets_a_new_epoch_instead(moved: float) -> None:
    world = World(few(2))
    world.simulation.set_clock("a", clock.freeze)
    old, of_another_key = [world.token() for _ in range(4)], world.token("b")
    world.shift(moved)
    for token in old[:3]:
        world.revoke(token)
    assert world.key().epoch != "e"
    assert world.key().floor == NO_FLOOR
    assert not any(map(world.accepts, old))
    assert world.accepts(of_another_key)
    assert world.repository.count_api_keys() == 2
    assert world.store.usage() == Usage(0, 0)
    new = world.token()
    assert world.accepts(new)
    world.revoke(new)
    assert not world.accepts(new)


@pytest.mark.parametrize(("ahead", "real"), [(0, NOW + 100), (50, NOW + 150), (-50, NOW + 100)])
def test_real_expiry_is_never_before_the_one_on_the_wall(ahead: float, real: float) -> None:
    world = World(few(1))
    world.shift(ahead)
    world.revoke(world.token(lifetime=100))
    (kept,) = world.store.token_records()
    assert kept.times == TokenTimes(NOW + ahead, NOW + ahead + 100, real)


def test_first_eviction_of_a_live_record_logs_a_warning(caplog: pytest.LogCaptureFixture) -> None:
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


# --- races ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
def test_key_reset_during_an_eviction_keeps_its_new_records(when: str) -> None:
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
    getattr(store, when)["token_records"] = reset
    world.revoke(world.token())
    assert (world.key().epoch, world.key().floor) == ("new", NO_FLOOR)
    assert len(new) == 4
    assert not any(map(world.accepts, new))


@pytest.mark.parametrize("when", ["before", "after"])
def test_token_revoked_during_a_reset_stays_refused(when: str) -> None:
    store = OvertakenStore()
    world, revoked = World(few(10), store), list[AccessToken]()

    def revoke() -> None:
        revoked.append(world.token())
        world.revoke(revoked[0])

    getattr(store, when)["forget"] = revoke
    world.repository.reset_api_key("a", epoch="new")
    assert list(map(world.accepts, revoked)) == [False]


def test_token_revoked_again_during_an_eviction_stays_refused() -> None:
    store = OvertakenStore()
    world = World(few(1), store)
    first = world.token()
    world.revoke(first)
    world.wall.shift(1)
    store.after["token_records"] = lambda: world.revoke(first)
    world.revoke(world.token())
    assert not world.accepts(first)


def test_records_left_behind_by_a_deleted_key_are_evicted() -> None:
    world = World(few(2))
    left = world.token("b")
    world.repository.delete_api_key("b")
    world.repository.revoke_access_token(left, now=NOW)
    world.wall.shift(200)
    for _ in range(2):
        world.revoke(world.token())
    assert not world.repository.is_revoked(jti=left.jti, family="none")
    assert world.key().floor == NO_FLOOR


def test_second_use_fails_though_the_record_is_evicted() -> None:
    store = OvertakenStore()
    world = World(few(1), store)
    token, first = world.refresh_token(), list[bool]()
    world.wall.shift(10)

    def overtake() -> None:
        first.append(world.use_up(token))
        world.wall.shift(10)
        world.revoke(world.token())
        assert store.get_many(["family:family"]) == [None]

    store.before["compare_and_swap"] = overtake
    assert (world.use_up(token), first) == (False, [True])


def test_threads_that_revoke_keep_to_the_bound() -> None:
    world = World(few(20))
    tokens = []
    for number in range(100):
        tokens.append(world.token("ab"[number % 2]))
        world.wall.shift(1)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(world.revoke, tokens))
    assert not any(map(world.accepts, tokens))
    world.revoke(world.token())
    assert world.store.usage().records <= 20


class Lives:
    """Tokens that are issued, revoked and used up while clocks are moved."""

    def __init__(self, bound: int, *, rotation: bool) -> None:
        self.world = World(few(bound))
        self.policy = replace(STRICT, rotation=rotation)
        self.valid: list[AccessToken] = []
        self.rejected: list[AccessToken] = []
        self.refresh: list[RefreshToken] = []
        self.used: list[RefreshToken] = []
        self.has_gone_back = False

    def issue(self, name: str, seconds: int, family: str = "", sequence: int = 0) -> None:
        token = self.world.token(name, lifetime=10 + abs(seconds), family=family)
        self.valid.append(token)
        self.refresh.append(self.world.refresh_token(name, sequence, token.family))
        assert self.has_gone_back or self.world.accepts(token)

    def revoke(self, _: str, seconds: int) -> None:
        for token in self.valid[seconds % 3 :][:1]:
            self.world.revoke(token)
            self.rejected.append(token)

    def revoke_family(self, _: str, seconds: int) -> None:
        for token in self.refresh[seconds % 3 :][:1]:
            now = self.world.simulation.now(token.client_id)
            self.world.repository.revoke_family(token, now=now, expires_at=now + 100)
            self.rejected += [access for access in self.valid if access.family == token.family]
            self.use(token)

    def use_up(self, _: str, seconds: int) -> None:
        for token in self.refresh[seconds % 3 :][:1]:
            is_valid = not self.world.key(token.client_id).rejection_reason(token)
            is_first = self.world.use_up(token, self.policy)
            if self.policy.rotation:
                self.use(token)
                if is_first and is_valid:
                    self.issue(token.client_id, seconds, token.family, token.sequence + 1)

    def use(self, token: RefreshToken) -> None:
        self.used.append(token)
        self.refresh.remove(token)

    def shift(self, name: str | None, seconds: int) -> None:
        self.world.shift(seconds, name)
        self.has_gone_back |= seconds < 0

    def wait(self, _: str, seconds: int) -> None:
        self.world.wall.shift(abs(seconds))

    def freeze(self, name: str, _: int) -> None:
        self.world.simulation.set_clock(name, clock.freeze)

    def resume(self, name: str, _: int) -> None:
        self.world.simulation.set_clock(name, clock.resume)

    def check(self) -> None:
        """Whatever was rejected once stays rejected."""
        assert not any(map(self.world.accepts, self.rejected))
        self.rejected += [token for token in self.valid if not self.world.accepts(token)]
        self.valid = [token for token in self.valid if token not in self.rejected]
        for token in self.used:
            rejected = self.world.key(token.client_id).rejection_reason(token)
            assert rejected or not self.world.use_up(token, self.policy)


Step = Callable[[Lives, str, int], None]
STEPS: list[Step] = [
    *(Lives.issue, Lives.issue, Lives.revoke, Lives.revoke_family, Lives.use_up, Lives.shift),
    *(Lives.wait, Lives.freeze, Lives.resume, lambda lives, _, seconds: lives.shift(None, seconds)),
]
steps = st.tuples(st.sampled_from(STEPS), st.sampled_from("ab"), st.integers(-60, 60))
Steps = list[tuple[Step, str, int]]
ISSUE, REVOKE = (Lives.issue, "a", 30), (Lives.revoke, "a", 0)
USE_UP, REVOKE_FAMILY = (Lives.use_up, "a", 0), (Lives.revoke_family, "a", 0)
WAIT, BACK = (Lives.wait, "a", 30), (Lives.shift, "a", -30)


@given(bound=st.integers(1, 8), rotation=st.booleans(), taken=st.lists(steps, max_size=40))
@example(bound=1, rotation=True, taken=[ISSUE, ISSUE, REVOKE, WAIT, REVOKE, BACK, BACK])
@example(bound=1, rotation=True, taken=[ISSUE, USE_UP, WAIT, ISSUE, REVOKE, BACK])
@example(bound=1, rotation=False, taken=[ISSUE, USE_UP, REVOKE_FAMILY, WAIT, BACK])
def test_rejected_tokens_never_come_back_whatever_clocks_do(bound: int, rotation: bool, taken: Steps) -> None:
    lives = Lives(bound, rotation=rotation)
    for step, name, seconds in taken:
        step(lives, name, seconds)
        lives.check()


@given(used=st.integers(0, 300), size=st.integers(0, 2**22), most=st.integers(0, 300))
def test_eight_writers_find_room_without_reading_the_usage(used: int, size: int, most: int) -> None:
    bound = Usage(records=most, size=2**21)
    unread = writes_with_room(bound, Usage(used, size))
    assert 0 <= unread <= 64
    assert unread == 0 or not is_exceeded(bound, Usage(used + 8 * unread, size + 8 * unread * 2**14))
