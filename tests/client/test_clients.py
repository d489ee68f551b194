"""The two clients: the same results, whose connections they use, and what they leave out of requests."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from mockmoov.client import AsyncTokenClient, ProtocolError, Retry, ServerError, Token, TokenClient
from mockmoov.client.responses import MAX_BODY

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET = "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-"
GOOD = {
    "access_token": "access-abc",
    "refresh_token": "refresh-def",
    "token_type": "Bearer",
    "scope": "/ping.read",
    "expires_in": 3600,
}
Handler = Callable[[httpx2.Request], httpx2.Response]


def good(request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, json=GOOD) if request.url.path == "/oauth2/token" else httpx2.Response(204)


def sync_calls(transport: httpx2.MockTransport, **options: Any) -> tuple[Token, Token]:
    with TokenClient(transport=transport, **options) as moov:
        pair = moov.create("/ping.read"), moov.refresh("refresh-abc")
        moov.revoke(pair[1])
        return pair


def async_calls(transport: httpx2.MockTransport, **options: Any) -> tuple[Token, Token]:
    async def calls() -> tuple[Token, Token]:
        async with AsyncTokenClient(transport=transport, **options) as moov:
            pair = await moov.create("/ping.read"), await moov.refresh("refresh-abc")
            await moov.revoke(pair[1])
            return pair

    return asyncio.run(calls())


both = pytest.mark.parametrize("calls", [sync_calls, async_calls])


def options(**more: Any) -> dict[str, Any]:
    return {"client_id": "key", "client_secret": SECRET, "clock": lambda: NOW, **more}


@both
def test_the_three_operations_go_to_their_paths(calls: Callable[..., tuple[Token, Token]]) -> None:
    seen: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.url.path)
        return good(request)

    created, refreshed = calls(httpx2.MockTransport(handler), **options())
    assert seen == ["/oauth2/token", "/oauth2/token", "/oauth2/revoke"]
    assert created == refreshed
    assert created.expires_at == NOW + timedelta(hours=1)


@both
def test_waits_use_the_sleep_of_the_policy(calls: Callable[..., tuple[Token, Token]]) -> None:
    slept: list[float] = []
    answers = [httpx2.Response(429, headers={"retry-after": "7"})]

    async def async_sleep(seconds: float) -> None:
        slept.append(seconds)

    def handler(request: httpx2.Request) -> httpx2.Response:
        return answers.pop() if answers else good(request)

    retry = Retry(sleep=slept.append, async_sleep=async_sleep)
    calls(httpx2.MockTransport(handler), **options(retry=retry))
    assert slept == [7.0]


class Endless(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body without an end that counts what was taken from it."""

    def __init__(self) -> None:
        self.taken = 0
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.taken += 1024
            yield b" " * 1024

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


@both
def test_of_an_endless_body_no_more_than_the_limit_is_read(calls: Callable[..., Any]) -> None:
    body = Endless()
    with pytest.raises(ProtocolError, match="longer than"):
        calls(httpx2.MockTransport(lambda _: httpx2.Response(200, stream=body)), **options())
    assert body.taken <= MAX_BODY + 1024
    assert body.closed


@both
def test_an_endless_error_is_still_that_error(calls: Callable[..., Any]) -> None:
    with pytest.raises(ServerError):
        calls(httpx2.MockTransport(lambda _: httpx2.Response(502, stream=Endless())), **options())


@both
def test_a_failure_of_the_network_reaches_the_caller_as_a_moov_error(calls: Callable[..., Any]) -> None:
    def handler(_request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    with pytest.raises(Exception, match="ConnectError: refused") as caught:
        calls(httpx2.MockTransport(handler), **options())
    assert SECRET not in repr(caught.value)


def test_redirects_are_not_followed_even_where_the_http_client_follows_them() -> None:
    hosts: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        hosts.append(request.url.host)
        return httpx2.Response(307, headers={"location": "https://elsewhere.test/"})

    with httpx2.Client(transport=httpx2.MockTransport(handler), follow_redirects=True) as http:
        moov = TokenClient(http_client=http, client_auth="body", **options())
        with pytest.raises(ProtocolError, match="307"):
            moov.create("/ping.read")
    assert hosts == ["api.moov.io"]


def test_the_http_clients_own_auth_headers_and_cookies_are_left_out() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        assert "x-own" not in request.headers
        assert "cookie" not in request.headers
        assert "b3RoZXI6b3RoZXI=" not in request.headers["authorization"]
        return good(request)

    transport = httpx2.MockTransport(handler)
    own: dict[str, Any] = {"auth": ("other", "other"), "headers": {"x-own": "y"}, "cookies": {"a": "b"}}
    with httpx2.Client(transport=transport, **own) as http:
        TokenClient(http_client=http, **options()).create("/ping.read")


def test_a_given_http_client_is_left_open() -> None:
    with httpx2.Client(transport=httpx2.MockTransport(good)) as http:
        with TokenClient(http_client=http, **options()) as moov:
            moov.create("/ping.read")
        assert not http.is_closed


def test_a_given_async_http_client_is_left_open() -> None:
    async def left_open() -> bool:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(good)) as http:
            async with AsyncTokenClient(http_client=http, **options()) as moov:
                await moov.create("/ping.read")
            return not http.is_closed

    assert asyncio.run(left_open())


def test_its_own_connections_are_closed() -> None:
    moov = TokenClient(transport=httpx2.MockTransport(good), **options())
    moov.close()
    with pytest.raises(RuntimeError, match="closed"):
        moov.create("/ping.read")


@pytest.mark.parametrize("kind", [TokenClient, AsyncTokenClient])
def test_an_http_client_and_a_transport_exclude_each_other(kind: type[Any]) -> None:
    with pytest.raises(ValueError, match="not both"):
        kind(http_client=object(), transport=object(), **options())


@pytest.mark.parametrize("kind", [TokenClient, AsyncTokenClient])
def test_a_repr_names_the_server_and_the_key_and_hides_the_secret(kind: type[Any]) -> None:
    moov = kind("http://127.0.0.1:8080", transport=httpx2.MockTransport(good), **options())
    assert repr(moov) == f"{kind.__name__}('http://127.0.0.1:8080', client_id='key')"


def test_without_a_clock_the_wall_clock_counts() -> None:
    before = datetime.now(UTC)
    with TokenClient(client_id="key", client_secret=SECRET, transport=httpx2.MockTransport(good)) as moov:
        token = moov.create("/ping.read")
    assert timedelta(0) <= token.expires_at - before - timedelta(hours=1) < timedelta(minutes=5)
