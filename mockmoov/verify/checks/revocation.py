"""Owns the rules of revocation. Must not know transports or reports."""

import json

from hypothesis import strategies as st

from mockmoov.verify.check import Topic
from mockmoov.verify.kit import FORM, JSON, REVOKE
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import want

topic = Topic("revoke")

_nonsense = st.one_of(
    st.sampled_from(
        ["nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", ".", " ", "\x00", "é", "\U0001f511", "x" * 5000]
    ),
    st.text("abcXYZ019-_.", min_size=1, max_size=60),
)


@topic.check("status", "seed, spec, sdk")
def _(probe: Probe) -> None:
    """A revocation is answered 204, without a body and without Content-Type."""
    pair = probe.mint()
    for token in (pair.access, pair.refresh):
        probe.revoke(token).want_empty(204).want_header("content-type", None)


@topic.check("credentials-in-body", "seed, spec")
def _(probe: Probe) -> None:
    """The client may be authenticated by a form's parameters."""
    key = probe.key
    body = {"token": probe.mint().refresh, "client_id": key.client_id, "client_secret": key.client_secret}
    probe.post(REVOKE, body, credentials=False).want_empty(204)


@topic.check("json", "spec", contract="dated")
def _(probe: Probe) -> None:
    """A revocation may be JSON."""
    _revokes_by_json(probe, JSON)


@topic.check("json-2023", "choice", contract="2023")
def _(probe: Probe) -> None:
    """A revocation may be JSON in 2023 too."""
    _revokes_by_json(probe, JSON)


@topic.check("json-labelled-form", "choice")
def _(probe: Probe) -> None:
    """A JSON body that is labelled a form is read as JSON."""
    _revokes_by_json(probe, FORM)


@topic.check("unknown", "rfc 7009 §2.2", examples=6)
def _(probe: Probe) -> None:
    """For any text that is no token, the answer is 204 all the same."""

    def law(token: str) -> None:
        probe.revoke(token).want_empty(204)

    probe.for_all(_nonsense, law)


@topic.check("twice", "rfc 7009 §2.2")
def _(probe: Probe) -> None:
    """Revoking again what is revoked is a 204."""
    pair = probe.mint()
    for token in (pair.access, pair.refresh):
        for _ in range(2):
            probe.revoke(token).want_empty(204)


@topic.check("access-token", "rfc 7009 §2.1")
def _(probe: Probe) -> None:
    """A revoked access token is good for nothing."""
    pair = probe.mint()
    want(probe.is_alive(pair.access), "a new access token to be good", "401")
    probe.revoke(pair.access).want_empty(204)
    probe.ping(pair.access).want_empty(401)


@topic.check("access-token-alone", "choice")
def _(probe: Probe) -> None:
    """Revoking an access token leaves the others of its family good, and the refresh token."""
    first = probe.mint()
    second = probe.pair(probe.refresh(first.refresh))
    probe.revoke(first.access).want_empty(204)
    want(probe.is_alive(second.access), "the other access token to be good", "401")
    probe.refresh(second.refresh).want_status(200)


@topic.check("refresh-token", "rfc 7009 §2.1")
def _(probe: Probe) -> None:
    """A revoked refresh token is good for nothing."""
    pair = probe.mint()
    probe.revoke(pair.refresh).want_empty(204)
    answer = probe.refresh(pair.refresh)
    want(400 <= answer.status < 500, "a refusal", answer)


@topic.check("cascade", "rfc 7009 §2.1, choice")
def _(probe: Probe) -> None:
    """Revoking a refresh token revokes every access token of its family."""
    first = probe.mint()
    second = probe.pair(probe.refresh(first.refresh))
    probe.revoke(second.refresh).want_empty(204)
    for pair in (first, second):
        probe.ping(pair.access).want_empty(401)


@topic.check("used-up", "choice")
def _(probe: Probe) -> None:
    """Revoking a used-up refresh token revokes its family, too."""
    first = probe.mint()
    second = probe.pair(probe.refresh(first.refresh))
    probe.revoke(first.refresh).want_empty(204)
    probe.ping(second.access).want_empty(401)
    probe.refresh(second.refresh).want_refusal(probe.refusal("refresh token"))


@topic.check("no-other-family", "rfc 7009 §2.1")
def _(probe: Probe) -> None:
    """Revoking the tokens of one grant leaves those of another good."""
    one, other = probe.mint(), probe.mint()
    probe.revoke(one.refresh).want_empty(204)
    probe.revoke(one.access).want_empty(204)
    want(probe.is_alive(other.access), "the other grant's access token to be good", "401")
    probe.refresh(other.refresh).want_status(200)


@topic.check("right-hint", "rfc 7009 §2.1")
def _(probe: Probe) -> None:
    """A token is revoked with the hint that says what it is."""
    _revokes_with_hints(probe, access="access_token", refresh="refresh_token")


@topic.check("wrong-hint", "rfc 7009 §2.1")
def _(probe: Probe) -> None:
    """A wrong hint is only a hint: the token is revoked all the same."""
    _revokes_with_hints(probe, access="refresh_token", refresh="access_token")


@topic.check("hint", "spec", contract="dated", examples=4)
def _(probe: Probe) -> None:
    """For any other hint: 422 token_type_hint, even with an unknown token."""
    _refuses_hints(probe)


@topic.check("hint-2023", "choice", contract="2023", examples=4)
def _(probe: Probe) -> None:
    """For any other hint: invalid_request, even with an unknown token."""
    _refuses_hints(probe)


@topic.check("missing", "rfc 7009 §2.1, spec")
def _(probe: Probe) -> None:
    """Without token: invalid_request in 2023, 422 in dated versions."""
    for absent in (None, ""):
        probe.revoke(absent).want_refusal(probe.refusal("token missing"))


@topic.check("client-authentication", "seed, rfc 7009 §2.1, live")
def _(probe: Probe) -> None:
    """A revocation wants the client's credentials as a mint does, and revokes nothing without them."""
    pair = probe.mint()
    body = {"token": pair.access}
    probe.post(REVOKE, body, credentials=False).want_refusal(probe.refusal("client"))
    wrong = [probe.basic(None, "not-the-secret")]
    probe.post(REVOKE, body, credentials=False, headers=wrong).want_refusal(probe.refusal("client"))
    body |= {"client_id": probe.key.client_id, "client_secret": "not-the-secret"}
    probe.post(REVOKE, body, credentials=False).want_refusal(probe.refusal("client in body"))
    want(probe.is_alive(pair.access), "the access token to be good", "401")


@topic.check("body", "rfc 6749 §3.2, choice")
def _(probe: Probe) -> None:
    """A revocation's body follows the rules of a token request's: repeats, types, media type, escapes."""
    bodies = [
        (FORM, b"token=a&token=a"),
        (FORM, b"token=%zz"),
        (JSON, b'{"token":1}'),
        (JSON, b'{"token":"a","token":"a"}'),
        (JSON, b'{"token":'),
        ("text/plain", b"token=a"),
    ]
    for content_type, body in bodies:
        probe.raw(body, content_type, path=REVOKE).want_refusal(probe.refusal("request"))


@topic.check("another-client", "rfc 7009 §2.1, choice", needs=("control plane",))
def _(probe: Probe) -> None:
    """Another client's token is unauthorized_client, and stays good."""
    own, other = probe.own(), probe.own()
    pair = own.mint()
    for token in (pair.access, pair.refresh):
        other.revoke(token).want_refusal(probe.refusal("not for this client"))
    want(own.is_alive(pair.access), "the access token to be good", "401")
    own.refresh(pair.refresh).want_status(200)


@topic.check("expired", "rfc 7009 §2.2", needs=("control plane",))
def _(probe: Probe) -> None:
    """Revoking an expired token is a 204."""
    own = probe.own()
    pair = own.mint()
    probe.plane.shift(own.key, 30 * 24 * 3600)
    for token in (pair.access, pair.refresh):
        own.revoke(token).want_empty(204)


def _revokes_by_json(probe: Probe, content_type: str) -> None:
    pair = probe.mint()
    probe.raw(json.dumps({"token": pair.access}).encode(), content_type, path=REVOKE).want_empty(204)
    probe.ping(pair.access).want_empty(401)


def _revokes_with_hints(probe: Probe, *, access: str, refresh: str) -> None:
    pair = probe.mint()
    probe.revoke(pair.access, token_type_hint=access).want_empty(204)
    probe.ping(pair.access).want_empty(401)
    probe.revoke(pair.refresh, token_type_hint=refresh).want_empty(204)
    answer = probe.refresh(pair.refresh)
    want(400 <= answer.status < 500, "the refresh token to be refused", answer)


def _refuses_hints(probe: Probe) -> None:
    def law(hint: str) -> None:
        probe.revoke("nonsense", token_type_hint=hint).want_refusal(probe.refusal("hint"))

    known = st.sampled_from(["id_token", "Access_Token", "access-token", "refresh"])
    probe.for_all(st.one_of(known, st.text("abcxyz_", min_size=1, max_size=8)), law)
