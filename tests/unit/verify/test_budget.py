"""Sending requests within a budget: the rate, rate limits, the time limit, and failures in plain words."""

from collections.abc import Callable

import httpx2
import pytest

from mockmoov.verify.budget import BudgetedSender
from mockmoov.verify.check import BudgetExhausted, NoResponse

GET = httpx2.Request("GET", "http://localhost/base/ping")


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def budgeted(
    answer: Callable[[], httpx2.Response], *, rate: float | None = None, scheme: str = "http"
) -> tuple[BudgetedSender, Time]:
    time = Time()
    sender = BudgetedSender(
        lambda _: answer(),
        url=f"{scheme}://localhost/base",
        budget=100,
        rate=rate,
        seconds=1000,
        clock=time.clock,
        sleep=time.sleep,
    )
    return sender, time


def test_requests_are_as_far_apart_as_the_rate_says() -> None:
    sender, time = budgeted(lambda: httpx2.Response(200), rate=4)
    for _ in range(9):
        sender.send(GET)
    assert time.now == pytest.approx(8 / 4)


@pytest.mark.parametrize(("retry_after", "waited"), [("7", 7), ("99999", 30), ("soon", 1), ("", 1)])
def test_a_429_is_waited_out(retry_after: str, waited: float) -> None:
    answers = iter([httpx2.Response(429, headers={"retry-after": retry_after}), httpx2.Response(200)])
    sender, time = budgeted(lambda: next(answers))
    assert sender.send(GET).status_code == 200
    assert time.slept == [waited]


def test_a_429_that_stays_is_returned() -> None:
    sender, time = budgeted(lambda: httpx2.Response(429))
    assert sender.send(GET).status_code == 429
    assert (sender.sent, len(time.slept)) == (3, 2)
    assert sender.send(GET, retry_429=False).status_code == 429
    assert (sender.sent, len(time.slept)) == (4, 2)


@pytest.mark.parametrize(("statuses", "sent"), [([204], 1), ([429, 204], 2), ([429, 429], 2)])
def test_cleaning_up_waits_out_one_429(statuses: list[int], sent: int) -> None:
    answers = iter(statuses)
    sender, time = budgeted(lambda: httpx2.Response(next(answers)))
    assert sender.send_cleanup(GET).status_code == statuses[-1]
    assert (sender.sent, len(time.slept)) == (sent, sent - 1)


def test_only_cleaning_up_is_sent_after_the_time_limit() -> None:
    sender, time = budgeted(lambda: httpx2.Response(200))
    time.now = 1001
    with pytest.raises(BudgetExhausted, match="the time limit of 1000 seconds is reached"):
        sender.send(GET)
    assert sender.send_cleanup(GET).status_code == 200
    assert sender.sent == 1


FAILURES = [
    (httpx2.ConnectError("secret"), "cannot connect; is the server running?"),
    (httpx2.ConnectError("certificate verify failed: secret"), "is not trusted; pass its CA with --ca-file"),
    (httpx2.ConnectTimeout("secret"), "connecting timed out"),
    (httpx2.ReadTimeout("secret"), "no response in time"),
    (httpx2.ReadError("secret"), "the connection was lost"),
    (httpx2.RemoteProtocolError("secret"), "; if this is a port for https, use https://localhost/base$"),
    (httpx2.ConnectError(""), r"is the server running\? \(ConnectError\)$"),
    (ValueError("secret"), r"no response \(ValueError\)"),
]


@pytest.mark.parametrize(("error", "text"), FAILURES)
def test_failures_are_explained_in_our_own_words(error: Exception, text: str) -> None:
    def fail() -> httpx2.Response:
        raise error

    with pytest.raises(NoResponse, match=text) as failure:
        budgeted(fail)[0].send(GET)
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            httpx2.ConnectError("[SSL: WRONG_VERSION_NUMBER] secret"),
            r"; if this is a port for http, use http://localhost/base$",
        ),
        (httpx2.ConnectError(""), r"; if this is a port for http, use http://localhost/base$"),
        (httpx2.ConnectError("secret"), r"is the server running\? \(ConnectError\)$"),
        (httpx2.RemoteProtocolError("secret"), r"or it is not HTTP \(RemoteProtocolError\)$"),
    ],
)
def test_failures_of_https_are_explained(error: Exception, text: str) -> None:
    def fail() -> httpx2.Response:
        raise error

    with pytest.raises(NoResponse, match=text):
        budgeted(fail, scheme="https")[0].send(httpx2.Request("GET", "https://localhost/base/ping"))
