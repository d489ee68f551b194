"""An application in place of an upstream, in process: what it receives, and what becomes of its answers."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpcore2
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mockmoov.config.application import Application
from mockmoov.config.settings import SettingsError
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.simulation.faults import Fault
from mockmoov.web.app import create_app
from mockmoov.web.asgi_io import ClientLeftError
from mockmoov.web.asgi_upstream import ApplicationError, AsgiUpstream
from tests.support.asgi import ask, ask_all
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, new_server

ACCOUNT = str(EXAMPLE["account_id"])
CARDS = f"/accounts/{ACCOUNT}/cards"
KEY = (CLIENT_ID, CLIENT_SECRET)
START: Message = {"type": "http.response.start", "status": 200}
LEFT = {"type": "http.disconnect"}
PIECE = b"x" * 65536


async def turns() -> None:
    """Give every other task time to go on for as long as it can."""
    for _ in range(50):
        await asyncio.sleep(0)


def part(body: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


def start(status: Any = 200, *headers: tuple[Any, Any]) -> Message:
    return {**START, "status": status, "headers": headers}


def sending(*steps: Message | BaseException) -> ASGIApp:
    """An application that sends these messages; exceptions it raises."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for step in steps:
            if isinstance(step, BaseException):
                raise step
            await send(step)

    return app


def behind(app: ASGIApp) -> ASGIApp:
    """The application behind the guard of a server."""
    return create_app(new_server(upstream=app), exposure="process")


def get(app: ASGIApp, method: str = "GET", target: str = CARDS, **options: Any) -> httpx2.Response:
    return ask(behind(app), method, target, auth=KEY, **options)


# --- what it receives ---------------------------------------------------------------------------------


def test_application_gets_the_request_as_it_came() -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await PlainTextResponse("hello")(scope, receive, send)

    target = f"{CARDS}/a%20b?q=%2e&q=2"
    headers = {"x-mockmoov-scopes": "forged", "x-kept": "yes", "host": "moov.test:81"}
    response = get(app, target=target, headers=headers)
    assert (response.status_code, response.text) == (200, "hello")
    (scope,) = scopes
    assert (scope["path"], scope["raw_path"]) == (f"{CARDS}/a b", f"{CARDS}/a%20b".encode())
    assert (scope["query_string"], scope["method"], scope["root_path"]) == (b"q=%2e&q=2", "GET", "")
    received = dict(scope["headers"])
    assert (received[b"host"], received[b"x-kept"], received[b"via"]) == (
        b"moov.test:81",
        b"yes",
        b"1.1 mockmoov",
    )
    assert received[b"x-mockmoov-scopes"] == b"*"
    assert received[b"x-request-id"].decode() == response.headers["x-request-id"]
    assert str(Request(scope).base_url) == "http://moov.test:81/"


def test_insufficient_request_never_reaches_it() -> None:
    app = behind(sending(AssertionError()))
    assert ask(app, "GET", CARDS).status_code == 401
    assert ask(app, "GET", f"{CARDS}/%2e%2e", auth=KEY).status_code == 404
    key = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert ask(app, "GET", CARDS, auth=KEY, headers=key).status_code == 501


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(await Request(scope, receive).body())(scope, receive, send)


async def echo_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    more = True
    while more:
        message = await receive()
        more = message["more_body"]
        await send(part(message["body"], more=more))


def test_whole_body_reaches_it_even_while_it_answers() -> None:
    body = PIECE * 20
    for app in (echo, echo_at_once):
        assert get(app, "POST", content=body).content == body
        assert get(app, "POST").content == b""


def test_a_cancelled_receive_loses_nothing() -> None:
    cancelled = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        receiving = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        receiving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiving
        cancelled.set()
        await echo(scope, receive, send)

    async def body() -> AsyncIterator[bytes]:
        await cancelled.wait()
        yield b"abc"

    assert exchanged(app, body()) == b"abc"


# --- what it answers ----------------------------------------------------------------------------------

RULES_OF_THE_GATEWAY = "the upstream sent an invalid status or header"
INVALID = "the upstream application sent an invalid status or header"
WRONG: dict[str, tuple[list[Message | BaseException], str]] = {
    "raises": ([ValueError("very-secret")], "the upstream application raised ValueError: see the log"),
    "is interrupted": (
        [KeyboardInterrupt()],
        "the upstream application raised KeyboardInterrupt: see the log",
    ),
    "exits": ([SystemExit(1)], "the upstream application raised SystemExit: see the log"),
    "is cancelled": ([asyncio.CancelledError()], "the upstream application was cancelled"),
    "no answer": ([], "the upstream application returned before its response was complete"),
    "no start": (
        [part()],
        "the upstream application sent http.response.body in place of http.response.start",
    ),
    "no type": ([{}], "the upstream application raised KeyError: see the log"),
    "no status": ([{"type": START["type"]}], "the upstream application raised KeyError: see the log"),
    "text for a status": ([start("200")], INVALID),
    "status 101": ([start(101)], RULES_OF_THE_GATEWAY),
    "status 999": ([start(999)], RULES_OF_THE_GATEWAY),
    "text for a name": ([start(200, ("a", b"b"))], INVALID),
    "text for a value": ([start(200, (b"a", "b"))], INVALID),
    "no name": ([start(200, (b"", b"b"))], INVALID),
    "line in a name": ([start(200, (b"a\r\nb", b"b"))], INVALID),
    "line in a value": ([start(200, (b"a", b"b\r\nc"))], RULES_OF_THE_GATEWAY),
    "odd length": ([start(200, (b"Content-Length", b"+1"))], INVALID),
    "two lengths": ([start(200, *[(b"content-length", b"1")] * 2)], INVALID),
}


def test_application_that_gives_no_answer_is_502() -> None:
    for name, (steps, reason) in WRONG.items():
        response = get(sending(*steps))
        assert (response.status_code, response.content) == (502, b""), name
        assert response.headers["x-mockmoov-reason"] == reason, name


def test_traceback_of_an_application_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    get(sending(ValueError("broken on purpose")))
    assert (
        "the upstream application tests.unit.web.test_asgi_upstream.sending.<locals>.app raised"
        in caplog.text
    )
    assert "ValueError: broken on purpose" in caplog.text
    assert {record.name for record in caplog.records} == {"mockmoov"}


def test_complete_response_is_sent_though_it_raises_later(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_request: Request) -> Response:
        raise ZeroDivisionError

    response = get(Starlette(routes=[Route(CARDS, broken)]))  # its middleware answers, and raises again
    assert (response.status_code, response.text) == (500, "Internal Server Error")
    assert "ZeroDivisionError" in caplog.text
    assert get(sending(START, part(b"a"), part(b"b"))).text == "a"
    assert "sent http.response.body after the end of its response" in caplog.text


LENGTH = start(200, (b"Content-Length", b"3"))
CUT: dict[str, list[Message | BaseException]] = {
    "raises": [START, part(b"a", more=True), ValueError()],
    "returns": [START, part(b"a", more=True)],
    "starts again": [START, part(b"a", more=True), START],
    "sends too little": [LENGTH, part(b"a")],
    "sends too much": [LENGTH, part(b"abcd")],
    "sends text": [START, {**part(), "body": "text"}],
}


def test_response_that_breaks_off_is_cut() -> None:
    for name, steps in CUT.items():
        with pytest.raises(ConnectionResetError, match="the upstream broke off"):
            pytest.fail(f"{name}: {get(sending(*steps))}")


def test_response_keeps_its_length_and_headers() -> None:
    response = get(
        sending(start(200, (b"Content-Length", b"3"), (b"Date", b"own")), part(b"ab", more=True), part(b"c"))
    )
    assert (response.text, response.headers["content-length"]) == ("abc", "3")
    assert response.headers["date"] != "own"


def test_some_responses_have_no_body() -> None:
    hello = sending(LENGTH, part(b"abc"))
    response = get(hello, "HEAD")
    assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", "3")
    for status in (204, 304):
        response = get(sending(start(status, (b"content-length", b"3")), part(b"abc", more=True), part()))
        assert (response.status_code, response.content) == (status, b"")


def test_planned_fault_alters_its_answer() -> None:
    server = new_server(
        upstream=sending(start(200, (b"content-type", b"application/json")), part(b'{"a":1}'))
    )
    server.simulation.faults.add(None, Fault(id="planned", set={"b": 2}))
    response = ask(create_app(server, exposure="process"), "GET", CARDS, auth=KEY)
    assert response.json() == {"a": 1, "b": 2}


# --- streams, and clients that leave ------------------------------------------------------------------


def request(body: AsyncIterator[bytes] | None = None, timeout: float = 10) -> httpcore2.Request:
    extensions = {"timeout": {"read": timeout}}
    return httpcore2.Request("POST", "http://localhost/x", content=body, extensions=extensions)


def exchanged(app: ASGIApp, body: AsyncIterator[bytes]) -> bytes:
    """The body of the response to a request with this body."""

    async def go() -> bytes:
        response = await AsgiUpstream(Application(app), 10).handle_async_request(request(body))
        return b"".join([piece async for piece in response.aiter_stream()])

    return asyncio.run(go())


def test_application_waits_for_a_slow_client() -> None:
    sent = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send(START)
        for sent in range(1, 51):
            await send(part(PIECE, more=sent < 50))

    async def go() -> None:
        response = await AsgiUpstream(Application(app), 10).handle_async_request(request())
        await turns()
        assert sent == 1
        assert sum([len(piece) async for piece in response.aiter_stream()]) == 50 * len(PIECE)

    asyncio.run(go())


def test_body_is_not_read_far_ahead() -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(50):
            read += 1
            yield PIECE

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await turns()
        assert read == 1
        await echo(scope, receive, send)

    assert len(exchanged(app, body())) == 50 * len(PIECE)


def test_response_that_stalls_ends_in_a_timeout() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await asyncio.Event().wait()

    async def go() -> None:
        response = await AsgiUpstream(Application(app), 10).handle_async_request(request(timeout=0.01))
        with pytest.raises(TimeoutError):
            await response.aread()

    asyncio.run(go())


class Departure:
    """An application that notes what happens to it once its client has left."""

    def __init__(self, *before: Message) -> None:
        self.before = before
        self.asked, self.over = asyncio.Event(), asyncio.Event()
        self.received: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for message in self.before:
            await send(message)
        self.asked.set()
        while LEFT not in self.received:
            self.received.append(await receive())
        self.received.append(await receive())
        try:
            while True:
                await send(part(more=True))
        finally:
            self.over.set()


def test_application_learns_that_its_client_has_left(caplog: pytest.LogCaptureFixture) -> None:
    async def go(*before: Message) -> None:
        app = Departure(*before)
        asking = asyncio.create_task(AsgiUpstream(Application(app), 10).handle_async_request(request()))
        await app.asked.wait()
        if before:
            await (await asking).aclose()
        else:
            asking.cancel()
        await app.over.wait()
        assert app.received[-2:] == [LEFT, LEFT]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(go())
    asyncio.run(go(START, part(b"a", more=True)))
    assert caplog.text == ""


def test_application_may_answer_a_client_that_has_left() -> None:
    async def go() -> None:
        over = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            asking.cancel()  # so that the application answers before it can learn of it
            await PlainTextResponse("hello")(scope, receive, send)
            over.set()

        asking = asyncio.create_task(AsgiUpstream(Application(app), 10).handle_async_request(request()))
        await over.wait()
        assert asking.cancelled()

    asyncio.run(go())


def test_client_may_leave_within_its_body() -> None:
    async def go(*before: Message) -> None:
        app = Departure(*before)

        async def body() -> AsyncIterator[bytes]:
            yield b"half"
            await app.asked.wait()
            raise ClientLeftError

        with pytest.raises(ClientLeftError):
            await (await AsgiUpstream(Application(app), 10).handle_async_request(request(body()))).aread()
        await app.over.wait()
        assert app.received[-1] == LEFT

    asyncio.run(go())
    asyncio.run(go(START, part(b"a", more=True)))


def test_sender_that_waits_goes_on_when_the_client_leaves() -> None:
    over = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(PIECE, more=True))
        over.append(True)

    async def go() -> None:
        response = await AsgiUpstream(Application(app), 10).handle_async_request(request())
        await turns()
        assert not over
        await response.aclose()
        await turns()

    asyncio.run(go())
    assert over


def test_streaming_response_ends_when_its_client_leaves(caplog: pytest.LogCaptureFixture) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0)

    async def go() -> None:
        upstream = AsgiUpstream(Application(StreamingResponse(endless())), 10)
        response = await upstream.handle_async_request(request())
        stream = response.aiter_stream()
        assert (await anext(stream)).startswith(b"x")
        await stream.aclose()
        await response.aclose()
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)

    asyncio.run(go())
    assert caplog.text == ""


# --- its lifespan -------------------------------------------------------------------------------------


def with_lifespan(events: list[str]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            events.append((await receive())["type"])
            scope["state"]["database"] = "open"
            await send({"type": "lifespan.startup.complete"})
            events.append((await receive())["type"])
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await PlainTextResponse(scope["state"].pop("database", "closed"))(scope, receive, send)

    return app


def test_state_of_the_lifespan_is_in_every_request() -> None:
    events: list[str] = []
    server = new_server(upstream=with_lifespan(events))
    app = create_app(server, exposure="loopback")
    inside = create_app(server, exposure="process")  # a second application, for clients in the process
    gets = [("GET", CARDS, {"auth": KEY})] * 2

    async def go() -> None:
        async with app.router.lifespan_context(app), inside.router.lifespan_context(inside):
            assert events == ["lifespan.startup"]

    asyncio.run(go())
    assert events == ["lifespan.startup", "lifespan.shutdown"]
    for one in (app, inside):
        assert [response.text for response in ask_all(one, gets)] == ["open", "open"]


def test_failed_start_is_a_settings_error() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise ValueError("no database")

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no network"})

    async def exiting(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        sys.exit("no DATABASE_URL")

    async def go(app: ASGIApp) -> None:
        async with AsgiUpstream(Application(app), 10).open():
            pytest.fail("it has started")

    name = "upstream: the application tests.unit.web.test_asgi_upstream.test_failed_start"
    with pytest.raises(SettingsError, match=f"^{name}.* did not start: ValueError: no database$"):
        asyncio.run(go(app))
    with pytest.raises(SettingsError, match=f"^{name}.* did not start: no network$"):
        asyncio.run(go(silent))
    with pytest.raises(SettingsError, match=r"did not start: it raised SystemExit: no DATABASE_URL$"):
        asyncio.run(go(exiting))


def test_unfinished_requests_are_cancelled_at_the_end() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await asyncio.Event().wait()

    async def go() -> None:
        upstream = AsgiUpstream(Application(app), 10)
        async with upstream.open():
            asking = asyncio.create_task(upstream.handle_async_request(request()))
            await asyncio.sleep(0)
        with pytest.raises(ApplicationError, match="the upstream application was cancelled"):
            await asking

    asyncio.run(go())
