"""What the client makes of refusals and failures: which exception, and what it carries."""

import json
import pickle
import traceback
from collections.abc import Mapping

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.client import (
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    RateLimitError,
    ServerError,
    TokenRequestError,
    TransportError,
    UnauthorizedClientError,
    UnsupportedGrantTypeError,
)
from mockmoov.client.responses import retry_after
from tests.client.answering import NOW, REFRESH, answering, client


def refused(status: int, body: object = None, headers: Mapping[str, str] | None = None) -> TokenRequestError:
    content = b"" if body is None else json.dumps(body).encode()
    with pytest.raises(TokenRequestError) as caught:
        answering(status, content, headers).create("/ping.read")
    return caught.value


def test_an_error_quotes_200_characters_of_a_page_on_one_line() -> None:
    with pytest.raises(ServerError) as caught:
        answering(502, b"<html>\n\x1b[31m\xff" + b"x" * 1000).create("/ping.read")
    said = str(caught.value).partition("status 502; ")[2]
    assert said.startswith("<html>\\n\\x1b[31m\\ufffdx")
    assert len(said) == 200
    assert caught.value.code is None


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
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
    ],
)
def test_the_kind_of_refusal_follows_the_table(status: int, body: object, kind: type) -> None:
    error = refused(status, body)
    assert type(error) is kind
    assert error.status == status


def test_a_refusal_carries_what_the_server_said() -> None:
    headers = {"x-request-id": "5f1c", "x-mockmoov-reason": "no such key", "retry-after": "7"}
    error = refused(400, {"error": "invalid_client"}, headers)
    assert (error.code, error.request_id, error.reason, error.retry_after) == (
        "invalid_client",
        "5f1c",
        "no such key",
        7.0,
    )
    assert str(error) == (
        "POST https://api.moov.io/oauth2/token: "
        "status 400; invalid_client; reason: no such key; request id: 5f1c"
    )


def test_a_refusal_without_words_carries_none() -> None:
    error = refused(401)
    assert (error.code, error.fields, error.request_id, error.reason) == (None, {}, None, None)
    assert str(error) == "POST https://api.moov.io/oauth2/token: status 401"


def test_field_errors_are_carried_and_shown() -> None:
    error = refused(422, {"scope": "unknown", "extra": 3})
    assert error.fields == {"scope": "unknown"}
    assert "scope: unknown" in str(error)


def test_errors_survive_pickling_with_all_they_carry() -> None:
    error = refused(422, {"scope": "unknown"}, {"retry-after": "3"})
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is InvalidScopeError
    assert (str(copy), vars(copy)) == (str(error), vars(error))


@given(st.integers(0, 10**9 - 1))
def test_retry_after_in_seconds(seconds: int) -> None:
    assert retry_after(str(seconds), NOW) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", None),
        ("Sun, 01 Mar 99999 12:00:30 GMT", None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("1234567890", None),
        ("\u0661", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(value: str, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize("status", [204, 200])
def test_a_revocation_succeeds_by_its_status_alone(status: int) -> None:
    with answering(status, b"<html>") as moov:
        moov.revoke(REFRESH)


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
def test_no_answer_is_a_transport_error_that_says_whether_the_request_left(
    failure: httpx2.HTTPError, request_sent: bool
) -> None:
    def handler(_request: httpx2.Request) -> httpx2.Response:
        raise failure

    with pytest.raises(TransportError, match=f"{type(failure).__name__}: {failure}") as caught:
        client(handler).create("/ping.read")
    assert caught.value.request_sent is request_sent
    assert caught.value.__suppress_context__, "a traceback would print what a server may have echoed"


def test_a_traceback_does_not_show_what_the_server_echoed() -> None:
    sent = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.headers["authorization"].removeprefix("Basic "))
        raise httpx2.RemoteProtocolError(f"illegal header line: {sent[0]}")

    with pytest.raises(TransportError) as caught:
        client(handler).create("/ping.read")
    shown = "".join(traceback.format_exception(caught.value))
    assert "illegal header line" in shown
    assert sent[0] not in shown
