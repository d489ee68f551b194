"""Planned faults as resources: what can be planned, for whom, and how requests are answered then."""

import json
from typing import Any

import pytest

from mockmoov.simulation import matching
from mockmoov.simulation.faults import PRESETS
from mockmoov.simulation.matching import MAX_COUNT
from tests.support.control import Desk
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, basic, post_form

KEY = f"/api-keys/{CLIENT_ID}"
NOTHING = "this fault does nothing: add a preset, a status, a delay or another effect"
each_plan = pytest.mark.parametrize("of", ["", KEY])


def statuses(desk: Desk, times: int) -> list[int]:
    return [desk.token() for _ in range(times)]


@each_plan
def test_a_fault_triggers_as_planned_and_is_counted(desk: Desk, of: str) -> None:
    added = desk.post(f"{of}/faults", endpoint="token", status=503, times=2)
    fault = added["fault"]
    assert added.status == 201
    assert added["client_id"] == (CLIENT_ID if of else None)
    assert (fault["endpoint"], fault["status"], fault["times"], fault["every"]) == ("token", 503, 2, 1)
    assert (fault["matched"], fault["triggered"]) == (0, 0)
    assert statuses(desk, 4) == [503, 503, 200, 200]
    other = desk.post(f"{of}/faults", status=500)["fault"]
    assert other["id"] != fault["id"]
    assert desk.get(f"{of}/faults")["faults"] == [{**fault, "matched": 2, "triggered": 2}, other]


@each_plan
def test_one_fault_or_all_can_be_removed(desk: Desk, of: str) -> None:
    ids = [desk.post(f"{of}/faults", status=status)["fault"]["id"] for status in (500, 502, 503)]
    assert desk.ask("DELETE", f"{of}/faults/{ids[0]}").status == 204
    assert desk.token() == 502
    gone = desk.ask("DELETE", f"{of}/faults/{ids[0]}")
    assert gone.problem == (404, "there is no fault with this id in the plan", None)
    assert desk.ask("DELETE", f"{of}/faults").status == 204
    assert desk.get(f"{of}/faults")["faults"] == []
    assert desk.token() == 200


def test_times_of_a_window_are_listed_in_unix_seconds(desk: Desk) -> None:
    fault = desk.post("/faults", status=500, start="2027-01-15T08:00:00Z", end=None)["fault"]
    assert (fault["start"], fault["end"]) == (1_800_000_000, None)


def test_a_full_plan_is_409(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MOST_PLANNED", 2)
    assert [desk.post("/faults", status=500).status for _ in range(3)] == [201, 201, 409]
    assert desk.post(f"{KEY}/faults", status=500).status == 201
    full = desk.post("/faults", status=500)
    assert full.problem == (409, "there are 2 faults in the plan, which is the limit", None)


def test_a_missing_seed_is_drawn_from_the_allowed_ones(desk: Desk) -> None:
    seeds = [desk.post("/faults", status=503, probability=0.5)["fault"]["seed"] for _ in range(40)]
    assert len(set(seeds)) > 30
    assert max(seeds) <= MAX_COUNT
    assert desk.token() in (200, 503)
    assert desk.post("/faults", status=503)["fault"]["seed"] == 0


def test_members_next_to_a_preset_win(desk: Desk) -> None:
    for preset, members in PRESETS.items():
        fault = desk.post("/faults", preset=preset, times=1)["fault"]
        assert {name: fault[name] for name in members} == dict(members)
        assert (fault["preset"], fault["times"]) == (preset, 1)
        assert desk.post("/faults", preset=preset, delay=0.5)["fault"]["delay"] == 0.5


def test_a_planned_response_is_sent_as_planned(desk: Desk) -> None:
    desk.post("/faults", status=418, body={"é": [1]}, headers={"Retry-AFTER": "9", "x-a": "b"}, times=1)
    request = {"grant_type": "client_credentials", "scope": "/ping.read"}
    status, headers, body = post_form(desk.send, "/oauth2/token", basic(), **request)
    assert (status, json.loads(body), headers["content-type"]) == (418, {"é": [1]}, "application/json")
    assert (headers["retry-after"], headers["x-a"]) == ("9", "b")
    fault = desk.get("/faults")["faults"][0]["id"]
    assert headers["x-mockmoov-reason"] == f"fault {fault}"
    (exchange,) = desk.get("/exchanges", fault=fault)["exchanges"]
    assert exchange["status"] == 418


def test_where_selects_by_path_header_and_parameter(desk: Desk) -> None:
    desk.post("/faults", status=503, where={"path": "/ping", "method": "GET"})
    desk.post("/faults", status=502, where={"headers": {"X-Moov-Version": "latest"}})
    desk.post("/faults", status=504, where={"parameters": {"scope": "/accounts.read", "client_type": None}})
    assert (desk.ping("x"), desk.token(), desk.token(scope="/accounts.read")) == (503, 200, 504)
    assert desk.token(scope="/accounts.read", client_type="web") == 200
    assert desk.send("DELETE", "/oauth2/token", [("x-moov-version", "latest")], b"")[0] == 502


def test_faults_do_not_affect_the_control_plane(desk: Desk) -> None:
    for of in ("", KEY):
        desk.post(f"{of}/faults", status=500, delay=3600)
        desk.post(f"{of}/faults", network_error="hang")
    assert desk.get("/faults").status == desk.get("/clock").status == 200
    introspected = post_form(desk.send, "/_mockmoov/introspect", basic(), token="x")
    assert introspected[0] == 200
    assert desk.get("/faults")["faults"][0]["matched"] == 0


ENDPOINT = 'or GET /accounts/{accountID}, not "tokens"; did you mean token?'
USE_A_STUB = 'a fault below 400 needs endpoint="token" or "revoke"; to answer an operation, use a stub'
BAD_WITH_A_STATUS: list[tuple[dict[str, Any], str, str]] = [
    ({"endpoint": "tokens"}, "endpoint", ENDPOINT),
    ({"endpoint": 1}, "endpoint", "endpoint must be a string or null, got an integer"),
    ({"grant_type": "refresh"}, "grant_type", (
        "client_credentials, refresh_token; did you mean refresh_token?"
    )),
    ({"json": {}}, "json", "there is no field json; it is called body"),
    ({"endpoint": "token", "where": {"body": {"a": 1}}}, "where.body", "for token, use parameters"),
    ({"endpoint": "ping", "where": {"parameters": {"a": "b"}}}, "where.parameters", "use query or body"),
    ({"operation": "ping"}, "operation", "there is no field operation; it is called endpoint"),
    ({"satus": 500}, "satus", "there is no field satus; did you mean status?"),
    ({"id": "x"}, "id", "there is no field id"),
    ({"triggered": 1}, "triggered", "there is no field triggered"),
    ({"matched": 1}, "matched", "there is no field matched"),
    ({"where": {"header": {}}}, "header", (
        "there is no condition header, only method, path, path_parameters, query, headers, parameters, body; "
        "did you mean headers?"
    )),
    ({"where": {"headers": {"a": 1}}}, "where.headers.a", (
        "where.headers.a must be a string or null, got an integer"
    )),
    ({"where": 1}, "where", "where must be an object, got an integer"),
    ({"after": -1}, "after", ">= 0"),
    ({"after": 10**10}, "after", "<= 1000000000"),
    ({"every": 0}, "every", ">= 1"),
    ({"times": 0}, "times", ">= 1"),
    ({"probability": 0}, "probability", "> 0"),
    ({"probability": 1.1}, "probability", "<= 1"),
    ({"seed": -1}, "seed", ">= 0"),
    ({"seed": 2**32}, "seed", "<= 1000000000"),
    ({"start": "soon"}, "start", "start must be Unix seconds or ISO 8601 with an offset"),
    ({"end": -1}, "end", "end must be Unix seconds or ISO 8601 with an offset"),
    ({"start": 5, "end": 5}, "end", "end must be after start"),
]  # fmt: skip
BAD: list[tuple[dict[str, Any], str, str]] = [  # body, the field that is blamed, and part of the message
    ({}, "preset", NOTHING),
    ({"endpoint": "token", "times": 2, "where": {}}, "preset", NOTHING),
    ({"preset": None}, "preset", NOTHING),
    ({"preset": "unavailble"}, "preset", "; did you mean unavailable?"),
    ({"preset": "listCards"}, "preset", 'listCards is an endpoint, not a preset: use endpoint="listCards"'),
    ({"preset": ["hang"]}, "preset", "preset must be one of cut, edge-blocked, "),
    ({"preset": "html", "status": 304}, "status", "status 304 cannot have a body"),
    ({"delay": 3601}, "delay", "<= 3600"),
    ({"delay": -0.1}, "delay", ">= 0"),
    ({"retry_after": -1}, "retry_after", ">= 0"),
    ({"truncate": -1}, "truncate", ">= 0"),
    ({"network_error": "close"}, "network_error", "invalid enum value"),
    ({"drop": "access_token"}, "drop", "drop must be a list, got a string"),
    ({"set": []}, "set", "set must be an object, got a list"),
    ({"body": {}, "text": "x"}, "text", "text cannot be combined with body"),
    ({"headers": {"Content-Length": "5"}}, "headers", "which the server sets itself"),
    ({"headers": {"DATE": "x"}}, "headers", "which the server sets itself"),
    ({"headers": {"a b": "x"}}, "headers", "which is not the name of a header"),
    ({"headers": {"a": "x\r\nset-cookie: y"}}, "headers", "that is not printable ASCII"),
    ({"content_type": "text/html\n"}, "content_type", "content_type must be printable ASCII"),
    ({"status": 199}, "status", "status must be an integer >= 200"),
    ({"status": 600}, "status", "status must be an integer <= 599"),
    ({"status": "500"}, "status", "must be an integer or null, got a string"),
    ({"status": 500.5}, "status", "must be an integer or null, got a number"),
    ({"status": True}, "status", "must be an integer or null, got a boolean"),
    ({"status": 204, "body": {}}, "status", "status 204 cannot have a body"),
    ({"status": 399}, "status", USE_A_STUB),
    ({"status": 200, "endpoint": "GET /ping"}, "status", USE_A_STUB + ': stubs.add("ping", json={})'),
    ({"body": {}, "endpoint": "getAccount"}, "status", USE_A_STUB + ': stubs.add("getAccount", json={})'),
    ({"text": "", "network_error": "cut"}, "status", USE_A_STUB),
    *(({"status": 500, **members}, field, message) for members, field, message in BAD_WITH_A_STATUS),
]  # fmt: skip


@each_plan
def test_bad_faults_are_named_and_not_planned(desk: Desk, of: str) -> None:
    assert desk.mismatches("POST", f"{of}/faults", BAD) == []
    assert desk.get(f"{of}/faults")["faults"] == []


def test_the_longest_header_is_sent(desk: Desk) -> None:
    assert desk.post("/faults", headers={"x": "y" * 2002}, endpoint="token", status=204).status == 201
    assert desk.token(CLIENT_ID, CLIENT_SECRET) == 204
    assert desk.post("/faults", headers={"x": "y" * 2003}).status == 422
