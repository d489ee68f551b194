"""How tests call an ASGI application in process: through a client, or message by message."""

import asyncio
from typing import Any
from urllib.parse import quote

import httpx2
from starlette.types import ASGIApp, Message

RawHeaders = list[tuple[bytes, bytes]]
LEFT: Message = {"type": "http.disconnect"}


def client_of(app: ASGIApp, url: str = "http://localhost", **options: Any) -> httpx2.AsyncClient:
    """A client that calls the application without a socket."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app, **options), base_url=url)


def ask(app: ASGIApp, method: str, target: str, **options: Any) -> httpx2.Response:
    """The response to one request."""
    return ask_all(app, [(method, target, options)])[0]


def ask_all(app: ASGIApp, requests: list[tuple[str, str, dict[str, Any]]]) -> list[httpx2.Response]:
    """The responses to requests, one after the other: methods, targets, and what else httpx2 takes."""

    async def go() -> list[httpx2.Response]:
        async with client_of(app) as client:
            return [await client.request(method, target, **options) for method, target, options in requests]

    return asyncio.run(go())


class Connection:
    """A raw ASGI connection: what the client sends, message by message, and what comes back."""

    def __init__(self, *messages: Message) -> None:
        self.unread = list(messages)
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        assert self.unread, "the application reads more than was sent"
        return self.unread.pop(0)

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])


def chunk(body: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def connect(
    app: ASGIApp,
    method: str,
    path: str,
    *messages: Message,
    connection: Connection | None = None,
    **scope: Any,
) -> Connection:
    """Send these messages, or else an empty body; `scope` changes members of the ASGI scope."""
    connection = connection or Connection(*(messages or [chunk()]))
    whole = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": quote(path, safe="/%").encode(),
        "query_string": b"",
        "headers": [],
    }
    asyncio.run(_call(app, whole | scope, connection))
    return connection


async def _call(app: ASGIApp, scope: dict[str, Any], connection: Connection) -> None:
    await app(scope, connection.receive, connection.send)
