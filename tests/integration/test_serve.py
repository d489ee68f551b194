"""Listening: ports and addresses, and how the server stops, over real sockets and in real processes."""

import asyncio
import errno
import http.client
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.types import Receive, Scope, Send

from mockmoov.simulation.faults import Fault
from mockmoov.web import listeners, uvicorn_server
from mockmoov.web.app import create_app
from tests.support import command_line
from tests.support.servers import basic, new_server
from tests.support.serving import environment, restored_signals

EVERY_ADDRESS = "0.0.0.0"
IN_USE = f"{os.strerror(errno.EADDRINUSE)}; another mockmoov? port 0 picks a free one"


@contextmanager
def bound(host: str, port: int = 0) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(item) for item in listeners.bind(host, port)]


def bind_error(host: str, port: int = 0) -> str:
    with pytest.raises(listeners.BindError) as caught, bound(host, port):
        pass
    return str(caught.value)


def port_of(sockets: list[socket.socket]) -> int:
    return int(sockets[0].getsockname()[1])


def test_localhost_is_both_loopbacks_on_one_port() -> None:
    with bound("localhost") as sockets:
        names = [item.getsockname()[:2] for item in sockets]
        assert names == [("127.0.0.1", port_of(sockets)), ("::1", port_of(sockets))]


def test_an_address_is_that_address_only() -> None:
    for host in ("127.0.0.1", "::1", EVERY_ADDRESS, "::"):
        with bound(host) as sockets:
            assert [item.getsockname()[0] for item in sockets] == [host]
            assert port_of(sockets) > 0


def test_a_port_is_taken_as_soon_as_it_is_bound() -> None:
    for host in ("localhost", "127.0.0.1", "::1"):
        with bound(host) as sockets:
            port = port_of(sockets)
            assert bind_error(host, port) == f"cannot listen on {host} port {port}: {IN_USE}"


def test_localhost_needs_both_addresses_and_frees_the_other() -> None:
    for taken, free in (("127.0.0.1", "::1"), ("::1", "127.0.0.1")):
        with bound(taken) as sockets:
            sockets[0].listen()
            assert IN_USE in bind_error("localhost", port_of(sockets))
            with bound(free, port_of(sockets)):
                pass


def test_a_host_that_cannot_be_bound_is_named() -> None:
    for host in ("203.0.113.1", "2001:db8::1", "no-such-host.invalid", "a..b", "a" * 70, "[::1]"):
        prefix = f"cannot listen on {host} port 0: "
        message = bind_error(host)
        assert message.startswith(prefix)
        assert len(message) > len(prefix)


class _Resolver:
    """The machine's name resolution, except for ::1, which `instead` answers for."""

    def __init__(self, instead: Callable[[int], tuple[str, int]]) -> None:
        self._real = socket.getaddrinfo
        self._instead = instead
        self.calls = 0

    def __call__(self, host: str | bytes, port: int, **options: Any) -> list[Any]:
        if host == b"::1":
            self.calls += 1
            host, port = self._instead(port)
        return self._real(host, port, **options)


@pytest.mark.parametrize("missing", ["203.0.113.1", "2001:db8::1"])
def test_localhost_is_ipv4_on_a_machine_without_ipv6(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _Resolver(lambda port: (missing, port)))
    with bound("localhost") as sockets:
        assert [item.getsockname()[0] for item in sockets] == ["127.0.0.1"]


def test_a_free_port_is_free_in_both_families(monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:

        def occupy(port: int) -> tuple[str, int]:
            if resolver.calls <= 3:
                other = stack.enter_context(socket.socket())
                other.bind(("127.0.0.2", port))
                other.listen()
            return "127.0.0.2", port

        resolver = _Resolver(occupy)
        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        with bound("localhost") as sockets:
            assert resolver.calls == 4
            assert len({item.getsockname()[1] for item in sockets}) == 1


def test_an_error_says_if_no_port_is_free_in_both(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        resolver = _Resolver(lambda _: other.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        in_use = f"{os.strerror(errno.EADDRINUSE)}; host 127.0.0.1 needs a port for IPv4 only"
        assert bind_error("localhost") == f"cannot listen on localhost port 0: {in_use}"
        assert resolver.calls > 1


def test_the_url_can_be_connected_to() -> None:
    table = [
        ("localhost", "localhost", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.2", "127.0.0.2", True),
        ("::1", "[::1]", True),
        (EVERY_ADDRESS, "127.0.0.1", False),
        ("::", "[::1]", False),
    ]
    for host, reached, is_loopback in table:
        with bound(host) as sockets:
            assert listeners.base_url(host, sockets) == f"http://{reached}:{port_of(sockets)}"
            assert listeners.is_loopback(sockets) == is_loopback


def test_a_port_in_use_is_exit_code_2_and_one_line(tmp_path: Path) -> None:
    with bound("127.0.0.1") as sockets:
        port = port_of(sockets)
        result = command_line.run("serve", f"--port={port}", f"--ready-file={tmp_path / 'ready'}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"mockmoov: cannot listen on localhost port {port}: {IN_USE}\n"
    assert not list(tmp_path.iterdir())


def status_of(url: str, path: str = "/_mockmoov/health", host: str | None = None) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(host or str(parts.hostname), parts.port or 80, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_run_returns_after_a_signal(stop: signal.Signals) -> None:
    statuses: list[int] = []

    def use(url: str) -> None:
        try:
            statuses.extend(status_of(url, host=host) for host in ("127.0.0.1", "::1"))
        finally:
            os.kill(os.getpid(), stop)

    with bound("localhost") as sockets:
        user = threading.Thread(target=use, args=[listeners.base_url("localhost", sockets)])
        app = create_app(new_server(), exposure="loopback")
        with restored_signals():
            uvicorn_server.run(app, sockets, user.start)  # it catches the signal before it calls this
        user.join(timeout=10)
    assert statuses == [200, 200]


def test_a_signal_before_it_listens_stops_it_too() -> None:
    server = uvicorn_server._Server(create_app(new_server(), exposure="loopback"), lambda: None, 10, None)
    server.handle_exit(signal.SIGTERM, None)
    with bound("localhost") as sockets:
        server.run(sockets)
        assert all(item.fileno() == -1 for item in sockets)


LOOPS = {"uvloop": "uvloop", "asyncio": "asyncio.unix_events"}  # the module of each


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs the test with each event loop."""
    if request.param != "uvloop":
        monkeypatch.setitem(sys.modules, "uvloop", None)
    return str(request.param)


@contextmanager
def background(
    *faults: Fault, host: str = "localhost"
) -> Iterator[tuple[uvicorn_server.BackgroundServer, str]]:
    """A server in the background with these planned faults, and its URL."""
    server = new_server()
    for fault in faults:
        server.simulation.faults.add(None, fault)
    sockets = listeners.bind(host, 0)
    url = listeners.base_url(host, sockets)
    running = uvicorn_server.BackgroundServer(create_app(server, exposure="loopback"), sockets)
    try:
        yield running, url
    finally:
        running.stop()


def refuses(url: str) -> bool:
    try:
        status_of(url)
    except OSError:
        return True
    return False


def test_it_answers_until_it_is_stopped(loop: str) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with background(host="127.0.0.1") as (first, first_url), background() as (running, url):
        assert type(running._server._loop).__module__.startswith(LOOPS[loop])
        assert [status_of(url, host=host) for host in ("127.0.0.1", "::1")] == [200, 200]
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
        assert status_of(first_url) == 200
        for _ in range(3):  # again does nothing
            first.stop()
            assert not first._thread.is_alive()
        assert refuses(first_url)
        assert status_of(url) == 200
        with bound("127.0.0.1", urlsplit(first_url).port or 0):
            pass


def test_the_constructor_raises_what_keeps_it_from_starting(loop: str) -> None:
    del loop
    sockets = listeners.bind("127.0.0.1", 0)
    for item in sockets:
        item.close()
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        uvicorn_server.BackgroundServer(create_app(new_server(), exposure="loopback"), sockets)


def test_a_start_that_does_not_end_is_an_error() -> None:
    async def never_ready(_scope: Scope, receive: Receive, _send: Send) -> None:
        await receive()
        await asyncio.Event().wait()

    sockets = listeners.bind("127.0.0.1", 0)
    with pytest.raises(
        uvicorn_server.StartError, match=r"^the upstream application didn't start within 0\.05 s$"
    ):
        uvicorn_server.BackgroundServer(never_ready, sockets, start_seconds=0.05)
    assert all(item.fileno() == -1 for item in sockets)


def connect(stack: ExitStack, url: str, sent: bytes) -> socket.socket:
    """A connection on which this was sent."""
    parts = urlsplit(url)
    connection = socket.create_connection((str(parts.hostname), parts.port or 80), timeout=10)
    stack.enter_context(connection)
    connection.sendall(sent)
    return connection


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def received(connection: socket.socket, until: bytes | None = None) -> bytes:
    """What arrives until then, or until the other side ends the connection in any way."""
    data = b""
    with suppress(ConnectionResetError):
        while (until is None or until not in data) and (piece := connection.recv(4096)):
            data += piece
    return data


UNFINISHED = {  # a fault, and the request that it keeps from ending
    "hang": (Fault(id="f", network_error="hang"), "/ping"),
    "delay": (Fault(id="f", delay=60), "/ping"),
    "wait": (Fault(id="f", endpoint="revoke"), "/_mockmoov/exchanges/wait?count=9&timeout=60"),
}


@pytest.mark.parametrize(("fault", "target"), UNFINISHED.values(), ids=UNFINISHED)
def test_open_connections_do_not_keep_it_from_stopping(
    loop: str, fault: Fault, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Twenty are idle, one is cut off within its exchange; neither leaves an error in the log."""
    del loop
    with background(fault) as (running, url), ExitStack() as stack:
        for _ in range(20):
            idle = connect(stack, url, get("/_mockmoov/health"))
            assert received(idle, until=b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        unfinished = connect(stack, url, get(target))
        assert status_of(url) == 200  # the server has read the request by now
        running.stop()
        assert not running._thread.is_alive()
        assert received(unfinished) == b""
    assert [record.name for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_handler_that_ignores_the_disconnect_is_cancelled() -> None:
    started, cancelled = threading.Event(), threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with bound("127.0.0.1") as sockets, ExitStack() as stack:
        running = uvicorn_server.BackgroundServer(app, sockets)
        connect(stack, listeners.base_url("127.0.0.1", sockets), get("/"))
        assert started.wait(10)
        running.stop()
        assert cancelled.is_set()
        assert not running._thread.is_alive()


PARTIAL = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n"


def test_a_client_that_leaves_in_its_body_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mockmoov.access")
    name, value = basic()
    head = f"POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\n{name}: {value}\r\n".encode()
    with background() as (running, url):
        with ExitStack() as stack:
            connect(stack, url, head + PARTIAL + b"grant_type=client_credentials")
        assert status_of(url) == 200
        running.stop()
    lines = caplog.messages
    assert not any("/oauth2/token" in line for line in lines)
    assert any(line.startswith("GET /_mockmoov/health 200 ") for line in lines)


WITHOUT_UVLOOP = "import sys; sys.modules['uvloop'] = None; from mockmoov.cli.main import main; main()"
NOHUP = (
    "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); from mockmoov.cli.main import main; main()"
)
PROGRAMS = {"uvloop": ("-m", "mockmoov"), "asyncio": ("-c", WITHOUT_UVLOOP), "nohup": ("-c", NOHUP)}
TOKEN = b"POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\n"
OPEN = [  # what the clients have sent, and what each has received
    (b"", b""),
    (get("/ping"), b"\r\n\r\n"),
    (TOKEN[:-5], b""),
    (TOKEN + PARTIAL + b"grant_type=", b""),
    (TOKEN + b"Expect: 100-continue\r\n" + PARTIAL, b"HTTP/1.1 100 Continue\r\n\r\n"),
]


@contextmanager
def running(directory: Path, program: str) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """A server process, its URL and its log."""
    ready, log = directory / "ready", directory / "log"
    command = [sys.executable, *PROGRAMS[program], "serve", "--port=0", f"--ready-file={ready}"]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment())
    try:
        deadline = time.monotonic() + 30
        while not ready.exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield process, ready.read_text(), log
    finally:
        process.kill()
        process.wait(timeout=30)


@pytest.mark.slow
@pytest.mark.parametrize("program", ["uvloop", "asyncio"])
def test_a_signal_stops_it_whatever_is_open(tmp_path: Path, program: str) -> None:
    """Once or twice, it ends with exit code 0, without a traceback and without its ready file."""
    for signals in ([signal.SIGTERM], [signal.SIGHUP], [signal.SIGINT], [signal.SIGINT] * 2):
        with running(tmp_path, program) as (process, url, log), ExitStack() as stack:
            for sent, awaited in OPEN:
                assert received(connect(stack, url, sent), until=awaited).endswith(awaited)
            assert status_of(url) == 200  # the server has read everything by now
            for number in signals:
                process.send_signal(number)
            assert process.wait(timeout=10) == 0, log.read_text()
            assert "Traceback" not in log.read_text()
            assert f" INFO {signals[0].name}: the server stops\n" in log.read_text()
            assert sorted(path.name for path in tmp_path.iterdir()) == ["log"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_more_signals_while_it_ends_change_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path, "uvloop") as (process, _, log):
        while process.poll() is None:
            process.send_signal(number)
            time.sleep(0.002)
        assert process.returncode == 0, log.read_text()


@pytest.mark.slow
def test_under_nohup_it_survives_a_hangup(tmp_path: Path) -> None:
    with running(tmp_path, "nohup") as (process, url, log):
        process.send_signal(signal.SIGHUP)
        assert status_of(url) == 200
        process.terminate()
        assert process.wait(timeout=10) == 0, log.read_text()
