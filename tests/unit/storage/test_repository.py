"""The repository: records come back as they went, one use of a refresh token, nothing forgotten too early."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, Event
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mockmoov.config.settings import load
from mockmoov.oauth.grants import RefreshPolicy
from mockmoov.oauth.records import AccessToken, ApiKey, IssuerKeys, RefreshToken, TokenFamily, TokenFloor
from mockmoov.simulation import clock
from mockmoov.storage.eviction import MAX_USAGE, TokenTimes
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.repository import Repository, _read_origins
from tests.support.contract_fixtures import Send
from tests.support.forgetting import bounded_server, few
from tests.support.servers import CLIENT_ID, NOW, Clock, basic, bearer, post_form, sender

STRICT = RefreshPolicy(rotation=True, reuse_detection=True, grace=0)
EXPIRY = NOW + 1000
SIGNING_KEYS = IssuerKeys(private_key="private", refresh_secret="secret")
KEY = replace(load().api_keys[0], epoch="e")


class OvertakenStore(MemoryStore):
    """A store in which somebody else writes once, just before the first swap."""

    overtake: Callable[[], object] | None = None

    def compare_and_swap(
        self, key: str, expected: bytes | None, value: bytes, *, group: str, times: TokenTimes | None = None
    ) -> bool:
        overtake, self.overtake = self.overtake, None
        if overtake:
            overtake()
        return super().compare_and_swap(key, expected, value, group=group, times=times)


def new_repository() -> Repository:
    return Repository(MemoryStore())


def filled_repository(*api_keys: ApiKey, store: MemoryStore | None = None) -> Repository:
    """A repository that was begun with these API keys."""
    repository = Repository(store or MemoryStore())
    repository.reset(SIGNING_KEYS, api_keys)
    return repository


def key_of(client_id: str, **members: Any) -> ApiKey:
    return replace(KEY, **{"client_id": client_id, "account_id": f"account of {client_id}", **members})


def token(sequence: int = 0, family: str = "family", client_id: str = "a") -> RefreshToken:
    return RefreshToken(
        client_id=client_id,
        epoch="e",
        family=family,
        sequence=sequence,
        scope="/ping.read",
        client_type="web",
        issued_at=int(NOW),
        expires_at=int(EXPIRY),
    )


def access_token(jti: str = "jti", client_id: str = "a", expires_at: float = EXPIRY) -> AccessToken:
    return AccessToken(
        client_id=client_id,
        epoch="e",
        family="family",
        client_type="web",
        jti=jti,
        scope="/ping.read",
        audiences=(),
        expires_at=expires_at,
        claims={},
    )


def consume(
    repository: Repository, sequence: int, *, now: float = NOW, policy: RefreshPolicy = STRICT
) -> bool:
    return repository.consume_refresh_token(token(sequence), now=now, policy=policy, expires_at=EXPIRY)


# --- records ------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]))
api_keys = st.builds(
    ApiKey,
    client_id=texts,
    client_secret=texts,
    account_id=texts,
    application_id=texts,
    origins=st.lists(texts).map(tuple),
    scopes=st.none() | st.lists(texts).map(tuple),
    grants=st.lists(texts).map(tuple),
    enabled=st.booleans(),
    epoch=texts,
    floor=st.builds(TokenFloor, issued_at=st.floats(0, 1e12), expires_at=st.floats(0, 1e12)),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=5,
)


signing_keys = st.builds(
    IssuerKeys, private_key=texts, refresh_secret=texts, retired=st.lists(texts, max_size=3).map(tuple)
)


@given(api_key=api_keys)
def test_an_api_key_comes_back_as_it_was_created(api_key: ApiKey) -> None:
    repository = new_repository()
    assert repository.create_api_key(api_key)
    assert repository.api_keys([api_key.client_id]) == [api_key]


@given(keys=st.lists(api_keys, max_size=4, unique_by=lambda key: key.client_id), asked=st.lists(texts))
def test_of_the_keys_that_are_asked_for_those_that_exist_come_in_that_order(
    keys: list[ApiKey], asked: list[str]
) -> None:
    repository = new_repository()
    assert all(repository.create_api_key(key) for key in keys)
    by_id = {key.client_id: key for key in keys}
    names = [*reversed(by_id), *asked]
    assert repository.api_keys(names) == [by_id[name] for name in names if name in by_id]


@given(before=signing_keys, after=signing_keys)
def test_signing_keys_come_back_as_they_were_and_are_replaced_by_what_a_change_makes_of_them(
    before: IssuerKeys, after: IssuerKeys
) -> None:
    repository, seen = new_repository(), []

    def change(keys: IssuerKeys) -> IssuerKeys:
        seen.append(keys)
        return after

    repository.reset(before, [])
    assert repository.signing_keys() == before
    assert repository.change_signing_keys(change) == after
    assert repository.signing_keys() == after
    assert seen == [before]


def test_a_change_of_signing_keys_that_is_overtaken_is_made_of_what_is_there_by_then() -> None:
    store = OvertakenStore()
    repository = filled_repository(store=store)

    def add(name: str) -> IssuerKeys:
        return repository.change_signing_keys(lambda keys: replace(keys, retired=(name, *keys.retired)))

    store.overtake = lambda: add("first")
    assert add("second").retired == ("second", "first")
    assert repository.signing_keys().retired == ("second", "first")


@given(claims=st.dictionaries(texts, json_values), fingerprint=texts)
def test_the_claims_of_an_opaque_token_come_back_as_they_were(
    claims: dict[str, object], fingerprint: str
) -> None:
    repository = new_repository()
    assert repository.opaque_token(fingerprint) is None
    repository.put_opaque_token(fingerprint, claims, client_id="a", now=NOW, expires_at=EXPIRY)
    assert repository.opaque_token(fingerprint) == claims


@given(
    now=st.floats(NOW, 1e12),
    then=st.floats(NOW, 1e12),
    expires_at=st.floats(0, 1e12),
    earlier=st.floats(0, 1e12),
)
def test_a_family_comes_back_as_it_was_and_its_times_never_move_back(
    now: float, then: float, expires_at: float, earlier: float
) -> None:
    repository = new_repository()
    assert repository.family("family") == TokenFamily()
    assert repository.consume_refresh_token(token(), now=now, policy=STRICT, expires_at=expires_at)
    assert repository.family("family") == TokenFamily(
        sequence=1, rotated_at=now, issued_at=now, expires_at=expires_at
    )
    repository.revoke_family(token(), now=then, expires_at=earlier)
    assert repository.family("family") == TokenFamily(
        sequence=1,
        rotated_at=now,
        revoked=True,
        issued_at=max(now, then),
        expires_at=max(expires_at, earlier),
    )
    assert repository.family("another") == TokenFamily()


# --- refresh tokens ---------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [STRICT, replace(STRICT, reuse_detection=False)])
def test_of_fifty_threads_that_use_one_refresh_token_one_wins(policy: RefreshPolicy) -> None:
    repository, start = new_repository(), Barrier(50)

    def present(_: int) -> bool:
        start.wait(timeout=60)
        return consume(repository, 0, policy=policy)

    with ThreadPoolExecutor(50) as pool:
        won = list(pool.map(present, range(50)))
    assert won.count(True) == 1
    family = repository.family("family")
    assert (family.sequence, family.revoked) == (1, policy.reuse_detection)


@given(st.lists(st.integers(0, 4), max_size=12), st.booleans())
def test_a_refresh_token_is_good_once_in_its_turn_and_a_replay_revokes(
    presented: list[int], reuse_detection: bool
) -> None:
    repository = new_repository()
    good, revoked = 0, False
    for sequence in presented:
        won = consume(repository, sequence, policy=replace(STRICT, reuse_detection=reuse_detection))
        assert won == (sequence == good and not revoked)
        revoked = revoked or (reuse_detection and not won)
        good += won
    assert repository.family("family").revoked == revoked
    assert repository.is_revoked(jti="any", family="family") == revoked


def test_who_is_overtaken_on_the_way_to_the_store_is_a_replay() -> None:
    store = OvertakenStore()
    repository = Repository(store)
    store.overtake = lambda: consume(repository, 0)
    assert not consume(repository, 0)
    assert repository.family("family").revoked


def test_a_revocation_that_is_overtaken_by_a_refresh_revokes_all_the_same() -> None:
    store = OvertakenStore()
    repository = Repository(store)
    store.overtake = lambda: consume(repository, 0)
    repository.revoke_family(token(), now=NOW, expires_at=EXPIRY)
    assert (repository.family("family").sequence, repository.family("family").revoked) == (1, True)
    assert not consume(repository, 1)


def test_a_replay_within_the_grace_period_is_refused_and_revokes_nothing() -> None:
    repository, policy = new_repository(), replace(STRICT, grace=10)
    assert consume(repository, 0, policy=policy)
    assert not consume(repository, 0, policy=policy, now=NOW + 9.9)
    assert consume(repository, 1, policy=policy, now=NOW + 9.9)
    assert not consume(repository, 1, policy=policy, now=NOW + 19.9)
    assert repository.family("family").revoked


@pytest.mark.parametrize("back", [0, 100])
def test_a_family_is_as_new_as_its_newest_token_although_the_clock_was_moved_back(back: float) -> None:
    repository, now = new_repository(), NOW - back
    repository.revoke_family(token(), now=now, expires_at=now + 10)
    assert repository.family("family") == TokenFamily(
        revoked=True, issued_at=NOW - 0.5 if back else NOW, expires_at=NOW + 10 - (0.5 if back else 0)
    )


def test_without_rotation_a_refresh_token_stays_good_and_the_record_has_only_times() -> None:
    repository, policy = new_repository(), replace(STRICT, rotation=False)
    assert all(consume(repository, 0, policy=policy, now=NOW + later) for later in (0, 1, -0.5))
    assert repository.family("family") == TokenFamily(issued_at=NOW + 1, expires_at=EXPIRY)


def test_nothing_of_a_revoked_family_can_be_used_and_revoking_again_changes_nothing() -> None:
    repository = new_repository()
    repository.revoke_family(token(), now=NOW, expires_at=EXPIRY)
    before = repository.family("family")
    repository.revoke_family(token(), now=NOW + 1, expires_at=EXPIRY + 1)
    assert repository.family("family") == before
    assert not any(consume(repository, sequence) for sequence in range(3))


def test_a_revoked_access_token_takes_nothing_else_with_it() -> None:
    repository = new_repository()
    repository.revoke_access_token(access_token("one"), now=NOW)
    assert repository.is_revoked(jti="one", family="family")
    assert not repository.is_revoked(jti="two", family="family")
    assert repository.family("family") == TokenFamily()


# --- what is forgotten ------------------------------------------------------------------------------

WRITES: dict[str, tuple[Callable[[Repository, float, float], object], Callable[[Repository], bool]]] = {
    "used-up refresh token": (
        lambda r, now, end: r.consume_refresh_token(token(), now=now, policy=STRICT, expires_at=end),
        lambda r: r.family("family").sequence == 1,
    ),
    "revoked family": (
        lambda r, now, end: r.revoke_family(token(), now=now, expires_at=end),
        lambda r: r.family("family").revoked,
    ),
    "revoked access token": (
        lambda r, now, end: r.revoke_access_token(access_token(expires_at=end), now=now),
        lambda r: r.is_revoked(jti="jti", family="family"),
    ),
    "opaque token": (
        lambda r, now, end: r.put_opaque_token("token", {}, client_id="a", now=now, expires_at=end),
        lambda r: r.opaque_token("token") is not None,
    ),
}


@pytest.mark.parametrize(("write", "remembered"), WRITES.values(), ids=WRITES)
@given(offset=st.floats(-1e9, 1e9), lifetime=st.integers(1, 10**8), wait=st.floats(0, 1e12))
def test_nothing_is_forgotten_while_there_is_room_however_long_ago_it_expired(
    write: Callable[[Repository, float, float], object],
    remembered: Callable[[Repository], bool],
    offset: float,
    lifetime: int,
    wait: float,
) -> None:
    wall = Clock()
    repository = Repository(MemoryStore(), wall=wall, bound=few(3))
    written_at = wall.now + offset
    write(repository, written_at, written_at + lifetime)
    wall.shift(wait)
    for jti in "ab":
        repository.revoke_access_token(access_token(jti, expires_at=wall.now), now=wall.now)
    assert remembered(repository)
    repository.reset_api_key("a", epoch="new")
    assert not remembered(repository)


@pytest.mark.parametrize(("write", "remembered"), WRITES.values(), ids=WRITES)
@given(offset=st.floats(0, 1e9), lifetime=st.integers(1, 10**8))
def test_beyond_the_bound_what_has_expired_is_forgotten(
    write: Callable[[Repository, float, float], object],
    remembered: Callable[[Repository], bool],
    offset: float,
    lifetime: int,
) -> None:
    wall = Clock()
    repository = Repository(MemoryStore(), wall=wall, bound=few(1))
    write(repository, wall.now + offset, wall.now + offset + lifetime)
    wall.shift(offset + lifetime + 1)
    assert remembered(repository)
    live = access_token("live", expires_at=wall.now + 1)
    repository.revoke_access_token(live, now=wall.now)
    assert not remembered(repository)
    assert repository.is_revoked(jti="live", family="none")


def test_signing_keys_api_keys_and_buckets_are_never_forgotten() -> None:
    wall = Clock()
    repository = Repository(MemoryStore(), wall=wall, bound=few(1))
    first, second = key_of("first"), key_of("second")
    repository.reset(SIGNING_KEYS, [first])
    assert repository.create_api_key(second)
    changed = repository.change_signing_keys(lambda keys: replace(keys, retired=("retired",)))
    assert repository.take_request(first, now=NOW, rate=1) == 0
    wall.shift(1e12)
    for jti in "abc":
        repository.revoke_access_token(access_token(jti), now=wall.now)
    assert repository.signing_keys() == changed
    assert repository.api_keys(["first", "second"]) == repository.all_api_keys() == [first, second]
    assert repository.take_request(first, now=NOW, rate=1) > 0


def pair_of(send: Send, **parameters: str) -> tuple[str, str] | None:
    status, _, body = post_form(send, "/oauth2/token", basic(), **parameters)
    members = json.loads(body)
    return (members["access_token"], members["refresh_token"]) if status == 200 else None


def mint_and_revoke(send: Send) -> None:
    pair = pair_of(send, grant_type="client_credentials", scope="/ping.read")
    assert pair
    assert post_form(send, "/oauth2/revoke", basic(), token=pair[1])[0] == 204


@settings(deadline=None)
@given(
    bound=st.integers(1, 8),
    offset=st.sampled_from([0.0, -1e9, 1e9]),
    access=st.integers(1, 50),
    refresh=st.integers(1, 50),
    token_format=st.sampled_from(["jwt", "opaque"]),
    rotation=st.sampled_from(["on", "off"]),
    steps=st.lists(st.integers(0, 30), max_size=4),
    revoke=st.booleans(),
    waits=st.lists(st.integers(-20, 20), max_size=6),
)
@example(
    bound=1, offset=0.0, access=50, refresh=50, token_format="jwt", rotation="off", steps=[0, 30],
    revoke=True, waits=[-20, 1],
)  # fmt: skip
@example(
    bound=1, offset=0.0, access=50, refresh=10, token_format="jwt", rotation="on", steps=[1], revoke=True,
    waits=[15, 0, -5],
)  # fmt: skip
def test_no_token_of_a_revoked_family_is_good_again_once_its_record_is_evicted(
    bound: int,
    offset: float,
    access: int,
    refresh: int,
    token_format: str,
    rotation: str,
    steps: list[int],
    revoke: bool,
    waits: list[int],
) -> None:
    wall = Clock()
    server = bounded_server(
        wall,
        few(bound),
        seed="seed",
        access_token_lifetime=access,
        refresh_token_lifetime=refresh,
        token_format=token_format,
        refresh_rotation=rotation,
    )
    server.simulation.set_clock(CLIENT_ID, partial(clock.shift, seconds=offset))
    send = sender(server)
    pair = pair_of(send, grant_type="client_credentials", scope="/ping.read")
    pairs = []
    while pair is not None:
        pairs.append(pair)
        if not steps:
            break
        wall.shift(steps.pop())
        pair = pair_of(send, grant_type="refresh_token", refresh_token=pair[1])
    server.simulation.set_clock(CLIENT_ID, partial(clock.shift, seconds=-15))
    latest = pairs[-1][1]
    if (
        revoke := revoke
        and server.validator.refresh_token(latest, server.simulation.now(CLIENT_ID)) is not None
    ):
        assert post_form(send, "/oauth2/revoke", basic(), token=latest)[0] == 204
    for wait in waits:
        if wait < 0:
            server.simulation.set_clock(CLIENT_ID, partial(clock.shift, seconds=wait))
        wall.shift(abs(wait))
        mint_and_revoke(send)
        for access_token, _ in pairs if revoke else ():
            assert send("GET", "/ping", [bearer(access_token)], b"")[0] == 401
        for _, used_up in pairs if revoke else pairs[:-1] if rotation == "on" else ():
            assert pair_of(send, grant_type="refresh_token", refresh_token=used_up) is None


MOVES = st.tuples(st.sampled_from(["wall", None, CLIENT_ID]), st.integers(-60, 60))


@settings(deadline=None)
@given(
    bound=st.none() | st.integers(1, 8),
    token_format=st.sampled_from(["jwt", "opaque"]),
    kind=st.sampled_from([0, 1]),
    moves=st.lists(MOVES, min_size=3, max_size=8),
)
@example(bound=1, token_format="jwt", kind=1, moves=[("wall", 0), ("wall", 30), (CLIENT_ID, -30)])
@example(bound=1, token_format="opaque", kind=1, moves=[("wall", 0), ("wall", 0), ("wall", 0)])
@example(bound=1, token_format="jwt", kind=0, moves=[("wall", 0), ("wall", 30), (None, -30)])
@example(
    bound=2, token_format="jwt", kind=0,
    moves=[(CLIENT_ID, 60), ("wall", 70), (CLIENT_ID, -60), (None, -70)],
)  # fmt: skip
def test_what_was_revoked_stays_dead_whichever_way_clocks_go_and_what_is_new_is_good(
    bound: int | None, token_format: str, kind: int, moves: list[tuple[str | None, int]]
) -> None:
    """At the bound, what is newer than all before is good as long as no clock was moved back."""
    wall = Clock()
    server = bounded_server(
        wall,
        MAX_USAGE if bound is None else few(bound),
        access_token_lifetime=10,
        refresh_token_lifetime=20,
        token_format=token_format,
    )
    send = sender(server)
    revoked: list[tuple[str, str]] = []
    went_back = False
    for owner, seconds in moves:
        if owner == "wall":
            wall.shift(abs(seconds))
        else:
            server.simulation.set_clock(owner, partial(clock.shift, seconds=seconds))
            went_back = went_back or seconds < 0
        for pair in revoked:
            assert send("GET", "/ping", [bearer(pair[0])], b"")[0] == 401
            assert kind == 0 or pair_of(send, grant_type="refresh_token", refresh_token=pair[1]) is None
        wall.shift(1)
        new = pair_of(send, grant_type="client_credentials", scope="/ping.read")
        assert new is not None
        if bound is None or not went_back:
            assert send("GET", "/ping", [bearer(new[0])], b"")[0] == 200
            # At a bound of 1 the record of this refresh evicts that of the opaque token.
            assert pair_of(send, grant_type="refresh_token", refresh_token=new[1]) or bound
        assert post_form(send, "/oauth2/revoke", basic(), token=new[kind])[0] == 204
        revoked.append(new)


def test_what_only_expired_is_good_again_when_its_clock_is_moved_back() -> None:
    wall = Clock()
    server = bounded_server(wall, MAX_USAGE, access_token_lifetime=10, refresh_token_lifetime=20)
    send = sender(server)
    pair = pair_of(send, grant_type="client_credentials", scope="/ping.read")
    assert pair is not None
    seen = []
    for owner, seconds in (("wall", 9), (CLIENT_ID, 60), (CLIENT_ID, -61), ("wall", 99), (CLIENT_ID, -99)):
        if owner == "wall":
            wall.shift(seconds)
        else:
            server.simulation.set_clock(owner, partial(clock.shift, seconds=seconds))
        seen.append(send("GET", "/ping", [bearer(pair[0])], b"")[0])
    assert seen == [200, 401, 200, 401, 200]


# --- API keys, and what belongs to them -----------------------------------------------------------


def use(repository: Repository, client_id: str) -> None:
    """Write one record of each kind that belongs to an API key."""
    consumed = token(family=f"used {client_id}", client_id=client_id)
    assert repository.consume_refresh_token(consumed, now=NOW, policy=STRICT, expires_at=EXPIRY)
    revoked = token(family=f"revoked {client_id}", client_id=client_id)
    repository.revoke_family(revoked, now=NOW, expires_at=EXPIRY)
    repository.revoke_access_token(access_token(f"jti {client_id}", client_id), now=NOW)
    repository.put_opaque_token(f"opaque {client_id}", {}, client_id=client_id, now=NOW, expires_at=EXPIRY)
    assert repository.take_request(key_of(client_id), now=NOW, rate=1) == 0


def traces(repository: Repository, client_id: str) -> list[bool]:
    """Of each kind of record, whether there is one that belongs to the key."""
    return [
        repository.family(f"used {client_id}") != TokenFamily(),
        repository.family(f"revoked {client_id}") != TokenFamily(),
        repository.is_revoked(jti=f"jti {client_id}", family="none"),
        repository.opaque_token(f"opaque {client_id}") is not None,
        repository.take_request(key_of(client_id), now=NOW, rate=1) > 0,
    ]


def test_a_key_with_a_client_id_that_there_is_already_is_not_created_and_changes_nothing() -> None:
    repository = filled_repository(key_of("a"))
    assert not repository.create_api_key(key_of("a", client_secret="another"))
    assert repository.all_api_keys() == [key_of("a")]


def test_of_fifty_threads_that_create_the_same_key_one_wins() -> None:
    repository, start = new_repository(), Barrier(50)

    def create(number: int) -> bool:
        start.wait(timeout=60)
        return repository.create_api_key(key_of("a", client_secret=str(number)))

    with ThreadPoolExecutor(50) as pool:
        won = list(pool.map(create, range(50)))
    assert won.count(True) == 1
    assert [key.client_secret for key in repository.all_api_keys()] == [str(won.index(True))]


def test_api_keys_are_listed_in_the_order_of_their_creation_whatever_changed_since() -> None:
    repository = filled_repository(key_of("c"), key_of("a"))
    repository.create_api_key(key_of("b"))
    repository.change_api_key("c", lambda key: replace(key, enabled=False))
    repository.reset_api_key("a", epoch="new")
    assert [key.client_id for key in repository.all_api_keys()] == ["c", "a", "b"]
    repository.delete_api_key("c")
    repository.create_api_key(key_of("c"))
    assert [key.client_id for key in repository.all_api_keys()] == ["a", "b", "c"]


@given(before=api_keys, after=api_keys)
def test_a_key_is_replaced_by_what_a_change_makes_of_it(before: ApiKey, after: ApiKey) -> None:
    repository, seen = new_repository(), []
    after = replace(after, client_id=before.client_id)

    def change(key: ApiKey) -> ApiKey:
        seen.append(key)
        return after

    repository.create_api_key(before)
    assert repository.change_api_key(before.client_id, change) == after
    assert repository.api_keys([before.client_id]) == repository.all_api_keys() == [after]
    assert seen == [before]


def test_a_key_that_is_not_there_is_neither_changed_nor_reset_nor_deleted() -> None:
    repository = filled_repository(key_of("a"))
    assert repository.change_api_key("b", lambda _: pytest.fail("there is nothing to change")) is None
    assert repository.reset_api_key("b", epoch="e") is None
    assert not repository.delete_api_key("b")
    assert repository.all_api_keys() == [key_of("a")]


def test_a_change_of_a_key_that_is_overtaken_is_made_of_what_is_there_by_then() -> None:
    store = OvertakenStore()
    repository = filled_repository(key_of("a"), store=store)

    def add(name: str) -> ApiKey | None:
        return repository.change_api_key("a", lambda key: replace(key, origins=(*key.origins, name)))

    store.overtake = lambda: add("first")
    add("second")
    assert repository.all_api_keys()[0].origins == (*KEY.origins, "first", "second")


def test_a_change_that_is_overtaken_by_a_deletion_brings_nothing_back() -> None:
    store = OvertakenStore()
    repository = filled_repository(key_of("a"), store=store)
    store.overtake = lambda: repository.delete_api_key("a")
    assert repository.change_api_key("a", lambda key: key) is None
    assert repository.all_api_keys() == []


def test_what_a_change_raises_comes_out_and_changes_nothing() -> None:
    repository = filled_repository(key_of("a"))

    def refuse(_: ApiKey) -> ApiKey:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        repository.change_api_key("a", refuse)
    assert repository.all_api_keys() == [key_of("a")]


def test_a_deleted_key_takes_all_that_belongs_to_it_and_nothing_else() -> None:
    repository = filled_repository(key_of("a"), key_of("b"))
    use(repository, "a")
    use(repository, "b")
    assert repository.delete_api_key("a")
    assert repository.api_keys(["a", "b"]) == repository.all_api_keys() == [key_of("b")]
    assert (traces(repository, "a"), traces(repository, "b")) == ([False] * 5, [True] * 5)
    assert not repository.delete_api_key("a")


def test_a_key_that_is_reset_loses_all_that_belongs_to_it_and_has_another_epoch() -> None:
    repository = filled_repository(key_of("a"), key_of("b"))
    use(repository, "a")
    use(repository, "b")
    assert repository.reset_api_key("a", epoch="new") == key_of("a", epoch="new")
    assert repository.all_api_keys() == [key_of("a", epoch="new"), key_of("b")]
    assert (traces(repository, "a"), traces(repository, "b")) == ([False] * 5, [True] * 5)


ORIGINS = st.lists(st.sampled_from(["https://a.example", "https://b.example", "http://c.example:1"])).map(
    tuple
)
CHANGES = st.tuples(
    st.sampled_from(["create", "change", "delete", "reset", "reset all"]), st.sampled_from("abc"), ORIGINS
)


@given(changes=st.lists(CHANGES, max_size=12))
def test_whatever_becomes_of_keys_their_origins_are_those_of_the_keys_that_there_are(
    changes: list[tuple[str, str, tuple[str, ...]]],
) -> None:
    repository = filled_repository()
    for what, name, origins in changes:
        key = key_of(name, origins=origins)
        match what:
            case "create":
                repository.create_api_key(key)
            case "change":
                repository.change_api_key(name, partial(replace, origins=origins))
            case "delete":
                repository.delete_api_key(name)
            case "reset":
                repository.reset_api_key(name, epoch="new")
            case "reset all":
                repository.reset(SIGNING_KEYS, [key])
        there = repository.all_api_keys()
        assert repository.count_api_keys() == len(there)
        assert repository.origins() == {origin for found in there for origin in found.origins}


def test_origins_are_not_read_anew_until_a_key_is_written() -> None:
    repository = filled_repository(key_of("a", origins=("https://a.example",)))
    before = repository.origins()
    use(repository, "a")
    assert repository.origins() is before
    repository.create_api_key(key_of("b", origins=("https://b.example",)))
    assert repository.origins() == {"https://a.example", "https://b.example"}


def test_of_many_keys_only_those_that_were_written_are_read_for_their_origins() -> None:
    repository = filled_repository(*(key_of(str(n), origins=(f"https://{n}.example",)) for n in range(100)))
    assert len(repository.origins()) == 100
    before = _read_origins.cache_info().misses
    repository.change_api_key("7", lambda key: replace(key, origins=("https://seven.example",)))
    repository.create_api_key(key_of("new", origins=("https://new.example",)))
    assert {"https://seven.example", "https://new.example"} <= repository.origins()
    assert _read_origins.cache_info().misses == before + 2


def test_creating_and_counting_keys_reads_no_other_key(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    repository = filled_repository(key_of("a"), store=store)
    monkeypatch.setattr(store, "scan", lambda _: pytest.fail("this grows with the number of keys"))
    assert repository.create_api_key(key_of("b"))
    assert repository.count_api_keys() == 2


def test_an_origin_is_known_as_soon_as_it_is_registered_whoever_asks_meanwhile() -> None:
    repository, done = filled_repository(), Event()

    def ask() -> None:
        while not done.is_set():
            repository.origins()

    def register(number: int) -> bool:
        origin = f"https://{number}.example"
        repository.create_api_key(key_of(str(number), origins=(origin,)))
        known = origin in repository.origins()
        repository.delete_api_key(str(number))
        return known and origin not in repository.origins()

    with ThreadPoolExecutor(4) as pool, ThreadPoolExecutor(4) as others:
        askers = [pool.submit(ask) for _ in range(4)]
        assert all(list(others.map(register, range(200))))
        done.set()
        assert [asker.result() for asker in askers] == [None] * 4


@given(keys=st.lists(api_keys, max_size=4, unique_by=lambda key: key.client_id), new=signing_keys)
def test_after_a_reset_there_is_what_it_was_given_and_nothing_else(
    keys: list[ApiKey], new: IssuerKeys
) -> None:
    repository = filled_repository(key_of("a"), key_of("b"))
    use(repository, "a")
    repository.reset(new, iter(keys))
    assert repository.signing_keys() == new
    assert repository.all_api_keys() == keys
    assert traces(repository, "a") == [False] * 5


# --- rate limit ---------------------------------------------------------------------------------


@given(rate=st.integers(1, 50), gaps=st.lists(st.floats(0, 2), max_size=60))
def test_a_bucket_passes_its_rate_at_once_and_then_what_it_gains(rate: int, gaps: list[float]) -> None:
    repository, now, passed = new_repository(), NOW, 0
    for gap in gaps:
        now += gap
        wait = repository.take_request(key_of("account"), now=now, rate=rate)
        assert 0 <= wait <= 1 / rate + 1e-6
        passed += wait == 0
    assert passed <= rate * (1 + now - NOW) + 1e-3
    assert repository.take_request(key_of("another"), now=now, rate=rate) == 0


def test_who_waits_as_long_as_told_passes() -> None:
    repository = new_repository()
    assert [repository.take_request(key_of("account"), now=NOW, rate=2) for _ in range(2)] == [0, 0]
    wait = repository.take_request(key_of("account"), now=NOW, rate=2)
    assert wait == pytest.approx(0.5)
    assert repository.take_request(key_of("account"), now=NOW + wait, rate=2) == 0


@given(rate=st.integers(1, 50), moves=st.lists(st.floats(-1e8, 1e8) | st.floats(-2, 2), max_size=40))
def test_whichever_way_a_clock_was_moved_who_waits_as_long_as_told_passes(
    rate: int, moves: list[float]
) -> None:
    repository, now = new_repository(), NOW
    for move in moves:
        now += move
        wait = repository.take_request(key_of("account"), now=now, rate=rate)
        assert 0 <= wait <= 1 / rate + 1e-6
        now += wait + 1e-6
        assert not wait or repository.take_request(key_of("account"), now=now, rate=rate) == 0


@given(rate=st.integers(1, 9), ahead=st.floats(1, 1e8))
def test_of_two_keys_of_an_account_the_one_that_is_behind_does_not_wait_for_the_one_ahead(
    rate: int, ahead: float
) -> None:
    repository = new_repository()
    first, second = (key_of(name, account_id="shared") for name in "ab")
    assert [repository.take_request(first, now=NOW + ahead, rate=rate) for _ in range(rate)] == [0] * rate
    wait = repository.take_request(second, now=NOW, rate=rate)
    assert wait == pytest.approx(1 / rate)
    assert repository.take_request(second, now=NOW + wait + 1e-6, rate=rate) == 0


def test_of_fifty_threads_as_many_pass_as_the_bucket_holds() -> None:
    repository, start = new_repository(), Barrier(50)

    def spend(_: int) -> float:
        start.wait(timeout=60)
        return repository.take_request(key_of("account"), now=NOW, rate=10)

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(spend, range(50))).count(0) == 10


@pytest.mark.parametrize(("rate", "passes"), [(1, False), (2, True)])
def test_who_is_overtaken_pays_after_the_one_that_overtook(rate: int, passes: bool) -> None:
    store = OvertakenStore()
    repository = Repository(store)
    store.overtake = lambda: repository.take_request(key_of("account"), now=NOW, rate=rate)
    assert (repository.take_request(key_of("account"), now=NOW, rate=rate) == 0) == passes
    assert repository.take_request(key_of("account"), now=NOW, rate=rate) > 0


def test_two_keys_of_one_account_spend_from_one_bucket() -> None:
    repository = new_repository()
    first, second = (key_of(name, account_id="shared") for name in "ab")
    assert repository.take_request(first, now=NOW, rate=1) == 0
    assert repository.take_request(second, now=NOW, rate=1) > 0
