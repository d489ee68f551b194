"""Which planned fault an exchange meets: what it must be like, when, in which order, and by which chance."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from mockmoov.simulation.faults import (
    PRESETS,
    Fault,
    Plan,
    RequestFacts,
    Where,
    describe_fault,
    select_fault,
    untriggered,
)

TOKEN = RequestFacts(
    endpoint="token",
    method="POST",
    path="/oauth2/token",
    headers={"host": ("localhost",), "x-many": ("one", "two")},
    parameters={"grant_type": "refresh_token", "scope": "/ping.read", "client_id": 5},
)
PING = RequestFacts(endpoint="ping", method="GET", path="/ping", headers={}, parameters={})
NOW = 1000.0


def met(plan: Plan, exchanges: int, facts: RequestFacts = TOKEN, now: float = NOW) -> list[str | None]:
    """The ids of the faults that so many exchanges meet, one after another."""
    ids: list[str | None] = []
    for _ in range(exchanges):
        fault, plan = select_fault(plan, facts, now)
        ids.append(fault.id if fault else None)
    return ids


def numbers(fault: Fault, exchanges: int = 12) -> list[int]:
    """Which of so many exchanges, counted from 1, meet a fault that is alone."""
    return [number for number, found in enumerate(met((fault,), exchanges), 1) if found is not None]


# --- Order ----------------------------------------------------------------------------------------


def test_no_plan_no_fault() -> None:
    assert select_fault((), TOKEN, NOW) == (None, ())


def test_a_fault_without_a_condition_happens_to_every_exchange() -> None:
    assert met((Fault(id="a"),), 3, PING) == ["a", "a", "a"]


def test_the_first_in_the_plan_happens_and_the_next_one_when_it_is_used_up() -> None:
    plan = (Fault(id="a", times=2), Fault(id="b", times=1), Fault(id="c", times=1))
    assert met(plan, 5) == ["a", "a", "b", "c", None]


def test_those_after_the_one_that_happens_do_not_see_the_exchange() -> None:
    plan: Plan = (Fault(id="a", every=2), Fault(id="b", after=1), Fault(id="c"))
    fault, plan = select_fault(plan, TOKEN, NOW)
    assert fault == Fault(id="c", matched=1, triggered=1)
    assert [(each.matched, each.triggered) for each in plan] == [(1, 0), (1, 0), (1, 1)]
    fault, plan = select_fault(plan, TOKEN, NOW)
    assert fault is not None
    assert fault.id == "a"
    assert [(each.matched, each.triggered) for each in plan] == [(2, 1), (1, 0), (1, 1)]


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


@given(plan=PLANS, exchanges=EXCHANGES)
def test_only_counts_change_and_only_of_those_up_to_the_one_that_happens(plan: Plan, exchanges: Any) -> None:
    for facts, now in exchanges:
        fault, after = select_fault(plan, facts, now)
        assert [replace(each, matched=0, triggered=0) for each in after] == [
            replace(each, matched=0, triggered=0) for each in plan
        ]
        assert sum(each.triggered for each in after) - sum(each.triggered for each in plan) == (
            fault is not None
        )
        assert all(
            one.matched <= other.matched <= one.matched + 1 for one, other in zip(plan, after, strict=True)
        )
        if fault is not None:
            place = next(
                i
                for i, (one, other) in enumerate(zip(plan, after, strict=True))
                if one.triggered != other.triggered
            )
            assert after[place] == fault
            assert after[place + 1 :] == plan[place + 1 :]
        plan = after
    assert all(each.triggered <= each.matched for each in plan)
    assert all(each.times is None or each.triggered <= each.times for each in plan)


@given(plan=PLANS, exchanges=EXCHANGES)
def test_what_one_fault_alone_would_do_is_done_by_the_first(plan: Plan, exchanges: Any) -> None:
    """The first fault of a plan does not notice the others."""
    alone = plan[:1]
    for facts, now in exchanges:
        fault, plan = select_fault(plan, facts, now)
        lonely, alone = select_fault(alone, facts, now)
        assert plan[:1] == alone
        assert lonely is None or lonely == fault


# --- When -----------------------------------------------------------------------------------------


@given(
    after=st.integers(0, 4),
    every=st.integers(1, 4),
    times=st.none() | st.integers(1, 4),
    total=st.integers(0, 20),
)
def test_after_the_first_few_every_so_many_th_at_most_so_often(
    after: int, every: int, times: int | None, total: int
) -> None:
    expected = list(range(after + every, total + 1, every))[:times]
    assert numbers(Fault(id="a", after=after, every=every, times=times), total) == expected


def test_what_does_not_match_or_is_used_up_is_not_counted() -> None:
    plan: Plan = (Fault(id="a", endpoint="token", times=1), Fault(id="b", start=NOW + 1))
    for facts in (PING, TOKEN, TOKEN):
        _, plan = select_fault(plan, facts, NOW)
    assert [(each.matched, each.triggered) for each in plan] == [(1, 1), (0, 0)]


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
def test_a_window_is_open_from_its_start_until_before_its_end(
    start: float | None, end: float | None, open_at: list[int]
) -> None:
    fault = Fault(id="a", start=start, end=end)
    assert [now for now in (0, 4, 5, 6, 9) if select_fault((fault,), TOKEN, now)[0]] == open_at


@given(probability=st.floats(0, 1, exclude_min=True), seed=st.integers(0, 10**9))
def test_chance_is_the_same_for_the_same_seed(probability: float, seed: int) -> None:
    fault = Fault(id="a", probability=probability, seed=seed)
    assert numbers(fault) == numbers(fault)
    more = replace(fault, probability=min(1.0, probability * 2))
    assert set(numbers(fault)) <= set(numbers(more))


def test_chance_is_what_it_always_was() -> None:
    """A test that was written with a seed must not change its mind with a new release."""
    assert numbers(Fault(id="a", probability=0.5, seed=0)) == CHANCE[0]
    assert numbers(Fault(id="a", probability=0.5, seed=1)) == CHANCE[1]


CHANCE = {0: [2, 5, 8, 11, 12], 1: [1, 2, 5, 6, 7, 9, 10]}


def test_chance_is_fair() -> None:
    for probability in (0.1, 0.5, 0.9):
        happened = len(numbers(Fault(id="a", probability=probability, seed=3), 3000))
        assert abs(happened / 3000 - probability) < 0.03


# --- Which ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("simulation", "matches"),
    [
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
    ],
)
def test_all_that_is_given_must_hold(simulation: dict[str, Any], matches: bool) -> None:
    fault, plan = select_fault((Fault(id="a", **simulation),), TOKEN, NOW)
    assert (fault is not None) == matches
    assert plan[0].matched == matches


def test_what_has_no_endpoint_meets_only_those_that_ask_for_none() -> None:
    elsewhere = structs.replace(PING, endpoint=None)
    assert met((Fault(id="a", endpoint="ping"), Fault(id="b")), 1, elsewhere) == ["b"]
    assert met((Fault(id="a", grant_type="refresh_token"),), 1, elsewhere) == [None]


# --- What is told of a plan -----------------------------------------------------------------------


def test_those_that_never_happened_are_unmet() -> None:
    plan = (Fault(id="a", triggered=1), Fault(id="b", matched=3), Fault(id="c"))
    assert untriggered(plan) == plan[1:]


def test_a_fault_is_told_by_what_was_given_of_it() -> None:
    assert describe_fault(Fault(id="a", matched=1, triggered=2, seed=5)) == ""
    fault = Fault(endpoint="token", times=2, status=503, delay=0.5, drop=("scope",), network_error="cut")
    assert describe_fault(fault) == (
        "endpoint='token', times=2, delay=0.5, status=503, drop=('scope',), network_error='cut'"
    )
    secret = Fault(
        preset="html", headers={"a": "x"}, body="x", text="x", set={"a": "x"}, where=Where(path="x")
    )
    assert describe_fault(secret) == "preset='html'"


@pytest.mark.parametrize("members", PRESETS.values())
def test_a_preset_has_only_members_that_a_fault_has(members: dict[str, Any]) -> None:
    assert Fault(**members) != Fault()
