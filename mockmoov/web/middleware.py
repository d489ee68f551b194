"""What every request passes first: the Host rule."""

import logging
import time
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.responses import render_error
from mockmoov.server.authorization_server import stamped
from mockmoov.server.hosts import AllowedHosts
from mockmoov.server.ids import new_request_id
from mockmoov.web.asgi_io import ClientConnection, request_of, send_response

_log = logging.getLogger("mockmoov")


async def send_own_response(response: HttpResponse, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response that needs neither the body nor an API key."""
    client = ClientConnection(scope, receive)
    client.discard_body()
    await send_response(stamped(response, time.time(), new_request_id()), client, send)


def host_rule(
    app: ASGIApp, hosts: AllowedHosts, is_guarded: Callable[[str], bool], *, warns: bool = False
) -> ASGIApp:
    """Refuses a request whose Host isn't allowed: a page of another site may have sent it.

    Such a page can make its own name resolve to this machine (DNS rebinding), but cannot send another Host.
    The guarded paths, those of the control plane, have a rule themselves. With `warns` a refusal is logged as
    a warning, for a server without an access log.
    """

    def with_allowed_host(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        reason = ""
        if scope["type"] == "http" and not is_guarded((request := request_of(scope)).path):
            reason = hosts.rejection_reason(request)
        if reason:
            if warns:
                _log.warning("%s", reason)
            return send_own_response(render_error(421, reason), scope, receive, send)
        return app(scope, receive, send)

    return with_allowed_host
