"""The handle: the same whether the server is in this process or elsewhere, and nothing shared by two."""

import asyncio
import http.server
import itertools
import json
import pickle
import re
import socket
import subprocess
import sys
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints
from urllib.parse import parse_qs

import anyio
import httpx2
import pytest

from mockmoov import testing
from mockmoov.config.settings import SETTINGS, Layer, Settings, load
from mockmoov.control_plane.exchanges import LONGEST_WAIT
from mockmoov.oauth.api_keys import _MEMBERS, EXAMPLE
from mockmoov.oauth.grants import GRANTS
from mockmoov.oauth.token_defects import DEFECTS
from mockmoov.server.factory import create_server
from mockmoov.simulation.faults import PRESETS
from mockmoov.simulation.journal import Query
from mockmoov.testing import (
    BindError,
    ControlError,
    DefectName,
    EndpointName,
    Exchange,
    Exchanges,
    Fault,
    GrantType,
    MintedToken,
    MockMoov,
    MoovKey,
    PresetName,
    SettingsError,
)
from mockmoov.testing.environment import VARIABLES
from mockmoov.testing.handles import unix_time
from mockmoov.testing.transport import Control
from mockmoov.testing.types import FaultArguments, KeyArguments, KeyChanges, QueryArguments, SettingArguments
from tests.support.serving import serving

CONTROL_TOKEN = "a-control-token-of-0123456789"
LONG_AGO = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
UNKNOWN = "the token is unknown: it was altered, signed by another key, or issued by another server"
DEFECT_REASONS = {
    "expired": "the token has expired",
    "not-yet-valid": "the token is not valid yet",
    "wrong-audience": "the token is not for this audience",
    "wrong-issuer": "the token has the wrong issuer",
    "no-exp": "the token has no valid exp claim",
    "unknown-kid": UNKNOWN,
    "bad-signature": UNKNOWN,
    "alg-none": UNKNOWN,
    "hs256-public-key": UNKNOWN,
    "revoked": "the token was revoked",
}


# --- what the tests ask with --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def http_client() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False, timeout=20) as client:
        yield client


@dataclass
class Program:
    """The program under test: it knows the credentials of a key, and the URL."""

    http: httpx2.Client
    key: MoovKey

    def token(self, **parameters: str) -> httpx2.Response:
        data = {"grant_type": "client_credentials", "scope": "/ping.read"} | parameters
        return self.http.post(f"{self.key.url}/oauth2/token", auth=self.auth, data=data)

    def ping(self, token: str) -> httpx2.Response:
        return ping(self.http, self.key.url, token)

    def introspect(self, token: str) -> Any:
        url = f"{self.key.url}/_mockmoov/introspect"
        return self.http.post(url, auth=self.auth, data={"token": token}).json()

    @property
    def auth(self) -> tuple[str, str]:
        return self.key.client_id, self.key.client_secret or ""


def ping(http: httpx2.Client, url: str, token: str) -> httpx2.Response:
    return http.get(f"{url}/ping", headers={"authorization": f"Bearer {token}"})


def date_of(response: httpx2.Response) -> datetime:
    return parsedate_to_datetime(response.headers["date"])


def reason_of(response: httpx2.Response) -> str:
    return str(response.headers["x-mockmoov-reason"])


@contextmanager
def local() -> Iterator[MockMoov]:
    with MockMoov() as moov:
        yield moov


@contextmanager
def remote() -> Iterator[MockMoov]:
    with serving() as url, MockMoov.connect(url) as moov:
        yield moov


@contextmanager
def guarded() -> Iterator[MockMoov]:
    with (
        serving("--control-token", CONTROL_TOKEN) as url,
        MockMoov.connect(f"{url}/", control_token=CONTROL_TOKEN) as moov,
    ):
        yield moov


@pytest.fixture(scope="module", params=[local, remote, guarded], ids=lambda adapter: adapter.__name__)
def moov(request: pytest.FixtureRequest) -> Iterator[MockMoov]:
    with request.param() as moov:
        yield moov


@pytest.fixture
def key(moov: MockMoov) -> Iterator[MoovKey]:
    key = moov.new_api_key()
    yield key
    if key.client_id in [other.client_id for other in moov.api_keys]:
        key.delete()


@pytest.fixture
def program(http_client: httpx2.Client, key: MoovKey) -> Program:
    return Program(http_client, key)


# --- API keys -----------------------------------------------------------------------------------------


def test_a_new_key_works_at_once_and_has_credentials_of_its_own(moov: MockMoov, program: Program) -> None:
    others = [moov.new_api_key(), moov.api_keys.create()]
    credentials = [(key.client_id, key.client_secret) for key in (program.key, *others)]
    assert len({part for pair in credentials for part in pair}) == 6
    assert program.token().status_code == 200
    for other in others:
        other.delete()


def test_a_new_key_has_the_attributes_that_were_asked_for_and_none_stands_for_the_default(
    moov: MockMoov,
) -> None:
    account, application = "5352b013-ae58-4a63-8a3f-97f316a917c0", "c520f1b9-0ba7-42f5-b977-248cdbe41c60"
    key = moov.new_api_key(
        client_id="mine",
        client_secret="not-a-real-secret",
        account_id=account,
        application_id=application,
        origins=("https://shop.example",),
        scopes=["/ping.read"],
        grants=["client_credentials"],
        enabled=None,
    )
    assert (key.client_id, key.client_secret) == ("mine", "not-a-real-secret")
    assert (key.account_id, key.application_id) == (account, application)
    assert (key.origins, key.scopes) == (("https://shop.example",), ("/ping.read",))
    assert (key.grants, key.enabled) == (("client_credentials",), True)
    key.delete()


def test_the_secret_is_told_to_the_creator_only(moov: MockMoov, key: MoovKey) -> None:
    found = moov.api_keys.get(key.client_id)
    listed = next(other for other in moov.api_keys if other.client_id == key.client_id)
    assert found.client_secret is None
    assert listed.client_secret is None
    assert found.credentials["client_secret"] == ""
    assert key.credentials["client_secret"] == key.client_secret


def test_keys_are_listed_in_the_order_of_creation_after_those_of_the_settings(moov: MockMoov) -> None:
    new = [moov.new_api_key(client_id=f"key {number}/%2F") for number in range(3)]
    assert [key.client_id for key in moov.api_keys.list()] == [
        EXAMPLE["client_id"],
        *(key.client_id for key in new),
    ]
    for key in new:  # their ids are quoted in paths
        assert moov.api_keys.get(key.client_id).account_id == key.account_id
        key.delete()


def test_a_change_of_a_key_is_seen_at_once_by_the_server_and_on_the_handle(program: Program) -> None:
    key = program.key
    token = key.mint()
    key.change(scopes=["/accounts.write"], client_secret="another-secret-0123456789")
    assert (key.scopes, key.client_secret) == (("/accounts.write",), "another-secret-0123456789")
    assert program.token().status_code == 400
    assert program.token(scope="/accounts.write").status_code == 200
    key.change(scopes=None)
    assert (key.scopes, key.client_secret) == (None, "another-secret-0123456789")
    assert program.token().status_code == 200
    assert program.ping(token).status_code == 200


def test_nothing_of_a_disabled_key_passes_until_it_is_enabled(program: Program) -> None:
    token = program.token().json()["access_token"]
    program.key.disable()
    disabled = program.key.enabled, program.token().status_code, program.ping(token).status_code
    assert disabled == (False, 401, 401)
    program.key.enable()
    enabled = program.key.enabled, program.token().status_code, program.ping(token).status_code
    assert enabled == (True, 200, 200)


def test_a_deleted_key_is_gone_with_its_tokens_and_its_journal(moov: MockMoov, program: Program) -> None:
    token = program.key.mint()
    assert program.ping(token).status_code == 200
    program.key.delete()
    assert program.ping(token).status_code == 401
    with pytest.raises(ControlError) as caught:
        moov.api_keys.get(program.key.client_id)
    assert caught.value.status == 404
    assert program.key.client_id not in [exchange.client_id for exchange in moov.exchanges()]


def test_credentials_and_environment_are_those_of_the_key_and_the_server(
    moov: MockMoov, key: MoovKey
) -> None:
    assert dict(key.credentials) == {
        "client_id": key.client_id,
        "client_secret": key.client_secret,
        "account_id": key.account_id,
        "application_id": key.application_id,
    }
    environ = dict(key.environ)
    assert list(environ) == list(VARIABLES)
    assert environ["MOOV_URL_SCHEME"] + "://" + environ["MOOV_HOST"] == environ["MOOV_BASE_URL"] == moov.url
    assert {environ["MOOV_PUBLIC_KEY"], environ["MOOV_USERNAME"]} == {key.client_id}
    assert {environ["MOOV_SECRET_KEY"], environ["MOOV_PASSWORD"]} == {key.client_secret}
    assert environ["MOOV_ACCOUNT_ID"] == key.account_id


# --- clocks -------------------------------------------------------------------------------------------


def test_a_shift_kills_a_token_that_the_program_holds_already(program: Program) -> None:
    token = program.token().json()["access_token"]
    assert program.ping(token).status_code == 200
    program.key.clock.shift(hours=2)
    refused = program.ping(token)
    assert (refused.status_code, reason_of(refused)) == (401, "the token has expired")
    program.key.clock.shift(hours=-2)
    assert program.ping(token).status_code == 200


def test_two_keys_live_in_different_times_at_the_same_moment(
    http_client: httpx2.Client, moov: MockMoov
) -> None:
    then, now = Program(http_client, moov.new_api_key()), Program(http_client, moov.new_api_key())
    assert then.key.clock.freeze(LONG_AGO) == LONG_AGO
    tokens = then.token().json()["access_token"], now.token().json()["access_token"]
    assert date_of(then.ping(tokens[0])) == LONG_AGO
    assert abs(date_of(now.ping(tokens[1])) - datetime.now(UTC)) < timedelta(minutes=1)
    assert then.introspect(tokens[0])["iat"] == LONG_AGO.timestamp()
    assert now.introspect(tokens[1])["active"]
    then.key.clock.shift(hours=1, minutes=1)
    assert [then.ping(tokens[0]).status_code, now.ping(tokens[1]).status_code] == [401, 200]
    assert [then.introspect(tokens[0])["active"], now.introspect(tokens[1])["active"]] == [False, True]
    for program in (then, now):
        program.key.delete()


def test_a_frozen_clock_stands_still_until_it_is_moved_or_resumed(key: MoovKey) -> None:
    clock = key.clock
    assert clock.freeze(LONG_AGO) == clock.now() == clock.now() == LONG_AGO
    assert clock.shift(timedelta(days=1), hours=1, seconds=0.5) == LONG_AGO + timedelta(days=1, hours=1.0) + (
        timedelta(seconds=0.5)
    )
    assert clock.move_to(LONG_AGO.timestamp()) == LONG_AGO
    assert clock.freeze() == LONG_AGO
    assert LONG_AGO <= clock.resume() < LONG_AGO + timedelta(minutes=1)
    assert LONG_AGO < clock.now() < LONG_AGO + timedelta(minutes=1)


@pytest.mark.parametrize("by", [2, 2.5, "2", None])
def test_a_shift_without_a_unit_says_how_it_is_written(key: MoovKey, by: Any) -> None:
    before = key.clock.freeze()
    with pytest.raises(
        TypeError, match=r"^shift\(\) takes a timedelta or keyword arguments, such as shift\(hours=2\)$"
    ):
        key.clock.shift(by)
    assert key.clock.now() == before


def test_a_time_may_be_of_any_zone(key: MoovKey) -> None:
    at = datetime(2030, 1, 1, 12, tzinfo=timezone(timedelta(hours=-7)))
    assert key.clock.freeze(at) == at
    assert key.clock.now().tzinfo is UTC


def test_the_clock_of_a_key_keeps_its_distance_when_the_servers_is_moved(
    moov: MockMoov, key: MoovKey
) -> None:
    moov.clock.freeze(LONG_AGO)
    key.clock.shift(days=1)
    moov.clock.shift(hours=1)
    assert moov.clock.now() == LONG_AGO + timedelta(hours=1)
    assert key.clock.now() == LONG_AGO + timedelta(days=1, hours=1)
    moov.reset()


def test_a_datetime_without_a_zone_is_refused_wherever_a_time_is_given(key: MoovKey) -> None:
    naive = datetime(2030, 1, 1)
    uses: list[Callable[[], object]] = [
        lambda: key.clock.move_to(naive),
        lambda: key.clock.freeze(naive),
        lambda: key.faults.add("html", start=naive),
        lambda: key.faults.add("html", end=naive),
        lambda: key.exchanges(since=naive),
        lambda: key.exchanges.count(until=naive),
        lambda: key.exchanges.wait(since=naive),
    ]
    for use in uses:
        with pytest.raises(ValueError, match="a datetime needs a time zone here"):
            use()
    assert len(key.faults) == 0


# --- faults -------------------------------------------------------------------------------------------


def test_a_planned_fault_happens_as_often_as_planned_and_to_no_other_key(
    http_client: httpx2.Client, moov: MockMoov, program: Program
) -> None:
    other = Program(http_client, moov.new_api_key())
    fault = program.key.faults.add("unavailable", endpoint="token", after=1, times=2)
    assert (fault.preset, fault.endpoint, fault.status, fault.after, fault.times) == (
        "unavailable", "token", 503, 1, 2,
    )  # fmt: skip
    assert [program.token().status_code for _ in range(4)] == [200, 503, 503, 200]
    assert [other.token().status_code for _ in range(4)] == [200] * 4
    assert [(item.id, item.triggered) for item in program.key.faults.list()] == [(fault.id, 2)]
    assert program.key.faults.untriggered() == ()
    other.key.delete()


def test_faults_happen_in_the_order_of_the_plan(program: Program) -> None:
    for status in (500, 502, 503):
        program.key.faults.add(status=status, times=1)
    assert [program.token().status_code for _ in range(4)] == [500, 502, 503, 200]


def test_faults_are_counted_listed_removed_and_cleared(key: MoovKey) -> None:
    faults = [key.faults.add(preset) for preset in get_args(PresetName)]
    assert len(key.faults) == len(PRESETS)
    assert [fault.preset for fault in key.faults] == list(PRESETS)
    assert key.faults.list() == key.faults.untriggered() == tuple(faults)
    key.faults.remove(faults[0])
    assert key.faults.list() == tuple(faults[1:])
    with pytest.raises(ControlError, match="no fault with this id"):
        key.faults.remove(faults[0])
    key.faults.clear()
    assert key.faults.list() == ()


def test_a_fault_holds_on_the_keys_clock_from_its_start_to_its_end(program: Program) -> None:
    program.key.clock.freeze(LONG_AGO)
    program.key.faults.add(status=500, start=LONG_AGO + timedelta(1), end=LONG_AGO.timestamp() + 2 * 86400)
    statuses = []
    for _ in range(3):
        statuses.append(program.token().status_code)
        program.key.clock.shift(days=1)
    assert statuses == [200, 500, 200]


def test_a_member_given_beside_a_preset_wins_and_none_counts_as_not_given(program: Program) -> None:
    fault = program.key.faults.add("rate-limited", retry_after=7, where={"path": "/oauth2/token"}, text=None)
    assert fault.where.path == "/oauth2/token"
    limited = program.token()
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")


def test_a_fault_of_the_server_happens_to_every_key_after_the_keys_own(
    moov: MockMoov, program: Program
) -> None:
    moov.faults.add(status=500, times=1)
    program.key.faults.add(status=502, times=1)
    assert [program.token().status_code for _ in range(3)] == [502, 500, 200]
    moov.faults.clear()


# --- exchanges ----------------------------------------------------------------------------------------


def test_the_journal_tells_what_was_asked_and_how_it_was_answered_in_order(program: Program) -> None:
    token = program.token().json()["access_token"]
    program.ping(token)
    program.token(scope="/nope.read")
    first, second, third = program.key.exchanges()
    jti = read_claims(token)["jti"]
    assert (first.endpoint, first.grant_type, first.status) == ("token", "client_credentials", 200)
    assert first.issued["access_token"] == jti
    assert (second.method, second.path, second.headers["authorization"]) == ("GET", "/ping", f"Bearer {jti}")
    assert (third.status, third.parameters["scope"]) == (400, "/nope.read")
    assert third.reason is not None
    assert third.reason.startswith("scope /nope.read is not known")
    assert first.number < second.number < third.number
    assert {item.client_id for item in (first, second, third)} == {program.key.client_id}


QUERIES: list[QueryArguments] = [
    {},
    {"endpoint": "token"},
    {"endpoint": "ping"},
    {"grant_type": "refresh_token"},
    {"status": 200},
    {"status": 400, "endpoint": "token"},
    {"method": "GET"},
    {"since": LONG_AGO + timedelta(hours=1)},
    {"until": LONG_AGO + timedelta(hours=1)},
    {"since": LONG_AGO.timestamp(), "until": LONG_AGO.timestamp() + 1},
]


def like(exchange: Exchange, query: QueryArguments) -> bool:
    given: dict[str, Any] = dict(query)
    since, until = (given.pop(name, None) for name in ("since", "until"))
    return (
        all(getattr(exchange, name) == value for name, value in given.items())
        and (since is None or unix_time(since) <= exchange.at)
        and (until is None or exchange.at < unix_time(until))
    )


def test_a_query_gives_counts_and_waits_for_the_exchanges_that_are_like_it(program: Program) -> None:
    program.key.clock.freeze(LONG_AGO)
    issued = program.token().json()
    program.ping(issued["access_token"])
    program.key.clock.shift(hours=1)
    program.token(grant_type="refresh_token", refresh_token=issued["refresh_token"])
    program.token(grant_type="refresh_token", refresh_token="none")
    program.ping("none")  # whose it is cannot be known
    everything = program.key.exchanges()
    assert [exchange.status for exchange in everything] == [200, 200, 200, 400]
    for query in QUERIES:
        expected = [exchange for exchange in everything if like(exchange, query)]
        assert program.key.exchanges(**query) == expected
        assert program.key.exchanges.count(**query) == len(expected)
        if expected:
            assert program.key.exchanges.wait(len(expected), **query) == expected


def test_exchanges_are_found_by_the_fault_that_happened_to_them(program: Program) -> None:
    fault = program.key.faults.add("server-error", times=1)
    program.token()
    program.token()
    assert [exchange.status for exchange in program.key.exchanges(fault=fault.id)] == [500]


def test_the_servers_journal_has_everybodys_exchanges_and_those_of_nobody(
    http_client: httpx2.Client, moov: MockMoov, program: Program
) -> None:
    moov.exchanges.clear()
    program.token()
    ping(http_client, moov.url, "nobody's")
    assert [exchange.client_id for exchange in moov.exchanges()] == [program.key.client_id, None]
    assert moov.exchanges.dropped == 0


def test_a_journal_that_is_cleared_is_empty(program: Program) -> None:
    program.token()
    program.key.exchanges.clear()
    assert program.key.exchanges() == []
    assert program.key.exchanges.count() == 0


def test_wait_returns_as_soon_as_there_are_enough(program: Program) -> None:
    program.token()
    sender = threading.Timer(0.05, program.token)
    sender.start()
    found = program.key.exchanges.wait(2, timeout=60, endpoint="token")
    sender.join()
    assert [exchange.status for exchange in found] == [200, 200]


def test_wait_that_ends_in_vain_says_what_there_is_instead(program: Program) -> None:
    program.token()
    program.token(scope="/nope.read")
    with pytest.raises(TimeoutError) as caught:
        program.key.exchanges.wait(3, timeout=0.01, endpoint="token")
    first, second, third = str(caught.value).splitlines()
    assert first == "waited 0.01 s for 3 matching exchanges, found 2"
    assert re.fullmatch(
        r"  #\d+ \w{3}, .* GMT POST /oauth2/token client_credentials /ping.read \(contract 2023\) -> 200",
        second,
    )
    assert re.search(r"/nope.read \(contract 2023\) -> 400: scope /nope.read is not known", third)
    with pytest.raises(TimeoutError, match=r"^waited 0 s for 1 matching exchanges, found 0$"):
        program.key.exchanges.wait(timeout=0, endpoint="revoke")


@pytest.mark.parametrize("backend", ["asyncio", "anyio"])
def test_wait_async_lets_the_loop_go_on(program: Program, backend: str) -> None:
    async def both() -> list[Exchange]:
        found: list[Exchange] = []

        async def wait() -> None:
            found.extend(await program.key.exchanges.wait_async(timeout=60, endpoint="token"))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            async with httpx2.AsyncClient(trust_env=False) as http:
                data = {"grant_type": "client_credentials", "scope": "/ping.read"}
                await http.post(f"{program.key.url}/oauth2/token", auth=program.auth, data=data)
        return found

    found = asyncio.run(both()) if backend == "asyncio" else anyio.run(both)
    assert [exchange.status for exchange in found] == [200]


def test_wait_async_that_ends_in_vain_says_so(program: Program) -> None:
    async def wait() -> None:
        await program.key.exchanges.wait_async(2, timeout=0.01)

    program.token()
    with pytest.raises(TimeoutError, match=r"^waited 0\.01 s for 2 matching exchanges, found 1\n"):
        anyio.run(wait)


def test_a_wait_async_that_is_cancelled_is_over_at_once_and_its_thread_soon_is(key: MoovKey) -> None:
    before = threading.active_count()

    async def wait() -> None:
        with anyio.move_on_after(0.01):
            await key.exchanges.wait_async(timeout=3600)

    anyio.run(wait)
    deadline = time.monotonic() + 10
    while threading.active_count() > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Vain:
    """A control plane where nothing ever happens; it tells how long it was waited for."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def send(self, method: str, path: str, query: str, body: bytes, timeout: float) -> tuple[int, str, bytes]:
        assert (method, path, body) == ("GET", "/exchanges/wait", b"")
        assert parse_qs(query)["timeout"] == [str(timeout)]
        self.waits.append(timeout)
        return 200, "", b'{"exchanges": [], "complete": false}'

    def close(self) -> None:
        raise AssertionError


@pytest.mark.parametrize("timeout", [0, 1, 59.5, 60, 61, 150, 600])
def test_a_long_wait_is_split_into_waits_that_the_server_grants(timeout: float) -> None:
    vain = Vain()
    with pytest.raises(TimeoutError, match=f"^waited {timeout} s for 1 matching exchanges, found 0$"):
        Exchanges(Control(cast("Any", vain))).wait(timeout=timeout)
    assert sum(vain.waits) == timeout
    assert max(vain.waits) <= LONGEST_WAIT
    assert len(vain.waits) == max(1, -(-timeout // LONGEST_WAIT))


def test_a_wait_ends_though_the_test_has_stopped_the_clocks_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with MockMoov() as moov:
        for name in ("time", "monotonic", "perf_counter"):
            monkeypatch.setattr(time, name, lambda: 1000.0)
        with pytest.raises(TimeoutError):
            moov.exchanges.wait(timeout=0.01)
        monkeypatch.undo()


FIRST_USED_IN_FROZEN_TIME = """
import time
real = {name: getattr(time, name) for name in ("time", "monotonic", "perf_counter", "sleep")}
stopped = {name: lambda *_: 1e9 for name in real}
vars(time).update(stopped)
from mockmoov import MockMoov
with MockMoov() as moov:
    try:
        moov.exchanges.wait(timeout=0.01)
    except TimeoutError:
        frozen = moov.clock.now().timestamp()
    vars(time).update(real)
    print(frozen, abs(moov.clock.now().timestamp() - time.time()) < 60)
    vars(time).update(stopped)
    print(moov.clock.now().timestamp())
    vars(time).update(real)
"""


def test_the_servers_time_is_that_of_the_process_whatever_was_frozen_when_mockmoov_was_imported() -> None:
    program = [sys.executable, "-c", FIRST_USED_IN_FROZEN_TIME]
    done = subprocess.run(program, check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["1000000000.0", "True", "1000000000.0"], done.stderr


# --- tokens -------------------------------------------------------------------------------------------


def read_claims(token: str) -> Any:
    return json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))


def test_a_minted_token_is_good_has_the_wished_claims_and_needs_no_exchange(program: Program) -> None:
    token = program.key.mint(
        "/ping.read /accounts.write", client_type="service", lifetime=60, claims={"extra": [1], "sub": "me"}
    )
    assert program.key.exchanges() == []
    assert program.ping(token).status_code == 200
    assert read_claims(token) == token.claims
    assert (token.claims["scp"], token.claims["extra"]) == ("/ping.read /accounts.write", [1])
    assert token.claims["exp"] - token.claims["iat"] == 60
    assert token.defect is None
    assert isinstance(token, str)


def test_a_minted_token_may_have_a_scope_that_the_key_may_not_ask_for(program: Program) -> None:
    program.key.change(scopes=["/accounts.write"])
    assert program.ping(program.key.mint()).status_code == 200
    assert program.ping(program.key.mint("/accounts.write")).status_code == 403


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_token_with_a_defect_is_refused_for_just_that(program: Program, defect: DefectName) -> None:
    token = program.key.mint(defect=defect)
    assert token.defect == defect
    refused = program.ping(token)
    assert (refused.status_code, reason_of(refused)) == (401, DEFECT_REASONS[defect])
    assert not program.introspect(token)["active"]


def test_a_token_that_the_server_mints_is_the_first_keys(http_client: httpx2.Client, moov: MockMoov) -> None:
    token = moov.mint()
    assert token.claims["caid"] == EXAMPLE["account_id"]
    assert ping(http_client, moov.url, token).status_code == 200


# --- reset, signing keys, settings --------------------------------------------------------------------


def test_the_reset_of_a_key_is_its_alone(
    http_client: httpx2.Client, moov: MockMoov, program: Program
) -> None:
    other = Program(http_client, moov.new_api_key())
    tokens = [one.token().json()["access_token"] for one in (program, other)]
    for one in (program, other):
        one.key.faults.add("html", endpoint="revoke")
        one.key.clock.shift(minutes=-10)
    program.key.reset()
    assert (len(program.key.faults), program.key.exchanges.count()) == (0, 0)
    assert abs(program.key.clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
    refused = program.ping(tokens[0])
    assert (refused.status_code, reason_of(refused)) == (
        401,
        "the token was issued before the server started or its key was reset",
    )
    assert program.token().status_code == 200
    assert (len(other.key.faults), other.key.exchanges.count()) == (1, 1)
    assert other.ping(tokens[1]).status_code == 200
    other.key.delete()


def test_the_reset_of_the_server_leaves_only_the_keys_of_the_settings_without_tokens(
    http_client: httpx2.Client, moov: MockMoov, program: Program
) -> None:
    tokens = [moov.mint(), program.key.mint()]
    moov.faults.add("html", endpoint="revoke")
    moov.clock.freeze(LONG_AGO)
    kid = moov.signing_keys.list()
    moov.signing_keys.rotate()
    moov.reset()
    assert [key.client_id for key in moov.api_keys] == [EXAMPLE["client_id"]]
    assert [ping(http_client, moov.url, token).status_code for token in tokens] == [401, 401]
    assert len(moov.faults) == 0
    assert moov.exchanges.count() == 2
    assert moov.signing_keys.list() == kid
    assert abs(moov.clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_rotated_signing_key_verifies_until_it_is_dropped(
    http_client: httpx2.Client, moov: MockMoov, program: Program
) -> None:
    (old,) = moov.signing_keys.list()
    token = program.key.mint()
    new = moov.signing_keys.rotate()
    assert moov.signing_keys.list() == (new, old)
    jwks = http_client.get(f"{moov.url}/.well-known/jwks.json").json()
    assert [key["kid"] for key in jwks["keys"]] == [new, old]
    assert program.ping(token).status_code == 200
    moov.signing_keys.drop(old)
    assert moov.signing_keys.list() == (new,)
    assert program.ping(token).status_code == 401
    assert program.ping(program.key.mint()).status_code == 200
    with pytest.raises(ControlError) as caught:
        moov.signing_keys.drop(new)
    assert caught.value.status == 409


def test_the_settings_are_told_with_their_sources_but_no_secret(moov: MockMoov) -> None:
    config = moov.config
    assert list(config) == list(SETTINGS)
    assert config["api_keys"] == {"value": [EXAMPLE["client_id"]], "source": "default"}
    assert config["port"] in (
        {"value": 0, "source": "MockMoov: port"},
        {"value": 0, "source": "--port"},
    )
    assert config["control_token"]["value"] in (None, "(set)")
    for secret in (EXAMPLE["client_secret"], CONTROL_TOKEN):
        assert secret not in json.dumps(config)


# --- errors -------------------------------------------------------------------------------------------


def test_what_the_control_plane_refuses_is_an_error_with_its_status_and_field(
    moov: MockMoov, key: MoovKey
) -> None:
    refused: list[tuple[int, str | None, str, Callable[[], object]]] = [
        (404, None, "no API key with this client_id", lambda: moov.api_keys.get("nobody")),
        (409, None, "with this client_id already", lambda: moov.new_api_key(client_id=key.client_id)),
        (422, "client_id", "must not contain a colon", lambda: moov.new_api_key(client_id="a:b")),
        (422, "scopes", "there is no scope /nope.read", lambda: key.change(scopes=["/nope.read"])),
        (422, "client_secret", "needs a client_secret", lambda: key.change(client_secret=None)),  # type: ignore[arg-type]
        (422, "seconds", "must stay between the years 1970 and 9998", lambda: key.clock.shift(days=-40_000)),
        (422, "to", "in the years 1970 to 9998", lambda: key.clock.move_to(-1)),
        (422, "preset", "did you mean unavailable", lambda: key.faults.add("unavailabel")),  # type: ignore[arg-type]
        (422, "endpoint", "did you mean token", lambda: key.faults.add("html", endpoint="tokn")),  # type: ignore[arg-type]
        (422, "preset", "this fault does nothing", lambda: key.faults.add(endpoint="token")),
        (422, "stauts", "did you mean status", lambda: key.faults.add(stauts=500)),  # type: ignore[call-arg]
        (422, "endpoint", "did you mean revoke", lambda: key.exchanges(endpoint="revok")),  # type: ignore[arg-type]
        (422, "statsu", "did you mean status", lambda: key.exchanges(statsu=1)),  # type: ignore[call-arg]
        (422, "count", "count must be an integer", lambda: key.exchanges.wait(0)),
        (422, "defect", "did you mean expired", lambda: key.mint(defect="expird")),  # type: ignore[arg-type]
        (422, "scope", "scope must be a string", lambda: key.mint("")),
        (422, "scope", "each scope must be of the form /family.permission", lambda: key.mint("ping")),
        (404, None, "key", lambda: moov.signing_keys.drop("nobody's")),
    ]  # fmt: skip
    for status, field, message, use in refused:
        with pytest.raises(ControlError, match=re.escape(message)) as caught:
            use()
        assert (caught.value.status, caught.value.field) == (status, field), str(caught.value)


ENDLESS: list[object] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize("value", [object(), ENDLESS, "\ud800"], ids=["object", "endless", "surrogate"])
def test_what_cannot_be_written_as_json_is_refused_before_it_is_sent(key: MoovKey, value: object) -> None:
    with pytest.raises(ControlError, match="cannot be written as JSON") as caught:
        key.faults.add(body=value)
    assert (caught.value.status, len(key.faults)) == (422, 0)


def test_a_setting_that_does_not_exist_names_the_nearest() -> None:
    with pytest.raises(
        SettingsError, match="MockMoov: token_fromat: there is no such setting; did you mean tok"
    ):
        MockMoov(token_fromat="jwt")  # type: ignore[call-arg]
    with pytest.raises(SettingsError, match="MockMoov: token_format must be one of"):
        MockMoov(token_format="jwtt")  # type: ignore[arg-type]


@contextmanager
def answering(status: int, content_type: str, body: bytes) -> Iterator[str]:
    """A server that is not ours."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (200, "text/html", b"<!doctype html><title>Welcome</title>"),
        (404, "text/html", b"<h1>Not Found</h1>"),
        (200, "application/json", b"{}"),
        (404, "text/plain", b""),
        (302, "text/plain", b""),
    ],
)
def test_to_connect_to_another_server_says_that_it_is_no_mockmoov(
    status: int, content_type: str, body: bytes
) -> None:
    with answering(status, content_type, body) as url, pytest.raises(ControlError) as caught:
        MockMoov.connect(url)
    assert (str(caught.value), caught.value.status) == (f"the server at {url} is not a mockmoov", status)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_to_connect_to_nothing_says_that_nothing_answers_there() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ControlError, match=f"^no mockmoov answers at {url}: ") as caught:
        MockMoov.connect(url)
    assert (caught.value.status, caught.value.field) == (0, None)


@pytest.mark.parametrize(
    "url", ["", "nonsense", "http://", "http://a b/", "http://a\x00b", "http://[", "ftp://a"]
)
def test_to_connect_to_what_is_no_url_says_that_nothing_answers_there(url: str) -> None:
    with pytest.raises(ControlError, match=r"^no mockmoov answers at ") as caught:
        MockMoov.connect(url)
    assert caught.value.status == 0


@pytest.mark.parametrize("token", [None, "wrong", CONTROL_TOKEN + "x", ""])
def test_to_connect_with_a_wrong_token_is_refused(token: str | None) -> None:
    with MockMoov(control_token=CONTROL_TOKEN) as moov:
        with pytest.raises(ControlError, match="X-Mockmoov-Token is missing or wrong") as caught:
            MockMoov.connect(moov.url, control_token=token)
        assert caught.value.status == 401
        assert len(moov.api_keys.list()) == 1  # its own handle needs to be told nothing


def test_to_connect_with_a_token_that_no_header_can_carry_is_refused() -> None:
    with MockMoov(control_token=CONTROL_TOKEN) as moov, pytest.raises(ControlError):
        MockMoov.connect(moov.url, control_token="schlüssel")


def test_a_control_plane_that_is_off_says_how_to_turn_it_on() -> None:
    with (
        MockMoov(control="off") as moov,
        pytest.raises(ControlError, match="the control plane is off") as caught,
    ):
        moov.new_api_key()
    assert caught.value.status == 404


# --- start and stop -----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_port_that_is_taken_is_an_error_with_the_reason_in_under_a_second(host: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        began = time.monotonic()
        reason = f"^cannot listen on {host} port {port}: Address already in use; another mockmoov[?] port 0 "
        with pytest.raises(BindError, match=reason):
            MockMoov(host=host, port=port)
    assert time.monotonic() - began < 1


def test_an_address_that_is_not_ours_is_an_error_with_the_reason_in_under_a_second() -> None:
    began = time.monotonic()
    with pytest.raises(BindError, match=r"^cannot listen on 203\.0\.113\.1 port 0: "):
        MockMoov(host="203.0.113.1")
    assert time.monotonic() - began < 1


def hanging_exchange(moov: MockMoov) -> threading.Thread:
    """A request that gets no answer, on its way; the thread ends when its connection does."""
    key = moov.new_api_key()
    key.faults.add("hang")

    def ask() -> None:
        with httpx2.Client(trust_env=False, timeout=60) as http, pytest.raises(httpx2.RemoteProtocolError):
            Program(http, key).token()

    thread = threading.Thread(target=ask)
    thread.start()
    key.exchanges.wait(timeout=30)
    return thread


def test_stop_is_bounded_though_an_exchange_hangs_and_connections_idle() -> None:
    with ExitStack() as stack:
        moov = MockMoov()
        address = ("127.0.0.1", int(moov.url.rpartition(":")[2]))
        for _ in range(20):
            stack.enter_context(socket.create_connection(address))
        half = stack.enter_context(socket.create_connection(address))
        half.sendall(b"POST /oauth2/token HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{")
        thread = hanging_exchange(moov)
        began = time.monotonic()
        moov.stop()
        assert time.monotonic() - began < 2
        thread.join(10)
        assert not thread.is_alive()


def test_one_hanging_exchange_delays_no_other(http_client: httpx2.Client) -> None:
    with MockMoov() as moov:
        thread = hanging_exchange(moov)
        others = [Program(http_client, moov.new_api_key()) for _ in range(5)]
        assert [other.token().status_code for other in others] == [200] * 5
        assert thread.is_alive()
    thread.join(10)
    assert not thread.is_alive()


def test_stop_frees_the_port_and_does_nothing_a_second_time(http_client: httpx2.Client) -> None:
    moov = MockMoov()
    moov.stop()
    with pytest.raises(httpx2.ConnectError):
        http_client.get(moov.url)
    moov.stop()
    with MockMoov(port=int(moov.url.rpartition(":")[2])) as next_one:
        assert next_one.url == moov.url
        moov.stop()
        assert http_client.get(f"{next_one.url}/_mockmoov/health").status_code == 200


def test_a_server_that_was_stopped_still_tells_what_happened(http_client: httpx2.Client) -> None:
    with MockMoov() as moov:
        key = moov.new_api_key()
        Program(http_client, key).token()
    assert [exchange.status for exchange in key.exchanges()] == [200]
    assert key.exchanges.wait(timeout=0) == moov.exchanges()
    key.delete()


@pytest.mark.parametrize(
    "change",
    [
        lambda moov, _: moov.new_api_key(),
        lambda moov, _: moov.mint(),
        lambda moov, _: moov.reset(),
        lambda _, key: key.clock.shift(hours=1),
        lambda _, key: key.faults.add("unavailable"),
        lambda _, key: key.disable(),
    ],
)
def test_nothing_is_made_or_changed_in_a_server_that_was_stopped(
    change: Callable[[MockMoov, MoovKey], object],
) -> None:
    with MockMoov() as moov:
        key = moov.new_api_key()
    with pytest.raises(ControlError, match=r"^this MockMoov was stopped: ") as caught:
        change(moov, key)
    assert caught.value.status == 0


@pytest.mark.parametrize("error", [ControlError(422, "why", "field"), ControlError(0, "why")])
def test_an_error_survives_the_way_between_processes(error: ControlError) -> None:
    error.add_note("a note")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is ControlError
    assert (copy.status, str(copy), copy.field, copy.__notes__) == (
        error.status,
        str(error),
        error.field,
        ["a note"],
    )


def test_a_handle_that_let_go_of_a_server_elsewhere_says_so_and_the_server_goes_on() -> None:
    with MockMoov() as moov:
        handle = MockMoov.connect(moov.url)
        key = handle.new_api_key()
        handle.stop()
        handle.stop()
        with pytest.raises(ControlError, match=f"^no mockmoov answers at {moov.url}: .*closed"):
            key.clock.now()
        assert moov.api_keys.get(key.client_id).enabled


def test_a_server_that_is_gone_is_an_error_that_says_so() -> None:
    with MockMoov() as moov:
        handle = MockMoov.connect(moov.url)
    with handle, pytest.raises(ControlError, match=f"^no mockmoov answers at {moov.url}: ") as caught:
        handle.exchanges()
    assert caught.value.status == 0


def test_no_thread_is_left_of_servers_that_were_stopped() -> None:
    for _ in range(3):
        with MockMoov():
            pass
    assert "mockmoov" not in [thread.name for thread in threading.enumerate()]


# --- several servers ----------------------------------------------------------------------------------


def test_several_servers_in_one_process_share_nothing(http_client: httpx2.Client) -> None:
    with ExitStack() as stack:
        moovs = [stack.enter_context(MockMoov(token_format=form)) for form in ("jwt", "jwt", "opaque")]
        keys = [moov.new_api_key(client_id="same", client_secret="the-same-0123456789") for moov in moovs]
        programs = [Program(http_client, key) for key in keys]
        assert len({moov.url for moov in moovs}) == 3
        assert len({moov.signing_keys.list() for moov in moovs}) == 3
        tokens = [program.token().json() for program in programs]
        for program, issued in itertools.product(programs, tokens):
            own = tokens[programs.index(program)] is issued
            assert program.ping(issued["access_token"]).status_code == (200 if own else 401)
            refreshed = program.token(grant_type="refresh_token", refresh_token=issued["refresh_token"])
            assert refreshed.status_code == (200 if own else 400)
        moovs[0].clock.freeze(LONG_AGO)
        keys[1].faults.add("unavailable")
        moovs[1].exchanges.clear()
        keys[2].disable()
        assert [program.token().status_code for program in programs] == [200, 503, 401]
        assert [moov.clock.now() == LONG_AGO for moov in moovs] == [True, False, False]
        assert [len(key.faults) for key in keys] == [0, 1, 0]
        assert [moov.exchanges.count() for moov in moovs] == [8, 1, 8]
        moovs[0].reset()
        assert [len(moov.api_keys.list()) for moov in moovs] == [1, 2, 2]


def test_the_same_seed_signs_alike_on_two_servers_and_still_tokens_belong_to_one(
    http_client: httpx2.Client,
) -> None:
    with MockMoov(seed="same") as one, MockMoov(seed="same") as other:
        assert one.signing_keys.list() == other.signing_keys.list()
        assert ping(http_client, one.url, one.mint()).status_code == 200
        assert ping(http_client, other.url, one.mint()).status_code == 401


# --- without a socket ---------------------------------------------------------------------------------


def test_the_app_answers_without_a_socket_from_the_same_state() -> None:
    async def ask(moov: MockMoov, key: MoovKey) -> list[int]:
        transport = httpx2.ASGITransport(app=moov.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://moov.invalid") as http:
            data = {"grant_type": "client_credentials", "scope": "/ping.read"}
            issued = await http.post(
                "/oauth2/token", auth=(key.client_id, key.client_secret or ""), data=data
            )
            headers = {"authorization": f"Bearer {issued.json()['access_token']}"}
            statuses = [issued.status_code, (await http.get("/ping", headers=headers)).status_code]
            key.clock.shift(hours=2)
            statuses.append((await http.get("/ping", headers=headers)).status_code)
            key.faults.add("unavailable", times=1)
            statuses.append((await http.get("/ping", headers=headers)).status_code)
            return statuses

    with MockMoov() as moov:
        key = moov.new_api_key()
        assert anyio.run(ask, moov, key) == [200, 200, 401, 503]
        assert [exchange.status for exchange in key.exchanges()] == [200, 200, 401, 503]


@pytest.mark.parametrize("preset", ["reset", "cut"])
def test_a_fault_that_ends_the_connection_is_an_error_where_there_is_none(preset: PresetName) -> None:
    async def ask(moov: MockMoov, key: MoovKey) -> None:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=moov.app)) as http:
            await http.post("http://moov/oauth2/token", auth=(key.client_id, key.client_secret or ""))

    with MockMoov() as moov:
        key = moov.new_api_key()
        key.faults.add(preset)
        with pytest.raises(ConnectionResetError, match="a planned fault: the connection is reset"):
            anyio.run(ask, moov, key)


def test_a_hanging_exchange_without_a_socket_can_be_given_up() -> None:
    async def ask(moov: MockMoov, key: MoovKey) -> bool:
        with anyio.move_on_after(0.05) as scope:
            async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=moov.app)) as http:
                await http.get("http://moov/ping", headers={"authorization": f"Bearer {key.mint()}"})
        return scope.cancelled_caught

    with MockMoov() as moov:
        key = moov.new_api_key()
        key.faults.add("hang")
        assert anyio.run(ask, moov, key)
        assert [exchange.status for exchange in key.exchanges()] == [None]


def test_a_server_elsewhere_has_no_app_here() -> None:
    with (
        MockMoov() as moov,
        MockMoov.connect(moov.url) as handle,
        pytest.raises(
            AttributeError, match=r"not available after MockMoov\.connect\(\): the server runs elsewhere"
        ),
    ):
        _ = handle.app


# --- what type checkers, and readers of output, are told ----------------------------------------------


def test_the_arguments_that_are_typed_are_those_that_the_server_knows() -> None:
    assert list(SettingArguments.__annotations__) == list(SETTINGS)
    assert set(KeyArguments.__annotations__) == set(_MEMBERS)
    assert set(KeyChanges.__annotations__) == set(_MEMBERS) - {"client_id"}
    ours = {"id", "preset", "matched", "triggered"}  # `preset` is an argument of its own
    assert list(FaultArguments.__annotations__) == [
        item.name for item in fields(Fault) if item.name not in ours
    ]
    assert list(QueryArguments.__annotations__) == [item.name for item in fields(Query)]


def test_literal_types_have_the_values_that_the_server_accepts() -> None:
    assert get_args(PresetName) == tuple(PRESETS)
    assert get_args(DefectName) == DEFECTS
    assert get_args(GrantType) == tuple(GRANTS)
    assert set(get_args(EndpointName)) == set(create_server(Settings()).endpoint_names)
    literals = {
        name: get_args(hint)
        for name, hint in get_type_hints(SettingArguments).items()
        if get_origin(hint) is Literal
    }
    assert list(literals) == ["token_format", "scope_catalogue", "origin_policy", "control"]
    for name, values in literals.items():
        with pytest.raises(SettingsError) as caught:
            load(Layer(settings={name: "no such value"}))
        assert str(caught.value).endswith(f"{name} must be one of {', '.join(values)}")


TYPED_PROGRAM = """\
from typing import assert_type

from mockmoov import Clock, ControlError, Exchange, Fault, MintedToken, MockMoov, MoovKey

moov = MockMoov(token_format="opaque", port=0)
MockMoov(token_format="opake")  # error: arg-type
MockMoov(token_fromat="opaque")  # error: call-arg
MockMoov(origin_policy="requierd")  # error: arg-type
MockMoov(access_token_lifetime="an hour")  # error: arg-type
key = moov.new_api_key(scopes=["/ping.read"], grants=["client_credentials"])
assert_type(key, MoovKey)
moov.new_api_key(grants=["client_credential"])  # error: list-item
moov.new_api_key(scope=["/ping.read"])  # error: call-arg
key.change(scopes=None, enabled=None)
key.change(client_id="another")  # error: call-arg
assert_type(key.clock, Clock)
key.clock.shift(2)  # error: arg-type
assert_type(key.faults.add("unavailable", endpoint="listAccounts", times=2), Fault)
key.faults.add(endpoint="token", grant_type="refresh_token", network_error="cut")
key.faults.add("unavailabel")  # error: arg-type
key.faults.add("html", endpoint="tokne")  # error: arg-type
key.faults.add("html", grant_type="refresh")  # error: arg-type
key.faults.add(stauts=503)  # error: call-arg
key.faults.add(network_error="cutt")  # error: arg-type
assert_type(key.exchanges(endpoint="ping", status=200), list[Exchange])
key.exchanges(endpoint="lisAccounts")  # error: arg-type
key.exchanges.count(grant_type="password")  # error: arg-type
key.exchanges.wait(2, endpoint="revok")  # error: arg-type
key.exchanges.wait(statsu=200)  # error: call-arg
assert_type(key.mint("/ping.read", defect="expired"), MintedToken)
key.mint(defect="expird")  # error: arg-type
key.mint(client_type="wbe")  # error: arg-type
assert_type(ControlError(404, "not found").field, str | None)
"""


@pytest.mark.slow
def test_mypy_reports_every_misspelled_name_and_value_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(TYPED_PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", "--show-error-codes", "--no-error-summary"]
    checked = subprocess.run(
        [*command, "--config-file=", "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    expected = [
        (number, line.partition("# error: ")[2])
        for number, line in enumerate(TYPED_PROGRAM.splitlines(), 1)
        if "# error: " in line
    ]
    found = re.findall(r"(?m)^(\S+):(\d+): error: .* \[(.*)\]$", checked.stdout)
    assert found == [("program.py", str(number), code) for number, code in expected], checked.stderr


def test_no_repr_shows_a_secret_or_a_whole_token() -> None:
    with (
        MockMoov(control_token=CONTROL_TOKEN, seed="seed-of-0123456789") as moov,
        MockMoov.connect(moov.url, control_token=CONTROL_TOKEN) as handle,
    ):
        for server in (moov, handle):
            key = server.new_api_key()
            token = key.mint()
            parts = [server.clock, server.faults, server.exchanges, server.api_keys, server.signing_keys]
            parts += [server, key, token, key.credentials, key.environ, key.clock, key._control]
            parts += [server.api_keys.list(), {"a": [key, token]}, server.config]
            shown = " ".join(f"{part!r} {[part]}" for part in parts)
            secrets = [key.client_secret, token, token.split(".")[2], CONTROL_TOKEN, "seed-of-0123456789"]
            assert not [secret for secret in secrets if secret and secret in shown]
            assert repr(server) == f"MockMoov(url={moov.url!r})"
            assert repr(key) == f"MoovKey(client_id={key.client_id!r}, url={moov.url!r})"
            owners = {"the server": server, key.client_id: key}
            for name, owner in owners.items():
                assert repr(owner.clock) == f"<Clock of {name}>"
                assert repr(owner.faults) == f"<Faults of {name}>"
                assert repr(owner.exchanges) == f"<Exchanges of {name}>"
            assert repr(token) == f"MintedToken(jti={token.claims['jti']!r}, defect=None)"
            assert (
                repr(key.credentials)
                == "<hidden values of client_id, client_secret, account_id, application_id>"
            )


def test_a_minted_token_is_the_token_wherever_a_text_is_wanted() -> None:
    token = MintedToken("a.b.c")
    token.claims, token.defect = {}, None
    assert f"Bearer {token}" == "Bearer a.b.c"
    assert token == "a.b.c"
    assert repr(token) == "MintedToken(jti=None, defect=None)"


def test_the_package_alone_imports_no_server() -> None:
    program = (
        "import sys, mockmoov; heavy = {'starlette', 'uvicorn', 'anyio', 'cryptography', 'httpx2'};"
        "print(heavy & {name.partition('.')[0] for name in sys.modules},"
        " [name for name in sys.modules if name.startswith('mockmoov')]);"
        "mockmoov.MockMoov; print('uvicorn' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == ["set() ['mockmoov']", "True"]


def test_the_package_has_no_attribute_but_those_it_offers() -> None:
    import mockmoov

    names = {"Clock", "ControlError", "Exchange", "Fault", "MintedToken", "MockMoov", "MoovKey"}
    assert {*mockmoov.__all__} == {*names, "__version__"}
    for name in names:
        assert getattr(mockmoov, name) is getattr(testing, name)
    with pytest.raises(AttributeError, match="module 'mockmoov' has no attribute 'Background'"):
        _ = mockmoov.Background
