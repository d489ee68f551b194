"""Checks of requests: media types, parameters, characters, paths, sizes, and the order of errors."""

import json
from urllib.parse import urlencode

from hypothesis import strategies as st

from mockmoov.verify.check import check
from mockmoov.verify.probe import FORM, JSON, REVOKE_PATH, TOKEN_PATH, Probe, form_body, json_body
from mockmoov.verify.response import expect

_LIMIT = 64 * 1024  # bytes of a body

_other_methods = st.sampled_from(["GET", "PUT", "PATCH", "DELETE"])
_unknown_names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=4, max_size=12).map("x_".__add__)
_printable_text = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
_unknown_parameters = st.dictionaries(_unknown_names, _printable_text, min_size=1, max_size=3)
_string_parameters = st.sampled_from(
    ["grant_type", "scope", "client_id", "client_secret", "refresh_token", "client_type"]
)
_ascii_parameters = st.sampled_from(["grant_type", "client_id", "client_secret"])
_characters = st.sampled_from(["\x00", "\x07", "\n", "\x7f", "é", "\u2028", "\U0001f511"])
_not_strings = st.one_of(
    st.booleans(), st.integers(), st.just(1.5), st.lists(st.just("a"), max_size=1), st.just({"a": "b"})
)
_no_client_types = st.one_of(
    st.sampled_from(["Web", "native", "ws"]), st.text("abcxyz", min_size=2, max_size=8)
)


@check("request.json", "seed, spec")
def request_json(probe: Probe) -> None:
    """A token request may be JSON."""
    probe.post_token(as_json=True).expect_status(200)


@check("request.media-type-parameters", "rfc 9110 §8.3.1")
def request_media_type_parameters(probe: Probe) -> None:
    """The media type may have parameters, and is case-insensitive."""
    for content_type in (f"{FORM}; charset=utf-8", FORM.title()):
        probe.post_body(form_body(probe.parameters()), content_type).expect_status(200)
    for content_type in (f"{JSON}; charset=utf-8", JSON.upper()):
        probe.post_body(json_body(probe.parameters()), content_type).expect_status(200)


@check("request.json-labelled-form", "docs")
def request_json_labelled_form(probe: Probe) -> None:
    """A JSON body with the Content-Type of a form, as curl sends it, is read as JSON."""
    probe.post_body(json_body(probe.parameters()), FORM).expect_status(200)


@check("request.query", "live")
def request_query(probe: Probe) -> None:
    """Without a body, the parameters may be in the query string."""
    query = urlencode({"grant_type": "client_credentials", "scope": probe.scope})
    probe.request("POST", f"{TOKEN_PATH}?{query}", headers=[probe.basic()]).expect_status(200)


@check("request.query-beside-body", "choice")
def request_query_beside_body(probe: Probe) -> None:
    """If there is a body, the query string is ignored."""
    probe.post(f"{TOKEN_PATH}?grant_type=nonsense&scope=nonsense", probe.parameters()).expect_status(200)


@check("request.refresh-token-ignored", "seed")
def request_refresh_token_ignored(probe: Probe) -> None:
    """A refresh_token in a client_credentials request is ignored."""
    probe.post_token(probe.parameters(refresh_token="not-a-token")).expect_status(200)  # noqa: S106


@check("request.unknown-parameters", "rfc 6749 §3.2", _unknown_parameters, examples=5)
def request_unknown_parameters(probe: Probe, unknown: dict[str, str]) -> None:
    """Unknown parameters are ignored."""
    probe.post_token(probe.parameters(**unknown)).expect_status(200)


@check("request.empty-values", "rfc 6749 §3.2")
def request_empty_values(probe: Probe) -> None:
    """A parameter with an empty value counts as absent."""
    empty = probe.parameters(client_type="", refresh_token="", client_id="", client_secret="")
    probe.post_token(empty).expect_status(200)
    probe.post_token(probe.parameters(scope="")).expect_error("invalid scope")
    probe.post_token(probe.parameters(grant_type="")).expect_error("invalid request")


@check("request.repeated", "rfc 6749 §3.2", examples=6)
def request_repeated(probe: Probe) -> None:
    """A repeated parameter, in a form or in JSON, is invalid_request."""
    known = [("grant_type", "client_credentials"), ("scope", probe.scope)]

    def test(drawn: tuple[tuple[str, str], bool]) -> None:
        pair, is_json = drawn
        pairs = [*(item for item in known if item[0] != pair[0]), pair, pair]
        text = "{" + ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in pairs) + "}"
        body = text.encode() if is_json else urlencode(pairs).encode()
        probe.post_body(body, JSON if is_json else FORM).expect_error("invalid request")

    pairs = st.one_of(st.sampled_from(known), st.tuples(_unknown_names, _printable_text.filter(bool)))
    probe.for_all(st.tuples(pairs, st.booleans()), test)


@check("request.json-types", "choice", _string_parameters, _not_strings, examples=6)
def request_json_types(probe: Probe, name: str, value: object) -> None:
    """A known parameter whose JSON value is not a string is invalid_request."""
    body = json.dumps({**probe.parameters(), name: value}).encode()
    probe.post_body(body, JSON).expect_error("invalid request")


@check("request.json-null", "choice")
def request_json_null(probe: Probe) -> None:
    """A JSON null counts as absent."""
    body = json.dumps({**probe.parameters(), "refresh_token": None, "client_id": None, "client_type": None})
    probe.post_body(body.encode(), JSON).expect_status(200)


@check("request.characters", "rfc 6749 §A", _ascii_parameters, _characters, examples=6)
def request_characters(probe: Probe, name: str, character: str) -> None:
    """A character that RFC 6749 does not allow in grant_type or credentials is invalid_request."""
    parameters = probe.parameters_with_key() | {name: f"a{character}"}
    probe.post_token(parameters, send_basic=False).expect_error("invalid request")


@check("request.unreadable-json", "seed, spec, rfc 6749 §5.2", examples=6)
def request_unreadable_json(probe: Probe) -> None:
    """A body that is labelled JSON but is not a JSON object is invalid_request."""
    complete = json_body(probe.parameters())
    others = [b"[]", b'"text"', b"1", b"null", b"{}x", b"\xff\xfe", b'{"scope":NaN}', b"[" * 2000]
    cut = st.integers(1, len(complete) - 1).map(lambda length: complete[:length])
    bodies = st.one_of(cut, st.sampled_from(others))
    probe.for_all(bodies, lambda body: probe.post_body(body, JSON).expect_error("invalid request"))


@check("request.media-type", "rfc 6749 §4.4.2")
def request_media_type(probe: Probe) -> None:
    """Any other media type is invalid_request."""
    for content_type in ("text/plain", "application/xml", "multipart/form-data; boundary=a"):
        probe.post_body(form_body(probe.parameters()), content_type).expect_error("invalid request")


@check("request.no-media-type", "choice")
def request_no_media_type(probe: Probe) -> None:
    """Without a media type, a body that begins with { is read as JSON; any other is invalid_request."""
    probe.post_body(json_body(probe.parameters()), None).expect_status(200)
    probe.post_body(form_body(probe.parameters()), None).expect_error("invalid request")


@check("request.content-encoding", "choice")
def request_content_encoding(probe: Probe) -> None:
    """Any Content-Encoding is invalid_request."""
    for coding in ("gzip", "identity"):
        probe.post_token(headers=[("Content-Encoding", coding)]).expect_error("invalid request")


@check("request.bad-escape", "choice", st.sampled_from(["%", "%zz", "%a", "%4g", "a%"]), examples=4)
def request_bad_escape(probe: Probe, escape: str) -> None:
    """An invalid percent escape in a form is invalid_request."""
    body = form_body(probe.parameters()) + f"&other={escape}".encode()
    probe.post_body(body, FORM).expect_error("invalid request")


@check("request.client-type", "sdk")
def request_client_type(probe: Probe) -> None:
    """client_type may be web, device, service, w, d or s."""
    for client_type in ("web", "device", "service", "w", "d", "s"):
        probe.post_token(probe.parameters(client_type=client_type)).expect_status(200)


@check("request.other-client-type", "choice", _no_client_types, examples=4)
def request_other_client_type(probe: Probe, client_type: str) -> None:
    """Any other client_type is invalid_request."""
    probe.post_token(probe.parameters(client_type=client_type)).expect_error("invalid request")


@check("request.too-large", "choice")
def request_too_large(probe: Probe) -> None:
    """A body of more than 64 KiB gets 413 with no body; a body of 64 KiB is accepted."""
    body = form_body(probe.parameters()) + b"&other="
    probe.post_body(body.ljust(_LIMIT, b"x"), FORM).expect_status(200)
    for path in (TOKEN_PATH, REVOKE_PATH):
        headers = [("Content-Type", FORM), probe.basic()]
        probe.request("POST", path, headers=headers, body=body.ljust(_LIMIT + 1, b"x")).expect_empty(413)


@check("request.method", "choice", _other_methods, st.sampled_from([TOKEN_PATH, REVOKE_PATH]), examples=4)
def request_method(probe: Probe, method: str, path: str) -> None:
    """Any method other than POST at the OAuth paths gets 405 with no body, and Allow has POST."""
    response = probe.request(method, path, headers=[probe.basic()]).expect_empty(405)
    allowed = {item.strip() for item in (response.header("allow") or "").split(",")}
    expect("POST" in allowed and method not in allowed, "Allow: POST", response.header("allow"))


@check("request.head", "choice")
def request_head(probe: Probe) -> None:
    """HEAD at the OAuth paths gets 405, because they have no GET."""
    for path in (TOKEN_PATH, REVOKE_PATH):
        probe.request("HEAD", path, headers=[probe.basic()]).expect_empty(405)


@check("request.order", "choice")
def request_order(probe: Probe) -> None:
    """Errors are found in this order: body, client authentication, grant_type, grant."""
    body = form_body(probe.parameters(grant_type="nonsense", scope="nonsense"))
    wrong = probe.basic(None, "not-the-secret")
    probe.post_body(body + b"&scope=again", FORM, authorization=wrong).expect_error("invalid request")
    probe.post_body(body, FORM, authorization=wrong).expect_error("invalid client")
    probe.post_body(body, FORM).expect_error("unsupported grant type")
    large = body.ljust(_LIMIT + 1, b"x")
    probe.post_body(large, "text/plain", authorization=wrong).expect_empty(413)
    headers = [("X-Moov-Version", "nonsense")]
    probe.request("GET", TOKEN_PATH, headers=headers, send_version=False).expect_empty(405)


@check("request.version-before-size", "choice", contract="dated")
def request_version_before_size(probe: Probe) -> None:
    """A malformed version gets 404 before the server looks at the body."""
    headers = [("Content-Type", "text/plain"), ("X-Moov-Version", "nonsense")]
    body = b"x" * (_LIMIT + 1)
    probe.request("POST", TOKEN_PATH, headers=headers, body=body, send_version=False).expect_empty(404)


@check("request.unknown-path", "choice")
def request_unknown_path(probe: Probe) -> None:
    """An unknown path, such as one with a trailing slash, gets 404 and no redirect."""
    for path in ("/oauth2/nonsense", f"{TOKEN_PATH}/", f"{REVOKE_PATH}/"):
        probe.post(path, probe.parameters()).expect_status(404)
