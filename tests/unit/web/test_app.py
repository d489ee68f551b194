"""The ASGI application: paths, bodies, waits, failing connections and the Host rule."""

import asyncio
import json
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import pairwise
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

import anyio
import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message

from mockmoov.oauth.records import REVOKED
from mockmoov.server.authorization_server import MAX_BODY
from mockmoov.simulation.clock import http_date
from mockmoov.simulation.faults import Fault
from mockmoov.web.app import create_app
from tests.support.apps import AUTH, AUTHORIZED, MINT, access_log, loopback_app, mint, network_app
from tests.support.asgi import LEFT, Connection, RawHeaders, ask, ask_all, chunk, client_of, connect
from tests.support.servers import (
    CLIENT_ID,
    NOW,
    Clock,
    bearer,
    new_server,
)

NetworkError = Literal["hang", "reset", "cut"]


def form(**parameters: str) -> bytes:
    return urlencode(parameters).encode()


# --- paths and headers --------------------------------------------------------------------------

UNKNOWN_PATHS = (
    "/oauth2%2Ftoken", "/oauth2/%74oken", "/oauth2/token/", "//oauth2/token", "/OAUTH2/token",
    "/oauth2/token;x=1", "/oauth2", "/", "/ping/", "/_mockmoov", "/_mockmoov/", "/_mockmoov/health/",
    "/_mockmoov%2Fhealth", "/%5Fmockmoov/health", "/.well-known/jwks.json/", "/.well-known%2Fjwks.json",
    "/.well-known/openid-configuration",
)  # fmt: skip


def test_only_the_raw_path_counts_and_nothing_redirects() -> None:
    requests = [(method, path, dict[str, Any]()) for method in ("GET", "POST") for path in UNKNOWN_PATHS]
    wrong = [
        (response.request.url, response)
        for response in ask_all(network_app(), requests)
        if (response.status_code, response.content) != (404, b"") or "location" in response.headers
    ]
    assert wrong == []


def test_path_without_its_raw_form_is_encoded_again() -> None:
    app = network_app()
    paths = {"/_mockmoov/health": 200, "/ping": 401, "/pïng %\n": 404}
    assert {path: connect(app, "GET", path, raw_path=None).status for path in paths} == paths


def test_every_response_has_its_own_id_one_date_and_length() -> None:
    sent, ids = "7d0f8f4f-1f4e-4c7e-9a55-1d2f0d1c2b3a", set()
    moovs = [("/ping", "localhost"), ("/oauth2/token", "localhost"), ("/none", "localhost"), ("/ping", "x")]
    own = [(path, "localhost") for path in ("/_mockmoov/health", "/_mockmoov/none", "/.well-known/jwks.json")]
    for path, host in (moovs + own) * 2:
        response = ask(loopback_app(), "GET", path, headers={"x-request-id": sent, "host": host})
        if (path, host) in moovs:
            ids.add(str(UUID(response.headers["x-request-id"])))
        (date,) = response.headers.get_list("date")
        assert parsedate_to_datetime(date).tzinfo is not None
        assert int(response.headers["content-length"]) == len(response.content)
    assert len(ids - {sent}) == 2 * len(moovs)


def test_a_204_has_neither_body_nor_length_nor_type() -> None:
    response = ask(network_app(), "POST", "/oauth2/revoke", data={"token": "unknown"}, auth=AUTH)
    assert (response.status_code, response.content) == (204, b"")
    assert not {"content-length", "content-type"} & set(response.headers)


def test_head_gets_the_head_of_get_and_no_body() -> None:
    app = network_app()
    for path in ("/ping", "/applications", "/_mockmoov/health", "/.well-known/jwks.json"):
        got, head = (connect(app, method, path, headers=[AUTHORIZED[1]]) for method in ("GET", "HEAD"))
        assert (head.status, head.body) == (got.status, b"") == (200, b"")
        assert head.headers.keys() == got.headers.keys()
        assert head.headers.items() ^ got.headers.items() <= {
            (name, each.headers.get(name)) for each in (got, head) for name in (b"x-request-id", b"date")
        }
        assert head.headers[b"content-length"] == str(len(got.body)).encode()


def test_repeated_headers_reach_the_server_as_repeated() -> None:
    version = (
        "X-Moov-Version is malformed: send vYYYY.MM.BB, vYYYY.MM or latest, or no such header "
        "for contract 2023; it was sent more than once"
    )
    expected = {
        AUTHORIZED[1]: (400, "more than one Authorization header was sent"),
        AUTHORIZED[0]: (400, "more than one Content-Type header was sent"),
        (b"x-moov-version", b"latest"): (404, version),
    }
    for repeated, (status, reason) in expected.items():
        others = [header for header in AUTHORIZED if header != repeated]
        headers = [repeated, *others, repeated]
        response = connect(network_app(), "POST", "/oauth2/token", chunk(form(**MINT)), headers=headers)
        assert (response.status, response.headers[b"x-mockmoov-reason"].decode()) == (status, reason)


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=6))
def test_headers_of_any_bytes_get_a_response(headers: RawHeaders) -> None:
    assert 200 <= connect(network_app(), "POST", "/oauth2/token", headers=headers).status < 500


# --- bodies -------------------------------------------------------------------------------------


@given(cuts=st.lists(st.integers(0, 60), max_size=5), empty_last=st.booleans())
@example(cuts=[0, 20], empty_last=True)
@example(cuts=[], empty_last=False)
def test_body_is_the_same_however_it_is_chunked(cuts: list[int], empty_last: bool) -> None:
    body = form(**MINT)
    edges = sorted({0, *(min(cut, len(body)) for cut in cuts), len(body)})
    pieces = [body[a:b] for a, b in pairwise(edges)]
    messages = [chunk(piece, more=True) for piece in pieces]
    messages = [*messages, chunk()] if empty_last else [*messages[:-1], chunk(pieces[-1])]
    connection = connect(network_app(), "POST", "/oauth2/token", *messages, headers=AUTHORIZED)
    assert (connection.status, connection.unread) == (200, [])


def test_where_no_body_is_read_none_matters() -> None:
    messages: tuple[Message, ...] = ({"type": "http.request"}, chunk(b"a" * (MAX_BODY + 1)))
    for message in messages:
        assert connect(network_app(), "GET", "/ping", message, headers=AUTHORIZED).status == 200


def test_body_over_the_limit_is_413_and_not_read_further() -> None:
    for path in ("/oauth2/token", "/oauth2/revoke", "/_mockmoov/introspect"):
        for size in (MAX_BODY + 1, MAX_BODY + 5000):
            first, second = chunk(b"a" * 5000, more=True), chunk(b"a" * (size - 5000), more=True)
            rest = chunk(b"never read", more=True)
            connection = connect(network_app(), "POST", path, first, second, rest, headers=AUTHORIZED)
            assert (connection.status, connection.body, connection.unread) == (413, b"", [rest])
            assert connection.headers[b"connection"] == b"close"
    body = form(**MINT) + b"&padding="
    body += b"a" * (MAX_BODY - len(body))
    assert connect(network_app(), "POST", "/oauth2/token", chunk(body), headers=AUTHORIZED).status == 200


def test_client_that_leaves_within_its_body_changes_nothing() -> None:
    server = new_server()
    app = create_app(server, exposure="process")
    pair = mint(app)
    refresh = form(grant_type="refresh_token", refresh_token=pair["refresh_token"])
    revoke, fault = form(token=pair["access_token"]), b'{"status": 503}'
    typed = [(b"content-type", b"application/json")]
    with access_log() as lines:
        for path, sent, headers in (
            ("/oauth2/token", refresh, AUTHORIZED),
            ("/oauth2/token", refresh[:20], AUTHORIZED),
            ("/oauth2/revoke", revoke, AUTHORIZED),
            ("/_mockmoov/faults", fault, typed),
        ):
            assert not connect(app, "POST", path, chunk(sent, more=True), LEFT, headers=headers).sent
    assert not lines
    assert server.simulation.faults.read() == ()
    assert ask(app, "GET", "/ping", headers=[bearer(pair["access_token"])]).status_code == 200
    assert connect(app, "POST", "/oauth2/token", chunk(refresh), headers=AUTHORIZED).status == 200
    assert connect(app, "POST", "/_mockmoov/faults", chunk(fault), headers=typed).status == 201


# --- delays and waits ---------------------------------------------------------------------------


def test_delayed_response_is_made_when_it_is_sent() -> None:
    clock = Clock()
    server = new_server(clock=clock, default_version="latest")
    server.simulation.faults.add(CLIENT_ID, Fault(id="f", delay=0.01))

    class Patient(Connection):
        async def receive(self) -> Message:
            if not self.unread:  # the delay has begun
                clock.shift(90)
                await anyio.sleep_forever()
            return await super().receive()

    connection = connect(
        create_app(server, exposure="process"),
        "POST",
        "/oauth2/token",
        connection=Patient(chunk(form(**MINT))),
        headers=AUTHORIZED,
    )
    assert connection.headers[b"date"].decode() == http_date(int(NOW + 90))
    assert json.loads(connection.body)["expires_in"] == int(NOW) + 90 + 3600


def test_request_is_done_though_its_client_leaves_in_a_delay() -> None:
    server = new_server()
    app = create_app(server, exposure="process")
    token = mint(app)["access_token"]
    server.simulation.faults.add(None, Fault(id="f", delay=3600, times=1))
    body = chunk(form(token=token))
    assert connect(app, "POST", "/oauth2/revoke", body, LEFT, headers=AUTHORIZED).unread == []
    response = ask(app, "GET", "/ping", headers=[bearer(token)])
    assert (response.status_code, response.headers["x-mockmoov-reason"]) == (401, f"the token {REVOKED}")


WAIT = "/_mockmoov/exchanges/wait"


async def settle() -> None:
    """Let every other task go on until it waits."""
    for _ in range(50):
        await asyncio.sleep(0)


def test_a_wait_goes_on_after_a_reset_until_enough_has_come() -> None:
    async def go() -> None:
        async with client_of(loopback_app()) as client:
            await client.get("/ping")
            waiting = asyncio.create_task(client.get(WAIT, params={"count": 2, "timeout": 60}))
            await settle()
            assert (await client.post("/_mockmoov/reset", json={})).status_code == 200
            await client.get("/ping")
            await settle()
            assert not waiting.done()
            await client.get("/ping")
            document = (await waiting).json()
            assert (document["complete"], document["count"]) == (True, 2)

    asyncio.run(go())


def test_a_wait_in_vain_reads_no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mockmoov.storage.exchanges._EXCHANGE", None)  # so that none can be decoded

    async def go() -> httpx2.Response:
        async with client_of(loopback_app()) as client:
            await client.get("/ping")
            waiting = asyncio.create_task(client.get(WAIT, params={"timeout": 0.05, "status": 418}))
            for _ in range(10):
                await settle()
                await client.get("/ping")
            return await waiting

    document = asyncio.run(go()).json()
    assert (document["complete"], document["count"]) == (False, 0)


def test_a_wait_ends_when_its_client_leaves() -> None:
    host = [(b"host", b"localhost")]
    left = connect(loopback_app(), "GET", WAIT, chunk(), LEFT, headers=host, query_string=b"timeout=60")
    assert left.unread == []


# --- connections that fail ----------------------------------------------------------------------


class Listener:
    """What our own listener offers to the application; notes how the connection ends."""

    def __init__(self) -> None:
        self.ends: list[str] = []
        ways = {way: partial(self.ends.append, way) for way in ("reset", "close")}
        self.extensions = {"mockmoov.connection": ways}


def failing_app(network_error: NetworkError, text: str | None = None) -> ASGIApp:
    server = new_server()
    status = None if text is None else 503
    server.simulation.faults.add(None, Fault(id="f", network_error=network_error, status=status, text=text))
    return create_app(server, exposure="process")


@pytest.mark.parametrize(
    ("network_error", "ends", "outcome"),
    [("hang", [], "hang"), ("reset", ["reset"], "reset"), ("cut", ["close"], "401")],
)
def test_a_failing_connection_sends_nothing_and_is_logged(
    network_error: NetworkError, ends: list[str], outcome: str
) -> None:
    listener = Listener()
    with access_log() as lines:
        connection = connect(
            failing_app(network_error), "GET", "/ping", chunk(), LEFT, extensions=listener.extensions
        )
    assert (connection.sent, connection.unread, listener.ends) == ([], [], ends)
    (line,) = lines
    assert line.startswith(f"GET /ping {outcome} contract=2023 reason=")


def test_a_hanging_connection_ignores_what_else_comes() -> None:
    messages = [chunk(b"a" * (MAX_BODY + 1), more=True), chunk(b"more", more=True), chunk(b"still"), LEFT]
    connection = connect(failing_app("hang"), "POST", "/oauth2/token", *messages)
    assert (connection.sent, connection.unread) == ([], [])


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@example(text="é")
def test_a_cut_response_announces_its_body_and_sends_half(text: str) -> None:
    listener, body = Listener(), text.encode()
    app = failing_app("cut", text=text)
    connection = connect(app, "GET", "/ping", chunk(), LEFT, extensions=listener.extensions)
    assert connection.headers[b"content-length"] == b"%d" % len(body)
    assert connection.body == body[: len(body) // 2]
    assert connection.sent[-1]["more_body"] is True
    assert (connection.unread, listener.ends) == ([], ["close"])


@pytest.mark.parametrize("network_error", ["reset", "cut"])
def test_a_foreign_listener_gets_an_error_that_ends_it(network_error: NetworkError) -> None:
    listeners: list[dict[str, Any] | None] = [None, {}, {"http.response.debug": {}}]
    for extensions in listeners:
        with pytest.raises(ConnectionResetError, match="a planned fault"):
            connect(failing_app(network_error, text="text"), "GET", "/ping", extensions=extensions)


# --- the Host rule; tests/unit/server/test_hosts.py has the names -------------------------------

CLOCK = "/_mockmoov/clock"
OPENED = {"/ping": 401, "/_mockmoov/health": 200, "/.well-known/jwks.json": 200, CLOCK: 421}


def test_on_loopback_every_path_needs_an_allowed_host() -> None:
    hosts: dict[tuple[bytes, ...], bool] = {
        (b"localhost",): True,
        (b"MOCKMOOV:8080",): True,
        (b"evil.example",): False,
        (): False,
        (b"localhost", b"evil.example"): False,
    }
    paths = ("/_mockmoov/health", "/oauth2/token", "/ping", "/none", "/.well-known/jwks.json", CLOCK)
    app, network = loopback_app(("mockmoov:8080",)), network_app()
    for path in paths:
        for values, passes in hosts.items():
            headers = [(b"host", value) for value in values]
            response = connect(app, "GET", path, headers=headers)
            assert (response.status != 421) is passes, (path, values)
            assert connect(network, "GET", path, headers=headers).status != 421
            if not passes:
                assert response.body == b""
                assert b"Host" in response.headers[b"x-mockmoov-reason"]
                assert response.headers[b"cache-control"] == b"no-store"


def test_on_loopback_http_1_0_may_lack_the_host() -> None:
    for path in ("/ping", "/_mockmoov/health", CLOCK):
        for version, refused in (("1.0", False), ("1.1", True)):
            assert (connect(loopback_app(), "GET", path, http_version=version).status == 421) is refused


def test_a_pattern_opens_all_but_the_control_plane() -> None:
    headers = [(b"host", b"mockmoov.example")]
    for pattern in ("*", ".example"):
        app = loopback_app((pattern,))
        statuses = {path: connect(app, "GET", path, headers=headers).status for path in OPENED}
        assert statuses == OPENED
        app = loopback_app((pattern,), control_token="a-token")
        assert connect(app, "GET", CLOCK, headers=headers).status == 401
