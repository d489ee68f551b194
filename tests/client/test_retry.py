"""When a request is repeated, and how long the client waits first; no test here sleeps."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.client import MoovError, ProtocolError, RateLimitError, Retry, ServerError, TransportError
from mockmoov.client.flows import Flow, StepResult, TokenFlows
from mockmoov.client.retry import NO_RETRY, Wait, _async_sleep

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
GOOD = {
    "access_token": "access-abc",
    "refresh_token": "refresh-def",
    "token_type": "Bearer",
    "scope": "/ping.read",
    "expires_in": 3600,
}
TWICE = Retry(attempts=2, backoff=1.0, jitter=lambda: 0.0)

Operation = Callable[[TokenFlows], Flow[object]]
OPERATIONS: dict[str, Operation] = {
    "create": lambda flows: flows.create("/ping.read"),
    "refresh": lambda flows: flows.refresh("refresh-abc"),
    "revoke": lambda flows: flows.revoke("refresh-abc"),
}


def run(operation: Operation, retry: Retry | None, *outcomes: StepResult) -> tuple[list[float], object]:
    """The waits of a flow that gets these outcomes, and its result or its error."""
    flow = operation(TokenFlows(client_id="key", client_secret="secret-123", retry=retry, clock=lambda: NOW))
    waits: list[float] = []
    answers = iter(outcomes)
    step = next(flow)
    while True:
        try:
            if isinstance(step, Wait):
                waits.append(step.seconds)
                step = flow.send(None)
            else:
                step = flow.send(next(answers))
        except StopIteration as finished:
            return waits, finished.value
        except MoovError as error:
            return waits, error


def answer(status: int, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize(
    ("operation", "repeated"),
    [
        ("create", {429, *range(500, 600)}),
        ("revoke", {429, *range(500, 600)}),
        ("refresh", {429, 503}),
    ],
)
@given(status=st.integers(400, 599))
def test_only_what_is_safe_to_repeat_is_repeated(operation: str, repeated: set[int], status: int) -> None:
    waits, _ = run(OPERATIONS[operation], TWICE, answer(status), answer(400))
    assert waits == ([1.0] if status in repeated else [])


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("failure", "repeated"),
    [
        (httpx2.ConnectError("x"), True),
        (httpx2.ConnectTimeout("x"), True),
        (httpx2.PoolTimeout("x"), True),
        (httpx2.ReadTimeout("x"), False),
        (httpx2.RemoteProtocolError("x"), False),
    ],
)
def test_a_lost_answer_is_not_repeated_and_a_failure_to_connect_is(
    operation: str, failure: httpx2.HTTPError, repeated: bool
) -> None:
    waits, error = run(OPERATIONS[operation], TWICE, failure, failure)
    assert waits == ([1.0] if repeated else [])
    assert isinstance(error, TransportError)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_answer_that_breaks_the_contract_is_not_repeated(operation: str) -> None:
    waits, error = run(OPERATIONS[operation], TWICE, answer(302))
    assert waits == []
    assert isinstance(error, ProtocolError)


def test_nothing_is_repeated_unless_asked_for() -> None:
    waits, error = run(OPERATIONS["create"], None, answer(503))
    assert waits == []
    assert isinstance(error, ServerError)


def test_a_success_after_a_failure_is_a_success() -> None:
    waits, result = run(OPERATIONS["create"], TWICE, answer(429), httpx2.Response(200, json=GOOD))
    assert waits == [1.0]
    assert "scope='/ping.read'" in repr(result)


@given(attempts=st.integers(1, 20))
def test_attempts_count_the_first_request_and_the_last_error_is_raised(attempts: int) -> None:
    waits, error = run(OPERATIONS["create"], Retry(attempts=attempts), *[answer(429)] * attempts)
    assert len(waits) == attempts - 1
    assert isinstance(error, RateLimitError)


@given(
    told=st.none() | st.integers(0, 10**6),
    max_wait=st.floats(0, 1000),
    backoff=st.floats(0, 1000),
    jitter=st.floats(0, 1),
    attempts=st.integers(2, 60),
)
def test_no_wait_is_negative_or_longer_than_max_wait(
    told: int | None, max_wait: float, backoff: float, jitter: float, attempts: int
) -> None:
    retry = Retry(attempts=attempts, backoff=backoff, max_wait=max_wait, jitter=lambda: jitter)
    headers = {} if told is None else {"retry_after": str(told)}
    waits, _ = run(OPERATIONS["create"], retry, *[answer(503, **headers)] * attempts)
    assert all(0 <= wait <= max_wait for wait in waits)


@given(st.integers(0, 30))
def test_the_server_says_how_long_to_wait(seconds: int) -> None:
    waits, _ = run(OPERATIONS["create"], TWICE, answer(429, retry_after=str(seconds)), answer(400))
    assert waits == [seconds]


def test_the_server_may_say_it_as_a_date() -> None:
    when = "Sun, 01 Mar 2026 12:00:12 GMT"
    waits, _ = run(OPERATIONS["create"], TWICE, answer(429, retry_after=when), answer(400))
    assert waits == [12.0]


def test_waits_double() -> None:
    waits, _ = run(
        OPERATIONS["create"], Retry(attempts=6, backoff=0.5, jitter=lambda: 0.0), *[answer(500)] * 6
    )
    assert waits[0] == 0.5
    assert all(later == 2 * earlier for earlier, later in pairwise(waits))


def test_jitter_takes_at_most_half_away() -> None:
    waits, _ = run(OPERATIONS["create"], Retry(attempts=2, backoff=8, jitter=lambda: 1.0), *[answer(500)] * 2)
    assert waits == [4.0]


@pytest.mark.parametrize(
    "options", [{"attempts": 0}, {"backoff": -1}, {"max_wait": -1}, {"backoff": float("nan")}]
)
def test_a_policy_that_makes_no_sense_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="attempts"):
        Retry(**options)  # type: ignore[arg-type]


def test_the_default_sleeps_are_the_clocks_and_the_event_loops() -> None:
    async def sleeping_lets_others_run() -> bool:
        task = asyncio.create_task(asyncio.sleep(0))
        await _async_sleep(0)
        await _async_sleep(0)
        return task.done()

    assert NO_RETRY.sleep is time.sleep
    assert asyncio.run(sleeping_lets_others_run())
