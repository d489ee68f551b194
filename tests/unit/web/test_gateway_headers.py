"""Which header fields pass the gateway in either direction, and which requests are not forwarded."""

from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.oauth.messages import Fields, HttpRequest
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
ENDS_HERE = {*HOP_BY_HOP, "host", "expect", "content-length", "x-request-id"}
NAMES = st.sampled_from([*sorted(ENDS_HERE), "accept", "authorization", "x-a", "cookie"])
FORGED = (
    "x-mockmoov-client-id", "x-mockmoov-scopes", "x-mockmoov-token", "x-mockmoov-", "x_mockmoov_scopes",
    "x-mockmoov_account-id", "x_mockmoov-new", "forwarded", "x-forwarded-for", "x_forwarded_proto",
)  # fmt: skip
VIA = ("via", "1.1 mockmoov")


def request(path: str = "/accounts", /, **headers: tuple[str, ...] | str) -> HttpRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = {name: (value,) if isinstance(value, str) else value for name, value in named.items()}
    return HttpRequest(method="GET", path=path, headers=fields)


# --- to the upstream ----------------------------------------------------------------------------


@given(st.dictionaries(NAMES, st.lists(st.text("ab,", max_size=5), min_size=1, max_size=2), max_size=8))
@example({name: ["1", "2"] for name in [*ENDS_HERE, "x-a", "cookie"]})
def test_hop_by_hop_fields_end_here_and_others_pass(headers: dict[str, list[str]]) -> None:
    named = {item.strip() for value in headers.get("connection", ()) for item in value.split(",")}
    message = HttpRequest(method="GET", path="/", headers={name: tuple(v) for name, v in headers.items()})
    kept = [(name, v) for name, values in headers.items() if name not in ENDS_HERE | named for v in values]
    assert request_headers(message, plain=False) == [*kept, VIA]


def test_fields_named_in_connection_end_here_in_any_spelling() -> None:
    for connection in (("X-A , close", "x-b"), "x-a,x-b"):
        message = request(connection=connection, x_a="1", x_b="2", x_c="3")
        assert request_headers(message, plain=False) == [("x-c", "3"), VIA]
    for name in ("transfer_encoding", "x_request_id", "content_length", "x_a"):
        message = HttpRequest(method="GET", path="/", headers={"connection": ("x_a",), name: ("1",)})
        assert request_headers(message, plain=False) == [VIA], name


def test_clients_cannot_set_fields_that_the_upstream_trusts() -> None:
    message = HttpRequest(method="GET", path="/", headers=dict.fromkeys(FORGED, ("forged",)))
    assert request_headers(message, plain=False) == [VIA]


def test_via_lists_every_gateway_in_order() -> None:
    fields = request_headers(request(via=("1.0 first", "1.1 second")), plain=False)
    assert fields == [("via", "1.0 first"), ("via", "1.1 second"), VIA]


def test_a_response_to_be_altered_is_requested_uncompressed() -> None:
    message = request(accept_encoding="gzip", accept="*/*", te="trailers", connection="x-a", x_a="1")
    assert ("accept-encoding", "gzip") in request_headers(message, plain=False)
    assert request_headers(message, plain=True) == [("accept", "*/*"), VIA]


def test_a_body_keeps_its_framing() -> None:
    assert framing_header(request(content_length="7")) == ("content-length", "7")
    assert framing_header(request(content_length="007")) == ("content-length", "7")
    assert framing_header(request(transfer_encoding="Chunked")) == ("transfer-encoding", "chunked")


# --- what is not forwarded ----------------------------------------------------------------------

WEBSOCKET = (501, "websockets are not forwarded")
LOOP = (502, "the upstream leads back to mockmoov")
DOTS = (404, "a path with dot segments is not forwarded: the upstream may read it as another path")
CODING = (501, "only the transfer coding chunked is forwarded")
LENGTH = (400, "the length of the body is ambiguous")

DOT_SEGMENTS = (
    ".", "..", "%2e", "%2E%2e", ".%2E", "%2e.", "a%2f..%2fb", "..%2Fa", "a%2f%2e%2E", "a%5c..", "..\\a",
    "..;x", "%2e%2e%3Bx",
)  # fmt: skip
HARMLESS_SEGMENTS = ("...", "a.b", "..a", ".a", "a%2eb", "a%2fb", "%2e%2e%2e", "a..", "%252e")
CODINGS = ("gzip", "gzip, chunked", "chunked, chunked", ("chunked", "chunked"), "identity", "", "xchunked")
BAD_LENGTHS = (("1", "1"), "1, 1", "+1", "0x1", "", "-1", "٣", "9" * 19)
GOOD_LENGTHS = ("0", "7", "007", "9" * 18)

FORWARDED: list[tuple[HttpRequest, tuple[int, str] | None]] = [
    (request(), None),
    (request(sec_websocket_key="x"), WEBSOCKET),
    (request(via="1.1 mockmoov"), LOOP),
    (request(via="1.1 another"), None),
    *((request(f"/accounts/{segment}/cards"), DOTS) for segment in DOT_SEGMENTS),
    *((request(f"/accounts/{segment}"), DOTS) for segment in DOT_SEGMENTS),
    *((request(f"/accounts/{segment}/cards"), None) for segment in HARMLESS_SEGMENTS),
    *((request(transfer_encoding=coding), CODING) for coding in CODINGS),
    (request(transfer_encoding="CHUNKED"), None),
    *((request(content_length=length), LENGTH) for length in BAD_LENGTHS),
    *((request(content_length=length), None) for length in GOOD_LENGTHS),
    (request(content_length="1", transfer_encoding="chunked"), LENGTH),
]


def test_only_unambiguous_requests_are_forwarded() -> None:
    wrong = []
    for message, expected in FORWARDED:
        error = forwarding_error(message)
        found = error and (error.status, dict(error.headers)[REASON_HEADER])
        if found != expected:
            wrong.append((message, expected, found))
    assert wrong == []


# --- back to the client -------------------------------------------------------------------------


def test_a_response_needs_a_final_status() -> None:
    statuses = {200: True, 201: True, 599: True, 199: False, 101: False, 600: False}
    for fields in ([], [(b"x-a", b"1")]):
        assert {status: is_valid_response(status, fields) for status in statuses} == statuses


@given(value=st.binary(max_size=5))
@example(b"a\tb")
@example(b"a\x7fb")
def test_a_response_field_has_no_control_characters(value: bytes) -> None:
    control = any(byte < 32 or byte == 127 for byte in value.replace(b"\t", b""))
    assert is_valid_response(200, [(b"x-a", b"1"), (b"x-b", value), (b"x-c", b"2")]) is not control


KEPT: Fields = (
    ("content-type", "text/plain"), ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("content-length", "5"),
)  # fmt: skip
OURS = ("date", "x-request-id", "x-mockmoov-reason", "x_mockmoov_reason", "access-control-allow-origin")
ANSWERED: list[tuple[int, Fields, Fields]] = [
    (200, KEPT, KEPT),
    (200, (("connection", "x-a"), ("x-a", "1"), ("x-b", "2")), (("x-b", "2"),)),
    (204, (("content-length", "5"), ("etag", "e")), (("etag", "e"),)),
    (304, (("content-length", "5"), ("etag", "e")), (("etag", "e"),)),
    (200, (("transfer-encoding", "chunked"), ("content-length", "5")), ()),
    *((200, ((name, "x"), *KEPT), KEPT) for name in (*HOP_BY_HOP, *OURS) if name != "transfer-encoding"),
]


def test_a_response_comes_back_without_fields_that_are_ours() -> None:
    wrong = [
        (status, fields, found)
        for status, fields, expected in ANSWERED
        if (found := response_headers(status, fields)) != expected
    ]
    assert wrong == []
