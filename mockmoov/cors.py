"""Owns which web pages may read answers: CORS (Fetch standard §3.3). Must not know what is answered.

Not Starlette's middleware: a preflight is an answer of ours like any other, empty, with a request id, a line
in the log, and a reason if it is refused; and which origins are allowed is asked anew for each request.
"""

import re
from collections.abc import Callable, Iterable, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mockmoov.contracts import NO_STORE, render_refusal
from mockmoov.messages import HttpRequest, HttpResponse
from mockmoov.origins import is_loopback, serialize_origin

Headers = Iterable[tuple[bytes, bytes]]
ANY = "*"
_ALLOW_ORIGIN, _ASKED_METHOD = b"access-control-allow-origin", b"access-control-request-method"
_EXPOSE = (b"access-control-expose-headers", b"*")  # every name, as nothing here has cookies
_OURS = frozenset((_ALLOW_ORIGIN, _EXPOSE[0], b"vary"))
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:, ?[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_MAX_AGE = "600"  # seconds; each answer is judged by itself all the same


class Readers:
    """The origins whose pages may read answers: loopback ones, those listed, and those registered now."""

    def __init__(self, listed: Iterable[str], registered: Callable[[], Iterable[str]]) -> None:
        self._listed = frozenset(listed)
        self._registered = registered

    def allowed(self, origins: Sequence[str]) -> str | None:
        """What Access-Control-Allow-Origin says to a request with these Origins; None if there is none."""
        if len(origins) != 1:
            return None
        if ANY in self._listed:
            return ANY
        origin = serialize_origin(origins[0])
        if origin is None:
            return None
        known = is_loopback(origin) or origin in self._listed or origin in self._registered()
        return origin if known else None

    def preflight(self, request: HttpRequest) -> HttpResponse:
        """The answer to a preflight; it asks for no credentials, and any header may be sent."""
        if self.allowed(request.headers["origin"]) is None:
            return render_refusal(
                403,
                "pages of this origin may not read answers: register it with an API key, or see cors_origins",
            )
        headers = [("access-control-allow-methods", _METHODS), ("access-control-max-age", _MAX_AGE)]
        asked = ",".join(request.headers.get("access-control-request-headers", ()))
        if _NAMES.fullmatch(asked):
            headers.append(("access-control-allow-headers", asked))
        return HttpResponse(status=204, headers=(*headers, *NO_STORE))


class Cors:
    """Middleware: tells browsers whose pages may read the answers of an application, and sends preflights on.

    `is_shared` says of a raw path whether any page may ever read what is there.
    """

    def __init__(
        self, app: ASGIApp, *, readers: Readers, preflights: ASGIApp, is_shared: Callable[[str], bool]
    ) -> None:
        self._app = app
        self._readers = readers
        self._preflights = preflights
        self._is_shared = is_shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, with headers for browsers."""
        if scope["type"] != "http" or not self._is_shared(_raw_path(scope)):
            await self._app(scope, receive, send)
            return
        origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
        allowed = self._readers.allowed(origins)

        async def share(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _shared(message["headers"], allowed)}
            await send(message)

        await (self._preflights if _is_preflight(scope, origins) else self._app)(scope, receive, share)


def _raw_path(scope: Scope) -> str:
    raw: bytes | None = scope.get("raw_path")
    return scope["path"] if raw is None else raw.decode("latin-1")


def _is_preflight(scope: Scope, origins: Sequence[str]) -> bool:
    asks = any(name == _ASKED_METHOD for name, _ in scope["headers"])
    return scope["method"] == "OPTIONS" and asks and bool(origins)


def _shared(headers: Headers, allowed: str | None) -> Headers:
    """Ours is the last word, whatever a server behind us says of its own pages. Names are in lower case."""
    vary = b", ".join([*(value for name, value in headers if name == b"vary"), b"Origin"])
    others = [header for header in headers if header[0] not in _OURS]
    readable = [] if allowed is None else [(_ALLOW_ORIGIN, allowed.encode("latin-1")), _EXPOSE]
    return [*others, (b"vary", vary), *readable]
