"""Retries: which requests are repeated, and how long the client waits first; no test here sleeps."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.client import (
    MoovError,
    ProtocolError,
    RateLimitError,
    Retry,
    ServerError,
    Token,
    TransportError,
)
from mockmoov.client.flows import Flow, StepResult, TokenFlows
from mockmoov.client.retry import NO_RETRY, Wait, _async_sleep
from tests.client.moov_stub import TOKEN, options

TWICE = Retry(attempts=2, backoff=1.0, jitter=lambda: 0.0)
Operation = Callable[[TokenFlows], Flow[object]]
CREATE: Operation = lambda flows: flows.create("/ping.read")  # noqa: E731
REFRESH: Operation = lambda flows: flows.refresh("refresh-abc")  # noqa: E731
REVOKE: Operation = lambda flows: flows.revoke("refresh-abc")  # noqa: E731


def run(operation: Operation, retry: Retry | None, *outcomes: StepResult) -> tuple[list[float], object]:
    """The waits of a flow that gets these outcomes, and its result or its error."""
    flow = operation(TokenFlows(**options(retry=retry)))
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


def answer(status: int, retry_after: object = None) -> httpx2.Response:
    return httpx2.Response(status, headers={} if retry_after is None else {"retry-after": str(retry_after)})


@pytest.mark.parametrize(
    ("operation", "repeated"),
    [
        (CREATE, {429, 500, 502, 503, 504, 599}),
        (REVOKE, {429, 500, 502, 503, 504, 599}),
        (REFRESH, {429, 503}),
    ],
)
def test_only_what_is_safe_is_repeated(operation: Operation, repeated: set[int]) -> None:
    statuses = [302, 400, 401, 404, 408, 422, 428, 429, 430, 499, 500, 502, 503, 504, 599]
    waits = {status: run(operation, TWICE, answer(status), answer(400))[0] for status in statuses}
    assert waits == {status: [1.0] if status in repeated else [] for status in statuses}
    never_sent = [httpx2.ConnectError("x"), httpx2.ConnectTimeout("x"), httpx2.PoolTimeout("x")]
    lost = [httpx2.ReadTimeout("x"), httpx2.RemoteProtocolError("x")]
    for failure in (*never_sent, *lost):
        waited, error = run(operation, TWICE, failure, failure)
        assert (failure, waited) == (failure, [1.0] if failure in never_sent else [])
        assert isinstance(error, TransportError)
    assert isinstance(run(operation, TWICE, answer(302))[1], ProtocolError)


def test_nothing_is_repeated_by_default() -> None:
    waits, error = run(CREATE, None, answer(503))
    assert waits == []
    assert isinstance(error, ServerError)


def test_success_after_a_failure_is_a_success() -> None:
    waits, result = run(CREATE, TWICE, answer(429), httpx2.Response(200, json=TOKEN))
    assert waits == [1.0]
    assert isinstance(result, Token)


@given(attempts=st.integers(1, 20))
def test_attempts_include_the_first_request(attempts: int) -> None:
    waits, error = run(CREATE, Retry(attempts=attempts), *[answer(429)] * attempts)
    assert len(waits) == attempts - 1
    assert isinstance(error, RateLimitError)


@given(
    announced=st.none() | st.integers(0, 10**6),
    max_wait=st.floats(0, 1000),
    backoff=st.floats(0, 1000),
    jitter=st.floats(0, 1),
    attempts=st.integers(2, 60),
)
@example(announced=None, max_wait=1000, backoff=1, jitter=0, attempts=60)
@example(announced=9, max_wait=5, backoff=1, jitter=0, attempts=2)
def test_wait_is_never_longer_than_max_wait(
    announced: int | None, max_wait: float, backoff: float, jitter: float, attempts: int
) -> None:
    retry = Retry(attempts=attempts, backoff=backoff, max_wait=max_wait, jitter=lambda: jitter)
    waits, _ = run(CREATE, retry, *[answer(503, announced)] * attempts)
    assert all(0 <= wait <= max_wait for wait in waits)


@pytest.mark.parametrize(
    ("retry", "retry_after", "expected"),
    [
        (TWICE, 0, [0.0]),
        (TWICE, 30, [30.0]),
        (TWICE, "Sun, 01 Mar 2026 12:00:12 GMT", [12.0]),
        (Retry(attempts=6, backoff=0.5, jitter=lambda: 0.0), None, [0.5, 1.0, 2.0, 4.0, 8.0]),
        (Retry(attempts=2, backoff=8, jitter=lambda: 1.0), None, [4.0]),
    ],
    ids=["no wait", "seconds", "date", "doubling", "jitter"],
)
def test_waits_follow_the_server_or_else_double(
    retry: Retry, retry_after: object, expected: list[float]
) -> None:
    assert run(CREATE, retry, *[answer(503, retry_after)] * retry.attempts)[0] == expected


def test_invalid_policy_is_rejected() -> None:
    invalid: list[dict[str, Any]] = [
        {"attempts": 0},
        {"backoff": -1},
        {"max_wait": -1},
        {"backoff": float("nan")},
    ]
    for members in invalid:
        with pytest.raises(ValueError, match="attempts"):
            Retry(**members)


def test_default_sleeps_are_those_of_time_and_asyncio() -> None:
    async def lets_others_run() -> bool:
        task = asyncio.create_task(asyncio.sleep(0))
        await _async_sleep(0)
        await _async_sleep(0)
        return task.done()

    assert NO_RETRY.sleep is time.sleep
    assert asyncio.run(lets_others_run())
