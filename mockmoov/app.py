"""Owns the way from ASGI to `handle` and back, the Host rule and the access log. Must not know OAuth."""

import logging
import re
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mockmoov.contracts import REASON_HEADER, render_refusal
from mockmoov.control import Control
from mockmoov.errors import printable
from mockmoov.messages import HttpRequest, HttpResponse
from mockmoov.operations import is_loopback_host
from mockmoov.scopes import UUID
from mockmoov.server import MAX_BODY, AuthorizationServer, identified

_access = logging.getLogger("mockmoov.access")
_UUID = re.compile(UUID)
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))

Handler = Callable[[HttpRequest], HttpResponse]


def create_app(server: AuthorizationServer, *, hosts: Iterable[str] | None = None) -> Starlette:
    """The ASGI application. `hosts`: accept loopback names and these in Host, and no other; None: any."""
    ours = Control(server)
    log = _AccessLog((*server.paths, *ours.paths))
    control = _Endpoint(ours.handle, log)
    moov: ASGIApp = _Endpoint(server.handle, log)
    app = Starlette(routes=[Route("/_mockmoov/{_:path}", control), Route("/.well-known/{_:path}", control)])
    app.router.redirect_slashes = False
    app.router.default = moov
    if hosts is not None:
        app.add_middleware(_HostRule, log=log, hosts=frozenset(host.lower().encode() for host in hosts))
    return app


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
        response = self._handle(request)
        await _send(response, send)
        self._log(request, response, time.perf_counter() - started)


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
    headers = [(name.encode(), value.encode()) for name, value in response.headers]
    if response.status != 204:  # RFC 9110 §8.6
        headers.append((b"content-length", b"%d" % len(response.body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


class _AccessLog:
    """Writes one line a request: no query, no body, and of the path only what cannot be a credential."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._words = frozenset("/".join(paths).split("/"))

    def __call__(self, request: HttpRequest, response: HttpResponse, seconds: float) -> None:
        if _access.isEnabledFor(logging.INFO):
            _access.info(
                "%s %s %d client=%s grant=%s reason=%r %.1fms",
                request.method if request.method in _METHODS else "-",
                self._shown(request.path),
                response.status,
                response.note.client_id,
                response.note.grant_type,
                dict(response.headers).get(REASON_HEADER, "-"),
                seconds * 1000,
            )

    def _shown(self, path: str) -> str:
        segments = path.split("/")
        return printable(
            "/".join(item if item in self._words or _UUID.fullmatch(item) else "..." for item in segments)
        )


class _HostRule:
    """Middleware that refuses any Host that a page of another site could have sent (DNS rebinding)."""

    def __init__(self, app: ASGIApp, log: "_AccessLog", hosts: frozenset[bytes]) -> None:
        self._app = app
        self._log = log
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._passes([v for k, v in scope["headers"] if k == b"host"]):
            refusal = render_refusal(421, "the Host header names no known host, or is repeated")
            await _send(identified(refusal), send)
            self._log(_request(scope, b""), refusal, 0.0)
        else:
            await self._app(scope, receive, send)

    def _passes(self, values: list[bytes]) -> bool:
        return len(values) == 1 and (values[0].lower() in self._hosts or _names_loopback(values[0]))


@lru_cache(maxsize=64)
def _names_loopback(host: bytes) -> bool:
    return is_loopback_host(re.sub(r":[0-9]*$", "", host.decode("latin-1").strip(" \t")))
