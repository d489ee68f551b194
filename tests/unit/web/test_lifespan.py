"""The lifespan of an application: applications that support it, fail in it, or know nothing of it."""

import asyncio
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mockmoov.web.lifespan import Lifespan, LifespanError

STARTED: Message = {"type": "lifespan.startup.complete"}
STOPPED: Message = {"type": "lifespan.shutdown.complete"}
NOT_STARTED: Message = {"type": "lifespan.startup.failed", "message": "no database"}
NOT_STOPPED: Message = {"type": "lifespan.shutdown.failed"}
RECEIVE, FOREVER = object(), object()


def scripted(*steps: Any) -> ASGIApp:
    """An application that takes these steps: it receives, sends a message, raises, or waits."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        for step in steps:
            if step is RECEIVE:
                scope["state"][f"event {len(scope['state'])}"] = (await receive())["type"]
            elif step is FOREVER:
                await asyncio.Event().wait()
            elif isinstance(step, Exception):
                raise step
            else:
                await send(step)

    return app


def run(app: ASGIApp, timeout: float | None = 10) -> list[str]:
    """Start and stop an application; the events that it received."""
    state: dict[str, str] = {}

    async def go() -> None:
        lifespan = Lifespan(app, state)
        await lifespan.start(timeout)
        await lifespan.stop(timeout)

    asyncio.run(go())
    return list(state.values())


BOTH = ["lifespan.startup", "lifespan.shutdown"]


def test_application_is_started_and_stopped(caplog: pytest.LogCaptureFixture) -> None:
    assert run(scripted(RECEIVE, STARTED, RECEIVE, STOPPED)) == BOTH
    assert run(scripted(RECEIVE, STARTED, RECEIVE, STOPPED, RECEIVE)) == BOTH  # it waits for another event
    assert run(scripted(RECEIVE, STARTED)) == BOTH[:1]
    assert caplog.text == ""


def test_application_need_not_support_it(caplog: pytest.LogCaptureFixture) -> None:
    assert run(scripted()) == []
    assert run(scripted(KeyError("path"))) == []
    assert run(scripted(RECEIVE)) == BOTH[:1]
    assert run(scripted(RECEIVE, {"type": "http.response.start"}, FOREVER)) == BOTH[:1]
    assert run(scripted(RECEIVE, {})) == BOTH[:1]
    assert caplog.text == ""


def test_failed_start_raises_what_the_application_raised() -> None:
    for steps in ((RECEIVE, ValueError("no database")), (RECEIVE, NOT_STARTED, ValueError("no database"))):
        with pytest.raises(ValueError, match="no database"):
            run(scripted(*steps))


def test_failed_start_without_an_exception_has_its_message() -> None:
    for steps in ((RECEIVE, NOT_STARTED), (RECEIVE, NOT_STARTED, FOREVER)):
        with pytest.raises(LifespanError, match=r"^no database$"):
            run(scripted(*steps))
    with pytest.raises(LifespanError, match=r"^it took longer than 0\.01 s$"):
        run(scripted(RECEIVE, FOREVER), timeout=0.01)


def test_failed_shutdown_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    ends: dict[str, tuple[Any, ...]] = {
        "no disk": (OSError("no disk"),),
        "no network": (RECEIVE, NOT_STOPPED, OSError("no network")),
        "it gave no reason": (RECEIVE, NOT_STOPPED),
        "it took longer than 0.01 s": (FOREVER,),
    }
    for reason, steps in ends.items():
        caplog.clear()
        run(scripted(RECEIVE, STARTED, *steps), timeout=0.01)
        assert f"an application failed to shut down: {reason}" in caplog.text
        assert ("Traceback" in caplog.text) == ("OSError" in caplog.text)
