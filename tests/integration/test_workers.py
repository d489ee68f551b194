"""`mockmoov serve --workers 2`: two processes are one server, and end as one."""

import os
import signal
import ssl
import time
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mockmoov.web.supervisor import can_supervise
from tests.support.connections import over_http
from tests.support.killing import control
from tests.support.servers import basic
from tests.support.serving import until
from tests.support.tokens import members, mint, ping, refresh, revoke
from tests.support.working import Server, each_worker, is_running, workers_of, working

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_supervise(), reason="this system can't run several workers"),
]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files of the servers of a test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def health(url: str) -> int:
    """The status that a new connection gets."""
    with over_http(url) as send:
        return send("GET", "/_mockmoov/health", [], b"")[0]


def is_free(url: str) -> bool:
    """Whether nobody listens there."""
    try:
        health(url)
    except ConnectionRefusedError:
        return True
    except ConnectionError:  # it is closing
        return False
    return False


def end(server: Server, number: signal.Signals = signal.SIGTERM) -> int:
    server.process.send_signal(number)
    return server.process.wait(30)


def await_messages(server: Server, count: int) -> None:
    until(lambda: len(server.messages()) == count)


def test_workers_are_one_server(tmp_path: Path, temporary: Path) -> None:
    del temporary
    with working(tmp_path) as server, each_worker(server) as workers:
        first, second = workers.values()
        pair = mint(first)
        assert ping(second, pair["access_token"]) == 200
        renewed = members(refresh(second, pair["refresh_token"]))
        assert refresh(first, pair["refresh_token"])[0] == 400
        assert ping(second, renewed["access_token"]) == 401
        pair = mint(second)
        assert revoke(first, pair["access_token"])[0] == 204
        assert ping(second, pair["access_token"]) == 401
        assert control(first, "POST", "/faults", endpoint="ping", status=503, times=1)[0] == 201
        token = mint(first)["access_token"]
        assert [ping(send, token) for send in (second, first, second)] == [503, 200, 200]
        assert control(second, "POST", "/clock/shift", days=1)[0] == 200
        assert [ping(send, token) for send in (first, second)] == [401, 401]
        key = members(control(first, "POST", "/api-keys"))
        assert refresh(second, "x", basic(key["client_id"], key["client_secret"]))[0] == 400
        assert control(second, "POST", "/signing-keys/rotate")[0] == 200
        token = mint(first)["access_token"]
        assert [ping(send, token) for send in (first, second)] == [200, 200]
        assert control(first, "POST", "/reset")[0] in (200, 204)
        assert [ping(send, token) for send in (first, second)] == [401, 401]


def test_killed_worker_is_replaced(tmp_path: Path, temporary: Path) -> None:
    del temporary
    with working(tmp_path) as server:
        for number in (1, 2):
            before = server.workers()
            os.kill(before[0], signal.SIGKILL)
            assert [health(server.url) for _ in range(100)] == [200] * 100
            await_messages(server, number)
            assert len({*server.workers()} - {*before}) == 1
        with each_worker(server) as workers:
            assert [*workers] == [1, 2]
            token = mint(workers[1])["access_token"]
            assert ping(workers[2], token) == 200
        assert end(server) == 0
        *warnings, last = [(line["level"], line["message"]) for line in server.log() if "path" not in line]
        assert sorted(warnings) == [
            ("WARNING", f"worker {number} ended by SIGKILL: another one replaces it") for number in (1, 2)
        ]
        assert last == ("INFO", "SIGTERM: the server stops")


def test_replaced_worker_changes_no_state(tmp_path: Path, temporary: Path) -> None:
    """It has the API key as a test has changed it, not as the settings name it."""
    del temporary
    keys = '[{"client_id": "mine", "client_secret": "secret-0123456789-0123456789"}]'
    with working(tmp_path, f"--api-keys={keys}", "--seed=s") as server:
        with over_http(server.url) as send:
            assert control(send, "PATCH", "/api-keys/mine", enabled=False)[0] == 200
            assert control(send, "POST", "/signing-keys/rotate")[0] == 200
            before = [members(control(send, "GET", path)) for path in ("/api-keys/mine", "/signing-keys")]
        for pid in server.workers():
            os.kill(pid, signal.SIGKILL)
        await_messages(server, 2)
        with each_worker(server) as workers:
            for send in workers.values():
                after = [members(control(send, "GET", path)) for path in ("/api-keys/mine", "/signing-keys")]
                assert after == before


def test_crash_loop_is_exit_code_1(tmp_path: Path, temporary: Path) -> None:
    with working(tmp_path) as server:

        def kill_newest() -> bool:
            with suppress(ProcessLookupError):
                for pid in workers_of(server.process)[-1:]:
                    os.kill(pid, signal.SIGKILL)
            return server.process.poll() is not None

        until(kill_newest)
        assert server.process.returncode == 1
        line = server.log()[-1]
        assert line["level"] == "ERROR"
        assert line["message"].endswith(
            " ended by SIGKILL, and 5 in a row lived less than a second: the server stops"
        )
        assert (is_free(server.url), [*temporary.iterdir()]) == (True, [])


def test_worker_that_cannot_start_again_is_exit_code_1(tmp_path: Path, temporary: Path) -> None:
    """The log names what is missing."""
    key = tmp_path / "key.pem"
    key.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    with working(tmp_path, f"--signing-key={key}") as server:
        key.unlink()
        os.kill(server.workers()[0], signal.SIGKILL)
        assert server.process.wait(60) == 1
        lines = [(line["level"], line.get("worker"), line["message"]) for line in server.log()]
        error = f"signing_key {key}: No such file or directory"
        assert {line for line in lines if line[1]} == {("ERROR", 1, error)}
        end = "worker 1 ended with exit code 1, and 5 in a row lived less than a second: the server stops"
        assert lines[-1] == ("ERROR", None, end)
        assert [*temporary.iterdir()] == []


def test_workers_end_after_their_supervisor_is_killed(tmp_path: Path, temporary: Path) -> None:
    with working(tmp_path) as server:
        with each_worker(server):  # so that connections are open
            pids = server.workers()
            server.process.kill()
            until(lambda: not any(map(is_running, pids)))
        until(lambda: is_free(server.url))
        until(lambda: [*temporary.iterdir()] == [])
        assert server.messages() == []


def test_next_start_removes_the_file_of_killed_workers(tmp_path: Path, temporary: Path) -> None:
    with working(tmp_path) as server:
        pids = server.workers()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)  # so that none sees the end of the supervisor
        server.process.kill()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not any(map(is_running, pids)))
    left = [*temporary.iterdir()]
    assert len(left) == 1
    with working(tmp_path) as first, working(tmp_path) as second:
        assert not left[0].exists()
        assert len([*temporary.iterdir()]) == 2  # of both: neither has removed that of the other
        assert [health(server.url) for server in (first, second)] == [200, 200]
        assert [end(server) for server in (first, second)] == [0, 0]
    assert [*temporary.iterdir()] == []


@pytest.mark.parametrize("to_all", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it(tmp_path: Path, temporary: Path, number: signal.Signals, to_all: bool) -> None:
    """It may come to the supervisor only, or to all processes, as Ctrl-C does."""
    ready = tmp_path / "ready"
    with working(tmp_path, f"--ready-file={ready}", start_new_session=True) as server:
        until(ready.exists)
        assert ready.read_text() == server.url
        with each_worker(server):
            pids = server.workers()
            os.kill(-server.process.pid if to_all else server.process.pid, number)
            assert server.process.wait(30) == 0
        assert server.messages() == [f"{number.name}: the server stops"]
        assert (is_free(server.url), [*temporary.iterdir()], ready.exists()) == (True, [], False)
        assert [pid for pid in pids if is_running(pid)] == []


def test_signals_of_a_terminal_reach_no_worker(tmp_path: Path, temporary: Path) -> None:
    del temporary
    with working(tmp_path) as server:
        pids = server.workers()
        with each_worker(server) as workers:
            for pid in pids:
                os.kill(pid, signal.SIGINT)
                os.kill(pid, signal.SIGHUP)
            assert [ping(send, "x") for send in workers.values()] == [401, 401]
        assert server.workers() == pids
        assert end(server) == 0
        assert server.messages() == ["SIGTERM: the server stops"]


def test_more_signals_while_it_ends_change_nothing(tmp_path: Path, temporary: Path) -> None:
    with working(tmp_path, start_new_session=True) as server:
        while server.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(server.process.pid, signal.SIGINT)
            time.sleep(0.002)
        assert (server.process.returncode, server.messages()) == (0, ["SIGINT: the server stops"])
        assert [*temporary.iterdir()] == []


def test_both_ports_answer_with_one_ca(tmp_path: Path, temporary: Path) -> None:
    del temporary
    with working(tmp_path, "--tls=on", "--tls-port=0") as server:
        assert server.process.stdout is not None
        https, http = server.url, ""
        for line in server.process.stdout:
            if line.startswith("control plane at "):
                http = line.split()[3].removesuffix("/_mockmoov:")
                break
        plain = Server(http, server.process, server.log_file)
        with each_worker(plain) as workers:
            (ca,) = {send("GET", "/_mockmoov/ca.pem", [], b"")[2].decode() for send in workers.values()}
        context = ssl.create_default_context(cadata=ca)
        seen = set[int]()

        def ask() -> bool:
            with httpx2.Client(verify=context, trust_env=False) as client:
                assert client.get(f"{https}/over-tls").status_code == 404
            seen.update(line["worker"] for line in server.log() if line.get("path") == "/over-tls")
            return seen == {1, 2}

        until(ask)


def test_durable_store_is_used_as_it_is(tmp_path: Path, temporary: Path) -> None:
    path = tmp_path / "state.db"
    tokens = list[str]()
    for _ in range(2):
        with working(tmp_path, f"--store=sqlite:{path}") as server:
            assert [*temporary.iterdir()] == []
            with each_worker(server) as workers:
                tokens += [mint(send)["access_token"] for send in workers.values()]
                assert {ping(send, token) for send in workers.values() for token in tokens} == {200}
            assert end(server) == 0
    assert path.exists()
