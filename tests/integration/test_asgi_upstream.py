"""An application in place of an upstream, behind a server on a real socket."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Annotated, Any, NoReturn

import httpx2
import pytest
from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from mockmoov.testing import MockMoov, SettingsError
from tests.support.asgi import ask
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, bearer

KEY = (CLIENT_ID, CLIENT_SECRET)
FIVE_MB = b"0123456789" * 500_000
CARDS, WALLETS = "/accounts/{accountID}/cards", "/accounts/{accountID}/wallets"
_seen: ContextVar[str] = ContextVar("seen", default="nothing")


class Fake:
    """A fake of accounts, and what happened to it."""

    def __init__(self) -> None:
        self.lifespan: list[str] = []
        self.left = threading.Event()
        self.together = asyncio.Barrier(50)
        self.app = FastAPI(lifespan=self.run)
        self.app.get(CARDS)(self.cards)
        self.app.post(CARDS)(self.upload)
        self.app.get(WALLETS)(self.endless)
        self.app.post("/accounts")(self.refuse)
        self.app.get("/accounts")(self.meet)
        self.app.get("/event-types")(self.context)

    @asynccontextmanager
    async def run(self, _app: FastAPI) -> AsyncIterator[dict[str, str]]:
        self.lifespan.append("started")
        yield {"database": "open"}
        self.lifespan.append("stopped")

    async def cards(
        self, request: Request, x_mockmoov_account_id: Annotated[str, Header()]
    ) -> dict[str, str]:
        return {"account": x_mockmoov_account_id, "database": request.state.database}

    async def upload(self, request: Request) -> StreamingResponse:
        body = await request.body()
        return StreamingResponse(iter([body[:1000], body[1000:]]))

    async def endless(self) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"and so on "
                    await asyncio.sleep(0.001)
            finally:
                self.left.set()

        return StreamingResponse(pieces())

    async def refuse(self) -> JSONResponse:
        return JSONResponse({"error": "too large"}, status_code=413)

    async def meet(self) -> str:
        await self.together.wait()
        return "all are here"

    async def context(self, who: str) -> str:
        before = _seen.get()
        _seen.set(who)
        return before


@pytest.fixture(scope="module")
def fake() -> Fake:
    return Fake()


@pytest.fixture(scope="module")
def moov(fake: Fake) -> Iterator[MockMoov]:
    with MockMoov(upstream=fake.app) as moov:
        yield moov


@pytest.fixture
def http(moov: MockMoov) -> Iterator[httpx2.Client]:
    moov.reset()
    with httpx2.Client(base_url=moov.url, auth=KEY, trust_env=False, timeout=20) as client:
        yield client


def path(moov: MockMoov, template: str) -> str:
    return template.replace("{accountID}", moov.api_keys.get(CLIENT_ID).account_id)


# --- requests -----------------------------------------------------------------------------------


def test_application_answers_only_sufficient_requests(moov: MockMoov) -> None:
    key = moov.new_api_key()
    target = f"{moov.url}/accounts/{key.account_id}/cards"

    def get(token: str) -> httpx2.Response:
        return httpx2.get(target, headers=[bearer(token)], trust_env=False)

    response = get(key.mint("/accounts/{accountID}/cards.read"))
    assert (response.status_code, response.json()) == (
        200,
        {"account": key.account_id, "database": "open"},
    )
    assert get(key.mint("/ping.read")).status_code == 403
    assert get("none").status_code == 401
    key.faults.add("unavailable", endpoint="listCards")
    assert get(key.mint("/accounts/{accountID}/cards.read")).status_code == 503
    assert [exchange.status for exchange in key.exchanges()] == [200, 403, 503]


def test_bodies_of_five_megabytes_pass_both_ways(moov: MockMoov, http: httpx2.Client) -> None:
    target = path(moov, CARDS)
    assert http.post(target, content=FIVE_MB).content == FIVE_MB
    pieces = (FIVE_MB[start : start + 70_000] for start in range(0, len(FIVE_MB), 70_000))
    assert http.post(target, content=pieces).content == FIVE_MB


def test_application_may_answer_before_reading_the_body(http: httpx2.Client) -> None:
    for _ in range(2):
        response = http.post("/accounts", content=FIVE_MB)
        assert (response.status_code, response.json()) == (413, {"error": "too large"})


def test_endless_response_ends_when_its_client_leaves(
    moov: MockMoov, fake: Fake, http: httpx2.Client
) -> None:
    with http.stream("GET", path(moov, WALLETS)) as response:
        pieces = response.iter_raw()
        assert next(pieces).startswith(b"and so on")
        assert not fake.left.is_set()
    assert fake.left.wait(10)


def test_fifty_requests_are_answered_at_the_same_time(http: httpx2.Client) -> None:
    with ThreadPoolExecutor(50) as pool:
        responses = list(pool.map(lambda _: http.get("/accounts"), range(50)))
    assert [response.json() for response in responses] == ["all are here"] * 50


def test_context_of_one_request_is_not_that_of_the_next(http: httpx2.Client) -> None:
    assert [http.get(f"/event-types?who={who}").json() for who in "ab"] == ["nothing", "nothing"]


def test_websocket_is_refused(moov: MockMoov, http: httpx2.Client) -> None:
    fields = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    response = http.get(path(moov, CARDS), headers={**fields, "sec-websocket-key": "dGhlIHNhbXBsZQ=="})
    assert response.status_code == 501


def test_response_that_breaks_off_is_cut() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await receive()
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            raise ValueError

    with MockMoov(upstream=app) as moov:
        for content in (b"", FIVE_MB):
            with pytest.raises(httpx2.TransportError):
                httpx2.post(f"{moov.url}/accounts", auth=KEY, content=content, trust_env=False)
        assert [exchange.status for exchange in moov.exchanges()] == [200, 200]


@pytest.mark.slow
def test_slow_application_is_504_and_may_finish() -> None:
    finished = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            while (await receive())["type"] != "http.disconnect":
                pass
            finished.set()

    with MockMoov(upstream=app, upstream_timeout=1) as moov:
        response = httpx2.get(f"{moov.url}/accounts", auth=KEY, trust_env=False)
        assert response.status_code == 504
        assert response.headers["x-mockmoov-reason"] == "the upstream did not answer in 1 s"
        assert finished.wait(10)


# --- the lifespan -------------------------------------------------------------------------------


def server_threads() -> int:
    return [thread.name for thread in threading.enumerate()].count("mockmoov")


def test_lifespan_runs_from_the_start_to_the_stop() -> None:
    fake = Fake()
    with MockMoov(upstream=fake.app) as moov:
        assert fake.lifespan == ["started"]
        response = ask(moov.app, "GET", path(moov, CARDS), auth=KEY)
        assert response.json()["database"] == "open"
        assert moov.config["upstream"] == {
            "value": "application fastapi.applications.FastAPI",
            "source": "MockMoov: upstream",
        }
    assert fake.lifespan == ["started", "stopped"]
    moov.stop()
    assert fake.lifespan == ["started", "stopped"]


def test_failed_start_of_an_application_leaves_nothing_behind() -> None:
    def broken(_app: FastAPI) -> NoReturn:
        raise ValueError("no database")

    with MockMoov() as moov:
        port = int(moov.url.rpartition(":")[2])
    before = server_threads()
    message = r"^upstream: the application fastapi\.\S+ did not start: ValueError: no database$"
    with pytest.raises(SettingsError, match=message):
        MockMoov(upstream=FastAPI(lifespan=broken), port=port, tls=True)
    assert server_threads() == before
    with MockMoov(port=port):
        pass


def test_applications_that_ignore_the_scope_type_work() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive()).get("body", b"")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"yes")]})
        await send({"type": "http.response.body", "body": body})

    with MockMoov(upstream=app) as moov:
        response = httpx2.post(f"{moov.url}/accounts", auth=KEY, content=b"abc", trust_env=False)
    assert (response.status_code, response.content, response.headers["x-own"]) == (200, b"abc", "yes")


@pytest.mark.slow
def test_start_that_ignores_its_cancellation_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    release, before = threading.Event(), set(threading.enumerate())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    with pytest.raises(SettingsError, match=r"did not start: it took longer than 1 s$"):
        MockMoov(upstream=app, upstream_timeout=1)
    assert "a thread of mockmoov goes on: the upstream application doesn't end" in caplog.text
    (thread,) = set(threading.enumerate()) - before
    release.set()
    thread.join(10)
    assert not thread.is_alive()
