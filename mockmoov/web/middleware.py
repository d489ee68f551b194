"""What every request passes first: its raw path, and the Host rule."""

import time

from starlette.types import ASGIApp, Receive, Scope, Send

from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.responses import render_error
from mockmoov.server.authorization_server import stamped
from mockmoov.server.context import new_request_id
from mockmoov.server.hosts import UNKNOWN_HOST, is_known
from mockmoov.web.asgi_io import ClientConnection, raw_path, request_of, send_response


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
