"""The web page at `/_mockmoov/`: static files without any state. Their data comes from the control plane.

So they need no control token, but the Host rule of the control plane applies. They load nothing from
elsewhere, and no other page may frame them.
"""

from functools import cache
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from mockmoov.control_plane.access import ControlAccess
from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.oauth.responses import NO_STORE, render_error
from mockmoov.web.asgi_io import request_of
from mockmoov.web.middleware import send_own_response

PAGE = "/_mockmoov/"
_FILES = f"{PAGE}page/"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_HEADERS = (
    ("content-security-policy", _POLICY),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    *NO_STORE,
)
_READ = ("GET", "HEAD")
_TEXT = ("content-type", "text/plain; charset=utf-8")


class WebPage:
    """Answers at the paths of the page."""

    def __init__(self, access: ControlAccess) -> None:
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a file of the page."""
        await send_own_response(self.respond(request_of(scope)), scope, receive, send)

    def respond(self, request: HttpRequest) -> HttpResponse:
        """The response to a request to one of these paths."""
        if refused := self._access.page_error(request):
            return refused
        if request.method not in _READ:
            return render_error(405, "the page is read with GET", (("allow", ", ".join(_READ)),))
        name = "index.html" if request.path == PAGE else request.path.removeprefix(_FILES)
        found = _files().get(name)
        if found is None:
            return render_error(404, "the page has no such file")
        return HttpResponse(
            status=200, headers=(("content-type", _TYPES[Path(name).suffix]), *_HEADERS), body=found
        )


@cache
def _files() -> dict[str, bytes]:
    """Every file of the page, also from a wheel that is not unpacked; read once somebody looks."""
    from importlib.resources import files  # noqa: PLC0415 - it takes a while, and a start does not need it

    found = files("mockmoov.web").joinpath("page").iterdir()
    return {file.name: file.read_bytes() for file in found if Path(file.name).suffix in _TYPES}


class Root:
    """Answers `/`, which Moov doesn't have: a browser is sent to the page, anything else gets Moov's 404."""

    def __init__(self, access: ControlAccess, moov: ASGIApp) -> None:
        self._access = access
        self._moov = moov

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a browser to the page, or tell it how to turn the page on."""
        request = request_of(scope)
        accepted = ",".join(request.headers.get("accept", ()))
        if request.method in _READ and "text/html" in accepted:
            await send_own_response(self._to_page(request), scope, receive, send)
        else:
            await self._moov(scope, receive, send)

    def _to_page(self, request: HttpRequest) -> HttpResponse:
        refused = self._access.page_error(request)
        if refused is None:
            return HttpResponse(status=302, headers=(("location", PAGE), *NO_STORE))
        reason = dict(refused.headers)["x-mockmoov-reason"]
        text = f"This is mockmoov. It has a page, but {reason}\n"
        return HttpResponse(status=refused.status, headers=(*refused.headers, _TEXT), body=text.encode())
