"""Owns the way from ASGI to `handle` and back, the Host rule and the access log. Must not know OAuth."""

import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from urllib.parse import quote

import anyio
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mockmoov.connection import EXTENSION
from mockmoov.contracts import REASON_HEADER, render_refusal
from mockmoov.control import Control, Exposure, make_guard
from mockmoov.cors import Cors, Readers
from mockmoov.hosts import UNKNOWN_HOST, is_known
from mockmoov.messages import HttpRequest, HttpResponse
from mockmoov.proxies import Proxies
from mockmoov.redaction import shown_method, shown_path
from mockmoov.server import MAX_BODY, AuthorizationServer, identified

_access = logging.getLogger("mockmoov.access")
_POLL_SECONDS = 0.01

Handler = Callable[[HttpRequest, Receive], Awaitable[HttpResponse]]


def create_app(server: AuthorizationServer, *, exposure: Exposure, ca_pem: bytes | None = None) -> Starlette:
    """The ASGI application, for those who can reach it. On loopback it accepts known names in Host only."""
    settings, ours = server.settings, Control(server, make_guard(server.settings, exposure), ca_pem)
    log = _AccessLog((*server.routes.templates, *ours.paths))
    readers = Readers(settings.cors_origins, server.repository.origins)
    shared = partial(Cors, readers=readers, preflights=_Endpoint(_preflights(readers), log))
    control = shared(_Endpoint(_patient(ours), log), is_shared=ours.is_open)
    moov: ASGIApp = shared(_Endpoint(_disturbed(server), log), is_shared=lambda _: True)
    app = Starlette(routes=[Route("/_mockmoov/{_:path}", control), Route("/.well-known/{_:path}", control)])
    app.router.redirect_slashes = False
    app.router.default = moov
    if exposure == "loopback":
        app.add_middleware(_HostRule, log=log, hosts=settings.known_hosts)
    if settings.trusted_proxies:
        app.add_middleware(Proxies, proxies=settings.trusted_proxies, hosts=settings.known_hosts)
    return app


def _preflights(readers: Readers) -> Handler:
    """Preflights: no exchanges with Moov, so that no journal, fault or rate limit knows of them."""

    async def handle(request: HttpRequest, _receive: Receive) -> HttpResponse:
        return identified(readers.preflight(request), time.time())

    return handle


def _disturbed(server: AuthorizationServer) -> Handler:
    """Moov's own paths, with the delays that planned faults want."""

    async def handle(request: HttpRequest, receive: Receive) -> HttpResponse:
        call = server.accept(request)
        if call.fault and call.fault.delay:
            with anyio.move_on_after(call.fault.delay):
                await _left(receive)  # who does not wait is not answered; it is done all the same
        return server.answer(call)

    return handle


def _patient(control: Control) -> Handler:
    """Our own paths; an answer that is not yet the one that was waited for is asked for again."""

    async def handle(request: HttpRequest, receive: Receive) -> HttpResponse:
        response = control.handle(request)
        deadline = time.monotonic() + response.retry_seconds
        has_left = False
        while response.retry_seconds and time.monotonic() < deadline and not has_left:
            with anyio.move_on_after(_POLL_SECONDS):
                await _left(receive)
                has_left = True
            response = control.handle(request)
        return response

    return handle


class _Endpoint:
    """An ASGI application that reads the body, asks a handler, and sends what it says."""

    def __init__(self, handle: Handler, log: "_AccessLog") -> None:
        self._handle = handle
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        started = time.perf_counter()
        body = await _body(receive)
        if body is None:
            return
        request = _request(scope, body)
        response = await self._handle(request, receive)
        self._log(request, response, started)
        if response.connection is None:
            await _send(response, send)
        else:
            await _CONNECTIONS[response.connection](response, scope, receive, send)


async def _body(receive: Receive) -> bytes | None:
    """The body, or as much of it as shows that it is too large; None if the client left before its end."""
    body, more = b"", True
    while more and len(body) <= MAX_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _left(receive: Receive) -> None:
    """Return once the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _request(scope: Scope, body: bytes) -> HttpRequest:
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1").strip(" \t"))
    raw_path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return HttpRequest(
        method=scope["method"],
        path=raw_path.decode("latin-1"),
        scheme=scope["scheme"],
        query=scope["query_string"],
        headers={name: tuple(values) for name, values in headers.items()},
        body=body,
    )


async def _send(response: HttpResponse, send: Send) -> None:
    await send(_start(response))
    await send({"type": "http.response.body", "body": response.body})


def _start(response: HttpResponse) -> dict[str, object]:
    headers = [(name.encode(), value.encode()) for name, value in response.headers]
    if response.status not in (204, 304):  # RFC 9110 §8.6
        headers.append((b"content-length", b"%d" % len(response.body)))
    return {"type": "http.response.start", "status": response.status, "headers": headers}


# --- how a connection is kept from its answer -----------------------------------------------------


async def _hang(_response: HttpResponse, _scope: Scope, receive: Receive, _send: Send) -> None:
    await _left(receive)


async def _reset(response: HttpResponse, scope: Scope, receive: Receive, send: Send) -> None:
    _end(scope, "reset")
    await _hang(response, scope, receive, send)


async def _cut(response: HttpResponse, scope: Scope, receive: Receive, send: Send) -> None:
    """Announce the whole body and send half of it; an answer without a body does not arrive at all."""
    if response.body:
        half = response.body[: len(response.body) // 2]
        await send(_start(response))
        await send({"type": "http.response.body", "body": half, "more_body": True})
    _end(scope, "close")
    await _hang(response, scope, receive, send)


def _end(scope: Scope, how: str) -> None:
    extension = (scope.get("extensions") or {}).get(EXTENSION)
    if extension is None:  # not our own listener
        raise ConnectionResetError("a planned fault: the connection is reset")
    extension[how]()


_CONNECTIONS: dict[str, Callable[[HttpResponse, Scope, Receive, Send], Awaitable[None]]] = {
    "hang": _hang,
    "reset": _reset,
    "cut": _cut,
}


# --- what stands before all of it -----------------------------------------------------------------


class _AccessLog:
    """Writes one line a request: no query, no body, and of the path only what cannot be a credential."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._words = frozenset("/".join(paths).split("/"))

    def __call__(self, request: HttpRequest, response: HttpResponse, started: float) -> None:
        if _access.isEnabledFor(logging.INFO):
            _access.info(
                "%s %s %s client=%s grant=%s reason=%r %.1fms",
                shown_method(request.method),
                shown_path(request.path, self._words),
                response.status or response.connection,
                response.note.client_id,
                response.note.grant_type,
                dict(response.headers).get(REASON_HEADER, "-"),
                (time.perf_counter() - started) * 1000,
            )


class _HostRule:
    """Middleware that refuses any Host that a page of another site could have sent (DNS rebinding)."""

    def __init__(self, app: ASGIApp, log: "_AccessLog", hosts: frozenset[str]) -> None:
        self._app = app
        self._log = log
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._passes(scope):
            refusal = identified(render_refusal(421, UNKNOWN_HOST), time.time())
            self._log(_request(scope, b""), refusal, time.perf_counter())
            await _send(refusal, send)
        else:
            await self._app(scope, receive, send)

    def _passes(self, scope: Scope) -> bool:
        return is_known([v.decode("latin-1") for k, v in scope["headers"] if k == b"host"], self._hosts)
