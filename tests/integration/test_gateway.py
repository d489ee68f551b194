"""The gateway on real sockets, in front of an upstream that records every byte it gets."""

import asyncio
import json
import logging
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trustme

from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.simulation.faults import Fault
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
def http(url: str, upstream: Upstream) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def impatient(upstream: Upstream) -> Iterator[httpx2.Client]:
    """A client of a server that gives the upstream one second."""
    with (
        listening(new_server(upstream=upstream.url, upstream_timeout=1)) as url,
        httpx2.Client(base_url=url, auth=KEY, trust_env=False, timeout=20) as client,
    ):
        yield client


def mint(server: AuthorizationServer, scope: str = SCOPE) -> Header:
    answer = post_form(sender(server), "/oauth2/token", basic(), grant_type="client_credentials", scope=scope)
    return bearer(json.loads(answer[2])["access_token"])


def connected(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


LAST = b"GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def exchange(url: str, sent: bytes) -> bytes:
    """All that a server sends back for these bytes, and for a last request."""
    with connected(url) as connection:
        connection.sendall(sent + LAST)
        received = b""
        try:
            while data := connection.recv(65536):
                received += data
        except ConnectionResetError:
            pass
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


def plan(server: AuthorizationServer, **members: Any) -> None:
    server.simulation.add_fault(None, Fault(id="planned", **members))


POST = f"POST {CARDS} HTTP/1.1".encode()
CHUNKED = b"Transfer-Encoding: chunked"


# --- to the upstream ----------------------------------------------------------------------------


def test_sufficient_request_is_answered_by_the_upstream(http: httpx2.Client, upstream: Upstream) -> None:
    response = http.get(f"{CARDS}?count=1&name=%2F", auth=KEY)
    assert (response.status_code, response.text) == (200, "hello")
    assert response.headers["content-type"] == "text/plain"
    (request,) = upstream.requests
    assert request.line == f"GET /base{CARDS}?count=1&name=%2F HTTP/1.1"
    assert request.values("host") == [upstream.url.removeprefix("http://")]
    assert request.body == b""
    assert not request.values("content-length")
    assert not request.values("transfer-encoding")


def test_upstream_learns_who_sent_a_request(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    response = http.get(CARDS, headers=[mint(server, f"/ping.read {SCOPE}")])
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
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    scopes = {"/ping.read /\u6f22.read": "/ping.read", "*": "", '"\x00 \xe9': ""}
    for scope in scopes:
        token = Desk(server).post("/tokens", scope="/ping.read", claims={"scp": scope})["access_token"]
        assert http.get("/event-types", headers=[bearer(token)]).status_code == 200
    sent = [request.values("x-mockmoov-scopes") for request in upstream.requests]
    assert sent == [[scope] for scope in scopes.values()]


def test_forged_and_hop_by_hop_headers_are_not_sent_on(url: str, upstream: Upstream) -> None:
    sent = raw(
        b"Connection: X-Secret, X-MOCKMOOV-Client-Id",
        *(b"X-Secret: s", b"Keep-Alive: 5", b"TE: trailers", b"Proxy-Authorization: p", b"Upgrade: h2c"),
        *(b"X-Mockmoov-Scopes: forged", b"X-MOCKMOOV-Client-Id: forged", b"X_Mockmoov_Scopes: forged"),
        *(b"X-Request-Id: theirs", b"X-Kept: yes", b"Accept-Encoding: gzip"),
    )
    assert status_of(exchange(url, sent)) == 200
    (request,) = upstream.requests
    assert (request.values("x-kept"), request.values("accept-encoding")) == (["yes"], ["gzip"])
    for name in ("x-secret", "keep-alive", "te", "proxy-authorization", "upgrade", "connection"):
        assert request.values(name) == []
    assert request.values("x-request-id") != ["theirs"]
    assert "forged" not in str(request.fields)
    ours = [field for field, _ in request.fields if field.lower().replace("_", "-").startswith("x-mockmoov")]
    assert ours == ["x-mockmoov-client-id", "x-mockmoov-account-id", "x-mockmoov-scopes"]


SEGMENTS = (
    "a%2Fb", "a%2fb", "a%2eb", "%41", "a;x=1", "a:b@c", "%zz", "%00", "...", "a%20b", "%E2%82%AC", "'*$",
)  # fmt: skip


def test_a_path_is_sent_on_byte_for_byte(url: str, upstream: Upstream) -> None:
    for segment in SEGMENTS:
        line = f"GET {CARDS}/{segment}?q=%2e HTTP/1.1".encode()
        assert status_of(exchange(url, raw(line=line))) == 200, segment
    targets = [request.target for request in upstream.requests]
    assert targets == [f"/base{CARDS}/{segment}?q=%2e" for segment in SEGMENTS]


def test_path_that_decodes_to_another_operation_is_not_sent(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    card = f"/issuing/{ACCOUNT}/cards/c"
    may_not_see_details = mint(server, f"/accounts/{ACCOUNT}/issued-cards.read")
    for slash in ("%2F", "%2f", "%5C", ";x%2F", "%2F%2F"):
        response = http.get(f"{card}{slash}details", headers=[may_not_see_details])
        assert (response.status_code, upstream.requests) == (404, [])
        assert "decoded" in response.headers["x-mockmoov-reason"]
    assert http.get(card, headers=[may_not_see_details]).status_code == 200


# --- bodies -------------------------------------------------------------------------------------


def test_a_body_keeps_its_framing_and_loses_its_trailers(
    url: str, http: httpx2.Client, upstream: Upstream
) -> None:
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


def test_a_response_keeps_its_length_or_is_chunked(http: httpx2.Client, upstream: Upstream) -> None:
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
    head = raw(b"Content-Length: 3", b"Expect: 100-continue", line=f"POST {CARDS} HTTP/1.1".encode())
    with connected(url) as connection:
        connection.sendall(head)
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert status_of(connection.recv(65536)) == 200
    (request,) = upstream.requests
    assert request.body == b"abc"
    assert request.values("expect") == []


def test_rejected_expect_continue_ends_the_connection(url: str, upstream: Upstream) -> None:
    fields = f"Host: localhost\r\nContent-Length: {len(LAST)}\r\nExpect: 100-continue\r\n\r\n"
    answer = exchange(
        url, f"POST {CARDS} HTTP/1.1\r\n{fields}".encode()
    )  # what follows is taken for the body
    assert status_of(answer) == 401
    assert b"connection: close" in answer
    assert answer.count(b"HTTP/1.1") == 1
    assert upstream.requests == []


# --- what does not reach the upstream -----------------------------------------------------------


def test_insufficient_request_never_reaches_the_upstream(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    requests = [
        ("GET", CARDS, None, 401),
        ("GET", CARDS, "/ping.read", 403),
        ("POST", CARDS, SCOPE, 403),
        ("GET", f"/accounts/{OTHER}/cards", SCOPE, 403),
        ("PUT", CARDS, SCOPE, 405),
        ("OPTIONS", CARDS, SCOPE, 405),
        ("HEAD", CARDS, SCOPE, 405),
        ("GET", f"{CARDS}/", SCOPE, 404),
        ("GET", "/nowhere", SCOPE, 404),
        ("GET", "/ping", "/ping.read", 200),
    ]
    for method, path, scope, status in requests:
        headers = [mint(server, scope)] if scope else []
        response = http.request(method, path, headers=headers, content=b"x" * 100_000)
        assert (response.status_code, response.content) == (status, b""), (method, path)
    assert upstream.requests == []


def test_target_that_is_not_a_clear_path_is_not_forwarded(url: str, upstream: Upstream) -> None:
    cards = CARDS.encode()
    lines = (
        b"GET http://evil.example/ HTTP/1.1",
        b"GET http://evil.example%b HTTP/1.1" % cards,
        b"GET http://localhost%b HTTP/1.1" % cards,
        b"GET https://evil.example:4443%b?x HTTP/1.1" % cards,
        b"GET ftp://evil.example%b HTTP/1.1" % cards,
        b"GET //evil.example%b HTTP/1.1" % cards,
        b"GET evil.example HTTP/1.1",
        b"GET @evil.example%b HTTP/1.1" % cards,
        b"GET http://localhost/ping HTTP/1.1",
        b"GET http://localhost/_mockmoov/health HTTP/1.1",
        b"CONNECT evil.example:443 HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"GET %b/.. HTTP/1.1" % cards,
        b"GET %b/%%2E. HTTP/1.1" % cards,
    )
    found = {line: status_of(exchange(url, raw(line=line))) for line in lines}
    assert set(found.values()) <= {400, 404, 405}, found
    assert upstream.requests == []


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
WEBSOCKET = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")
NO_BODY = b"0\r\n\r\n"
AMBIGUOUS: Mapping[str, bytes] = {
    "length, then coding": raw(b"Content-Length: 4", CHUNKED, line=POST, body=NO_BODY + SMUGGLED),
    "coding, then length": raw(CHUNKED, b"Content-Length: 4", line=POST, body=NO_BODY + SMUGGLED),
    "two lengths": raw(b"Content-Length: 3", b"Content-Length: 4", line=POST, body=b"abcd"),
    "one length twice": raw(b"Content-Length: 3", b"Content-Length: 3", line=POST, body=b"abc"),
    "list of lengths": raw(b"Content-Length: 3, 3", line=POST, body=b"abc"),
    "signed length": raw(b"Content-Length: +3", line=POST, body=b"abc"),
    "hexadecimal length": raw(b"Content-Length: 0x3", line=POST, body=b"abc"),
    "length with a space": raw(b"Content-Length: 3 3", line=POST, body=b"abc"),
    "empty length": raw(b"Content-Length: ", line=POST, body=b"abc"),
    "length that overflows": raw(b"Content-Length: 99999999999999999999999", line=POST, body=b"abc"),
    "space before the colon": raw(b"Content-Length : 3", line=POST, body=b"abc"),
    "two codings": raw(CHUNKED, b"Transfer-Encoding: identity", line=POST, body=NO_BODY),
    "coding like chunked": raw(b"Transfer-Encoding: xchunked", line=POST, body=NO_BODY),
    "coding before chunked": raw(b"Transfer-Encoding: gzip, chunked", line=POST, body=NO_BODY),
    "coding after chunked": raw(b"Transfer-Encoding: chunked, gzip", line=POST, body=NO_BODY),
    "vertical tab": raw(b"Transfer-Encoding:\x0bchunked", line=POST, body=NO_BODY),
    "chunk size of letters": raw(CHUNKED, line=POST, body=b"g\r\nabc\r\n" + NO_BODY),
    "negative chunk size": raw(CHUNKED, line=POST, body=b"-1\r\nabc\r\n" + NO_BODY),
    "chunk size with a prefix": raw(CHUNKED, line=POST, body=b"0x3\r\nabc\r\n" + NO_BODY),
    "bare line feeds in chunks": raw(CHUNKED, line=POST, body=b"3\nabc\n0\n\n"),
    "chunk longer than its size": raw(CHUNKED, line=POST, body=b"3\r\nabcde\r\n" + NO_BODY),
    "chunk size that overflows": raw(CHUNKED, line=POST, body=b"f" * 20 + b"\r\nabc\r\n" + NO_BODY),
    "folded field": raw(b"X-Folded: a", b" b", line=POST),
    "folded length": raw(b"Content-Length: 3", b" 4", line=POST, body=b"abc"),
    "folded coding": raw(b"Transfer-Encoding:", b" chunked", line=POST, body=NO_BODY),
    "NUL in a value": raw(b"X-Nul: a\0b", line=POST),
    "bare carriage return": raw(b"X-Cr: a\rb", line=POST),
    "space in a name": raw(b"X Y: a", line=POST),
    "no name": raw(b": a", line=POST),
    "chunks in HTTP/1.0": raw(CHUNKED, line=POST.replace(b"1.1", b"1.0"), body=b"3\r\nabc\r\n" + NO_BODY),
    "websocket": raw(*WEBSOCKET, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
}


def test_ambiguous_request_is_rejected_before_the_upstream(url: str, upstream: Upstream) -> None:
    found = {name: exchange(url, sent) for name, sent in AMBIGUOUS.items()}
    wrong = {
        name: received
        for name, received in found.items()
        if not 400 <= status_of(received) <= 501 or b"HTTP/1.1 200" in received
    }
    assert wrong == {}
    assert upstream.requests == []


def test_bytes_after_a_body_are_the_next_request(url: str, upstream: Upstream) -> None:
    received = exchange(url, raw(b"Content-Length: 3", line=POST, body=b"abc" + SMUGGLED))
    assert re.findall(rb"HTTP/1\.1 (\d+)", received) == [b"200", b"404", b"404"]
    (request,) = upstream.requests
    assert request.body == b"abc"


# --- back to the client -------------------------------------------------------------------------


def test_a_response_comes_back_with_our_own_headers(http: httpx2.Client, upstream: Upstream) -> None:
    fields = (
        b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"X-Kept: \xe9", b"Server: theirs", b"Cache-Control: private",
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT", b"X-Request-Id: theirs", b"X-Mockmoov-Reason: theirs",
        b"Access-Control-Allow-Origin: *", b"Access-Control-Allow-Credentials: true", b"Vary: Accept",
        b"Connection: X-Hop", b"X-Hop: h", b"Keep-Alive: timeout=5",
    )  # fmt: skip
    upstream.answer = b"\r\n".join([b"HTTP/1.1 200 OK", *fields, b"Content-Length: 0", b"", b""])
    for origin, allowed in (("http://localhost:3000", True), ("https://evil.example", False)):
        response = http.get(CARDS, auth=KEY, headers={"origin": origin, "cookie": ""})
        assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
        assert [value for name, value in response.headers.raw if name == b"x-kept"] == [b"\xe9"]
        assert (response.headers["server"], response.headers["cache-control"]) == ("theirs", "private")
        (date,) = response.headers.get_list("date")
        assert "1970" not in date
        for name in ("x-mockmoov-reason", "access-control-allow-credentials", "x-hop", "keep-alive"):
            assert name not in response.headers
        assert response.headers.get("access-control-allow-origin") == (origin if allowed else None)
        assert response.headers["vary"] == "Accept, Origin"
        assert re.fullmatch(r"[0-9a-f-]{36}", response.headers["x-request-id"])


def test_cookies_redirects_and_proxies_are_not_followed(
    url: str, http: httpx2.Client, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
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
    "no header": b"HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 0\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "an endless head": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
}


def test_broken_upstream_is_502(http: httpx2.Client, upstream: Upstream) -> None:
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
def test_late_upstream_is_504_and_its_connection_closed(impatient: httpx2.Client, upstream: Upstream) -> None:
    upstream.answer = gate = Gate()
    response = impatient.get(CARDS)
    assert (response.status_code, response.content) == (504, b"")
    assert response.headers["x-mockmoov-reason"] == "the upstream did not answer in 1 s"
    assert gate.left.wait(10)


@pytest.mark.slow
def test_head_that_trickles_in_is_504(impatient: httpx2.Client, upstream: Upstream) -> None:
    done = threading.Event()

    def trickle(connection: socket.socket, _request: Recorded) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not done.wait(0.05):
            connection.sendall(b"x")

    upstream.answer = trickle
    assert impatient.get(CARDS).status_code == 504
    done.set()


@pytest.mark.slow
def test_time_for_a_clients_body_is_not_the_upstreams(impatient: httpx2.Client, upstream: Upstream) -> None:
    with connected(str(impatient.base_url).rstrip("/")) as connection:
        connection.sendall(raw(b"Content-Length: 6", line=POST))
        for piece in (b"abc", b"def"):
            threading.Event().wait(0.7)  # both together are more than the upstream has
            connection.sendall(piece)
        assert status_of(connection.recv(65536)) == 200
    assert upstream.requests[0].body == b"abcdef"


@pytest.mark.slow
def test_response_that_stalls_is_cut(impatient: httpx2.Client, upstream: Upstream) -> None:
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


def test_truncated_response_is_not_taken_for_a_whole_one(http: httpx2.Client, upstream: Upstream) -> None:
    for head in HALVES:
        upstream.answer = half(head)
        with pytest.raises(httpx2.RemoteProtocolError):
            http.get(CARDS, auth=KEY)


def test_response_is_passed_on_as_it_is_made(http: httpx2.Client, upstream: Upstream) -> None:
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
        httpx2.Client(base_url=url, auth=KEY, trust_env=False, timeout=20) as http,
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
    url: str, upstream: Upstream, server: AuthorizationServer
) -> None:
    journal = server.simulation.journal
    for before in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"):
        server.reset()
        upstream.answer = gate = Gate(before)
        with connected(url) as connection:
            connection.sendall(raw())
            assert gate.asked.wait(10)
            if before:
                assert status_of(connection.recv(100)) == 200
        assert gate.left.wait(10)
        until(lambda: journal().exchanges)
        (found,) = journal().exchanges
        left = (None, "the client left before the upstream answered")
        assert (found.status, found.reason) == ((200, None) if before else left)


def test_client_that_leaves_in_its_body_is_not_forwarded(
    url: str, upstream: Upstream, server: AuthorizationServer
) -> None:
    with connected(url) as connection:
        connection.sendall(raw(b"Content-Length: 10", line=POST, body=b"half"))
    until(lambda: server.simulation.journal().exchanges)
    (found,) = server.simulation.journal().exchanges
    assert (found.status, found.endpoint) == (None, "linkCard")
    assert upstream.requests == []


# --- the journal, the log and faults ------------------------------------------------------------


def test_journal_and_log_have_the_status_but_not_the_query(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.answer = b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\nX-Mockmoov-Reason: theirs\r\n\r\n"
    http.post(CARDS, auth=KEY, json={"card": "4242"})
    upstream.answer = close
    with caplog.at_level(logging.INFO):
        http.get(f"{CARDS}?secret=4242", auth=KEY)
    broken = "the upstream broke off, or does not speak HTTP"
    found = [(item.endpoint, item.status, item.reason) for item in server.simulation.journal().exchanges]
    assert found == [("linkCard", 409, None), ("listCards", 502, broken)]
    ours = "\n".join(item.getMessage() for item in caplog.records if item.name.startswith("mockmoov"))
    assert broken in ours
    assert f"GET {CARDS} 502" in ours
    assert "4242" not in ours


def test_fault_answers_in_place_of_the_upstream(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    plan(server, endpoint="listCards", status=503, text="later", times=1)
    assert http.get(f"/accounts/{ACCOUNT}/wallets", auth=KEY).status_code == 200
    response = http.get(CARDS, auth=KEY)
    assert (response.status_code, response.text) == (503, "later")
    assert [request.target for request in upstream.requests] == [f"/base/accounts/{ACCOUNT}/wallets"]
    server.simulation.remove_faults(None)
    for network_error in ("hang", "reset"):
        plan(server, network_error=network_error)
        with pytest.raises(httpx2.TransportError):
            http.get(CARDS, auth=KEY, timeout=0.1)
        server.simulation.remove_faults(None)
    assert len(upstream.requests) == 1


def test_delayed_request_keeps_its_body(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    plan(server, delay=0.02)
    assert http.post(CARDS, auth=KEY, content=b"x" * 200_000).text == "hello"
    assert http.get(CARDS, auth=KEY).text == "hello"
    assert [len(request.body) for request in upstream.requests] == [200_000, 0]


def test_fault_alters_the_upstreams_response(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    plan(server, drop=("a",), set={"c": 3}, headers={"X-Fault": "yes"})
    upstream.answer = JSON.replace(b"Content-Length", b"Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length")
    response = http.get(CARDS, auth=KEY, headers={"accept-encoding": "gzip"})
    assert response.json() == {"b": 2, "c": 3}
    assert response.headers["x-fault"] == "yes"
    assert response.headers.get_list("set-cookie") == ["a", "b"]
    assert upstream.requests[0].values("accept-encoding") == []
    (found,) = server.simulation.journal().exchanges
    assert (found.fault, found.status) == ("planned", 200)


def test_fault_leaves_alone_what_is_no_json_object(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    plan(server, drop=("a",))
    for body in (b"no JSON", b"[1]", b'"\\ud800"', b"\xff", b"[" * 5000, b'{"d":"\\ud800"}'):
        upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        assert http.get(CARDS, auth=KEY).content == body


def test_fault_truncates_or_cuts_the_upstreams_response(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    plan(server, truncate=2, times=1)
    assert http.get(CARDS, auth=KEY).text == "he"
    plan(server, network_error="cut", times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        http.get(CARDS, auth=KEY)
    assert len(upstream.requests) == 2


def test_client_that_leaves_before_a_planned_cut_gets_nothing(
    url: str, upstream: Upstream, server: AuthorizationServer
) -> None:
    plan(server, network_error="cut")
    upstream.answer = gate = Gate()
    with connected(url) as connection:
        connection.sendall(raw())
        assert gate.asked.wait(10)
    until(lambda: server.simulation.journal().exchanges)
    assert server.simulation.journal().exchanges[0].status is None


LARGE_BODY = b"x" * (MAX_WHOLE_BODY + 1)
LARGE_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(LARGE_BODY), LARGE_BODY)


def test_only_a_small_whole_response_can_be_altered(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    upstream.answer = LARGE_RESPONSE
    plan(server, headers={"X-Fault": "yes"}, times=1)  # which lets the body stream
    response = http.get(CARDS, auth=KEY)
    assert (len(response.content), response.headers["x-fault"]) == (len(LARGE_BODY), "yes")
    plan(server, truncate=2)
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


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.mark.parametrize(("is_trusted", "status"), [(True, 200), (False, 502)])
def test_https_upstream_must_be_trusted(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_trusted: bool, status: int
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with recording(tls) as upstream, listening(new_server(upstream=upstream.url)) as url:
        response = httpx2.get(f"{url}{CARDS}", auth=KEY, trust_env=False)
        assert (response.status_code, len(upstream.requests)) == (status, int(is_trusted))


LARGE = 100 * 1024 * 1024
PIECE = b"x" * 65536


def swallow(connection: socket.socket) -> None:
    """Read a request with a body of `LARGE` bytes, keeping none, and answer with as many."""
    stream = connection.makefile("rb")
    while stream.readline() != b"\r\n":
        pass
    for _ in range(LARGE // len(PIECE)):
        assert len(stream.read(len(PIECE))) == len(PIECE)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
    for _ in range(LARGE // len(PIECE)):
        connection.sendall(PIECE)


def peak(pid: int) -> int:
    """The most memory that a process has ever held, in bytes."""
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(kilobytes) * 1024


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_bodies_of_100_mb_pass_in_flat_memory() -> None:
    with recording() as upstream, serving_process("--upstream", upstream.url) as (url, process):
        upstream.answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
        assert httpx2.get(f"{url}{CARDS}", auth=KEY, trust_env=False).status_code == 204
        before = peak(process.pid)
        upstream.handle = swallow  # type: ignore[method-assign]
        pieces = (PIECE for _ in range(LARGE // len(PIECE)))
        headers = {"content-length": str(LARGE)}
        received = 0
        with (
            httpx2.Client(trust_env=False, timeout=60) as http,
            http.stream("POST", f"{url}{CARDS}", auth=KEY, content=pieces, headers=headers) as answer,
        ):
            for piece in answer.iter_raw():
                received += len(piece)
        assert received == LARGE
        assert peak(process.pid) - before < 16 * 1024 * 1024


@pytest.mark.slow
def test_large_body_of_a_rejected_request_is_not_kept() -> None:
    with recording() as upstream, serving_process("--upstream", upstream.url) as (url, process):
        before = peak(process.pid)
        pieces = (PIECE for _ in range(LARGE // len(PIECE)))
        answer = httpx2.post(f"{url}{CARDS}", content=pieces, trust_env=False)
        assert answer.status_code == 401
        assert peak(process.pid) - before < 16 * 1024 * 1024
        assert upstream.requests == []
