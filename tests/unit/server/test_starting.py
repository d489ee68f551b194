"""Servers that start on one store agree, and a start clears nothing."""

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from secrets import token_bytes
from typing import Any

import pytest
from msgspec.structs import replace
from msgspec.structs import replace as replace_dataclass

from mockmoov.config.settings import Layer, load
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.oauth.responses import REASON_HEADER
from mockmoov.oauth.signing_keys import make_issuer_keys, private_key_from_seed, rotate
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.factory import create_server, signing_keys_maker
from mockmoov.server.starting import Found
from mockmoov.simulation.stubs import make_stub
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import SimulationState
from mockmoov.storage.sqlite import SqliteStore
from tests.support.servers import CLIENT_ID, Clock, another_key, bearer, new_server, sender
from tests.support.tokens import members, mint, ping, refresh, revoke

STARTS = 50
ENDPOINTS = ["listAccounts", "getAccount"]
STUBS = [{"endpoint": endpoint, "status": 404} for endpoint in ENDPOINTS]


def started(store: MemoryStore, **values: Any) -> AuthorizationServer:
    """A server that starts on a store."""
    settings, clock = load(Layer(settings=values)), Clock()
    state = SimulationState(store, wall=clock)
    return AuthorizationServer(
        settings, Repository(store, wall=clock), state, make_signing_keys=signing_keys_maker(settings)
    )


def together(*starts: Callable[[], AuthorizationServer]) -> list[AuthorizationServer]:
    """The servers of these starts, which happen at the same time."""
    servers, barrier = list[AuthorizationServer](), threading.Barrier(len(starts))

    def run(start: Callable[[], AuthorizationServer]) -> None:
        barrier.wait()
        servers.append(start())

    threads = [threading.Thread(target=run, args=(start,)) for start in starts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(servers) == len(starts)
    return servers


@pytest.mark.slow
def test_servers_that_start_together_agree() -> None:
    keys = [EXAMPLE, another_key()]
    for _ in range(STARTS):
        store = MemoryStore()
        servers = together(*[lambda store=store: started(store, api_keys=keys, stubs=STUBS)] * 3)
        token = mint(sender(servers[0]))
        for server in servers:
            assert ping(sender(server), token["access_token"]) == 200
            assert len(server.repository.all_api_keys()) == len(keys)
            assert [stub.endpoint for stub in server.simulation.stubs.read()] == ENDPOINTS


def test_later_start_loses_nothing() -> None:
    store = MemoryStore()
    server = started(store, stubs=STUBS)
    kept, revoked, used = (mint(sender(server)) for _ in range(3))
    renewed = members(refresh(sender(server), used["refresh_token"]))
    assert revoke(sender(server), revoked["access_token"])[0] == 204
    server.repository.change_api_key(CLIENT_ID, lambda key: replace(key, origins=("https://a.example",)))
    server.simulation.stubs.remove(None)
    before = server.repository.all_api_keys(), server.repository.signing_keys(), server.simulation.journal()
    later = started(store)
    assert (later.repository.all_api_keys(), later.repository.signing_keys()) == before[:2]
    assert later.simulation.journal() == before[2]
    assert later.simulation.stubs.read() == ()
    send = sender(later)
    tokens = (kept, revoked, renewed)
    assert [ping(send, token["access_token"]) for token in tokens] == [200, 401, 200]
    assert refresh(send, used["refresh_token"])[0] == 400


def test_keys_that_settings_name_are_as_they_say_and_keep_their_tokens() -> None:
    store = MemoryStore()
    first, second = EXAMPLE, another_key()
    server = started(store, api_keys=[first])
    pair = mint(sender(server))
    (stored,) = server.repository.all_api_keys()
    changed = {**first, "client_secret": "changed-in-the-settings", "grants": ["client_credentials"]}
    later = started(store, api_keys=[changed, second], seed="s")
    before, added = later.repository.all_api_keys()
    assert before == replace(stored, client_secret="changed-in-the-settings", grants=("client_credentials",))
    assert added.client_id == second["client_id"]
    keys = later.repository.signing_keys()
    assert keys.private_key == make_issuer_keys(private_key_from_seed("s")).private_key
    assert len(keys.retired) == 1
    assert ping(sender(later), pair["access_token"]) == 200
    again = started(store)  # names nothing
    assert (again.repository.all_api_keys(), again.repository.signing_keys()) == ([before, added], keys)


def test_keys_that_settings_name_no_longer_are_removed(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    repository = started(store).repository
    repository.create_api_key(replace(repository.all_api_keys()[0], client_id="over http"))
    second, third = another_key("b"), another_key("c")
    for keys, removed in (([second, third], CLIENT_ID), ([second], "c"), ([second], None)):
        caplog.clear()
        started(store, api_keys=keys)
        warning = f"API key {removed} is removed, and its tokens end: the settings don't name it any more"
        expected = [warning] if removed else []
        assert caplog.messages == expected
    started(store)  # names none
    assert [key.client_id for key in repository.all_api_keys()] == ["over http", "b", CLIENT_ID]


def test_server_that_joins_changes_nothing(tmp_path: Path) -> None:
    settings = load(Layer(settings={"api_keys": [EXAMPLE], "stubs": STUBS, "seed": "s"}))

    def on_the_file(*, joins: bool) -> AuthorizationServer:
        return create_server(settings, store=SqliteStore(tmp_path / "a.db"), joins=joins)

    def state(server: AuthorizationServer) -> tuple[Any, ...]:
        repository = server.repository
        return repository.all_api_keys(), repository.signing_keys(), server.simulation.stubs.read()

    with closing(on_the_file(joins=False)) as server:
        named = state(server)
        server.repository.change_api_key(CLIENT_ID, lambda key: replace(key, origins=("https://a.example",)))
        server.repository.change_signing_keys(lambda keys: rotate(keys, token_bytes(32)))
        server.simulation.stubs.remove(None)
        changed = state(server)
        assert [before == now for before, now in zip(named, changed, strict=True)] == [False] * 3
        with closing(on_the_file(joins=True)) as joined:
            assert (state(joined), joined.found) == (changed, Found(False, 1, 0, 0))
        with closing(on_the_file(joins=False)) as started_again:
            keys, signing, stubs = state(started_again)
        assert (keys, stubs) == (named[0], named[2])
        assert (signing.private_key, len(signing.retired)) == (named[1].private_key, 1)


def test_stubs_of_the_settings_take_the_place_of_earlier_ones() -> None:
    store = MemoryStore()
    plans = started(store, stubs=STUBS).simulation.stubs
    plans.add(None, replace_dataclass(make_stub({"endpoint": "getAccount"}), id="added"))
    plans.take(None, lambda plan: (None, tuple(replace_dataclass(stub, matched=1) for stub in plan)))
    changed = [STUBS[0], {**STUBS[1], "status": 500}]
    started(store, stubs=changed)
    assert [(stub.id, stub.status, stub.matched) for stub in plans.read()] == [
        ("settings-1", 404, 1), ("settings-2", 500, 0), ("added", 200, 1),
    ]  # fmt: skip
    started(store)  # names none
    assert len(plans.read()) == 3
    started(store, stubs=[])
    assert [stub.id for stub in plans.read()] == ["added"]


def test_reset_keeps_the_signing_keys_of_settings_only() -> None:
    store = MemoryStore()
    plain = started(store, stubs=STUBS)
    first = plain.repository.signing_keys()
    seeded = started(store, seed="s")
    seeded.reset()
    named = plain.repository.signing_keys()
    assert named == make_issuer_keys(private_key_from_seed("s"))
    seeded.reset()
    assert plain.repository.signing_keys() == named
    plain.reset()
    new = plain.repository.signing_keys()
    plain.reset()
    assert len({key.private_key for key in (first, named, new, plain.repository.signing_keys())}) == 4
    assert len(plain.simulation.stubs.read()) == len(STUBS)


def test_reset_ends_the_tokens_of_every_server_on_the_store() -> None:
    store = MemoryStore()
    servers = [started(store, seed="s") for _ in range(2)]
    tokens = [mint(sender(server)) for server in servers]
    servers[0].reset()
    for server in servers:
        send = sender(server)
        assert [ping(send, token["access_token"]) for token in tokens] == [401, 401]
        assert [refresh(send, token["refresh_token"])[0] for token in tokens] == [400, 400]
        assert ping(send, mint(send)["access_token"]) == 200


def test_settings_that_differ_from_the_last_start_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    started(store)
    assert caplog.messages == []
    others = {
        "issuer": "https://other.example",
        "audiences": ("https://other.example",),
        "token_format": "opaque",
        "access_token_lifetime": 60,
        "refresh_token_lifetime": 120,
    }
    was = load(Layer(settings={}))
    effects = (
        "access tokens of another issuer are refused",
        "access tokens without the first of them are refused",
        "tokens from before stay good",
        "tokens from before keep theirs",
        "tokens from before keep theirs",
    )
    pair = mint(sender(started(store, token_format="jwt")))
    assert caplog.messages == []
    for (name, value), effect in zip(others.items(), effects, strict=True):
        changed = started(store, **{name: value})
        old = getattr(was, name)
        new, old = (",".join(each) if isinstance(each, tuple) else each for each in (value, old))
        assert caplog.messages == [f"{name} is {new}, and was {old} at the last start: {effect}"]
        is_refused = name in ("issuer", "audiences")
        assert ping(sender(changed), pair["access_token"]) == (401 if is_refused else 200)
        caplog.clear()
        changed.reset()
        assert caplog.messages == []
        pair = mint(sender(started(store)))
        assert caplog.messages == [f"{name} is {old}, and was {new} at the last start: {effect}"]
        caplog.clear()
    started(store, **others)
    assert [message.split()[0] for message in caplog.messages] == list(others)


def test_a_start_counts_what_it_finds() -> None:
    store = MemoryStore()
    first = started(store)
    assert (first.found.is_new, str(first.found)) == (True, "1 API key, 0 families, journal of 0")
    send = sender(first)
    refresh(send, mint(send)["refresh_token"])
    found = started(store, api_keys=[EXAMPLE, another_key()]).found
    assert (found.is_new, str(found)) == (False, "2 API keys, 1 family, journal of 2")
    many = Found(is_new=False, api_keys=1000, families=10_000, exchanges=1_234_567)
    assert str(many) == "1,000 API keys, 10,000 families, journal of 1,234,567"
    assert str(many._replace(families=10_001)) == (
        "1,000 API keys, more than 10,000 families, journal of 1,234,567"
    )


RESTARTED = {
    "jwt": "; tokens survive a restart only with the setting store or seed",
    "opaque": "; opaque tokens survive a restart only with the setting store",
}


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
def test_reasons_name_a_restart_only_if_it_ends_tokens(token_format: str, tmp_path: Path) -> None:
    kept = f"sqlite:{tmp_path / 'state.db'}"
    table: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [401, 400]),
        ({"seed": "s"}, [401 if token_format == "opaque" else 200, 200]),
        ({"store": kept}, [200, 200]),
        ({"store": kept, "seed": "s"}, [200, 200]),
    ]
    for settings, expected in table:
        before = new_server(token_format=token_format, **settings)
        pair = mint(sender(before))
        before.close()
        after = new_server(token_format=token_format, **settings)
        send = sender(after)
        foreign = send("GET", "/ping", [bearer("a-token-of-nobody")], b"")
        answers = [
            send("GET", "/ping", [bearer(pair["access_token"])], b""),
            refresh(send, pair["refresh_token"]),
        ]
        after.close()
        assert [answer[0] for answer in answers] == expected, settings
        reasons = [answer[1][REASON_HEADER] for answer in (foreign, *answers) if answer[0] != 200]
        ends = "store" not in settings and (settings == {} or token_format == "opaque")
        assert [reason.endswith(RESTARTED[token_format]) for reason in reasons] == [ends] * len(reasons)
