"""Clock, faults, exchanges, tokens and signing keys, of a server here and of one elsewhere alike."""

import asyncio
import json
import re
import subprocess
import sys
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast, get_args
from urllib.parse import parse_qs

import anyio
import httpx2
import pytest

from mockmoov.control_plane.exchanges import LONGEST_WAIT
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.simulation.faults import PRESETS
from mockmoov.testing import ControlError, DefectName, Exchange, Exchanges, MockMoov, MoovKey, PresetName
from mockmoov.testing.transport import Control
from mockmoov.testing.types import QueryArguments
from tests.support.program import Program, ping

LONG_AGO = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)


def read_claims(token: str) -> Any:
    return json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))


# --- clocks -------------------------------------------------------------------------------------


def test_two_keys_live_in_different_times(program: Program, other: Program) -> None:
    assert program.key.clock.freeze(LONG_AGO) == LONG_AGO
    tokens = program.token().json()["access_token"], other.token().json()["access_token"]
    assert parsedate_to_datetime(program.ping(tokens[0]).headers["date"]) == LONG_AGO
    now = parsedate_to_datetime(other.ping(tokens[1]).headers["date"])
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)
    assert program.introspect(tokens[0])["iat"] == LONG_AGO.timestamp()
    program.key.clock.shift(hours=1, minutes=1)
    assert [program.ping(tokens[0]).status_code, other.ping(tokens[1]).status_code] == [401, 200]
    assert [program.introspect(tokens[0])["active"], other.introspect(tokens[1])["active"]] == [False, True]
    program.key.clock.shift(hours=-1)
    assert program.ping(tokens[0]).status_code == 200


def test_frozen_clock_stands_still_until_moved_or_resumed(key: MoovKey) -> None:
    clock = key.clock
    assert clock.freeze(LONG_AGO) == clock.now() == clock.now() == LONG_AGO
    shifted = clock.shift(timedelta(days=1), hours=1, minutes=2, seconds=0.5)
    assert shifted == LONG_AGO + timedelta(days=1, hours=1, minutes=2, seconds=0.5)
    assert clock.shift(days=-1) == shifted - timedelta(days=1)
    assert clock.move_to(LONG_AGO.timestamp()) == LONG_AGO
    assert clock.freeze() == LONG_AGO
    assert LONG_AGO <= clock.resume() < LONG_AGO + timedelta(minutes=1)
    assert LONG_AGO < clock.now() < LONG_AGO + timedelta(minutes=1)


def test_shift_needs_a_unit(key: MoovKey) -> None:
    before = key.clock.freeze()
    units: list[Any] = [2, 2.5, "2", None]
    message = r"^shift\(\) takes a timedelta or keyword arguments, such as shift\(hours=2\)$"
    for by in units:
        with pytest.raises(TypeError, match=message):
            key.clock.shift(by)
    with pytest.raises(TypeError, match=message):
        key.clock.shift()
    hint = r"^shift\(\) has no argument hour, only seconds, minutes, hours, days; did you mean hours\?$"
    with pytest.raises(TypeError, match=hint):
        key.clock.shift(hour=2)  # type: ignore[call-arg]
    assert key.clock.now() == before


def test_delay_may_be_a_timedelta(key: MoovKey) -> None:
    two = timedelta(seconds=2)
    fault = key.faults.add(status=429, delay=two, retry_after=timedelta(minutes=1))
    assert (fault.delay, fault.retry_after) == (2, 60)
    assert key.stubs.add("listAccounts", delay=two).delay == 2


def test_number_of_exchanges_comes_first(key: MoovKey) -> None:
    for method in (key.exchanges.exactly, key.exchanges.wait):
        message = f"^{method.__name__}\\(\\) takes the number of exchanges first, such as {method.__name__}"
        with pytest.raises(TypeError, match=rf'{message}\(1, endpoint="token"\)$'):
            method("token")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=rf"{message}\(1\)$"):
            method("tokn")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^wait_async\(\) takes the number of exchanges first"):
        asyncio.run(key.exchanges.wait_async("token"))  # type: ignore[arg-type]


def test_a_time_may_have_any_zone_but_needs_one(key: MoovKey) -> None:
    at = datetime(2030, 1, 1, 12, tzinfo=timezone(timedelta(hours=-7)))
    assert key.clock.freeze(at) == at
    assert key.clock.now().tzinfo is UTC
    fault = key.faults.add("html", start=at, end=at.timestamp() + 1)
    assert (fault.start, fault.end) == (at.timestamp(), at.timestamp() + 1)
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
    assert key.faults.list() == (fault,)


# --- faults -------------------------------------------------------------------------------------


def test_fault_happens_as_planned_and_to_no_other_key(program: Program, other: Program) -> None:
    fault = program.key.faults.add("unavailable", endpoint="token", after=1, times=2)
    planned = fault.preset, fault.endpoint, fault.status, fault.after, fault.times
    assert planned == ("unavailable", "token", 503, 1, 2)
    assert program.key.faults.untriggered() == (fault,)
    assert [program.token().status_code for _ in range(4)] == [200, 503, 503, 200]
    assert [other.token().status_code for _ in range(4)] == [200] * 4
    assert [(item.id, item.triggered) for item in program.key.faults.list()] == [(fault.id, 2)]
    assert program.key.faults.untriggered() == ()
    assert [exchange.status for exchange in program.key.exchanges(fault=fault.id)] == [503, 503]


def test_faults_are_listed_counted_removed_and_cleared(key: MoovKey) -> None:
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


def test_member_overrides_its_preset_and_none_is_left_out(program: Program) -> None:
    fault = program.key.faults.add("rate-limited", retry_after=7, where={"path": "/oauth2/token"}, text=None)
    assert fault.where.path == "/oauth2/token"
    limited = program.token()
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")


# --- stubs --------------------------------------------------------------------------------------


def test_stub_answers_the_requests_of_its_key(program: Program, other: Program) -> None:
    stubs = program.key.stubs
    stub = stubs.add("getAccount", json={"accountID": "{accountID}", "note": None}, times=1)
    image = stubs.add("GET /images/{publicID}", body=b"\x89PNG", headers={"content-type": "image/png"})
    nothing = stubs.add("listAccounts", json=None, text=None, where={"query": {"count": "1"}})
    assert stubs.list() == tuple(stubs) == (stub, image, nothing)
    assert len(stubs) == 3
    assert (stub.endpoint, stub.json, image.endpoint, image.body) == (
        *("getAccount", {"accountID": "{accountID}", "note": None}, "getPublicImage", b"\x89PNG"),
    )
    account = program.key.account_id
    responses = [each.get(f"/accounts/{account}") for each in (program, other, program)]
    assert [response.status_code for response in responses] == [200, 501, 501]
    assert responses[0].json() == {"accountID": account, "note": None}
    assert program.get("/images/x").content == b"\x89PNG"
    assert program.get("/accounts?count=1").json() is None
    assert stubs.untriggered() == ()
    assert program.key.exchanges.one(stub=image).path == "/images/..."
    stubs.remove(image.id)
    assert [each.id for each in stubs] == [stub.id, nothing.id]
    stubs.clear()
    assert stubs.list() == ()


def test_invalid_stub_is_named(key: MoovKey) -> None:
    with pytest.raises(ControlError, match="did you mean listAccounts") as caught:
        key.stubs.add("listAcounts")  # type: ignore[arg-type]
    assert (caught.value.status, caught.value.field) == (422, "endpoint")
    with pytest.raises(TypeError, match=r"^body must be bytes; for text, use text$"):
        key.stubs.add("ping", body="x")  # type: ignore[arg-type]
    with pytest.raises(ControlError, match="did you mean status"):
        key.stubs.add("ping", stauts=1)  # type: ignore[call-arg]


# --- exchanges ----------------------------------------------------------------------------------


def test_journal_lists_requests_and_responses_in_order(moov: MockMoov, program: Program) -> None:
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
    assert {item.client_id for item in (first, second, third)} == {program.key.client_id}
    assert (program.key.exchanges.dropped, moov.exchanges()[-3:]) == (0, [first, second, third])
    program.key.exchanges.clear()
    assert (program.key.exchanges(), program.key.exchanges.count()) == ([], 0)


# Queries, and which of four exchanges match.
QUERIES: list[tuple[QueryArguments, list[int]]] = [
    ({}, [0, 1, 2, 3]),
    ({"endpoint": "token"}, [0, 2, 3]),
    ({"endpoint": "ping"}, [1]),
    ({"grant_type": "refresh_token"}, [2, 3]),
    ({"status": 200}, [0, 1, 2]),
    ({"status": 400, "endpoint": "token"}, [3]),
    ({"method": "GET"}, [1]),
    ({"since": LONG_AGO + timedelta(hours=1)}, [2, 3]),
    ({"until": LONG_AGO + timedelta(hours=1)}, [0, 1]),
    ({"since": LONG_AGO.timestamp(), "until": LONG_AGO.timestamp() + 1}, [0, 1]),
]


def test_query_lists_counts_and_waits_for_what_matches(program: Program) -> None:
    program.key.clock.freeze(LONG_AGO)
    issued = program.token().json()
    program.ping(issued["access_token"])
    program.key.clock.shift(hours=1)
    program.token(grant_type="refresh_token", refresh_token=issued["refresh_token"])
    program.token(grant_type="refresh_token", refresh_token="none")
    program.ping("none")  # which key it is for cannot be known
    everything = program.key.exchanges()
    assert [exchange.status for exchange in everything] == [200, 200, 200, 400]
    for query, places in QUERIES:
        expected = [everything[place] for place in places]
        assert program.key.exchanges(**query) == expected
        assert program.key.exchanges.count(**query) == len(expected)
        assert program.key.exchanges.wait(len(expected), **query) == expected


def test_wait_returns_once_enough_exchanges_match(program: Program) -> None:
    program.token()
    sender = threading.Timer(0.05, program.token)
    sender.start()
    found = program.key.exchanges.wait(2, timeout=60, endpoint="token")
    sender.join()
    assert [exchange.status for exchange in found] == [200, 200]


def test_wait_in_vain_lists_the_matching_exchanges(program: Program) -> None:
    program.token()
    program.token(scope="/nope.read")
    with pytest.raises(TimeoutError) as caught:
        program.key.exchanges.wait(3, timeout=0.01, endpoint="token")
    first, second, third = str(caught.value).splitlines()
    assert first == "waited 0.01 s for 3 matching exchanges, found 2"
    line = r"  #\d+ \w{3}, .* GMT POST /oauth2/token client_credentials /ping.read \(contract 2023\) -> 200"
    assert re.fullmatch(line, second)
    assert re.search(r"/nope.read \(contract 2023\) -> 400: scope /nope.read is not known", third)
    with pytest.raises(TimeoutError) as caught:
        program.key.exchanges.wait(timeout=0, endpoint="revoke")
    assert str(caught.value) == "waited 0 s for 1 matching exchanges, found 0"
    with pytest.raises(TimeoutError, match=r"^waited 0\.01 s for 3 matching exchanges, found 2\n"):
        asyncio.run(program.key.exchanges.wait_async(3, timeout=0.01))


def test_count_that_differs_lists_what_was_found_and_the_nearest(program: Program) -> None:
    exchanges, account = program.key.exchanges, program.key.account_id
    path = f"/accounts/{account}/transfers"
    endpoint: Final = "POST /accounts/{accountID}/transfers"
    for value in (100, 250):
        program.post(path, {"amount": {"value": value}, "description": "rent"})
    program.get("/accounts?count=1")
    sent = exchanges.one(endpoint="createTransfer", where={"body": {"amount": {"value": 250}}})
    assert sent.body == {"amount": {"value": 250}, "description": "rent"}
    assert [each.number for each in exchanges] == [each.number for each in exchanges()]
    assert len(exchanges) == 3
    assert exchanges.exactly(2, endpoint=endpoint, since=LONG_AGO) == exchanges(endpoint="createTransfer")
    assert exchanges.one(where={"query": {"count": "1"}}).query == {"count": ("1",)}
    with pytest.raises(AssertionError) as caught:
        exchanges.one(endpoint=endpoint, where={"body": {"amount": {"value": 200}, "description": "rent"}})
    first, heading, *misses = str(caught.value).splitlines()
    assert first.startswith(f"expected 1 exchange with endpoint='{endpoint}', where={{'body': ")
    assert first.endswith(", found 0")
    assert heading == "  nearest misses:"
    assert [line.partition(": #")[0] for line in misses] == [
        "  body.amount.value is 100, not 200",
        "  body.amount.value is 250, not 200",
    ]
    with pytest.raises(AssertionError) as caught:
        exchanges.one(status=501)
    first, *lines = str(caught.value).splitlines()
    assert (first, len(lines)) == ("expected 1 exchange with status=501, found 3", 3)
    with pytest.raises(ControlError, match=r"^this cannot be written as JSON: "):
        exchanges.count(where={"body": "\ud800"})
    with pytest.raises(AssertionError, match=r"^expected 0 exchanges with no conditions, found 3\n"):
        exchanges.exactly(0)


def test_wait_async_lets_the_event_loop_run(program: Program) -> None:
    async def go() -> list[Exchange]:
        waiting = asyncio.create_task(program.key.exchanges.wait_async(timeout=60, endpoint="token"))
        async with httpx2.AsyncClient(trust_env=False) as http:
            data = {"grant_type": "client_credentials", "scope": "/ping.read"}
            await http.post(f"{program.key.url}/oauth2/token", auth=program.auth, data=data)
        return await waiting

    assert [exchange.status for exchange in asyncio.run(go())] == [200]


class Silent:
    """A control plane where nothing ever happens; it notes how long each wait is."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def send(self, method: str, path: str, query: str, body: bytes, timeout: float) -> tuple[int, str, bytes]:
        if path == "/exchanges":  # to explain why the wait was in vain
            return 200, "", b'{"exchanges": []}'
        assert (method, path, body) == ("GET", "/exchanges/wait", b"")
        assert parse_qs(query)["timeout"] == [str(timeout)]
        self.waits.append(timeout)
        return 200, "", b'{"exchanges": [], "complete": false}'


def test_long_wait_is_split_into_waits_the_server_grants() -> None:
    for timeout in (0, 1, 59.5, 60, 61, 150, 600):
        silent = Silent()
        with pytest.raises(TimeoutError, match=f"^waited {timeout} s for 1 matching exchanges, found 0$"):
            Exchanges(Control(cast("Any", silent))).wait(timeout=timeout)
        assert sum(silent.waits) == timeout
        assert max(silent.waits) <= LONGEST_WAIT
        assert len(silent.waits) == max(1, -(-timeout // LONGEST_WAIT))


@pytest.mark.slow
def test_cancelled_wait_async_leaves_no_thread_behind(key: MoovKey) -> None:
    before = threading.active_count()

    async def go() -> None:
        with anyio.move_on_after(0.01):
            await key.exchanges.wait_async(timeout=3600)

    anyio.run(go)
    for _ in range(1000):
        if threading.active_count() <= before:
            return
        time.sleep(0.01)
    pytest.fail("its thread still runs")


FROZEN = """
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


@pytest.mark.slow
def test_server_follows_a_frozen_process_and_waits_still_end() -> None:
    done = subprocess.run([sys.executable, "-c", FROZEN], check=False, capture_output=True, text=True)
    assert done.stdout.split() == ["1000000000.0", "True", "1000000000.0"], done.stderr


# --- tokens and signing keys --------------------------------------------------------------------


def test_minted_token_works_and_needs_no_exchange(program: Program) -> None:
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


def test_defective_token_is_refused_for_its_defect(program: Program) -> None:
    for defect in get_args(DefectName):
        token = program.key.mint(defect=defect)
        assert token.defect == defect
        assert program.ping(token).status_code == 401


def test_server_mints_tokens_of_its_first_key(http: httpx2.Client, moov: MockMoov) -> None:
    token = moov.mint()
    assert token.claims["caid"] == EXAMPLE["account_id"]
    assert ping(http, moov.url, token).status_code == 200


def test_rotated_signing_key_verifies_until_it_is_dropped(moov: MockMoov, program: Program) -> None:
    (old,) = moov.signing_keys.list()
    token = program.key.mint()
    new = moov.signing_keys.rotate()
    assert moov.signing_keys.list() == (new, old)
    assert program.ping(token).status_code == 200
    moov.signing_keys.drop(old)
    assert moov.signing_keys.list() == (new,)
    assert program.ping(token).status_code == 401
    with pytest.raises(ControlError) as caught:
        moov.signing_keys.drop(new)
    assert caught.value.status == 409
