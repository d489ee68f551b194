"""The ASGI application inside another one, and connections that are not HTTP."""

import asyncio
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Host, Mount
from starlette.types import ASGIApp, Message

from mockmoov.web.app import create_app
from tests.support.asgi import ask_all
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, new_server
from tests.support.upstream import recording

AUTH = (CLIENT_ID, CLIENT_SECRET)


def statuses(app: ASGIApp, *paths: str) -> list[int]:
    requests = [("GET", path, {"auth": AUTH}) for path in paths]
    return [response.status_code for response in ask_all(app, requests)]


def test_mounted_application_answers_without_a_lifespan() -> None:
    with recording() as upstream:
        app = create_app(new_server(upstream=upstream.url), exposure="loopback")
        mounts: list[Any] = [Mount("/", app), Host("localhost", app)]
        for mount in mounts:
            paths = ("/ping", "/accounts", "/_mockmoov/health", "/.well-known/jwks.json", "/none")
            assert statuses(Starlette(routes=[mount]), *paths) == [200, 200, 200, 200, 404], mount


def test_websocket_is_closed() -> None:
    app = create_app(new_server(), exposure="process")
    for path in ("/_mockmoov/health", "/.well-known/x", "/ping", "/"):
        sent: list[str] = []
        raw: dict[str, Any] = {"raw_path": path.encode(), "query_string": b"", "headers": []}

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message, sent: list[str] = sent) -> None:
            sent.append(message["type"])

        asyncio.run(app({"type": "websocket", "path": path, **raw}, receive, send))
        assert sent == ["websocket.close"], path
