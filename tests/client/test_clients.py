"""The two clients: the same results, whose connections they use, and how much of a response they read."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from mockmoov.client import (
    AsyncTokenClient,
    ProtocolError,
    Retry,
    ServerError,
    Token,
    TokenClient,
    TransportError,
)
from mockmoov.client.responses import MAX_BODY
from tests.client.moov_stub import NOW, SECRET, TOKEN, Handler, client, options


def successful(request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, json=TOKEN) if request.url.path == "/oauth2/token" else httpx2.Response(204)


def sync_calls(handler: Handler, **more: Any) -> tuple[Token, Token]:
    with client(handler, **more) as moov:
        pair = moov.create("/ping.read"), moov.refresh("refresh-abc")
        moov.revoke(pair[1])
        return pair


def async_calls(handler: Handler, **more: Any) -> tuple[Token, Token]:
    async def calls() -> tuple[Token, Token]:
        async with AsyncTokenClient(transport=httpx2.MockTransport(handler), **options(**more)) as moov:
            pair = await moov.create("/ping.read"), await moov.refresh("refresh-abc")
            await moov.revoke(pair[1])
            return pair

    return asyncio.run(calls())


both = pytest.mark.parametrize("calls", [sync_calls, async_calls])


@both
def test_operations_go_to_their_paths(calls: Callable[..., tuple[Token, Token]]) -> None:
    paths: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        paths.append(request.url.path)
        return successful(request)

    created, refreshed = calls(handler)
    assert paths == ["/oauth2/token", "/oauth2/token", "/oauth2/revoke"]
    assert created == refreshed
    assert created.expires_at == NOW + timedelta(hours=1)


@both
def test_waits_use_the_sleep_of_the_policy(calls: Callable[..., tuple[Token, Token]]) -> None:
    slept: list[float] = []
    answers = [httpx2.Response(429, headers={"retry-after": "7"})]

    async def async_sleep(seconds: float) -> None:
        slept.append(seconds)

    retry = Retry(sleep=slept.append, async_sleep=async_sleep)
    calls(lambda request: answers.pop() if answers else successful(request), retry=retry)
    assert slept == [7.0]


class Endless(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body without an end that counts what was read from it."""

    def __init__(self) -> None:
        self.read = 0
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.read += 1024
            yield b" " * 1024

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


@both
def test_endless_body_is_read_up_to_the_limit(calls: Callable[..., Any]) -> None:
    body = Endless()
    with pytest.raises(ProtocolError, match="longer than"):
        calls(lambda _: httpx2.Response(200, stream=body))
    assert body.read <= MAX_BODY + 1024
    assert body.closed
    with pytest.raises(ServerError):
        calls(lambda _: httpx2.Response(502, stream=Endless()))


@both
@pytest.mark.parametrize("location", [b"https://elsewhere.test/", b"//.xn--"])
def test_network_failures_and_redirects_are_moov_errors(calls: Callable[..., Any], location: bytes) -> None:
    def fail(_request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    with pytest.raises(TransportError, match="ConnectError: refused") as caught:
        calls(fail)
    assert SECRET not in repr(caught.value)
    with pytest.raises(ProtocolError):
        calls(lambda _: httpx2.Response(302, headers=[(b"location", location)]))


def test_redirects_are_never_followed() -> None:
    hosts: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        hosts.append(request.url.host)
        return httpx2.Response(307, headers={"location": "https://elsewhere.test/"})

    with httpx2.Client(transport=httpx2.MockTransport(handler), follow_redirects=True) as http:
        moov = TokenClient(http_client=http, **options(client_auth="body"))
        with pytest.raises(ProtocolError, match="307"):
            moov.create("/ping.read")
    assert hosts == ["api.moov.io"]


def test_auth_headers_and_cookies_of_http_client_are_not_sent() -> None:
    sent: list[httpx2.Headers] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.headers)
        return successful(request)

    own: dict[str, Any] = {"auth": ("other", "other"), "headers": {"x-own": "y"}, "cookies": {"a": "b"}}
    with httpx2.Client(transport=httpx2.MockTransport(handler), **own) as http:
        TokenClient(http_client=http, **options()).create("/ping.read")
    assert not {"x-own", "cookie"} & set(sent[0])
    assert "b3RoZXI6b3RoZXI=" not in sent[0]["authorization"]


def test_given_http_client_is_left_open() -> None:
    transport = httpx2.MockTransport(successful)

    async def async_is_closed() -> bool:
        async with httpx2.AsyncClient(transport=transport) as http:
            async with AsyncTokenClient(http_client=http, **options()) as moov:
                await moov.create("/ping.read")
            return http.is_closed

    with httpx2.Client(transport=transport) as http:
        with TokenClient(http_client=http, **options()) as moov:
            moov.create("/ping.read")
        assert not http.is_closed
    assert not asyncio.run(async_is_closed())


def test_own_connections_are_closed() -> None:
    moov = client(successful)
    moov.close()
    with pytest.raises(RuntimeError, match="closed"):
        moov.create("/ping.read")


@pytest.mark.parametrize("kind", [TokenClient, AsyncTokenClient])
def test_http_client_excludes_transport_and_repr_hides_secrets(kind: type[Any]) -> None:
    with pytest.raises(ValueError, match="not both"):
        kind(http_client=object(), transport=object(), **options())
    moov = kind("http://127.0.0.1:8080", transport=httpx2.MockTransport(successful), **options())
    assert repr(moov) == f"{kind.__name__}('http://127.0.0.1:8080', client_id='key')"


def test_default_clock_is_the_wall_clock() -> None:
    before = datetime.now(UTC)
    transport = httpx2.MockTransport(successful)
    with TokenClient(client_id="key", client_secret=SECRET, transport=transport) as moov:
        token = moov.create("/ping.read")
    assert timedelta(0) <= token.expires_at - before - timedelta(hours=1) < timedelta(minutes=5)
