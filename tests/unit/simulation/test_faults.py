"""Planned faults: which exchanges a fault matches, when it is triggered, in which order, and by chance."""

import hashlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs
from msgspec.structs import replace

from mockmoov.simulation.faults import Fault, Plan, describe_fault, select_fault
from mockmoov.simulation.matching import RequestFacts, Where, untriggered

TOKEN = RequestFacts(
    endpoint="token",
    method="POST",
    path="/oauth2/token",
    headers={"host": ("localhost",), "x-many": ("one", "two")},
    parameters={"grant_type": "refresh_token", "scope": "/ping.read", "client_id": 5},
)
PING = RequestFacts(endpoint="ping", method="GET", path="/ping", headers={}, parameters={})
NOW = 1000.0


def triggered_ids(plan: Plan, exchanges: int, facts: RequestFacts = TOKEN) -> list[str | None]:
    """The ids of the faults that successive exchanges trigger."""
    ids: list[str | None] = []
    for _ in range(exchanges):
        fault, plan = select_fault(plan, facts, NOW)
        ids.append(fault.id if fault else None)
    return ids


def numbers(fault: Fault, exchanges: int = 12) -> list[int]:
    """The numbers, from 1, of the exchanges that trigger a fault that is alone."""
    return [number for number, found in enumerate(triggered_ids((fault,), exchanges), 1) if found is not None]


def counts(plan: Plan) -> list[tuple[int, int]]:
    return [(fault.matched, fault.triggered) for fault in plan]


# --- order ------------------------------------------------------------------------------------------


def test_first_fault_wins_until_it_is_used_up() -> None:
    assert select_fault((), TOKEN, NOW) == (None, ())
    assert triggered_ids((Fault(id="a"),), 3, PING) == ["a", "a", "a"]
    plan = (Fault(id="a", times=2), Fault(id="b", times=1), Fault(id="c", times=1))
    assert triggered_ids(plan, 5) == ["a", "a", "b", "c", None]


def test_faults_after_the_triggered_one_are_not_compared() -> None:
    plan: Plan = (Fault(id="a", every=2), Fault(id="b", after=1), Fault(id="c"))
    fault, plan = select_fault(plan, TOKEN, NOW)
    assert fault == Fault(id="c", matched=1, triggered=1)
    assert counts(plan) == [(1, 0), (1, 0), (1, 1)]
    fault, plan = select_fault(plan, TOKEN, NOW)
    assert fault is not None
    assert fault.id == "a"
    assert counts(plan) == [(2, 1), (1, 0), (1, 1)]


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    return Fault(
        id=draw(st.sampled_from("abc")),
        endpoint=draw(st.sampled_from([None, "token", "ping"])),
        after=draw(st.integers(0, 2)),
        every=draw(st.integers(1, 3)),
        times=draw(st.none() | st.integers(1, 3)),
        probability=draw(st.sampled_from([1.0, 0.5])),
        seed=draw(st.integers(0, 3)),
        start=draw(st.sampled_from([None, 0.0, 5.0])),
        end=draw(st.sampled_from([None, 7.0])),
    )


PLANS = st.lists(faults(), max_size=4).map(tuple)
EXCHANGES = st.lists(st.tuples(st.sampled_from([TOKEN, PING]), st.floats(0, 10)), max_size=12)
THREE = (Fault(id="a", endpoint="ping"), Fault(id="b", after=1, times=1), Fault(id="c", end=7.0))


@given(plan=PLANS, exchanges=EXCHANGES)
@example(plan=THREE, exchanges=[(PING, 1.0), (TOKEN, 1.0), (TOKEN, 1.0), (TOKEN, 1.0), (TOKEN, 8.0)])
def test_only_counts_up_to_the_triggered_fault_change(plan: Plan, exchanges: Any) -> None:
    alone = plan[:1]  # the first fault doesn't notice the others
    for facts, now in exchanges:
        fault, after = select_fault(plan, facts, now)
        only, alone = select_fault(alone, facts, now)
        assert after[:1] == alone
        assert only is None or only == fault
        pairs = list(zip(plan, after, strict=True))
        assert all(new == replace(old, matched=new.matched, triggered=new.triggered) for old, new in pairs)
        assert all(0 <= new.matched - old.matched <= 1 for old, new in pairs)
        triggered = [index for index, (old, new) in enumerate(pairs) if new.triggered != old.triggered]
        assert len(triggered) == (fault is not None)
        for index in triggered:
            assert after[index] == fault
            assert after[index].triggered == plan[index].triggered + 1
            assert after[index + 1 :] == plan[index + 1 :]
        plan = after
    assert all(each.triggered <= each.matched for each in plan)
    assert all(each.times is None or each.triggered <= each.times for each in plan)


# --- when -------------------------------------------------------------------------------------------


@given(
    after=st.integers(0, 4),
    every=st.integers(1, 4),
    times=st.none() | st.integers(1, 4),
    total=st.integers(0, 20),
)
@example(after=2, every=3, times=2, total=20)
def test_after_every_and_times_decide_which_matches_count(
    after: int, every: int, times: int | None, total: int
) -> None:
    expected = list(range(after + every, total + 1, every))[:times]
    assert numbers(Fault(id="a", after=after, every=every, times=times), total) == expected


def test_other_and_later_exchanges_are_not_counted() -> None:
    plan: Plan = (Fault(id="a", endpoint="token", times=1), Fault(id="b", start=NOW + 1))
    for facts in (PING, TOKEN, TOKEN):
        _, plan = select_fault(plan, facts, NOW)
    assert counts(plan) == [(1, 1), (0, 0)]


@pytest.mark.parametrize(
    ("start", "end", "open_at"),
    [
        (None, None, [0, 4, 5, 6, 9]),
        (5, None, [5, 6, 9]),
        (None, 6, [0, 4, 5]),
        (5, 6, [5]),
        (5, 5, []),
        (0, 1, [0]),
    ],
)
def test_window_is_open_from_start_to_before_end(
    start: float | None, end: float | None, open_at: list[int]
) -> None:
    fault = Fault(id="a", start=start, end=end)
    assert [now for now in (0, 4, 5, 6, 9) if select_fault((fault,), TOKEN, now)[0]] == open_at


@given(probability=st.floats(0, 1, exclude_min=True), seed=st.integers(0, 10**9))
def test_same_seed_draws_the_same_chances(probability: float, seed: int) -> None:
    fault = Fault(id="a", probability=probability, seed=seed)
    assert numbers(fault) == numbers(fault)
    likelier = replace(fault, probability=min(1.0, probability * 2))
    assert set(numbers(fault)) <= set(numbers(likelier))


def test_chances_are_fair_and_the_same_in_every_release() -> None:
    assert numbers(Fault(id="a", probability=0.5, seed=0)) == [2, 5, 8, 11, 12]
    assert numbers(Fault(id="a", probability=0.5, seed=1)) == [1, 2, 5, 6, 7, 9, 10]
    draw = int.from_bytes(hashlib.blake2b(b"7 1", digest_size=6).digest(), "big") / 2**48
    assert numbers(Fault(id="a", probability=draw, seed=7), 1) == []
    assert numbers(Fault(id="a", probability=draw + 2**-48, seed=7), 1) == [1]
    for probability in (0.1, 0.5, 0.9):
        triggered = len(numbers(Fault(id="a", probability=probability, seed=3), 500))
        assert abs(triggered / 500 - probability) < 0.05


# --- which ------------------------------------------------------------------------------------------

CONDITIONS: list[tuple[dict[str, Any], bool]] = [
    ({"endpoint": "token"}, True),
    ({"endpoint": "revoke"}, False),
    ({"grant_type": "refresh_token"}, True),
    ({"grant_type": "client_credentials"}, False),
    ({"where": Where(method="POST")}, True),
    ({"where": Where(method="post")}, False),
    ({"where": Where(path="/oauth2/token")}, True),
    ({"where": Where(path="/oauth2")}, False),
    ({"where": Where(headers={"Host": "localhost"})}, True),
    ({"where": Where(headers={"host": "LOCALHOST"})}, False),
    ({"where": Where(headers={"x-many": "two"})}, True),
    ({"where": Where(headers={"x-many": "three"})}, False),
    ({"where": Where(headers={"x-many": None})}, False),
    ({"where": Where(headers={"x-none": None})}, True),
    ({"where": Where(headers={"x-none": ""})}, False),
    ({"where": Where(headers={"host": "localhost", "x-none": "a"})}, False),
    ({"where": Where(parameters={"scope": "/ping.read"})}, True),
    ({"where": Where(parameters={"scope": "/ping"})}, False),
    ({"where": Where(parameters={"Scope": "/ping.read"})}, False),
    ({"where": Where(parameters={"scope": None})}, False),
    ({"where": Where(parameters={"token": None})}, True),
    ({"where": Where(parameters={"client_id": "5"})}, False),
    ({"where": Where(parameters={"scope": "/ping.read", "token": "a"})}, False),
    ({"endpoint": "token", "grant_type": "refresh_token", "where": Where(method="POST")}, True),
    ({"endpoint": "ping", "grant_type": "refresh_token"}, False),
    ({"endpoint": "token", "where": Where(method="GET")}, False),
]


def test_every_condition_must_be_met() -> None:
    for members, matches in CONDITIONS:
        fault, plan = select_fault((Fault(id="a", **members),), TOKEN, NOW)
        assert (members, fault is not None, plan[0].matched) == (members, matches, matches)


def test_unknown_path_matches_only_faults_for_any_endpoint() -> None:
    unknown = structs.replace(PING, endpoint=None)
    assert triggered_ids((Fault(id="a", endpoint="ping"), Fault(id="b")), 1, unknown) == ["b"]
    assert triggered_ids((Fault(id="a", grant_type="refresh_token"),), 1, unknown) == [None]


SUCCESSES = [Fault(status=399), Fault(body={}), Fault(text=""), Fault(status=200, network_error="cut")]
OTHERS = [
    Fault(),
    Fault(delay=1),
    Fault(status=400),
    Fault(status=200, network_error="hang"),
    Fault(text="x", network_error="reset"),
]


def test_success_waits_until_the_request_is_authorized() -> None:
    for fault in SUCCESSES:
        assert select_fault((fault,), TOKEN, NOW, is_authorized=None) == (fault, (fault,))
        assert select_fault((fault,), TOKEN, NOW, is_authorized=False) == (None, (fault,))
        triggered = replace(fault, matched=1, triggered=1)
        assert select_fault((fault,), TOKEN, NOW, is_authorized=True) == (triggered, (triggered,))
        assert select_fault((fault,), TOKEN, NOW) == (triggered, (triggered,))
    for fault in OTHERS:
        triggered = replace(fault, matched=1, triggered=1)
        for is_authorized in (None, False, True):
            answer = select_fault((fault,), TOKEN, NOW, is_authorized=is_authorized)
            assert answer == (triggered, (triggered,))


def test_untriggered_faults_are_found() -> None:
    plan = (Fault(id="a", triggered=1), Fault(id="b", matched=3), Fault(id="c"))
    assert untriggered(plan) == plan[1:]


def test_description_lists_what_was_planned_but_no_contents() -> None:
    assert describe_fault(Fault(id="a", matched=1, triggered=2, seed=5)) == ""
    fault = Fault(endpoint="token", times=2, status=503, delay=0.5, drop=("scope",), network_error="cut")
    assert describe_fault(fault) == (
        "endpoint='token', times=2, delay=0.5, status=503, drop=('scope',), network_error='cut'"
    )
    long = Fault(preset="html", headers={"a": "x"}, body="x", text="x", set={"a": "x"}, where=Where(path="x"))
    assert describe_fault(long) == "preset='html'"
