"""`MoovAuth`: when a token is requested, cached, renewed and sent, by one call, many threads or tasks."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import httpx2
import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.client import InvalidClientError, MoovAuth, Retry, TokenClient
from mockmoov.client.auth import BEARER_AUTH
from tests.client.moov_stub import API, NOW, Clock, Moov, options
from tests.support.listening import listening
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, new_server


def test_token_is_requested_on_first_use_and_cached() -> None:
    moov = Moov()
    auth = moov.auth()
    with moov.http(auth) as http:
        assert moov.token_requests == []
        assert [http.get("/ping").status_code for _ in range(3)] == [200, 200, 200]
    assert len(moov.token_requests) == 1
    assert moov.bearers == ["Bearer access-1"] * 3
    assert repr(auth) == "MoovAuth('https://api.moov.io', client_id='key', scope='/ping.read')"


@given(st.integers(1, 7200), st.floats(0, 7200), st.floats(0, 7200), st.booleans())
@example(3600, 60, 3540, False)
@example(100, 60, 49, True)
@example(100, 60, 50, True)
def test_token_is_renewed_the_leeway_or_half_its_life_early(
    lifetime: int, leeway: float, wait: float, is_unix_time: bool
) -> None:
    moov = Moov(lifetime=int(NOW.timestamp()) + lifetime if is_unix_time else lifetime)
    with moov.http(moov.auth(leeway=leeway)) as http:
        http.get("/ping")
        moov.clock.shift(wait)
        http.get("/ping")
    is_due = moov.clock.now >= NOW + timedelta(seconds=lifetime - min(leeway, lifetime / 2))
    assert len(moov.token_requests) == (2 if is_due else 1)


def test_token_that_arrives_expired_is_used_once() -> None:
    moov = Moov(lifetime=0)
    with moov.http() as http:
        assert http.get("/ping").status_code == 200
    assert moov.bearers == ["Bearer access-1"]


def test_rejected_call_is_repeated_once_with_a_new_token() -> None:
    moov = Moov()
    moov.revoked = {"Bearer access-1"}
    with moov.http() as http:
        assert http.post("/accounts", json={"a": "b"}).status_code == 200
        assert moov.bearers == ["Bearer access-1", "Bearer access-2"]
        assert [call.content for call in moov.calls] == [b'{"a":"b"}'] * 2
        moov.revoked = {"Bearer access-2", "Bearer access-3"}
        assert http.get("/ping").status_code == 401
    assert len(moov.calls) == 4


class Consuming(httpx2.BaseTransport):
    """Sends a body as the network does: part by part, keeping none."""

    def __init__(self, moov: Moov) -> None:
        self.moov = moov

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        assert isinstance(request.stream, httpx2.SyncByteStream)
        assert b"".join(request.stream) == b"once"
        return self.moov(request)


def test_rejected_stream_is_not_repeated() -> None:
    moov = Moov()
    moov.revoked = {"Bearer access-1"}
    with httpx2.Client(base_url=API, auth=moov.auth(), transport=Consuming(moov)) as http:
        assert http.post("/files", content=iter([b"once"])).status_code == 401
    assert len(moov.calls) == 1


def test_configured_headers_yield_to_those_of_the_call() -> None:
    moov = Moov()
    with moov.http(moov.auth(moov_version="v2024.01.00", origin="http://localhost:3000")) as http:
        http.get("/ping", headers={"Origin": "http://own.test"})
    headers = moov.calls[0].headers
    assert (headers["x-moov-version"], headers["origin"]) == ("v2024.01.00", "http://own.test")
    assert moov.token_requests[0].headers["origin"] == "http://localhost:3000"


def test_only_the_origin_of_the_base_url_gets_a_token() -> None:
    for url in (
        "http://api.moov.io/ping",
        "https://api.moov.io:8443/ping",
        "https://api.moov.io.evil.test/ping",
        "https://evil.test/api.moov.io",
        "https://cards.moov.io/ping",
        "https://api.moov.io@evil.test/",
    ):
        moov = Moov()
        with moov.http(moov.auth(origin="http://localhost:3000")) as http:
            http.get(url)
        assert (url, moov.token_requests) == (url, [])
        assert url.count("@") or not {"authorization", "origin"} & set(moov.calls[0].headers)
    for url in (f"{API}/ping", "https://API.moov.io:443/ping", "/ping"):
        moov = Moov()
        with moov.http() as http:
            http.get(url)
        assert (url, moov.bearers) == (url, ["Bearer access-1"])
    moov = Moov()
    with httpx2.Client(auth=moov.auth(), transport=httpx2.MockTransport(moov)) as http:
        http.get("/ping")  # an address without an origin is left to the transport
    assert (moov.token_requests, moov.bearers) == ([], [None])


def test_call_after_a_failed_token_request_tries_again() -> None:
    moov = Moov(status=401)
    with moov.http() as http:
        with pytest.raises(InvalidClientError):
            http.get("/ping")
        moov.status = 200
        assert http.get("/ping").status_code == 200


def test_token_requests_follow_the_retry_policy() -> None:
    moov, slept = Moov(status=503), list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        moov.status = 200

    with moov.http(moov.auth(retry=Retry(sleep=sleep))) as http:
        assert http.get("/ping").status_code == 200
    assert len(slept) == 1


def test_invalid_options_are_rejected_at_once() -> None:
    invalid: list[dict[str, Any]] = [
        {"leeway": -1}, {"leeway": float("nan")}, {"scope": ""}, {"base_url": "moov"}, {"client_id": ""},
    ]  # fmt: skip
    for members in invalid:
        with pytest.raises(ValueError, match="must be"):
            Moov().auth(**members)


CROWD = 20


def crowd(http: httpx2.Client) -> list[int]:
    """The statuses of calls that start together, each on its own thread."""
    start = Barrier(CROWD)

    def call(_: int) -> int:
        start.wait()
        return http.get("/ping").status_code

    with ThreadPoolExecutor(CROWD) as pool:
        return list(pool.map(call, range(CROWD)))


def test_threads_share_one_token_request() -> None:
    moov, all_rejected = Moov(), Barrier(CROWD)

    def handler(request: httpx2.Request) -> httpx2.Response:
        response = moov(request)
        if response.status_code == 401:
            all_rejected.wait()
        return response

    with httpx2.Client(base_url=API, auth=moov.auth(), transport=httpx2.MockTransport(handler)) as http:
        assert crowd(http) == [200] * CROWD
        moov.clock.shift(3600)
        assert crowd(http) == [200] * CROWD
        moov.revoked = {"Bearer access-2"}
        assert crowd(http) == [200] * CROWD
    assert len(moov.token_requests) == 3
    assert [moov.bearers.count(f"Bearer access-{number}") for number in (1, 2, 3)] == [20, 40, 20]


# --- tasks ------------------------------------------------------------------------------------------

AsyncHandler = Callable[[httpx2.Request], Coroutine[None, None, httpx2.Response]]


async def gather(auth: MoovAuth, handler: AsyncHandler, calls: int = CROWD, url: str = "/ping") -> list[int]:
    """The statuses of calls that run at once, each as a task."""
    async with httpx2.AsyncClient(base_url=API, auth=auth, transport=httpx2.MockTransport(handler)) as http:
        responses = await asyncio.gather(*(http.get(url) for _ in range(calls)))
    return [response.status_code for response in responses]


def slow(moov: Moov) -> AsyncHandler:
    """The server, letting every other task run before it answers."""

    async def handler(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)
        return moov(request)

    return handler


def async_auth(moov: Moov, handler: AsyncHandler | None = None) -> MoovAuth:
    transport = httpx2.MockTransport(handler or slow(moov))
    return moov.auth(http_client=httpx2.AsyncClient(transport=transport))


def test_tasks_share_one_token_request() -> None:
    moov = Moov()

    async def calls() -> list[list[int]]:
        all_rejected = asyncio.Barrier(CROWD)

        async def handler(request: httpx2.Request) -> httpx2.Response:
            response = moov(request)
            if response.status_code == 401:
                await all_rejected.wait()
            return response

        auth = async_auth(moov)
        statuses = [await gather(auth, slow(moov))]
        moov.clock.shift(3600)
        statuses.append(await gather(auth, slow(moov)))
        moov.revoked = {"Bearer access-2"}
        return [*statuses, await gather(auth, handler)]

    assert asyncio.run(calls()) == [[200] * CROWD] * 3
    assert len(moov.token_requests) == 3


def test_one_instance_serves_one_event_loop_after_another() -> None:
    moov = Moov()
    auth = async_auth(moov)
    for _ in range(3):
        assert asyncio.run(gather(auth, slow(moov), calls=10)) == [200] * 10
        moov.clock.shift(3600)
    assert len(moov.token_requests) == 3
    assert len(auth._async_locks) == 1


def test_cancelled_call_does_not_block_the_others() -> None:
    moov = Moov()

    async def calls() -> list[int]:
        requested = asyncio.Event()

        async def hanging_once(request: httpx2.Request) -> httpx2.Response:
            if not requested.is_set():
                requested.set()
                await asyncio.Event().wait()
            return moov(request)

        auth = async_auth(moov, hanging_once)
        first = asyncio.create_task(gather(auth, slow(moov), calls=1))
        await requested.wait()
        others = asyncio.create_task(gather(auth, slow(moov), calls=10))
        await asyncio.sleep(0)
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        return await others

    assert asyncio.run(calls()) == [200] * 10
    assert len(moov.token_requests) == 1


def test_tasks_leave_other_origins_alone() -> None:
    moov = Moov()
    asyncio.run(gather(async_auth(moov), slow(moov), calls=1, url="https://elsewhere.test/"))
    assert (moov.token_requests, moov.bearers) == ([], [None])


def test_http_client_must_match_the_calling_client() -> None:
    moov = Moov()
    with moov.http(async_auth(moov)) as http, pytest.raises(TypeError, match="needs Client"):
        http.get("/ping")
    with pytest.raises(TypeError, match="needs AsyncClient"):
        asyncio.run(gather(moov.auth(), slow(moov), calls=1))


# --- other libraries ----------------------------------------------------------------------------------


def test_other_libraries_get_an_error_that_shows_what_to_use() -> None:
    moov = Moov()
    auth: Any = moov.auth()
    library: Any
    for library in (requests, httpx):  # neither sends anything
        with pytest.raises(TypeError, match=r"^MoovAuth needs an httpx2\.Client") as caught:
            library.get(f"{API}/ping", auth=auth)
        assert str(caught.value).endswith(BEARER_AUTH)
    assert BEARER_AUTH in (Path(__file__).parents[2] / "docs" / "clients.md").read_text()
    assert moov.token_requests == []


@pytest.mark.slow
def test_what_the_error_shows_works_with_other_libraries() -> None:
    library: Any
    with listening(new_server()) as url:
        for library in (requests, httpx):
            with TokenClient(url, client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as client:
                names: dict[str, Any] = {
                    "client": client,
                    "scope": "/ping.read",
                    "UTC": UTC,
                    "datetime": datetime,
                }
                exec(BEARER_AUTH, names)
                auth = names["BearerAuth"]()
                first = library.get(f"{url}/ping", auth=auth)
                token = auth.token
                second = library.get(f"{url}/ping", auth=auth)
                assert (first.status_code, second.status_code, auth.token) == (200, 200, token)


@pytest.mark.slow
def test_one_instance_serves_sync_and_async_clients() -> None:
    clock = Clock()
    key = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}

    async def call() -> int:
        async with httpx2.AsyncClient(auth=auth) as http:
            return (await http.get(f"{url}/ping")).status_code

    with listening(new_server()) as url:
        auth = MoovAuth(url, **options(**key, scope="/ping.read", clock=clock))
        assert asyncio.run(call()) == 200
        clock.shift(3600)
        with httpx2.Client(auth=auth) as http:
            assert http.get(f"{url}/ping").status_code == 200
