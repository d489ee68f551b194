"""Which exchanges a question is about, and how one is told in a line."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockmoov.oauth.records import Exchange
from mockmoov.simulation.journal import Query, format_line, matching

EXCHANGE = Exchange(
    number=7,
    at=784_111_777.9,
    client_id="id",
    endpoint="token",
    method="POST",
    path="/oauth2/token",
    contract="2023",
    grant_type="client_credentials",
    status=200,
    reason=None,
    fault="f1",
    headers={},
    parameters={"grant_type": "client_credentials", "scope": "/ping.read", "client_id": "id"},
    issued={},
)
ENDPOINTS, GRANTS, STATUSES, METHODS, FAULTS = (
    (None, "token", "ping"), (None, "refresh_token"), (None, 200, 401), ("GET", "POST"), (None, "f1"),
)  # fmt: skip
EXCHANGES = st.builds(
    replace,
    st.just(EXCHANGE),
    at=st.integers(0, 5).map(float),
    endpoint=st.sampled_from(ENDPOINTS),
    grant_type=st.sampled_from(GRANTS),
    status=st.sampled_from(STATUSES),
    method=st.sampled_from(METHODS),
    fault=st.sampled_from(FAULTS),
)
QUERIES = st.builds(
    Query,
    endpoint=st.sampled_from(ENDPOINTS),
    grant_type=st.sampled_from(GRANTS),
    status=st.sampled_from(STATUSES),
    method=st.sampled_from((None, *METHODS)),
    fault=st.sampled_from(FAULTS),
    since=st.none() | st.integers(0, 5).map(float),
    until=st.none() | st.integers(0, 5).map(float),
)


@given(exchanges=st.lists(EXCHANGES, max_size=8), query=QUERIES)
def test_those_are_selected_that_are_like_all_that_is_asked_in_their_order(
    exchanges: list[Exchange], query: Query
) -> None:
    left = exchanges
    for name in ("endpoint", "grant_type", "status", "method", "fault"):
        wanted = getattr(query, name)
        left = [each for each in left if wanted is None or getattr(each, name) == wanted]
    if query.since is not None:
        left = [each for each in left if each.at >= query.since]
    if query.until is not None:
        left = [each for each in left if each.at < query.until]
    assert matching(iter(exchanges), query) == left


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("endpoint", "token", "ping"),
        ("grant_type", "client_credentials", "refresh_token"),
        ("status", 200, 201),
        ("method", "POST", "GET"),
        ("fault", "f1", "f2"),
        ("since", 784_111_777.9, 784_111_778.0),
        ("until", 784_111_778.0, 784_111_777.9),
    ],
)
def test_each_member_of_a_query_counts(name: str, right: Any, wrong: Any) -> None:
    assert matching([EXCHANGE], Query(**{name: right})) == [EXCHANGE]
    assert matching([EXCHANGE], Query(**{name: wrong})) == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "POST /oauth2/token client_credentials /ping.read (contract 2023) -> 200"),
        (
            {"status": 401, "reason": "why"},
            "POST /oauth2/token client_credentials /ping.read (contract 2023) -> 401: why",
        ),
        (
            {"status": None, "reason": "fault f1"},
            "POST /oauth2/token client_credentials /ping.read (contract 2023) -> no response: fault f1",
        ),
        (
            {"parameters": {"token": "sha256:1", "x": "y"}, "path": "/oauth2/revoke"},
            "POST /oauth2/revoke sha256:1 (contract 2023) -> 200",
        ),
        (
            {"parameters": {}, "method": "GET", "path": "/ping", "reason": ""},
            "GET /ping (contract 2023) -> 200",
        ),
    ],
)
def test_an_exchange_is_told_in_a_line(changes: dict[str, Any], line: str) -> None:
    assert format_line(replace(EXCHANGE, **changes)) == f"#7 Sun, 06 Nov 1994 08:49:37 GMT {line}"
