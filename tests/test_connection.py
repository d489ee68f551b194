"""How the bytes of a connection are read, asked over a raw socket of a real server."""

import re
import socket
from collections.abc import Iterator

import pytest

from mockmoov.connection import MAX_HEAD
from tests.support.listening import listening
from tests.support.servers import basic, new_server

FORM = b"grant_type=client_credentials&scope=/ping.read"
AUTHORIZATION = ": ".join(basic()).encode()


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with listening(new_server()) as url:
        host, port = url.removeprefix("http://").split(":")
        yield host, int(port)


def request(*fields: bytes, line: bytes = b"POST /oauth2/token HTTP/1.1", body: bytes = b"") -> bytes:
    return b"\r\n".join([line, b"Host: localhost", *fields, b"", body])


def token_request(*fields: bytes, body: bytes = FORM) -> bytes:
    typed = b"Content-Type: application/x-www-form-urlencoded"
    return request(AUTHORIZATION, typed, b"Content-Length: %d" % len(body), *fields, body=body)


def statuses(address: tuple[str, int], *pieces: bytes) -> list[int]:
    """What the server answers to these bytes, sent piece by piece, and then to a last request."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
            connection.sendall(request(b"Connection: close", line=b"GET /last HTTP/1.1"))
            while data := connection.recv(65536):
                received += data
        except (BrokenPipeError, ConnectionResetError):
            pass
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", received)]


UPGRADE = (
    b"Connection: Upgrade, HTTP2-Settings",
    b"Upgrade: h2c",
    b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
)


@pytest.mark.parametrize("upgrade", [UPGRADE, (b"Connection: Upgrade", b"Upgrade: websocket")])
def test_an_offered_upgrade_is_declined_and_the_request_answered(
    address: tuple[str, int], upgrade: tuple[bytes, ...]
) -> None:
    sent = token_request(*upgrade)
    assert statuses(address, sent) == [200, 404]
    assert statuses(address, sent, sent) == [200, 200, 404]
    middle = len(sent) - len(FORM) // 2
    assert statuses(address, sent[:30], sent[30:middle], sent[middle:]) == [200, 404]


def test_an_upgrade_of_a_chunked_request_is_declined_too(address: tuple[str, int]) -> None:
    chunked = (b"Content-Type: application/x-www-form-urlencoded", b"Transfer-Encoding: chunked")
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(FORM), FORM)
    assert statuses(address, request(AUTHORIZATION, *chunked, *UPGRADE, body=body)) == [200, 404]


@pytest.mark.parametrize("line", [b"CONNECT example.com:443 HTTP/1.1", b"nonsense", b"GET / HTTP/9.9"])
def test_what_is_no_request_to_us_is_refused_and_ends_the_connection(
    address: tuple[str, int], line: bytes
) -> None:
    answered = statuses(address, request(line=line))
    assert answered
    assert all(400 <= status < 500 for status in answered)


def test_white_space_around_a_value_is_no_part_of_it(address: tuple[str, int]) -> None:
    assert statuses(
        address, request(b"X-Moov-Version: \t latest \t ", AUTHORIZATION, line=b"GET /ping HTTP/1.1")
    ) == [
        200,
        404,
    ]


def test_trailers_are_no_headers(address: tuple[str, int]) -> None:
    fields = (b"Content-Type: application/x-www-form-urlencoded", b"Transfer-Encoding: chunked")
    chunks = b"%x\r\n%b\r\n0\r\n" % (len(FORM), FORM)
    smuggled = request(*fields, body=chunks + AUTHORIZATION + b"\r\n\r\n")
    assert statuses(address, smuggled) == [401, 404]
    repeated = request(AUTHORIZATION, *fields, body=chunks + AUTHORIZATION + b"\r\n\r\n")
    assert statuses(address, repeated) == [200, 404]


def test_a_head_is_bounded_and_a_body_is_not_counted(address: tuple[str, int]) -> None:
    ping = b"GET /ping HTTP/1.1"
    assert statuses(address, request(AUTHORIZATION, b"X: " + b"x" * (MAX_HEAD - 300), line=ping)) == [
        200,
        404,
    ]
    large = FORM + b"&x=" + b"x" * (64 * 1024 - len(FORM) - 3)
    assert statuses(address, token_request(body=large)) == [200, 404]
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request(AUTHORIZATION, b"X: " + b"x" * MAX_HEAD, line=ping)[:-4])
        assert connection.recv(65536).startswith(b"HTTP/1.1 431 ")
        assert connection.recv(65536) == b""
    # Who sends more than is read may see the connection reset before the answer, and never another one.
    assert set(statuses(address, request(b"X: " + b"x" * 20 * MAX_HEAD, line=ping))) <= {431}


def test_many_repeats_of_a_header_are_read_in_linear_time(address: tuple[str, int]) -> None:
    fields = [b"a:"] * (MAX_HEAD // 8)
    assert statuses(address, request(AUTHORIZATION, *fields, line=b"GET /ping HTTP/1.1")) == [200, 404]


def test_pipelined_requests_are_answered_in_order(address: tuple[str, int]) -> None:
    ping, nowhere = (
        request(AUTHORIZATION, line=b"GET /%b HTTP/1.1" % path) for path in (b"ping", b"nowhere")
    )
    assert statuses(address, ping + nowhere + token_request() + ping) == [200, 404, 200, 200, 404]
    assert statuses(address, *([ping] * 200)) == [200] * 200 + [404]
