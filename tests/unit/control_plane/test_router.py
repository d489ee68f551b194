"""The control plane as a whole: its routes, the rules for every endpoint, and bad requests."""

from typing import Any

import pytest
from msgspec.structs import replace

from mockmoov.control_plane import router
from mockmoov.oauth.encoding import MAX_DEPTH
from mockmoov.oauth.messages import HttpRequest
from tests.support.control import JSON, Desk
from tests.support.servers import CLIENT_ID

ROUTES = router.ROUTES
ENDPOINTS = [(method, path) for path, methods in ROUTES.items() for method in methods]
CHANGES = [(method, path) for method, path in ENDPOINTS if method != "GET"]
TOKEN = "sesame-0123456789"


def target(path: str, client_id: str = CLIENT_ID) -> str:
    """A path without its base; the API key in it exists, a fault or signing key doesn't."""
    return path.removeprefix("/_mockmoov").replace("{client_id}", client_id)


# --- Routes ---------------------------------------------------------------------------------------


def test_other_paths_are_404_with_a_reason(desk: Desk) -> None:
    for path in ("/", "/nothing", "/clock/", "/clock/now", "/api-keys//clock", "/Clock", ""):
        reply = desk.get(path)
        assert (reply.status, reply.document) == (404, None), path
        assert reply.headers["x-mockmoov-reason"].startswith("no such path")


def test_other_methods_are_405_with_allow(desk: Desk) -> None:
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "get", "X"]
    wrong = []
    for path, allowed in ROUTES.items():
        named = ", ".join(allowed).replace("GET", "GET, HEAD")
        for method in set(methods) - set(named.split(", ")):
            reply = desk.ask(method, target(path))
            if (reply.status, reply.headers.get("allow")) != (405, named):
                wrong.append((method, path, reply))
    assert wrong == []


def test_head_is_answered_as_get_is(desk: Desk) -> None:
    for method, path in ENDPOINTS:
        if method == "GET":
            assert desk.ask("HEAD", target(path)).status == desk.ask("GET", target(path)).status, path


def test_resources_of_an_unknown_key_are_404(desk: Desk) -> None:
    required: dict[str, dict[str, object]] = {
        "shift": {"seconds": 1}, "move-to": {"to": 1}, "faults": {"status": 500}, "tokens": {},
    }  # fmt: skip
    wrong = []
    for method, path in ENDPOINTS:
        if "{client_id}" in path:
            body = required.get(path.rpartition("/")[2], {}) if method == "POST" else {}
            reply = desk.ask(method, target(path, "nobody"), body)
            if reply.problem != (404, "there is no API key with this client_id", None):
                wrong.append((method, path, reply))
    assert wrong == []


def test_names_in_a_path_are_percent_decoded(desk: Desk) -> None:
    desk.new_key(client_id="a/b c%?#")
    assert desk.get("/api-keys/a%2Fb%20c%25%3F%23/clock")["client_id"] == "a/b c%?#"
    assert desk.get("/api-keys/%FF%ED%A0%80/clock").status == 404


def test_responses_are_marked_and_not_stored(desk: Desk) -> None:
    for method, path in ENDPOINTS:
        reply = desk.ask(method, target(path))
        headers = reply.headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-mockmoov-extension"] == "not part of Moov's API"
        assert headers["date"].endswith(" GMT")
        assert "x-request-id" not in headers
        assert headers.get("content-type") == (JSON if reply.document else None)


# --- Rules for every endpoint ---------------------------------------------------------------------

BARRED: dict[int, tuple[dict[str, Any], dict[str, str], str]] = {  # settings, headers and the reason
    404: ({"control": "off"}, {}, "the control plane is off: set control_token, or set control to on"),
    421: ({}, {"host": "evil.example"}, "the Host evil.example is not allowed: add "),
    403: ({}, {"origin": "https://evil.example"}, "web pages of https://evil.example may not use"),
    401: ({"control_token": TOKEN}, {}, "X-Mockmoov-Token is missing or wrong"),
}


@pytest.mark.parametrize("status", BARRED)
def test_access_rules_hold_for_every_endpoint(status: int) -> None:
    settings, headers, reason = BARRED[status]
    desk = Desk(exposure="loopback", **settings)
    wrong = []
    for method, path in [*ENDPOINTS, ("GET", "/_mockmoov/nothing"), ("PUT", "/_mockmoov/clock")]:
        sent = {"content-type": JSON, "host": "localhost", **headers}
        reply = desk.ask_raw(method, target(path), b"", b"", **sent)
        told = reply.headers.get("x-mockmoov-reason", "")
        if (reply.status, reply.document) != (status, None) or not told.startswith(reason):
            wrong.append((method, path, reply))
    assert wrong == []


def test_too_large_bodies_are_413_everywhere(desk: Desk) -> None:
    replies = [desk.ask_raw(method, target(path), b"x" * (router.MAX_BODY + 1)) for method, path in ENDPOINTS]
    assert {(reply.status, reply.headers["connection"]) for reply in replies} == {(413, "close")}
    assert desk.ask_raw("POST", "/reset", b"x" * router.MAX_BODY, content_type=JSON).status == 400


def test_changes_need_a_json_content_type(desk: Desk) -> None:
    bad: list[tuple[str, ...]] = [
        *((), ("",), ("text/plain",), ("application/x-www-form-urlencoded",), ("application/json2",)),
        *(("multipart/form-data; boundary=x",), ("text/plain; application/json",), ("application",)),
        *(("application/json,text/plain",), (JSON, JSON), (JSON, "text/plain")),
    ]
    message = "a change requires Content-Type: application/json, even without a body"
    wrong = []
    for method, path in CHANGES:
        for content_type in bad:
            headers = {"content-type": content_type} if content_type else {}
            reply = desk.handle(HttpRequest(method=method, path="/_mockmoov" + target(path), headers=headers))
            if reply.problem != (415, message, None):
                wrong.append((method, path, content_type, reply))
    assert wrong == []
    for good in ("application/json; charset=utf-8", "Application/JSON", f" {JSON} "):
        assert desk.ask_raw("POST", "/reset", content_type=good).status == 200
    assert desk.ask_raw("GET", "/clock", b"\xff not JSON").status == 200


def test_unknown_members_are_named_with_the_nearest(desk: Desk) -> None:
    misspelled = {
        "faults": "statuss",
        "stubs": "endpont",
        "tokens": "scopes",
        "shift": "secondss",
        "move-to": "too",
    }
    misspelled["freeze"] = "att"
    wrong = []
    for method, path in CHANGES:
        last = path.rpartition("/")[2]
        name = misspelled.get(last, "enabledd")
        has_members = method == "PATCH" or (method == "POST" and last not in ("resume", "reset", "rotate"))
        status, message, field = desk.ask(method, target(path), {name: 1}).problem
        if (status, field, "; did you mean " in message) != (422, name, has_members):
            wrong.append((method, path, message))
    assert wrong == []


def test_odd_names_of_members_are_not_repeated(desk: Desk) -> None:
    for name in ("Secret-0123456789", "a" * 41, "é", ""):
        assert desk.ask("POST", "/reset", {name: 1}).problem == (422, "there is no field ...", "...")


# --- Bodies ---------------------------------------------------------------------------------------


def test_bad_bodies_are_400_with_the_reason(desk: Desk) -> None:
    problems = {
        body: desk.ask_raw("POST", "/faults", body, content_type=JSON).problem for body in (b"{", b"[]")
    }
    assert problems == {
        b"{": (400, "the body is not JSON", None),
        b"[]": (400, "the JSON body is not an object", None),
    }


def test_deepest_body_can_be_stored_and_sent(desk: Desk) -> None:
    body = b'{"body":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}"
    body = body.replace(b'{"body"', b'{"endpoint":"token","body"')
    assert desk.ask_raw("POST", "/faults", body, content_type=JSON).status == 201
    assert desk.token() == 200  # a planned body replaces that of the answer


ODD_REQUESTS = [
    HttpRequest(method="GET", path="/_mockmoov/exchanges", query=b"since=0001-01-01T00:00+23:59"),
    HttpRequest(method="GET", path="/_mockmoov/exchanges", query=b"\xff=%ff&=&a"),
    HttpRequest(method="GET", path="/_mockmoov/clock", headers={"x-mockmoov-token": ("\ud800",)}),
    HttpRequest(method="\ud800", path="/_mockmoov/\ud800", headers={"content-type": (JSON,)}, body=b"\xff"),
]


def test_odd_requests_are_answered_with_an_error() -> None:
    """More of them are generated in test_description.py."""
    desk = Desk(control_token=TOKEN)
    for request in ODD_REQUESTS:
        token = request.headers.get("x-mockmoov-token", (TOKEN,))
        headers = {**request.headers, "x-mockmoov-token": token}
        assert 400 <= desk.handle(replace(request, headers=headers)).status < 500, request
