"""How a fault looks on the wire: the answer in place of the real one, or the real one as it is left."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.oauth.contracts import CONTRACT_2023, CONTRACT_DATED
from mockmoov.oauth.messages import HttpResponse
from mockmoov.simulation.fault_effects import (
    apply_to_response,
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
REFUSED = HttpResponse(status=400, headers=(("content-type", "application/json"),), body=b'{"error":"x"}')


def sent(fault: Fault) -> HttpResponse:
    response = planned_response(fault, CONTRACT_2023)
    assert response is not None
    return response


# --- What can be sent -----------------------------------------------------------------------------

NAME = ("headers", "contains an invalid header name, or a header that the server sets itself")
VALUE = ("headers", "contains a value that is not printable ASCII")


@pytest.mark.parametrize(
    "name", ["Retry-After", "x", "!#$%&'*+.^_`|~9", "a" * 100, "set-cookie", "content-type"]
)
@pytest.mark.parametrize("value", ["v", "a b", "!~", "x" * 2002, 'a; b="c"'])
def test_a_header_of_rfc_9110_can_be_sent(name: str, value: str) -> None:
    assert invalid_member(Fault(headers={name: value})) is None


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a:", "é", "a\n", "a" * 101, "a\0", "Content-Length", "TRANSFER-ENCODING", "connection",
     "Date", "X-Request-Id", "X-Mockmoov-Reason", "Trailer"],
)  # fmt: skip
def test_a_name_that_would_break_the_frame_or_is_ours_cannot(name: str) -> None:
    assert invalid_member(Fault(headers={"x": "y", name: "v"})) == NAME


@pytest.mark.parametrize(
    "value", ["", " ", " a", "a ", "a\r\nb: c", "a\n", "é", "\t", "a\0b", "\x7f", "x" * 2003]
)
def test_a_value_that_would_break_the_frame_cannot(value: str) -> None:
    assert invalid_member(Fault(headers={"x": "y", "a": value})) == VALUE
    assert invalid_member(Fault(content_type=value)) == ("content_type", "must be printable ASCII")


def test_body_and_text_exclude_each_other() -> None:
    assert invalid_member(Fault(body={}, text="")) == ("text", "cannot be combined with body")
    assert invalid_member(Fault(body=None, text="")) is None
    assert invalid_member(Fault(body=False)) is None


@pytest.mark.parametrize("status", [204, 205, 304])
def test_an_answer_that_has_no_body_cannot_have_one(status: int) -> None:
    problem = ("status", f"{status} cannot have a body")
    assert invalid_member(Fault(status=status, text="x")) == problem
    assert invalid_member(Fault(status=status, body=0)) == problem
    assert invalid_member(Fault(status=status, text="")) is None
    assert invalid_member(Fault(status=status)) is None


@given(
    status=st.none() | st.integers(200, 599).filter(lambda status: status not in (204, 205, 304)),
    text=st.text(),
)
def test_any_other_answer_can_have_one(status: int | None, text: str) -> None:
    assert invalid_member(Fault(status=status, text=text)) is None


@pytest.mark.parametrize("members", PRESETS.values())
def test_presets_can_be_sent(members: dict[str, Any]) -> None:
    assert invalid_member(Fault(**members)) is None


# --- In place of the real answer ------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault(),
        Fault(delay=1),
        Fault(drop=("a",)),
        Fault(headers={"a": "b"}),
        Fault(truncate=1),
        Fault(retry_after=1),
    ],
)
def test_without_status_body_and_text_the_real_answer_goes_out(fault: Fault) -> None:
    assert planned_response(fault, CONTRACT_2023) is None


def test_a_status_alone_is_an_empty_answer() -> None:
    response = sent(Fault(id="f", status=503))
    assert response == HttpResponse(status=503, headers=(*STORE, ("x-mockmoov-reason", "fault f")))


def test_a_body_is_sent_as_json_and_a_text_as_text() -> None:
    for fault, content_type, body in (
        (Fault(body={"é": None}), "application/json", '{"é":null}'),
        (Fault(body=0), "application/json", "0"),
        (Fault(text="é"), "text/plain", "é"),
        (Fault(text=""), "text/plain", ""),
        (Fault(text="<p>", content_type="text/html"), "text/html", "<p>"),
        (Fault(body=[], content_type="text/html"), "text/html", "[]"),
    ):
        response = sent(fault)
        assert (response.status, response.body) == (200, body.encode())
        assert dict(response.headers)["content-type"] == content_type


def test_a_content_type_without_a_body_is_not_sent() -> None:
    assert "content-type" not in dict(sent(Fault(status=500, content_type="text/html")).headers)


def test_what_is_given_as_a_header_wins_and_is_there_once() -> None:
    fault = Fault(
        text="x",
        content_type="a/a",
        retry_after=9,
        headers={"Content-Type": "b/b", "RETRY-after": "1", "X-A": "C"},
    )
    headers = sent(fault).headers
    assert dict(headers)["content-type"] == "b/b"
    assert dict(headers)["retry-after"] == "1"
    assert ("x-a", "C") in headers
    assert len(dict(headers)) == len(headers)
    headers = apply_to_response(fault, REAL, CONTRACT_2023).headers
    assert (dict(headers)["content-type"], dict(headers)["retry-after"]) == ("b/b", "1")
    assert len(dict(headers)) == len(headers)


def test_a_time_to_wait_is_told_as_the_contract_tells_it() -> None:
    for contract, told in (
        (CONTRACT_2023, {"retry-after": "2", "x-retry-in": "1.5s"}),
        (CONTRACT_DATED, {"retry-after": "2"}),
    ):
        for response in (
            planned_response(Fault(status=429, retry_after=1.5), contract),
            apply_to_response(Fault(retry_after=1.5), EMPTY, contract),
        ):
            assert response is not None
            shown = {name: value for name, value in response.headers if "retry" in name}
            assert shown == told
    assert "retry-after" not in dict(sent(Fault(status=429)).headers)
    assert dict(sent(Fault(status=429, retry_after=0)).headers)["retry-after"] == "1"


@given(text=st.text(max_size=9), truncate=st.none() | st.integers(0, 40))
def test_of_a_truncated_body_the_first_bytes_are_left(text: str, truncate: int | None) -> None:
    """Bytes, not characters: the last one may be half."""
    assert sent(Fault(text=text, truncate=truncate)).body == text.encode()[:truncate]
    assert apply_to_response(Fault(truncate=truncate), REAL, CONTRACT_2023).body == REAL.body[:truncate]


# --- The real answer as it is left ----------------------------------------------------------------


@pytest.mark.parametrize("response", [REAL, EMPTY, REFUSED])
def test_a_fault_that_changes_nothing_leaves_it_as_it_is(response: HttpResponse) -> None:
    assert apply_to_response(Fault(delay=1, times=2), response, CONTRACT_2023) == response


@given(
    drop=st.lists(st.sampled_from(["access_token", "expires_in", "scope"]), max_size=2).map(tuple),
    added=st.dictionaries(
        st.sampled_from(["expires_in", "extra"]), st.none() | st.text() | st.integers(0, 9)
    ),
)
def test_members_are_dropped_and_then_set(drop: tuple[str, ...], added: dict[str, Any]) -> None:
    response = apply_to_response(Fault(drop=drop, set=added), REAL, CONTRACT_2023)
    left = {name: value for name, value in MEMBERS.items() if name not in drop}
    assert json.loads(response.body) == {**left, **added}
    assert (response.status, response.headers) == (REAL.status, REAL.headers)


@pytest.mark.parametrize("response", [EMPTY, REFUSED, HttpResponse(status=200)])
@pytest.mark.parametrize(
    "fault", [Fault(drop=("error",)), Fault(set={"error": 1}), Fault(drop=("a",), set={"b": 1})]
)
def test_members_are_changed_only_where_it_is_a_success_with_json(
    response: HttpResponse, fault: Fault
) -> None:
    assert apply_to_response(fault, response, CONTRACT_2023) == response


def test_one_of_drop_and_set_is_enough() -> None:
    assert json.loads(apply_to_response(Fault(drop=("expires_in",)), REAL, CONTRACT_2023).body) == {
        "access_token": "abc"
    }
    assert json.loads(apply_to_response(Fault(set={"a": 1}), REAL, CONTRACT_2023).body) == {**MEMBERS, "a": 1}


def test_a_content_type_is_changed_only_where_there_is_a_body() -> None:
    fault = Fault(content_type="text/plain")
    assert dict(apply_to_response(fault, REAL, CONTRACT_2023).headers) == {
        **dict(REAL.headers),
        "content-type": "text/plain",
    }
    assert dict(apply_to_response(fault, REFUSED, CONTRACT_2023).headers)["content-type"] == "text/plain"
    assert apply_to_response(fault, EMPTY, CONTRACT_2023) == EMPTY


def test_headers_are_added_or_take_the_place_of_the_real_ones() -> None:
    response = apply_to_response(Fault(headers={"Pragma": "x", "X-New": "y"}), REAL, CONTRACT_2023)
    assert dict(response.headers) == {**dict(REAL.headers), "pragma": "x", "x-new": "y"}
    assert (response.status, response.body) == (REAL.status, REAL.body)


@pytest.mark.parametrize(
    ("fault", "wanted"),
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
def test_a_real_answer_is_read_whole_where_its_body_is_altered_or_cut(fault: Fault, wanted: bool) -> None:
    assert needs_whole_body(fault) is wanted


@given(response=st.sampled_from([REAL, EMPTY, REFUSED]), headers=st.booleans(), delay=st.sampled_from([0, 1]))
def test_the_body_of_what_is_not_read_whole_stays_as_it_is(
    response: HttpResponse, headers: bool, delay: int
) -> None:
    fault = Fault(delay=delay, retry_after=1, headers={"a": "b"} if headers else {})
    assert not needs_whole_body(fault)
    assert apply_to_response(fault, response, CONTRACT_2023).body == response.body
