"""The ASGI application: routes, middleware, and the driver that runs the steps of a request."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mockmoov.config.stores import is_far
from mockmoov.control_plane.access import ControlAccess, Exposure, control_access
from mockmoov.control_plane.router import ControlPlane
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.responses import REASON_HEADER
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.context import RequestContext
from mockmoov.server.hosts import AllowedHosts
from mockmoov.server.steps import (
    Delay,
    Forward,
    PeekBody,
    ReadBody,
    Steps,
    WaitForExchanges,
    Work,
    with_work,
)
from mockmoov.web import asgi_io
from mockmoov.web.access_log import CONTEXT, CORS_REFUSAL, access_log, write_log_line
from mockmoov.web.cors import CorsPolicy, cors
from mockmoov.web.middleware import host_rule, send_own_response

if TYPE_CHECKING:
    from mockmoov.web.gateway import Gateway


def create_app(server: AuthorizationServer, *, exposure: Exposure, ca_pem: bytes | None = None) -> Starlette:
    """The ASGI application. `exposure` says who can reach the server.

    On loopback it accepts only known names in Host. Mount it at the root, at `/` or by `Host(...)`. Starlette
    runs no lifespan of what is mounted, and nothing here needs one; with one, upstream connections are kept,
    and an upstream application runs its own. Inside the process (`exposure`) the server runs already.
    """
    settings = server.settings
    control_plane = ControlPlane(server, control_access(settings, exposure), ca_pem)
    gateway = _gateway(server)
    prepare = with_work if is_far(settings.store) else None
    moov = MoovEndpoint(server, gateway, prepare)
    own = partial(_answer_own, control_plane, prepare)
    policy = CorsPolicy(settings.cors_origins, server.repository.origins, settings.public_origin)
    hosts = AllowedHosts(names=settings.known_hosts, on_loopback=True)
    warns = not settings.access_log
    host_middleware = Middleware(host_rule, hosts=hosts, is_guarded=control_plane.is_guarded, warns=warns)
    paths = (*server.routes.templates, *control_plane.paths)
    page = _Page(control_plane.access, moov)
    app = _Application(
        busiest={"/oauth2/token": moov, "/ping": moov, "/oauth2/revoke": moov},
        routes=[
            Route("/", page),
            Route("/_mockmoov", page),
            Route("/_mockmoov/", page),
            Route("/_mockmoov/page/{file}", page),
            Mount("/_mockmoov", own),
            Mount("/.well-known", own),
            Route("/{operation:path}", moov),
        ],
        middleware=[
            *(
                [Middleware(access_log, paths=paths, secrets=server.repository.secrets)]
                if settings.access_log
                else []
            ),
            *([host_middleware] if exposure == "loopback" else []),
            Middleware(cors, policy=policy, is_open=control_plane.is_open, warns=warns),
        ],
        lifespan=gateway.open if gateway and exposure != "process" else None,
    )
    app.router.redirect_slashes = False
    app.router.default = moov  # a target that is no path, such as `*`
    return app


class _Application(Starlette):
    """Starlette without what a request never needs here: each step is a hundredth of its time.

    The `busiest` paths are looked up; the routes are tried in order for the others.
    """

    def __init__(
        self, *, busiest: Mapping[str, ASGIApp], routes: Sequence[BaseRoute], **options: Any
    ) -> None:
        self._busiest = busiest
        super().__init__(routes=[*itertools.starmap(Route, busiest.items()), *routes], **options)

    def build_middleware_stack(self) -> ASGIApp:
        """Leave out those that make responses of exceptions.

        The endpoints have done so. What is raised all the same, such as a reset on a foreign server, is for
        the server that runs the application.
        """
        app: ASGIApp = self._find_route
        for middleware, arguments, options in reversed(self.user_middleware):
            app = middleware(app, *arguments, **options)
        return app

    def _find_route(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Match the path as it was sent, so that `%6e` is not `n`. Close websockets."""
        if scope["type"] == "http":
            path = scope["path"] = asgi_io.request_of(scope).path
            return self._busiest.get(path, self.router)(scope, receive, send)
        if scope["type"] == "websocket":
            return send({"type": "websocket.close"})
        return self.router(scope, receive, send)


class _Page:
    """The web page, and `/`, which leads a browser to it. A start does not need their module."""

    def __init__(self, access: ControlAccess, moov: ASGIApp) -> None:
        self._access = access
        self._moov = moov

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from mockmoov.web.web_page import respond  # noqa: PLC0415

        if response := respond(self._access, asgi_io.request_of(scope)):
            await send_own_response(response, scope, receive, send)
        else:
            await self._moov(scope, receive, send)


def _gateway(server: AuthorizationServer) -> "Gateway | None":
    settings = server.settings
    if settings.upstream is None:
        return None
    from mockmoov.web.gateway import Gateway  # noqa: PLC0415 - only a server with an upstream needs it

    return Gateway(settings.upstream, settings.upstream_timeout, server.routes.is_clear)


class MoovEndpoint:
    """Answers Moov's own paths; what is forwarded goes through the gateway."""

    def __init__(
        self, server: AuthorizationServer, gateway: "Gateway | None", prepare: "Prepare | None"
    ) -> None:
        self._server = server
        self._gateway = gateway
        self._prepare = prepare

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or let the connection fail as a fault has planned it."""
        request = asgi_io.request_of(scope)
        client = asgi_io.ClientConnection(scope, receive)
        context = scope[CONTEXT] = RequestContext(request, cors_refusal=scope.get(CORS_REFUSAL, ""))
        steps = self._server.respond(context)
        if self._prepare:
            steps = self._prepare(steps)
        try:
            if self._gateway is None:
                response = await run_steps(steps, client)
                if response is None or context.network_error is not None:
                    await _end(response, context, client, scope, send)
                else:
                    await asgi_io.send_response(response, client, send)
                return
            async with self._gateway.call(request, client) as call:
                response = await run_steps(steps, client, call.forward)
                if response is None or context.network_error is not None:
                    await _end(response, context, client, scope, send)
                elif call.stream is None or context.has_failed:
                    await asgi_io.send_response(response, client, send)
                elif not await call.send_stream(response, send):
                    asgi_io.close_connection(
                        scope, "close", "the response is cut short: the upstream broke off"
                    )
                    await client.closed()
        except asgi_io.ClientLeftError:
            pass


async def _end(
    response: HttpResponse | None,
    context: RequestContext,
    client: asgi_io.ClientConnection,
    scope: Scope,
    send: Send,
) -> None:
    """End a request without its whole response: the client has left, or a fault fails the connection."""
    reason = dict(response.headers).get(REASON_HEADER) if response else context.reason
    write_log_line(scope, response.status if response else context.network_error or "left", reason)
    if context.network_error is not None:
        await asgi_io.fail_connection(context.network_error, response, scope, client, send)


async def _answer_own(
    control_plane: ControlPlane, prepare: "Prepare | None", scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer one of mockmoov's own paths; a client that leaves before the end of its body changes nothing."""
    request = asgi_io.request_of(scope)
    client = asgi_io.ClientConnection(scope, receive)
    steps = control_plane.respond(request)
    if prepare:
        steps = prepare(steps)
    with suppress(asgi_io.ClientLeftError):
        response = await run_steps(steps, client)
        await asgi_io.send_response(cast("HttpResponse", response), client, send)  # there always is one


# --- the driver -------------------------------------------------------------------------------------

Prepare: TypeAlias = Callable[[Steps], Steps]
ForwardStep: TypeAlias = Callable[[Forward], Awaitable[HttpResponse | None]]


async def run_steps(
    steps: Steps, client: asgi_io.ClientConnection, forward: ForwardStep | None = None
) -> HttpResponse | None:
    """The response that the steps end with; raises `ClientLeftError` if its body is not complete.

    A client that leaves later only ends a delay or a wait: the work is done all the same.
    """
    try:
        step = steps.send(None)
        while True:
            try:
                result: object
                if isinstance(step, ReadBody):
                    result = await client.peek(step.limit)
                    client.discard_body()
                elif isinstance(step, PeekBody):
                    result = await client.peek(step.limit)
                else:
                    result = await _perform(step, client, forward)
            except asgi_io.ClientLeftError:
                raise
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        response: HttpResponse | None = end.value
        return response
    finally:
        steps.close()


async def _perform(
    step: Forward | WaitForExchanges | Work | Delay,
    client: asgi_io.ClientConnection,
    forward: ForwardStep | None,
) -> object:
    if isinstance(step, Forward):
        return forward and await forward(step)
    if isinstance(step, Work):
        return await anyio.to_thread.run_sync(step.work)
    if isinstance(step, WaitForExchanges):
        await _wait(step, client)
    else:
        with anyio.move_on_after(step.seconds):
            await client.closed()
    return None


async def _wait(step: WaitForExchanges, client: asgi_io.ClientConnection) -> None:
    """Wait for a notification, the end of the time, or the client to leave.

    Whoever isn't notified looks again in turns.
    """
    loop, notified, started = asyncio.get_running_loop(), asyncio.Event(), anyio.current_time()
    step.watch.notify = partial(_set_from_any_thread, loop, notified)
    with anyio.move_on_after(step.seconds):
        async with client.while_connected():
            while await _is_missing(step) and not step.watch.is_notified:
                with anyio.move_on_after(step.watch.turn):
                    await notified.wait()
    is_over = await _is_missing(step) and not step.watch.is_notified  # or the client has left
    step.watch.is_notified = False
    step.seconds = 0 if is_over else step.seconds - (anyio.current_time() - started)


async def _is_missing(step: WaitForExchanges) -> bool:
    """Whether exchanges are still missing."""
    watch = step.watch
    missing = await anyio.to_thread.run_sync(lambda: watch.missing) if step.in_thread else watch.missing
    return missing > 0


def _set_from_any_thread(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(event.set)
