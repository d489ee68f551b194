"""Owns the rules of how a token request may be written. Must not know transports or reports."""

import json
from urllib.parse import urlencode

from hypothesis import strategies as st

from mockmoov.verify.answers import Answer, want
from mockmoov.verify.probe import FORM, JSON, REVOKE, TOKEN, Header, Probe
from mockmoov.verify.registry import Topic

topic = Topic("request")
_LIMIT = 64 * 1024  # bytes of a body

_names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=4, max_size=12).map("x_".__add__)
_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
_not_texts = st.one_of(
    st.booleans(), st.integers(), st.just(1.5), st.lists(st.just("a"), max_size=1), st.just({"a": "b"})
)


@topic.check("json", "seed, spec")
def _(probe: Probe) -> None:
    """A token request may be JSON."""
    probe.token(as_json=True).want_status(200)


@topic.check("media-type-parameters", "rfc 9110 §8.3.1")
def _(probe: Probe) -> None:
    """Parameters of the media type, and its case, do not matter."""
    for content_type in (f"{FORM}; charset=utf-8", FORM.title()):
        _raw(probe, _form(probe.minting()), content_type).want_status(200)
    for content_type in (f"{JSON}; charset=utf-8", JSON.upper()):
        _raw(probe, _json(probe.minting()), content_type).want_status(200)


@topic.check("json-labelled-form", "docs")
def _(probe: Probe) -> None:
    """A JSON body that is labelled a form, as curl labels it, is read as JSON."""
    _raw(probe, _json(probe.minting()), FORM).want_status(200)


@topic.check("query", "live")
def _(probe: Probe) -> None:
    """Without a body the parameters may be in the query string."""
    query = urlencode({"grant_type": "client_credentials", "scope": probe.scope})
    probe.ask("POST", f"{TOKEN}?{query}", headers=[probe.basic()]).want_status(200)


@topic.check("query-beside-body", "choice")
def _(probe: Probe) -> None:
    """Beside a body the query string is not read."""
    probe.post(f"{TOKEN}?grant_type=nonsense&scope=nonsense", probe.minting()).want_status(200)


@topic.check("refresh-token-ignored", "seed")
def _(probe: Probe) -> None:
    """A refresh_token beside client_credentials is ignored."""
    probe.token(probe.minting(refresh_token="not-a-token")).want_status(200)


@topic.check("unknown-parameters", "rfc 6749 §3.2", examples=5)
def _(probe: Probe) -> None:
    """For any parameter that nobody knows, it is ignored."""

    def law(others: dict[str, str]) -> None:
        probe.token(probe.minting(**others)).want_status(200)

    probe.for_all(st.dictionaries(_names, _values, min_size=1, max_size=3), law)


@topic.check("empty-values", "rfc 6749 §3.2")
def _(probe: Probe) -> None:
    """A parameter without a value counts as absent."""
    probe.token(probe.minting(client_type="", refresh_token="", client_id="", client_secret="")).want_status(200)
    probe.token(probe.minting(scope="")).want_refusal(probe.refusal("scope"))
    probe.token(probe.minting(grant_type="")).want_refusal(probe.refusal("request"))


@topic.check("repeated", "rfc 6749 §3.2", examples=6)
def _(probe: Probe) -> None:
    """For any parameter that comes twice, in a form or in JSON, the request is invalid_request."""
    known = [("grant_type", "client_credentials"), ("scope", probe.scope)]

    def law(drawn: tuple[tuple[str, str], bool]) -> None:
        pair, as_json = drawn
        pairs = [*(item for item in known if item[0] != pair[0]), pair, pair]
        text = "{" + ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in pairs) + "}"
        body = text.encode() if as_json else urlencode(pairs).encode()
        _raw(probe, body, JSON if as_json else FORM).want_refusal(probe.refusal("request"))

    pairs = st.one_of(st.sampled_from(known), st.tuples(_names, _values.filter(bool)))
    probe.for_all(st.tuples(pairs, st.booleans()), law)


@topic.check("json-types", "choice", examples=6)
def _(probe: Probe) -> None:
    """For any JSON value of a known parameter that is no text, the request is invalid_request."""

    def law(drawn: tuple[str, object]) -> None:
        name, value = drawn
        body = json.dumps({**probe.minting(), name: value}).encode()
        _raw(probe, body, JSON).want_refusal(probe.refusal("request"))

    names = st.sampled_from(["grant_type", "scope", "client_id", "client_secret", "refresh_token", "client_type"])
    probe.for_all(st.tuples(names, _not_texts), law)


@topic.check("json-null", "choice")
def _(probe: Probe) -> None:
    """A JSON null counts as absent."""
    body = json.dumps({**probe.minting(), "refresh_token": None, "client_id": None, "client_type": None})
    _raw(probe, body.encode(), JSON).want_status(200)


@topic.check("characters", "rfc 6749 §A", examples=6)
def _(probe: Probe) -> None:
    """For any character that RFC 6749 does not allow in grant_type or credentials: invalid_request."""

    def law(drawn: tuple[str, str]) -> None:
        name, odd = drawn
        probe.token(probe.in_body() | {name: f"a{odd}"}, credentials=False).want_refusal(probe.refusal("request"))

    odd = st.sampled_from(["\x00", "\x07", "\n", "\x7f", "é", "\u2028", "\U0001f511"])
    probe.for_all(st.tuples(st.sampled_from(["grant_type", "client_id", "client_secret"]), odd), law)


@topic.check("unreadable-json", "seed, spec, rfc 6749 §5.2", examples=6)
def _(probe: Probe) -> None:
    """For any body that is labelled JSON and is no JSON object: invalid_request."""
    whole = _json(probe.minting())
    others = [b"[]", b'"text"', b"1", b"null", b"{}x", b"\xff\xfe", b'{"scope":NaN}', b"[" * 2000]
    cut = st.integers(1, len(whole) - 1).map(lambda length: whole[:length])

    def law(body: bytes) -> None:
        _raw(probe, body, JSON).want_refusal(probe.refusal("request"))

    probe.for_all(st.one_of(cut, st.sampled_from(others)), law)


@topic.check("media-type", "rfc 6749 §4.4.2")
def _(probe: Probe) -> None:
    """Any other media type is invalid_request."""
    for content_type in ("text/plain", "application/xml", "multipart/form-data; boundary=a"):
        _raw(probe, _form(probe.minting()), content_type).want_refusal(probe.refusal("request"))


@topic.check("no-media-type", "choice")
def _(probe: Probe) -> None:
    """Without a media type a body that begins with { is JSON; any other is invalid_request."""
    _raw(probe, _json(probe.minting()), None).want_status(200)
    _raw(probe, _form(probe.minting()), None).want_refusal(probe.refusal("request"))


@topic.check("content-encoding", "choice")
def _(probe: Probe) -> None:
    """Any Content-Encoding is invalid_request."""
    for coding in ("gzip", "identity"):
        probe.token(headers=[("Content-Encoding", coding)]).want_refusal(probe.refusal("request"))


@topic.check("bad-escape", "choice", examples=4)
def _(probe: Probe) -> None:
    """For any percent sign in a form that begins no escape, the request is invalid_request."""

    def law(escape: str) -> None:
        body = _form(probe.minting()) + f"&other={escape}".encode()
        _raw(probe, body, FORM).want_refusal(probe.refusal("request"))

    probe.for_all(st.sampled_from(["%", "%zz", "%a", "%4g", "a%"]), law)


@topic.check("too-large", "choice")
def _(probe: Probe) -> None:
    """A body of more than 64 KiB is 413 without a body; one of 64 KiB is read."""
    body = _form(probe.minting()) + b"&other="
    _raw(probe, body.ljust(_LIMIT, b"x"), FORM).want_status(200)
    for path in (TOKEN, REVOKE):
        headers = [("Content-Type", FORM), probe.basic()]
        probe.ask("POST", path, headers=headers, body=body.ljust(_LIMIT + 1, b"x")).want_empty(413)


@topic.check("method", "choice", examples=4)
def _(probe: Probe) -> None:
    """For any method but POST at the OAuth paths: 405 without a body, with POST in Allow."""

    def law(drawn: tuple[str, str]) -> None:
        answer = probe.ask(drawn[0], drawn[1], headers=[probe.basic()]).want_empty(405)
        allowed = {method.strip() for method in (answer.header("allow") or "").split(",")}
        want("POST" in allowed and drawn[0] not in allowed, "Allow: POST", answer.header("allow"))

    methods = st.sampled_from(["GET", "PUT", "PATCH", "DELETE"])
    probe.for_all(st.tuples(methods, st.sampled_from([TOKEN, REVOKE])), law)


@topic.check("client-type", "sdk")
def _(probe: Probe) -> None:
    """client_type may be web, device, service, or w, d, s."""
    for client_type in ("web", "device", "service", "w", "d", "s"):
        probe.token(probe.minting(client_type=client_type)).want_status(200)


@topic.check("other-client-type", "choice", examples=4)
def _(probe: Probe) -> None:
    """For any other client_type: invalid_request."""

    def law(client_type: str) -> None:
        probe.token(probe.minting(client_type=client_type)).want_refusal(probe.refusal("request"))

    others = st.one_of(st.sampled_from(["Web", "native", "ws"]), st.text("abcxyz", min_size=2, max_size=8))
    probe.for_all(others, law)


@topic.check("order", "choice")
def _(probe: Probe) -> None:
    """One request, one verdict: reading, then client authentication, then grant_type, then the grant."""
    body = _form(probe.minting(grant_type="nonsense", scope="nonsense"))
    wrong = probe.basic(None, "not-the-secret")
    _raw(probe, body + b"&scope=again", FORM, credentials=wrong).want_refusal(probe.refusal("request"))
    _raw(probe, body, FORM, credentials=wrong).want_refusal(probe.refusal("client"))
    _raw(probe, body, FORM).want_refusal(probe.refusal("grant type"))
    size = _LIMIT + 1
    _raw(probe, body.ljust(size, b"x"), "text/plain", credentials=wrong).want_empty(413)
    probe.ask("GET", TOKEN, headers=[("X-Moov-Version", "nonsense")], version=False).want_empty(405)


@topic.check("version-before-size", "choice", contract="dated")
def _(probe: Probe) -> None:
    """A malformed version is a 404 before anything of the body is looked at."""
    headers = [("Content-Type", "text/plain"), ("X-Moov-Version", "nonsense")]
    body = b"x" * (_LIMIT + 1)
    probe.ask("POST", TOKEN, headers=headers, body=body, version=False).want_empty(404)


@topic.check("unknown-path", "choice")
def _(probe: Probe) -> None:
    """A path that nobody knows, a trailing slash included, is a 404 and no redirect."""
    for path in ("/oauth2/nonsense", f"{TOKEN}/", f"{REVOKE}/"):
        probe.post(path, probe.minting()).want_status(404)


def _form(parameters: dict[str, str | None]) -> bytes:
    return urlencode(parameters).encode()


def _json(parameters: dict[str, str | None]) -> bytes:
    return json.dumps(parameters).encode()


def _raw(
    probe: Probe, body: bytes, content_type: str | None, *, credentials: Header | None = None
) -> Answer:
    """A token request with this body, labelled so."""
    labels = [] if content_type is None else [("Content-Type", content_type)]
    return probe.ask("POST", TOKEN, headers=[credentials or probe.basic(), *labels], body=body)
