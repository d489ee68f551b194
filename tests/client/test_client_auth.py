"""MoovAuth: one token request however many calls need it, renewed in time, sent to one origin only."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Barrier, Thread
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.client import InvalidClientError, MoovAuth, Retry

SECRET = "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-"
API = "https://api.moov.io"
CROWD = 100


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def shift(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Moov:
    """A server that numbers its tokens, takes the ones it has not revoked, and keeps what it was asked."""

    def __init__(self, lifetime: int = 3600, status: int = 200) -> None:
        self.clock = Clock()
        self.lifetime = lifetime
        self.status = status
        self.revoked: set[str] = set()
        self.mints: list[httpx2.Request] = []
        self.calls: list[httpx2.Request] = []
        self.bearers: list[str | None] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path != "/oauth2/token":
            self.calls.append(request)
            self.bearers.append(request.headers.get("authorization"))
            return httpx2.Response(401 if self.bearers[-1] in self.revoked else 200)
        self.mints.append(request)
        token = {
            "access_token": f"access-{len(self.mints)}",
            "refresh_token": f"refresh-{len(self.mints)}",
            "token_type": "Bearer",
            "scope": "/ping.read",
            "expires_in": self.lifetime,
        }
        return httpx2.Response(self.status, json=token if self.status == 200 else None)

    def auth(self, transport: httpx2.BaseTransport | None = None, **options: Any) -> MoovAuth:
        given: dict[str, Any] = {"client_id": "key", "client_secret": SECRET, "scope": "/ping.read"}
        http = httpx2.Client(transport=transport or httpx2.MockTransport(self))
        return MoovAuth(**{**given, "clock": self.clock, "http_client": http, **options})

    def http(self, auth: MoovAuth | None = None, **options: Any) -> httpx2.Client:
        auth = auth or self.auth()
        return httpx2.Client(base_url=API, auth=auth, transport=httpx2.MockTransport(self), **options)


def test_a_token_is_minted_at_first_use_and_kept() -> None:
    moov = Moov()
    with moov.http() as http:
        assert moov.mints == []
        assert [http.get("/ping").status_code for _ in range(3)] == [200, 200, 200]
    assert len(moov.mints) == 1
    assert moov.bearers == ["Bearer access-1"] * 3


@given(
    lifetime=st.integers(1, 7200), leeway=st.floats(0, 7200), when=st.floats(0, 7200), unix_time=st.booleans()
)
def test_a_token_is_renewed_the_leeway_or_half_its_life_early(
    lifetime: int, leeway: float, when: float, unix_time: bool
) -> None:
    start = int(Moov().clock.now.timestamp())
    moov = Moov(lifetime=start + lifetime if unix_time else lifetime)
    with moov.http(moov.auth(leeway=leeway)) as http:
        http.get("/ping")
        moov.clock.shift(when)
        http.get("/ping")
    due = moov.clock.now >= Moov().clock.now + timedelta(seconds=lifetime - min(leeway, lifetime / 2))
    assert len(moov.mints) == (2 if due else 1)


def test_a_token_that_arrives_expired_is_used_for_the_call_that_asked() -> None:
    moov = Moov(lifetime=0)
    with moov.http() as http:
        assert http.get("/ping").status_code == 200
    assert moov.bearers == ["Bearer access-1"]


def test_a_refused_token_is_replaced_and_the_call_repeated_once() -> None:
    moov = Moov()
    moov.revoked = {"Bearer access-1"}
    with moov.http() as http:
        assert http.post("/accounts", json={"a": "b"}).status_code == 200
    assert moov.bearers == ["Bearer access-1", "Bearer access-2"]
    assert [call.content for call in moov.calls] == [b'{"a":"b"}'] * 2


def test_a_call_refused_twice_is_answered_401() -> None:
    moov = Moov()
    moov.revoked = {"Bearer access-1", "Bearer access-2"}
    with moov.http() as http:
        assert http.get("/ping").status_code == 401
    assert len(moov.calls) == 2


class Consuming(httpx2.BaseTransport):
    """Sends a body as the network does: part by part, keeping none."""

    def __init__(self, moov: Moov) -> None:
        self.moov = moov

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        assert isinstance(request.stream, httpx2.SyncByteStream)
        assert b"".join(request.stream) == b"once"
        return self.moov(request)


def test_a_refused_stream_is_not_repeated_for_it_is_gone() -> None:
    moov = Moov()
    moov.revoked = {"Bearer access-1"}
    with httpx2.Client(base_url=API, auth=moov.auth(), transport=Consuming(moov)) as http:
        assert http.post("/files", content=iter([b"once"])).status_code == 401
    assert len(moov.calls) == 1


def test_configured_headers_go_along_unless_the_call_has_its_own() -> None:
    moov = Moov()
    auth = moov.auth(moov_version="v2024.01.00", origin="http://localhost:3000")
    with moov.http(auth) as http:
        http.get("/ping", headers={"Origin": "http://own.test"})
    headers = moov.calls[0].headers
    assert (headers["x-moov-version"], headers["origin"]) == ("v2024.01.00", "http://own.test")
    assert moov.mints[0].headers["origin"] == "http://localhost:3000"


elsewhere = st.sampled_from(
    [
        "http://api.moov.io/ping",
        "https://api.moov.io:8443/ping",
        "https://api.moov.io.evil.test/ping",
        "https://evil.test/api.moov.io",
        "https://cards.moov.io/ping",
        "https://api.moov.io@evil.test/",
    ]
)


@given(elsewhere)
def test_other_origins_get_no_token_and_cause_none(url: str) -> None:
    moov = Moov()
    with moov.http() as http:
        http.get(url)
    assert moov.mints == []
    assert not {"authorization", "origin"} & set(moov.calls[0].headers)


@pytest.mark.parametrize("url", [API + "/ping", "https://API.moov.io:443/ping", "/ping"])
def test_the_same_origin_written_otherwise_gets_a_token(url: str) -> None:
    moov = Moov()
    with moov.http() as http:
        http.get(url)
    assert moov.bearers == ["Bearer access-1"]


def test_an_address_without_an_origin_is_left_to_httpx2() -> None:
    moov = Moov()
    with httpx2.Client(auth=moov.auth()) as http, pytest.raises(httpx2.UnsupportedProtocol):
        http.get("/ping")


def test_failing_to_get_a_token_raises_and_the_next_call_tries_again() -> None:
    moov = Moov(status=401)
    with moov.http() as http:
        with pytest.raises(InvalidClientError):
            http.get("/ping")
        moov.status = 200
        assert http.get("/ping").status_code == 200


def test_token_requests_are_repeated_as_the_policy_says() -> None:
    moov, slept = Moov(status=503), list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        moov.status = 200

    with moov.http(moov.auth(retry=Retry(sleep=sleep))) as http:
        assert http.get("/ping").status_code == 200
    assert len(slept) == 1


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


@pytest.mark.parametrize(
    "options",
    [{"leeway": -1}, {"leeway": float("nan")}, {"scope": ""}, {"base_url": "moov"}, {"client_id": ""}],
)
def test_what_cannot_work_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Moov().auth(**options)


def test_the_repr_names_server_key_and_scope_and_hides_secret_and_token() -> None:
    moov = Moov()
    auth = moov.auth()
    with moov.http(auth) as http:
        http.get("/ping")
    assert repr(auth) == "MoovAuth('https://api.moov.io', client_id='key', scope='/ping.read')"
