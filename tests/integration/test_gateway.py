"""The gateway on real sockets, in front of an upstream that records every byte it gets."""

import asyncio
import contextlib
import itertools
import json
import logging
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trustme
from httpx2 import Client

from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.oauth.records import Exchange
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.simulation.faults import Fault
from mockmoov.simulation.stubs import make_stub
from mockmoov.web.app import create_app
from mockmoov.web.gateway import MAX_WHOLE_BODY
from tests.support.asgi import client_of
from tests.support.control import Desk
from tests.support.listening import listening
from tests.support.servers import (
    CLIENT_ID,
    CLIENT_SECRET,
    Header,
    basic,
    bearer,
    new_server,
    post_form,
    sender,
)
from tests.support.serving import serving_process
from tests.support.upstream import OK, Answer, Recorded, Upstream, recording

ACCOUNT = str(EXAMPLE["account_id"])
OTHER = "0b7f3a5e-1111-4c2d-9e8f-aabbccddeeff"
CARDS = f"/accounts/{ACCOUNT}/cards"
SCOPE = f"/accounts/{ACCOUNT}/cards.read"
KEY = (CLIENT_ID, CLIENT_SECRET)
BASIC = ": ".join(basic()).encode()
Plan = Callable[..., None]
Mint = Callable[[str], Header]
Exchanges = Callable[[], Sequence[Exchange]]
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n" + b'{"a":1,"b":2}'


@pytest.fixture(scope="module")
def recorder() -> Iterator[Upstream]:
    with recording() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def server(recorder: Upstream) -> AuthorizationServer:
    return new_server(upstream=f"{recorder.url}/base", upstream_timeout=20)


@pytest.fixture(scope="module")
def url(server: AuthorizationServer) -> Iterator[str]:
    with listening(server) as url:
        yield url


@pytest.fixture
def upstream(recorder: Upstream, server: AuthorizationServer) -> Upstream:
    recorder.reset()
    server.reset()
    return recorder


@pytest.fixture
def http(url: str, upstream: Upstream) -> Iterator[Client]:
    with Client(base_url=url, trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def impatient(upstream: Upstream) -> Iterator[Client]:
    """A client of a server that gives the upstream one second."""
    with (
        listening(new_server(upstream=upstream.url, upstream_timeout=1)) as url,
        Client(base_url=url, auth=KEY, trust_env=False, timeout=20) as client,
    ):
        yield client


@pytest.fixture
def plan(server: AuthorizationServer) -> Plan:
    """Plan a fault for every request."""
    ids = map(str, itertools.count())
    return lambda **members: server.simulation.faults.add(None, Fault(id=next(ids), **members))


@pytest.fixture
def exchanges(server: AuthorizationServer) -> Exchanges:
    return lambda: server.simulation.journal().exchanges


@pytest.fixture
def mint(server: AuthorizationServer) -> Mint:
    """Get a token with these scopes, as a header."""
    request = partial(post_form, sender(server), "/oauth2/token", basic(), grant_type="client_credentials")
    return lambda scope: bearer(json.loads(request(scope=scope)[2])["access_token"])


def connected(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


LAST = b"GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def exchange(url: str, sent: bytes) -> bytes:
    """All that a server sends back for these bytes, and for a last request."""
    with connected(url) as connection:
        connection.sendall(sent + LAST)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(65536):
                received += data
        return received


def raw(*fields: bytes, line: bytes = b"GET %b HTTP/1.1" % CARDS.encode(), body: bytes = b"") -> bytes:
    head = [line, b"Host: localhost", BASIC, *fields]
    return b"\r\n".join([*head, b"", body])


def status_of(answer: bytes) -> int:
    match = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    assert match, answer
    return int(match[1])


def until(holds: Callable[[], object]) -> None:
    for _ in range(2000):
        if holds():
            return
        threading.Event().wait(0.005)
    pytest.fail("it did not happen in ten seconds")


POST = f"POST {CARDS} HTTP/1.1".encode()
CHUNKED = b"Transfer-Encoding: chunked"


# --- to the upstream ----------------------------------------------------------------------------


def test_sufficient_request_is_answered_by_the_upstream(http: Client, upstream: Upstream) -> None:
    response = http.get(f"{CARDS}?count=1&name=%2F", auth=KEY)
    assert (response.status_code, response.text) == (200, "hello")
    assert response.headers["content-type"] == "text/plain"
    (request,) = upstream.requests
    assert request.line == f"GET /base{CARDS}?count=1&name=%2F HTTP/1.1"
    assert request.values("host") == [upstream.url.removeprefix("http://")]
    assert request.body == b""
    assert not request.values("content-length")
    assert not request.values("transfer-encoding")


def test_head_is_forwarded_as_head(http: Client, upstream: Upstream, exchanges: Exchanges) -> None:
    upstream.answer = OK.removesuffix(b"hello")
    response = http.head(CARDS, auth=KEY)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == "5"
    (request,) = upstream.requests
    assert request.line == f"HEAD /base{CARDS} HTTP/1.1"
    assert [(exchange.endpoint, exchange.method) for exchange in exchanges()] == [("listCards", "HEAD")]
    upstream.answer = OK
    assert http.get(CARDS, auth=KEY).text == "hello"  # the connection is in order


def test_upstream_learns_who_sent_a_request(http: Client, upstream: Upstream, mint: Mint) -> None:
    response = http.get(CARDS, headers=[mint(f"/ping.read {SCOPE}")])
    assert response.status_code == 200
    assert http.get(CARDS, auth=KEY).status_code == 200
    by_token, by_key = upstream.requests
    assert by_token.values("x-mockmoov-client-id") == [CLIENT_ID]
    assert by_token.values("x-mockmoov-account-id") == [ACCOUNT]
    assert by_token.values("x-mockmoov-scopes") == [f"/ping.read {SCOPE}"]
    assert by_token.values("x-request-id") == [response.headers["x-request-id"]]
    assert by_token.values("authorization")[0].startswith("Bearer ey")
    assert by_key.values("x-mockmoov-scopes") == ["*"]


def test_only_real_scopes_of_a_minted_token_are_sent_on(
    http: Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    scopes = {"/ping.read /\u6f22.read": "/ping.read", "*": "", '"\x00 \xe9': ""}
    for scope in scopes:
        token = Desk(server).post("/tokens", scope="/ping.read", claims={"scp": scope})["access_token"]
        assert http.get("/event-types", headers=[bearer(token)]).status_code == 200
    sent = [request.values("x-mockmoov-scopes") for request in upstream.requests]
    assert sent == [[scope] for scope in scopes.values()]


def test_forged_and_hop_by_hop_headers_are_not_sent_on(url: str, upstream: Upstream) -> None:
    sent = raw(
        *(b"X-Mockmoov-Scopes: forged", b"X-MOCKMOOV-Client-Id: forged", b"X_Mockmoov_Scopes: forged"),
        *(b"Connection: X-Secret", b"X-Secret: forged", b"TE: forged", b"Upgrade: forged"),
        *(b"X-Request-Id: forged", b"X-Kept: yes", b"Accept-Encoding: gzip"),
    )
    assert status_of(exchange(url, sent)) == 200
    (request,) = upstream.requests
    assert (request.values("x-kept"), request.values("accept-encoding")) == (["yes"], ["gzip"])
    assert request.values("connection") == []
    assert "forged" not in str(request.fields)


SEGMENTS = (
    "a%2Fb", "a%2fb", "a%2eb", "%41", "a;x=1", "a:b@c", "%zz", "%00", "...", "a%20b", "%E2%82%AC", "'*$",
)  # fmt: skip


def test_a_path_is_sent_on_byte_for_byte(url: str, upstream: Upstream) -> None:
    for segment in SEGMENTS:
        line = f"GET {CARDS}/{segment}?q=%2e HTTP/1.1".encode()
        assert status_of(exchange(url, raw(line=line))) == 200, segment
    targets = [request.target for request in upstream.requests]
    assert targets == [f"/base{CARDS}/{segment}?q=%2e" for segment in SEGMENTS]


def test_path_that_decodes_to_another_operation_is_404(http: Client, upstream: Upstream, mint: Mint) -> None:
    card = f"/issuing/{ACCOUNT}/cards/c"
    may_not_see_details = mint(f"/accounts/{ACCOUNT}/issued-cards.read")
    response = http.get(f"{card}%2Fdetails", headers=[may_not_see_details])
    assert (response.status_code, upstream.requests) == (404, [])
    assert "a server that decodes it" in response.headers["x-mockmoov-reason"]
    assert http.get(card, headers=[may_not_see_details]).status_code == 200


# --- bodies -------------------------------------------------------------------------------------


def test_a_body_keeps_its_framing_and_loses_its_trailers(url: str, http: Client, upstream: Upstream) -> None:
    body = bytes(range(256)) * 1000
    assert http.post(CARDS, auth=KEY, content=body).status_code == 200
    pieces = [b"x" * size for size in (1, 70_000, 3)]
    assert http.post(CARDS, auth=KEY, content=iter(pieces)).status_code == 200
    trailing = b"3\r\nabc\r\n0\r\nX-Mockmoov-Scopes: forged\r\n\r\n"
    assert status_of(exchange(url, raw(CHUNKED, line=POST, body=trailing))) == 200
    first, second, third = upstream.requests
    assert [request.body for request in upstream.requests] == [body, b"".join(pieces), b"abc"]
    assert first.values("content-length") == [str(len(body))]
    assert first.values("transfer-encoding") == second.values("content-length") == []
    assert "forged" not in str(third.fields)


def test_json_body_is_forwarded_whole_and_journaled_up_to_a_limit(
    http: Client, upstream: Upstream, exchanges: Exchanges
) -> None:
    small, large = b'{"amount": 100}', json.dumps({"text": "x " * 100_000}).encode()
    json_type = {"content-type": "application/json"}
    for content in (small, large, iter([small[:5], small[5:]]), iter([large[:70_000], large[70_000:]])):
        assert http.post(CARDS, auth=KEY, content=content, headers=json_type).status_code == 200
    assert [request.body for request in upstream.requests] == [small, large] * 2
    lengths = [request.values("content-length") for request in upstream.requests]
    assert lengths == [[str(len(small))], [str(len(large))], [], []]
    assert [exchange.body for exchange in exchanges()] == [{"amount": 100}, None] * 2


def test_stub_answers_in_place_of_the_upstream(
    http: Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    stub = make_stub({"endpoint": "linkCard", "status": 201, "where": {"body": {"a": 1}}})
    server.simulation.stubs.add(None, stub)
    assert [http.post(CARDS, auth=KEY, json={"a": number}).status_code for number in (1, 2)] == [201, 200]
    assert [json.loads(request.body) for request in upstream.requests] == [{"a": 2}]


def test_a_response_keeps_its_length_or_is_chunked(http: Client, upstream: Upstream) -> None:
    assert http.get(CARDS, auth=KEY).headers["content-length"] == "5"
    upstream.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    response = http.get(CARDS, auth=KEY)
    assert (response.text, response.headers["transfer-encoding"]) == ("abcde", "chunked")
    assert "content-length" not in response.headers
    for status in (b"204 No Content", b"304 Not Modified"):
        upstream.answer = b"HTTP/1.1 %b\r\nETag: e\r\n\r\n" % status
        for _ in range(2):
            response = http.get(CARDS, auth=KEY)
            assert (response.status_code, response.content) == (int(status[:3]), b"")
            assert response.headers["etag"] == "e"
            assert "transfer-encoding" not in response.headers


def test_upstream_may_answer_before_reading_the_body() -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    with recording() as upstream, listening(new_server(upstream=upstream.url)) as url:
        upstream.handle = refuse  # type: ignore[method-assign]
        answer = httpx2.post(f"{url}{CARDS}", auth=KEY, content=b"x" * 3_000_000, trust_env=False)
    assert answer.status_code == 413


def test_expect_continue_is_answered_before_forwarding(url: str, upstream: Upstream) -> None:
    head = raw(b"Content-Length: 3", b"Expect: 100-continue", line=POST)
    with connected(url) as connection:
        connection.sendall(head)
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert status_of(connection.recv(65536)) == 200
    (request,) = upstream.requests
    assert request.body == b"abc"
    assert request.values("expect") == []


def test_client_that_asks_first_sends_its_json_only_if_it_is_authorized(
    url: str, upstream: Upstream, exchanges: Exchanges
) -> None:
    fields = (b"Content-Type: application/json", b"Content-Length: 7", b"Expect: 100-continue")
    with connected(url) as connection:
        connection.sendall(raw(*fields, line=POST).replace(BASIC, b"X-Nothing: sent"))
        assert status_of(connection.recv(65536)) == 401
    with connected(url) as connection:
        connection.sendall(raw(*fields, line=POST))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b'{"a":1}')
        assert status_of(connection.recv(65536)) == 200
    assert [(exchange.status, exchange.body) for exchange in exchanges()] == [(401, None), (200, {"a": 1})]
    assert [request.body for request in upstream.requests] == [b'{"a":1}']


def test_rejected_expect_continue_ends_the_connection(url: str, upstream: Upstream) -> None:
    fields = f"Host: localhost\r\nContent-Length: {len(LAST)}\r\nExpect: 100-continue\r\n\r\n"
    answer = exchange(url, POST + b"\r\n" + fields.encode())  # what follows is taken for the body
    assert status_of(answer) == 401
    assert b"connection: close" in answer
    assert answer.count(b"HTTP/1.1") == 1
    assert upstream.requests == []


# --- what does not reach the upstream -----------------------------------------------------------


def test_insufficient_request_is_never_forwarded(http: Client, upstream: Upstream, mint: Mint) -> None:
    requests = {
        ("GET", CARDS, ""): 401,
        ("GET", CARDS, "/ping.read"): 403,
        ("GET", f"/accounts/{OTHER}/cards", SCOPE): 403,
        ("HEAD", CARDS, "/ping.read"): 403,
        ("PUT", CARDS, SCOPE): 405,
        ("GET", f"{CARDS}/", SCOPE): 404,
        ("GET", "/ping", "/ping.read"): 200,
    }
    for (method, path, scope), status in requests.items():
        headers = [mint(scope)] if scope else []
        response = http.request(method, path, headers=headers, content=b"x" * 100_000)
        assert (response.status_code, response.content) == (status, b""), (method, path)
    assert upstream.requests == []


ORIGINS = (
    "http://evil.example", "http://localhost", "https://evil.example:4443", "ftp://evil.example",
    "//evil.example", "@evil.example",
)  # fmt: skip
TARGETS = (
    *(f"GET {origin}{CARDS}" for origin in ORIGINS), "GET http://evil.example/", "GET evil.example",
    "GET http://localhost/ping", "GET http://localhost/_mockmoov/health", "CONNECT evil.example:443",
    "OPTIONS *", f"GET {CARDS}/..", f"GET {CARDS}/%2E.",
)  # fmt: skip


def test_target_that_is_not_a_clear_path_is_not_forwarded(url: str, upstream: Upstream) -> None:
    found = {line: status_of(exchange(url, raw(line=f"{line} HTTP/1.1".encode()))) for line in TARGETS}
    assert set(found.values()) <= {400, 404, 405}, found
    assert upstream.requests == []


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
WEBSOCKET = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")
LAST_CHUNK = b"0\r\n\r\n"
LENGTHS = (
    b"3, 3", b"+3", b"0x3", b"3 3", b"", b"9" * 23, b"3\r\nContent-Length: 4", b"3\r\nContent-Length: 3",
)  # fmt: skip
CHUNKS = (
    b"g\r\nabc\r\n", b"-1\r\nabc\r\n", b"0x3\r\nabc\r\n", b"3\nabc\n0\n\n", b"3\r\nabcde\r\n",
    b"f" * 20 + b"\r\nabc\r\n",
)  # fmt: skip
FIELDS = (
    b"Content-Length : 3", b"Content-Length: 3\r\n 4", b"Transfer-Encoding:\r\n chunked",
    b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding: xchunked", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, gzip", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"X-Folded: a\r\n b", b"X-Nul: a\0b", b"X-Cr: a\rb", b"X Y: a", b": a",
)  # fmt: skip
AMBIGUOUS = [
    raw(b"Content-Length: 4", CHUNKED, line=POST, body=LAST_CHUNK + SMUGGLED),
    raw(CHUNKED, b"Content-Length: 4", line=POST, body=LAST_CHUNK + SMUGGLED),
    *(raw(b"Content-Length: " + length, line=POST, body=b"abcd") for length in LENGTHS),
    *(raw(CHUNKED, line=POST, body=chunks + LAST_CHUNK) for chunks in CHUNKS),
    *(raw(field, line=POST, body=LAST_CHUNK) for field in FIELDS),
    raw(CHUNKED, line=POST.replace(b"1.1", b"1.0"), body=b"3\r\nabc\r\n" + LAST_CHUNK),
    raw(*WEBSOCKET, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
]


def test_ambiguous_request_is_rejected_before_the_upstream(url: str, upstream: Upstream) -> None:
    found = {sent: exchange(url, sent) for sent in AMBIGUOUS}
    assert [sent for sent in found if not 400 <= status_of(found[sent]) <= 501] == []
    assert [sent for sent in found if b"HTTP/1.1 200" in found[sent]] == []
    assert upstream.requests == []


def test_bytes_after_a_body_are_the_next_request(url: str, upstream: Upstream) -> None:
    received = exchange(url, raw(b"Content-Length: 3", line=POST, body=b"abc" + SMUGGLED))
    assert re.findall(rb"HTTP/1\.1 (\d+)", received) == [b"200", b"404", b"404"]
    (request,) = upstream.requests
    assert request.body == b"abc"


# --- back to the client -------------------------------------------------------------------------


def test_a_response_comes_back_with_our_own_headers(http: Client, upstream: Upstream) -> None:
    fields = (
        b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"X-Kept: \xe9", b"Server: kept", b"Connection: X-Hop",
        b"X-Hop: theirs", b"Date: theirs", b"X-Request-Id: theirs", b"X-Mockmoov-Reason: theirs",
        b"Access-Control-Allow-Origin: theirs", b"Vary: Accept",
    )  # fmt: skip
    upstream.answer = b"\r\n".join([b"HTTP/1.1 200 OK", *fields, b"Content-Length: 0", b"", b""])
    origin = "http://localhost:3000"
    response = http.get(CARDS, auth=KEY, headers={"origin": origin})
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert (b"x-kept", b"\xe9") in response.headers.raw
    assert (response.headers["server"], response.headers["vary"]) == ("kept", "Accept, Origin")
    assert response.headers["access-control-allow-origin"] == origin
    assert len(response.headers.get_list("date")) == len(response.headers.get_list("x-request-id")) == 1
    assert "theirs" not in str(response.headers)


def test_cookies_redirects_and_proxies_are_not_followed(
    url: str, http: Client, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for location in ("http://evil.example/", "/elsewhere"):
        head = f"HTTP/1.1 302 Found\r\nSet-Cookie: a=1\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        upstream.answer = head.encode()
        response = http.get(CARDS, auth=KEY)
        assert (response.status_code, response.headers["location"]) == (302, location)
    http.cookies.clear()
    assert status_of(exchange(url, raw())) == 302
    assert len(upstream.requests) == 3
    assert upstream.requests[2].values("cookie") == []


def close(connection: socket.socket, _request: Recorded) -> None:
    connection.shutdown(socket.SHUT_RDWR)


BROKEN: Mapping[str, bytes | Answer] = {
    "nothing": close,
    "no HTTP": b"nonsense\r\n\r\n",
    "no status": b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "an endless head": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
}


def test_broken_upstream_is_502(http: Client, upstream: Upstream) -> None:
    for name, answer in BROKEN.items():
        upstream.answer = answer
        response = http.get(CARDS, auth=KEY)
        assert (response.status_code, response.content) == (502, b""), name
        assert response.headers["x-mockmoov-reason"].startswith("the upstream "), name
        upstream.answer = OK
        assert http.get(CARDS, auth=KEY).status_code == 200, name


def test_absent_upstream_is_502_and_its_address_not_revealed() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with listening(new_server(upstream=f"http://127.0.0.1:{port}")) as url:
            response = httpx2.get(f"{url}{CARDS}", auth=KEY, trust_env=False)
    assert (response.status_code, response.content) == (502, b"")
    assert response.headers["x-mockmoov-reason"] == "the upstream cannot be reached"
    assert str(port) not in str(response.headers)


class Gate:
    """An upstream that waits until a test lets it answer, and sees when its client leaves."""

    def __init__(self, before: bytes = b"", after: bytes = b"") -> None:
        self.before, self.after = before, after
        self.asked, self.open, self.left = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, connection: socket.socket, _request: Recorded) -> None:
        connection.sendall(self.before)
        self.asked.set()
        if self.after:
            self.open.wait(20)
            connection.sendall(self.after)
        else:
            connection.settimeout(20)
            assert connection.recv(1) == b""
            self.left.set()


@pytest.mark.slow
def test_late_upstream_is_504_and_its_connection_closed(impatient: Client, upstream: Upstream) -> None:
    upstream.answer = gate = Gate()
    response = impatient.get(CARDS)
    assert (response.status_code, response.content) == (504, b"")
    assert response.headers["x-mockmoov-reason"] == "the upstream did not answer in 1 s"
    assert gate.left.wait(10)


@pytest.mark.slow
def test_head_that_trickles_in_is_504(impatient: Client, upstream: Upstream) -> None:
    done = threading.Event()

    def trickle(connection: socket.socket, _request: Recorded) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not done.wait(0.05):
            connection.sendall(b"x")

    upstream.answer = trickle
    assert impatient.get(CARDS).status_code == 504
    done.set()


@pytest.mark.slow
def test_time_for_a_clients_body_is_not_the_upstreams(impatient: Client, upstream: Upstream) -> None:
    with connected(str(impatient.base_url).rstrip("/")) as connection:
        connection.sendall(raw(b"Content-Length: 6", line=POST))
        for piece in (b"abc", b"def"):
            threading.Event().wait(0.7)  # both together are more than the upstream has
            connection.sendall(piece)
        assert status_of(connection.recv(65536)) == 200
    assert upstream.requests[0].body == b"abcdef"


@pytest.mark.slow
def test_response_that_stalls_is_cut(impatient: Client, upstream: Upstream) -> None:
    upstream.answer = gate = Gate(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    with pytest.raises(httpx2.RemoteProtocolError):
        impatient.get(CARDS)
    assert gate.left.wait(10)


def half(head: bytes) -> Answer:
    def answer(connection: socket.socket, _request: Recorded) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head)
        connection.shutdown(socket.SHUT_RDWR)

    return answer


HALVES = (b"Content-Length: 10\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")


def test_truncated_response_is_not_taken_for_a_whole_one(http: Client, upstream: Upstream) -> None:
    for head in HALVES:
        upstream.answer = half(head)
        with pytest.raises(httpx2.RemoteProtocolError):
            http.get(CARDS, auth=KEY)


def test_response_is_passed_on_as_it_is_made(http: Client, upstream: Upstream) -> None:
    upstream.answer = gate = Gate(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst", b"later")
    with http.stream("GET", CARDS, auth=KEY) as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b"first"
        gate.open.set()
        assert b"".join(pieces) == b"later"


def test_connection_to_the_upstream_is_reused_while_it_is_good() -> None:
    with (
        recording() as upstream,
        listening(new_server(upstream=upstream.url)) as url,
        Client(base_url=url, auth=KEY, trust_env=False, timeout=20) as http,
    ):
        for _ in range(3):
            assert http.get(CARDS).status_code == 200
        assert upstream.connections == 1
        closed = threading.Event()

        def answer_and_close(connection: socket.socket, request: Recorded) -> None:
            connection.sendall(OK)
            close(connection, request)
            closed.set()

        upstream.answer = answer_and_close
        assert http.get(CARDS).status_code == 200
        assert closed.wait(10)
        upstream.answer = OK
        assert http.get(CARDS).status_code == 200
        assert upstream.connections == 2


# --- clients that leave -------------------------------------------------------------------------


def test_client_that_leaves_ends_the_exchange_with_the_upstream(
    url: str, upstream: Upstream, server: AuthorizationServer, exchanges: Exchanges
) -> None:
    for before in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"):
        server.reset()
        upstream.answer = gate = Gate(before)
        with connected(url) as connection:
            connection.sendall(raw())
            assert gate.asked.wait(10)
            if before:
                assert status_of(connection.recv(100)) == 200
        assert gate.left.wait(10)
        until(exchanges)
        (found,) = exchanges()
        left = (None, "the client left before the upstream answered")
        assert (found.status, found.reason) == ((200, None) if before else left)


def test_request_with_half_a_body_is_not_forwarded(
    url: str, upstream: Upstream, exchanges: Exchanges
) -> None:
    with connected(url) as connection:
        connection.sendall(raw(b"Content-Length: 10", line=POST, body=b"half"))
    until(exchanges)
    (found,) = exchanges()
    assert (found.status, found.endpoint) == (None, "linkCard")
    assert upstream.requests == []


# --- the journal, the log and faults ------------------------------------------------------------


def test_journal_and_log_have_the_status_but_no_secret(
    http: Client, upstream: Upstream, caplog: pytest.LogCaptureFixture, exchanges: Exchanges
) -> None:
    upstream.answer = b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\nX-Mockmoov-Reason: theirs\r\n\r\n"
    http.post(CARDS, auth=KEY, json={"cardNumber": "very-secret"})
    upstream.answer = close
    with caplog.at_level(logging.INFO):
        http.get(f"{CARDS}?secret=very-secret", auth=KEY)
    broken = "the upstream broke off, or does not speak HTTP"
    found = [(item.endpoint, item.status, item.reason) for item in exchanges()]
    assert found == [("linkCard", 409, None), ("listCards", 502, broken)]
    ours = "\n".join(item.getMessage() for item in caplog.records if item.name.startswith("mockmoov"))
    assert broken in ours
    assert f"GET {CARDS} 502" in ours
    assert "very-secret" not in f"{ours}{exchanges()}"
    assert [(item.query, item.body) for item in exchanges()] == [
        ({}, {"cardNumber": "..."}),
        ({"secret": ("...",)}, None),
    ]


def test_fault_answers_in_place_of_the_upstream(http: Client, upstream: Upstream, plan: Plan) -> None:
    plan(endpoint="listCards", status=503, text="later", times=1)
    assert http.get(f"/accounts/{ACCOUNT}/wallets", auth=KEY).status_code == 200
    response = http.get(CARDS, auth=KEY)
    assert (response.status_code, response.text) == (503, "later")
    assert [request.target for request in upstream.requests] == [f"/base/accounts/{ACCOUNT}/wallets"]
    for network_error in ("hang", "reset"):
        plan(network_error=network_error, times=1)
        with pytest.raises(httpx2.TransportError):
            http.get(CARDS, auth=KEY, timeout=0.1)
    assert len(upstream.requests) == 1


def test_delayed_request_keeps_its_body(http: Client, upstream: Upstream, plan: Plan) -> None:
    plan(delay=0.02)
    assert http.post(CARDS, auth=KEY, content=b"x" * 200_000).text == "hello"
    assert http.get(CARDS, auth=KEY).text == "hello"
    assert [len(request.body) for request in upstream.requests] == [200_000, 0]


def test_fault_alters_the_upstreams_response(
    http: Client, upstream: Upstream, plan: Plan, exchanges: Exchanges
) -> None:
    plan(drop=("a",), set={"c": 3}, headers={"X-Fault": "yes"})
    upstream.answer = JSON.replace(b"Content-Length", b"Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length")
    response = http.get(CARDS, auth=KEY, headers={"accept-encoding": "gzip"})
    assert response.json() == {"b": 2, "c": 3}
    assert response.headers["x-fault"] == "yes"
    assert response.headers.get_list("set-cookie") == ["a", "b"]
    assert upstream.requests[0].values("accept-encoding") == []
    (found,) = exchanges()
    assert (found.fault, found.status) == ("0", 200)


def test_fault_truncates_or_cuts_the_upstreams_response(http: Client, upstream: Upstream, plan: Plan) -> None:
    plan(truncate=2, times=1)
    assert http.get(CARDS, auth=KEY).text == "he"
    plan(network_error="cut", times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        http.get(CARDS, auth=KEY)
    assert len(upstream.requests) == 2


def test_client_that_leaves_before_a_planned_cut_gets_nothing(
    url: str, upstream: Upstream, plan: Plan, exchanges: Exchanges
) -> None:
    plan(network_error="cut")
    upstream.answer = gate = Gate()
    with connected(url) as connection:
        connection.sendall(raw())
        assert gate.asked.wait(10)
    until(exchanges)
    assert exchanges()[0].status is None


LARGE_BODY = b"x" * (MAX_WHOLE_BODY + 1)
LARGE_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(LARGE_BODY), LARGE_BODY)


def test_only_a_small_whole_response_can_be_altered(http: Client, upstream: Upstream, plan: Plan) -> None:
    upstream.answer = LARGE_RESPONSE
    plan(headers={"X-Fault": "yes"}, times=1)  # which lets the body stream
    response = http.get(CARDS, auth=KEY)
    assert (len(response.content), response.headers["x-fault"]) == (len(LARGE_BODY), "yes")
    plan(truncate=2)
    response = http.get(CARDS, auth=KEY)
    assert (response.status_code, response.content) == (502, b"")
    assert str(MAX_WHOLE_BODY) in response.headers["x-mockmoov-reason"]
    upstream.answer = half(HALVES[0])
    response = http.get(CARDS, auth=KEY)
    assert response.status_code == 502
    assert response.headers["x-mockmoov-reason"] == "the upstream broke off in its response"


def test_client_of_http_1_0_gets_a_length_and_no_chunks(url: str, upstream: Upstream) -> None:
    old = raw(line=b"GET %b HTTP/1.0" % CARDS.encode())
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for answer in (
        chunks + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
    ):
        upstream.answer = answer
        received = exchange(url, old)
        assert status_of(received) == 200
        assert b"transfer-encoding" not in received.lower()
        assert b"\r\ncontent-length: 11\r\n" in received
        assert received.endswith(b"\r\n\r\nhello world")
    upstream.answer = LARGE_RESPONSE
    assert exchange(url, old).endswith(b"\r\n\r\n" + LARGE_BODY)
    upstream.answer = chunks + b"%x\r\n%b\r\n0\r\n\r\n" % (len(LARGE_BODY), LARGE_BODY)
    received = exchange(url, old)
    assert status_of(received) == 502
    assert b"without a length" in received


def test_application_without_a_socket_forwards_too(upstream: Upstream, server: AuthorizationServer) -> None:
    app = create_app(server, exposure="process")

    async def ask(**options: Any) -> httpx2.Response:
        async with client_of(app) as client:
            return await client.post(CARDS, auth=KEY, **options)

    assert asyncio.run(ask(content=b"abc")).text == "hello"
    assert asyncio.run(ask()).text == "hello"
    assert [request.body for request in upstream.requests] == [b"abc", b""]
    assert asyncio.run(ask(headers={"x": "a", "x-control": "a\x00b"})).status_code == 400
    upstream.answer = half(HALVES[0])
    with pytest.raises(ConnectionResetError, match="the upstream broke off"):
        asyncio.run(ask())


# --- over TLS, and large ------------------------------------------------------------------------


def test_https_upstream_must_be_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    statuses = []
    with recording(tls) as upstream:
        for _ in range(2):
            with listening(new_server(upstream=upstream.url)) as url:
                statuses.append(httpx2.get(f"{url}{CARDS}", auth=KEY, trust_env=False).status_code)
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert (statuses, len(upstream.requests)) == ([502, 200], 1)


PIECE = b"x" * 65536
PIECES = 1600
LARGE = PIECES * len(PIECE)


def swallow(connection: socket.socket) -> None:
    """Read a request with a body of `LARGE` bytes, keeping none, and answer with as many."""
    stream = connection.makefile("rb")
    while stream.readline() != b"\r\n":
        pass
    for _ in range(PIECES):
        assert len(stream.read(len(PIECE))) == len(PIECE)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
    for _ in range(PIECES):
        connection.sendall(PIECE)


def peak(pid: int) -> int:
    """The most memory that a process has ever held, in bytes."""
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(kilobytes) * 1024


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_bodies_of_100_mb_pass_or_are_rejected_in_flat_memory() -> None:
    with (
        recording() as upstream,
        serving_process("--upstream", upstream.url) as (url, process),
        Client(base_url=url, trust_env=False, timeout=60) as http,
    ):
        upstream.answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
        assert http.get(CARDS, auth=KEY).status_code == 204
        before = peak(process.pid)
        upstream.requests.clear()
        assert http.post(CARDS, content=itertools.repeat(PIECE, PIECES)).status_code == 401
        assert upstream.requests == []
        upstream.handle = swallow  # type: ignore[method-assign]
        body = itertools.repeat(PIECE, PIECES)
        headers = {"content-length": str(LARGE)}
        with http.stream("POST", CARDS, auth=KEY, content=body, headers=headers) as answer:
            assert sum(map(len, answer.iter_raw())) == LARGE
        assert peak(process.pid) - before < 16 * 1024 * 1024
