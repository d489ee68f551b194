"""The gateway on real sockets, before an upstream of ours that records every byte it gets."""

import asyncio
import json
import logging
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.simulation.faults import Fault
from mockmoov.web.app import create_app
from mockmoov.web.gateway import MAX_WHOLE_BODY
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
from tests.support.upstream import OK, Recorded, Upstream, recording

ACCOUNT = str(EXAMPLE["account_id"])
OTHER = "0b7f3a5e-1111-4c2d-9e8f-aabbccddeeff"
CARDS = f"/accounts/{ACCOUNT}/cards"
SCOPE = f"/accounts/{ACCOUNT}/cards.read"
KEY = (CLIENT_ID, CLIENT_SECRET)
BASIC = ": ".join(basic()).encode()
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n" + b'{"a":1,"b":2}'


@pytest.fixture(scope="module")
def opened() -> Iterator[Upstream]:
    with recording() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def server(opened: Upstream) -> AuthorizationServer:
    return new_server(upstream=f"{opened.url}/base", upstream_timeout=1)


@pytest.fixture(scope="module")
def url(server: AuthorizationServer) -> Iterator[str]:
    with listening(server) as url:
        yield url


@pytest.fixture
def upstream(opened: Upstream, server: AuthorizationServer) -> Upstream:
    opened.reset()
    server.reset()
    return opened


@pytest.fixture
def http(url: str, upstream: Upstream) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, trust_env=False, timeout=20) as client:
        yield client


def mint(server: AuthorizationServer, scope: str = SCOPE) -> Header:
    answer = post_form(sender(server), "/oauth2/token", basic(), grant_type="client_credentials", scope=scope)
    return bearer(json.loads(answer[2])["access_token"])


def connected(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


LAST = b"GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def exchange(url: str, sent: bytes) -> bytes:
    """All that a server answers to these bytes, and then to a last request."""
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


# --- what reaches the upstream ------------------------------------------------------------------


def test_an_authorised_request_is_answered_by_the_upstream(http: httpx2.Client, upstream: Upstream) -> None:
    answer = http.get(f"{CARDS}?count=1&name=%2F", auth=KEY)
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, "hello", "text/plain")
    (request,) = upstream.requests
    assert request.line == f"GET /base{CARDS}?count=1&name=%2F HTTP/1.1"
    assert request.values("host") == [upstream.url.removeprefix("http://")]
    assert request.body == b""
    assert not request.values("content-length")
    assert not request.values("transfer-encoding")


def test_whose_request_it_is_goes_along(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    answer = http.get(CARDS, headers=[mint(server, f"/ping.read {SCOPE}")])
    assert answer.status_code == 200
    assert http.get(CARDS, auth=KEY).status_code == 200
    by_token, by_key = upstream.requests
    assert by_token.values("x-mockmoov-client-id") == [CLIENT_ID]
    assert by_token.values("x-mockmoov-account-id") == [ACCOUNT]
    assert by_token.values("x-mockmoov-scopes") == [f"/ping.read {SCOPE}"]
    assert by_token.values("x-request-id") == [answer.headers["x-request-id"]]
    assert by_token.values("authorization")[0].startswith("Bearer ey")
    assert by_key.values("x-mockmoov-scopes") == ["*"]


@pytest.mark.parametrize(
    ("scope", "told"), [("/ping.read /\u6f22.read", "/ping.read"), ("*", ""), ('"\x00 \xe9', "")]
)
def test_of_a_token_made_to_order_only_scopes_go_along(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer, scope: str, told: str
) -> None:
    token = Desk(server).post("/tokens", scope="/ping.read", claims={"scp": scope})["access_token"]
    assert http.get("/event-types", headers=[bearer(token)]).status_code == 200
    assert upstream.requests[0].values("x-mockmoov-scopes") == [told]


@pytest.mark.parametrize(
    "name",
    [
        "X-Mockmoov-Scopes",
        "x-mockmoov-scopes",
        "X-MOCKMOOV-Client-Id",
        "X_Mockmoov_Scopes",
        "X-Mockmoov-Token",
    ],
)
def test_nobody_outside_can_say_whose_request_it_is(url: str, upstream: Upstream, name: str) -> None:
    answer = exchange(url, raw(f"{name}: forged".encode(), f"Connection: {name}".encode()))
    assert status_of(answer) == 200
    (request,) = upstream.requests
    assert "forged" not in str(request.fields)
    ours = [field for field, _ in request.fields if field.lower().replace("_", "-").startswith("x-mockmoov")]
    assert ours == ["x-mockmoov-client-id", "x-mockmoov-account-id", "x-mockmoov-scopes"]


def test_what_is_meant_for_the_next_hop_goes_no_further(url: str, upstream: Upstream) -> None:
    fields = (
        b"Connection: X-Secret",
        b"X-Secret: s",
        b"Keep-Alive: 5",
        b"TE: trailers",
        b"X-Request-Id: theirs",
    )
    proxy = (b"Proxy-Authorization: p", b"Upgrade: h2c", b"X-Kept: yes", b"Accept-Encoding: gzip")
    assert status_of(exchange(url, raw(*fields, *proxy))) == 200
    (request,) = upstream.requests
    assert request.values("x-kept") == ["yes"]
    assert request.values("accept-encoding") == ["gzip"]
    for name in ("x-secret", "keep-alive", "te", "proxy-authorization", "upgrade", "connection"):
        assert request.values(name) == []
    assert request.values("x-request-id") != ["theirs"]


@pytest.mark.parametrize(
    "segment",
    ["a%2Fb", "a%2fb", "a%2eb", "%41", "a;x=1", "a:b@c", "%zz", "%00", "...", "a%20b", "%E2%82%AC", "'*$"],
)
def test_a_path_goes_on_byte_for_byte(url: str, upstream: Upstream, segment: str) -> None:
    line = f"GET {CARDS}/{segment}?q=%2e HTTP/1.1".encode()
    assert status_of(exchange(url, raw(line=line))) == 200
    assert upstream.requests[0].target == f"/base{CARDS}/{segment}?q=%2e"


@pytest.mark.parametrize("segment", [b"..", b".", b"%2e%2e", b"%2E.", b"a%2F..%2Fb", b"..%2f"])
def test_a_path_that_could_be_resolved_into_another_goes_nowhere(
    url: str, upstream: Upstream, segment: bytes
) -> None:
    line = b"GET %b/%b HTTP/1.1" % (CARDS.encode(), segment)
    assert status_of(exchange(url, raw(line=line))) == 404
    assert upstream.requests == []


@pytest.mark.parametrize("slash", ["%2F", "%2f", "%5C", ";x%2F", "%2F%2F"])
def test_a_path_that_is_another_operations_once_decoded_goes_nowhere(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer, slash: str
) -> None:
    card = f"/issuing/{ACCOUNT}/cards/c"
    may_not_see_details = mint(server, f"/accounts/{ACCOUNT}/issued-cards.read")
    answer = http.get(f"{card}{slash}details", headers=[may_not_see_details])
    assert (answer.status_code, upstream.requests) == (404, [])
    assert "decoded" in answer.headers["x-mockmoov-reason"]
    assert http.get(card, headers=[may_not_see_details]).status_code == 200


# --- bodies -------------------------------------------------------------------------------------


def test_a_body_with_a_length_goes_on_as_such(http: httpx2.Client, upstream: Upstream) -> None:
    body = bytes(range(256)) * 1000
    assert http.post(CARDS, auth=KEY, content=body).status_code == 200
    (request,) = upstream.requests
    assert request.body == body
    assert request.values("content-length") == [str(len(body))]
    assert request.values("transfer-encoding") == []


def test_a_chunked_body_goes_on_chunked(http: httpx2.Client, upstream: Upstream) -> None:
    pieces = [b"x" * size for size in (1, 70_000, 3)]
    assert http.post(CARDS, auth=KEY, content=iter(pieces)).status_code == 200
    (request,) = upstream.requests
    assert request.body == b"".join(pieces)
    assert request.values("content-length") == []


def test_trailers_are_dropped(url: str, upstream: Upstream) -> None:
    line = f"POST {CARDS} HTTP/1.1".encode()
    body = b"3\r\nabc\r\n0\r\nX-Mockmoov-Scopes: forged\r\n\r\n"
    assert status_of(exchange(url, raw(b"Transfer-Encoding: chunked", line=line, body=body))) == 200
    (request,) = upstream.requests
    assert request.body == b"abc"
    assert "forged" not in str(request.fields)


def test_an_answer_keeps_its_length_or_is_chunked(http: httpx2.Client, upstream: Upstream) -> None:
    assert http.get(CARDS, auth=KEY).headers["content-length"] == "5"
    upstream.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    answer = http.get(CARDS, auth=KEY)
    assert (answer.text, answer.headers["transfer-encoding"]) == ("abcde", "chunked")
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body_has_none(http: httpx2.Client, upstream: Upstream, status: str) -> None:
    upstream.answer = f"HTTP/1.1 {status}\r\nETag: e\r\n\r\n".encode()
    answer = http.get(CARDS, auth=KEY)
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (int(status[:3]), b"", "e")
    assert "transfer-encoding" not in answer.headers
    assert http.get(CARDS, auth=KEY).status_code == int(status[:3])


def test_an_upstream_may_answer_before_it_has_read_the_body() -> None:
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


def test_who_expects_a_go_ahead_gets_it_once_the_upstream_may_be_asked(url: str, upstream: Upstream) -> None:
    head = raw(b"Content-Length: 3", b"Expect: 100-continue", line=f"POST {CARDS} HTTP/1.1".encode())
    with connected(url) as connection:
        connection.sendall(head)
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert status_of(connection.recv(65536)) == 200
    (request,) = upstream.requests
    assert request.body == b"abc"
    assert request.values("expect") == []


def test_who_may_not_pass_gets_no_go_ahead_and_the_connection_ends(url: str, upstream: Upstream) -> None:
    fields = f"Host: localhost\r\nContent-Length: {len(LAST)}\r\nExpect: 100-continue\r\n\r\n"
    answer = exchange(
        url, f"POST {CARDS} HTTP/1.1\r\n{fields}".encode()
    )  # what follows is taken for the body
    assert status_of(answer) == 401
    assert b"connection: close" in answer
    assert answer.count(b"HTTP/1.1") == 1
    assert upstream.requests == []


# --- what does not reach the upstream -----------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "scope", "status"),
    [
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
    ],
)
def test_who_may_not_pass_never_reaches_the_upstream(
    http: httpx2.Client,
    upstream: Upstream,
    server: AuthorizationServer,
    method: str,
    path: str,
    scope: str | None,
    status: int,
) -> None:
    headers = [mint(server, scope)] if scope else []
    answer = http.request(method, path, headers=headers, content=b"x" * 100_000)
    assert (answer.status_code, answer.content) == (status, b"")
    assert upstream.requests == []


@pytest.mark.parametrize(
    "line",
    [
        b"GET http://evil.example/ HTTP/1.1",
        b"GET http://evil.example%b HTTP/1.1" % CARDS.encode(),
        b"GET http://localhost%b HTTP/1.1" % CARDS.encode(),
        b"GET https://evil.example:4443%b?x HTTP/1.1" % CARDS.encode(),
        b"GET ftp://evil.example%b HTTP/1.1" % CARDS.encode(),
        b"GET //evil.example%b HTTP/1.1" % CARDS.encode(),
        b"GET evil.example HTTP/1.1",
        b"GET @evil.example%b HTTP/1.1" % CARDS.encode(),
        b"GET http://localhost/ping HTTP/1.1",
        b"GET http://localhost/_mockmoov/health HTTP/1.1",
        b"CONNECT evil.example:443 HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
    ],
)
def test_a_target_that_is_no_path_selects_nothing(url: str, upstream: Upstream, line: bytes) -> None:
    assert status_of(exchange(url, raw(line=line))) in {400, 404, 405}
    assert upstream.requests == []


POST = f"POST {CARDS} HTTP/1.1".encode()
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        pytest.param(
            [b"Content-Length: 4", b"Transfer-Encoding: chunked"], b"0\r\n\r\n" + SMUGGLED, id="CL+TE"
        ),
        pytest.param(
            [b"Transfer-Encoding: chunked", b"Content-Length: 4"], b"0\r\n\r\n" + SMUGGLED, id="TE+CL"
        ),
        pytest.param([b"Content-Length: 3", b"Content-Length: 4"], b"abcd", id="two lengths"),
        pytest.param([b"Content-Length: 3", b"Content-Length: 3"], b"abc", id="the same length twice"),
        pytest.param([b"Content-Length: 3, 3"], b"abc", id="a list of lengths"),
        pytest.param([b"Content-Length: +3"], b"abc", id="a signed length"),
        pytest.param([b"Content-Length: 0x3"], b"abc", id="a hexadecimal length"),
        pytest.param([b"Content-Length: 3 3"], b"abc", id="a length with a space in it"),
        pytest.param([b"Content-Length: "], b"abc", id="an empty length"),
        pytest.param([b"Content-Length: 99999999999999999999999"], b"abc", id="a length that overflows"),
        pytest.param([b"Content-Length : 3"], b"abc", id="a space before the colon"),
        pytest.param(
            [b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"], b"0\r\n\r\n", id="two codings"
        ),
        pytest.param([b"Transfer-Encoding: xchunked"], b"0\r\n\r\n", id="a coding like chunked"),
        pytest.param([b"Transfer-Encoding: gzip, chunked"], b"0\r\n\r\n", id="a coding before chunked"),
        pytest.param([b"Transfer-Encoding: chunked, gzip"], b"0\r\n\r\n", id="a coding after chunked"),
        pytest.param([b"Transfer-Encoding:\x0bchunked"], b"0\r\n\r\n", id="a vertical tab before chunked"),
        pytest.param(
            [b"Transfer-Encoding: chunked"], b"g\r\nabc\r\n0\r\n\r\n", id="a chunk size that is no number"
        ),
        pytest.param([b"Transfer-Encoding: chunked"], b"-1\r\nabc\r\n0\r\n\r\n", id="a negative chunk size"),
        pytest.param(
            [b"Transfer-Encoding: chunked"], b"0x3\r\nabc\r\n0\r\n\r\n", id="a chunk size with a prefix"
        ),
        pytest.param([b"Transfer-Encoding: chunked"], b"3\nabc\n0\n\n", id="bare line feeds in chunks"),
        pytest.param(
            [b"Transfer-Encoding: chunked"], b"3\r\nabcde\r\n0\r\n\r\n", id="a chunk longer than its size"
        ),
        pytest.param(
            [b"Transfer-Encoding: chunked"], b"f" * 20 + b"\r\nabc\r\n0\r\n\r\n", id="a size that overflows"
        ),
        pytest.param([b"X-Folded: a", b" b"], b"", id="a folded field"),
        pytest.param([b"Content-Length: 3", b" 4"], b"abc", id="a folded length"),
        pytest.param([b"Transfer-Encoding:", b" chunked"], b"0\r\n\r\n", id="a folded coding"),
        pytest.param([b"X-Nul: a\0b"], b"", id="a NUL in a value"),
        pytest.param([b"X-Cr: a\rb"], b"", id="a bare carriage return"),
        pytest.param([b"X Y: a"], b"", id="a space in a name"),
        pytest.param([b": a"], b"", id="no name"),
    ],
)
def test_shapes_of_request_smuggling_are_refused_before_the_upstream(
    url: str, upstream: Upstream, fields: list[bytes], body: bytes
) -> None:
    answer = exchange(url, raw(*fields, line=POST, body=body))
    assert 400 <= status_of(answer) <= 501
    assert re.findall(rb"HTTP/1\.1 200", answer) == []
    assert upstream.requests == []


def test_a_request_of_http_1_0_has_no_chunks(url: str, upstream: Upstream) -> None:
    line = POST.replace(b"1.1", b"1.0")
    answer = exchange(url, raw(b"Transfer-Encoding: chunked", line=line, body=b"3\r\nabc\r\n0\r\n\r\n"))
    assert status_of(answer) in {400, 501}
    assert upstream.requests == []


def test_what_follows_a_body_is_a_request_of_its_own(url: str, upstream: Upstream) -> None:
    answer = exchange(url, raw(b"Content-Length: 3", line=POST, body=b"abc" + SMUGGLED))
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"200", b"404", b"404"]
    (request,) = upstream.requests
    assert request.body == b"abc"


def test_a_websocket_is_refused_and_nothing_is_forwarded(url: str, upstream: Upstream) -> None:
    fields = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")
    answer = exchange(url, raw(*fields, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))
    assert status_of(answer) == 501
    assert b"x-mockmoov-reason: websockets are not forwarded" in answer
    assert upstream.requests == []


# --- what the upstream may not do ---------------------------------------------------------------


def test_an_answer_comes_back_with_ours_to_say_said_by_us(http: httpx2.Client, upstream: Upstream) -> None:
    fields = (
        b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"X-Kept: \xe9", b"Server: theirs", b"Cache-Control: private",
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT", b"X-Request-Id: theirs", b"X-Mockmoov-Reason: theirs",
        b"Access-Control-Allow-Origin: *", b"Connection: X-Hop", b"X-Hop: h", b"Keep-Alive: timeout=5",
    )  # fmt: skip
    upstream.answer = b"\r\n".join([b"HTTP/1.1 200 OK", *fields, b"Content-Length: 0", b"", b""])
    answer = http.get(CARDS, auth=KEY)
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert [value for name, value in answer.headers.raw if name == b"x-kept"] == [b"\xe9"]
    assert (answer.headers["server"], answer.headers["cache-control"]) == ("theirs", "private")
    assert len(answer.headers.get_list("date")) == 1
    assert "1970" not in answer.headers["date"]
    for name in ("x-mockmoov-reason", "access-control-allow-origin", "x-hop", "keep-alive"):
        assert name not in answer.headers
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])


def test_which_pages_may_read_the_upstreams_answer_is_ours_to_say(
    http: httpx2.Client, upstream: Upstream
) -> None:
    theirs = b"Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\nVary: Accept\r\n"
    upstream.answer = b"HTTP/1.1 200 OK\r\n" + theirs + b"Content-Length: 0\r\n\r\n"
    for origin, allowed in (("http://localhost:3000", True), ("https://evil.example", False)):
        answer = http.get(CARDS, auth=KEY, headers={"origin": origin})
        assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers["vary"] == "Accept, Origin"


def test_cookies_are_not_kept(url: str, http: httpx2.Client, upstream: Upstream) -> None:
    upstream.answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n"
    assert http.get(CARDS, auth=KEY).status_code == 200
    assert status_of(exchange(url, raw())) == 200
    assert upstream.requests[1].values("cookie") == []


@pytest.mark.parametrize("location", ["http://evil.example/", "/elsewhere"])
def test_a_redirect_is_passed_on_and_not_followed(
    http: httpx2.Client, upstream: Upstream, location: str
) -> None:
    upstream.answer = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    answer = http.get(CARDS, auth=KEY)
    assert (answer.status_code, answer.headers["location"]) == (302, location)
    assert len(upstream.requests) == 1


def test_no_proxy_of_the_environment_is_used(
    http: httpx2.Client, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert http.get(CARDS, auth=KEY).status_code == 200


def close(connection: socket.socket, _request: Recorded) -> None:
    connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(close, id="nothing"),
        pytest.param(b"nonsense\r\n\r\n", id="no HTTP"),
        pytest.param(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", id="no status"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 0\r\n\r\n", id="no header"),
        pytest.param(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", id="101"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", id="two lengths"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", id="an endless head"),
    ],
)
def test_an_upstream_that_does_not_answer_is_502(
    http: httpx2.Client, upstream: Upstream, answer: bytes | Callable[[socket.socket, Recorded], None]
) -> None:
    upstream.answer = answer
    response = http.get(CARDS, auth=KEY)
    assert (response.status_code, response.content) == (502, b"")
    assert response.headers["x-mockmoov-reason"].startswith("the upstream ")
    upstream.answer = OK
    assert http.get(CARDS, auth=KEY).status_code == 200


def test_an_upstream_that_is_not_there_is_502_and_its_address_is_not_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with listening(new_server(upstream=f"http://127.0.0.1:{port}")) as url:
            answer = httpx2.get(f"{url}{CARDS}", auth=KEY, trust_env=False)
    assert (answer.status_code, answer.content) == (502, b"")
    assert answer.headers["x-mockmoov-reason"] == "the upstream cannot be reached"
    assert str(port) not in str(answer.headers)


class Gate:
    """An upstream's answer that waits until a test lets it go on, and sees when its client leaves."""

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


def test_an_upstream_that_does_not_answer_in_time_is_504_and_is_left(
    http: httpx2.Client, upstream: Upstream
) -> None:
    upstream.answer = gate = Gate()
    answer = http.get(CARDS, auth=KEY)
    assert (answer.status_code, answer.content) == (504, b"")
    assert answer.headers["x-mockmoov-reason"] == "the upstream did not answer in 1 s"
    assert gate.left.wait(10)


def test_a_head_that_trickles_in_is_504(http: httpx2.Client, upstream: Upstream) -> None:
    done = threading.Event()

    def trickle(connection: socket.socket, _request: Recorded) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not done.wait(0.1):
            connection.sendall(b"x")

    upstream.answer = trickle
    assert http.get(CARDS, auth=KEY).status_code == 504
    done.set()


def test_the_time_that_a_client_takes_for_its_body_is_not_the_upstreams(url: str, upstream: Upstream) -> None:
    with connected(url) as connection:
        connection.sendall(raw(b"Content-Length: 6", line=POST))
        for piece in (b"abc", b"def"):
            threading.Event().wait(0.7)  # both together are more than the upstream's second
            connection.sendall(piece)
        assert status_of(connection.recv(65536)) == 200
    assert upstream.requests[0].body == b"abcdef"


def half_of(connection: socket.socket, _request: Recorded) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "head", [b"Content-Length: 10\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
)
def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(
    http: httpx2.Client, upstream: Upstream, head: bytes
) -> None:
    def half(connection: socket.socket, _request: Recorded) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head)
        connection.shutdown(socket.SHUT_RDWR)

    upstream.answer = half
    with pytest.raises(httpx2.RemoteProtocolError):
        http.get(CARDS, auth=KEY)


def test_an_answer_that_stalls_is_cut(http: httpx2.Client, upstream: Upstream) -> None:
    upstream.answer = gate = Gate(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    with pytest.raises(httpx2.RemoteProtocolError):
        http.get(CARDS, auth=KEY)
    assert gate.left.wait(10)


def test_an_answer_is_passed_on_while_it_is_being_made(http: httpx2.Client, upstream: Upstream) -> None:
    upstream.answer = gate = Gate(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst", b"later")
    with http.stream("GET", CARDS, auth=KEY) as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == b"first"
        gate.open.set()
        assert b"".join(pieces) == b"later"


class Leave:
    """An upstream's answer after which it closes the connection without having said so."""

    def __init__(self) -> None:
        self.gate, self.asked, self.closed = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, connection: socket.socket, _request: Recorded) -> None:
        self.asked.set()
        self.gate.wait(20)
        connection.sendall(OK)
        connection.shutdown(socket.SHUT_RDWR)
        self.closed.set()


def test_a_connection_to_the_upstream_is_used_again_as_long_as_it_is_good() -> None:
    with (
        recording() as upstream,
        listening(new_server(upstream=upstream.url)) as url,
        httpx2.Client(base_url=url, auth=KEY, trust_env=False, timeout=20) as http,
    ):
        for _ in range(3):
            assert http.get(CARDS).status_code == 200
        assert upstream.connections == 1
        upstream.answer = leave = Leave()
        leave.gate.set()
        assert http.get(CARDS).status_code == 200
        assert leave.closed.wait(10)
        upstream.answer = OK
        assert http.get(CARDS).status_code == 200
        assert upstream.connections == 2


def test_of_several_idle_connections_one_that_is_good_is_used() -> None:
    with (
        recording() as upstream,
        listening(new_server(upstream=upstream.url)) as url,
        httpx2.Client(base_url=url, auth=KEY, trust_env=False, timeout=20) as http,
        ThreadPoolExecutor() as threads,
    ):
        upstream.answer = first = Gate(b"", OK)
        good = threads.submit(http.get, CARDS)
        assert first.asked.wait(10)
        upstream.answer = second = Leave()
        leaving = threads.submit(http.get, CARDS)
        assert second.asked.wait(10)
        first.open.set()
        assert good.result().status_code == 200
        second.gate.set()
        assert leaving.result().status_code == 200
        assert second.closed.wait(10)
        upstream.answer = OK
        assert http.get(CARDS).status_code == 200
        assert upstream.connections == 2


# --- who leaves ---------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"])
def test_who_leaves_ends_the_exchange_with_the_upstream(
    url: str, upstream: Upstream, server: AuthorizationServer, before: bytes
) -> None:
    upstream.answer = gate = Gate(before)
    with connected(url) as connection:
        connection.sendall(raw())
        assert gate.asked.wait(10)
        if before:
            assert status_of(connection.recv(100)) == 200
    assert gate.left.wait(10)
    until(lambda: bool(server.simulation.journal().exchanges))
    (told,) = server.simulation.journal().exchanges
    assert told.status == (200 if before else None)
    assert told.reason == (None if before else "the client left before the upstream answered")


def test_who_leaves_in_its_body_ends_the_exchange_with_the_upstream(
    url: str, upstream: Upstream, server: AuthorizationServer
) -> None:
    with connected(url) as connection:
        connection.sendall(raw(b"Content-Length: 10", line=POST, body=b"half"))
    until(lambda: bool(server.simulation.journal().exchanges))
    (told,) = server.simulation.journal().exchanges
    assert (told.status, told.endpoint) == (None, "linkCard")
    assert upstream.requests == []


def until(holds: Callable[[], bool]) -> None:
    for _ in range(2000):
        if holds():
            return
        threading.Event().wait(0.005)
    pytest.fail("it did not come about in ten seconds")


# --- the journal, the log and faults ------------------------------------------------------------


def test_the_journal_tells_the_status_that_went_out(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    upstream.answer = b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\nX-Mockmoov-Reason: theirs\r\n\r\n"
    http.post(CARDS, auth=KEY, json={"card": "4242"})
    upstream.answer = close
    http.get(CARDS, auth=KEY)
    told = [(item.endpoint, item.status, item.reason) for item in server.simulation.journal().exchanges]
    assert told == [
        ("linkCard", 409, None),
        ("listCards", 502, "the upstream broke off, or does not speak HTTP"),
    ]


def test_a_failure_is_logged_without_what_was_asked(
    http: httpx2.Client, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.answer = close
    with caplog.at_level(logging.INFO):
        http.get(f"{CARDS}?secret=4242", auth=KEY)
    ours = "\n".join(item.getMessage() for item in caplog.records if item.name.startswith("mockmoov"))
    assert "the upstream broke off" in ours
    assert f"GET {CARDS} 502" in ours
    assert "4242" not in ours


def plan(server: AuthorizationServer, **members: Any) -> None:
    server.simulation.add_fault(None, Fault(id="planned", **members))


def test_a_fault_answers_in_place_of_the_upstream(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    plan(server, endpoint="listCards", status=503, text="later", times=1)
    assert http.get(f"/accounts/{ACCOUNT}/wallets", auth=KEY).status_code == 200
    answer = http.get(CARDS, auth=KEY)
    assert (answer.status_code, answer.text) == (503, "later")
    assert [request.target for request in upstream.requests] == [f"/base/accounts/{ACCOUNT}/wallets"]


def test_a_fault_may_delay_what_is_forwarded_and_the_body_is_not_lost(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    plan(server, delay=0.05)
    assert http.post(CARDS, auth=KEY, content=b"x" * 200_000).text == "hello"
    assert http.get(CARDS, auth=KEY).text == "hello"
    assert [len(request.body) for request in upstream.requests] == [200_000, 0]


def test_a_fault_alters_the_upstreams_answer(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    plan(server, drop=("a",), set={"c": 3}, headers={"X-Fault": "yes"})
    upstream.answer = JSON.replace(b"Content-Length", b"Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length")
    answer = http.get(CARDS, auth=KEY, headers={"accept-encoding": "gzip"})
    assert answer.json() == {"b": 2, "c": 3}
    assert answer.headers["x-fault"] == "yes"
    assert answer.headers.get_list("set-cookie") == ["a", "b"]
    assert upstream.requests[0].values("accept-encoding") == []
    (told,) = server.simulation.journal().exchanges
    assert (told.fault, told.status) == ("planned", 200)


@pytest.mark.parametrize("body", [b"no JSON", b"[1]", b'"\\ud800"', b"\xff", b"[" * 5000, b'{"d":"\\ud800"}'])
def test_a_fault_leaves_alone_what_is_no_object(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer, body: bytes
) -> None:
    plan(server, drop=("a",))
    upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    assert http.get(CARDS, auth=KEY).content == body


def test_a_fault_cuts_the_upstreams_answer(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    plan(server, truncate=2, times=1)
    assert http.get(CARDS, auth=KEY).text == "he"
    plan(server, network_error="cut", times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        http.get(CARDS, auth=KEY)
    assert len(upstream.requests) == 2


def test_who_leaves_before_an_answer_that_is_to_be_cut_got_none(
    url: str, upstream: Upstream, server: AuthorizationServer
) -> None:
    plan(server, network_error="cut")
    upstream.answer = gate = Gate(b"")
    with connected(url) as connection:
        connection.sendall(raw())
        assert gate.asked.wait(10)
    until(lambda: bool(server.simulation.journal().exchanges))
    assert server.simulation.journal().exchanges[0].status is None


@pytest.mark.parametrize("preset", ["hang", "reset"])
def test_a_fault_that_sends_nothing_asks_nobody(
    url: str, upstream: Upstream, server: AuthorizationServer, preset: str
) -> None:
    plan(server, network_error=preset)
    with httpx2.Client(trust_env=False, timeout=0.3) as http, pytest.raises(httpx2.TransportError):
        http.get(f"{url}{CARDS}", auth=KEY)
    assert upstream.requests == []


def test_a_fault_that_only_adds_headers_lets_the_body_stream(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    plan(server, headers={"X-Fault": "yes"})
    size = MAX_WHOLE_BODY + 1
    upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    answer = http.get(CARDS, auth=KEY)
    assert (len(answer.content), answer.headers["x-fault"]) == (size, "yes")


def test_a_fault_does_not_alter_what_is_too_large_or_never_ends(
    http: httpx2.Client, upstream: Upstream, server: AuthorizationServer
) -> None:
    plan(server, truncate=2)
    size = MAX_WHOLE_BODY + 1
    upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    answer = http.get(CARDS, auth=KEY)
    assert (answer.status_code, answer.content) == (502, b"")
    assert str(MAX_WHOLE_BODY) in answer.headers["x-mockmoov-reason"]
    upstream.answer = Gate(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    assert http.get(CARDS, auth=KEY).status_code == 502


OLD = b"GET %b HTTP/1.0" % CARDS.encode()
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world"


@pytest.mark.parametrize("answered", [CHUNKS, LENGTH], ids=["chunks", "length"])
def test_a_client_of_http_1_0_gets_no_chunks(url: str, upstream: Upstream, answered: bytes) -> None:
    upstream.answer = answered
    answer = exchange(url, raw(line=OLD))
    assert status_of(answer) == 200
    assert b"transfer-encoding" not in answer.lower()
    assert b"\r\ncontent-length: 11\r\n" in answer
    assert answer.endswith(b"\r\n\r\nhello world")


def test_a_long_answer_goes_to_a_client_of_http_1_0_only_with_a_length(url: str, upstream: Upstream) -> None:
    size = MAX_WHOLE_BODY + 1
    body = b"x" * size
    upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, body)
    assert exchange(url, raw(line=OLD)).endswith(b"\r\n\r\n" + body)
    upstream.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
        size,
        body,
    )
    answer = exchange(url, raw(line=OLD))
    assert status_of(answer) == 502
    assert b"without a length" in answer


# --- without a socket of ours -------------------------------------------------------------------


def test_an_application_in_process_forwards_too(upstream: Upstream, server: AuthorizationServer) -> None:
    app = create_app(server, exposure="process")

    async def ask(**options: Any) -> httpx2.Response:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://moov") as client:
            return await client.post(CARDS, auth=KEY, **options)

    assert asyncio.run(ask(content=b"abc")).text == "hello"
    assert asyncio.run(ask()).text == "hello"
    assert [request.body for request in upstream.requests] == [b"abc", b""]
    unsendable = {"x": "a", "x-control": "a\x00b"}
    assert asyncio.run(ask(headers=unsendable)).status_code == 400
    upstream.answer = half_of
    with pytest.raises(ConnectionResetError, match="the upstream broke off"):
        asyncio.run(ask())


# --- over TLS, and large ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "upstream")])
    made = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "upstream.pem"
    path.write_bytes(private + made.public_bytes(pem))
    return path


@pytest.mark.parametrize(("trusted", "status"), [(True, 200), (False, 502)])
def test_an_upstream_over_tls_must_be_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool, status: int
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with recording(tls) as upstream, listening(new_server(upstream=upstream.url)) as url:
        answer = httpx2.get(f"{url}{CARDS}", auth=KEY, trust_env=False)
        assert (answer.status_code, len(upstream.requests)) == (status, 1 if trusted else 0)


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
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no system that tells a peak of memory")
def test_bodies_of_100_mb_pass_both_ways_in_flat_memory() -> None:
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
def test_a_large_body_of_who_may_not_pass_is_read_into_nothing() -> None:
    with recording() as upstream, serving_process("--upstream", upstream.url) as (url, process):
        before = peak(process.pid)
        pieces = (PIECE for _ in range(LARGE // len(PIECE)))
        answer = httpx2.post(f"{url}{CARDS}", content=pieces, trust_env=False)
        assert answer.status_code == 401
        assert peak(process.pid) - before < 16 * 1024 * 1024
        assert upstream.requests == []
