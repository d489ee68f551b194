"""How responses are read: any bytes end in a value or a `MoovError`, and no error shows a secret."""

import json
import pickle
import traceback
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote_plus

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.client import (
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    MoovError,
    ProtocolError,
    RateLimitError,
    ServerError,
    Token,
    TokenRequestError,
    TransportError,
    UnauthorizedClientError,
    UnsupportedGrantTypeError,
)
from mockmoov.client.responses import MAX_BODY, retry_after
from tests.client.moov_stub import NOW, TOKEN_JSON, Handler, answering, client

ODD_HEADERS = {
    b"location": [
        b"https://[::zz]/", b"http://a:b/", b"//", b"http://x\x00y/", b"\xff", b"http:///x", b"/x",
        b"//.xn--",
    ],
    b"content-encoding": [b"gzip", b"deflate", b"br", b"zstd", b"gzip, gzip", b"nonsense"],
    b"content-type": [b"application/json; charset=\xff", b"text/html; charset=utf-7", b"application/json"],
    b"content-length": [b"-1", b"5", b"99999999999999999999"],
    b"retry-after": [b"1", b"-1", b"soon", b"9" * 400, b"Fri, 31 Dec 1999 23:59:59 -0000", b"\xd9\xa1"],
    b"set-cookie": [b"=;", b"a=b; expires=\xff; domain=.", b"x" * 5000],
}  # fmt: skip
values = st.binary(max_size=30).map(lambda value: value.replace(b"\r", b"").replace(b"\n", b""))
header_pairs = st.sampled_from(sorted(ODD_HEADERS)).flatmap(
    lambda name: st.tuples(st.just(name), st.sampled_from(ODD_HEADERS[name]) | values)
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = ["access_token", "refresh_token", "token_type", "scope", "expires_in", "error"]
members = st.dictionaries(st.sampled_from(MEMBERS), json_values)
bodies = st.binary(max_size=200) | (json_values | members).map(lambda value: json.dumps(value).encode())
statuses = st.sampled_from([200, 204, 400, 401, 422, 429, 503]) | st.integers(100, 999)


@given(status=statuses, headers=st.lists(header_pairs, max_size=4), body=bodies)
@example(status=302, headers=[(b"location", b"//.xn--")], body=b"")
@example(status=200, headers=[(b"content-encoding", b"gzip")], body=b"not gzip")
@example(status=503, headers=[(b"retry-after", b"9" * 400)], body=b"\xff")
def test_any_response_ends_in_a_value_or_a_moov_error(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    with client(lambda _: httpx2.Response(status, headers=headers, stream=httpx2.ByteStream(body))) as moov:
        for call in (moov.create, moov.refresh, moov.revoke):
            result: Token | MoovError | None
            try:
                result = call("/ping.read")
            except MoovError as error:
                result = error
            assert str(result).isprintable()
            assert str(result).isascii()
            assert str(pickle.loads(pickle.dumps(result))) == str(result)


# Marked so that no message contains them by chance.
secrets = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=6, max_size=40).map(
    "~{}~".format
)


@pytest.mark.parametrize("client_auth", ["basic", "body"])
@given(secret=secrets, refresh=secrets, status=statuses)
def test_echo_of_the_request_never_shows_a_secret(
    client_auth: str, secret: str, refresh: str, status: int
) -> None:
    def echo(request: httpx2.Request, write: Callable[[str], str]) -> httpx2.Response:
        sent = f"{request.headers.get('authorization')} {request.content.decode()} {secret} {refresh} ."
        headers = dict.fromkeys(("x-mockmoov-reason", "x-request-id"), sent)
        return httpx2.Response(status, text=write(sent), headers=headers)

    basic = b64encode(f"key:{quote_plus(secret)}".encode()).decode()
    hidden = {secret, quote_plus(secret), refresh, quote_plus(refresh), basic}
    for write in (str, lambda sent: json.dumps({"error": sent}), lambda sent: json.dumps({sent: sent})):
        moov = client(partial(echo, write=write), client_secret=secret, client_auth=client_auth)
        with pytest.raises(MoovError) as caught:
            moov.refresh(refresh)
        output = repr(moov) + str(caught.value) + repr(caught.value) + repr(vars(caught.value))
        assert [text for text in hidden if text in output] == []


# --- broken contract --------------------------------------------------------------------------------


def protocol_error(handler: Handler) -> str:
    with pytest.raises(ProtocolError) as caught:
        client(handler).create("/ping.read")
    return str(caught.value)


def test_success_must_be_a_json_object_of_bounded_length() -> None:
    not_objects = [
        b"", b"<!doctype html><title>Sign in</title>", TOKEN_JSON[:-5], b"[]", b'"text"', b"null",
        b"\xff\xfe{}", b"[" * 60_000, b'{"expires_in": ' + b"9" * 5_000 + b"}",
        TOKEN_JSON.decode().encode("utf-16"),
    ]  # fmt: skip
    for content in not_objects:
        assert "not a JSON object" in protocol_error(lambda _: httpx2.Response(200, content=content))  # noqa: B023
    assert answering(200, TOKEN_JSON.ljust(MAX_BODY)).create("/ping.read").scope == "/ping.read"
    too_long = TOKEN_JSON.ljust(MAX_BODY + 1)
    assert "longer than" in protocol_error(lambda _: httpx2.Response(200, content=too_long))


def test_other_statuses_and_broken_bodies_are_protocol_errors() -> None:
    elsewhere = {"location": "https://elsewhere.test/oauth2/token"}
    for status in (201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 600, 999):
        response = httpx2.Response(status, content=TOKEN_JSON, headers=elsewhere)
        assert str(status) in protocol_error(lambda _: response)  # noqa: B023
    for location in (b"//.xn--", b"//xn--.%", b":http://]:@?", b"//\xc3\xa9[@"):  # httpx2 cannot parse these
        response = httpx2.Response(302, headers=[(b"location", location)])
        assert protocol_error(lambda _: response)  # noqa: B023
    gzip = {"content-encoding": "gzip"}
    broken = protocol_error(lambda _: httpx2.Response(200, headers=gzip, stream=httpx2.ByteStream(b"no")))
    assert "DecodingError" in broken
    unsupported = TOKEN_JSON.replace(b"Bearer", b"mac")
    assert "access-1" not in protocol_error(lambda _: httpx2.Response(200, content=unsupported))


def test_revocation_succeeds_by_its_status_alone() -> None:
    for status in (204, 200):
        answering(status, b"<html>").revoke("refresh-1")


# --- error responses --------------------------------------------------------------------------------


def rejected(status: int, body: object = None, headers: Mapping[str, str] | None = None) -> TokenRequestError:
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    with pytest.raises(TokenRequestError) as caught:
        answering(status, content, headers).create("/ping.read")
    assert caught.value.status == status
    return caught.value


ERRORS: list[tuple[int, Any, type[TokenRequestError]]] = [
    (400, {"error": "invalid_request"}, InvalidRequestError),
    (400, {"error": "invalid_client"}, InvalidClientError),
    (400, {"error": "invalid_grant"}, InvalidGrantError),
    (400, {"error": "unauthorized_client"}, UnauthorizedClientError),
    (400, {"error": "unsupported_grant_type"}, UnsupportedGrantTypeError),
    (400, {"error": "invalid_scope"}, InvalidScopeError),
    (400, {"error": "surprise"}, TokenRequestError),
    (400, {"error": 5}, TokenRequestError),
    (400, None, TokenRequestError),
    (401, None, InvalidClientError),
    (401, {"error": "invalid_client"}, InvalidClientError),
    (404, None, TokenRequestError),
    (422, {"scope": "unknown"}, InvalidScopeError),
    (422, {"refresh_token": "used up"}, InvalidGrantError),
    (422, {"token": "required"}, InvalidRequestError),
    (422, {"token_type_hint": "unknown"}, InvalidRequestError),
    (429, None, RateLimitError),
    (500, {"error": "invalid_grant"}, ServerError),
    (504, None, ServerError),
]


def test_error_class_follows_status_code_and_field() -> None:
    classes = [(status, body, type(rejected(status, body))) for status, body, _ in ERRORS]
    assert classes == ERRORS


def test_error_carries_what_the_server_said() -> None:
    headers = {"x-request-id": "5f1c", "x-mockmoov-reason": "no such key", "retry-after": "7"}
    error = rejected(400, {"error": "invalid_client"}, headers)
    assert (error.code, error.fields, error.request_id, error.reason, error.retry_after) == (
        "invalid_client", {}, "5f1c", "no such key", 7.0,
    )  # fmt: skip
    start = "POST https://api.moov.io/oauth2/token: status"
    assert str(error) == f"{start} 400; invalid_client; reason: no such key; request id: 5f1c"
    error = rejected(401)
    assert (error.code, error.fields, error.request_id, error.reason) == (None, {}, None, None)
    assert str(error) == f"{start} 401"


def test_field_errors_are_carried_and_pickled() -> None:
    error = rejected(422, {"scope": "unknown", "extra": 3}, {"retry-after": "3"})
    assert error.fields == {"scope": "unknown"}
    assert "scope: unknown" in str(error)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (InvalidScopeError, str(error), vars(error))


def test_error_quotes_200_characters_of_a_page_on_one_line() -> None:
    error = rejected(502, b"<html>\n\x1b[31m\xff" + b"x" * 1000)
    quoted = str(error).partition("status 502; ")[2]
    assert quoted.startswith("<html>\\n\\x1b[31m\\ufffdx")
    assert (len(quoted), error.code) == (200, None)


def test_retry_after_is_seconds_or_a_date() -> None:
    expected = {
        **{str(seconds): float(seconds) for seconds in (0, 1, 10**9 - 1)},
        "Sun, 01 Mar 2026 12:00:30 GMT": 30.0,
        "Sun, 01 Mar 2026 11:00:00 GMT": 0.0,
        **dict.fromkeys(["Sun, 01 Mar 2026 12:00:30 -0000", "Sun, 01 Mar 99999 12:00:30 GMT", ""]),
        **dict.fromkeys(["-1", "1.5", "soon", "1234567890", "\u0661"]),
    }
    assert {value: retry_after(value, NOW) for value in expected} == expected


@pytest.mark.parametrize(
    ("failure", "request_sent"),
    [
        (httpx2.ConnectError("refused"), False),
        (httpx2.ConnectTimeout("slow"), False),
        (httpx2.PoolTimeout("full"), False),
        (httpx2.ReadTimeout("slow"), True),
        (httpx2.ReadError("reset"), True),
        (httpx2.RemoteProtocolError("gone"), True),
    ],
)
def test_transport_error_says_whether_the_request_was_sent(
    failure: httpx2.HTTPError, request_sent: bool
) -> None:
    def handler(_request: httpx2.Request) -> httpx2.Response:
        raise failure

    with pytest.raises(TransportError, match=f"{type(failure).__name__}: {failure}") as caught:
        client(handler).create("/ping.read")
    assert caught.value.request_sent is request_sent


def test_traceback_does_not_show_what_the_server_echoed() -> None:
    sent = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.headers["authorization"].removeprefix("Basic "))
        raise httpx2.RemoteProtocolError(f"illegal header line: {sent[0]}")

    with pytest.raises(TransportError) as caught:
        client(handler).create("/ping.read")
    output = "".join(traceback.format_exception(caught.value))
    assert "illegal header line" in output
    assert sent[0] not in output
    assert caught.value.__suppress_context__
