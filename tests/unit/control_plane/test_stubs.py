"""Stubs of the server and of a key: planning them, and what requests to operations get."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from mockmoov.simulation import matching
from tests.support.contract_fixtures import Answer
from tests.support.control import JSON, Desk
from tests.support.servers import CLIENT_ID, Header, basic, new_server

KEY = f"/api-keys/{CLIENT_ID}"
ACCOUNT = "5352b013-ae58-4a63-8a3f-97f316a917cf"
each_plan = pytest.mark.parametrize("of", ["", KEY])


def call(desk: Desk, method: str, target: str, body: Any = None, *headers: Header) -> Answer:
    """Use an operation as the API key itself."""
    content = b"" if body is None else json.dumps(body).encode()
    typed = [] if body is None else [("content-type", JSON), ("content-length", str(len(content)))]
    return desk.send(method, target, [basic(), *typed, *headers], content)


def accounts(desk: Desk, requests: int = 1) -> list[int]:
    """The statuses of successive requests for the list of accounts."""
    return [call(desk, "GET", "/accounts")[0] for _ in range(requests)]


# --- planning ---------------------------------------------------------------------------------------


@each_plan
def test_stub_answers_until_it_is_used_up(desk: Desk, of: str) -> None:
    first = desk.post(f"{of}/stubs", endpoint="GET /accounts", json=[{"accountID": "a"}])["stub"]
    last = desk.post(f"{of}/stubs", endpoint="listAccounts", status=404, times=2)["stub"]
    assert accounts(desk, 3) == [404, 404, 200]
    status, headers, body = call(desk, "GET", "/accounts")
    assert (status, json.loads(body)) == (200, [{"accountID": "a"}])
    assert (headers["content-type"], headers["x-mockmoov-reason"]) == (JSON, f"stub {first['id']}")
    assert headers["x-request-id"]
    listed = desk.get(f"{of}/stubs")["stubs"]
    assert listed == [
        {**first, "matched": 2, "triggered": 2},
        {**last, "matched": 2, "triggered": 2},
    ]


@each_plan
def test_one_stub_or_all_can_be_removed(desk: Desk, of: str) -> None:
    for status in (500, 502, 503):
        desk.post(f"{of}/stubs", endpoint="listAccounts", status=status)
    last = desk.get(f"{of}/stubs")["stubs"][-1]["id"]
    assert desk.ask("DELETE", f"{of}/stubs/{last}").status == 204
    assert accounts(desk) == [502]
    gone = desk.ask("DELETE", f"{of}/stubs/{last}")
    assert gone.problem == (404, "there is no stub with this id in the plan", None)
    assert desk.ask("DELETE", f"{of}/stubs").status == 204
    assert desk.get(f"{of}/stubs")["stubs"] == []
    assert accounts(desk) == [501]


def test_full_plan_is_409(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MOST_PLANNED", 1)
    assert [desk.post("/stubs", endpoint="ping").status for _ in range(2)] == [201, 409]
    monkeypatch.setattr(matching, "MOST_BYTES", 300)
    full = desk.post(f"{KEY}/stubs", endpoint="ping", text="x" * 300)
    assert full.problem == (409, "the plan would be larger than 300 bytes, which is the limit", None)


def test_large_stub_is_accepted(desk: Desk) -> None:
    many = [{"accountID": ACCOUNT, "number": number} for number in range(10_000)]
    assert desk.post("/stubs", endpoint="listAccounts", json=many).status == 201
    assert json.loads(call(desk, "GET", "/accounts")[2]) == many


def test_stubs_of_the_key_come_before_the_servers(desk: Desk) -> None:
    desk.post(f"{KEY}/stubs", endpoint="listAccounts", status=202, times=1)
    desk.post("/stubs", endpoint="listAccounts", status=203)
    assert accounts(desk, 2) == [202, 203]
    other = desk.new_key(client_id="other", client_secret="secret")
    desk.post(f"{KEY}/stubs", endpoint="listAccounts", status=202)
    credentials = basic("other", other["client_secret"])
    assert desk.send("GET", "/accounts", [credentials], b"")[0] == 203


def test_reset_removes_stubs_but_those_in_the_settings() -> None:
    desk = Desk(new_server(stubs=[{"endpoint": "listAccounts", "status": 202}]))
    assert [stub["id"] for stub in desk.get("/stubs")["stubs"]] == ["settings-1"]
    desk.post("/stubs", endpoint="listAccounts", status=203)
    desk.post(f"{KEY}/stubs", endpoint="listAccounts", status=206)
    assert accounts(desk) == [206]
    desk.post(f"{KEY}/reset")
    assert accounts(desk) == [203]
    desk.post("/reset")
    assert accounts(desk) == [202]


# --- what matches, and what is sent -----------------------------------------------------------------

TRANSFER = f"/accounts/{ACCOUNT}/transfers"


def test_stub_matches_path_query_headers_and_body(desk: Desk) -> None:
    conditions: list[Mapping[str, Any]] = [
        {"path_parameters": {"accountID": ACCOUNT}},
        {"query": {"dry": "yes", "skip": None}},
        {"headers": {"X-Idempotency-Key": "k 1"}},
        {"body": {"amount": {"value": 100}}},
    ]
    for number, where in enumerate(conditions, 201):
        desk.post("/stubs", endpoint="createTransfer", status=number, where=where)
    other = f"/accounts/{ACCOUNT[::-1]}/transfers"
    statuses = [
        call(desk, "POST", TRANSFER, {"amount": {"value": 100, "currency": "USD"}})[0],
        call(desk, "POST", TRANSFER, {"amount": {"value": 101}}, ("x-idempotency-key", "k 1"))[0],
        call(desk, "POST", f"{other}?dry=y%65s", {"amount": {"value": 101}})[0],
        call(desk, "POST", TRANSFER)[0],
        call(desk, "POST", other)[0],
    ]
    assert statuses == [204, 203, 202, 201, 501]


def test_fault_matches_the_body_too(desk: Desk) -> None:
    desk.post("/stubs", endpoint="createTransfer", status=202)
    endpoint = "POST /accounts/{accountID}/transfers"
    desk.post("/faults", endpoint=endpoint, status=503, where={"body": {"a": 1}})
    assert [call(desk, "POST", TRANSFER, body)[0] for body in ({"a": 1}, {"a": 2})] == [503, 202]


def test_path_parameters_are_filled_in_decoded(desk: Desk) -> None:
    desk.post("/stubs", endpoint="getTransfer", json={"transferID": "{transferID}", "of": "{accountID}"})
    body = call(desk, "GET", f"{TRANSFER}/a%20%22b%C3%A9%ff")[2]
    assert json.loads(body) == {"transferID": 'a "bé\ufffd', "of": ACCOUNT}


def test_stub_answers_in_place_of_mockmoov_itself(desk: Desk) -> None:
    desk.post("/stubs", endpoint="ping", status=202, text="pong", times=1)
    assert [call(desk, "GET", "/ping")[0] for _ in range(2)] == [202, 200]


def test_head_is_answered_as_get_is(desk: Desk) -> None:
    desk.post("/stubs", endpoint="listAccounts", json=[])
    assert call(desk, "HEAD", "/accounts")[0] == 200


FAULTS: dict[str, tuple[dict[str, Any], int, str, bytes]] = {  # status, type and body of the changed answer
    "truncated": ({"truncate": 4}, 202, JSON, b'{"a"'),
    "empty": ({"preset": "empty-body"}, 202, JSON, b""),
    "wrong type": ({"preset": "wrong-content-type"}, 202, "text/plain", b'{"a":1,"b":2}'),
    "missing": ({"drop": ["a"]}, 202, JSON, b'{"b":2}'),
    "changed": ({"set": {"a": "x"}}, 202, JSON, b'{"a":"x","b":2}'),
    "cut": ({"preset": "cut"}, 202, JSON, b'{"a":1,"b":2}'),
    "outage": ({"preset": "unavailable"}, 503, "", b""),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_changes_the_answer_of_a_stub(desk: Desk, name: str) -> None:
    fault, status, content_type, body = FAULTS[name]
    desk.post("/stubs", endpoint="createTransfer", status=202, json={"a": 1, "b": 2})
    desk.post("/faults", endpoint="createTransfer", **fault)
    answer = call(desk, "POST", TRANSFER)
    assert (answer[0], answer[1].get("content-type", ""), answer[2]) == (status, content_type, body)
    counts = [stub["triggered"] for stub in desk.get("/stubs")["stubs"]]
    assert counts == [0 if name == "outage" else 1]


def test_reason_of_a_501_says_what_to_add(desk: Desk) -> None:
    assert call(desk, "GET", "/accounts")[1]["x-mockmoov-reason"] == (
        "the credentials are sufficient, but nothing answers listAccounts here: "
        "add a stub (on the page, by POST /_mockmoov/stubs, in Python with stubs.add), "
        "or set upstream or openapi"
    )


def test_reason_of_a_501_says_why_no_stub_matches(desk: Desk) -> None:
    desk.post("/stubs", endpoint="createTransfer", where={"body": {"amount": {"value": "100"}}})
    reason = call(desk, "POST", TRANSFER, {"amount": {"value": 100}})[1]["x-mockmoov-reason"]
    assert reason == (
        "the credentials are sufficient, but the stub of createTransfer doesn't answer: "
        "body.amount.value is 100, not '100'"
    )


# --- what the journal keeps -------------------------------------------------------------------------


def last_exchange(desk: Desk, **query: object) -> dict[str, Any]:
    found: dict[str, Any] = desk.get("/exchanges", **query)["exchanges"][-1]
    return found


def test_journal_keeps_what_an_operation_was_sent(desk: Desk) -> None:
    stub = desk.post("/stubs", endpoint="createTransfer", status=202)["stub"]
    body = {"amount": {"value": 100}, "source": {"cardNumber": "4111 1111 1111 1111"}}
    call(desk, "POST", f"{TRANSFER}?a=1&a=2&token=x", body, ("x-idempotency-key", "my key-1"))
    exchange = last_exchange(desk)
    assert (exchange["endpoint"], exchange["stub"], exchange["reason"]) == (
        *("createTransfer", stub["id"], f"stub {stub['id']}"),
    )
    assert exchange["path_parameters"] == {"accountID": ACCOUNT}
    assert exchange["query"] == {"a": ["1", "2"], "token": ["..."]}
    assert exchange["body"] == {"amount": {"value": 100}, "source": {"cardNumber": "..."}}
    assert exchange["headers"]["x-idempotency-key"] == "my key-1"


def test_refused_request_is_journaled_with_its_body(desk: Desk) -> None:
    typed = [("content-type", JSON), ("content-length", "8")]
    assert desk.send("POST", TRANSFER, typed, b'{"a": 1}')[0] == 401
    assert last_exchange(desk)["body"] == {"a": 1}


@pytest.mark.parametrize(
    ("content_type", "size", "body"),
    [
        (JSON, 16 * 1024, True),
        (JSON, 16 * 1024 + 1, False),
        ("application/merge-patch+json; charset=utf-8", 100, True),
        ("text/plain", 100, False),
        ("", 100, False),
    ],
)
def test_journal_keeps_json_of_16_kib(desk: Desk, content_type: str, size: int, body: bool) -> None:
    text = "a " * 8200
    sent = json.dumps({"a": text[: size - 9]}).encode()
    assert len(sent) == size
    headers = [basic(), ("content-type", content_type), ("content-length", str(size))]
    desk.send("POST", TRANSFER, headers, sent)
    assert last_exchange(desk)["body"] == (json.loads(sent) if body else None)


@pytest.mark.parametrize("sent", [b"{", b"\xff", b"[" * 100 + b"]" * 100, b"18446744073709551616"])
def test_body_that_is_no_good_json_is_left_out(desk: Desk, sent: bytes) -> None:
    headers = [basic(), ("content-type", JSON), ("content-length", str(len(sent)))]
    assert desk.send("POST", TRANSFER, headers, sent)[0] == 501
    assert last_exchange(desk)["body"] is None


def test_bodies_can_be_kept_out_of_the_journal_and_still_match() -> None:
    desk = Desk(new_server(journal_bodies="off"))
    desk.post("/stubs", endpoint="createTransfer", status=202, where={"body": {"a": 1}})
    assert call(desk, "POST", TRANSFER, {"a": 1})[0] == 202
    assert last_exchange(desk)["body"] is None
    problem = desk.get("/exchanges", where='{"body": {"a": 1}}').problem
    assert problem == (422, "body can't be searched for, as journal_bodies is off", "where")


def test_query_selects_by_what_was_sent(desk: Desk) -> None:
    for value in (100, 200, 100):
        call(desk, "POST", TRANSFER, {"amount": {"value": value}})
    where = json.dumps({"body": {"amount": {"value": 100}}})
    endpoint = "POST /accounts/{accountID}/transfers"
    assert desk.get("/exchanges", endpoint=endpoint, where=where)["count"] == 2
    waited = desk.get("/exchanges/wait", where=where, count=2)
    assert (waited["count"], waited["complete"]) == (2, True)


def test_oauth_requests_have_no_body_or_query_in_the_journal(desk: Desk) -> None:
    assert desk.token() == 200
    exchange = last_exchange(desk)
    assert (exchange["body"], exchange["query"], exchange["path_parameters"]) == (None, {}, {})
