"""Checks of the format of token requests: media types, parameters, characters."""

import json
from urllib.parse import urlencode

from hypothesis import strategies as st

from mockmoov.verify.check import check
from mockmoov.verify.probe import FORM, JSON, TOKEN_PATH, Probe, form_body, json_body

_unknown_names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=4, max_size=12).map("x_".__add__)
_printable_text = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
_not_strings = st.one_of(
    st.booleans(), st.integers(), st.just(1.5), st.lists(st.just("a"), max_size=1), st.just({"a": "b"})
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


@check("request.unknown-parameters", "rfc 6749 §3.2", examples=5)
def request_unknown_parameters(probe: Probe) -> None:
    """Unknown parameters are ignored."""

    def test(unknown: dict[str, str]) -> None:
        probe.post_token(probe.parameters(**unknown)).expect_status(200)

    probe.for_all(st.dictionaries(_unknown_names, _printable_text, min_size=1, max_size=3), test)


@check("request.empty-values", "rfc 6749 §3.2")
def request_empty_values(probe: Probe) -> None:
    """A parameter with an empty value counts as absent."""
    probe.post_token(
        probe.parameters(client_type="", refresh_token="", client_id="", client_secret="")
    ).expect_status(200)
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


@check("request.json-types", "choice", examples=6)
def request_json_types(probe: Probe) -> None:
    """A known parameter whose JSON value is not a string is invalid_request."""

    def test(drawn: tuple[str, object]) -> None:
        name, value = drawn
        body = json.dumps({**probe.parameters(), name: value}).encode()
        probe.post_body(body, JSON).expect_error("invalid request")

    names = st.sampled_from(
        ["grant_type", "scope", "client_id", "client_secret", "refresh_token", "client_type"]
    )
    probe.for_all(st.tuples(names, _not_strings), test)


@check("request.json-null", "choice")
def request_json_null(probe: Probe) -> None:
    """A JSON null counts as absent."""
    body = json.dumps({**probe.parameters(), "refresh_token": None, "client_id": None, "client_type": None})
    probe.post_body(body.encode(), JSON).expect_status(200)


@check("request.characters", "rfc 6749 §A", examples=6)
def request_characters(probe: Probe) -> None:
    """A character that RFC 6749 does not allow in grant_type or credentials is invalid_request."""

    def test(drawn: tuple[str, str]) -> None:
        name, character = drawn
        parameters = probe.parameters_with_key() | {name: f"a{character}"}
        probe.post_token(parameters, send_basic=False).expect_error("invalid request")

    characters = st.sampled_from(["\x00", "\x07", "\n", "\x7f", "é", "\u2028", "\U0001f511"])
    probe.for_all(st.tuples(st.sampled_from(["grant_type", "client_id", "client_secret"]), characters), test)


@check("request.unreadable-json", "seed, spec, rfc 6749 §5.2", examples=6)
def request_unreadable_json(probe: Probe) -> None:
    """A body that is labelled JSON but is not a JSON object is invalid_request."""
    complete = json_body(probe.parameters())
    others = [b"[]", b'"text"', b"1", b"null", b"{}x", b"\xff\xfe", b'{"scope":NaN}', b"[" * 2000]
    cut = st.integers(1, len(complete) - 1).map(lambda length: complete[:length])

    def test(body: bytes) -> None:
        probe.post_body(body, JSON).expect_error("invalid request")

    probe.for_all(st.one_of(cut, st.sampled_from(others)), test)


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


@check("request.bad-escape", "choice", examples=4)
def request_bad_escape(probe: Probe) -> None:
    """An invalid percent escape in a form is invalid_request."""

    def test(escape: str) -> None:
        body = form_body(probe.parameters()) + f"&other={escape}".encode()
        probe.post_body(body, FORM).expect_error("invalid request")

    probe.for_all(st.sampled_from(["%", "%zz", "%a", "%4g", "a%"]), test)


@check("request.client-type", "sdk")
def request_client_type(probe: Probe) -> None:
    """client_type may be web, device, service, w, d or s."""
    for client_type in ("web", "device", "service", "w", "d", "s"):
        probe.post_token(probe.parameters(client_type=client_type)).expect_status(200)


@check("request.other-client-type", "choice", examples=4)
def request_other_client_type(probe: Probe) -> None:
    """Any other client_type is invalid_request."""

    def test(client_type: str) -> None:
        probe.post_token(probe.parameters(client_type=client_type)).expect_error("invalid request")

    others = st.one_of(st.sampled_from(["Web", "native", "ws"]), st.text("abcxyz", min_size=2, max_size=8))
    probe.for_all(others, test)
