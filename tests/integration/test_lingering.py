"""A response arrives though its client is still sending, and no client can make use of that for long."""

import contextlib
import http.client
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from mockmoov.testing import MockMoov
from mockmoov.web import lingering
from tests.support.listening import LOOPS, connected, moov_on

BODY = b"x" * 2 * 2**20  # more than a socket holds, and than the control plane reads
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CLOSE, CHUNKED = {"Connection": "close"}, {"Transfer-Encoding": "chunked"}
HOST = b"Host: localhost"
LENGTH = b"Content-Length: %d" % len(BODY)


@pytest.fixture(scope="module", params=LOOPS)
def moov(request: pytest.FixtureRequest) -> Iterator[MockMoov]:
    with moov_on(request.param) as server:
        yield server


def head(*fields: bytes, line: bytes = b"POST /nowhere HTTP/1.1") -> bytes:
    return b"\r\n".join([line, HOST, *fields, b"", b""])


def reached(moov: MockMoov, scheme: str) -> contextlib.AbstractContextManager[socket.socket]:
    return connected(moov.url) if scheme == "http" else connected(moov.https_url, moov.ca_pem)


def until_it_ends(connection: socket.socket) -> list[int]:
    """The statuses of what arrives until the server ends the connection, in whatever way."""
    received = b""
    with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
        while piece := connection.recv(65536):
            received += piece
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", received)]


def posted(moov: MockMoov, scheme: str, path: str, headers: dict[str, str], **options: Any) -> list[int]:
    """The statuses of two requests with a large body, all of which is sent before anything is read."""
    if scheme == "http":
        client = http.client.HTTPConnection("localhost", urlsplit(moov.url).port, timeout=10)
    else:
        port, context = urlsplit(moov.https_url).port, ssl.create_default_context(cadata=moov.ca_pem)
        client = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
    vars(client).update(options)
    body = iter([BODY]) if "Transfer-Encoding" in headers else BODY
    statuses = []
    with contextlib.closing(client):
        for _ in range(2):
            client.request("POST", path, body, headers, encode_chunked=body is not BODY)
            response = client.getresponse()
            statuses.append(response.status)
            response.read()
            body = iter([BODY]) if body is not BODY else BODY
    return statuses


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_early_response_arrives_after_a_large_body(moov: MockMoov, scheme: str) -> None:
    answers = {"/oauth2/token": (FORM, 413), "/_mockmoov/faults": (JSON, 413), "/nowhere": (JSON, 404)}
    found, expected = {}, {}
    for path, (kind, status) in answers.items():
        for name, framing in {"": {}, "close": CLOSE, "chunks": CHUNKED, "both": CLOSE | CHUNKED}.items():
            found[path, name] = posted(moov, scheme, path, kind | framing)
            expected[path, name] = [status] * 2
        old = posted(moov, scheme, path, kind, _http_vsn=10, _http_vsn_str="HTTP/1.0")
        found[path, "1.0"], expected[path, "1.0"] = old, old[:1] * 2
    assert found == expected


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_rejection_of_the_unreadable_arrives(moov: MockMoov, scheme: str) -> None:
    chunk = head(b"Transfer-Encoding: chunked", line=b"POST /oauth2/token HTTP/1.1") + b"nonsense\r\n"
    for begun, status in ((b"nonsense\r\n\r\n", 400), (b"GET /", 431), (chunk, 400)):
        with reached(moov, scheme) as connection:
            connection.sendall(begun + BODY)
            assert connection.recv(65536).startswith(b"HTTP/1.1 %d " % status)


def test_connection_goes_on_after_a_dropped_body(moov: MockMoov) -> None:
    last = head(b"Connection: close", line=b"GET /last HTTP/1.1")
    chunked = head(b"Transfer-Encoding: chunked")
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    for begun, body in ((head(LENGTH), BODY), (chunked, chunks)):
        for after in ([body + last], [body, last]):
            with connected(moov.url) as connection:
                connection.sendall(begun)
                assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")
                for piece in after:
                    connection.sendall(piece)
                assert until_it_ends(connection) == [404]


def test_nothing_is_answered_while_bytes_are_dropped(moov: MockMoov) -> None:
    """Neither what follows the last request, nor what is wrong with a body that was answered."""
    chunked, ping = b"Transfer-Encoding: chunked", head(line=b"GET /ping HTTP/1.1")
    cases: list[tuple[bytes, bytes]] = [
        (head(b"Connection: close", LENGTH), BODY + ping),
        (head(b"Connection: close", chunked), b"nonsense\r\n" + ping),
        (head(chunked), b"nonsense\r\n" + ping),
    ]
    for begun, rest in cases:
        with connected(moov.url) as connection:
            connection.sendall(begun)
            assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")
            connection.sendall(rest)
            connection.shutdown(socket.SHUT_WR)
            assert until_it_ends(connection) == []


# How a client is about to send without end: what it begins with, and whether the server waits for it.
ENDLESS: dict[str, bytes] = {
    "keeps": head(b"Content-Length: 999999999"),
    "closes": head(b"Connection: close", b"Content-Length: 999999999"),
    "unreadable": b"nonsense\r\n\r\n",
}


def stalls(_: socket.socket) -> None:
    """Send nothing more."""


def goes_on(connection: socket.socket) -> None:
    """Send more than is dropped."""
    with contextlib.suppress(OSError):
        for _ in range(100):
            connection.sendall(BODY)


LIMITS = [("DROP_SECONDS", 0.02, stalls), ("MAX_DROPPED", 2**20, goes_on)]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("limit", "value", "act"), LIMITS)
def test_client_is_dropped_only_so_long(
    moov: MockMoov,
    scheme: str,
    limit: str,
    value: float,
    act: Callable[[socket.socket], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lingering, "DROP_SECONDS", 100)  # unless it is the limit
    monkeypatch.setattr(lingering, limit, value)
    for begun in ENDLESS.values():
        with reached(moov, scheme) as connection:
            connection.sendall(begun)
            assert connection.recv(65536).startswith(b"HTTP/1.1 4")
            act(connection)
            assert until_it_ends(connection) == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_client_that_awaits_100_is_closed_at_once(
    moov: MockMoov, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lingering, "DROP_SECONDS", 100)  # more than the client waits
    with reached(moov, scheme) as connection:
        connection.sendall(head(LENGTH, b"Expect: 100-continue"))
        assert until_it_ends(connection) == [404]


@pytest.mark.parametrize("loop", LOOPS)
def test_stop_does_not_wait_for_senders(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "DROP_SECONDS", 100)  # more than a stop takes
    with moov_on(loop) as moov, contextlib.ExitStack() as stack:
        for begun in ENDLESS.values():
            for scheme in ("http", "https"):
                connection = stack.enter_context(reached(moov, scheme))
                connection.sendall(begun)
                assert connection.recv(65536).startswith(b"HTTP/1.1 4")
        assert moov._background is not None
        moov.stop()
        assert not moov._background._thread.is_alive()


def test_late_response_to_an_earlier_request_is_lost(
    moov: MockMoov, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection has ended by then, without a 400 in its place, and the log has no error."""
    ping = head(line=b"GET /ping HTTP/1.1")
    moov.exchanges.clear()
    moov.faults.add(delay=0.02, times=1)
    with connected(moov.url) as connection:
        connection.sendall(ping + ping + b"nonsense\r\n\r\n")
        assert until_it_ends(connection) == []
        moov.exchanges.wait()
        assert posted(moov, "http", "/nowhere", JSON) == [404, 404]
    assert "ERROR" not in {record.levelname for record in caplog.records}


def test_nothing_is_put_into_a_response_that_is_on_its_way(moov: MockMoov) -> None:
    ping, post = head(line=b"GET /ping HTTP/1.1"), head(b"Transfer-Encoding: chunked")
    for garbage in (b"nonsense\r\n\r\n", post + b"nonsense\r\n\r\n"):
        moov.faults.add(delay=0.02, times=1)
        with connected(moov.url) as connection:
            connection.sendall(ping + garbage)
            assert until_it_ends(connection) == []
