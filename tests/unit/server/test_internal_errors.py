"""Whatever breaks inside mockmoov becomes one 500 that explains itself."""

import asyncio
import logging
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message

from mockmoov.asgi import Guard, requires
from mockmoov.control_plane.resource import ControlRequest
from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.context import RequestContext
from mockmoov.server.steps import Forward, ReadBody, Steps, WaitForExchanges, run_in_process
from mockmoov.simulation.journal import Query
from mockmoov.storage.journal import MemoryJournal
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import SimulationState
from mockmoov.storage.store import StoreError
from mockmoov.testing import MockMoov
from mockmoov.web import gateway
from mockmoov.web.app import create_app, run_steps
from mockmoov.web.asgi_io import ClientConnection
from tests.support.asgi import ask
from tests.support.control import Desk
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, NOW, basic, new_server, sender
from tests.support.upstream import recording

AUTH = (CLIENT_ID, CLIENT_SECRET)


class BrokenRepository(Repository):
    """Fails when a token is issued."""

    def signing_keys(self, *_: object) -> Any:
        raise ZeroDivisionError("broken on purpose")


class BrokenJournal(SimulationState):
    """Fails when an exchange is recorded."""

    def record(self, exchange: Any) -> None:
        raise ZeroDivisionError("broken on purpose")


def broken(
    repository: type[Repository] = Repository,
    simulation: type[SimulationState] = SimulationState,
    **settings: Any,
) -> AuthorizationServer:
    server = new_server(**settings)
    store, keys = server.repository._store, server.repository.signing_keys
    state = simulation(store, wall=lambda: NOW)
    return AuthorizationServer(server.settings, repository(store), state, make_signing_keys=keys)


def fail_driver(steps: Steps) -> HttpResponse:
    """The response when a driver fails at the step that it is at."""
    with pytest.raises(StopIteration) as ended:
        steps.throw(RuntimeError("the driver failed"))
    response: HttpResponse = ended.value.value
    return response


# --- mockmoov itself fails ----------------------------------------------------------------------------


def test_internal_error_is_a_500_in_log_and_journal(caplog: pytest.LogCaptureFixture) -> None:
    server = broken(BrokenRepository)
    form = {"grant_type": "client_credentials", "scope": "/ping.read"}
    response = ask(create_app(server, exposure="process"), "POST", "/oauth2/token", data=form, auth=AUTH)
    assert (response.status_code, response.content) == (500, b"")
    assert "traceback" in response.headers["x-mockmoov-reason"]
    (exchange,) = server.simulation.journal().exchanges
    assert (exchange.status, exchange.endpoint, exchange.client_id) == (500, "token", CLIENT_ID)
    assert exchange.reason == response.headers["x-mockmoov-reason"]
    (record,) = [item for item in caplog.records if item.levelno == logging.ERROR]
    assert response.headers["x-request-id"] in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_journal_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    status, headers, _ = sender(broken(simulation=BrokenJournal))("GET", "/ping", [basic()], b"")
    assert status == 500
    assert headers["x-request-id"] in caplog.text
    assert "missing from the journal" in caplog.text


def test_driver_that_fails_is_a_500_with_date_and_path() -> None:
    server = new_server()
    steps = server.respond(RequestContext(HttpRequest(method="POST", path="/oauth2/token")))
    assert isinstance(next(steps), ReadBody)
    response = fail_driver(steps)
    assert response.status == 500
    assert "1970" not in dict(response.headers)["date"]
    (exchange,) = server.simulation.journal().exchanges
    assert (exchange.path, exchange.at, exchange.status) == ("/oauth2/token", NOW, 500)


def test_control_plane_that_fails_is_a_500_with_an_id(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ControlRequest, "allow_members", None)
    headers = {"content-type": ("application/json",)}
    request = HttpRequest(method="POST", path="/_mockmoov/clock/resume", headers=headers)
    response = Desk().control.handle(request)
    answered = dict(response.headers)
    assert (response.status, response.body) == (500, b"")
    assert answered["x-request-id"] in caplog.text
    assert "x-mockmoov-extension" in answered


def test_gateway_that_fails_is_a_500(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError("broken on purpose")

    monkeypatch.setattr(gateway.UpstreamCall, "forward", fail)
    app = create_app(new_server(upstream="http://localhost:1"), exposure="process")
    assert ask(app, "GET", "/accounts", auth=AUTH).status_code == 500
    assert "ZeroDivisionError" in caplog.text


def test_500_has_no_body_of_the_upstream() -> None:
    with recording() as upstream:
        server = broken(simulation=BrokenJournal, upstream=upstream.url)
        response = ask(create_app(server, exposure="process"), "GET", "/accounts", auth=AUTH)
    assert (response.status_code, response.content) == (500, b"")


def test_500_has_no_body_of_a_guarded_application() -> None:
    async def own(request: Request) -> Response:
        await requires("/ping.read")(request)
        return PlainTextResponse("own")

    class Handle:
        server = broken(simulation=BrokenJournal)

    guard = Middleware(Guard, moov=cast("MockMoov", Handle))
    response = ask(Starlette(routes=[Route("/own", own)], middleware=[guard]), "GET", "/own", auth=AUTH)
    assert (response.status_code, response.content) == (500, b"")


# --- drivers ------------------------------------------------------------------------------------------


def test_nothing_is_forwarded_inside_the_process() -> None:
    send = sender(new_server(upstream="http://localhost:1"))
    status, headers, _ = send("GET", "/accounts", [basic()], b"")
    assert (status, headers["x-mockmoov-reason"]) == (502, "nothing is forwarded inside the process")


def test_client_may_leave_before_the_upstream_answers() -> None:
    server = new_server(upstream="http://localhost:1")
    name, value = basic()
    request = HttpRequest(method="GET", path="/accounts", headers={name: (value,)})
    assert run_in_process(server.respond(RequestContext(request)), forward=lambda _: None) is None
    (exchange,) = server.simulation.journal().exchanges
    assert (exchange.status, exchange.reason) == (None, "the client left before the upstream answered")


def test_wait_notified_before_it_began_ends_at_once() -> None:
    watch = new_server().simulation.watch(None, Query(), 1)
    watch.is_notified = True

    def steps() -> Steps:
        step = WaitForExchanges(watch, 60)
        yield step
        return HttpResponse(status=200 if step.seconds > 0 else 504)

    async def receive() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    scope = {"method": "GET", "path": "/", "scheme": "http", "query_string": b"", "headers": []}
    client = ClientConnection(scope, receive)
    response = asyncio.run(asyncio.wait_for(run_steps(steps(), client), 10))
    assert response is not None
    assert response.status == 200


def test_interrupted_driver_closes_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()

    def interrupt(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("threading.Event.wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        desk.control.handle(HttpRequest(method="GET", path="/_mockmoov/exchanges/wait", query=b"status=418"))
    journal = cast("MemoryJournal", desk.server.repository._store.journal)
    assert journal._open == 0


def test_secret_is_redacted_though_its_key_is_deleted_meanwhile() -> None:
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


def test_error_of_a_driver_comes_back_to_the_steps() -> None:
    def steps() -> Steps:
        try:
            yield Forward(headers=())
        except StoreError as error:
            return HttpResponse(status=503, body=str(error).encode())
        return None

    def fail(_: Forward) -> None:
        raise StoreError("the disk is full")

    response = run_in_process(steps(), forward=fail)
    assert response is not None
    assert (response.status, response.body) == (503, b"the disk is full")
