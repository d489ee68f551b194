"""The control plane as a whole: what it dispatches to, what it refuses and how, and that it never fails."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.control_plane import resource, router
from mockmoov.oauth.messages import HttpRequest
from mockmoov.server.authorization_server import MAX_BODY
from tests.support.control import JSON, Desk
from tests.support.servers import CLIENT_ID

ROUTES = router.ROUTES
ENDPOINTS = [(method, path) for path, methods in ROUTES.items() for method in methods]
CHANGES = [(method, path) for method, path in ENDPOINTS if method != "GET"]
PATH = "/clock/shift"
each_change = pytest.mark.parametrize(("method", "path"), CHANGES)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def target(path: str) -> str:
    """A path that exists, without its base; what it names besides the API key does not."""
    return path.removeprefix("/_mockmoov").replace("{client_id}", CLIENT_ID)


# --- Dispatch -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/nothing", "/clock/", "/clock/now", "/api-keys//clock", "/Clock", ""])
def test_there_is_nothing_elsewhere(desk: Desk, path: str) -> None:
    answer = desk.get(path)
    assert answer.status == 404
    assert answer.headers["x-mockmoov-reason"].startswith("no such path")


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "get", "X"])
def test_a_path_says_which_methods_it_has(desk: Desk, path: str, method: str) -> None:
    if method not in ROUTES[path]:
        answer = desk.ask(method, target(path))
        assert answer.status == 405
        assert answer.headers["allow"] == ", ".join(ROUTES[path])


@pytest.mark.parametrize(("method", "path"), [each for each in ENDPOINTS if "{client_id}" in each[1]])
def test_what_belongs_to_no_api_key_is_not_there(desk: Desk, method: str, path: str) -> None:
    body = {"scope": "/ping.read"} if path.endswith("tokens") else {"seconds": 1, "to": 1, "status": 500}
    wanted = {"shift": ["seconds"], "move-to": ["to"], "faults": ["status"], "tokens": ["scope"]}
    members = {name: body[name] for name in wanted.get(path.rpartition("/")[2], []) if method == "POST"}
    answer = desk.ask(method, target(path).replace(CLIENT_ID, "nobody"), members)
    assert answer.problem == (404, "there is no API key with this client_id", None)


def test_names_in_a_path_are_percent_decoded(desk: Desk) -> None:
    client_id = "a/b c%?#é".encode("ascii", "ignore").decode()
    desk.new_key(client_id=client_id)
    assert desk.get("/api-keys/a%2Fb%20c%25%3F%23/clock")["client_id"] == client_id
    assert desk.get("/api-keys/%FF%ED%A0%80/clock").status == 404


def test_every_answer_is_marked_as_not_moovs_and_is_not_to_be_stored(desk: Desk) -> None:
    for method, path in ENDPOINTS:
        headers = desk.ask(method, target(path)).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-mockmoov-extension"] == "not part of Moov's API"
        assert headers["date"].endswith(" GMT")
        assert "x-request-id" not in headers


def test_an_answer_with_members_is_json_and_a_done_one_is_empty(desk: Desk) -> None:
    assert desk.get("/clock").headers["content-type"] == JSON
    done = desk.ask("DELETE", "/faults")
    assert (done.status, done.document) == (204, None)
    assert "content-type" not in done.headers


# --- Changes are labelled as JSON -----------------------------------------------------------------


@each_change
@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "application/json2", "text/plain; application/json", "application", "application/json,text/plain"],
)  # fmt: skip
def test_a_change_that_is_not_labelled_as_json_is_refused(
    desk: Desk, method: str, path: str, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"content-type": (content_type,)}
    answer = desk.handle(HttpRequest(method=method, path="/_mockmoov" + target(path), headers=headers))
    assert answer.problem == (
        415,
        "a change requires Content-Type: application/json, even without a body",
        None,
    )


def test_a_change_with_two_labels_is_refused(desk: Desk) -> None:
    request = HttpRequest(
        method="POST", path="/_mockmoov/reset", headers={"content-type": (JSON, "text/plain")}
    )
    assert desk.handle(request).status == 415


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", f" {JSON} "])
def test_case_and_parameters_of_the_label_do_not_matter(desk: Desk, content_type: str) -> None:
    assert desk.ask_raw("POST", "/reset", content_type=content_type).status == 200


def test_reading_wants_no_label_and_looks_at_no_body(desk: Desk) -> None:
    assert desk.ask_raw("GET", "/clock", b"\xff not JSON").status == 200


# --- Bodies ---------------------------------------------------------------------------------------

NOT_JSON = (400, "the body is not JSON", None)
TOO_DEEP = (400, "the JSON body is nested deeper than 64 levels", None)
TOO_LONG = (400, "the JSON body has an integer beyond 64 bits", None)


def nested(levels: int) -> bytes:
    return b'{"body":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff", b"{'a': 1}", b'{"a": NaN}', b'{"a": 1e999}', b'{"a": -Infinity}', b'{"a": "\\ud800"}',
     b'{"a": "\xed\xa0\x80"}', b"[" * 60_000, b'{"a":' * 10_000, b'{"a": 1} x', b"\x00",
     b'{"a": ' + b"9" * 5000 + b"}", b"\xef\xbb\xbf{}"],
)  # fmt: skip
def test_a_body_that_is_not_json_is_refused(desk: Desk, body: bytes) -> None:
    assert desk.ask_raw("POST", "/faults", body, content_type=JSON).problem == NOT_JSON


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"a"', b"true"])
def test_a_body_that_is_not_an_object_is_refused(desk: Desk, body: bytes) -> None:
    answer = desk.ask_raw("POST", "/faults", body, content_type=JSON)
    assert answer.problem == (400, "the JSON body is not an object", None)


def test_a_body_may_be_as_deep_as_any_reader_can_follow_and_no_deeper(desk: Desk) -> None:
    for levels, problem in (
        (resource._MAX_DEPTH, None),
        (resource._MAX_DEPTH + 1, TOO_DEEP),
        (900, TOO_DEEP),
    ):
        answer = desk.ask_raw("POST", "/faults", nested(levels), content_type=JSON)
        assert answer.status == 201 if problem is None else answer.problem == problem
    assert desk.token() == 200  # the deepest body stands in for the answer
    objects = b'{"a":' * resource._MAX_DEPTH + b"{}" + b"}" * resource._MAX_DEPTH
    assert desk.ask_raw("POST", "/faults", objects, content_type=JSON).problem == TOO_DEEP


@pytest.mark.parametrize("value", [-(2**63), 2**64 - 1, 0, True])
def test_an_integer_of_64_bits_is_taken(desk: Desk, value: int) -> None:
    assert desk.post("/faults", body=[value]).status == 201


@pytest.mark.parametrize("value", [-(2**63) - 1, 2**64, 10**400])
def test_a_longer_integer_is_refused(desk: Desk, value: int) -> None:
    assert desk.post("/faults", body=[[value]]).problem == TOO_LONG


def test_a_body_that_is_too_large_is_refused(desk: Desk) -> None:
    for size, status in ((MAX_BODY, 400), (MAX_BODY + 1, 413)):
        assert desk.ask_raw("POST", "/reset", b"x" * size, content_type=JSON).status == status
    assert desk.ask_raw("GET", "/clock", b"x" * (MAX_BODY + 1)).headers["connection"] == "close"


@each_change
def test_an_unknown_member_is_named_with_the_nearest_right_one(desk: Desk, method: str, path: str) -> None:
    wanted = {"faults": "statuss", "tokens": "scopes", "shift": "secondss", "move-to": "too", "freeze": "att"}
    body = {wanted.get(path.rpartition("/")[2], "enabledd"): 1}
    has_members = method == "PATCH" or (method == "POST" and not path.endswith(("resume", "reset", "rotate")))
    status, message, field = desk.ask(method, target(path), body).problem
    assert (status, field) == (422, next(iter(body)))
    assert ("; did you mean " in message) == has_members


def test_an_unknown_member_that_is_no_name_is_not_repeated(desk: Desk) -> None:
    for name in ("Secret-0123456789", "a" * 41, "é", ""):
        assert desk.ask("POST", "/reset", {name: 1}).problem == (422, "there is no field ...", "...")


# --- It never fails -------------------------------------------------------------------------------

WORDS = (
    "client_id client_secret account_id origins scopes grants enabled seconds days hours to at preset"
    " endpoint grant_type where method path headers parameters after every times probability seed start end"
    " delay status body text content_type retry_after drop set truncate network_error scope client_type"
    " lifetime claims defect exp iat nbf aud iss jti mockmoov id matched triggered limit count timeout"
    " since until fault"
)
NAMES = st.sampled_from(WORDS.split()) | st.text(max_size=4)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner), max_leaves=6
)
GOOD = st.sampled_from(
    [
        "token",
        "hang",
        "expired",
        "revoked",
        "/ping.read",
        "rate-limited",
        "2027-01-15T08:00:00Z",
        1,
        0.5,
        204,
        -1,
    ]
)
BODIES = st.dictionaries(NAMES, GOOD | VALUES, max_size=4).map(lambda body: json.dumps(body).encode())
PATHS = st.sampled_from(sorted(ROUTES)) | st.text(max_size=9).map(lambda text: f"/_mockmoov/{text}")
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "origin", "host", "x-mockmoov-token", "x"]),
    st.lists(st.sampled_from([JSON, "localhost", "null"]) | st.text(max_size=6), max_size=2).map(tuple),
)
REQUESTS = st.builds(
    HttpRequest,
    method=st.sampled_from(["GET", "POST", "PATCH", "DELETE"]) | st.text(max_size=4),
    path=PATHS.map(lambda path: path.replace("{client_id}", CLIENT_ID)),
    query=st.binary(max_size=20)
    | st.tuples(NAMES, st.sampled_from(["1", "nan", "null", "token", "%ff", ""])).map(
        lambda pair: "=".join(pair).encode("utf-8", "replace")
    ),
    headers=HEADERS.map(lambda headers: {"content-type": (JSON,), **headers}),
    body=BODIES | st.binary(max_size=20),
)  # fmt: skip


@pytest.fixture(scope="module")
def worn() -> Desk:
    """One that has seen much already."""
    return Desk(control_token="sesame")


@given(request=REQUESTS, knows=st.booleans())
@example(HttpRequest(method="GET", path="/_mockmoov/exchanges", query=b"limit=" + b"9" * 5000), True)
@example(HttpRequest(method="GET", path="/_mockmoov/exchanges/wait", query=b"timeout=nan"), True)
@example(HttpRequest(method="GET", path="/_mockmoov/exchanges", query=b"since=0001-01-01T00:00+23:59"), True)
@example(HttpRequest(method="GET", path="/_mockmoov/clock", headers={"x-mockmoov-token": ("\ud800",)}), False)
def test_every_request_gets_an_answer_that_is_described(
    worn: Desk, request: HttpRequest, knows: bool
) -> None:
    token = {"x-mockmoov-token": ("sesame",)} if knows else {}
    request = HttpRequest(
        method=request.method,
        path=request.path,
        query=request.query,
        headers={**request.headers, **token},
        body=request.body,
    )
    assert worn.handle(request).status < 500


@given(changes=st.lists(st.tuples(st.sampled_from(CHANGES), BODIES), max_size=4))
def test_whatever_was_changed_moovs_own_paths_are_answered(changes: list[Any]) -> None:
    """Only a fault that was planned may answer with a status of 500 or more."""
    desk = Desk()
    for (method, path), body in changes:
        desk.ask_raw(method, target(path), body, content_type=JSON)
    has_faults = any(desk.get(f"{owner}/faults")["faults"] for owner in owners(desk))
    assert desk.token() < 500 or has_faults
    assert desk.ping("no token") < 500 or has_faults
    assert desk.get("/exchanges").status == 200


def owners(desk: Desk) -> list[str]:
    keys = [key["client_id"] for key in desk.get("/api-keys")["api_keys"]]
    return ["", *(f"/api-keys/{client_id}" for client_id in keys if client_id.isalnum())]
