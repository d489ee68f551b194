"""What breaks inside mockmoov becomes one 500 that explains itself; where the application can be mounted."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route
from starlette.types import ASGIApp, Message

from mockmoov.asgi import Guard, requires
from mockmoov.control_plane.resource import ControlRequest
from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.context import RequestContext
from mockmoov.server.steps import ReadBody, Steps, WaitForExchanges, run_in_process
from mockmoov.simulation.journal import Query
from mockmoov.storage.journal import MemoryJournal
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import SimulationState
from mockmoov.testing import MockMoov
from mockmoov.web import gateway
from mockmoov.web.app import create_app, run_steps
from mockmoov.web.asgi_io import ClientConnection
from tests.support.control import Desk
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, NOW, basic, new_server, sender
from tests.support.upstream import recording
from tests.unit.web.test_app import connect

MINT = {"grant_type": "client_credentials", "scope": "/ping.read"}


class BrokenRepository(Repository):
    """Fails when a token is issued."""

    def signing_keys(self) -> Any:
        raise ZeroDivisionError("broken on purpose")


class BrokenJournal(SimulationState):
    """Fails when an exchange is recorded."""

    def record(self, exchange: Any) -> None:
        raise ZeroDivisionError("broken on purpose")


def broken(
    repository: type[Repository] = Repository, simulation: type[SimulationState] = SimulationState
) -> AuthorizationServer:
    right = new_server()
    store = right.repository._store
    return AuthorizationServer(
        right.settings,
        repository(store),
        simulation(store, wall=lambda: 1.8e9),
        signing_keys=right.repository.signing_keys(),
    )


def ask(app: ASGIApp, method: str, target: str, **options: Any) -> httpx2.Response:
    async def go() -> httpx2.Response:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, target, **options)

    return asyncio.run(go())


def test_an_error_inside_is_a_500_with_id_reason_and_journal(caplog: pytest.LogCaptureFixture) -> None:
    server = broken(BrokenRepository)
    app = create_app(server, exposure="process")
    response = ask(app, "POST", "/oauth2/token", data=MINT, auth=(CLIENT_ID, CLIENT_SECRET))
    assert (response.status_code, response.content) == (500, b"")
    assert "traceback" in response.headers["x-mockmoov-reason"]
    (exchange,) = server.simulation.journal().exchanges
    assert (exchange.status, exchange.endpoint, exchange.client_id) == (500, "token", CLIENT_ID)
    assert exchange.reason == response.headers["x-mockmoov-reason"]
    (record,) = [item for item in caplog.records if item.levelno == logging.ERROR]
    assert response.headers["x-request-id"] in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_a_journal_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    server = broken(simulation=BrokenJournal)
    status, headers, _ = sender(server)("GET", "/ping", [basic()], b"")
    assert status == 500
    assert headers["x-request-id"] in caplog.text
    assert "missing in the journal" in caplog.text


def test_an_error_in_a_driver_is_a_500_too() -> None:
    context = RequestContext(HttpRequest(method="POST", path="/oauth2/token"))
    steps = new_server().respond(context)
    assert isinstance(next(steps), ReadBody)
    with pytest.raises(StopIteration) as ended:
        steps.throw(RuntimeError("the driver failed"))
    assert ended.value.value.status == 500


def test_an_error_in_the_control_plane_is_a_500_with_an_id(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk()
    monkeypatch.setattr(ControlRequest, "allow_members", None)
    request = HttpRequest(
        method="POST", path="/_mockmoov/clock/resume", headers={"content-type": ("application/json",)}
    )
    response = desk.control.handle(request)
    headers = dict(response.headers)
    assert (response.status, response.body) == (500, b"")
    assert headers["x-request-id"] in caplog.text
    assert "x-mockmoov-extension" in headers


def test_inside_the_process_nothing_is_forwarded() -> None:
    server = new_server(upstream="http://localhost:1")
    status, headers, _ = sender(server)("GET", "/accounts", [basic()], b"")
    assert (status, headers["x-mockmoov-reason"]) == (502, "nothing is forwarded inside the process")


def test_a_driver_may_forward_and_a_client_may_leave_meanwhile() -> None:
    server = new_server(upstream="http://localhost:1")
    name, value = basic()
    request = HttpRequest(method="GET", path="/accounts", headers={name: (value,)})
    assert run_in_process(server.respond(RequestContext(request)), forward=lambda _: None) is None
    (exchange,) = server.simulation.journal().exchanges
    assert (exchange.status, exchange.reason) == (None, "the client left before the upstream answered")


def test_a_failure_before_the_client_is_known_has_a_date_and_a_path() -> None:
    server = new_server()
    steps = server.respond(RequestContext(HttpRequest(method="POST", path="/oauth2/token")))
    next(steps)
    with pytest.raises(StopIteration) as ended:
        steps.throw(RuntimeError("the driver failed"))
    assert "1970" not in dict(ended.value.value.headers)["date"]
    (exchange,) = server.simulation.journal().exchanges
    assert (exchange.path, exchange.at, exchange.status) == ("/oauth2/token", NOW, 500)


def test_an_internal_error_after_the_upstream_answered_has_no_body_of_the_upstream() -> None:
    with recording() as upstream:
        right = new_server(upstream=upstream.url)
        store = right.repository._store
        server = AuthorizationServer(
            right.settings,
            Repository(store),
            BrokenJournal(store, wall=lambda: NOW),
            signing_keys=right.repository.signing_keys(),
        )
        app = create_app(server, exposure="process")
        response = ask(app, "GET", "/accounts", auth=(CLIENT_ID, CLIENT_SECRET))
    assert (response.status_code, response.content) == (500, b"")


def test_a_wait_that_was_notified_before_the_loop_listens_goes_on_at_once() -> None:
    watch = new_server().simulation.watch(None, Query(), 1)
    watch.is_notified = True

    def steps() -> Steps:
        step = WaitForExchanges(watch, 60)
        yield step
        return HttpResponse(status=200 if step.seconds > 0 else 504)

    async def receive() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    client = ClientConnection(HttpRequest(method="GET", path="/"), receive)
    response = asyncio.run(asyncio.wait_for(run_steps(steps(), client), 10))
    assert response is not None
    assert response.status == 200


def test_a_gateway_that_fails_is_a_500(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError("broken on purpose")

    monkeypatch.setattr(gateway.UpstreamCall, "forward", fail)
    app = create_app(new_server(upstream="http://localhost:1"), exposure="process")
    assert ask(app, "GET", "/accounts", auth=(CLIENT_ID, CLIENT_SECRET)).status_code == 500
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("path", ["/_mockmoov/health", "/.well-known/x", "/ping", "/"])
def test_a_websocket_is_closed(path: str) -> None:
    app, sent = create_app(new_server(), exposure="process"), []
    scope = {"type": "websocket", "path": path, "raw_path": path.encode(), "headers": [], "query_string": b""}

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message["type"])

    asyncio.run(app(scope, receive, send))
    assert sent == ["websocket.close"]


def test_a_guarded_application_sends_no_body_after_an_internal_error() -> None:
    async def pinged(request: Request) -> Response:
        await requires("/ping.read")(request)
        return PlainTextResponse("own")

    class Handle:
        server = broken(simulation=BrokenJournal)

    app = Starlette(
        routes=[Route("/own", pinged)], middleware=[Middleware(Guard, moov=cast("MockMoov", Handle))]
    )
    response = ask(app, "GET", "/own", auth=(CLIENT_ID, CLIENT_SECRET))
    assert (response.status_code, response.content) == (500, b"")


def test_steps_are_closed_when_a_driver_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    path = "/_mockmoov/exchanges/wait"

    def interrupt(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("threading.Event.wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        desk.control.handle(HttpRequest(method="GET", path=path, query=b"status=418"))
    journal = desk.server.repository._store.journal
    assert isinstance(journal, MemoryJournal)
    assert journal._open == 0


def test_a_secret_is_redacted_although_its_key_is_deleted_meanwhile() -> None:
    desk = Desk()
    desk.new_key(client_id="k", client_secret="s3cr3t-ab")
    desk.post("/faults", delay=1)
    name, value = basic("k", "s3cr3t-ab")
    headers = {name: (value,), "user-agent": ("tool s3cr3t-ab x",)}
    steps = desk.server.respond(RequestContext(HttpRequest(method="GET", path="/ping", headers=headers)))
    next(steps)
    desk.ask("DELETE", "/api-keys/k")
    with pytest.raises(StopIteration):
        steps.send(None)
    assert "s3cr3t-ab" not in str(desk.server.simulation.journal().exchanges)


# --- where the application can be mounted -------------------------------------------------------------

MOUNTS: dict[str, Callable[[ASGIApp], Any]] = {
    "at the root": lambda app: Mount("/", app),
    "by host": lambda app: Host("localhost", app),
}


@pytest.mark.parametrize("mount", MOUNTS.values(), ids=MOUNTS)
def test_a_mounted_application_answers_without_a_lifespan(mount: Callable[[ASGIApp], Any]) -> None:
    with recording() as upstream:
        app = create_app(new_server(upstream=upstream.url), exposure="loopback")
        mounted = Starlette(routes=[mount(app)])
        token = ask(mounted, "POST", "/oauth2/token", data=MINT, auth=(CLIENT_ID, CLIENT_SECRET))
        bearer = {"authorization": f"Bearer {token.json()['access_token']}"}
        assert ask(mounted, "GET", "/ping", headers=bearer).status_code == 200
        assert ask(mounted, "GET", "/_mockmoov/health").status_code == 200
        assert ask(mounted, "GET", "/.well-known/jwks.json").status_code == 200
        assert ask(mounted, "GET", "/accounts", auth=(CLIENT_ID, CLIENT_SECRET)).status_code == 200
        assert ask(mounted, "GET", "/none").status_code == 404


@pytest.mark.parametrize("path", ["/oauth2/toke%6e", "/%6fauth2/token", "/oauth2%2ftoken", "/pin%67"])
def test_an_encoded_path_is_not_an_alias(path: str) -> None:
    app = create_app(new_server(), exposure="process")
    method = "GET" if "pin" in path else "POST"
    assert ask(app, method, path, data=MINT, auth=(CLIENT_ID, CLIENT_SECRET)).status_code == 404


def test_no_slash_is_added_or_removed_by_a_redirect() -> None:
    app = create_app(new_server(), exposure="process")
    assert connect(app, "GET", "").status == 404
    for path in ("/ping/", "/oauth2/token/", "/_mockmoov", "/_mockmoov/health/", "/.well-known/jwks.json/"):
        assert ask(app, "GET", path).status_code == 404
