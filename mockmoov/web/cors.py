"""Owns which web pages may read answers: CORS (Fetch standard §3.3). Must not know what is answered.

Not Starlette's middleware: a preflight is an answer of ours like any other, empty, with a request id, a line
in the log, and a reason if it is refused; and which origins are allowed is asked anew for each request.
"""

import re
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.oauth.origins import is_loopback, serialize_origin
from mockmoov.oauth.responses import NO_STORE, render_error

ANY = "*"
_ALLOW_ORIGIN, _ASKED_METHOD = "access-control-allow-origin", "access-control-request-method"
_EXPOSE = ("access-control-expose-headers", "*")  # every name, as nothing here has cookies
_OURS = frozenset((_ALLOW_ORIGIN, _EXPOSE[0], "vary"))
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:, ?[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_MAX_AGE = "600"  # seconds; each answer is judged by itself all the same


class CorsPolicy:
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
            return render_error(
                403,
                "pages of this origin may not read answers: register it with an API key, or see cors_origins",
            )
        headers = [("access-control-allow-methods", _METHODS), ("access-control-max-age", _MAX_AGE)]
        asked = ",".join(request.headers.get("access-control-request-headers", ()))
        if _NAMES.fullmatch(asked):
            headers.append(("access-control-allow-headers", asked))
        return HttpResponse(status=204, headers=(*headers, *NO_STORE))


def is_preflight(request: HttpRequest) -> bool:
    """Whether a browser asks what a page may do, and nothing else."""
    return request.method == "OPTIONS" and "origin" in request.headers and _ASKED_METHOD in request.headers


def shared(response: HttpResponse, allowed: str | None) -> HttpResponse:
    """The response with headers for browsers, for the page that `allowed` names.

    Ours is the last word, whatever a server behind us says of its own pages.
    """
    vary = ", ".join([*(value for name, value in response.headers if name == "vary"), "Origin"])
    others = [header for header in response.headers if header[0] not in _OURS]
    readable = [] if allowed is None else [(_ALLOW_ORIGIN, allowed), _EXPOSE]
    return replace(response, headers=(*others, ("vary", vary), *readable))
