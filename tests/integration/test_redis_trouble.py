"""A Redis that is away, full or empty: a start says why, and requests get 503 until it is over."""

import logging
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from mockmoov.control_plane.server import shown_value
from mockmoov.oauth.responses import REASON_HEADER
from mockmoov.testing import MockMoov
from tests.integration.test_store_trouble import control_requests, moov_requests
from tests.support import command_line
from tests.support.connections import over_http
from tests.support.control import Desk
from tests.support.redis_servers import RedisProcess, new_name, redis_process, redis_url
from tests.support.servers import CLIENT_ID, new_server
from tests.support.tokens import mint, ping, refresh, revoke

pytestmark = pytest.mark.slow
PASSWORD = "a-secret-0123456789"


@pytest.fixture
def own() -> Iterator[RedisProcess]:
    with redis_process() as server:
        yield server


@pytest.fixture
def desk(own: RedisProcess) -> Iterator[Desk]:
    server = new_server(store=own.url, stubs=[{"endpoint": "listCards", "json": 1}])
    yield Desk(server)
    server.close()


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record for record in caplog.records if record.exc_info or record.levelno > logging.WARNING] == []


# --- the start ------------------------------------------------------------------------------------------


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where connections are accepted, and nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_start_without_redis_is_exit_code_1(silent: int, tmp_path: Path) -> None:
    with ExitStack() as stack:
        moov = stack.enter_context(MockMoov())
        (tmp_path / "other.sock").touch()
        http = moov.url.rpartition(":")[2]
        table = {
            f"redis://user:{PASSWORD}@127.0.0.1:1/3": "there is no connection: Connection refused",
            f"unix://:{PASSWORD}@{tmp_path}/no.sock": "there is no connection: No such file or directory",
            f"unix://:{PASSWORD}@{tmp_path}/other.sock": "there is no connection: Connection refused",
            f"redis://:{PASSWORD}@no-such-host.invalid": "there is no connection: Name or service not known",
            f"redis://:{PASSWORD}@127.0.0.1:{http}": "something else than a Redis answers there",
            f"redis://:{PASSWORD}@127.0.0.1:{silent}": "it didn't answer within 2 s",
        }
        for url, reason in table.items():
            result = command_line.run("serve", "--port=0", "--store", url)
            assert (result.exit_code, PASSWORD in result.output) == (1, False)
            shown = url.replace(f"user:{PASSWORD}@", "").replace(f":{PASSWORD}@", "")
            assert result.stderr.startswith(f"mockmoov: --store {shown}: {reason}"), result.stderr
            assert result.stderr.count("\n") == 1


def test_a_password_that_is_refused_is_not_shown() -> None:
    with redis_process("--requirepass", PASSWORD) as server:
        wrong = server.url.replace("unix://", "unix://:wrong-0123456789@")
        result = command_line.run("serve", "--port=0", "--store", wrong)
        message = (
            f"mockmoov: --store {server.url}: it refused the user or the password: check them in the URL\n"
        )
        assert (result.exit_code, result.stderr) == (1, message)
        right = server.url.replace("unix://", f"unix://:{PASSWORD}@")
        with MockMoov(store=right) as moov:
            settings = moov.server.settings
            assert PASSWORD not in f"{settings}{moov.config}{shown_value(settings, 'store')}"
            assert moov.config["store"]["value"] == server.url


def test_an_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mockmoov.storage.redis", None)
    result = command_line.run("serve", "--port=0", "--store", "redis://localhost")
    assert (result.exit_code, result.stderr) == (
        2,
        "mockmoov: store needs the extra mockmoov[redis]: pip install hiredis redis\n",
    )


# --- while the server runs --------------------------------------------------------------------------------


def failures(desk: Desk, reason: str) -> list[object]:
    """The requests that don't get 503 with a reason while nothing works."""
    wrong = list[object]()
    for name, request in moov_requests(desk.send, {"access_token": "a", "refresh_token": "b"}).items():
        status, headers, body = request()
        said = headers.get(REASON_HEADER, "")
        if (status, headers.get("retry-after"), reason in said, body) != (503, "1", True, b""):
            wrong.append((name, status, headers))
    for method, target, body in control_requests():
        if not target.startswith(("/config", "/catalogue")):
            reply = desk.ask(method, target, body)
            if reply.status != 503 or reason not in reply.document["error"]:
                wrong.append((method, target, reply))
    return wrong


def test_requests_get_503_until_redis_is_back(desk: Desk, own: RedisProcess) -> None:
    before = mint(desk.send)
    desk.post("/api-keys", client_id="other", client_secret="secret-of-other-0123456789")
    own.stop()
    assert failures(desk, "there is no connection") == []
    own.start()
    # It is empty: what the settings name is there again, and all else is gone.
    assert [ping(desk.send, token["access_token"]) for token in (before, mint(desk.send))] == [401, 200]
    assert refresh(desk.send, before["refresh_token"])[0] == 400
    assert [key["client_id"] for key in desk.get("/api-keys")["api_keys"]] == [CLIENT_ID]
    assert [stub["endpoint"] for stub in desk.get("/stubs")["stubs"]] == ["listCards"]


def test_a_flush_is_noticed_by_the_control_plane_too(desk: Desk, own: RedisProcess) -> None:
    token = mint(desk.send)["access_token"]
    for path, name in (("/api-keys", "api_keys"), ("/stubs", "stubs"), ("/signing-keys", "keys")):
        before = desk.get(path)[name]
        with redis.Redis.from_url(own.url) as client:
            client.flushall()
        assert len(desk.get(path)[name]) == len(before) == 1
    assert ping(desk.send, token) == 401


def test_a_redis_that_hangs_delays_one_request(
    desk: Desk, own: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = mint(desk.send)["access_token"]
    own.signal(signal.SIGSTOP)
    assert failures(desk, "it didn't answer within 2 s") == []
    own.signal(signal.SIGCONT)
    monkeypatch.setattr("mockmoov.storage.redis_server.monotonic", lambda: float("inf"))
    assert ping(desk.send, token) == 200


def test_a_full_redis_refuses_writes(desk: Desk, own: RedisProcess) -> None:
    token = mint(desk.send)
    with redis.Redis.from_url(own.url) as client:
        client.config_set("maxmemory", 1)
        assert [ping(desk.send, token["access_token"]) for _ in range(2)] == [200, 200]
        status, headers, _ = revoke(desk.send, token["access_token"])
        assert (status, "its memory is full" in headers[REASON_HEADER]) == (503, True)
        client.config_set("maxmemory", 0)
    assert revoke(desk.send, token["access_token"])[0] == 204


def test_a_replica_of_redis_is_refused(own: RedisProcess) -> None:
    with redis_process() as other, redis.Redis.from_url(other.url) as client:
        client.execute_command("REPLICAOF", "localhost", "1")
        client.config_set("replica-serve-stale-data", "yes")
        result = command_line.run("serve", "--port=0", "--store", other.url)
        assert result.exit_code == 2
        assert "it is a replica, which cannot be written: name its primary" in result.stderr


# --- Redis on another machine -----------------------------------------------------------------------------


def test_a_redis_far_away_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mockmoov.web.app.is_far", lambda _: True)
    monkeypatch.setattr("mockmoov.server.factory.is_far", lambda _: True)
    with (
        MockMoov(store=redis_url(), store_namespace=new_name()) as moov,
        MockMoov.connect(moov.url) as other,
        over_http(moov.url) as send,
        ThreadPoolExecutor(9) as pool,
    ):
        token = mint(send)
        assert ping(send, token["access_token"]) == 200
        assert refresh(send, token["refresh_token"])[0] == 200
        waits = [pool.submit(other.exchanges.wait, 1, endpoint="revoke", timeout=50) for _ in range(8)]
        assert revoke(send, token["access_token"])[0] == 204
        assert [len(wait.result()) for wait in waits] == [1] * 8
        assert ping(send, token["access_token"]) == 401
