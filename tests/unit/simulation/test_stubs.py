"""Stubs: which one answers, what it sends, and which can't be planned."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert
from msgspec.structs import replace

from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.operations import OPERATION_NAMES
from mockmoov.simulation.matching import RequestFacts, Where
from mockmoov.simulation.stubs import (
    Stub,
    StubPlan,
    describe_stub,
    make_stub,
    miss_reason,
    select_stub,
    stub_response,
)

LIST = RequestFacts(endpoint="listAccounts", method="GET", path="/accounts", headers={}, parameters={})
ACCOUNT = {"accountID": "a1"}


def ids(plan: StubPlan, requests: int, facts: RequestFacts = LIST) -> list[str | None]:
    """The ids of the stubs that answer successive requests."""
    found: list[str | None] = []
    for _ in range(requests):
        stub, plan = select_stub(plan, facts)
        found.append(stub.id if stub else None)
    return found


def stub(name: str, **members: Any) -> Stub:
    return Stub(id=name, endpoint="listAccounts", **members)


# --- which one answers ------------------------------------------------------------------------------


def test_last_stub_that_matches_answers() -> None:
    assert ids((), 1) == [None]
    assert ids((stub("a"), stub("b")), 2) == ["b", "b"]
    assert ids((stub("a"), Stub(id="b", endpoint="getAccount")), 1) == ["a"]
    assert ids((stub("a"), stub("b", where=Where(method="POST"))), 1) == ["a"]
    assert ids((Stub(id="b", endpoint="getAccount"),), 1) == [None]


def test_stub_that_is_used_up_or_not_due_leaves_the_request_to_others() -> None:
    assert ids((stub("a"), stub("b", times=2)), 4) == ["b", "b", "a", "a"]
    assert ids((stub("a"), stub("b", after=1, every=2)), 5) == ["a", "a", "b", "a", "b"]
    assert ids((stub("a", times=1), stub("b", times=1)), 3) == ["b", "a", None]


def test_only_stubs_down_to_the_one_that_answers_are_counted() -> None:
    plan = (stub("a"), stub("b"), stub("c", after=9), stub("d", where=Where(method="POST")))
    answering, after = select_stub(plan, LIST)
    assert answering == stub("b", matched=1, triggered=1)
    assert [(each.matched, each.triggered) for each in after] == [(0, 0), (1, 1), (1, 0), (0, 0)]
    assert [replace(each, matched=0, triggered=0) for each in after] == list(plan)


# --- what it sends ----------------------------------------------------------------------------------


def sent(**members: Any) -> tuple[int, dict[str, str], bytes]:
    response = stub_response(stub("s1", **members), ACCOUNT)
    return response.status, dict(response.headers), response.body


REASON = {"cache-control": "no-store", "pragma": "no-cache", "x-mockmoov-reason": "stub s1"}


@pytest.mark.parametrize(
    ("members", "content_type", "body"),
    [
        ({}, None, b""),
        ({"json": None}, "application/json", b"null"),
        ({"json": []}, "application/json", b"[]"),
        ({"text": ""}, "text/plain; charset=utf-8", b""),
        ({"text": "é {accountID}"}, "text/plain; charset=utf-8", "é a1".encode()),
        ({"body": b"\xff{accountID}"}, "application/octet-stream", b"\xff{accountID}"),
        ({"text": "<p>", "headers": {"Content-Type": "text/html"}}, "text/html", b"<p>"),
    ],
)
def test_content_has_its_type(members: dict[str, Any], content_type: str | None, body: bytes) -> None:
    headers = {"content-type": content_type} if content_type else {}
    assert sent(**members) == (200, {**REASON, **headers}, body)


def test_status_and_headers_are_sent() -> None:
    assert sent(status=202, headers={"X-A": "b"}) == (202, {**REASON, "x-a": "b"}, b"")


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{accountID}", "a1"),
        ("/{accountID}/{accountID}/", "/a1/a1/"),
        ("{accountId} {cardID} {} {a b} { accountID }", "{accountId} {cardID} {} {a b} { accountID }"),
        ("{{accountID}", "{accountID}"),
        ("{{{accountID}}", "{a1}"),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
        ("{{", "{"),
        ("}}", "}}"),
    ],
)
def test_path_parameters_are_filled_in(text: str, filled: str) -> None:
    assert sent(text=text)[2].decode() == filled
    assert json.loads(sent(json={text: [text, {"a": text}, 5, None]})[2]) == {
        text: [filled, {"a": filled}, 5, None]
    }


@given(st.text())
def test_any_value_is_filled_in_as_text(value: str) -> None:
    response = stub_response(stub("s1", json={"id": "{accountID}"}), {"accountID": value.encode().decode()})
    assert json.loads(response.body) == {"id": value}


# --- which can't be planned -------------------------------------------------------------------------

INVALID: list[tuple[dict[str, Any], str, str]] = [
    ({}, "endpoint", "endpoint is missing: name an operation, such as listAccounts"),
    ({"endpoint": None}, "endpoint", "endpoint is missing"),
    (
        {"endpoint": "listAcounts"},
        "endpoint",
        (
            "endpoint must be an operation, such as listAccounts or GET /accounts/{accountID}, "
            'not "listAcounts"; did you mean listAccounts?; `mockmoov operations` lists them'
        ),
    ),
    ({"endpoint": "x" * 100}, "endpoint", f'not "{"x" * 57}..."'),
    ({"endpoint": "get /accounts"}, "endpoint", "; did you mean listAccounts?"),
    ({"endpoint": "GET /accounts/{accountId}"}, "endpoint", "; did you mean getAccount?"),
    (
        {"endpoint": "revoke"},
        "endpoint",
        "a stub answers an operation: for revoke, plan a fault, such as faults.add(",
    ),
    ({"endpoint": "POST /oauth2/token"}, "endpoint", "for POST /oauth2/token, plan a fault"),
    ({"operation": "ping"}, "operation", "there is no field operation; it is called endpoint"),
    ({"endpoint": "ping", "id": "x"}, "id", "there is no field id"),
    ({"endpoint": "ping", "triggered": 1}, "triggered", "there is no field triggered"),
    ({"endpoint": "ping", "status": 199}, "status", ">= 200"),
    ({"endpoint": "ping", "status": None}, "status", "must be an integer, got null"),
    ({"endpoint": "ping", "times": 0}, "times", ">= 1"),
    ({"endpoint": "ping", "delay": 3601}, "delay", "<= 3600"),
    ({"endpoint": "ping", "where": {"bdy": {}}}, "bdy", "; did you mean body?"),
    ({"endpoint": "ping", "json": {}, "text": "x"}, "text", "text cannot be combined with json"),
    ({"endpoint": "ping", "text": "", "body": ""}, "body", "body cannot be combined with text"),
    ({"endpoint": "ping", "body": "!"}, "body", "base64"),
    ({"endpoint": "ping", "status": 204, "json": None}, "status", "status 204 cannot have a body"),
    (
        {"endpoint": "ping", "headers": {"date": "x"}},
        "headers",
        'headers contains "date", which the server sets itself',
    ),
    ({"endpoint": "ping", "headers": {"a": "é"}}, "headers", 'a value of "a" that is not printable ASCII'),
    ({"endpoint": "ping", "headers": {"a b": "c"}}, "headers", '"a b", which is not the name of a header'),
    (
        {"endpoint": "ping", "where": {"parameters": {"a": "b"}}},
        "where.parameters",
        ("where.parameters never matches a request to ping: for an operation, use query or body"),
    ),
    (
        {"endpoint": "getAccount", "where": {"path_parameters": {"accountId": "x"}}},
        "accountId",
        ("there is no path parameter accountId, only accountID; did you mean accountID?"),
    ),
    ({"endpoint": "ping", "where": {"params": {}}}, "params", "it is called query"),
    ({"endpoint": "ping", "where": {"json": {}}}, "json", "it is called body"),
    ({"endpoint": "ping", "where": {"pathParameters": {}}}, "pathParameters", "it is called path_parameters"),
    ({"endpoint": "ping", "body": {"a": 1}}, "body", "body must be bytes: for JSON, use json"),
    ({"endpoint": "ping", "headers": {"a": None}}, "headers.a", "must be a string, got null"),
]


@pytest.mark.parametrize(("members", "field", "message"), INVALID)
def test_invalid_member_is_named(members: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(FieldError) as caught:
        make_stub(members)
    assert caught.value.field == field
    assert message in str(caught.value)


def test_messages_are_whole_sentences() -> None:
    for members, message in (
        ({}, "endpoint is missing: name an operation, such as listAccounts"),
        ({"endpoint": "ping", "body": []}, "body must be bytes: for JSON, use json"),
        (
            {"endpoint": "ping", "headers": {" " * 61: "x"}},
            f'headers contains "{" " * 57}...", which is not the name of a header',
        ),
    ):
        with pytest.raises(FieldError) as caught:
            make_stub(members)
        assert str(caught.value) == message


def test_stub_is_made_from_its_members() -> None:
    made = make_stub(
        {"endpoint": "GET /accounts/{accountID}", "body": "/w==", "where": {"query": {"a": None}}}
    )
    assert made == Stub(endpoint="getAccount", body=b"\xff", where=Where(query={"a": None}))
    assert [make_stub({"endpoint": name}).endpoint for name in OPERATION_NAMES] == list(OPERATION_NAMES)


def test_stub_is_described_without_its_contents() -> None:
    assert describe_stub(stub("a", json={"secret": 1})) == "'listAccounts'"
    limited = stub("a", status=404, times=1, after=2, every=3, where=Where(query={"a": "b"}, body=[]))
    assert (
        describe_stub(limited)
        == "'listAccounts', after=2, every=3, times=1, status=404, where query and body"
    )


# --- why none answers -------------------------------------------------------------------------------


MISSES: list[tuple[list[dict[str, Any]], str]] = [
    ([], ""),
    ([{"endpoint": "getAccount"}], ""),
    ([{"where": {"query": {"skip": "20"}}}, {"times": 1, "triggered": 1}], "it is used up (times=1)"),
    ([{"after": 2, "every": 3}], "it skips this request (after=2, every=3)"),
    (
        [{"where": {"query": {"skip": "20", "count": "1"}}}],
        "query.skip is '10', not '20', query.count is absent",
    ),
    ([{"where": {"headers": {"authorization": "x"}}}], "headers.authorization differs"),
    ([{"where": {"headers": {"body": "x"}}}], "headers.body is absent"),
    ([{"where": {"body": {"more": 1}}}], "body.more is absent"),
    ([{"where": {"body": {"token": {"note": "y"}}}}], "body.token.note is 'x', not 'y'"),
    ([{"where": {"body": {"card": {"cardNumber": "5"}}}}], "body.card.cardNumber is '...', not '...'"),
    ([{"where": {"body": {"a": {"b": {"pin": "5"}}}}}], "body.a.b.pin is '...', not '...'"),
    ([{"where": {"body": {"note": "4111111111111111"}}}], "body.note is 'x', not '...'"),
]


@pytest.mark.parametrize(("stubs", "reason"), MISSES)
def test_reason_says_why_the_last_stub_does_not_answer(stubs: list[dict[str, Any]], reason: str) -> None:
    plan = tuple(convert({"endpoint": "listAccounts", **members}, Stub) for members in stubs)
    facts = RequestFacts(
        endpoint="listAccounts",
        method="GET",
        path="/accounts",
        headers={"authorization": ("Bearer secret",)},
        parameters={},
        query={"skip": ("10",)},
        body={"card": {"cardNumber": "4"}, "note": "x", "token": {"note": "x"}, "a": {"b": {"pin": "4"}}},
    )
    assert miss_reason(plan, facts) == reason


def test_reason_says_that_a_body_is_no_json() -> None:
    assert miss_reason((stub("a", where=Where(body={"a": 1})),), LIST) == "body is absent, or isn't JSON"
