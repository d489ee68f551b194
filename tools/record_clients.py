"""Recording: foreign programs against a server that notes what comes, written to fixtures/clients/.

`python -m tools.record_clients [NAME...]` records these clients, or all that
can be had, and writes the names of their checks to checks/.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mockmoov.config.settings import load
from mockmoov.server.factory import create_server
from mockmoov.web.app import create_app
from mockmoov.web.listeners import base_url, bind
from tests.e2e.foreign_clients.clients import CHECKS, CLIENT_ID, CLIENT_SECRET, CLIENTS, Client
from tests.e2e.foreign_clients.programs import (
    CannotFetchError,
    MissingToolError,
    prepare,
    read_outcome,
    require_tools,
    run_program,
)
from tests.e2e.foreign_clients.recordings import FOLDER, Exchange, credentials, to_text


class Recorder:
    """An ASGI application around another that keeps every exchange, in the order of the answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.exchanges: list[Exchange] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        received, answered, status = bytearray(), bytearray(), 0

        async def hear() -> Message:
            message = await receive()
            received.extend(message.get("body", b""))
            return message

        async def tell(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            answered.extend(message.get("body", b""))
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if last:  # before the client hears of it, so that its next request comes later in the list
                self.exchanges.append(noted(scope, bytes(received), status, bytes(answered)))
            await send(message)

        await self._app(scope, hear, tell)


def noted(scope: Scope, body: bytes, status: int, answer: bytes) -> Exchange:
    """One exchange of the connection."""
    target, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    return Exchange(
        method=scope["method"],
        target=f"{target}?{query}" if query else target,
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
        body=body,
        status=status,
        answer=answer,
    )


@contextlib.contextmanager
def recording() -> Iterator[tuple[str, Recorder]]:
    """A server with every setting as it is by default, and what notes its exchanges; yields its URL first."""
    recorder = Recorder(create_app(create_server(load()), exposure="loopback"))
    sockets = bind("localhost", 0)
    config = uvicorn.Config(recorder, lifespan="off", ws="none", log_config=None, access_log=False)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": sockets})
    thread.start()
    try:
        yield base_url("localhost", sockets), recorder
    finally:
        running.should_exit = True
        thread.join(10)


def record(client: Client) -> str:
    """Record one client; returns what is to be said of it."""
    try:
        require_tools(client)
        with tempfile.TemporaryDirectory() as parent:
            folder = prepare(client, Path(parent))
            with recording() as (url, recorder):
                ended = run_program(client, folder, url)
    except (MissingToolError, CannotFetchError) as reason:
        return f"not recorded: {reason}"
    if ended.returncode != 0:
        return f"not recorded: {ended.stdout}{ended.stderr}"
    known = credentials(CLIENT_ID, CLIENT_SECRET)
    about = {"client": client.name, "version": client.version, "recorded": date.today().isoformat()}
    checks = "".join(f"{name}\n" for name in read_outcome(ended.stdout, ()).ok)
    (CHECKS / f"{client.name}.txt").write_text(checks, encoding="utf-8")
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{client.name}.json").write_text(to_text(recorder.exchanges, known, about), encoding="utf-8")
    return f"{len(recorder.exchanges)} requests, {len(checks.splitlines())} checks"


def main(names: list[str]) -> int:
    """Record the named clients, or all; 2 for a name that none has."""
    if unknown := set(names) - {client.name for client in CLIENTS}:
        print(f"no such client: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    for client in CLIENTS:
        if not names or client.name in names:
            print(f"{client.name}: {record(client)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
