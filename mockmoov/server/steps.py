"""The steps of a request, and the driver for requests inside the process.

Theory of operation. A request is answered by a generator: `AuthorizationServer.respond` for Moov's paths,
`ControlPlane.respond` for mockmoov's own. Wherever it has to wait, it yields a step, and is resumed with the
result. It ends with the response, or with None if none is to be sent. Three drivers know how to wait:

- `web.app` awaits each step on the event loop: it reads from the socket, sleeps, calls the upstream.
- `asgi.Guard` runs the steps up to `Forward`, where a program's own endpoint answers in place of an upstream.
- `run_in_process`, below, has the body already and skips delays. The handles of `MockMoov` use it for the
  control plane, and most tests for everything.

If the store is on another machine, `with_work` makes steps of what is done between them, and `web.app` runs
those in threads.

A driver has no order to remember: it hands back the result of each step. `web.app` throws an exception of its
own into the generator, and every exception in the generator becomes a response with status 500.
"""

import threading
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, TypeAlias, cast

from msgspec import Struct

from mockmoov.oauth.messages import Fields, HttpResponse
from mockmoov.oauth.responses import render_error
from mockmoov.storage.store import Watch

_TURN_SECONDS = 0.05


class ReadBody(Struct, frozen=True):
    """Read the body; if it is longer than `limit` bytes, only enough of it to show that. Result: bytes."""

    limit: int


class PeekBody(Struct, frozen=True):
    """Read the body, which an upstream gets all the same. Result: bytes, more than `limit` if it is longer.

    None if a program reads the body itself.
    """

    limit: int


class Delay(Struct, frozen=True):
    """Wait that many seconds, or until the client leaves. No result."""

    seconds: float


class Forward(Struct, frozen=True):
    """Let the upstream answer: the request is authorized, and `headers` say which API key sent it.

    The result is the upstream's response, with its whole body if `needs_body`; None if the client left first.
    """

    headers: Fields
    needs_body: bool = False


class WaitForExchanges(Struct):
    """Wait until `watch` notifies, for `seconds` at most; the driver counts them down.

    No result: the time is up when there are no seconds left. With `in_thread`, the watch takes long to look.
    """

    watch: Watch
    seconds: float
    in_thread: bool = False


class Work(Struct, frozen=True):
    """Call `work`, which uses a store on another machine: in a thread, as it takes long. Result: its own."""

    work: Callable[[], object]


Step: TypeAlias = ReadBody | PeekBody | Delay | Forward | WaitForExchanges | Work
Steps: TypeAlias = Generator[Step, Any, HttpResponse | None]


class _End(Struct, frozen=True):
    """The steps have ended with this response."""

    response: HttpResponse | None


def with_work(steps: Steps) -> Steps:
    """The same steps, and between them those of `Work`, which do what the others do without a step."""
    resume, value = steps.send, cast("Any", None)
    try:
        while not isinstance(step := (yield Work(partial(_resume, resume, value))), _End):
            try:
                if isinstance(step, WaitForExchanges):
                    step.in_thread = True
                value = yield step
                resume = steps.send
            except Exception as error:
                resume, value = steps.throw, error
        return step.response
    finally:
        steps.close()


def _resume(work: Callable[[Any], Step], value: object) -> Step | _End:
    try:
        return work(value)
    except StopIteration as end:  # which no thread can pass on
        return _End(end.value)


def _no_upstream(_step: Forward) -> HttpResponse:
    return render_error(502, "nothing is forwarded inside the process")


def run_in_process(
    steps: Steps, body: bytes = b"", forward: Callable[[Forward], HttpResponse | None] = _no_upstream
) -> HttpResponse | None:
    """The response of a request whose body is here already; delays are skipped."""
    try:
        step = steps.send(None)
        while True:
            result: object = None
            try:
                if isinstance(step, ReadBody | PeekBody):
                    result = body
                elif isinstance(step, Forward):
                    result = forward(step)
                elif isinstance(step, WaitForExchanges):
                    _wait(step)
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        response: HttpResponse | None = end.value
        return response
    finally:
        steps.close()


def _wait(step: WaitForExchanges) -> None:
    """Wait in turns. No clock is read, since tests freeze clocks."""
    watch, notified = step.watch, threading.Event()
    watch.notify = notified.set
    turn = min(_TURN_SECONDS, watch.turn)
    while watch.missing and not watch.is_notified and step.seconds > 0:
        notified.wait(turn)
        step.seconds -= turn
    watch.is_notified = False
