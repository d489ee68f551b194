"""What the client makes of answers: any bytes end in a value or a MoovError, and none shows a secret."""

import asyncio
import json
import pickle
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import quote_plus

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockmoov.client import AsyncTokenClient, MoovError, ProtocolError, Token
from mockmoov.client.responses import MAX_BODY
from tests.client.answering import GOOD, NOW, REFRESH, SECRET, answering, client


def outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except MoovError as error:
        return error


ODD_HEADERS = {
    b"location": [
        b"https://[::zz]/",
        b"http://a:b/",
        b"//",
        b"http://x\x00y/",
        b"\xff",
        b"http:///x",
        b"/x",
        b"//.xn--",
    ],
    b"content-encoding": [b"gzip", b"deflate", b"br", b"zstd", b"gzip, gzip", b"nonsense"],
    b"content-type": [b"application/json; charset=\xff", b"text/html; charset=utf-7", b"application/json"],
    b"content-length": [b"-1", b"5", b"99999999999999999999"],
    b"retry-after": [b"1", b"-1", b"soon", b"9" * 400, b"Fri, 31 Dec 1999 23:59:59 -0000", b"\xd9\xa1"],
    b"set-cookie": [b"=;", b"a=b; expires=\xff; domain=.", b"x" * 5000],
}
values = st.binary(max_size=30).map(lambda value: value.replace(b"\r", b"").replace(b"\n", b""))
header_pairs = st.sampled_from(sorted(ODD_HEADERS)).flatmap(
    lambda name: st.tuples(st.just(name), st.sampled_from(ODD_HEADERS[name]) | values)
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
members = st.fixed_dictionaries(
    {},
    optional={
        name: json_values | st.text()
        for name in ["access_token", "refresh_token", "token_type", "scope", "expires_in", "error"]
    },
)
bodies = st.binary(max_size=200) | (json_values | members).map(lambda value: json.dumps(value).encode())
statuses = st.sampled_from([200, 204, 400, 401, 422, 429, 503]) | st.integers(100, 999)


@given(status=statuses, headers=st.lists(header_pairs, max_size=4), body=bodies, operation=st.integers(0, 2))
@settings(max_examples=300)
def test_any_answer_ends_in_a_value_or_a_moov_error(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes, operation: int
) -> None:
    def handler(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, headers=headers, stream=httpx2.ByteStream(body))

    with client(handler) as moov:
        calls: list[Callable[[], object]] = [
            lambda: moov.create("/ping.read"),
            lambda: moov.refresh(REFRESH),
            lambda: moov.revoke(REFRESH),
        ]
        result = outcome(calls[operation])
    assert isinstance(result, Token | MoovError | None)
    assert str(result).isprintable()
    assert str(result).isascii()
    assert str(pickle.loads(pickle.dumps(result))) == str(result)


@given(status=statuses, headers=st.lists(header_pairs, max_size=4), body=bodies)
@settings(max_examples=50)
def test_the_async_client_ends_as_the_sync_one_does(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    def handler(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, headers=headers, stream=httpx2.ByteStream(body))

    async def create() -> Token:
        options = {"client_id": "key", "client_secret": SECRET, "clock": lambda: NOW}
        async with AsyncTokenClient(transport=httpx2.MockTransport(handler), **options) as moov:  # type: ignore[arg-type]
            return await moov.create("/ping.read")

    results = outcome(lambda: asyncio.run(create())), outcome(lambda: client(handler).create("/ping.read"))
    assert type(results[0]) is type(results[1])
    assert str(results[0]) == str(results[1])


secrets = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=6, max_size=40).map(
    lambda text: f"~{text}~"  # which no message holds by chance
)


@given(
    secret=secrets,
    refresh=secrets,
    status=statuses,
    client_auth=st.sampled_from(["basic", "body"]),
    place=st.sampled_from(["body", "json value", "json key", "reason", "request id"]),
)
def test_a_server_that_echoes_everything_makes_no_error_show_a_secret(
    secret: str, refresh: str, status: int, client_auth: str, place: str
) -> None:
    def echo(request: httpx2.Request) -> httpx2.Response:
        said = " ".join(
            [request.headers.get("authorization", ""), request.content.decode(), secret, refresh, "."]
        )
        body = {"json value": json.dumps({"error": said}), "json key": json.dumps({said: said})}
        headers = {"reason": "x-mockmoov-reason", "request id": "x-request-id"}
        return httpx2.Response(
            status,
            text=body.get(place, said if place == "body" else ""),
            headers={headers[place]: said} if place in headers else {},
        )

    moov = client(echo, secret, client_auth)
    try:
        moov.refresh(refresh)
        shown = repr(moov)
    except MoovError as error:
        shown = repr(moov) + str(error) + repr(error) + repr(vars(error))
    basic = b64encode(f"key:{quote_plus(secret)}".encode()).decode()
    for hidden in {secret, quote_plus(secret), refresh, quote_plus(refresh), basic}:
        assert hidden not in shown


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!doctype html><title>Sign in</title>",
        GOOD[:-5],
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe{}",
        b"[" * 60_000,
        b'{"expires_in": ' + b"9" * 5_000 + b"}",
        GOOD.decode().encode("utf-16"),
    ],
)
def test_a_success_that_is_no_json_object_breaks_the_contract(content: bytes) -> None:
    with pytest.raises(ProtocolError, match="not a JSON object"):
        answering(200, content).create("/ping.read")


@pytest.mark.parametrize("status", [201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 600, 999])
def test_a_status_that_is_neither_success_nor_error_breaks_the_contract(status: int) -> None:
    answer = answering(status, GOOD, {"location": "https://elsewhere.test/oauth2/token"})
    with pytest.raises(ProtocolError, match=str(status)):
        answer.create("/ping.read")


def test_a_huge_success_breaks_the_contract() -> None:
    with pytest.raises(ProtocolError, match="longer than"):
        answering(200, GOOD + b" " * MAX_BODY).create("/ping.read")


def test_a_body_of_exactly_the_limit_is_read() -> None:
    assert answering(200, GOOD.ljust(MAX_BODY)).create("/ping.read").scope == "/ping.read"


def test_a_body_that_cannot_be_decoded_breaks_the_contract() -> None:
    def handler(_request: httpx2.Request) -> httpx2.Response:
        stream = httpx2.ByteStream(b"not gzip")
        return httpx2.Response(200, headers={"content-encoding": "gzip"}, stream=stream)

    with pytest.raises(ProtocolError, match="DecodingError"):
        client(handler).create("/ping.read")


@pytest.mark.parametrize("location", [b"//.xn--", b"//xn--.%", b":http://]:@?", b"//\xc3\xa9[@"])
def test_a_redirect_that_httpx2_cannot_parse_breaks_the_contract(location: bytes) -> None:
    def handler(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(302, headers=[(b"location", location)])

    with pytest.raises(ProtocolError):
        client(handler).create("/ping.read")


def test_an_error_never_quotes_a_success() -> None:
    with pytest.raises(ProtocolError) as caught:
        answering(200, GOOD.replace(b"Bearer", b"mac")).create("/ping.read")
    assert "abcdefgh" not in repr(caught.value)
