"""Which web pages may read responses: CORS (Fetch standard §3.3).

Not Starlette's own middleware, for two reasons. A preflight is answered like any other request: empty, with
a request id, a line in the log, and a reason if it is refused. And which origins are allowed is looked up for
each request, since API keys register them while the server runs.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from starlette.types import ASGIApp, Receive, Scope, Send

from mockmoov.oauth.messages import Fields, HttpRequest, HttpResponse
from mockmoov.oauth.origins import NOT_AN_ORIGIN, is_loopback, serialize_origin
from mockmoov.oauth.responses import NO_STORE, render_error
from mockmoov.simulation.redaction import show_origin
from mockmoov.web.access_log import CORS_REFUSAL
from mockmoov.web.asgi_io import ADD_HEADERS, request_of
from mockmoov.web.middleware import send_own_response

_log = logging.getLogger("mockmoov")
ANY = "*"
_OWN = ("/_mockmoov/", "/.well-known/")
_ALLOW_ORIGIN = "access-control-allow-origin"
_EXPOSE_HEADERS = ("access-control-expose-headers", "*")  # every name, as nothing here has cookies
_REPLACED = frozenset((_ALLOW_ORIGIN, _EXPOSE_HEADERS[0], "vary"))
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_HEADER_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:, ?[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_PREFLIGHT_HEADERS = {"origin", "access-control-request-method"}
_MAX_AGE = "600"  # seconds; each response is judged by itself all the same


class CorsPolicy:
    """The origins whose pages may read answers: loopback ones, those listed, and those registered now."""

    def __init__(
        self, listed: Iterable[str], registered: Callable[[], Iterable[str]], public: str | None = None
    ) -> None:
        self._public = public  # the origin under which clients reach this server
        self._listed = frozenset(listed)
        self._registered = registered

    def allowed(self, origins: Sequence[str]) -> str | None:
        """The value of Access-Control-Allow-Origin for these values of Origin; None for no such header."""
        if len(origins) != 1:
            return None
        if ANY in self._listed:
            return ANY
        origin = serialize_origin(origins[0])
        if origin is None:
            return None
        known = is_loopback(origin) or origin in self._listed or origin in self._registered()
        return origin if known else None

    def is_own(self, request: HttpRequest) -> bool:
        """Whether a page of this very server asks, which needs no permission."""
        by_host = (f"{request.scheme}://{host}" for host in request.headers.get("host", ()))
        own = {*map(serialize_origin, by_host), self._public} - {None}
        return serialize_origin(request.headers["origin"][0]) in own

    def preflight(self, request: HttpRequest) -> HttpResponse:
        """The response to a preflight; no credentials are needed, and any header may be sent."""
        if self.allowed(request.headers["origin"]) is None:
            return render_error(403, refusal(request.headers["origin"]))
        headers = [("access-control-allow-methods", _METHODS), ("access-control-max-age", _MAX_AGE)]
        requested = ",".join(request.headers.get("access-control-request-headers", ()))
        if _HEADER_NAMES.fullmatch(requested):
            headers.append(("access-control-allow-headers", requested))
        return HttpResponse(status=204, headers=(*headers, *NO_STORE))


def refusal(origins: Sequence[str]) -> str:
    """Why pages with these values of Origin may not read a response, and how they may."""
    if len(origins) != 1:
        return "pages may not read this: there are several Origin headers"
    origin = show_origin(origins[0])
    if origin == "null":
        return (
            "this page has no origin (a file, a sandboxed frame), so it may not read this: serve it over http"
        )
    if serialize_origin(origins[0]) is None:
        return f"pages may not read this: {NOT_AN_ORIGIN}"
    return f"pages of {origin} may not read this: add the origin to the API key, or to --cors-origins"


def cors(app: ASGIApp, policy: CorsPolicy, is_open: Callable[[str], bool], *, warns: bool = False) -> ASGIApp:
    """Answers preflights, and lets the pages that may read a response do so.

    A preflight is not a request to Moov: no journal, fault or rate limit knows of it. `is_open` says whether
    any page may read what is at one of mockmoov's own paths; the control plane shares nothing. With `warns` a
    refusal is logged as a warning, for a server without an access log: the browser hides it.
    """

    def with_cors(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            return app(scope, receive, send)
        request = request_of(scope)
        if request.path.startswith(_OWN) and not is_open(request.path):
            return app(scope, receive, send)
        origins = request.headers.get("origin", ())
        allowed = policy.allowed(origins)
        if origins and allowed is None and not policy.is_own(request):
            scope[CORS_REFUSAL] = reason = refusal(origins)
            if warns:
                _log.warning("%s", reason)
        scope[ADD_HEADERS] = partial(shared_headers, allowed=allowed)
        if request.method == "OPTIONS" and request.headers.keys() >= _PREFLIGHT_HEADERS:
            return send_own_response(policy.preflight(request), scope, receive, send)
        return app(scope, receive, send)

    return with_cors


def shared_headers(headers: Fields, allowed: str | None) -> Fields:
    """The headers of a response with those for browsers; mockmoov decides, whatever the upstream says."""
    kept = [header for header in headers if header[0] not in _REPLACED]
    vary = [value for name, value in headers if name == "vary"] if len(kept) < len(headers) else []
    kept.append(("vary", ", ".join([*vary, "Origin"])))
    if allowed is not None:
        kept += [(_ALLOW_ORIGIN, allowed), _EXPOSE_HEADERS]
    return tuple(kept)
