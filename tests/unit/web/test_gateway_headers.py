"""What of a message passes the gateway, and what stays behind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.oauth.messages import HttpRequest
from mockmoov.oauth.responses import REASON_HEADER
from mockmoov.web.gateway import (
    forwarding_error,
    framing_header,
    is_valid_response,
    request_headers,
    response_headers,
)

HOP_BY_HOP = (
    "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te",
    "trailer", "transfer-encoding", "upgrade",
)  # fmt: skip
NAMES = st.sampled_from(
    [
        *HOP_BY_HOP,
        "host",
        "expect",
        "content-length",
        "x-request-id",
        "accept",
        "authorization",
        "x-a",
        "cookie",
    ]
)
FORGED = (
    "x-mockmoov-client-id", "x-mockmoov-scopes", "x-mockmoov-token", "x-mockmoov-", "x_mockmoov_scopes",
    "x-mockmoov_account-id", "x_mockmoov-new",
)  # fmt: skip


def request(path: str = "/accounts", /, **headers: tuple[str, ...] | str) -> HttpRequest:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpRequest(
        method="GET",
        path=path,
        headers={name: (value,) if isinstance(value, str) else value for name, value in given.items()},
    )


def status(message: HttpRequest) -> int | None:
    answer = forwarding_error(message)
    return answer.status if answer else None


# --- the way there ------------------------------------------------------------------------------


@given(st.dictionaries(NAMES, st.lists(st.text("ab,", max_size=5), min_size=1, max_size=2), max_size=8))
def test_what_is_meant_for_the_next_hop_ends_here_and_the_rest_passes(headers: dict[str, list[str]]) -> None:
    named = {item.strip() for value in headers.get("connection", ()) for item in value.split(",")}
    message = HttpRequest(method="GET", path="/", headers={name: tuple(v) for name, v in headers.items()})
    fields = request_headers(message, plain=False)
    ends = {*HOP_BY_HOP, "host", "expect", "content-length", "x-request-id", *named}
    assert fields[:-1] == [(name, v) for name, values in headers.items() if name not in ends for v in values]
    assert fields[-1] == ("via", "1.1 mockmoov")


def test_what_connection_names_ends_here_whatever_its_case() -> None:
    fields = request_headers(
        request(connection=("X-A , close", "x-b"), x_a="1", x_b="2", x_c="3"), plain=False
    )
    assert fields == [("x-c", "3"), ("via", "1.1 mockmoov")]


@pytest.mark.parametrize("name", ["transfer_encoding", "x_request_id", "content_length", "x_a"])
def test_what_ends_here_does_so_with_underscores_too(name: str) -> None:
    message = HttpRequest(method="GET", path="/", headers={"connection": ("x_a",), name: ("1",)})
    assert request_headers(message, plain=False) == [("via", "1.1 mockmoov")]


@pytest.mark.parametrize("name", [*FORGED, "forwarded", "x-forwarded-for", "x_forwarded_proto"])
def test_nobody_outside_speaks_in_our_name(name: str) -> None:
    message = HttpRequest(method="GET", path="/", headers={name: ("forged",)})
    assert request_headers(message, plain=False) == [("via", "1.1 mockmoov")]


def test_names_in_connection_need_no_space_between_them() -> None:
    fields = request_headers(request(connection="x-a,x-b", x_a="1", x_b="2", x_c="3"), plain=False)
    assert fields == [("x-c", "3"), ("via", "1.1 mockmoov")]


def test_who_a_request_came_by_is_told_in_order() -> None:
    fields = request_headers(request(via=("1.0 first", "1.1 second")), plain=False)
    assert fields == [("via", "1.0 first"), ("via", "1.1 second"), ("via", "1.1 mockmoov")]


def test_an_answer_that_is_to_be_read_is_asked_for_uncompressed() -> None:
    message = request(accept_encoding="gzip", accept="*/*", te="trailers", connection="x-a", x_a="1")
    assert ("accept-encoding", "gzip") in request_headers(message, plain=False)
    assert request_headers(message, plain=True) == [("accept", "*/*"), ("via", "1.1 mockmoov")]


def test_a_body_keeps_its_framing() -> None:
    assert framing_header(request(content_length="7")) == ("content-length", "7")
    assert framing_header(request(content_length="007")) == ("content-length", "7")
    assert framing_header(request(transfer_encoding="Chunked")) == ("transfer-encoding", "chunked")


# --- what is not forwarded at all ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (request(sec_websocket_key="x"), "websockets are not forwarded"),
        (request(via="1.1 mockmoov"), "the upstream leads back to mockmoov"),
        (
            request("/a/.."),
            "a path with dot segments is not forwarded: the upstream may read it as another path",
        ),
        (request(transfer_encoding="gzip"), "only the transfer coding chunked is forwarded"),
        (request(content_length=("1", "1")), "the length of the body is ambiguous"),
    ],
)
def test_it_is_told_why_a_request_is_not_forwarded(message: HttpRequest, reason: str) -> None:
    answer = forwarding_error(message)
    assert answer is not None
    assert dict(answer.headers)[REASON_HEADER] == reason


@pytest.mark.parametrize("length", ["0", "7", "007", "9" * 18])
def test_a_body_of_clear_length_is_forwarded(length: str) -> None:
    assert status(request(content_length=length)) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"content_length": ("1", "1")},
        {"content_length": "1, 1"},
        {"content_length": "+1"},
        {"content_length": "0x1"},
        {"content_length": ""},
        {"content_length": "-1"},
        {"content_length": "٣"},
        {"content_length": "9" * 19},
        {"content_length": "1", "transfer_encoding": "chunked"},
    ],
)
def test_a_body_of_unclear_length_is_refused(headers: dict[str, tuple[str, ...] | str]) -> None:
    assert status(request(**headers)) == 400


@pytest.mark.parametrize(
    "coding",
    ["gzip", "gzip, chunked", "chunked, chunked", ("chunked", "chunked"), "identity", "", "xchunked"],
)
def test_a_coding_other_than_chunked_is_refused(coding: tuple[str, ...] | str) -> None:
    assert status(request(transfer_encoding=coding)) == 501
    assert status(request(transfer_encoding="CHUNKED")) is None


def test_a_websocket_is_refused() -> None:
    assert status(request(sec_websocket_key="x")) == 501


def test_a_request_that_came_by_us_already_is_refused() -> None:
    assert status(request(via="1.1 mockmoov")) == 502
    assert status(request(via="1.1 another")) is None


@pytest.mark.parametrize(
    "segment",
    [
        *(
            ".",
            "..",
            "%2e",
            "%2E%2e",
            ".%2E",
            "%2e.",
            "a%2f..%2fb",
            "..%2Fa",
            "a%2f%2e%2E",
            "a%5c..",
            "..\\a",
        ),
        *("..;x", "%2e%2e%3Bx"),
    ],
)
def test_a_path_with_dot_segments_in_any_spelling_is_refused(segment: str) -> None:
    assert status(request(f"/accounts/{segment}/cards")) == 404
    assert status(request(f"/accounts/{segment}")) == 404


@pytest.mark.parametrize(
    "segment", ["...", "a.b", "..a", ".a", "a%2eb", "a%2fb", "%2e%2e%2e", "a..", "%252e"]
)
def test_other_dots_and_slashes_pass(segment: str) -> None:
    assert status(request(f"/accounts/{segment}/cards")) is None


# --- the way back -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "good"), [(200, True), (201, True), (599, True), (199, False), (101, False), (600, False)]
)
def test_an_answer_has_a_status_that_ends_an_exchange(status: int, good: bool) -> None:
    assert is_valid_response(status, [(b"x-a", b"1")]) is good
    assert is_valid_response(status, []) is good


@given(value=st.binary(max_size=5))
def test_an_answer_with_control_characters_but_tabs_in_a_field_is_none(value: bytes) -> None:
    control = any(byte < 32 or byte == 127 for byte in value.replace(b"\t", b""))
    assert is_valid_response(200, [(b"x-a", b"1"), (b"x-b", value), (b"x-c", b"2")]) is not control


def test_an_answer_comes_back_without_what_is_ours_to_say() -> None:
    kept = (
        ("content-type", "text/plain"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("content-length", "5"),
    )
    ours = (
        *((name, "x") for name in HOP_BY_HOP if name != "transfer-encoding"),
        *(
            (name, "x")
            for name in ("date", "x-request-id", "x-mockmoov-reason", "access-control-allow-origin")
        ),
    )
    assert response_headers(200, (*kept[:2], *ours, *kept[2:])) == kept


def test_what_connection_names_in_an_answer_ends_here() -> None:
    assert response_headers(200, (("connection", "x-a"), ("x-a", "1"), ("x-b", "2"))) == (("x-b", "2"),)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_says_no_length(status: int) -> None:
    assert response_headers(status, (("content-length", "5"), ("etag", "e"))) == (("etag", "e"),)


def test_the_length_of_a_chunked_answer_is_not_believed() -> None:
    assert response_headers(200, (("transfer-encoding", "chunked"), ("content-length", "5"))) == ()
