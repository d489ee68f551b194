"""MoovAuth under many calls at once: threads and tasks, one token request however many need it."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Barrier, Thread
from typing import Any

import httpx2
import pytest

from mockmoov.client import MoovAuth
from tests.client.moov_stub import API, SECRET, Clock, Moov

CROWD = 100


def crowd(http: httpx2.Client) -> list[int]:
    """The statuses of 100 calls that start together, on as many threads."""
    start = Barrier(CROWD)

    def call(_: int) -> int:
        start.wait()
        return http.get("/ping").status_code

    with ThreadPoolExecutor(CROWD) as pool:
        return list(pool.map(call, range(CROWD)))


def test_100_threads_across_an_expiry_make_one_token_request() -> None:
    moov = Moov()
    with moov.http() as http:
        http.get("/ping")
        moov.clock.shift(3600)
        assert crowd(http) == [200] * CROWD
    assert len(moov.mints) == 2
    assert moov.bearers[1:] == ["Bearer access-2"] * CROWD


def test_100_threads_refused_with_one_token_make_one_token_request() -> None:
    moov = Moov()
    moov.revoked = {"Bearer access-1"}
    all_refused = Barrier(CROWD)

    def handler(request: httpx2.Request) -> httpx2.Response:
        response = moov(request)
        if response.status_code == 401:
            all_refused.wait()
        return response

    with httpx2.Client(base_url=API, auth=moov.auth(), transport=httpx2.MockTransport(handler)) as http:
        assert crowd(http) == [200] * CROWD
    assert len(moov.mints) == 2


AsyncHandler = Callable[[httpx2.Request], Coroutine[None, None, httpx2.Response]]


async def gather(auth: MoovAuth, handler: AsyncHandler, calls: int = CROWD) -> list[int]:
    """The statuses of many calls that run at once, as tasks."""
    async with httpx2.AsyncClient(base_url=API, auth=auth, transport=httpx2.MockTransport(handler)) as http:
        responses = await asyncio.gather(*(http.get("/ping") for _ in range(calls)))
    return [response.status_code for response in responses]


def slow(moov: Moov) -> AsyncHandler:
    """The server, letting every other task run before it answers."""

    async def handler(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)
        return moov(request)

    return handler


def async_auth(moov: Moov, handler: AsyncHandler, **options: Any) -> MoovAuth:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))
    return moov.auth(http_client=http, **options)


def test_100_tasks_across_an_expiry_make_one_token_request() -> None:
    moov = Moov()

    async def calls() -> list[int]:
        auth = async_auth(moov, slow(moov))
        await gather(auth, slow(moov), calls=1)
        moov.clock.shift(3600)
        return await gather(auth, slow(moov))

    assert asyncio.run(calls()) == [200] * CROWD
    assert len(moov.mints) == 2
    assert moov.bearers[1:] == ["Bearer access-2"] * CROWD


def test_100_tasks_refused_with_one_token_make_one_token_request() -> None:
    moov = Moov()
    moov.revoked = {"Bearer access-1"}

    async def calls() -> list[int]:
        all_refused = asyncio.Barrier(CROWD)

        async def handler(request: httpx2.Request) -> httpx2.Response:
            response = moov(request)
            if response.status_code == 401:
                await all_refused.wait()
            return response

        return await gather(async_auth(moov, slow(moov)), handler)

    assert asyncio.run(calls()) == [200] * CROWD
    assert len(moov.mints) == 2


def test_one_instance_serves_one_event_loop_after_another() -> None:
    moov = Moov()
    auth = async_auth(moov, slow(moov))
    for _ in range(3):
        assert asyncio.run(gather(auth, slow(moov), calls=10)) == [200] * 10
        moov.clock.shift(3600)
    assert len(moov.mints) == 3
    assert len(auth._async_locks) == 1


def test_a_cancelled_call_does_not_keep_others_from_getting_a_token() -> None:
    moov = Moov()

    async def calls() -> list[int]:
        asked = asyncio.Event()

        async def hanging_once(request: httpx2.Request) -> httpx2.Response:
            if not asked.is_set():
                asked.set()
                await asyncio.Event().wait()
            return moov(request)

        auth = async_auth(moov, hanging_once)
        first = asyncio.create_task(gather(auth, slow(moov), calls=1))
        await asked.wait()
        others = asyncio.create_task(gather(auth, slow(moov), calls=10))
        await asyncio.sleep(0)
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        return await others

    assert asyncio.run(calls()) == [200] * 10
    assert len(moov.mints) == 1


def test_tasks_leave_other_origins_alone() -> None:
    moov = Moov()

    async def call() -> None:
        auth = async_auth(moov, slow(moov))
        async with httpx2.AsyncClient(auth=auth, transport=httpx2.MockTransport(slow(moov))) as http:
            await http.get("https://elsewhere.test/")

    asyncio.run(call())
    assert (moov.mints, moov.bearers) == ([], [None])


@pytest.fixture
def server() -> Iterator[str]:
    """A real server on a real socket that gives one token and tells what bearer it saw."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self._answer(
                {
                    "access_token": "access-1",
                    "refresh_token": "refresh-1",
                    "token_type": "Bearer",
                    "scope": "/ping.read",
                    "expires_in": 3600,
                }
            )

        def do_GET(self) -> None:
            self._answer({"authorization": self.headers["authorization"]})

        def _answer(self, value: object) -> None:
            content = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_one_instance_serves_both_kinds_of_client_over_its_own_connections(server: str) -> None:
    clock = Clock()
    auth = MoovAuth(server, client_id="key", client_secret=SECRET, scope="/ping.read", clock=clock)

    async def call() -> Any:
        async with httpx2.AsyncClient(auth=auth) as http:
            return (await http.get(server)).json()

    expected = {"authorization": "Bearer access-1"}
    assert asyncio.run(call()) == expected
    clock.shift(3600)
    with httpx2.Client(auth=auth) as http:
        assert http.get(server).json() == expected


def test_an_http_client_of_the_other_kind_is_refused_with_a_type_error() -> None:
    moov = Moov()
    with moov.http(async_auth(moov, slow(moov))) as http, pytest.raises(TypeError, match="needs Client"):
        http.get("/ping")
    with pytest.raises(TypeError, match="needs AsyncClient"):
        asyncio.run(gather(moov.auth(), slow(moov), calls=1))
