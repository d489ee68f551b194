"""The whole application in process, from the ASGI scope to the response, without uvicorn."""

import asyncio
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Scope

from benchmarks import workload
from mockmoov.config.settings import Settings
from mockmoov.oauth.messages import HttpRequest
from mockmoov.server.factory import create_server
from mockmoov.web.app import create_app


class Application:
    """mockmoov's application without its access log, and a loop that runs it."""

    def __init__(self) -> None:
        self._app: ASGIApp = create_app(create_server(Settings(access_log=False)), exposure="loopback")
        self._loop = asyncio.new_event_loop()

    def answer(self, requests: Iterable[HttpRequest]) -> list[bytes]:
        """The bodies of the responses, which must be 200."""
        return self.answer_scopes([(scope_of(request), request.body) for request in requests])

    def answer_scopes(self, requests: Iterable[tuple[Scope, bytes]]) -> list[bytes]:
        """The same for scopes that are made already, each with its body."""
        return self._loop.run_until_complete(self._answer_all(requests))

    async def _answer_all(self, requests: Iterable[tuple[Scope, bytes]]) -> list[bytes]:
        return [await self._answer_one(scope, body) for scope, body in requests]

    async def _answer_one(self, scope: Scope, body: bytes) -> bytes:
        sent = list[Message]()

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        assert sent[0]["status"] == 200
        found: bytes = sent[1]["body"]
        return found


def scope_of(request: HttpRequest) -> Scope:
    """The ASGI scope of a request, as uvicorn makes it."""
    return {
        "type": "http", "http_version": "1.1", "method": request.method, "scheme": "http",
        "path": request.path, "raw_path": request.path.encode(), "query_string": b"", "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, (value,) in request.headers.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8080),
    }  # fmt: skip


def parsed(request: bytes) -> HttpRequest:
    """A request as the server gets it."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    method, path, _ = line.split()
    headers = {name: (value,) for name, _, value in (field.partition(": ") for field in fields)}
    return HttpRequest(method=method, path=path, headers=headers, body=body)


MINT = parsed(workload.mint())
