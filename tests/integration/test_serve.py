"""Listening: ports, addresses, and stopping when told to, over real sockets and in real processes."""

import errno
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mockmoov.simulation.faults import Fault
from mockmoov.web import listeners, uvicorn_server
from mockmoov.web.app import create_app
from tests.support.servers import basic, new_server

EVERY_ADDRESS = "0.0.0.0"
IN_USE = f"{os.strerror(errno.EADDRINUSE)}; another mockmoov? port 0 picks a free one"


@contextmanager
def bound(host: str, port: int = 0) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(item) for item in listeners.bind(host, port)]


def port_of(sockets: list[socket.socket]) -> int:
    return int(sockets[0].getsockname()[1])


# --- binding ----------------------------------------------------------------------------------------


def test_localhost_is_both_loopbacks_on_one_port() -> None:
    with bound("localhost") as sockets:
        names = [item.getsockname()[:2] for item in sockets]
        assert names == [("127.0.0.1", port_of(sockets)), ("::1", port_of(sockets))]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", EVERY_ADDRESS, "::"])
def test_an_address_is_that_address_alone(host: str) -> None:
    with bound(host) as sockets:
        assert [item.getsockname()[0] for item in sockets] == [host]
        assert port_of(sockets) > 0


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_port_that_another_server_has_is_refused_from_the_moment_it_is_bound(host: str) -> None:
    with bound(host) as sockets:
        port = port_of(sockets)
        with pytest.raises(listeners.BindError) as caught, bound(host, port):
            pass
    assert str(caught.value) == f"cannot listen on {host} port {port}: {IN_USE}"


@pytest.mark.parametrize("taken", ["127.0.0.1", "::1"])
def test_localhost_is_refused_where_one_of_its_addresses_is_taken_and_leaves_the_other_free(
    taken: str,
) -> None:
    free = {"127.0.0.1": "::1", "::1": "127.0.0.1"}[taken]
    with bound(taken) as sockets:
        sockets[0].listen()
        with pytest.raises(listeners.BindError), bound("localhost", port_of(sockets)):
            pass
        with bound(free, port_of(sockets)):
            pass


@pytest.mark.parametrize("host", ["203.0.113.1", "2001:db8::1"])
def test_an_address_that_is_not_ours_is_a_bind_error_that_names_it(host: str) -> None:
    with pytest.raises(listeners.BindError, match=rf"^cannot listen on {host} port 0: "), bound(host):
        pass


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "a" * 70, "[::1]"])
def test_a_host_that_is_no_name_is_a_bind_error_that_names_it(host: str) -> None:
    with (
        pytest.raises(listeners.BindError, match=r"^cannot listen on .* port 0: .+") as caught,
        bound(host),
    ):
        pass
    assert host in str(caught.value)


Place = tuple[int, int, int, str, tuple[Any, ...]]


class _Resolver:
    """The machine's name resolution, but for one address, which `instead` answers for."""

    def __init__(self, instead: Callable[[int], tuple[str, int]]) -> None:
        self._real = socket.getaddrinfo
        self._instead = instead
        self.asked = 0

    def __call__(self, host: str, port: int, **options: Any) -> list[Any]:
        if host == "::1":
            self.asked += 1
            host, port = self._instead(port)
        return self._real(host, port, **options)


@pytest.mark.parametrize("missing", ["203.0.113.1", "2001:db8::1"])
def test_a_machine_without_ipv6_listens_on_localhost_in_ipv4(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _Resolver(lambda port: (missing, port)))
    with bound("localhost") as sockets:
        assert [item.getsockname()[0] for item in sockets] == ["127.0.0.1"]


@pytest.mark.parametrize("taken", [1, 3])
def test_a_free_port_is_one_that_is_free_in_both_families(
    monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    with ExitStack() as stack:

        def occupy(port: int) -> tuple[str, int]:
            if resolver.asked <= taken:
                other = stack.enter_context(socket.socket())
                other.bind(("127.0.0.2", port))
                other.listen()
            return "127.0.0.2", port

        resolver = _Resolver(occupy)
        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        with bound("localhost") as sockets:
            assert resolver.asked == taken + 1
            assert len({item.getsockname()[1] for item in sockets}) == 1


def test_where_no_port_is_free_in_both_families_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        resolver = _Resolver(lambda _: other.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        with pytest.raises(listeners.BindError, match=os.strerror(errno.EADDRINUSE)), bound("localhost"):
            pass
        assert resolver.asked > 1


@pytest.mark.parametrize(
    ("host", "reached", "loopback"),
    [
        ("localhost", "localhost", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.2", "127.0.0.2", True),
        ("::1", "[::1]", True),
        (EVERY_ADDRESS, "127.0.0.1", False),
        ("::", "[::1]", False),
    ],
)
def test_the_url_is_one_that_can_be_connected_to(host: str, reached: str, loopback: bool) -> None:
    with bound(host) as sockets:
        assert listeners.base_url(host, sockets) == f"http://{reached}:{port_of(sockets)}"
        assert listeners.is_loopback(sockets) == loopback


# --- serving, in this process -----------------------------------------------------------------------


def status_of(url: str, path: str = "/_mockmoov/health", host: str | None = None) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(host or str(parts.hostname), parts.port or 80, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_run_answers_once_it_is_ready_and_returns_when_it_is_told_to_stop(stop: signal.Signals) -> None:
    seen: list[int] = []

    def use(url: str) -> None:
        try:
            seen.extend(status_of(url, host=host) for host in ("127.0.0.1", "::1"))
        finally:
            os.kill(os.getpid(), stop)

    with bound("localhost") as sockets:
        user = threading.Thread(target=use, args=[listeners.base_url("localhost", sockets)])
        app = create_app(new_server(), exposure="loopback")
        uvicorn_server.run(app, sockets, user.start)  # the signal is caught by now
        user.join(timeout=10)
    assert seen == [200, 200]


def test_a_signal_that_comes_before_it_listens_stops_it_all_the_same() -> None:
    server = uvicorn_server._Server(create_app(new_server(), exposure="loopback"), lambda: None, 10, None)
    server.handle_exit(signal.SIGTERM, None)
    with bound("localhost") as sockets:
        server.run(sockets)
        assert all(item.fileno() == -1 for item in sockets)


# --- serving, in the background ---------------------------------------------------------------------

LOOPS = {"uvloop": "uvloop", "asyncio": "asyncio.unix_events"}  # and the module of each


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both event loops, one after the other."""
    if request.param != "uvloop":
        monkeypatch.setitem(sys.modules, "uvloop", None)
    return str(request.param)


@contextmanager
def background(
    *faults: Fault, host: str = "localhost"
) -> Iterator[tuple[uvicorn_server.BackgroundServer, str]]:
    """A server in the background, with these faults planned, and its URL."""
    server = new_server()
    for fault in faults:
        server.simulation.add_fault(None, fault)
    sockets = listeners.bind(host, 0)
    url = listeners.base_url(host, sockets)
    running = uvicorn_server.BackgroundServer(create_app(server, exposure="loopback"), sockets)
    try:
        yield running, url
    finally:
        running.stop()


@contextmanager
def asking(url: str, target: str = "/ping") -> Iterator[socket.socket]:
    """A connection on which a request has been sent."""
    parts = urlsplit(url)
    with socket.create_connection((str(parts.hostname), parts.port or 80), timeout=10) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield connection


def seconds_to_stop(running: uvicorn_server.BackgroundServer) -> float:
    started = time.monotonic()
    running.stop()
    return time.monotonic() - started


def refuses(url: str) -> bool:
    try:
        status_of(url)
    except OSError:
        return True
    return False


def test_in_the_background_it_answers_once_it_is_made_and_no_more_once_it_is_stopped(loop: str) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with background() as (running, url):
        assert type(running._server._loop).__module__.startswith(LOOPS[loop])
        assert [status_of(url, host=host) for host in ("127.0.0.1", "::1")] == [200, 200]
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
        running.stop()
        assert refuses(url)
        assert not running._thread.is_alive()


def test_to_stop_it_more_than_once_does_nothing(loop: str) -> None:
    del loop
    with background() as (running, _):
        for _ in range(3):
            running.stop()
            assert not running._thread.is_alive()


def test_two_in_the_background_know_nothing_of_each_other() -> None:
    with background() as (first, first_url), background() as (_, second_url):
        first.stop()
        assert refuses(first_url)
        assert status_of(second_url) == 200


def test_what_keeps_it_from_starting_is_raised_where_it_is_made(loop: str) -> None:
    del loop
    sockets = listeners.bind("127.0.0.1", 0)
    for item in sockets:
        item.close()
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        uvicorn_server.BackgroundServer(create_app(new_server(), exposure="loopback"), sockets)


def test_its_port_is_free_again_once_it_is_stopped() -> None:
    with background(host="127.0.0.1") as (running, url):
        status_of(url)
        running.stop()
        with bound("127.0.0.1", urlsplit(url).port or 0):
            pass


BRIEFLY = 0.5  # seconds, on a machine that has other things to do


def test_idle_connections_do_not_keep_it_from_stopping(loop: str) -> None:
    del loop
    took = []
    for _ in range(3):
        with background() as (running, url), ExitStack() as stack:
            for _ in range(20):
                connection = stack.enter_context(asking(url))
                assert connection.recv(4096).startswith(b"HTTP/1.1 401 ")
            took.append(seconds_to_stop(running))
            assert not running._thread.is_alive()
    assert min(took) < BRIEFLY


UNFINISHED = {  # a fault, what is asked, what the server does with it meanwhile
    "hangs": (Fault(id="f", network_error="hang"), "/ping"),
    "is delayed": (Fault(id="f", delay=60), "/ping"),
    "waits": (Fault(id="f", endpoint="revoke"), "/_mockmoov/exchanges/wait?count=9&timeout=60"),
}


@pytest.mark.parametrize(("fault", "target"), UNFINISHED.values(), ids=UNFINISHED)
def test_an_unfinished_exchange_does_not_keep_it_from_stopping_and_is_cut(
    loop: str, fault: Fault, target: str
) -> None:
    del loop
    took = []
    for _ in range(3):
        with background(fault) as (running, url), asking(url, target) as connection:
            assert status_of(url) == 200  # what was sent has been seen by now
            took.append(seconds_to_stop(running))
            assert not running._thread.is_alive()
            assert received(connection) == b""
    assert min(took) < BRIEFLY


def received(connection: socket.socket) -> bytes:
    """What comes until the other side ends the connection, in whatever way."""
    data = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(4096):
            data += piece
    return data


@pytest.mark.parametrize(("fault", "target"), UNFINISHED.values(), ids=UNFINISHED)
def test_an_unfinished_exchange_that_is_cut_leaves_nothing_in_the_log(
    fault: Fault, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    with background(fault) as (running, url), asking(url, target):
        assert status_of(url) == 200
        running.stop()
    assert [record.name for record in caplog.records if record.levelname == "ERROR"] == []


# --- serving, in a process of its own -----------------------------------------------------------


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.01)


@dataclass
class Running:
    """A server process; `out` and `err` are what it has said."""

    process: subprocess.Popen[bytes]
    url: str
    directory: Path

    @property
    def out(self) -> str:
        return (self.directory / "out").read_text()

    @property
    def err(self) -> str:
        return (self.directory / "err").read_text()

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def stop(self, how: signal.Signals) -> tuple[int, float]:
        """The exit code, and the seconds it took."""
        started = time.monotonic()
        self.process.send_signal(how)
        code = self.process.wait(timeout=30)
        return code, time.monotonic() - started


def plain_environment() -> dict[str, str]:
    left_out = re.compile(r"MOCKMOOV_\w*|\w*_proxy", re.IGNORECASE)
    return {name: value for name, value in os.environ.items() if not left_out.fullmatch(name)}


WITHOUT_UVLOOP = "import sys; sys.modules['uvloop'] = None; from mockmoov.cli.main import main; main()"
PROGRAMS = {"uvloop": ("-m", "mockmoov"), "asyncio": ("-c", WITHOUT_UVLOOP)}


@contextmanager
def running(directory: Path, *arguments: str, program: str = "uvloop") -> Iterator[Running]:
    directory.mkdir()
    ready = directory / "ready"
    command = [
        sys.executable,
        *PROGRAMS[program],
        "serve",
        "--port",
        "0",
        "--ready-file",
        str(ready),
        *arguments,
    ]
    with (directory / "out").open("wb") as out, (directory / "err").open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=plain_environment())
    try:
        until(lambda: ready.exists() or process.poll() is not None)
        assert process.poll() is None, (directory / "err").read_text()
        yield Running(process, ready.read_text(), directory)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait(timeout=30)


@pytest.mark.slow
def test_a_server_answers_on_both_loopbacks_from_the_moment_its_ready_file_is_there(tmp_path: Path) -> None:
    with running(tmp_path / "server") as server:
        assert re.fullmatch(r"http://localhost:[0-9]+", server.url)
        assert [status_of(server.url, host=host) for host in ("127.0.0.1", "::1", "localhost")] == [200] * 3
        assert sorted(path.name for path in server.directory.iterdir()) == ["err", "out", "ready"]
        assert server.stop(signal.SIGTERM)[0] == 0


NOT_ALL = b"Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n"
CONNECTIONS: dict[str, tuple[bytes, bytes]] = {  # what the client sends, what it waits for before the signal
    "no connection": (b"", b""),
    "an idle connection": (b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\r\n\r\n"),
    "half a head": (b"POST /oauth2/token HTTP/1.1\r\nHost: loc", b""),
    "half a body": (b"POST /oauth2/token HTTP/1.1\r\n" + NOT_ALL + b"grant_type=", b""),
    "a body that is waited for": (
        b"POST /oauth2/token HTTP/1.1\r\nExpect: 100-continue\r\n" + NOT_ALL,
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("sent", "awaited"), CONNECTIONS.values(), ids=CONNECTIONS)
def test_a_signal_stops_it_within_a_second_with_exit_code_0_whatever_is_open(
    tmp_path: Path, how: signal.Signals, sent: bytes, awaited: bytes, program: str
) -> None:
    took: list[float] = []
    for attempt in range(3):  # a machine under load may be late; a server that waits is late each time
        with (
            running(tmp_path / f"{attempt}", program=program) as server,
            socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection,
        ):
            connection.sendall(sent)
            received = b""
            while awaited not in received:
                received += connection.recv(4096)
            assert status_of(server.url) == 200  # what was sent has been seen by now
            code, seconds = server.stop(how)
            assert code == 0, server.err
            took.append(seconds)
        if seconds < 1:
            return
    pytest.fail(f"it took {took} seconds")


@pytest.mark.slow
def test_an_exchange_that_a_signal_cuts_short_leaves_no_traceback_in_the_log(tmp_path: Path) -> None:
    with (
        running(tmp_path / "server") as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection,
    ):
        connection.sendall(CONNECTIONS["half a body"][0])
        assert status_of(server.url) == 200
        assert server.stop(signal.SIGTERM)[0] == 0
        assert "Traceback" not in server.err


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("open_connection", [False, True])
def test_a_second_signal_changes_neither_exit_code_nor_end(
    tmp_path: Path, open_connection: bool, program: str
) -> None:
    with running(tmp_path / "server", program=program) as server, ExitStack() as stack:
        if open_connection:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            connection.sendall(CONNECTIONS["half a body"][0])
            assert status_of(server.url) == 200
        server.process.send_signal(signal.SIGINT)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=30) == 0
        assert "Traceback" not in server.err


@pytest.mark.slow
def test_a_port_in_use_is_exit_code_1_and_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "mockmoov",
                "serve",
                f"--port={port}",
                f"--ready-file={tmp_path / 'ready'}",
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=plain_environment(),
        )
    assert done.returncode == 1
    assert done.stderr == f"mockmoov: cannot listen on localhost port {port}: {IN_USE}\n"
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_over_a_socket_a_client_that_leaves_mid_body_has_changed_nothing(tmp_path: Path) -> None:
    name, value = basic()
    head = f"POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\n{name}: {value}\r\n".encode()
    with running(tmp_path / "server") as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(head + NOT_ALL.partition(b"\r\n")[2] + b"grant_type=client_credentials")
        assert status_of(server.url) == 200
        assert server.stop(signal.SIGTERM)[0] == 0
        assert "/oauth2/token" not in server.err
        assert "GET /_mockmoov/health 200 " in server.err
