"""The journal's queries, and how an exchange is printed in one line."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockmoov.oauth.records import Exchange
from mockmoov.simulation.journal import Query, format_line, matching, nearest_misses
from mockmoov.simulation.matching import Where

EXCHANGE = Exchange(
    number=7, at=784_111_777.9, client_id="id", endpoint="token", method="POST", path="/oauth2/token",
    contract="2023", grant_type="client_credentials", status=200, reason=None, fault="f1", headers={"a": "b"},
    parameters={"grant_type": "client_credentials", "scope": "/ping.read", "client_id": "id"}, issued={},
    stub="s1", path_parameters={"cardID": "c"}, query={"a": ("1", "2")}, body={"b": 1, "c": 2},
)  # fmt: skip
# Each member of a query, with a value that matches the exchange and one that doesn't.
MEMBERS: dict[str, tuple[Any, Any]] = {
    "endpoint": ("token", "ping"),
    "grant_type": ("client_credentials", "refresh_token"),
    "status": (200, 201),
    "method": ("POST", "GET"),
    "fault": ("f1", "f2"),
    "stub": ("s1", "s2"),
    "since": (784_111_777.9, 784_111_778.0),
    "until": (784_111_778.0, 784_111_777.9),
    "where": (
        Where(
            method="POST",
            path="/oauth2/token",
            headers={"A": "b"},
            path_parameters={"cardID": "c"},
            query={"a": "2"},
            parameters={"client_id": "id"},
            body={"c": 2},
        ),
        Where(body={"c": 3}),
    ),
}
QUERIES = st.fixed_dictionaries({}, optional={name: st.sampled_from(MEMBERS[name]) for name in MEMBERS})


@given(QUERIES)
@example({})
def test_exchange_must_match_every_member_of_a_query(members: dict[str, Any]) -> None:
    matches = all(value == MEMBERS[name][0] for name, value in members.items())
    assert matching([EXCHANGE], Query(**members)) == [EXCHANGE] * matches


def test_each_member_of_a_query_counts() -> None:
    assert matching([EXCHANGE], Query(**{name: values[0] for name, values in MEMBERS.items()})) == [EXCHANGE]
    for name, (_, other) in MEMBERS.items():
        assert (name, matching([EXCHANGE], Query(**{name: other}))) == (name, [])


def test_matching_exchanges_keep_their_order() -> None:
    exchanges = [replace(EXCHANGE, number=number, status=200 + number % 2) for number in range(6, 0, -1)]
    selected = matching(iter(exchanges), Query(status=200))
    assert [exchange.number for exchange in selected] == [6, 4, 2]
    unset = replace(EXCHANGE, endpoint=None, grant_type=None, status=None, fault=None)
    assert matching([unset], Query(method="POST")) == [unset]
    assert matching([unset], Query(endpoint="token")) == []


TOKEN = "POST /oauth2/token client_credentials /ping.read (contract 2023)"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, f"{TOKEN} -> 200: fault f1"),
        ({"fault": None}, f"{TOKEN} -> 200"),
        ({"status": 401, "reason": "why"}, f"{TOKEN} -> 401: why, fault f1"),
        ({"status": None, "reason": "fault f1"}, f"{TOKEN} -> no response: fault f1"),
        ({"status": None, "reason": "fault f1 (hang)"}, f"{TOKEN} -> no response: fault f1 (hang)"),
        (
            {"parameters": {"token": "sha256:1", "x": "y"}, "path": "/oauth2/revoke", "fault": None},
            "POST /oauth2/revoke sha256:1 (contract 2023) -> 200",
        ),
        (
            {"parameters": {}, "method": "GET", "path": "/ping", "reason": "", "fault": None},
            "GET /ping (contract 2023) -> 200",
        ),
        (
            {
                "parameters": {},
                "method": "GET",
                "path": "/accounts",
                "query": {"a": ("1 2", "é/.:"), "b": ("",)},
            },
            "GET /accounts?a=1+2&a=%C3%A9/.:&b= (contract 2023) -> 200: fault f1",
        ),
    ],
)
def test_exchange_is_printed_in_one_line(changes: dict[str, Any], line: str) -> None:
    assert (
        format_line(replace(EXCHANGE, **{"query": {}, **changes}))
        == f"#7 Sun, 06 Nov 1994 08:49:37 GMT {line}"
    )


def test_nearest_misses_are_three_of_those_with_the_fewest_differences() -> None:
    query = Query(endpoint="token", status=200, where=Where(body={"b": 1}))
    exchanges = [
        EXCHANGE,
        replace(EXCHANGE, number=1, status=401, body=None),
        *(replace(EXCHANGE, number=number, status=500 + number) for number in (2, 3)),
        replace(EXCHANGE, number=4, body={"b": 2}),
        replace(EXCHANGE, number=5, endpoint="ping"),
    ]
    assert nearest_misses(exchanges[-1:], query) == []
    assert [line.partition(" Sun, ")[0] for line in nearest_misses(exchanges, query)] == [
        "status is 502, not 200: #2",
        "status is 503, not 200: #3",
        "body.b is 2, not 1: #4",
    ]
    (line,) = nearest_misses(exchanges[1:2], query)
    assert line == f"status is 401, not 200, body is absent, not {{'b': 1}}: {format_line(exchanges[1])}"
    window = Query(since=784_111_778.0, until=784_111_777.0)
    (line,) = nearest_misses([EXCHANGE], window)
    assert line.startswith(
        "since is 784111777.9, not 784111778.0, until is 784111777.9, not 784111777.0: #7 "
    )
    assert nearest_misses([EXCHANGE], Query()) == []
