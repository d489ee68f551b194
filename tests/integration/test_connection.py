"""How the bytes of a connection are read, asked over a raw socket of a real server."""

import re
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.simulation.clock import http_date
from mockmoov.simulation.faults import Fault, Where
from mockmoov.web.uvicorn_protocol import MAX_HEAD
from tests.support.listening import listening
from tests.support.servers import basic, new_server

FORM = b"grant_type=client_credentials&scope=/ping.read"
AUTHORIZATION = ": ".join(basic()).encode()


@pytest.fixture(scope="module")
def server() -> AuthorizationServer:
    return new_server()


@pytest.fixture(scope="module")
def address(server: AuthorizationServer) -> Iterator[tuple[str, int]]:
    with listening(server) as url:
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


def test_however_many_requests_offer_an_upgrade_at_once_each_is_answered(address: tuple[str, int]) -> None:
    upgrading = request(AUTHORIZATION, *UPGRADE, line=b"GET /ping HTTP/1.1")
    assert statuses(address, upgrading * 2000) == [200] * 2000 + [404]


def test_what_comes_after_the_last_request_of_a_connection_that_offered_an_upgrade_does_no_harm(
    address: tuple[str, int],
) -> None:
    last = request(AUTHORIZATION, b"Connection: close", line=b"GET /ping HTTP/1.1")
    plain = request(AUTHORIZATION, line=b"GET /ping HTTP/1.1")
    assert statuses(address, plain + last + PING) == [200, 200]
    assert statuses(address, token_request(*UPGRADE) + last + PING) == [200, 200]


@pytest.mark.parametrize(
    "line",
    [
        b"CONNECT example.com:443 HTTP/1.1",
        b"CONNECT /ping HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"nonsense",
        b"GET / HTTP/9.9",
    ],
)
def test_what_is_no_request_to_us_is_refused_and_ends_the_connection(
    address: tuple[str, int], line: bytes
) -> None:
    answered = statuses(address, request(line=line))
    assert answered
    assert all(400 <= status < 500 for status in answered)


def test_a_body_that_comes_after_its_head_was_read_is_read(address: tuple[str, int]) -> None:
    sent = token_request(b"Expect: 100-continue", b"Connection: close")
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(sent[: -len(FORM)])
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(FORM)
        assert until_it_ends(connection)[0].startswith(b"HTTP/1.1 200 ")


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


CHUNKED = (b"Content-Type: application/x-www-form-urlencoded", b"Transfer-Encoding: chunked")


@pytest.mark.parametrize(
    "begun",
    [b"0\r\n" + b"x: y\r\n" * MAX_HEAD, b"0\r\nx: " + b"y" * MAX_HEAD, b"1;x=" + b"y" * MAX_HEAD],
    ids=["trailers", "one trailer", "what comes with a chunk"],
)
def test_trailers_and_what_frames_a_chunk_are_bounded_like_a_head(
    address: tuple[str, int], begun: bytes
) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request(AUTHORIZATION, *CHUNKED, b"Expect: 100-continue"))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(begun[:MAX_HEAD])
        assert statuses(address, PING) == [200, 404]  # what was sent before has been seen by now
        connection.sendall(begun[MAX_HEAD : MAX_HEAD + 1])
        answer, is_reset = until_it_ends(connection)
    assert (answer.startswith(b"HTTP/1.1 431 "), is_reset) == (True, False)


def test_what_frames_the_chunks_of_a_body_is_not_counted_together(address: tuple[str, int]) -> None:
    body = b"".join(b"1;%b\r\n%c\r\n" % (b"x" * 2000, byte) for byte in FORM) + b"0\r\n"
    trailers = b"x: " + b"y" * (MAX_HEAD - 5000) + b"\r\n\r\n"
    sent = request(AUTHORIZATION, *CHUNKED, body=body)
    assert len(sent) > MAX_HEAD
    assert statuses(address, sent, trailers) == [200, 404]
    assert statuses(address, sent + trailers, sent + trailers) == [200, 200, 404]


def test_many_repeats_of_a_header_are_read_in_linear_time(address: tuple[str, int]) -> None:
    fields = [b"a:"] * (MAX_HEAD // 8)
    assert statuses(address, request(AUTHORIZATION, *fields, line=b"GET /ping HTTP/1.1")) == [200, 404]


def test_pipelined_requests_are_answered_in_order(address: tuple[str, int]) -> None:
    ping, nowhere = (
        request(AUTHORIZATION, line=b"GET /%b HTTP/1.1" % path) for path in (b"ping", b"nowhere")
    )
    assert statuses(address, ping + nowhere + token_request() + ping) == [200, 404, 200, 200, 404]
    assert statuses(address, *([ping] * 200)) == [200] * 200 + [404]


# --- how the application ends a connection ----------------------------------------------------------

PING = request(AUTHORIZATION, line=b"GET /ping HTTP/1.1")


def until_it_ends(connection: socket.socket) -> tuple[bytes, bool]:
    """What comes until the server ends the connection, and whether it does so with a reset."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        return data, True
    return data, False


def meeting(
    server: AuthorizationServer, address: tuple[str, int], fault: Fault, sent: bytes
) -> tuple[bytes, bool]:
    """What comes of these bytes when a fault, and then no other, happens to the first request."""
    server.simulation.add_fault(None, fault)
    try:
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(sent)
            return until_it_ends(connection)
    finally:
        server.simulation.remove_faults(None)


@pytest.mark.parametrize("sent", [PING, token_request(), token_request(*UPGRADE)])
def test_a_connection_that_is_reset_ends_with_a_reset_and_not_a_byte_before_it(
    server: AuthorizationServer, address: tuple[str, int], sent: bytes
) -> None:
    assert meeting(server, address, Fault(id="f", times=1, network_error="reset"), sent) == (b"", True)


def test_an_answer_that_is_cut_announces_all_of_its_body_and_ends_orderly_in_the_middle_of_it(
    server: AuthorizationServer, address: tuple[str, int]
) -> None:
    fault = Fault(id="f", times=1, network_error="cut", text="0123456789")
    data, is_reset = meeting(server, address, fault, PING)
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"content-length: 10\r\n" in head.lower() + b"\r\n"
    assert (body, is_reset) == (b"01234", False)


def test_an_answer_without_a_body_that_is_cut_does_not_come_at_all(
    server: AuthorizationServer, address: tuple[str, int]
) -> None:
    assert meeting(server, address, Fault(id="f", times=1, network_error="cut"), PING) == (b"", False)


@pytest.mark.parametrize("how", ["reset", "cut"])
def test_what_was_pipelined_behind_an_exchange_that_ends_the_connection_is_not_answered(
    server: AuthorizationServer, address: tuple[str, int], how: str
) -> None:
    fault = Fault(id="f", times=1, network_error="reset" if how == "reset" else "cut")
    data, _ = meeting(server, address, fault, PING + PING)
    assert data == b""


def test_a_connection_that_hangs_says_nothing_and_stays_open_until_the_client_leaves(
    server: AuthorizationServer, address: tuple[str, int]
) -> None:
    server.simulation.add_fault(None, Fault(id="f", where=Where(path="/hang"), network_error="hang"))
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request(line=b"GET /hang HTTP/1.1"))
        assert statuses(address, PING) == [200, 404]  # what was sent before has been seen by now
        connection.setblocking(False)
        with suppress(BlockingIOError):
            pytest.fail(f"{connection.recv(1)!r} came")
    server.simulation.remove_faults(None)


def test_no_other_connection_suffers_from_one_that_is_reset(
    server: AuthorizationServer, address: tuple[str, int]
) -> None:
    with socket.create_connection(address, timeout=10) as other:
        other.sendall(PING)
        assert other.recv(65536).startswith(b"HTTP/1.1 200 ")
        meeting(server, address, Fault(id="f", times=1, network_error="reset"), PING)
        other.sendall(PING)
        assert other.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_an_answer_has_one_date_which_is_the_applications_own(
    server: AuthorizationServer, address: tuple[str, int]
) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(PING[:-2] + b"Connection: close\r\n\r\n")
        data, _ = until_it_ends(connection)
    dates = re.findall(rb"\r\ndate: ([^\r]*)", data.lower())
    assert dates == [http_date(int(server.simulation.now())).lower().encode()]
