"""What every request passes first: its raw path, a line in the access log, and the Host rule."""

import logging
import time
from collections.abc import Iterable
from functools import partial

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.responses import REASON_HEADER, render_error
from mockmoov.server.authorization_server import stamped
from mockmoov.server.context import RequestContext, new_request_id
from mockmoov.server.hosts import UNKNOWN_HOST, is_known
from mockmoov.simulation.redaction import redact_method, redact_path
from mockmoov.web.asgi_io import ClientConnection, raw_path, request_of, send_response

CONTEXT = "mockmoov.context"
"""Where an endpoint leaves the `RequestContext` in the scope, for the access log."""
LOG_LINE = "mockmoov.log_line"
"""Where the access log leaves the function that writes its line, until it has written it."""
_access = logging.getLogger("mockmoov.access")
_REASON = REASON_HEADER.encode()


async def send_own_response(response: HttpResponse, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response that needs neither the body nor an API key."""
    client = ClientConnection(request_of(scope), receive)
    client.discard_body()
    await send_response(stamped(response, time.time(), new_request_id()), client, send)


def raw_paths(app: ASGIApp) -> ASGIApp:
    """Lets routes match the path as it was sent, so that `%6e` is not `n`. Closes websockets."""

    async def with_raw_path(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] == "http" and (path := raw_path(scope)) != scope["path"]:
            scope = {**scope, "path": path}
        await app(scope, receive, send)

    return with_raw_path


def access_log(app: ASGIApp, paths: Iterable[str]) -> ASGIApp:
    """Writes a line for each request: no query, no body, and of the path only what cannot be a credential."""
    path_words = frozenset("/".join(paths).split("/"))

    async def with_log_line(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _access.isEnabledFor(logging.INFO):
            await app(scope, receive, send)
            return
        scope[LOG_LINE] = partial(_write, scope, path_words, time.perf_counter())

        async def send_and_log(message: Message) -> None:
            if message["type"] == "http.response.start":
                reasons = [value.decode() for name, value in message["headers"] if name == _REASON]
                write_log_line(scope, message["status"], reasons[0] if reasons else None)
            await send(message)

        await app(scope, receive, send_and_log)

    return with_log_line


def _write(
    scope: Scope, path_words: frozenset[str], started: float, outcome: int | str, reason: str | None
) -> None:
    request = request_of(scope)
    context: RequestContext | None = scope.get(CONTEXT)
    _access.info(
        "%s %s %s client=%s grant=%s reason=%r %.1fms",
        redact_method(request.method),
        redact_path(request.path, path_words),
        outcome,
        (context and context.client_id) or "-",
        (context and context.grant_type) or "-",
        reason or "-",
        (time.perf_counter() - started) * 1000,
    )


def write_log_line(scope: Scope, outcome: int | str, reason: str | None) -> None:
    """Log the request, unless it was: the status of its response or how the connection fails, and why."""
    if write := scope.pop(LOG_LINE, None):
        write(outcome, reason)


def host_rule(app: ASGIApp, hosts: frozenset[str]) -> ASGIApp:
    """Refuses a request whose Host is not among `hosts`: a page of another site may have sent it.

    Such a page can make its own name resolve to this machine (DNS rebinding), but cannot send another Host.
    """

    async def with_known_host(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_known(request_of(scope).headers.get("host", ()), hosts):
            await send_own_response(render_error(421, UNKNOWN_HOST), scope, receive, send)
        else:
            await app(scope, receive, send)

    return with_known_host
