"""The ASGI application: raw paths, bodies, Host, and a log in which no secret is ever found."""

import asyncio
import base64
import contextlib
import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import pairwise
from typing import Any, Literal
from urllib.parse import quote, urlencode
from uuid import UUID

import anyio
import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message

from mockmoov.config.settings import load
from mockmoov.oauth.signing_keys import make_issuer_keys
from mockmoov.server.authorization_server import MAX_BODY, AuthorizationServer
from mockmoov.simulation.clock import http_date
from mockmoov.simulation.faults import Fault
from mockmoov.storage.journal import Journal, MemoryJournal
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import SimulationState
from mockmoov.web.app import create_app
from tests.support.servers import (
    CLIENT_ID,
    CLIENT_SECRET,
    NOW,
    Clock,
    another_key,
    basic,
    bearer,
    new_server,
    sender,
)

FORM = "application/x-www-form-urlencoded"
MINT = {"grant_type": "client_credentials", "scope": "/ping.read"}
RawHeaders = list[tuple[bytes, bytes]]


def new_app(hosts: Iterable[str] | None = None, **settings: Any) -> ASGIApp:
    """With hosts on loopback, where they are allowed; without, on the network."""
    if hosts is None:
        return create_app(new_server(**settings), exposure="network")
    return create_app(new_server(allowed_hosts=list(hosts), **settings), exposure="loopback")


def ask(app: ASGIApp, method: str, target: str, **options: Any) -> httpx2.Response:
    async def go() -> httpx2.Response:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, target, **options)

    return asyncio.run(go())


def mint(app: ASGIApp) -> dict[str, Any]:
    answer = ask(app, "POST", "/oauth2/token", data=MINT, auth=(CLIENT_ID, CLIENT_SECRET))
    assert answer.status_code == 200, answer.text
    members: dict[str, Any] = answer.json()
    return members


class Connection:
    """A raw ASGI connection: what the client sends, message by message, and what came back."""

    def __init__(self, *messages: Message) -> None:
        self.waiting = list(messages)
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        assert self.waiting, "the application reads on where nothing is to be expected"
        return self.waiting.pop(0)

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])


def chunk(body: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


GONE: Message = {"type": "http.disconnect"}


def connect(
    app: ASGIApp,
    method: str,
    path: str,
    *messages: Message,
    headers: RawHeaders | None = None,
    query: bytes = b"",
    extensions: dict[str, Any] | None = None,
) -> Connection:
    connection = Connection(*(messages or [chunk()]))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": quote(path, safe="/%").encode(),
        "query_string": query,
        "root_path": "",
        "headers": headers or [],
        **({} if extensions is None else {"extensions": extensions}),
    }
    asyncio.run(_call(app, scope, connection))
    return connection


async def _call(app: ASGIApp, scope: dict[str, Any], connection: Connection) -> None:
    await app(scope, connection.receive, connection.send)


def authorized(content_type: str = FORM) -> RawHeaders:
    return [(b"content-type", content_type.encode()), (b"authorization", basic()[1].encode())]


def form(**parameters: str) -> bytes:
    return urlencode(parameters).encode()


# --- paths --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/oauth2%2Ftoken",
        "/oauth2/%74oken",
        "/oauth2/token/",
        "//oauth2/token",
        "/OAUTH2/token",
        "/oauth2/token;x=1",
        "/oauth2",
        "/",
        "/ping/",
        "/_mockmoov",
        "/_mockmoov/",
        "/_mockmoov/health/",
        "/_mockmoov%2Fhealth",
        "/%5Fmockmoov/health",
        "/.well-known/jwks.json/",
        "/.well-known%2Fjwks.json",
        "/.well-known/openid-configuration",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_only_the_raw_path_counts_and_nothing_is_redirected(method: str, target: str) -> None:
    answer = ask(new_app(), method, target)
    assert answer.status_code == 404
    assert answer.content == b""
    assert "location" not in answer.headers


@pytest.mark.parametrize(("path", "status"), [("/_mockmoov/health", 200), ("/ping", 401), ("/pïng %\n", 404)])
def test_a_path_that_came_without_its_raw_form_is_encoded_again(path: str, status: int) -> None:
    connection = Connection(chunk())
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "query_string": b"",
        "headers": [],
    }
    asyncio.run(_call(new_app(), scope, connection))
    assert connection.status == status


def test_every_answer_has_a_request_id_of_its_own_and_echoes_none() -> None:
    app, seen = new_app(hosts=()), set()
    sent = "7d0f8f4f-1f4e-4c7e-9a55-1d2f0d1c2b3a"
    for target, host in [("/ping", "localhost"), ("/none", "localhost"), ("/ping", "elsewhere")] * 2:
        answer = ask(app, "GET", target, headers={"x-request-id": sent, "host": host})
        seen.add(str(UUID(answer.headers["x-request-id"])))
    assert len(seen - {sent}) == 6


def test_a_204_has_neither_body_nor_length_nor_type() -> None:
    app = new_app()
    answer = ask(app, "POST", "/oauth2/revoke", data={"token": "unknown"}, auth=(CLIENT_ID, CLIENT_SECRET))
    assert answer.status_code == 204
    assert answer.content == b""
    assert not {"content-length", "content-type"} & set(answer.headers)


@pytest.mark.parametrize("target", ["/ping", "/none", "/oauth2/token", "/_mockmoov/health"])
def test_every_other_answer_tells_its_length(target: str) -> None:
    answer = ask(new_app(), "GET", target)
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize("hosts", [None, ()])
def test_a_websocket_is_closed(hosts: Iterable[str] | None) -> None:
    connection = Connection({"type": "websocket.connect"})
    scope = {"type": "websocket", "path": "/oauth2/token", "headers": [(b"host", b"localhost")]}
    asyncio.run(_call(new_app(hosts), scope, connection))
    assert connection.sent == [{"type": "websocket.close"}]


# --- bodies -----------------------------------------------------------------------------------------


@given(cuts=st.lists(st.integers(0, 60), max_size=5), empty_last=st.booleans())
def test_it_makes_no_difference_how_a_body_is_cut_into_chunks(cuts: list[int], empty_last: bool) -> None:
    body = form(**MINT)
    edges = sorted({0, *(min(cut, len(body)) for cut in cuts), len(body)})
    pieces = [body[a:b] for a, b in pairwise(edges)]
    messages = [chunk(piece, more=True) for piece in pieces]
    messages = [*messages, chunk()] if empty_last else [*messages[:-1], chunk(pieces[-1])]
    answer = connect(new_app(), "POST", "/oauth2/token", *messages, headers=authorized())
    assert answer.status == 200
    assert not answer.waiting


def test_a_request_without_a_body_is_read_to_its_end() -> None:
    answer = connect(new_app(), "GET", "/ping", {"type": "http.request"}, headers=authorized())
    assert answer.status == 200


@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/revoke", "/_mockmoov/introspect"])
@pytest.mark.parametrize("size", [MAX_BODY + 1, MAX_BODY + 5000])
def test_a_body_over_the_limit_is_413_and_not_read_further(path: str, size: int) -> None:
    first, second = chunk(b"a" * 5000, more=True), chunk(b"a" * (size - 5000), more=True)
    rest = chunk(b"never read", more=True)
    answer = connect(new_app(), "POST", path, first, second, rest, headers=authorized())
    assert answer.status == 413
    assert answer.body == b""
    assert answer.headers[b"connection"] == b"close"
    assert answer.waiting == [rest]


def test_a_body_of_just_the_limit_is_read() -> None:
    body = form(**MINT) + b"&padding="
    body += b"a" * (MAX_BODY - len(body))
    answer = connect(new_app(), "POST", "/oauth2/token", chunk(body), headers=authorized())
    assert answer.status == 200


def test_a_body_makes_no_difference_where_none_is_read() -> None:
    answer = connect(new_app(), "GET", "/ping", chunk(b"a" * (MAX_BODY + 1)), headers=authorized())
    assert answer.status == 200


@pytest.mark.parametrize("whole", [True, False])
def test_for_a_client_that_leaves_before_its_body_ends_nothing_is_done(whole: bool) -> None:
    app = new_app()
    pair = mint(app)
    body = form(grant_type="refresh_token", refresh_token=pair["refresh_token"])
    sent = chunk(body if whole else body[:20], more=True)
    with access_log() as lines:
        assert not connect(app, "POST", "/oauth2/token", sent, GONE, headers=authorized()).sent
    assert not lines
    after = connect(app, "POST", "/oauth2/token", chunk(body), headers=authorized())
    assert after.status == 200


def test_a_client_that_leaves_before_its_change_is_whole_changes_nothing() -> None:
    server = new_server()
    app = create_app(server, exposure="process")
    body = b'{"status": 503}'
    typed = [(b"content-type", b"application/json")]
    assert not connect(app, "POST", "/_mockmoov/faults", chunk(body, more=True), GONE, headers=typed).sent
    assert server.simulation.faults() == ()
    assert connect(app, "POST", "/_mockmoov/faults", chunk(body), headers=typed).status == 201


def test_for_a_client_that_leaves_while_it_revokes_the_token_stays_good() -> None:
    app = new_app()
    token = mint(app)["access_token"]
    sent = chunk(form(token=token), more=True)
    assert not connect(app, "POST", "/oauth2/revoke", sent, GONE, headers=authorized()).sent
    assert ask(app, "GET", "/ping", headers=[bearer(token)]).status_code == 200


# --- headers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repeated", "status", "reason"),
    [
        ((b"authorization", basic()[1].encode()), 400, "more than one Authorization header was sent"),
        ((b"content-type", FORM.encode()), 400, "more than one Content-Type header was sent"),
        (
            (b"x-moov-version", b"latest"),
            404,
            "X-Moov-Version is malformed: send vYYYY.QQ.BB (QQ: 01, 04, 07, 10) or latest, once; "
            "without the header you get contract 2023",
        ),
    ],
)
def test_repeated_headers_reach_the_server_as_repeated(
    repeated: tuple[bytes, bytes], status: int, reason: str
) -> None:
    others = [(name, value) for name, value in authorized() if name != repeated[0]]
    headers = [repeated, *others, repeated]
    answer = connect(new_app(), "POST", "/oauth2/token", chunk(form(**MINT)), headers=headers)
    assert answer.status == status
    assert answer.headers[b"x-mockmoov-reason"].decode() == reason


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=6))
def test_headers_of_any_bytes_are_answered(headers: RawHeaders) -> None:
    assert 200 <= connect(new_app(), "POST", "/oauth2/token", headers=headers).status < 500


@pytest.mark.parametrize(
    ("method", "target", "host"),
    [
        ("GET", "/ping", "localhost"),
        ("POST", "/oauth2/token", "localhost"),
        ("GET", "/none", "localhost"),
        ("GET", "/_mockmoov/health", "localhost"),
        ("GET", "/_mockmoov/none", "localhost"),
        ("GET", "/.well-known/jwks.json", "localhost"),
        ("GET", "/ping", "elsewhere"),
    ],
)
def test_every_answer_has_one_date(method: str, target: str, host: str) -> None:
    answer = ask(new_app(hosts=()), method, target, headers={"host": host})
    (date,) = answer.headers.get_list("date")
    assert parsedate_to_datetime(date).tzinfo is not None


# --- exchanges that take a while ----------------------------------------------------------------


class Sleeper(Clock):
    """A clock that goes on by itself wherever the application waits, and notes by how much."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []


@pytest.fixture
def sleeper(monkeypatch: pytest.MonkeyPatch) -> Sleeper:
    clock, move_on_after = Sleeper(), anyio.move_on_after

    def move_on(seconds: float) -> anyio.CancelScope:
        clock.slept.append(seconds)
        clock.shift(seconds)
        return move_on_after(0)

    monkeypatch.setattr(anyio, "move_on_after", move_on)
    return clock


def test_an_answer_that_is_delayed_comes_after_the_delay_with_the_time_that_it_is_by_then(
    sleeper: Sleeper,
) -> None:
    server = new_server(clock=sleeper)
    server.simulation.add_fault(None, Fault(id="f", delay=90, times=1))
    app = create_app(server, exposure="process")
    late, prompt = (ask(app, "GET", "/ping", headers=[basic()]) for _ in range(2))
    assert sleeper.slept == [90]
    assert (late.status_code, prompt.status_code) == (200, 200)
    assert late.headers["date"] == prompt.headers["date"] == http_date(int(NOW + 90))


def test_a_token_whose_answer_was_delayed_lives_from_the_time_that_it_is_by_then(
    sleeper: Sleeper,
) -> None:
    server = new_server(clock=sleeper, default_version="latest")
    server.simulation.add_fault(CLIENT_ID, Fault(id="f", delay=90))
    assert mint(create_app(server, exposure="process"))["expires_in"] == int(NOW) + 90 + 3600


def test_what_a_client_asked_that_does_not_wait_for_its_answer_is_done_all_the_same() -> None:
    server = new_server()
    app = create_app(server, exposure="process")
    token = mint(app)["access_token"]
    server.simulation.add_fault(None, Fault(id="f", delay=3600, times=1))
    left = connect(app, "POST", "/oauth2/revoke", chunk(form(token=token)), GONE, headers=authorized())
    assert left.waiting == []
    answer = ask(app, "GET", "/ping", headers=[bearer(token)])
    assert (answer.status_code, answer.headers["x-mockmoov-reason"]) == (401, "the token was revoked")


WAIT = "/_mockmoov/exchanges/wait"


def test_who_waits_for_exchanges_is_answered_as_soon_as_they_are_there() -> None:
    app = new_app(hosts=())

    async def go() -> tuple[httpx2.Response, float]:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            started = time.monotonic()
            waiting = asyncio.create_task(client.get(WAIT, params={"count": 2, "timeout": 60}))
            for _ in range(2):
                await asyncio.sleep(0.02)
                assert not waiting.done()
                await client.get("/ping")
            return await waiting, time.monotonic() - started

    answer, seconds = asyncio.run(go())
    assert (answer.json()["complete"], answer.json()["count"]) == (True, 2)
    assert seconds < 10


@pytest.mark.parametrize("timeout", [0, 0.05])
def test_who_waits_in_vain_is_told_so_when_the_time_is_up(timeout: float) -> None:
    started = time.monotonic()
    answer = ask(new_app(hosts=()), "GET", WAIT, params={"timeout": timeout})
    assert (answer.status_code, answer.json()["complete"]) == (200, False)
    assert timeout <= time.monotonic() - started < timeout + 10


class CountingJournal(MemoryJournal):
    """Counts how many of its exchanges are read."""

    reads = 0

    def read(self, owner: str | None = None) -> Journal:
        journal = super().read(owner)
        self.reads += len(journal.exchanges)
        return journal


def test_a_wait_in_vain_reads_no_exchange_that_does_not_match() -> None:
    store = MemoryStore()
    store.journal = journal = CountingJournal()
    server = AuthorizationServer(
        load(),
        Repository(store),
        SimulationState(store, wall=time.time),
        signing_keys=make_issuer_keys(bytes(32)),
    )
    app = create_app(server, exposure="process")

    async def go() -> httpx2.Response:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            for _ in range(100):
                await client.get("/ping")
            waiting = asyncio.create_task(client.get(WAIT, params={"timeout": 0.3, "status": 418}))
            for _ in range(10):
                await asyncio.sleep(0.015)
                await client.get("/ping")
            return await waiting

    answer = asyncio.run(go())
    assert (answer.json()["complete"], answer.json()["count"]) == (False, 0)
    assert journal.reads == 0


@pytest.mark.parametrize("gone", ["/_mockmoov/reset", "/_mockmoov/api-keys/{}/reset"])
def test_who_waits_sees_what_comes_after_a_reset(gone: str) -> None:
    app = new_app(hosts=())

    async def go() -> httpx2.Response:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:

            async def ping(times: int) -> None:
                for _ in range(times):
                    await client.get("/ping", auth=(CLIENT_ID, CLIENT_SECRET))

            await ping(5)
            waiting = asyncio.create_task(client.get(WAIT, params={"count": 7, "timeout": 60}))
            await asyncio.sleep(0.03)
            done = await client.post(gone.format(CLIENT_ID), json={})
            assert done.status_code == 200, done.text
            await ping(6)
            await asyncio.sleep(0.03)
            assert not waiting.done()
            await ping(1)
            return await waiting

    answer = asyncio.run(go())
    assert (answer.json()["complete"], answer.json()["count"]) == (True, 7)


def test_who_leaves_while_it_waits_is_waited_for_no_longer() -> None:
    started = time.monotonic()
    host = [(b"host", b"localhost")]
    left = connect(new_app(hosts=()), "GET", WAIT, chunk(), GONE, headers=host, query=b"timeout=60")
    assert left.waiting == []
    assert time.monotonic() - started < 10


# --- answers that do not arrive -------------------------------------------------------------------


class Ends:
    """What our own listener offers to the application: notes in which way it was told to end."""

    def __init__(self) -> None:
        self.told: list[str] = []
        ways = {way: partial(self.told.append, way) for way in ("reset", "close")}
        self.extensions = {"mockmoov.connection": ways}


def faulty(connection: Literal["hang", "reset", "cut"], *, text: str | None = None) -> ASGIApp:
    server = new_server()
    status = None if text is None else 503
    server.simulation.add_fault(None, Fault(id="f", network_error=connection, status=status, text=text))
    return create_app(server, exposure="process")


def test_a_client_that_is_kept_hanging_is_sent_nothing_until_it_leaves() -> None:
    ends = Ends()
    answer = connect(faulty("hang"), "GET", "/ping", chunk(), GONE, extensions=ends.extensions)
    assert (answer.sent, answer.waiting, ends.told) == ([], [], [])


def test_what_a_client_sends_on_while_it_is_kept_hanging_is_no_answer_to_it_either() -> None:
    messages = [chunk(b"a" * (MAX_BODY + 1), more=True), chunk(b"more", more=True), chunk(b"still"), GONE]
    answer = connect(faulty("hang"), "POST", "/oauth2/token", *messages)
    assert (answer.sent, answer.waiting) == ([], [])


def test_a_connection_is_reset_before_anything_is_sent() -> None:
    ends = Ends()
    answer = connect(faulty("reset"), "GET", "/ping", chunk(), GONE, extensions=ends.extensions)
    assert (answer.sent, answer.waiting, ends.told) == ([], [], ["reset"])


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_of_an_answer_that_is_cut_half_the_body_is_sent_that_was_announced_whole(text: str) -> None:
    ends = Ends()
    answer = connect(faulty("cut", text=text), "GET", "/ping", chunk(), GONE, extensions=ends.extensions)
    body = text.encode()
    assert answer.headers[b"content-length"] == b"%d" % len(body)
    assert answer.body == body[: len(body) // 2]
    assert answer.sent[-1]["more_body"] is True
    assert (answer.waiting, ends.told) == ([], ["close"])


def test_of_an_answer_without_a_body_that_is_cut_nothing_is_sent() -> None:
    ends = Ends()
    answer = connect(faulty("cut"), "GET", "/ping", chunk(), GONE, extensions=ends.extensions)
    assert (answer.sent, answer.waiting, ends.told) == ([], [], ["close"])


@pytest.mark.parametrize("extensions", [None, {}, {"http.response.debug": {}}])
@pytest.mark.parametrize("connection", ["reset", "cut"])
def test_under_a_listener_that_cannot_end_connections_that_is_an_error_which_ends_them_too(
    connection: Literal["reset", "cut"], extensions: dict[str, Any] | None
) -> None:
    with pytest.raises(ConnectionResetError, match="a planned fault"):
        connect(faulty(connection, text="text"), "GET", "/ping", extensions=extensions)


@pytest.mark.parametrize(("connection", "shown"), [("hang", "hang"), ("reset", "reset"), ("cut", "401")])
def test_an_answer_that_does_not_arrive_is_logged_with_what_became_of_it(
    connection: Literal["hang", "reset", "cut"], shown: str
) -> None:
    with access_log() as lines:
        connect(faulty(connection), "GET", "/ping", chunk(), GONE, extensions=Ends().extensions)
    (line,) = lines
    assert line.startswith(f"GET /ping {shown} client=- grant=- reason=")


# --- the Host rule ----------------------------------------------------------------------------------

KNOWN = ("mockmoov:8080", "Moov.Test")
HOSTS = {
    "localhost": True,
    "localhost:8080": True,
    "LOCALHOST:1": True,
    "shop.localhost": True,
    "a.b.localhost:3000": True,
    "127.0.0.1": True,
    "127.0.0.1:8080": True,
    "127.1.2.3:80": True,
    "[::1]": True,
    "[::1]:8080": True,
    "mockmoov:8080": True,
    "MOCKMOOV:8080": True,
    "moov.test": True,
    "mockmoov": False,
    "mockmoov:8081": False,
    "moov.test:80": True,
    "": False,
    ":8080": False,
    "moov.io": False,
    "localhost.evil.example": False,
    "evillocalhost": False,
    "127.0.0.1.evil.example": False,
    "1127.0.0.1": False,
    "128.0.0.1": False,
    "0.0.0.0": False,
    "10.0.0.1:8080": False,
    "[::2]:8080": False,
    "[::1].evil.example": False,
    "::1": False,
    "localhost:http": False,
    "localhost:80:80": False,
    "localhost, localhost": False,
    "evil.example@localhost": False,
    "evil.example/localhost": False,
    "localhost\n": False,
    "löcalhost": False,
}


def status_with_hosts(hosts: Iterable[str] | None, *values: str, path: str = "/_mockmoov/health") -> int:
    headers = [(b"host", value.encode("latin-1")) for value in values]
    return connect(new_app(hosts), "GET", path, headers=headers).status


@pytest.mark.parametrize(("host", "passes"), HOSTS.items())
def test_on_loopback_only_loopback_names_and_those_allowed_pass(host: str, passes: bool) -> None:
    assert status_with_hosts(KNOWN, host) == (200 if passes else 421)


@pytest.mark.parametrize("host", HOSTS)
def test_off_loopback_any_host_passes(host: str) -> None:
    assert status_with_hosts(None, host) == 200


def test_a_missing_or_repeated_host_is_421_on_loopback() -> None:
    assert status_with_hosts(KNOWN) == 421
    assert status_with_hosts(KNOWN, "localhost", "localhost") == 421
    assert status_with_hosts(KNOWN, "localhost", "evil.example") == 421


@pytest.mark.parametrize("path", ["/oauth2/token", "/ping", "/none", "/.well-known/jwks.json"])
def test_the_host_rule_guards_the_whole_server(path: str) -> None:
    assert status_with_hosts(KNOWN, "evil.example", path=path) == 421
    assert status_with_hosts(KNOWN, "localhost", path=path) != 421


def test_a_refused_host_is_told_why_without_a_body() -> None:
    answer = connect(new_app(()), "GET", "/ping", headers=[(b"host", b"evil.example")])
    assert answer.body == b""
    assert b"Host header" in answer.headers[b"x-mockmoov-reason"]
    assert answer.headers[b"cache-control"] == b"no-store"


# --- the access log -----------------------------------------------------------------------------


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextlib.contextmanager
def captured(name: str, level: int = logging.INFO) -> Iterator[list[str]]:
    handler, logger = _Lines(), logging.getLogger(name)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def access_log(level: int = logging.INFO) -> contextlib.AbstractContextManager[list[str]]:
    return captured("mockmoov.access", level)


LINE = re.compile(r"(\S+) (\S+) (\d{3}) client=(\S+) grant=(\S+) reason=(.+) (\d+\.\d)ms")


def fields_of(line: str) -> tuple[str, ...]:
    match = LINE.fullmatch(line)
    assert match, line
    return match.groups()[:-1]


def test_a_request_is_one_line_with_its_client_grant_reason_and_duration() -> None:
    app = new_app()
    with access_log() as lines:
        pair = mint(app)
        ask(app, "GET", "/ping", headers=[bearer(pair["access_token"])])
        ask(
            app,
            "POST",
            "/oauth2/token",
            data={**MINT, "scope": "/pong.read"},
            auth=(CLIENT_ID, CLIENT_SECRET),
        )
        ask(app, "POST", "/oauth2/revoke", data={"token": "x"}, auth=(CLIENT_ID, CLIENT_SECRET))
        ask(app, "GET", "/_mockmoov/health")
    assert [fields_of(line) for line in lines] == [
        ("POST", "/oauth2/token", "200", CLIENT_ID, "client_credentials", "'-'"),
        ("GET", "/ping", "200", CLIENT_ID, "-", "'-'"),
        (
            "POST",
            "/oauth2/token",
            "400",
            CLIENT_ID,
            "client_credentials",
            "'scope /pong.read is not known; did you mean /ping.read?'",
        ),
        ("POST", "/oauth2/revoke", "204", CLIENT_ID, "-", "'-'"),
        ("GET", "/_mockmoov/health", "200", "-", "-", "'-'"),
    ]


def test_a_refused_host_is_logged_as_any_request_is() -> None:
    with access_log() as lines:
        connect(new_app(()), "GET", "/ping", headers=[(b"host", b"evil.example")])
    assert [fields_of(line)[:3] for line in lines] == [("GET", "/ping", "421")]


def test_a_client_id_is_logged_only_if_there_is_such_a_key() -> None:
    app = new_app(keys=[another_key("known"), another_key("another")])
    with access_log() as lines:
        for name in ("known", "unknown"):
            ask(app, "POST", "/oauth2/token", data=MINT, auth=(name, "wrong"))
    assert [fields_of(line)[3] for line in lines] == ["known", "-"]
    reasons = {fields_of(line)[5] for line in lines}
    assert len(reasons) == 1


def test_the_id_of_an_account_in_a_path_is_logged_whole_and_what_is_longer_is_not() -> None:
    account = "5352b013-ae58-4a63-8a3f-97f316a917cf"
    paths = {
        f"/ping/{account}/token": f"/ping/{account}/token",
        f"/ping/{account}": f"/ping/{account}",
        f"/{account}/{account}": f"/{account}/{account}",
        f"/ping/{account}a/token": "/ping/.../token",
        f"/ping/x{account}": "/ping/...",
        f"/ping/{'a' * 30}": "/ping/...",
    }
    with access_log() as lines:
        for path in paths:
            connect(new_app(), "GET", path)
    assert [fields_of(line)[1] for line in lines] == list(paths.values())


@given(path=st.text(max_size=40), method=st.text(min_size=1, max_size=30), host=st.binary(max_size=10))
@example(path="\n2026 forged 200", method="GET\n", host=b"\n")
@example(path="/" + "é " * 300, method="GET", host=b"localhost")
def test_a_log_line_is_one_line_of_printable_ascii_and_of_bounded_length(
    path: str, method: str, host: bytes
) -> None:
    path = path.encode("utf-8", "replace").decode()
    with access_log() as lines:
        connect(new_app(), method, path, headers=[(b"host", host)])
    assert len(lines) == 1
    assert re.fullmatch(r"[ -~]{1,600}", lines[0])


@given(method=st.sampled_from(["GET", "POST", "TRACE", "BREW", "get", "GETX"]) | st.text("ABC-", min_size=1))
def test_a_method_is_logged_only_if_it_is_one_of_https_own(method: str) -> None:
    with access_log() as lines:
        connect(new_app(), method, "/ping")
    own = method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
    assert lines[0].split()[0] == (method if own else "...")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/oauth2/token", "/oauth2/token"),
        ("/token/oauth2", "/token/oauth2"),
        ("/_mockmoov/clock/shift", "/_mockmoov/clock/shift"),
        ("/_mockmoov/api-keys/my-client/clock", "/_mockmoov/api-keys/.../clock"),
        ("/_mockmoov/faults/0123456789abcdef", "/_mockmoov/faults/..."),
        ("/oauth2/tokenz", "/oauth2/..."),
        ("/OAUTH2/token", "/.../token"),
        ("/oauth2/token/", "/oauth2/token/"),
        ("//", "//"),
    ],
)
def test_of_a_path_only_the_words_of_our_own_paths_are_logged(path: str, shown: str) -> None:
    with access_log() as lines:
        connect(new_app(hosts=()), "GET", path, headers=[(b"host", b"localhost")])
    assert lines[0].split()[1] == shown


def test_without_the_level_for_it_nothing_is_logged() -> None:
    with access_log(logging.WARNING) as lines:
        assert ask(new_app(), "GET", "/ping").status_code == 401
    assert not lines


OTHER_SECRET = "of+another=key, with ~odd~ characters!"


class _Secrets:
    """A server and all that its log must never hold: secrets of two keys, and live tokens of both kinds."""

    def __init__(self, token_format: str) -> None:
        self.server: AuthorizationServer = new_server(
            keys=[
                {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET},
                {"client_id": "other", "client_secret": OTHER_SECRET},
            ],
            token_format=token_format,
            seed="seed",
        )
        self.app = create_app(self.server, exposure="network")
        answer = sender(self.server)("POST", "/oauth2/token", [("content-type", FORM), basic()], form(**MINT))
        pair = json.loads(answer[2])
        keys = self.server.repository.signing_keys()
        self.all: list[str] = [
            CLIENT_SECRET,
            OTHER_SECRET,
            pair["access_token"],
            pair["refresh_token"],
            keys.private_key,
            keys.refresh_secret,
        ]


SERVERS = {name: _Secrets(name) for name in ("jwt", "opaque")}
WRAPPINGS = [
    "{}",
    "{}x",
    "x{}",
    "Bearer {}",
    "basic {}",
    " {} ",
    "/{}",
    "{}\n",
    "{}&{}",
    '"{}"',
    "%2F{}",
    "{}.{}",
]
HEADERS = [
    *("authorization", "content-type", "content-encoding", "accept", "x-moov-version", "x-mockmoov-token"),
    *("user-agent", "origin", "referer", "cookie", "x-request-id", "host"),
]
PARAMETERS = [
    *("grant_type", "client_id", "client_secret", "scope", "refresh_token"),
    *("token", "token_type_hint", "client_type", "other"),
]
ENCODERS: list[Callable[[dict[str, str]], str]] = [urlencode, json.dumps]
PATHS = ["/oauth2/token", "/oauth2/revoke", "/ping", "/_mockmoov/introspect", "/_mockmoov/health"]


@st.composite
def leaky_requests(draw: st.DrawFn) -> tuple[_Secrets, dict[str, Any]]:
    """A request that carries secrets wherever one can be put."""
    world = SERVERS[draw(st.sampled_from(sorted(SERVERS)))]
    secret = st.builds(
        lambda wrapping, text: wrapping.replace("{}", text),
        st.sampled_from(WRAPPINGS),
        st.sampled_from(world.all),
    )
    harmless = st.sampled_from([CLIENT_ID, "other", "client_credentials", "refresh_token", "/ping.read", ""])
    pairs = st.dictionaries(st.sampled_from(PARAMETERS) | secret, secret | harmless, max_size=6)
    encode = draw(st.sampled_from(ENCODERS))
    path = draw(st.sampled_from(PATHS))
    for segment in draw(st.lists(secret, max_size=2)):
        path += "/" + segment
    headers = draw(st.dictionaries(st.sampled_from(HEADERS), secret, max_size=4))
    user, password = draw(st.sampled_from([CLIENT_ID, "other", *world.all])), draw(st.sampled_from(world.all))
    authorization = draw(
        st.sampled_from([basic(user, password)[1], f"Bearer {password}", f"Basic {password}", password])
    )
    headers |= draw(st.sampled_from([{}, {"authorization": authorization}]))
    headers |= draw(st.sampled_from([{}, {"content-type": FORM}, {"content-type": "application/json"}]))
    return world, {
        "method": draw(st.sampled_from(["POST", "GET"]) | secret),
        "path": path,
        "query": urlencode(draw(pairs)).encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "body": encode(draw(pairs)).encode(),
    }


@given(leaky_requests())
def test_no_log_line_and_no_reason_ever_holds_a_secret_a_whole_token_or_a_query(
    request: tuple[_Secrets, dict[str, Any]],
) -> None:
    world, sent = request
    with (
        captured("mockmoov", logging.DEBUG) as all_lines,
        captured("mockmoov.access", logging.DEBUG) as lines,
    ):
        body = sent.pop("body")
        answer = connect(world.app, sent["method"], sent["path"], chunk(body), **_rest(sent))
    assert len(lines) == 1
    minted = json.loads(answer.body) if answer.status == 200 and answer.body.startswith(b'{"access') else {}
    said = "\n".join([*all_lines, *lines, answer.headers.get(b"x-mockmoov-reason", b"").decode()])
    hidden = [*world.all, *(minted[name] for name in ("access_token", "refresh_token") if minted)]
    for text in hidden:
        assert text not in said
        assert base64.b64encode(text.encode()).decode() not in said
    if len(sent["query"]) > 12:
        assert sent["query"].decode() not in said


def _rest(sent: dict[str, Any]) -> dict[str, Any]:
    return {"headers": sent["headers"], "query": sent["query"]}


@pytest.mark.parametrize(
    "wrapping", ["/{}.read", "/read.{}", "/accounts/5352b013-ae58-4a63-8a3f-97f316a917cf/{}.read"]
)
@pytest.mark.parametrize("secret", [CLIENT_SECRET, "s3cret-of-a-key"])
def test_a_secret_that_is_dressed_as_a_scope_is_not_repeated(wrapping: str, secret: str) -> None:
    app = new_app(keys=[{"client_id": CLIENT_ID, "client_secret": secret}])
    scope = wrapping.replace("{}", secret)
    with access_log() as lines:
        answer = ask(app, "POST", "/oauth2/token", data={**MINT, "scope": scope}, auth=(CLIENT_ID, secret))
    assert answer.status_code == 400
    assert secret not in lines[0] + answer.headers["x-mockmoov-reason"]


@pytest.mark.parametrize("secret", ["s3cret", "with/slash", "with space"])
def test_a_secret_in_a_path_is_not_logged_however_short_it_is(secret: str) -> None:
    app = new_app(keys=[{"client_id": CLIENT_ID, "client_secret": secret}])
    with access_log() as lines:
        connect(app, "GET", f"/oauth2/token/{secret}")
    assert secret not in lines[0]
    assert quote(secret) not in lines[0]
