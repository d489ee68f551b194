"""What a fault does to a response: which faults can be sent, and how each one replaces or changes it."""

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockmoov.oauth.contracts import CONTRACT_2023, CONTRACT_DATED
from mockmoov.oauth.messages import HttpResponse, TokenResponse
from mockmoov.simulation.fault_effects import (
    apply_to_response,
    has_request_id,
    invalid_member,
    needs_whole_body,
    planned_response,
)
from mockmoov.simulation.faults import PRESETS, Fault

STORE = (("cache-control", "no-store"), ("pragma", "no-cache"))
MEMBERS = {"access_token": "abc", "expires_in": 3600}
REAL = HttpResponse(
    status=200, headers=(("content-type", "application/json"), *STORE), body=json.dumps(MEMBERS).encode()
)
EMPTY = HttpResponse(status=204, headers=STORE)
ERROR = HttpResponse(status=400, headers=(("content-type", "application/json"),), body=b'{"error":"x"}')


def planned(fault: Fault) -> HttpResponse:
    response = planned_response(fault, CONTRACT_2023)
    assert response is not None
    return response


def changed(fault: Fault, response: HttpResponse = REAL) -> HttpResponse:
    return apply_to_response(fault, response, CONTRACT_2023)


def headers(response: HttpResponse) -> dict[str, str]:
    named = dict(response.headers)
    assert len(named) == len(response.headers)
    return named


# --- what can be sent -------------------------------------------------------------------------------

NAMES = ["Retry-After", "x", "!#$%&'*+.^_`|~9", "a" * 100, "set-cookie", "content-type"]
BAD_NAMES = [
    "", "a b", "a:", "é", "a\n", "a" * 101, "a\0", "Content-Length", "TRANSFER-ENCODING", "connection",
    "Date", "X-Request-Id", "X-Mockmoov-Reason", "Trailer",
]  # fmt: skip
VALUES = ["v", "a b", "!~", "x" * 2002, 'a; b="c"']
BAD_VALUES = ["", " ", " a", "a ", "a\r\nb: c", "a\n", "é", "\t", "a\0b", "\x7f", "x" * 2003]


def test_headers_follow_rfc_9110_and_leave_framing_alone() -> None:
    good = [Fault(headers={name: value}) for name, value in product(NAMES, VALUES)]
    assert [fault for fault in good if invalid_member(fault) is not None] == []
    left_out = [Fault(headers={name: None}) for name in (*NAMES, "X-Request-Id")]
    assert [fault for fault in left_out if invalid_member(fault) is not None] == []
    problems = [invalid_member(Fault(headers={"x": "y", name: "v"})) for name in BAD_NAMES]
    assert [problem for problem in problems if not _names_a_bad_name(problem)] == []
    bad_value = ("headers", 'contains a value of "a" that is not printable ASCII')
    assert {invalid_member(Fault(headers={"x": "y", "a": value})) for value in BAD_VALUES} == {bad_value}
    bad_type = ("content_type", "must be printable ASCII")
    assert {invalid_member(Fault(content_type=value)) for value in BAD_VALUES} == {bad_type}


def _names_a_bad_name(problem: tuple[str, str] | None) -> bool:
    member, message = problem or ("", "")
    endings = ("which is not the name of a header", "which the server sets itself")
    return member == "headers" and message.startswith('contains "') and message.endswith(endings)


def test_body_and_text_exclude_each_other() -> None:
    assert invalid_member(Fault(body={}, text="")) == ("text", "cannot be combined with body")
    assert invalid_member(Fault(body=None, text="")) is None
    assert invalid_member(Fault(body=False)) is None


def test_only_some_statuses_cannot_have_a_body() -> None:
    for status in (None, *range(200, 600)):
        problem = ("status", f"{status} cannot have a body") if status in (204, 205, 304) else None
        assert invalid_member(Fault(status=status, text="x")) == problem
        assert invalid_member(Fault(status=status, body=0)) == problem
        assert invalid_member(Fault(status=status, text="")) is None
        assert invalid_member(Fault(status=status)) is None


# --- a response instead of the real one -------------------------------------------------------------


def test_without_status_body_and_text_nothing_is_planned() -> None:
    faults = [
        Fault(), Fault(delay=1), Fault(drop=("a",)), Fault(headers={"a": "b"}), Fault(truncate=1),
        Fault(retry_after=1),
    ]  # fmt: skip
    assert [fault for fault in faults if planned_response(fault, CONTRACT_2023) is not None] == []


def test_planned_body_is_json_or_text() -> None:
    empty = HttpResponse(status=503, headers=(*STORE, ("x-mockmoov-reason", "fault f")))
    assert planned(Fault(id="f", status=503)) == empty
    named = dict(planned(Fault(id="f", status=503, preset="unavailable")).headers)
    assert named["x-mockmoov-reason"] == "fault f (unavailable)"
    for fault, content_type, body in (
        (Fault(body={"é": None}), "application/json", '{"é":null}'),
        (Fault(body=0), "application/json", "0"),
        (Fault(text="é"), "text/plain", "é"),
        (Fault(text=""), "text/plain", ""),
        (Fault(text="<p>", content_type="text/html"), "text/html", "<p>"),
        (Fault(body=[], content_type="text/html"), "text/html", "[]"),
    ):
        response = planned(fault)
        assert (response.status, response.body) == (200, body.encode())
        assert headers(response)["content-type"] == content_type
    assert "content-type" not in headers(planned(Fault(status=500, content_type="text/html")))


def test_headers_of_the_fault_win_and_are_sent_once() -> None:
    own = {"Content-Type": "b/b", "RETRY-after": "1", "X-A": "C"}
    fault = Fault(text="x", content_type="a/a", retry_after=9, headers=own)
    for response in (planned(fault), changed(fault)):
        expected = {"content-type": "b/b", "retry-after": "1", "x-a": "C"}
        assert {name: headers(response)[name] for name in expected} == expected


def test_a_header_that_is_none_is_left_out() -> None:
    fault = Fault(status=403, headers={"Cache-Control": None, "x-request-id": None, "cf-ray": "1"})
    assert headers(planned(fault)).keys() == {"pragma", "x-mockmoov-reason", "cf-ray"}
    assert headers(changed(Fault(headers={"Pragma": None}))).keys() == {"content-type", "cache-control"}
    assert not has_request_id(fault)
    assert has_request_id(Fault(headers={"cf-ray": None}))


def test_other_expires_in_has_the_meaning_of_the_other_contract() -> None:
    issued = TokenResponse(
        access_token="abc", refresh_token="r", scope="/ping.read", issued_at=1000, expires_at=4600,
        token_format="jwt", jti="j", family="f", sequence=0, refresh_expires_at=9000,
    )  # fmt: skip
    for contract, expected in ((CONTRACT_2023, 4600), (CONTRACT_DATED, 3600)):
        fault = Fault(other_expires_in=True)
        body = apply_to_response(fault, REAL, contract, issued).body
        assert json.loads(body) == {**MEMBERS, "expires_in": expected}
        overridden = Fault(other_expires_in=True, set={"expires_in": 7})
        assert json.loads(apply_to_response(overridden, REAL, contract, issued).body)["expires_in"] == 7
        assert apply_to_response(fault, REAL, contract, None).body == REAL.body  # not of the token endpoint


def test_retry_headers_are_those_of_the_contract() -> None:
    for contract, expected in (
        (CONTRACT_2023, {"retry-after": "2", "x-retry-in": "1.5s"}),
        (CONTRACT_DATED, {"retry-after": "2"}),
    ):
        for response in (
            planned_response(Fault(status=429, retry_after=1.5), contract),
            apply_to_response(Fault(retry_after=1.5), EMPTY, contract),
        ):
            assert response is not None
            assert {name: value for name, value in response.headers if "retry" in name} == expected
    assert "retry-after" not in headers(planned(Fault(status=429)))
    assert headers(planned(Fault(status=429, retry_after=0)))["retry-after"] == "1"


def test_members_of_every_success_are_changed_and_of_nothing_else() -> None:
    for status, body in ((200, b"{}"), (299, b"{}"), (300, b'{"a":1}')):
        real = HttpResponse(status=status, body=b'{"a":1}')
        assert changed(Fault(drop=("a",)), real).body == body


@given(text=st.text(max_size=9), truncate=st.none() | st.integers(0, 40))
@example(text="é", truncate=1)
@example(text="abc", truncate=0)
def test_truncate_keeps_the_first_bytes(text: str, truncate: int | None) -> None:
    for body, sent in (
        (text.encode(), planned(Fault(text=text, truncate=truncate)).body),
        (REAL.body, changed(Fault(truncate=truncate)).body),
    ):
        length = len(body) if truncate is None else min(truncate, max(0, len(body) - 1))
        assert sent == body[:length]


# --- changes of the real response -------------------------------------------------------------------


@given(
    drop=st.lists(st.sampled_from(["access_token", "expires_in", "scope"]), max_size=2).map(tuple),
    added=st.dictionaries(
        st.sampled_from(["expires_in", "extra"]), st.none() | st.text() | st.integers(0, 9)
    ),
)
@example(drop=("expires_in",), added={})
@example(drop=(), added={"extra": 1})
@example(drop=("expires_in",), added={"expires_in": None})
def test_members_are_dropped_and_then_set(drop: tuple[str, ...], added: dict[str, Any]) -> None:
    response = changed(Fault(drop=drop, set=added))
    kept = {name: value for name, value in MEMBERS.items() if name not in drop}
    assert json.loads(response.body) == {**kept, **added}
    assert (response.status, response.headers) == (REAL.status, REAL.headers)


UNCHANGED_BODIES = [b"", b"[1]", b"no JSON", b"\xff", b'{"c": "\\ud800"}', b"[" * 100_000]


def test_only_a_success_with_a_json_object_is_changed() -> None:
    faults = [Fault(drop=("error",)), Fault(set={"error": 1}), Fault(drop=("a",), set={"b": 1})]
    responses = [EMPTY, ERROR, *(HttpResponse(status=200, body=body) for body in UNCHANGED_BODIES)]
    wrong = [row for row in product(faults, responses) if changed(*row) != row[1]]
    assert wrong == []
    for response in (REAL, EMPTY, ERROR):
        assert changed(Fault(delay=1, times=2), response) == response


def test_content_type_is_changed_only_where_there_is_one() -> None:
    fault = Fault(content_type="text/plain")
    assert headers(changed(fault)) == {**headers(REAL), "content-type": "text/plain"}
    assert headers(changed(fault, ERROR)) == {"content-type": "text/plain"}
    assert changed(fault, EMPTY) == EMPTY
    head = replace(REAL, body=b"")  # an upstream's response to HEAD
    assert headers(changed(fault, head)) == headers(changed(fault))


def test_headers_are_added_or_replaced() -> None:
    response = changed(Fault(headers={"Pragma": "x", "X-New": "y"}))
    assert headers(response) == {**headers(REAL), "pragma": "x", "x-new": "y"}
    assert (response.status, response.body) == (REAL.status, REAL.body)


@pytest.mark.parametrize(
    ("fault", "needs"),
    [
        (Fault(drop=("a",)), True),
        (Fault(set={"a": 1}), True),
        (Fault(truncate=0), True),
        (Fault(content_type="text/plain"), True),
        (Fault(network_error="cut"), True),
        (Fault(), False),
        (Fault(headers={"a": "b"}, retry_after=1, delay=1, status=500, text="x", times=1), False),
    ],
)
def test_whole_body_is_needed_only_to_change_it(fault: Fault, needs: bool) -> None:
    assert needs_whole_body(fault) is needs
    for response in (REAL, EMPTY, ERROR):
        assert needs or changed(fault, response).body == response.body


def test_every_preset_can_be_sent() -> None:
    faults = {name: Fault(**members) for name, members in PRESETS.items()}
    assert [name for name, fault in faults.items() if invalid_member(fault) or fault == Fault()] == []
