"""Owns who answers what comes by ASGI, the Host rule and the access log. Must not know OAuth."""

import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from mockmoov.config.settings import Settings
from mockmoov.control_plane.access import Exposure, control_access
from mockmoov.control_plane.router import ControlPlane
from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.oauth.responses import REASON_HEADER, render_error
from mockmoov.server.authorization_server import MAX_BODY, AuthorizationServer, identified
from mockmoov.server.hosts import UNKNOWN_HOST, is_known
from mockmoov.simulation.fault_effects import needs_whole_body
from mockmoov.simulation.redaction import redact_method, redact_path
from mockmoov.web.asgi_io import Incoming, Reply, Stream, deliver, to_request
from mockmoov.web.cors import CorsPolicy, is_preflight, shared

if TYPE_CHECKING:
    from mockmoov.web.gateway import Gateway

_access = logging.getLogger("mockmoov.access")
_OWN_PATHS = ("/_mockmoov/", "/.well-known/")
_POLL_SECONDS = 0.01
_AMBIGUOUS = "the path is not forwarded: decoded, it is another operation's"

Handler = Callable[[HttpRequest, Incoming, Reply], Awaitable[None]]


def create_app(server: AuthorizationServer, *, exposure: Exposure, ca_pem: bytes | None = None) -> Starlette:
    """The ASGI application, for those who can reach it. On loopback it accepts known names in Host only."""
    settings, ours = server.settings, ControlPlane(server, control_access(server.settings, exposure), ca_pem)
    readers = CorsPolicy(settings.cors_origins, server.repository.origins)
    gateway = _gateway(settings)
    front = _Front(
        log=_AccessLog((*server.routes.templates, *ours.paths)),
        hosts=settings.known_hosts if exposure == "loopback" else None,
        readers=readers,
        is_open=ours.is_open,
        preflights=_preflights(readers),
        own=_patient(ours),
        moov=_disturbed(server, gateway),
    )
    app = Starlette(lifespan=gateway.open if gateway else None)
    app.router.redirect_slashes = False
    app.router.default = front
    return app


async def _wrong_host(_request: HttpRequest, incoming: Incoming, reply: Reply) -> None:
    incoming.dismiss()
    await reply(identified(render_error(421, UNKNOWN_HOST), time.time()))


def _preflights(readers: CorsPolicy) -> Handler:
    """Preflights: no exchanges with Moov, so that no journal, fault or rate limit knows of them."""

    async def handle(request: HttpRequest, incoming: Incoming, reply: Reply) -> None:
        incoming.dismiss()
        await reply(identified(readers.preflight(request), time.time()))

    return handle


def _gateway(settings: Settings) -> "Gateway | None":
    if settings.upstream is None:
        return None
    from mockmoov.web.gateway import Gateway  # noqa: PLC0415 - only who has an upstream pays for it

    return Gateway(settings.upstream, settings.upstream_timeout)


def _disturbed(server: AuthorizationServer, gateway: "Gateway | None") -> Handler:
    """Moov's own paths, with the delays that planned faults want; what is forwarded goes by the gateway."""

    async def handle(request: HttpRequest, incoming: Incoming, reply: Reply) -> None:
        if request.path in server.form_paths:
            body = await incoming.read(MAX_BODY)
            if body is None:
                return
            request = replace(request, body=body)
        call = server.accept(request)
        if call.fault and call.fault.delay:
            with anyio.move_on_after(call.fault.delay):
                await incoming.left()  # who does not wait is not answered; it is done all the same
        response = server.answer(call)
        if gateway is None or response.forward is None:
            await reply(response)
        elif not server.routes.is_clear(request.path):
            await reply(server.relay(call, render_error(404, _AMBIGUOUS)))
        else:
            whole = call.fault is not None and needs_whole_body(call.fault)
            relay = partial(server.relay, call)
            await gateway.forward(request, response.forward, incoming, relay, reply, whole=whole)

    return handle


def _patient(control: ControlPlane) -> Handler:
    """Our own paths; an answer that is not yet the one that was waited for is asked for again."""

    async def handle(request: HttpRequest, incoming: Incoming, reply: Reply) -> None:
        body = await incoming.read(MAX_BODY)
        if body is None:
            return
        request = replace(request, body=body)
        response = control.handle(request)
        if response.waiting is not None:
            has_left = False
            with anyio.move_on_after(response.waiting.seconds):
                while response.waiting and not has_left:
                    with anyio.move_on_after(_POLL_SECONDS):
                        await incoming.left()
                        has_left = True
                    if response.waiting.is_over():
                        response = control.handle(request)
            response = control.handle(request) if response.waiting else response
        await reply(response)

    return handle


@dataclass(frozen=True, slots=True, kw_only=True)
class _Front:
    """The ASGI application: whose each request is, which pages may read the answer, and a line in the log.

    A request with a Host that is not among `hosts` is refused, as a page of another site could have sent it
    (DNS rebinding). `is_open` says of a raw path of our own whether any page may ever read what is there.
    """

    log: "_AccessLog"
    hosts: frozenset[str] | None
    readers: CorsPolicy
    is_open: Callable[[str], bool]
    preflights: Handler
    own: Handler
    moov: Handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        started = time.perf_counter()
        request = to_request(scope)
        incoming = Incoming(request, receive)
        handle, is_shared = self._meant(request)
        allowed = self.readers.allowed(request.headers.get("origin", ())) if is_shared else None

        async def reply(response: HttpResponse, stream: Stream | None = None) -> None:
            self.log(request, response, started)
            if is_shared:
                response = shared(response, allowed)
            await deliver(response, scope, incoming, send, stream)

        await handle(request, incoming, reply)

    def _meant(self, request: HttpRequest) -> tuple[Handler, bool]:
        """Who is to answer, and whether pages of other origins may read it."""
        if self.hosts is not None and not is_known(request.headers.get("host", ()), self.hosts):
            return _wrong_host, False
        is_own = request.path.startswith(_OWN_PATHS)
        is_shared = not is_own or self.is_open(request.path)
        if is_shared and is_preflight(request):
            return self.preflights, True
        return (self.own if is_own else self.moov), is_shared


class _AccessLog:
    """Writes one line a request: no query, no body, and of the path only what cannot be a credential."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._words = frozenset("/".join(paths).split("/"))

    def __call__(self, request: HttpRequest, response: HttpResponse, started: float) -> None:
        if _access.isEnabledFor(logging.INFO):
            _access.info(
                "%s %s %s client=%s grant=%s reason=%r %.1fms",
                redact_method(request.method),
                redact_path(request.path, self._words),
                response.status or response.connection,
                response.note.client_id,
                response.note.grant_type,
                dict(response.headers).get(REASON_HEADER, "-"),
                (time.perf_counter() - started) * 1000,
            )
