"""Owns the breakages of reading a request: versions, credentials, bodies. Must not know what is decided."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from mockmoov.messages import HttpRequest
from mockmoov.parsing import FORM, JSON, read_parameters
from tests.breakages.seams import Breakage

Understand = Callable[[HttpRequest], HttpRequest]
Given = dict[str, object]
_CREDENTIALS = ("client_id", "client_secret")
_KNOWN = frozenset(
    (*_CREDENTIALS, "grant_type", "client_type", "scope", "refresh_token", "token", "token_type_hint")
)


# --- how requests are bent -----------------------------------------------------------------------------


def with_header(request: HttpRequest, name: str, *values: str) -> HttpRequest:
    """The request with a header set, or without it if there are no values."""
    headers = {key: value for key, value in request.headers.items() if key != name}
    return replace(request, headers={**headers, name: values} if values else headers)


def unreadable(request: HttpRequest) -> HttpRequest:
    """The request as one that is refused with invalid_request."""
    return with_header(request, "content-encoding", "bent")


def when(predicate: Callable[[HttpRequest], object], change: Understand) -> Understand:
    return lambda request: change(request) if predicate(request) else request


def only_header(name: str) -> Callable[[HttpRequest], str]:
    return lambda request: request.headers.get(name, ("",))[0]


def has(name: str) -> Callable[[HttpRequest], bool]:
    return lambda request: name in request.headers


def ignoring(name: str) -> Understand:
    return lambda request: with_header(request, name)


def media_type(request: HttpRequest) -> str:
    return only_header("content-type")(request).partition(";")[0].strip().lower()


def looks_like_json(request: HttpRequest) -> bool:
    return request.body.lstrip().startswith(b"{")


def given(request: HttpRequest) -> Given:
    """The parameters, from body or query; none if they cannot be read."""
    parameters = read_parameters(request)
    return {} if parameters.error else dict(parameters.given)


def with_parameters(change: Callable[[Given], Given]) -> Understand:
    """Change the parameters of what can be read and has any."""

    def understand(request: HttpRequest) -> HttpRequest:
        before = given(request)
        after = change(before)
        if after == before:
            return request
        return replace(with_header(request, "content-type", JSON), body=json.dumps(after).encode())

    return understand


def has_body_credentials(request: HttpRequest) -> bool:
    return any(given(request).get(name) for name in _CREDENTIALS)


def scheme(request: HttpRequest) -> str:
    return only_header("authorization")(request).partition(" ")[0]


def decoded_basic(request: HttpRequest) -> bytes:
    """What Basic credentials are; nothing if they cannot be decoded."""
    rest = only_header("authorization")(request).partition(" ")[2]
    try:
        return base64.b64decode(rest, validate=True) if scheme(request).lower() == "basic" else b""
    except ValueError:
        return b""


def _without_credentials(parameters: Given) -> Given:
    return {name: value for name, value in parameters.items() if name not in _CREDENTIALS}


# --- versions and clients ------------------------------------------------------------------------------

_VERSION = "x-moov-version"
_WELL_FORMED = re.compile(r"v[0-9]{4}\.(?:01|04|07|10)\.[0-9]{2}|latest")
_PINNED = re.compile(r"speakeasy-sdk/go .*moov-go")


def _version(request: HttpRequest) -> str:
    return only_header(_VERSION)(request)


def _is_well_formed(request: HttpRequest) -> bool:
    return _WELL_FORMED.fullmatch(_version(request)) is not None


def _unknown_version(request: HttpRequest) -> HttpRequest:
    return with_header(request, _VERSION, "unknown")


VERSIONS: dict[str, Breakage] = {
    "version-ignored": Breakage(rule="X-Moov-Version chooses the contract", understand=ignoring(_VERSION)),
    "version-latest-unknown": Breakage(
        rule="latest is a version", understand=when(lambda r: _version(r) == "latest", _unknown_version)
    ),
    "version-to-come-unknown": Breakage(
        rule="a version that is not known yet is served as the newest before it",
        understand=when(
            lambda r: _is_well_formed(r) and "v2026.08" < _version(r)[:8] < "v9", _unknown_version
        ),
    ),
    "version-in-between-unknown": Breakage(
        rule="a version between two known ones is served as the one before it",
        understand=when(
            lambda r: _is_well_formed(r) and _version(r)[-2:] not in ("00", "st"), _unknown_version
        ),
    ),
    "version-too-old-unknown": Breakage(
        rule="a version before the first is served as the first",
        understand=when(lambda r: _is_well_formed(r) and _version(r) < "v2024", _unknown_version),
    ),
    "version-malformed-served": Breakage(
        rule="a malformed version is not served",
        understand=when(lambda r: not _is_well_formed(r), ignoring(_VERSION)),
    ),
    "version-any-month": Breakage(
        rule="a version is of a quarter: 01, 04, 07, 10",
        understand=when(
            lambda r: re.fullmatch(r"v[0-9]{4}\.[0-9]{2}\.[0-9]{2}", _version(r)),
            lambda r: with_header(r, _VERSION, "latest"),
        ),
    ),
    "version-empty-is-none": Breakage(
        rule="an empty version is malformed", understand=when(lambda r: not _version(r), ignoring(_VERSION))
    ),
    "version-repeated-first": Breakage(
        rule="a repeated version is malformed",
        understand=when(has(_VERSION), lambda r: with_header(r, _VERSION, _version(r))),
    ),
    "pinned-client-forgotten": Breakage(
        rule="the 2023 Go SDK gets the token_type that it insists on",
        understand=when(lambda r: _PINNED.match(only_header("user-agent")(r)), ignoring("user-agent")),
    ),
    "pinned-client-over-version": Breakage(
        rule="X-Moov-Version counts more than the User-Agent",
        understand=when(lambda r: _PINNED.match(only_header("user-agent")(r)), ignoring(_VERSION)),
        unseen="the pinned client sends no version in them",
    ),
}

# --- credentials ---------------------------------------------------------------------------------------

_WRONG_BASIC = "Basic " + base64.b64encode(b"wrong:wrong").decode()

CREDENTIALS: dict[str, Breakage] = {
    "basic-not-decoded": Breakage(
        rule="Basic credentials may be percent-encoded",
        understand=when(
            lambda r: b"%" in decoded_basic(r), lambda r: with_header(r, "authorization", _WRONG_BASIC)
        ),
        clients=True,
    ),
    "basic-by-case": Breakage(
        rule="the name of a scheme has no case",
        understand=when(lambda r: scheme(r) not in ("Basic", "Bearer"), ignoring("authorization")),
    ),
    "basic-unknown": Breakage(
        rule="a client may authenticate by Basic at the token endpoint",
        understand=when(
            lambda r: r.path == "/oauth2/token" and scheme(r).lower() == "basic", ignoring("authorization")
        ),
    ),
    "body-credentials-unread": Breakage(
        rule="a client may authenticate in the body", understand=with_parameters(_without_credentials)
    ),
    "revoke-body-credentials-unread": Breakage(
        rule="a client may authenticate in the body of a revocation",
        understand=when(lambda r: r.path == "/oauth2/revoke", with_parameters(_without_credentials)),
    ),
    "both-credentials-refused": Breakage(
        rule="credentials may come both ways when they agree",
        understand=when(lambda r: decoded_basic(r) and has_body_credentials(r), unreadable),
    ),
    "both-credentials-uncompared": Breakage(
        rule="credentials that disagree are refused",
        understand=when(decoded_basic, with_parameters(_without_credentials)),
    ),
    "undecodable-basic-forgiven": Breakage(
        rule="undecodable Basic fails even beside good body credentials",
        understand=when(
            lambda r: has_body_credentials(r) and scheme(r).lower() == "basic" and not decoded_basic(r),
            ignoring("authorization"),
        ),
    ),
    "other-scheme-refused": Breakage(
        rule="another scheme is ignored beside body credentials",
        understand=when(
            lambda r: r.path.startswith("/oauth2/") and scheme(r).lower() not in ("", "basic"), unreadable
        ),
    ),
    "empty-authorization-refused": Breakage(
        rule="an empty Authorization is ignored beside body credentials",
        understand=when(
            lambda r: (
                r.path.startswith("/oauth2/")
                and has("authorization")(r)
                and " " not in only_header("authorization")(r).strip()
            ),
            unreadable,
        ),
    ),
    "two-authorizations-first": Breakage(
        rule="two Authorization headers are refused",
        understand=when(
            has("authorization"), lambda r: with_header(r, "authorization", only_header("authorization")(r))
        ),
    ),
}

# --- bodies --------------------------------------------------------------------------------------------


def _deduplicated(request: HttpRequest) -> HttpRequest:
    """The last of each parameter, as most frameworks read them."""
    if looks_like_json(request):
        try:
            return replace(request, body=json.dumps(json.loads(request.body)).encode())
        except ValueError:
            return request
    pairs = dict(parse_qsl(request.body.decode("latin-1"), keep_blank_values=True))
    return replace(request, body=urlencode(pairs).encode()) if pairs else request


def _as_text(parameters: Given) -> Given:
    return {
        name: value
        if isinstance(value, str | None)
        else "client_credentials"
        if name == "grant_type"
        else "42"
        for name, value in parameters.items()
    }


def _printable(parameters: Given) -> Given:
    return {
        name: re.sub(r"[^\x20-\x7e]", "", value) if isinstance(value, str) else value
        for name, value in parameters.items()
    }


def _query_secret_in_body(request: HttpRequest) -> HttpRequest:
    pairs = parse_qsl(request.query.decode("latin-1"))
    if "client_secret" not in dict(pairs):
        return request
    if request.body:
        return replace(request, query=b"")
    return replace(with_header(request, "content-type", FORM), query=b"", body=request.query)


def _query_added(request: HttpRequest) -> HttpRequest:
    more = dict(parse_qsl(request.query.decode("latin-1")))
    added = with_parameters(lambda parameters: {**parameters, **more})
    return added(request) if request.body and more else request


def _relabelled(request: HttpRequest) -> HttpRequest:
    return with_header(request, "content-type", JSON if looks_like_json(request) else FORM)


def _letters_unknown(parameters: Given) -> Given:
    short = parameters.get("client_type") in ("w", "d", "s")
    return {**parameters, "client_type": "toaster"} if short else parameters


def _known_client_type(parameters: Given) -> Given:
    known = ("web", "device", "service", "w", "d", "s", "", None)
    unknown = parameters.get("client_type") not in known
    return {name: value for name, value in parameters.items() if not (unknown and name == "client_type")}


def _of_web(parameters: Given) -> Given:
    return {**parameters, "client_type": "web"} if parameters.get("client_type") else parameters


def is_moovs(request: HttpRequest) -> bool:
    return request.path.startswith("/oauth2/")


BODIES: dict[str, Breakage] = {
    "json-unread": Breakage(
        rule="a body may be JSON", understand=when(lambda r: media_type(r) == JSON, unreadable)
    ),
    "form-unread": Breakage(
        rule="a body may be a form",
        understand=when(lambda r: media_type(r) == FORM and not looks_like_json(r), unreadable),
    ),
    "revoke-json-unread": Breakage(
        rule="the body of a revocation may be JSON",
        understand=when(lambda r: r.path == "/oauth2/revoke" and media_type(r) == JSON, unreadable),
    ),
    "media-type-parameters-refused": Breakage(
        rule="a media type may have parameters",
        understand=when(lambda r: ";" in only_header("content-type")(r), unreadable),
    ),
    "json-labelled-form-unread": Breakage(
        rule="JSON that is labelled a form is read as JSON",
        understand=when(lambda r: looks_like_json(r) and media_type(r) == FORM, unreadable),
    ),
    "json-unlabelled-unread": Breakage(
        rule="JSON without a Content-Type is read as JSON",
        understand=when(lambda r: looks_like_json(r) and not has("content-type")(r), unreadable),
    ),
    "any-media-type-read": Breakage(
        rule="a wrong media type is refused",
        understand=when(lambda r: r.body and media_type(r) not in (JSON, FORM, ""), _relabelled),
    ),
    "form-unlabelled-read": Breakage(
        rule="a body without a Content-Type that is no JSON is refused",
        understand=when(lambda r: r.body and not has("content-type")(r), _relabelled),
    ),
    "content-encoding-ignored": Breakage(
        rule="a Content-Encoding is refused", understand=ignoring("content-encoding")
    ),
    "query-unread": Breakage(
        rule="parameters may be in the query string of a request without a body",
        understand=when(lambda r: is_moovs(r) and not r.body, lambda r: replace(r, query=b"")),
    ),
    "query-beside-body-read": Breakage(
        rule="the query string is not read beside a body", understand=_query_added
    ),
    "query-secret-taken": Breakage(
        rule="client_secret in the query string is refused", understand=when(is_moovs, _query_secret_in_body)
    ),
    "refresh-token-beside-credentials-refused": Breakage(
        rule="refresh_token is ignored beside client_credentials",
        understand=when(
            lambda r: given(r).get("grant_type") == "client_credentials" and given(r).get("refresh_token"),
            unreadable,
        ),
    ),
    "unknown-parameter-refused": Breakage(
        rule="unknown parameters are ignored",
        understand=when(lambda r: is_moovs(r) and given(r).keys() - _KNOWN, unreadable),
    ),
    "empty-value-refused": Breakage(
        rule="an empty value counts as absent",
        understand=when(lambda r: is_moovs(r) and "" in given(r).values(), unreadable),
    ),
    "null-refused": Breakage(
        rule="null counts as absent",
        understand=when(lambda r: is_moovs(r) and None in given(r).values(), unreadable),
    ),
    "repeated-parameter-taken": Breakage(
        rule="a repeated parameter is refused", understand=when(is_moovs, _deduplicated)
    ),
    "number-taken-for-text": Breakage(
        rule="a JSON value that is no text is refused", understand=with_parameters(_as_text)
    ),
    "odd-characters-dropped": Breakage(
        rule="characters outside RFC 6749 Appendix A are refused", understand=with_parameters(_printable)
    ),
    "bad-escape-taken": Breakage(
        rule="a bad percent escape is refused",
        understand=when(
            lambda r: is_moovs(r) and not looks_like_json(r),
            lambda r: replace(r, body=re.sub(rb"%(?![0-9A-Fa-f]{2})", b"%25", r.body)),
        ),
    ),
    "client-type-unknown-taken": Breakage(
        rule="a client_type other than the three is refused", understand=with_parameters(_known_client_type)
    ),
    "client-type-letter-unknown": Breakage(
        rule="client_type may be w, d or s", understand=with_parameters(_letters_unknown)
    ),
    "client-type-unheeded": Breakage(
        rule="tokens of device and service clients are not bound to an origin",
        understand=with_parameters(_of_web),
    ),
    "get-served": Breakage(
        rule="a token is asked for by POST",
        understand=when(lambda r: is_moovs(r) and r.method == "GET", lambda r: replace(r, method="POST")),
    ),
    "trailing-slash-served": Breakage(
        rule="a path with a trailing slash is another path",
        understand=lambda r: replace(r, path=r.path.rstrip("/") or "/"),
    ),
}

# --- where tokens are used -----------------------------------------------------------------------------


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
