"""The web page at `/_mockmoov/`: static files without any state. Their data comes from the control plane.

So they need no control token, but the Host rule of the control plane applies. They load nothing from
elsewhere, and no other page may frame them.
"""

from functools import cache
from pathlib import Path

from mockmoov.control_plane.access import ControlAccess
from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.oauth.responses import NO_STORE, REASON_HEADER, render_error

PAGE = "/_mockmoov/"
LEADING_TO_PAGE = ("/", "/_mockmoov")
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


def respond(access: ControlAccess, request: HttpRequest) -> HttpResponse | None:
    """The response to a request to the page, or to what leads to it; None if Moov's 404 answers."""
    if request.path in LEADING_TO_PAGE:
        accepted = ",".join(request.headers.get("accept", ()))
        return _lead_to_page(access, request) if request.method in _READ and "text/html" in accepted else None
    if refused := access.page_error(request):
        return refused
    if request.method not in _READ:
        return render_error(405, "the page is read with GET", (("allow", ", ".join(_READ)),))
    name = "index.html" if request.path == PAGE else request.path.removeprefix(_FILES)
    found = _files().get(name)
    if found is None:
        return render_error(404, "the page has no such file")
    media_type = ("content-type", _TYPES[Path(name).suffix])
    return HttpResponse(status=200, headers=(media_type, *_HEADERS), body=found)


def _lead_to_page(access: ControlAccess, request: HttpRequest) -> HttpResponse:
    """Send a browser to the page, or explain how to turn the page on."""
    refused = access.page_error(request)
    if refused is None:
        return HttpResponse(status=302, headers=(("location", PAGE), *NO_STORE))
    text = f"This is mockmoov. It has a page, but {dict(refused.headers)[REASON_HEADER]}\n"
    return HttpResponse(status=refused.status, headers=(*refused.headers, _TEXT), body=text.encode())


@cache
def _files() -> dict[str, bytes]:
    """Every file of the page, also from a wheel that is not unpacked; read once somebody looks."""
    from importlib.resources import files  # noqa: PLC0415 - it takes a while, and a start does not need it

    found = files("mockmoov.web").joinpath("page").iterdir()
    return {file.name: file.read_bytes() for file in found if Path(file.name).suffix in _TYPES}
