"""A store in a file that fails while the server runs: 503 with a reason, and no restart when it is over."""

import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mockmoov.asgi import Guard, requires
from mockmoov.control_plane.router import BASE, ROUTES
from mockmoov.oauth.responses import REASON_HEADER
from mockmoov.storage import sqlite_file
from mockmoov.testing import ControlError, MockMoov
from mockmoov.web.app import create_app
from tests.support.asgi import ask_all, client_of
from tests.support.contract_fixtures import Answer, Send, resolved_openapi
from tests.support.control import Desk
from tests.support.servers import CLIENT_ID, basic, bearer, new_server, post_form
from tests.support.sqlite_files import locked
from tests.support.tokens import members, mint, refresh, revoke

if TYPE_CHECKING:
    from mockmoov.storage.sqlite_journal import SqliteJournal

ORIGIN = "https://shop.example"
PREFLIGHT = {"origin": ORIGIN, "access-control-request-method": "POST"}
Trouble = Callable[[Path, pytest.MonkeyPatch], Any]  # a context manager


class ReadOnly(sqlite3.Connection):
    """A connection to a file that cannot be written."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA query_only = ON")


class Broken(sqlite3.Connection):
    """A connection to a file on a disk that fails."""

    def execute(self, *_: object) -> sqlite3.Cursor:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
        raise error


@contextmanager
def connected_by(kind: type[sqlite3.Connection], _: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=kind))
        yield


@contextmanager
def locked_by_another(path: Path, _: pytest.MonkeyPatch) -> Iterator[None]:
    with locked(path):
        yield


@contextmanager
def overwritten(data: bytes | None, path: Path, _: pytest.MonkeyPatch) -> Iterator[None]:
    """Other bytes in the place of the file, or (None) nothing."""
    sound = path.read_bytes()
    path.unlink() if data is None else path.write_bytes(data)
    yield
    path.touch(0o600)
    path.write_bytes(sound)


@contextmanager
def readable_by_others(path: Path, _: pytest.MonkeyPatch) -> Iterator[None]:
    path.chmod(0o644)
    yield
    path.chmod(0o600)


# Each with a part of its reason: those in which nothing works, and those in which only reading does.
UNUSABLE: Mapping[str, Trouble] = {
    "the disk failed": partial(connected_by, Broken),
    "is not a SQLite database": partial(overwritten, b"x" * 10_000),
    "was removed or emptied": partial(overwritten, None),
    "chmod 600": readable_by_others,
}
UNWRITABLE: Mapping[str, Trouble] = {
    "another process has locked it": locked_by_another,
    "the file or its file system is read-only": partial(connected_by, ReadOnly),
}
EVERY = {**UNUSABLE, **UNWRITABLE}
in_every_trouble = pytest.mark.parametrize("reason", EVERY)


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.02)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def desk(path: Path) -> Iterator[Desk]:
    server = new_server(store=f"sqlite:{path}", cors_origins=[])
    yield Desk(server)
    server.close()


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record for record in caplog.records if record.exc_info or record.levelno > logging.WARNING] == []


@pytest.fixture
def trouble(reason: str, desk: Desk, path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """What makes the trouble; the file is closed before, so that the server notices it."""

    @contextmanager
    def begin() -> Iterator[None]:
        desk.server.close()
        with EVERY[reason](path, monkeypatch):
            yield
        desk.server.close()

    return begin


def moov_requests(send: Send, pair: Mapping[str, Any]) -> Mapping[str, Callable[[], Any]]:
    """Requests at Moov's paths, each of which is journaled."""
    access, refresh_token = str(pair["access_token"]), str(pair["refresh_token"])
    form = [("content-type", "application/x-www-form-urlencoded"), basic()]
    return {
        "token": lambda: send(
            "POST", "/oauth2/token", form, b"grant_type=client_credentials&scope=/ping.read"
        ),
        "refresh": lambda: refresh(send, refresh_token),
        "revoke": lambda: revoke(send, access),
        "ping": lambda: send("GET", "/ping", [bearer(access)], b""),
        "operation": lambda: send("GET", "/accounts", [basic()], b""),
        "invalid": lambda: send("POST", "/oauth2/token", [], b"{"),
        "unknown path": lambda: send("GET", "/nowhere", [], b""),
    }


@in_every_trouble
def test_requests_to_moov_get_503_until_it_is_over(
    reason: str, desk: Desk, trouble: Callable[[], Any]
) -> None:
    send, wrong = desk.send, []
    pair = mint(send)
    journaled = desk.get("/exchanges")["count"]
    with trouble():
        for _ in range(2):
            for name, request in moov_requests(send, pair).items():
                status, headers, body = request()
                said = headers.get(REASON_HEADER, "")
                is_right = said.startswith("the store failed: ") and reason in said and body == b""
                if (status, headers.get("retry-after"), is_right) != (503, "1", True):
                    wrong.append((name, status, headers))
    assert wrong == []
    assert desk.get("/exchanges")["count"] == journaled
    assert {name: request()[0] for name, request in moov_requests(send, pair).items()} == {
        "token": 200, "refresh": 200, "revoke": 204, "ping": 401,
        "operation": 501, "invalid": 400, "unknown path": 404,
    }  # fmt: skip


def control_requests() -> Iterator[tuple[str, str, object]]:
    """Every method of every resource, with a valid body: method, path, body."""
    for path, methods in ROUTES.items():
        for method in methods:
            content = resolved_openapi("control")["paths"][path][method.lower()].get("requestBody", {})
            examples = content.get("content", {}).get("application/json", {}).get("examples", {})
            body = next((example["value"] for example in examples.values()), None)
            target = path.removeprefix(BASE).replace("{client_id}", CLIENT_ID)
            yield method, target, (body or {}) if method in ("POST", "PATCH", "DELETE") else None


@pytest.mark.parametrize("reason", UNUSABLE)
def test_each_resource_gets_503_until_it_is_over(reason: str, desk: Desk, trouble: Callable[[], Any]) -> None:
    wrong = []
    requests = [each for each in control_requests() if not each[1].startswith(("/config", "/catalogue"))]
    with trouble():
        for method, target, body in requests:
            reply = desk.ask(method, target, body)  # which is as described
            said = str(reply.document.get("error"))
            if reply.status != 503 or not said.startswith("the store failed: ") or reason not in said:
                wrong.append((method, target, reply))
        assert desk.get("/config").status == 200
    assert wrong == []
    assert [
        (method, target) for method, target, body in requests if desk.ask(method, target, body).status >= 500
    ] == []


@pytest.mark.parametrize("reason", UNWRITABLE)
def test_reading_goes_on_while_nothing_can_be_written(
    reason: str, desk: Desk, trouble: Callable[[], Any]
) -> None:
    for owner in ("", f"/api-keys/{CLIENT_ID}"):
        desk.post(f"{owner}/faults", endpoint="revoke", status=503)
        desk.post(f"{owner}/stubs", endpoint="listAccounts")
    before = [
        desk.get(path).document for path in ("/faults", "/stubs", "/clock", "/api-keys", "/signing-keys")
    ]
    needs_nothing = {
        "/tokens": 201,
        "/{fault_id}": 404,
        "/{stub_id}": 404,
        "/{kid}": 404,
        "/{operation}": 404,
    }
    wrong = []
    with trouble():
        for method, target, body in control_requests():
            expected = needs_nothing.get(target[target.rindex("/") :], 200 if method == "GET" else 503)
            reply = desk.ask(method, target, body)
            if reply.status != expected or (expected == 503 and reason not in reply.document["error"]):
                wrong.append((method, target, reply))
        token = str(desk.post("/tokens")["access_token"])
        active = post_form(desk.send, "/_mockmoov/introspect", basic(), token=token)
        assert members(active)["active"]
        assert len(members(desk.send("GET", "/.well-known/jwks.json", [], b""))["keys"]) == 1
    assert wrong == []
    after = [
        desk.get(path).document for path in ("/faults", "/stubs", "/clock", "/api-keys", "/signing-keys")
    ]
    assert [each for each in after if "now" not in each] == [each for each in before if "now" not in each]


@pytest.mark.parametrize("reason", UNUSABLE)
def test_discovery_needs_the_file_only_for_keys(reason: str, desk: Desk, trouble: Callable[[], Any]) -> None:
    requests: Mapping[str, Callable[[], Answer]] = {
        "jwks": lambda: desk.send("GET", "/.well-known/jwks.json", [], b""),
        "introspection": lambda: post_form(desk.send, "/_mockmoov/introspect", basic(), token="t"),
        "metadata": lambda: desk.send("GET", "/.well-known/oauth-authorization-server", [], b""),
        "health": lambda: desk.send("GET", "/_mockmoov/health", [], b""),
    }
    with trouble():
        answers = {name: request() for name, request in requests.items()}
    assert {name: answer[0] for name, answer in answers.items()} == {
        "jwks": 503, "introspection": 503, "metadata": 200, "health": 200,
    }  # fmt: skip
    for name in ("jwks", "introspection"):
        assert reason in members(answers[name])["error"]
        assert answers[name][1]["retry-after"] == "1"
    assert [request()[0] for request in requests.values()] == [200] * 4


@in_every_trouble
def test_pages_of_known_origins_may_read_the_503(reason: str, desk: Desk, trouble: Callable[[], Any]) -> None:
    desk.new_key(origins=[ORIGIN])
    app = create_app(desk.server, exposure="loopback")
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("OPTIONS", "/oauth2/token", {"headers": PREFLIGHT}),
        (
            "POST",
            "/oauth2/token",
            {"headers": {"origin": ORIGIN}, "data": {"grant_type": "client_credentials"}},
        ),
        ("GET", "/ping", {"headers": {"origin": ORIGIN}}),
        ("OPTIONS", "/ping", {"headers": {**PREFLIGHT, "origin": "https://other.example"}}),
        ("GET", "/_mockmoov/health", {}),
    ]
    assert [answer.status_code for answer in ask_all(app, requests)] == [204, 401, 401, 403, 200]
    with trouble():
        answers = ask_all(app, requests)
    assert [answer.status_code for answer in answers] == [204, 503, 503, 403, 200]
    for answer in answers[:3]:
        assert answer.headers["access-control-allow-origin"] == ORIGIN
    for answer in answers[1:3]:
        assert reason in answer.headers[REASON_HEADER]
        assert answer.headers["access-control-expose-headers"] == "*"
    assert [answer.status_code for answer in ask_all(app, requests)] == [204, 401, 401, 403, 200]


@pytest.mark.parametrize("reason", UNUSABLE)
def test_a_wait_ends_with_503_when_the_file_fails(
    reason: str, desk: Desk, trouble: Callable[[], Any]
) -> None:
    app = create_app(desk.server, exposure="process")
    journal = cast("SqliteJournal", desk.server.repository._store.journal)
    answers: list[httpx2.Response] = []

    async def wait(client: httpx2.AsyncClient) -> None:
        answers.append(await client.get("/_mockmoov/exchanges/wait", params={"timeout": 50}))

    async def go() -> None:
        async with client_of(app) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(wait, client)
            while not journal._open:
                await anyio.lowlevel.checkpoint()
            with trouble():
                while not answers:
                    await anyio.sleep(0.001)

    anyio.run(go)
    (answer,) = answers
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert reason in answer.json()["error"]
    assert journal._open == 0


@in_every_trouble
def test_a_handle_raises_the_reason(reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    path = tmp_path / "state.db"
    with MockMoov(store=f"sqlite:{path}") as moov:
        key = moov.new_api_key()
        moov.server.close()
        with EVERY[reason](path, monkeypatch):
            for change in (key.clock.freeze, moov.reset, key.disable, key.exchanges.clear):
                with pytest.raises(ControlError, match=reason) as caught:
                    change()
                assert (caught.value.status, str(caught.value)[:17]) == (503, "the store failed:")
        moov.server.close()
        key.clock.freeze()
        assert moov.api_keys.get(key.client_id).enabled


ping_read = requires("/ping.read")


async def guarded(request: Request) -> Response:
    await ping_read(request)
    return PlainTextResponse("done")


@in_every_trouble
def test_guarded_endpoint_answers_503(reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    path = tmp_path / "state.db"
    with MockMoov(store=f"sqlite:{path}") as moov:
        app = Guard(Starlette(routes=[Route("/mine", guarded)]), moov)
        request = ("GET", "/mine", {"headers": {"authorization": f"Bearer {moov.mint()}"}})
        moov.server.close()
        with EVERY[reason](path, monkeypatch):
            (answer,) = ask_all(app, [request])
        assert (answer.status_code, answer.headers["retry-after"], answer.text) == (503, "1", "")
        assert reason in answer.headers[REASON_HEADER]
        moov.server.close()
        (answer,) = ask_all(app, [request])
        assert (answer.status_code, answer.text) == (200, "done")
        assert len(moov.exchanges) == 1
