"""The conditions that faults, stubs and queries of the journal share."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.errors import FieldError
from mockmoov.simulation import matching
from mockmoov.simulation.matching import (
    Mismatch,
    Planned,
    RequestFacts,
    Where,
    check_conditions,
    check_size,
    check_where,
    matches,
    mismatches,
)

BODY = {"amount": {"value": 100, "currency": "USD"}, "tags": ["a", {"b": True}], "note": None}
FACTS = RequestFacts(
    endpoint="createTransfer",
    method="POST",
    path="/accounts/a%20b/transfers",
    headers={"x-many": ("one", "two"), "accept": ("*/*",)},
    parameters={},
    path_parameters={"accountID": "a b"},
    query={"count": ("1", "2"), "empty": ("",)},
    body=BODY,
)
MATCHING: list[dict[str, Any]] = [
    {},
    {"method": "POST", "path": "/accounts/a%20b/transfers"},
    {"path_parameters": {"accountID": "a b"}},
    *({"query": {"count": value}} for value in ("1", "2")),
    {"query": {"empty": "", "skip": None}},
    *({"headers": {name: value}} for name, value in (("X-Many", "two"), ("accept", "*/*"), ("cookie", None))),
    *({"body": part} for part in (BODY, {}, {"amount": {"value": 100}}, {"amount": {"value": 100.0}})),
    {"body": {"tags": ["a", {}], "note": None, "absent": None}},
]
DIFFERING: list[tuple[dict[str, Any], Mismatch]] = [
    ({"method": "GET"}, Mismatch("method", "GET", "POST")),
    ({"path": "/accounts"}, Mismatch("path", "/accounts", "/accounts/a%20b/transfers")),
    ({"path_parameters": {"accountID": "a%20b"}}, Mismatch("path_parameters.accountID", "a%20b", "a b")),
    ({"path_parameters": {"cardID": "a b"}}, Mismatch("path_parameters.cardID", "a b", None)),
    ({"query": {"count": "3"}}, Mismatch("query.count", "3", "1")),
    ({"query": {"empty": None}}, Mismatch("query.empty", None, "")),
    ({"query": {"Count": "1"}}, Mismatch("query.Count", "1", None)),
    ({"headers": {"X-Many": "ONE"}}, Mismatch("headers.X-Many", "ONE", "one")),
    ({"headers": {"cookie": "x"}}, Mismatch("headers.cookie", "x", None)),
    ({"parameters": {"scope": "x"}}, Mismatch("parameters.scope", "x", None)),
    ({"body": []}, Mismatch("body", [], BODY)),
    ({"body": {"amount": {"value": 101}}}, Mismatch("body.amount.value", 101, 100)),
    ({"body": {"amount": 100}}, Mismatch("body.amount", 100, BODY["amount"])),
    ({"body": {"absent": {}}}, Mismatch("body.absent", {}, None)),
    ({"body": {"note": 0}}, Mismatch("body.note", 0, None)),
    ({"body": {"amount": None}}, Mismatch("body.amount", None, BODY["amount"])),
    ({"body": {"tags": ["a", {"b": 1}]}}, Mismatch("body.tags[1].b", 1, True)),
    ({"body": {"tags": ["a"]}}, Mismatch("body.tags", ["a"], BODY["tags"])),
]


@pytest.mark.parametrize("where", MATCHING)
def test_request_matches_if_it_meets_every_condition(where: dict[str, Any]) -> None:
    assert list(mismatches(Where(**where), FACTS)) == []
    assert matches(Where(**where), FACTS)


@pytest.mark.parametrize(("where", "mismatch"), DIFFERING)
def test_condition_that_is_not_met_is_named_with_its_value(where: dict[str, Any], mismatch: Mismatch) -> None:
    assert list(mismatches(Where(**where), FACTS)) == [mismatch]
    assert not matches(Where(**where), FACTS)


def test_every_mismatch_is_listed() -> None:
    where = Where(method="GET", query={"count": "3"}, body={"amount": {"value": 1}, "note": "x"})
    assert [found.name for found in mismatches(where, FACTS)] == [
        *("method", "query.count", "body.amount.value", "body.note"),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=8,
)


@given(sent=JSON.filter(lambda value: value is not None), other=JSON)
def test_body_matches_itself_and_a_larger_object(sent: object, other: object) -> None:
    def meets(expected: object, body: object) -> bool:
        return matches(Where(body=expected), RequestFacts(**{**_members(FACTS), "body": body}))

    assert meets(sent, sent)
    assert meets({"of": sent}, {"of": sent, "more": other})
    assert not meets({"of": sent}, {"of": [sent]})


def _members(facts: RequestFacts) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in facts.__struct_fields__}


# --- what can't be planned ----------------------------------------------------------------------------

NEVER = "never matches a request to"
USE_PARAMETERS = {name: f"{name}: for {name}, use parameters" for name in ("token", "revoke")}
IMPOSSIBLE: list[tuple[str | None, dict[str, Any], str, str]] = [
    *(
        (endpoint, {name: value}, f"where.{name}", f"where.{name} {NEVER} {USE_PARAMETERS[endpoint]}")
        for endpoint in ("token", "revoke")
        for name, value in (("path_parameters", {"a": "b"}), ("query", {"a": "b"}), ("body", {"a": 1}))
    ),
    ("ping", {"parameters": {"a": "b"}}, "where.parameters", (
        f"where.parameters {NEVER} ping: for an operation, use query or body"
    )),
    ("getAccount", {"path_parameters": {"accountId": "x"}}, "accountId", (
        "there is no path parameter accountId, only accountID; did you mean accountID?"
    )),
    ("ping", {"path_parameters": {"a": "b"}}, "where.path_parameters", "the path of ping has no parameters"),
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "where", "field", "message"), IMPOSSIBLE)
def test_condition_that_nothing_can_meet_is_refused(
    endpoint: str, where: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(FieldError) as caught:
        check_conditions(endpoint, Where(**where))
    assert (caught.value.field, str(caught.value)) == (field, message)
    check_conditions(None, Where(**where))


def test_other_conditions_are_accepted() -> None:
    check_conditions("token", Where(method="POST", headers={"a": "b"}, parameters={"scope": "x"}))
    check_conditions("getAccount", Where(path_parameters={"accountID": "x"}, query={"a": None}, body=[]))
    check_where({})
    check_where({"where": 5})
    check_where({"where": dict.fromkeys(Where.__struct_fields__)})
    listed = "method, path, path_parameters, query, headers, parameters, body"
    with pytest.raises(
        FieldError, match=rf"^there is no condition header, only {listed}; did you mean headers\?$"
    ):
        check_where({"where": {"header": {}}})


def test_plan_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = [Planned(id="é")] * 2
    monkeypatch.setattr(matching, "MOST_PLANNED", 2)
    check_size(plan, "things")
    with pytest.raises(ValueError, match=r"^there are 2 things in the plan, which is the limit$"):
        check_size([*plan, Planned()], "things")
    monkeypatch.setattr(matching, "MOST_BYTES", len(to_json(plan)))
    check_size(plan, "things")
    monkeypatch.setattr(matching, "MOST_BYTES", len(to_json(plan)) - 1)
    limit = f"^the plan would be larger than {len(to_json(plan)) - 1} bytes, which is the limit$"
    with pytest.raises(ValueError, match=limit):
        check_size(plan, "things")
