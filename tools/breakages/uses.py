"""The breakages of reading a request with a token: origins, schemes."""

import re

from mockmoov.oauth.messages import HttpRequest
from tools.breakages.reading import has, ignoring, is_moovs, only_header, scheme, when, with_header
from tools.breakages.seams import Breakage


def _referer_over_origin(request: HttpRequest) -> HttpRequest:
    return with_header(request, "origin")


def _origin_without_path(request: HttpRequest) -> HttpRequest:
    match = re.match(r"[a-z]+://[^/]+", only_header("origin")(request))
    return with_header(request, "origin", match[0]) if match else request


USES: dict[str, Breakage] = {
    "origin-unheeded": Breakage(
        rule="a browser's token is good from registered origins only", settings={"origin_policy": "off"}
    ),
    "origin-required": Breakage(
        rule="a request without an Origin passes", settings={"origin_policy": "required"}
    ),
    "referer-unheeded": Breakage(
        rule="without Origin, Referer counts", understand=ignoring("referer"), unseen="none sends a Referer"
    ),
    "referer-over-origin": Breakage(
        rule="Origin counts more than Referer",
        understand=when(has("referer"), _referer_over_origin),
        unseen="none sends a Referer",
    ),
    "origin-with-path-taken": Breakage(
        rule="an Origin with a path is foreign",
        understand=_origin_without_path,
        unseen="none sends an Origin with a path",
    ),
    "origin-null-taken": Breakage(
        rule="the origin null is foreign",
        understand=when(lambda r: only_header("origin")(r) == "null", ignoring("origin")),
        unseen="none sends it",
    ),
    "origin-by-case": Breakage(
        rule="the host of an origin has no case",
        understand=when(
            lambda r: only_header("origin")(r).lower() != only_header("origin")(r),
            lambda r: with_header(r, "origin", "null"),
        ),
        unseen="they write origins in lower case",
    ),
    "origin-loopback-foreign": Breakage(
        rule="an origin of this machine passes, on any port",
        understand=when(
            lambda r: re.match(r"https?://(localhost|127\.)", only_header("origin")(r)),
            lambda r: with_header(r, "origin", "null"),
        ),
        unseen="none sends another origin of this machine",
    ),
    "mint-refused-for-origin": Breakage(
        rule="a token is minted whatever the Origin",
        understand=when(lambda r: is_moovs(r) and has("origin")(r), ignoring("authorization")),
        unseen="none asks for a token with an Origin",
    ),
    "ping-basic-refused": Breakage(
        rule="an API key is good at protected paths, by Basic",
        understand=when(
            lambda r: r.path == "/ping" and scheme(r).lower() == "basic", ignoring("authorization")
        ),
    ),
    "bearer-by-case": Breakage(
        rule="the name of the scheme Bearer has no case",
        understand=when(
            lambda r: scheme(r).lower() == "bearer" and scheme(r) != "Bearer", ignoring("authorization")
        ),
        unseen="they write it one way",
    ),
}
