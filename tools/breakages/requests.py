"""The breakages of reading a request: versions, credentials, bodies."""

import base64
import json
import re
from urllib.parse import parse_qsl, urlencode

from msgspec.structs import replace

from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.oauth.grants import GRANTS
from mockmoov.oauth.messages import HttpRequest
from mockmoov.oauth.requests import FORM, JSON
from tools.breakages.reading import (
    CREDENTIAL_NAMES,
    Given,
    decoded_basic,
    given,
    has,
    has_body_credentials,
    ignoring,
    is_moovs,
    looks_like_json,
    media_type,
    only_header,
    scheme,
    unreadable,
    when,
    with_header,
    with_parameters,
    without_credentials,
)
from tools.breakages.seams import Breakage

_KNOWN = frozenset(
    (*CREDENTIAL_NAMES, "grant_type", "client_type", "scope", "refresh_token", "token", "token_type_hint")
)


# --- versions and clients ------------------------------------------------------------------------------

_VERSION = "x-moov-version"
_WELL_FORMED = re.compile(r"v[0-9]{4}\.[0-9]{2}(?:\.[0-9]{2})?|latest")
_QUARTERS = ("01", "04", "07", "10")
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
            lambda r: _is_well_formed(r) and "v2026.10" < _version(r)[:8] < "v9", _unknown_version
        ),
    ),
    "version-in-between-unknown": Breakage(
        rule="a version between two known ones is served as the one before it",
        understand=when(
            lambda r: _is_well_formed(r) and _version(r)[8:] not in ("", ".00"), _unknown_version
        ),
    ),
    "version-too-old-unknown": Breakage(
        rule="a version before the first is served as the first",
        understand=when(lambda r: _is_well_formed(r) and "v" < _version(r) < "v2024", _unknown_version),
    ),
    "version-malformed-served": Breakage(
        rule="a malformed version is not served",
        understand=when(lambda r: not _is_well_formed(r), ignoring(_VERSION)),
    ),
    "version-of-quarters-only": Breakage(
        rule="a version may be of any month",
        understand=when(
            lambda r: _is_well_formed(r) and _version(r)[6:8] not in ("", "st", *_QUARTERS), _unknown_version
        ),
    ),
    "version-of-calendar-months-only": Breakage(
        rule="the month of a version may be any two digits",
        understand=when(lambda r: _is_well_formed(r) and "12" < _version(r)[6:8] < "a", _unknown_version),
        unseen="none sends such a month",
    ),
    "version-short-unknown": Breakage(
        rule="the last part of a version may be missing",
        understand=when(lambda r: len(_version(r)) == len("v2024.01"), _unknown_version),
    ),
    "version-of-moov-go-unknown": Breakage(
        rule="the versions that moov-go exports are served",
        understand=when(lambda r: _version(r) in ("v9000.00.00", "v2024.00.00"), _unknown_version),
    ),
    "version-dev-served": Breakage(
        rule="dev isn't a version", understand=when(lambda r: _version(r) == "dev", ignoring(_VERSION))
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


def _basic(credentials: str) -> str:
    return "Basic " + base64.b64encode(credentials.encode()).decode()


_WRONG_BASIC = _basic("wrong:wrong")
_RIGHT_BASIC = _basic(f"{EXAMPLE['client_id']}:{EXAMPLE['client_secret']}")

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
        rule="a client may authenticate in the body", understand=with_parameters(without_credentials)
    ),
    "revoke-body-credentials-unread": Breakage(
        rule="a client may authenticate in the body of a revocation",
        understand=when(lambda r: r.path == "/oauth2/revoke", with_parameters(without_credentials)),
    ),
    "both-credentials-refused": Breakage(
        rule="credentials may come both ways when they agree",
        understand=when(lambda r: decoded_basic(r) and has_body_credentials(r), unreadable),
    ),
    "both-credentials-uncompared": Breakage(
        rule="credentials that disagree are refused",
        understand=when(decoded_basic, with_parameters(without_credentials)),
    ),
    "both-credentials-as-body": Breakage(
        rule="wrong credentials that came both ways are answered as by Basic",
        understand=when(lambda r: decoded_basic(r) and has_body_credentials(r), ignoring("authorization")),
    ),
    "id-without-secret-nothing": Breakage(
        rule="a client_id without a secret is an attempt that failed",
        understand=with_parameters(
            lambda parameters: (
                parameters if parameters.get("client_secret") else without_credentials(parameters)
            )
        ),
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
    "grant-type-before-credentials": Breakage(
        rule="who asks is looked at before what is asked for",
        understand=when(
            lambda r: given(r).get("grant_type", "") not in ("", *GRANTS),
            lambda r: with_header(r, "authorization", _RIGHT_BASIC),
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


def _hint_believed(parameters: Given) -> Given:
    """Looks nowhere but where the hint says."""
    kinds = {"access_token": 2, "refresh_token": 1}  # dots in ours
    token, hint = str(parameters.get("token")), parameters.get("token_type_hint")
    found = token.count(".") == kinds.get(str(hint), token.count("."))
    return parameters if found else {**parameters, "token": "unknown"}


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
    "hint-believed": Breakage(rule="a wrong hint is only a hint", understand=with_parameters(_hint_believed)),
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
