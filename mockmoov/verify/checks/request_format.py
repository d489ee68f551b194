"""Owns the rules of how a token request may be written. Must not know transports or reports."""

import json
from urllib.parse import urlencode

from hypothesis import strategies as st

from mockmoov.verify.check import Topic
from mockmoov.verify.kit import FORM, JSON, TOKEN, as_form, as_json
from mockmoov.verify.probe import Probe

topic = Topic("request")

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
        probe.raw(as_form(probe.minting()), content_type).want_status(200)
    for content_type in (f"{JSON}; charset=utf-8", JSON.upper()):
        probe.raw(as_json(probe.minting()), content_type).want_status(200)


@topic.check("json-labelled-form", "docs")
def _(probe: Probe) -> None:
    """A JSON body that is labelled a form, as curl labels it, is read as JSON."""
    probe.raw(as_json(probe.minting()), FORM).want_status(200)


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
    probe.token(probe.minting(refresh_token="not-a-token")).want_status(200)  # noqa: S106


@topic.check("unknown-parameters", "rfc 6749 §3.2", examples=5)
def _(probe: Probe) -> None:
    """For any parameter that nobody knows, it is ignored."""

    def law(others: dict[str, str]) -> None:
        probe.token(probe.minting(**others)).want_status(200)

    probe.for_all(st.dictionaries(_names, _values, min_size=1, max_size=3), law)


@topic.check("empty-values", "rfc 6749 §3.2")
def _(probe: Probe) -> None:
    """A parameter without a value counts as absent."""
    probe.token(probe.minting(client_type="", refresh_token="", client_id="", client_secret="")).want_status(
        200
    )
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
        probe.raw(body, JSON if as_json else FORM).want_refusal(probe.refusal("request"))

    pairs = st.one_of(st.sampled_from(known), st.tuples(_names, _values.filter(bool)))
    probe.for_all(st.tuples(pairs, st.booleans()), law)


@topic.check("json-types", "choice", examples=6)
def _(probe: Probe) -> None:
    """For any JSON value of a known parameter that is no text, the request is invalid_request."""

    def law(drawn: tuple[str, object]) -> None:
        name, value = drawn
        body = json.dumps({**probe.minting(), name: value}).encode()
        probe.raw(body, JSON).want_refusal(probe.refusal("request"))

    names = st.sampled_from(
        ["grant_type", "scope", "client_id", "client_secret", "refresh_token", "client_type"]
    )
    probe.for_all(st.tuples(names, _not_texts), law)


@topic.check("json-null", "choice")
def _(probe: Probe) -> None:
    """A JSON null counts as absent."""
    body = json.dumps({**probe.minting(), "refresh_token": None, "client_id": None, "client_type": None})
    probe.raw(body.encode(), JSON).want_status(200)


@topic.check("characters", "rfc 6749 §A", examples=6)
def _(probe: Probe) -> None:
    """For any character that RFC 6749 does not allow in grant_type or credentials: invalid_request."""

    def law(drawn: tuple[str, str]) -> None:
        name, odd = drawn
        probe.token(probe.in_body() | {name: f"a{odd}"}, credentials=False).want_refusal(
            probe.refusal("request")
        )

    odd = st.sampled_from(["\x00", "\x07", "\n", "\x7f", "é", "\u2028", "\U0001f511"])
    probe.for_all(st.tuples(st.sampled_from(["grant_type", "client_id", "client_secret"]), odd), law)


@topic.check("unreadable-json", "seed, spec, rfc 6749 §5.2", examples=6)
def _(probe: Probe) -> None:
    """For any body that is labelled JSON and is no JSON object: invalid_request."""
    whole = as_json(probe.minting())
    others = [b"[]", b'"text"', b"1", b"null", b"{}x", b"\xff\xfe", b'{"scope":NaN}', b"[" * 2000]
    cut = st.integers(1, len(whole) - 1).map(lambda length: whole[:length])

    def law(body: bytes) -> None:
        probe.raw(body, JSON).want_refusal(probe.refusal("request"))

    probe.for_all(st.one_of(cut, st.sampled_from(others)), law)


@topic.check("media-type", "rfc 6749 §4.4.2")
def _(probe: Probe) -> None:
    """Any other media type is invalid_request."""
    for content_type in ("text/plain", "application/xml", "multipart/form-data; boundary=a"):
        probe.raw(as_form(probe.minting()), content_type).want_refusal(probe.refusal("request"))


@topic.check("no-media-type", "choice")
def _(probe: Probe) -> None:
    """Without a media type a body that begins with { is JSON; any other is invalid_request."""
    probe.raw(as_json(probe.minting()), None).want_status(200)
    probe.raw(as_form(probe.minting()), None).want_refusal(probe.refusal("request"))


@topic.check("content-encoding", "choice")
def _(probe: Probe) -> None:
    """Any Content-Encoding is invalid_request."""
    for coding in ("gzip", "identity"):
        probe.token(headers=[("Content-Encoding", coding)]).want_refusal(probe.refusal("request"))


@topic.check("bad-escape", "choice", examples=4)
def _(probe: Probe) -> None:
    """For any percent sign in a form that begins no escape, the request is invalid_request."""

    def law(escape: str) -> None:
        body = as_form(probe.minting()) + f"&other={escape}".encode()
        probe.raw(body, FORM).want_refusal(probe.refusal("request"))

    probe.for_all(st.sampled_from(["%", "%zz", "%a", "%4g", "a%"]), law)


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
