"""The repository: records come back, each refresh token works once, and API keys own their records."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockmoov.oauth.grants import RefreshPolicy
from mockmoov.oauth.records import (
    REVOKED,
    USED,
    AccessToken,
    ApiKey,
    IssuerKeys,
    RefreshToken,
    TokenFamily,
    TokenFloor,
)
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.repository import Repository, _read_origins_and_secret
from mockmoov.storage.store import StoreError
from tests.support.forgetting import few
from tests.support.records import ACCESS_TOKEN, API_KEY, REFRESH_TOKEN
from tests.support.servers import NOW, Clock
from tests.support.stores import OvertakenStore

STRICT = RefreshPolicy(rotation=True, reuse_detection=True, grace=0)
EXPIRY = NOW + 1000
ISSUER_KEYS = IssuerKeys(private_key="private", refresh_secret="secret")
KEY = replace(API_KEY, epoch="e", client_id="a", account_id="account of a")


def new_repository(*api_keys: ApiKey, store: MemoryStore | None = None) -> Repository:
    """A repository that was reset with these API keys."""
    repository = Repository(store or MemoryStore())
    repository.reset(ISSUER_KEYS, api_keys)
    return repository


def key_of(client_id: str, **members: Any) -> ApiKey:
    return replace(KEY, **{"client_id": client_id, "account_id": f"account of {client_id}", **members})


def refresh_token(sequence: int = 0, family: str = "family", client_id: str = "a") -> RefreshToken:
    times = {"issued_at": int(NOW), "expires_at": int(EXPIRY)}
    return replace(REFRESH_TOKEN, client_id=client_id, family=family, sequence=sequence, epoch="e", **times)


def access_token(jti: str = "jti", client_id: str = "a", expires_at: float = EXPIRY) -> AccessToken:
    return replace(ACCESS_TOKEN, client_id=client_id, jti=jti, epoch="e", expires_at=expires_at, claims={})


def consume(
    repository: Repository, sequence: int, *, now: float = NOW, policy: RefreshPolicy = STRICT
) -> bool:
    token = refresh_token(sequence)
    return repository.consume_refresh_token(token, now=now, policy=policy, expires_at=EXPIRY) == ""


# --- records ----------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]))
api_keys = st.builds(
    ApiKey,
    origins=st.lists(texts, max_size=3).map(tuple),
    scopes=st.none() | st.lists(texts, max_size=3).map(tuple),
    grants=st.lists(texts, max_size=3).map(tuple),
    enabled=st.booleans(),
    floor=st.builds(TokenFloor, issued_at=st.floats(0, 1e12), expires_at=st.floats(0, 1e12)),
    **dict.fromkeys(("client_id", "client_secret", "account_id", "application_id", "epoch"), texts),
)
key_lists = st.lists(api_keys, max_size=3, unique_by=lambda key: key.client_id)
issuer_keys = st.builds(
    IssuerKeys, private_key=texts, refresh_secret=texts, retired=st.lists(texts, max_size=3).map(tuple)
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=5,
)


@given(keys=key_lists, names=st.lists(texts))
def test_api_keys_are_found_in_the_order_of_the_names(keys: list[ApiKey], names: list[str]) -> None:
    repository = new_repository()
    assert all(map(repository.create_api_key, keys))
    by_id = {key.client_id: key for key in keys}
    names = [*reversed(by_id), *names]
    assert repository.api_keys(names) == [by_id[name] for name in names if name in by_id]
    assert repository.all_api_keys() == keys


@given(before=issuer_keys, after=issuer_keys)
def test_issuer_keys_are_replaced_by_a_change_of_them(before: IssuerKeys, after: IssuerKeys) -> None:
    repository, seen = new_repository(), list[IssuerKeys]()
    repository.reset(before, [])
    assert repository.signing_keys() == before
    assert repository.change_signing_keys(lambda keys: seen.append(keys) or after) == after  # type: ignore[func-returns-value]
    assert (repository.signing_keys(), seen) == (after, [before])


@given(claims=st.dictionaries(texts, json_values, max_size=3), fingerprint=texts)
def test_claims_of_an_opaque_token_come_back(claims: dict[str, object], fingerprint: str) -> None:
    repository = new_repository()
    assert repository.opaque_token(fingerprint) is None
    repository.put_opaque_token(fingerprint, claims, client_id="a", now=NOW, expires_at=EXPIRY)
    assert repository.opaque_token(fingerprint) == claims


@given(*[st.floats(NOW, 1e12)] * 2, *[st.floats(0, 1e12)] * 2)
@example(NOW + 2, NOW + 1, EXPIRY + 2, EXPIRY + 1)
@example(NOW + 1, NOW + 2, EXPIRY + 1, EXPIRY + 2)
def test_times_of_a_family_never_move_back(used: float, revoked: float, first: float, second: float) -> None:
    repository = new_repository(KEY)
    assert repository.family("family") == TokenFamily()
    assert repository.consume_refresh_token(refresh_token(), now=used, policy=STRICT, expires_at=first) == ""
    family = TokenFamily(sequence=1, rotated_at=used, issued_at=used, expires_at=first)
    assert repository.family("family") == family
    repository.revoke_family(refresh_token(), now=revoked, expires_at=second)
    times = {"issued_at": max(used, revoked), "expires_at": max(first, second)}
    assert repository.family("family") == replace(family, revoked=True, **times)
    assert repository.family("another") == TokenFamily()


# --- refresh tokens ---------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [STRICT, replace(STRICT, reuse_detection=False)])
def test_one_of_many_threads_uses_a_refresh_token(policy: RefreshPolicy) -> None:
    repository, start = new_repository(KEY), Barrier(20)

    def present(_: int) -> bool:
        start.wait(timeout=60)
        return consume(repository, 0, policy=policy)

    with ThreadPoolExecutor(20) as pool:
        won = list(pool.map(present, range(20)))
    assert won.count(True) == 1
    family = repository.family("family")
    assert (family.sequence, family.revoked) == (1, policy.reuse_detection)


def test_refresh_tokens_work_in_turn_and_a_replay_revokes() -> None:
    repository = new_repository(KEY)
    assert not repository.is_revoked(jti="any", family="family")
    works = [consume(repository, sequence) for sequence in (0, 1, 2, 4, 3)]
    assert works == [True, True, True, False, False]
    assert repository.is_revoked(jti="any", family="family")


def test_refused_refresh_token_comes_with_the_reason() -> None:
    repository = new_repository(KEY)
    use = partial(repository.consume_refresh_token, now=NOW, policy=STRICT, expires_at=EXPIRY)
    assert [use(refresh_token(sequence)) for sequence in (0, 0, 1)] == ["", USED, REVOKED]
    repository.change_api_key("a", lambda key: replace(key, floor=TokenFloor(issued_at=NOW)))
    assert "may have been revoked" in use(refresh_token(family="another"))
    repository.reset_api_key("a", epoch="later")
    assert "its API key was reset" in use(refresh_token(family="another"))


def test_token_below_the_floor_can_be_revoked_with_its_family() -> None:
    repository = new_repository(KEY)
    assert consume(repository, 0, now=NOW + 10)
    repository.change_api_key("a", lambda key: replace(key, floor=TokenFloor(issued_at=NOW)))
    assert not consume(repository, 0, now=NOW + 11)
    assert not repository.is_revoked(jti="new", family="family")
    repository.revoke_family(refresh_token(), now=NOW + 12, expires_at=EXPIRY)
    assert repository.is_revoked(jti="new", family="family")


@pytest.mark.parametrize("sequence", [0, 1])
def test_use_is_overtaken_by_a_reset_of_the_key(sequence: int) -> None:
    store = OvertakenStore()
    repository = new_repository(KEY, store=store)
    for earlier in range(sequence):
        assert consume(repository, earlier)
    name = "api-key:a"
    seen = dict(zip([name], store.get_many([name]), strict=True))
    store.before["compare_and_swap"] = partial(repository.reset_api_key, "a", epoch="later")
    token = refresh_token(sequence)
    reason = repository.consume_refresh_token(token, now=NOW, policy=STRICT, expires_at=EXPIRY, seen=seen)
    assert "its API key was reset" in reason
    assert repository.family("family") == TokenFamily()


def test_harmless_change_of_the_key_lets_a_use_through() -> None:
    store = OvertakenStore()
    repository = new_repository(KEY, store=store)
    disable = partial(replace, enabled=False)
    store.before["compare_and_swap"] = lambda: repository.change_api_key("a", disable)
    assert consume(repository, 0)


def test_overtaken_use_and_revocation_revoke_the_family() -> None:
    acts: list[tuple[Callable[[Repository], object], object]] = [
        (lambda repository: consume(repository, 0), False),
        (lambda repository: repository.revoke_family(refresh_token(), now=NOW, expires_at=EXPIRY), None),
    ]
    for act, answer in acts:
        store = OvertakenStore()
        repository = new_repository(KEY, store=store)
        store.before["compare_and_swap"] = partial(consume, repository, 0)
        assert act(repository) is answer
        family = repository.family("family")
        assert (family.sequence, family.revoked) == (1, True)
        assert not consume(repository, 1)


@pytest.mark.parametrize("back", [0, 100])
def test_family_is_as_new_as_its_token_on_a_clock_moved_back(back: float) -> None:
    repository, now = new_repository(KEY), NOW - back
    repository.revoke_family(refresh_token(), now=now, expires_at=now + 10)
    issued_at = NOW - 0.5 if back else NOW
    assert repository.family("family") == TokenFamily(
        revoked=True, issued_at=issued_at, expires_at=issued_at + 10
    )


def test_without_rotation_only_times_are_recorded() -> None:
    repository, policy = new_repository(KEY), replace(STRICT, rotation=False)
    assert all(consume(repository, 0, policy=policy, now=NOW + later) for later in (0, 1, -0.5))
    assert repository.family("family") == TokenFamily(issued_at=NOW + 1, expires_at=EXPIRY)


def test_revoking_twice_changes_nothing() -> None:
    repository = new_repository(KEY)
    repository.revoke_family(refresh_token(), now=NOW, expires_at=EXPIRY)
    before = repository.family("family")
    repository.revoke_family(refresh_token(), now=NOW + 1, expires_at=EXPIRY + 1)
    assert repository.family("family") == before
    assert not any(consume(repository, sequence) for sequence in range(3))


def test_revoked_access_token_leaves_its_family_alone() -> None:
    repository = new_repository()
    repository.revoke_access_token(access_token("one"), now=NOW)
    assert repository.is_revoked(jti="one", family="family")
    assert not repository.is_revoked(jti="two", family="family")
    assert repository.family("family") == TokenFamily()


# --- which records are evicted ----------------------------------------------------------------------

Write = Callable[[Repository, str, float, float], object]
# Kinds of records that belong to an API key: how to write one, and whether it is there.
KINDS: dict[str, tuple[Write, Callable[[Repository, str], bool]]] = {
    "used-up refresh token": (
        lambda r, name, now, end: r.consume_refresh_token(
            refresh_token(family=f"used {name}", client_id=name), now=now, policy=STRICT, expires_at=end
        ),
        lambda r, name: r.family(f"used {name}").sequence == 1,
    ),
    "revoked family": (
        lambda r, name, now, end: r.revoke_family(
            refresh_token(family=f"revoked {name}", client_id=name), now=now, expires_at=end
        ),
        lambda r, name: r.family(f"revoked {name}").revoked,
    ),
    "revoked access token": (
        lambda r, name, now, end: r.revoke_access_token(access_token(name, name, end), now=now),
        lambda r, name: r.is_revoked(jti=name, family="none"),
    ),
    "opaque token": (
        lambda r, name, now, end: r.put_opaque_token(name, {}, client_id=name, now=now, expires_at=end),
        lambda r, name: r.opaque_token(name) is not None,
    ),
}


@given(offset=st.floats(-1e9, 1e9), lifetime=st.integers(1, 10**8), wait=st.floats(0, 1e12))
def test_nothing_is_evicted_while_there_is_room(offset: float, lifetime: int, wait: float) -> None:
    for kind, (write, is_kept) in KINDS.items():
        wall = Clock()
        repository = Repository(MemoryStore(), wall=wall, bound=few(3))
        write(repository, "a", NOW + offset, NOW + offset + lifetime)
        wall.shift(wait)
        for jti in ("one", "two"):
            repository.revoke_access_token(access_token(jti, expires_at=wall.now), now=wall.now)
        assert is_kept(repository, "a"), kind
        repository.reset_api_key("a", epoch="new")
        assert not is_kept(repository, "a"), kind


@given(offset=st.floats(0, 1e9), lifetime=st.integers(1, 10**8))
def test_expired_records_are_evicted_beyond_the_bound(offset: float, lifetime: int) -> None:
    for kind, (write, is_kept) in KINDS.items():
        wall = Clock()
        repository = Repository(MemoryStore(), wall=wall, bound=few(1))
        write(repository, "a", NOW + offset, NOW + offset + lifetime)
        wall.shift(offset + lifetime + 1)
        assert is_kept(repository, "a"), kind
        repository.revoke_access_token(access_token("live", expires_at=wall.now + 1), now=wall.now)
        assert not is_kept(repository, "a"), kind
        assert repository.is_revoked(jti="live", family="none")


def test_keys_and_buckets_are_never_evicted() -> None:
    wall = Clock()
    repository = Repository(MemoryStore(), wall=wall, bound=few(1))
    first, second = key_of("first"), key_of("second")
    repository.reset(ISSUER_KEYS, [first])
    assert repository.create_api_key(second)
    changed = repository.change_signing_keys(lambda keys: replace(keys, retired=("retired",)))
    assert repository.take_request(first, now=NOW, rate=1) == 0
    wall.shift(1e12)
    for jti in "abc":
        repository.revoke_access_token(access_token(jti), now=wall.now)
    assert repository.signing_keys() == changed
    assert repository.api_keys(["first", "second"]) == repository.all_api_keys() == [first, second]
    assert repository.take_request(first, now=NOW, rate=1) > 0


# --- API keys, and what belongs to them -------------------------------------------------------------


def use(repository: Repository, client_id: str) -> None:
    """Write one record of each kind that belongs to an API key."""
    for write, _ in KINDS.values():
        write(repository, client_id, NOW, EXPIRY)
    assert repository.take_request(key_of(client_id), now=NOW, rate=1) == 0


def traces(repository: Repository, client_id: str) -> list[bool]:
    """Of each kind of record, whether there is one that belongs to the key."""
    has_taken = repository.take_request(key_of(client_id), now=NOW, rate=1) > 0
    return [*(is_kept(repository, client_id) for _, is_kept in KINDS.values()), has_taken]


def test_client_id_is_created_once() -> None:
    store = OvertakenStore()
    repository = new_repository(key_of("a"), store=store)
    assert not repository.create_api_key(key_of("a", client_secret="another"))
    assert repository.all_api_keys() == [key_of("a")]
    store.before["forget"] = lambda: repository.create_api_key(key_of("b", client_secret="first"))
    assert not repository.create_api_key(key_of("b", client_secret="second"))
    assert repository.all_api_keys() == [key_of("a"), key_of("b", client_secret="first")]


def test_api_keys_are_listed_in_order_of_creation() -> None:
    repository = new_repository(key_of("c"), key_of("a"))
    repository.create_api_key(key_of("b"))
    repository.change_api_key("c", lambda key: replace(key, enabled=False))
    repository.reset_api_key("a", epoch="new")
    assert [key.client_id for key in repository.all_api_keys()] == ["c", "a", "b"]
    repository.delete_api_key("c")
    repository.create_api_key(key_of("c"))
    assert [key.client_id for key in repository.all_api_keys()] == ["a", "b", "c"]


@given(before=api_keys, after=api_keys)
def test_api_key_is_replaced_by_a_change_of_it(before: ApiKey, after: ApiKey) -> None:
    repository, after = new_repository(before), replace(after, client_id=before.client_id)
    changed = repository.change_api_key(before.client_id, lambda key: after if key == before else key)
    assert changed == after
    assert repository.api_keys([before.client_id]) == repository.all_api_keys() == [after]


def test_absent_api_key_is_not_changed_reset_or_deleted() -> None:
    repository = new_repository(key_of("a"))
    assert repository.change_api_key("b", lambda _: pytest.fail("there is nothing to change")) is None
    assert repository.reset_api_key("b", epoch="e") is None
    assert not repository.delete_api_key("b")
    assert repository.all_api_keys() == [key_of("a")]


def test_overtaken_change_is_applied_to_what_is_there_by_then() -> None:
    store = OvertakenStore()
    repository = new_repository(key_of("a", origins=()), store=store)

    def add_origin(name: str) -> ApiKey | None:
        return repository.change_api_key("a", lambda key: replace(key, origins=(*key.origins, name)))

    def retire(name: str) -> IssuerKeys:
        return repository.change_signing_keys(lambda keys: replace(keys, retired=(name, *keys.retired)))

    store.before["compare_and_swap"] = lambda: add_origin("first")
    assert add_origin("second") == key_of("a", origins=("first", "second"))
    store.before["compare_and_swap"] = lambda: retire("first")
    assert retire("second").retired == repository.signing_keys().retired == ("second", "first")
    store.before["compare_and_swap"] = lambda: repository.delete_api_key("a")
    assert add_origin("third") is None
    assert repository.all_api_keys() == []


def test_overtaken_reset_or_deletion_is_tried_again() -> None:
    store = OvertakenStore()
    repository = new_repository(key_of("a", enabled=False), store=store)
    store.before["forget"] = lambda: repository.change_api_key("a", lambda key: replace(key, enabled=True))
    assert repository.reset_api_key("a", epoch="new") == key_of("a", epoch="new")
    store.before["forget"] = lambda: repository.reset_api_key("a", epoch="newer")
    assert repository.delete_api_key("a")
    assert repository.all_api_keys() == []


def test_deleted_or_reset_key_loses_all_its_records() -> None:
    repository = new_repository(key_of("a"), key_of("b"))
    use(repository, "b")
    use(repository, "a")
    assert repository.reset_api_key("a", epoch="new") == key_of("a", epoch="new")
    assert repository.all_api_keys() == [key_of("a", epoch="new"), key_of("b")]
    assert (traces(repository, "a"), traces(repository, "b")) == ([False] * 5, [True] * 5)
    repository.reset_api_key("a", epoch="e")
    use(repository, "a")
    assert repository.delete_api_key("a")
    assert repository.all_api_keys() == [key_of("b")]
    assert (traces(repository, "a"), traces(repository, "b")) == ([False] * 5, [True] * 5)


@given(keys=key_lists, new=issuer_keys)
def test_reset_leaves_only_what_it_was_given(keys: list[ApiKey], new: IssuerKeys) -> None:
    repository = new_repository(key_of("a"), key_of("b"))
    use(repository, "a")
    repository.reset(new, iter(keys))
    assert (repository.signing_keys(), repository.all_api_keys()) == (new, keys)
    assert traces(repository, "a") == [False] * 5


@given(before=key_lists, configured=key_lists, stored=issuer_keys, new=issuer_keys)
def test_missing_keys_are_put_and_others_stay(
    before: list[ApiKey], configured: list[ApiKey], stored: IssuerKeys, new: IssuerKeys
) -> None:
    repository = Repository(MemoryStore())
    repository.put_missing(stored, before)
    assert (repository.signing_keys(), repository.all_api_keys()) == (stored, before)
    repository.put_missing(new, configured)
    known = {key.client_id for key in before}
    added = [key for key in configured if key.client_id not in known]
    assert (repository.signing_keys(), repository.all_api_keys()) == (stored, [*before, *added])


def test_overtaken_start_overwrites_nothing() -> None:
    store = OvertakenStore()
    first, second = Repository(store), Repository(store)
    store.before["compare_and_swap"] = lambda: first.put_missing(ISSUER_KEYS, [key_of("a")])
    second.put_missing(replace(ISSUER_KEYS, private_key="another"), [key_of("a", epoch="another")])
    assert (second.signing_keys(), second.all_api_keys()) == (ISSUER_KEYS, [key_of("a")])


# --- origins ----------------------------------------------------------------------------------------

ORIGINS = st.lists(st.sampled_from(["https://a.example", "https://b.example", "http://c.example:1"]))
CHANGES: dict[str, Callable[[Repository, ApiKey], object]] = {
    "create": Repository.create_api_key,
    "change": lambda r, key: r.change_api_key(key.client_id, partial(replace, origins=key.origins)),
    "delete": lambda r, key: r.delete_api_key(key.client_id),
    "reset": lambda r, key: r.reset_api_key(key.client_id, epoch="new"),
    "reset all": lambda r, key: r.reset(ISSUER_KEYS, [key]),
}


@given(st.lists(st.tuples(st.sampled_from([*CHANGES]), st.sampled_from("abc"), ORIGINS), max_size=12))
@example([("create", "a", ["http://x"]), ("change", "a", ["http://y"]), ("delete", "a", [])])
@example([("create", "a", ["http://x"]), ("reset", "a", []), ("reset all", "b", ["http://z"])])
def test_origins_are_those_of_the_present_keys(changes: list[tuple[str, str, list[str]]]) -> None:
    repository = new_repository()
    for change, name, origins in changes:
        CHANGES[change](repository, key_of(name, origins=tuple(origins)))
        keys = repository.all_api_keys()
        assert repository.count_api_keys() == len(keys)
        assert repository.origins() == {origin for key in keys for origin in key.origins}


def test_only_written_keys_are_read_again_for_their_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    keys = [key_of(str(number), origins=(f"https://{number}.example",)) for number in range(9)]
    repository = new_repository(*keys, store=store)
    before, misses = repository.origins(), _read_origins_and_secret.cache_info().misses
    assert len(before) == 9
    use(repository, "1")
    assert repository.origins() is before
    repository.change_api_key("7", lambda key: replace(key, origins=("https://seven.example",)))
    repository.create_api_key(key_of("new", origins=("https://new.example",)))
    assert {"https://seven.example", "https://new.example"} <= repository.origins()
    assert _read_origins_and_secret.cache_info().misses == misses + 2
    monkeypatch.setattr(store, "scan", lambda _: pytest.fail("this grows with the number of keys"))
    assert repository.create_api_key(key_of("b"))
    assert repository.count_api_keys() == 11


@pytest.mark.parametrize("method", ["version", "scan"])
def test_origin_registered_while_they_are_read_is_known_next(method: str) -> None:
    store = OvertakenStore()
    repository = new_repository(key_of("a", origins=()), store=store)
    store.after[method] = lambda: repository.create_api_key(key_of("b", origins=("https://b.example",)))
    repository.origins()
    assert repository.origins() == {"https://b.example"}


# --- rate limit -------------------------------------------------------------------------------------


@given(rate=st.integers(1, 9), ahead=st.just(0.0) | st.floats(1, 1e8))
@example(rate=1, ahead=0.0)
@example(rate=2, ahead=5.0)
def test_keys_of_one_account_share_a_bucket_across_clocks(rate: int, ahead: float) -> None:
    repository = new_repository()
    first, second = (key_of(name, account_id="shared") for name in "ab")
    assert [repository.take_request(first, now=NOW + ahead, rate=rate) for _ in range(rate)] == [0] * rate
    wait = repository.take_request(second, now=NOW, rate=rate)
    assert wait == pytest.approx(1 / rate)
    assert repository.take_request(second, now=NOW + wait + 1e-6, rate=rate) == 0
    assert repository.take_request(key_of("another"), now=NOW, rate=rate) == 0


@pytest.mark.parametrize(("rate", "passes"), [(1, False), (2, True)])
def test_overtaken_request_is_counted_after_the_other(rate: int, passes: bool) -> None:
    store = OvertakenStore()
    repository = new_repository(store=store)
    store.before["compare_and_swap"] = lambda: repository.take_request(KEY, now=NOW, rate=rate)
    assert (repository.take_request(KEY, now=NOW, rate=rate) == 0) == passes
    assert repository.take_request(KEY, now=NOW, rate=rate) > 0


def test_key_is_changed_though_its_exchanges_cannot_be_removed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: str | None = None) -> None:
        raise StoreError("the disk is full")

    store = MemoryStore()
    repository = new_repository(KEY, store=store)
    monkeypatch.setattr(store.journal, "clear", fail)
    assert repository.delete_api_key("a")
    assert repository.all_api_keys() == []
    assert caplog.messages == ["the exchanges of API key a are left in the journal: the disk is full"]
