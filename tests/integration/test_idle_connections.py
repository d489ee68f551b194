"""A connection without a request is closed after a while; one with a request is not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from mockmoov.web.uvicorn_protocol import HttpProtocol
from tests.support.listening import LOOPS

IDLE = 1  # second
LONG = 2 * IDLE  # that the answer to /long takes


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/long":
        await asyncio.sleep(LONG)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(answer, lifespan="off", log_config=None, timeout_keep_alive=IDLE)
    config.load()
    state: dict[str, Any] = {}
    server = await asyncio.get_running_loop().create_server(
        lambda: HttpProtocol(config=config, server_state=ServerState(), app_state=state), "127.0.0.1", 0
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield reader, writer
        writer.close()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *pieces: bytes) -> bytes:
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(IDLE / 4)
    await reader.readuntil(b"\r\n\r\n")
    return await reader.readexactly(2)


GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def closes_when_idle() -> bool:
    async with connected() as (reader, writer):
        for _ in range(6):  # longer than IDLE, but never idle so long
            assert await ask(reader, writer, GET) == b"ok"
        return await asyncio.wait_for(reader.read(), 10 * IDLE) == b""


async def outlasts_a_long_answer() -> bool:
    async with connected() as (reader, writer):
        assert await ask(reader, writer, GET) == b"ok"
        assert await ask(reader, writer, GET.replace(b"/ ", b"/long ")) == b"ok"
        assert await ask(reader, writer, GET) == b"ok"
        return await asyncio.wait_for(reader.read(), 10 * IDLE) == b""


async def outlasts_a_slow_head() -> bool:
    async with connected() as (reader, writer):
        assert await ask(reader, writer, GET) == b"ok"
        writer.write(GET[:9])
        await asyncio.sleep(2 * IDLE)
        return await ask(reader, writer, GET[9:]) == b"ok"


@pytest.mark.slow
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("case", [closes_when_idle, outlasts_a_long_answer, outlasts_a_slow_head])
def test_only_idle_connections_are_closed(case: Callable[[], Any], loop: str) -> None:
    factory = asyncio.new_event_loop
    if loop == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(case())
