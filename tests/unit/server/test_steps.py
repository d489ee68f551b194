"""Steps with the work between them, which a driver may do in threads."""

from collections.abc import Generator
from typing import Any

from mockmoov.oauth.messages import HttpResponse
from mockmoov.server.steps import Delay, Steps, Work, with_work

RESPONSE = HttpResponse(status=204)


def drive(steps: Steps) -> tuple[list[object], HttpResponse | None]:
    """The steps that are no work, and the response; a delay of 2 s fails."""
    seen, value = list[object](), None
    try:
        step = steps.send(None)
        while True:
            if isinstance(step, Work):
                step = steps.send(step.work())
            elif step == Delay(2):
                step = steps.throw(ValueError("2"))
            else:
                seen.append(step)
                step = steps.send(f"after {step.seconds}")  # type: ignore[union-attr]
    except StopIteration as end:
        value = end.value
    return seen, value


def test_results_and_exceptions_reach_the_steps_and_the_response_their_end() -> None:
    received = list[object]()

    def steps() -> Generator[Any, Any, HttpResponse | None]:
        received.append((yield Delay(1)))
        try:
            yield Delay(2)
        except ValueError as error:
            received.append(str(error))
        received.append((yield Delay(3)))
        return RESPONSE

    assert drive(with_work(steps())) == ([Delay(1), Delay(3)], RESPONSE)
    assert received == ["after 1", "2", "after 3"]


def test_steps_that_are_closed_end() -> None:
    ended = list[str]()

    def steps() -> Generator[Any, Any, HttpResponse | None]:
        try:
            yield Delay(1)
        finally:
            ended.append("ended")
        return None

    wrapped = with_work(steps())
    work = wrapped.send(None)
    assert isinstance(work, Work)
    wrapped.send(work.work())
    wrapped.close()
    assert ended == ["ended"]
