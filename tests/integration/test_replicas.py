"""Servers that share a SQLite file or a Redis: what one of them changes, the others know at once."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from urllib.parse import urlencode

import httpx2
import pytest

from mockmoov import MockMoov, MoovKey
from mockmoov.testing import ControlError
from tests.support.connections import Racers, over_http
from tests.support.contract_fixtures import Send
from tests.support.redis_servers import store_flags
from tests.support.servers import Header, basic, bearer, post_form
from tests.support.serving import serving, serving_together
from tests.support.tokens import members, mint, ping, refresh, revoke

pytestmark = pytest.mark.slow
FORM = ("content-type", "application/x-www-form-urlencoded")
MINT = {"grant_type": "client_credentials", "scope": "/ping.read"}


@dataclass(frozen=True)
class Pair:
    """Two servers, their control planes, and ways to send requests to each, and to both in turn."""

    urls: tuple[str, str]
    one: MockMoov
    other: MockMoov
    sends: tuple[Send, Send]
    in_turn: Send

    def pings(self, token: str) -> list[int]:
        return [ping(send, token) for send in self.sends]

    def mints(self, key: MoovKey) -> list[int]:
        return [post_form(send, "/oauth2/token", auth(key), **MINT)[0] for send in self.sends]


def auth(key: MoovKey) -> Header:
    return basic(key.client_id, key.client_secret)


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    store = store_flags(request.param, tmp_path_factory.mktemp("shared"))
    with ExitStack() as stack:
        first, second = stack.enter_context(serving_together(2, *store, "--access-log", "off"))
        one, other = (stack.enter_context(MockMoov.connect(url)) for url in (first, second))
        sends = stack.enter_context(over_http(first)), stack.enter_context(over_http(second))
        yield Pair((first, second), one, other, sends, stack.enter_context(over_http(first, second)))


def test_both_know_an_api_key_and_its_changes(pair: Pair) -> None:
    key = pair.one.api_keys.create()
    same = pair.other.api_keys.get(key.client_id)
    token = key.mint()
    assert (pair.mints(key), pair.pings(token)) == ([200, 200], [200, 200])
    same.disable()
    assert pair.mints(key) == [401, 401]
    key.enable()
    assert pair.mints(key) == [200, 200]
    same.reset()
    assert pair.pings(token) == [401, 401]
    token = same.mint()
    assert pair.pings(token) == [200, 200]
    same.delete()
    assert (pair.mints(key), pair.pings(token)) == ([401, 401], [401, 401])
    assert key.client_id not in {each.client_id for each in pair.one.api_keys}


def test_both_know_what_was_revoked_or_used_up(pair: Pair) -> None:
    send, other = pair.sends
    kept, revoked, used = mint(send), mint(send), mint(send)
    assert revoke(other, revoked["access_token"])[0] == 204
    renewed = members(refresh(other, used["refresh_token"]))
    assert [pair.pings(each["access_token"]) for each in (kept, revoked, renewed)] == [
        [200, 200], [401, 401], [200, 200],
    ]  # fmt: skip
    assert refresh(send, used["refresh_token"])[0] == 400
    assert pair.pings(renewed["access_token"]) == [401, 401], "the replay revoked the family"


def test_both_have_the_clock_that_one_moved(pair: Pair) -> None:
    key = pair.one.api_keys.create()
    same = pair.other.api_keys.get(key.client_id)
    at = datetime(2030, 1, 1, tzinfo=UTC)
    key.clock.freeze(at)
    token = key.mint(lifetime=60)
    assert (same.clock.now(), pair.pings(token)) == (at, [200, 200])
    same.clock.shift(seconds=60)
    assert pair.pings(token) == [401, 401]
    pair.other.clock.shift(days=1)
    assert pair.one.clock.now() > datetime.now(UTC)
    pair.one.clock.move_to(datetime.now(UTC))


def test_a_fault_is_counted_over_both(pair: Pair) -> None:
    key = pair.one.api_keys.create()
    same = pair.other.api_keys.get(key.client_id)
    key.faults.add(status=503, after=2, times=3)
    statuses = [post_form(pair.in_turn, "/oauth2/token", auth(key), **MINT)[0] for _ in range(8)]
    assert statuses == [200] * 2 + [503] * 3 + [200] * 3
    (fault,) = key.faults.list()
    assert (fault.matched, fault.triggered) == (5, 3)
    assert same.faults.list() == (fault,)
    same.faults.clear()
    key.faults.add(status=503, times=7)
    with ExitStack() as stack:
        answers = Racers(stack, pair.urls, 20).race(
            "/oauth2/token", [FORM, auth(key)], urlencode(MINT).encode()
        )
    assert sorted(answer[0] for answer in answers) == [200] * 13 + [503] * 7


def test_a_stub_answers_on_both_and_is_counted_over_both(pair: Pair) -> None:
    key = pair.one.api_keys.create()
    token = key.mint(scope="/accounts.read")
    pair.other.api_keys.get(key.client_id).stubs.add("listAccounts", json=[1], times=3)
    answers = [pair.in_turn("GET", "/accounts", [bearer(token)], b"") for _ in range(4)]
    assert [answer[0] for answer in answers] == [200] * 3 + [501]
    assert [stub.triggered for stub in key.stubs.list()] == [3]


def test_both_sign_with_the_key_that_one_rotated_to(pair: Pair) -> None:
    keys = [control.signing_keys for control in (pair.one, pair.other)]
    old = mint(pair.sends[1])["access_token"]
    before, kid = keys[1].list()[0], keys[0].rotate()
    assert keys[1].list() == keys[0].list()
    assert keys[1].list()[:2] == (kid, before)
    new = mint(pair.sends[1])["access_token"]
    assert [pair.pings(token) for token in (old, new)] == [[200, 200], [200, 200]]
    keys[1].drop(before)
    assert [pair.pings(token) for token in (old, new)] == [[401, 401], [200, 200]]


def test_a_page_may_read_both_while_its_origin_is_registered(pair: Pair) -> None:
    origin = "https://shop.example"

    def allowed() -> list[str | None]:
        headers = {"origin": origin, "access-control-request-method": "POST"}
        answers = [httpx2.options(f"{url}/oauth2/token", headers=headers) for url in pair.urls]
        return [answer.headers.get("access-control-allow-origin") for answer in answers]

    assert allowed() == [None, None]
    key = pair.one.api_keys.create(origins=[origin])
    assert allowed() == [origin, origin]
    pair.other.api_keys.get(key.client_id).change(origins=[])
    assert allowed() == [None, None]
    key.change(origins=[origin])
    assert allowed() == [origin, origin]
    pair.other.api_keys.get(key.client_id).delete()
    assert allowed() == [None, None]


def test_a_reset_is_a_reset_of_both(pair: Pair) -> None:
    token = mint(pair.sends[1])["access_token"]
    key = pair.other.api_keys.create()
    pair.one.faults.add(status=503)
    pair.one.clock.freeze()
    pair.one.reset()
    assert pair.pings(token) == [401, 401]
    assert [len(control.faults) for control in (pair.one, pair.other)] == [0, 0]
    assert key.client_id not in {each.client_id for each in pair.other.api_keys}
    assert pair.one.signing_keys.list() == pair.other.signing_keys.list()
    assert pair.pings(mint(pair.sends[1])["access_token"]) == [200, 200]
    assert [exchange.number for exchange in pair.other.exchanges()] == [
        *range(1, len(pair.one.exchanges()) + 1)
    ]


def test_a_wait_ends_with_an_exchange_of_the_other(pair: Pair) -> None:
    key = pair.one.api_keys.create()
    same = pair.other.api_keys.get(key.client_id)
    with ThreadPoolExecutor(2) as pool:
        for count in range(1, 21):
            waits = [pool.submit(each.exchanges.wait, count, timeout=50) for each in (key, same)]
            post_form(pair.in_turn, "/oauth2/token", auth(key), **MINT)
            assert [len(wait.result()) for wait in waits] == [count, count]
        wait = pool.submit(key.exchanges.wait, 1000, timeout=50)
        same.delete()
        with pytest.raises(ControlError, match="no API key") as caught:
            wait.result()
    assert caught.value.status == 404


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_a_restart_of_one_does_not_disturb_the_other(kind: str, tmp_path: Path) -> None:
    flags = (*store_flags(kind, tmp_path), "--access-log", "off")
    stop, answers = Event(), list[tuple[int, int]]()

    def use(url: str) -> None:
        with over_http(url) as send:
            while not stop.is_set():
                token = mint(send)
                used = ping(send, token["access_token"]), refresh(send, token["refresh_token"])[0]
                answers.append(used)

    with serving(*flags) as url, ThreadPoolExecutor(1) as pool:
        load = pool.submit(use, url)
        tokens = list[str]()
        for _ in range(3):
            with serving(*flags) as other, over_http(other) as send:
                assert [ping(send, token) for token in tokens] == [200] * len(tokens)
                tokens.append(mint(send)["access_token"])
        stop.set()
        load.result()
        with over_http(url) as send:
            assert [ping(send, token) for token in tokens] == [200] * 3
    assert set(answers) == {(200, 200)}


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_ten_that_start_at_once_on_a_new_store_agree(kind: str, tmp_path: Path) -> None:
    flags = (*store_flags(kind, tmp_path), "--access-log", "off")
    with serving_together(10, *flags) as urls, ExitStack() as stack:
        controls = [stack.enter_context(MockMoov.connect(url)) for url in urls]
        sends = [stack.enter_context(over_http(url)) for url in urls]
        assert {control.signing_keys.list() for control in controls} == {controls[0].signing_keys.list()}
        assert {len(control.api_keys.list()) for control in controls} == {1}
        tokens = [mint(send)["access_token"] for send in sends]
        assert {ping(send, token) for send in sends for token in tokens} == {200}
    if kind == "sqlite":
        with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_tokens_outlive_a_restart_with_a_seed_and_revocations_do_not() -> None:
    flags = ("--seed", "a", "--access-log", "off")
    with serving(*flags) as url, over_http(url) as send:
        revoked, used = mint(send), mint(send)
        assert revoke(send, revoked["access_token"])[0] == 204
        renewed = members(refresh(send, used["refresh_token"]))
    with serving(*flags) as url, over_http(url) as send:
        pairs = (revoked, used, renewed)
        assert [ping(send, pair["access_token"]) for pair in pairs] == [200, 200, 200]
        assert refresh(send, used["refresh_token"])[0] == 200
    with serving("--access-log", "off") as url, over_http(url) as send:
        assert ping(send, used["access_token"]) == 401
