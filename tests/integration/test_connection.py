"""How a real server reads the bytes of a connection, and how it ends one."""

import gc
import re
import socket
from collections.abc import Iterator

import pytest

from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.simulation.clock import http_date
from mockmoov.simulation.faults import Fault
from mockmoov.simulation.matching import Where
from mockmoov.web.uvicorn_protocol import MAX_HEAD, HttpProtocol
from tests.support.listening import listening
from tests.support.servers import basic, new_server
from tests.support.serving import until

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
    return request(AUTHORIZATION, FORM_TYPE, b"Content-Length: %d" % len(body), *fields, body=body)


def statuses(address: tuple[str, int], *pieces: bytes) -> list[int]:
    """The statuses of the responses to these bytes, sent piece by piece, and to a last request."""
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


PING_LINE = b"GET /ping HTTP/1.1"
PING = request(AUTHORIZATION, line=PING_LINE)
FORM_TYPE = b"Content-Type: application/x-www-form-urlencoded"
CHUNKED = (FORM_TYPE, b"Transfer-Encoding: chunked")
UPGRADE = (
    b"Connection: Upgrade, HTTP2-Settings",
    b"Upgrade: h2c",
    b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
)


def test_offered_upgrade_is_declined_and_the_request_answered(address: tuple[str, int]) -> None:
    for upgrade in (UPGRADE, (b"Connection: Upgrade", b"Upgrade: websocket")):
        sent = token_request(*upgrade)
        assert statuses(address, sent) == [200, 404]
        assert statuses(address, sent, sent) == [200, 200, 404]
        middle = len(sent) - len(FORM) // 2
        assert statuses(address, sent[:30], sent[30:middle], sent[middle:]) == [200, 404]
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(FORM), FORM)
    assert statuses(address, request(AUTHORIZATION, *CHUNKED, *UPGRADE, body=body)) == [200, 404]


@pytest.mark.slow
def test_many_upgrades_at_once_are_all_answered(address: tuple[str, int]) -> None:
    upgrading = request(AUTHORIZATION, *UPGRADE, line=PING_LINE)
    assert statuses(address, upgrading * 2000) == [200] * 2000 + [404]


def test_nothing_is_answered_after_the_last_request(address: tuple[str, int]) -> None:
    last = request(AUTHORIZATION, b"Connection: close", line=PING_LINE)
    assert statuses(address, PING + last + PING) == [200, 200]
    assert statuses(address, token_request(*UPGRADE) + last + PING) == [200, 200]


def test_unreadable_request_ends_the_connection(address: tuple[str, int]) -> None:
    lines = (
        b"CONNECT example.com:443 HTTP/1.1",
        b"CONNECT /ping HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"nonsense",
        b"GET / HTTP/9.9",
    )
    found = {line: statuses(address, request(line=line)) for line in lines}
    assert all(found.values()), found
    assert all(400 <= status < 500 for answered in found.values() for status in answered), found


# What cannot be read, and why.
UNREADABLE = {
    request(line=b"CONNECT secret:443 HTTP/1.1"): "CONNECT: this is not a proxy (RFC 9110 §9.3.6)",
    request(
        b"Transfer-Encoding: chunked", line=b"POST /secret HTTP/1.0"
    ): "HTTP/1.0 does not allow chunks (RFC 9112 §6.1)",
    request(line=b"GET http://[secret HTTP/1.1"): "its target is malformed",
    request(line=b"GET /secret HTTP/9.9"): "Invalid HTTP version",
    request(b"secret name: x"): "Invalid header token",
}


def test_unreadable_request_leaves_a_line_without_its_bytes(
    address: tuple[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    found = {}
    for sent in UNREADABLE:
        caplog.clear()
        assert statuses(address, sent) == [400], sent
        found[sent] = caplog.messages
    assert found == {sent: [f"a request cannot be read: {why}"] for sent, why in UNREADABLE.items()}
    caplog.clear()
    assert statuses(address, request(b"X: " + b"secret" * MAX_HEAD)) == [431]
    assert caplog.messages == [f"a head, trailers or chunk framing is over {MAX_HEAD} bytes"]


def test_body_that_comes_after_its_head_was_read_is_read(address: tuple[str, int]) -> None:
    sent = token_request(b"Expect: 100-continue", b"Connection: close")
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(sent[: -len(FORM)])
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(FORM)
        assert until_it_ends(connection)[0].startswith(b"HTTP/1.1 200 ")


def test_white_space_around_a_value_is_not_part_of_it(address: tuple[str, int]) -> None:
    sent = request(b"X-Moov-Version: \t latest \t ", AUTHORIZATION, line=PING_LINE)
    assert statuses(address, sent) == [200, 404]


def test_trailers_are_not_headers(address: tuple[str, int]) -> None:
    chunks = b"%x\r\n%b\r\n0\r\n" % (len(FORM), FORM)
    smuggled = request(*CHUNKED, body=chunks + AUTHORIZATION + b"\r\n\r\n")
    assert statuses(address, smuggled) == [401, 404]
    repeated = request(AUTHORIZATION, *CHUNKED, body=chunks + AUTHORIZATION + b"\r\n\r\n")
    assert statuses(address, repeated) == [200, 404]


def test_head_is_bounded_and_a_body_is_not_counted(address: tuple[str, int]) -> None:
    long = request(AUTHORIZATION, b"X: " + b"x" * (MAX_HEAD - 300), line=PING_LINE)
    assert statuses(address, long) == [200, 404]
    large = FORM + b"&x=" + b"x" * (64 * 1024 - len(FORM) - 3)
    assert statuses(address, token_request(body=large)) == [200, 404]
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request(AUTHORIZATION, b"X: " + b"x" * MAX_HEAD, line=PING_LINE)[:-4])
        assert connection.recv(65536).startswith(b"HTTP/1.1 431 ")
        assert connection.recv(65536) == b""
    assert statuses(address, request(b"X: " + b"x" * 20 * MAX_HEAD, line=PING_LINE)) == [431]


@pytest.mark.parametrize(
    "begun",
    [b"0\r\n" + b"x: y\r\n" * MAX_HEAD, b"0\r\nx: " + b"y" * MAX_HEAD, b"1;x=" + b"y" * MAX_HEAD],
    ids=["trailers", "one trailer", "chunk extension"],
)
def test_trailers_and_chunk_lines_are_bounded_like_a_head(address: tuple[str, int], begun: bytes) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request(AUTHORIZATION, *CHUNKED, b"Expect: 100-continue"))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(begun[:MAX_HEAD])
        assert statuses(address, PING) == [200, 404]  # what was sent before has been read by now
        connection.sendall(begun[MAX_HEAD : MAX_HEAD + 1])
        received, is_reset = until_it_ends(connection)
    assert (received.startswith(b"HTTP/1.1 431 "), is_reset) == (True, False)


def test_chunk_lines_of_a_body_are_not_counted_together(address: tuple[str, int]) -> None:
    body = b"".join(b"1;%b\r\n%c\r\n" % (b"x" * 2000, byte) for byte in FORM) + b"0\r\n"
    trailers = b"x: " + b"y" * (MAX_HEAD - 5000) + b"\r\n\r\n"
    sent = request(AUTHORIZATION, *CHUNKED, body=body)
    assert len(sent) > MAX_HEAD
    assert statuses(address, sent, trailers) == [200, 404]
    assert statuses(address, sent + trailers, sent + trailers) == [200, 200, 404]


def test_many_repeats_of_a_header_are_read(address: tuple[str, int]) -> None:
    fields = [b"a:"] * (MAX_HEAD // 8)
    assert statuses(address, request(AUTHORIZATION, *fields, line=PING_LINE)) == [200, 404]


def test_pipelined_requests_are_answered_in_order(address: tuple[str, int]) -> None:
    nowhere = request(AUTHORIZATION, line=b"GET /nowhere HTTP/1.1")
    assert statuses(address, PING + nowhere + token_request() + PING) == [200, 404, 200, 200, 404]
    assert statuses(address, *([PING] * 50)) == [200] * 50 + [404]


# --- how the application ends a connection ----------------------------------------------------------


def until_it_ends(connection: socket.socket) -> tuple[bytes, bool]:
    """What comes until the server ends the connection, and whether it does so with a reset."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        return data, True
    return data, False


def affected(
    server: AuthorizationServer, address: tuple[str, int], fault: Fault, sent: bytes
) -> tuple[bytes, bool]:
    """What comes back for these bytes when a fault happens to the first request."""
    server.simulation.faults.add(None, fault)
    try:
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(sent)
            return until_it_ends(connection)
    finally:
        server.simulation.faults.remove(None)


def test_a_reset_comes_without_a_byte_before_it(
    server: AuthorizationServer, address: tuple[str, int]
) -> None:
    for sent in (PING, token_request(), token_request(*UPGRADE), PING + PING):
        fault = Fault(id="f", times=1, network_error="reset")
        assert affected(server, address, fault, sent) == (b"", True)


def test_a_cut_response_announces_its_body_and_ends_halfway(
    server: AuthorizationServer, address: tuple[str, int]
) -> None:
    fault = Fault(id="f", times=1, network_error="cut", text="0123456789")
    data, is_reset = affected(server, address, fault, PING + PING)
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"content-length: 10\r\n" in head.lower() + b"\r\n"
    assert (body, is_reset) == (b"01234", False)
    empty = Fault(id="f", times=1, network_error="cut")
    assert affected(server, address, empty, PING + PING) == (b"", False)


def test_a_hanging_connection_stays_open_and_silent(
    server: AuthorizationServer, address: tuple[str, int]
) -> None:
    server.simulation.faults.add(None, Fault(id="f", where=Where(path="/hang"), network_error="hang"))
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request(line=b"GET /hang HTTP/1.1"))
        assert statuses(address, PING) == [200, 404]  # what was sent before has been read by now
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)
    server.simulation.faults.remove(None)


def test_a_reset_affects_no_other_connection(server: AuthorizationServer, address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as other:
        other.sendall(PING)
        assert other.recv(65536).startswith(b"HTTP/1.1 200 ")
        affected(server, address, Fault(id="f", times=1, network_error="reset"), PING)
        other.sendall(PING)
        assert other.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_response_has_one_date_from_the_servers_clock(
    server: AuthorizationServer, address: tuple[str, int]
) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(PING[:-2] + b"Connection: close\r\n\r\n")
        data, _ = until_it_ends(connection)
    dates = re.findall(rb"\r\ndate: ([^\r]*)", data.lower())
    assert dates == [http_date(int(server.simulation.now())).lower().encode()]


def test_closed_connection_leaves_nothing_to_the_garbage_collector(address: tuple[str, int]) -> None:
    def connections() -> int:
        return sum(isinstance(thing, HttpProtocol) for thing in gc.get_objects())

    statuses(address, PING)
    gc.collect()
    gc.disable()
    try:
        before = connections()  # other tests may have left some open
        for _ in range(10):
            assert statuses(address, PING, token_request()) == [200, 200, 404]
        until(lambda: connections() <= before)
    finally:
        gc.enable()
