"""Runs the lifespan of an ASGI application: its start, and its end."""

import asyncio
import logging
from typing import Any

from starlette.types import ASGIApp, Message

_CANCEL_SECONDS = 1.0  # that a cancelled task has to end
_log = logging.getLogger("mockmoov")


class LifespanError(Exception):
    """An application did not start; the message says why."""


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, and wait until they have ended; one that ignores it is left alone after a second."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_CANCEL_SECONDS)


class Lifespan:
    """One lifespan of an application, in its own task. The application may fill `state` at its start.

    An application need not support it: one that raises before it receives the event, returns without an
    answer, or answers in HTTP runs without a lifespan.
    """

    def __init__(self, app: ASGIApp, state: dict[str, Any]) -> None:
        self._app = app
        self._state = state
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._has_received = False
        self._task: asyncio.Task[None] | None = None  # of an application that has started

    async def start(self, timeout: float | None = None) -> None:
        """Start the application; raises what its start raises, or `LifespanError`."""
        task = asyncio.create_task(self._run())
        outcome, reason = await self._ask("startup", task, timeout)
        if outcome == "complete":
            self._task = task
            return
        await cancel(task)
        error = _error_of(task)
        if error is not None and self._has_received and outcome in ("failed", "ended"):
            raise error
        if outcome in ("failed", "late"):
            raise LifespanError(reason)

    async def stop(self, timeout: float | None = None) -> None:
        """Shut the application down. What goes wrong is logged."""
        if self._task is None:
            return
        outcome, reason = await self._ask("shutdown", self._task, timeout)
        await cancel(self._task)
        error = _error_of(self._task)
        if error is not None or outcome in ("failed", "late"):
            _log.error("an application failed to shut down: %s", error or reason, exc_info=error)

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        try:
            await self._app(scope, self._receive, self._answers.put)
        except (SystemExit, KeyboardInterrupt) as error:  # which would end the event loop
            raise LifespanError(f"it raised {type(error).__name__}: {error}") from error

    async def _receive(self) -> Message:
        event = await self._events.get()
        self._has_received = True
        return event

    async def _ask(self, event: str, task: asyncio.Task[None], timeout: float | None) -> tuple[str, str]:
        """Send an event. Returns the outcome and the reason for it.

        The outcome is `complete` or `failed`, `ended` if the application ended without an answer, `late` if
        it did neither in time, or else the type of another message.
        """
        self._events.put_nowait({"type": f"lifespan.{event}"})
        answer = asyncio.create_task(self._answers.get())
        await asyncio.wait({answer, task}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            message = answer.result()
            outcome = str(message.get("type")).removeprefix(f"lifespan.{event}.")
            return outcome, str(message.get("message") or "it gave no reason")
        answer.cancel()
        return ("ended", "") if task.done() else ("late", f"it took longer than {timeout} s")


def _error_of(task: asyncio.Task[None]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None
