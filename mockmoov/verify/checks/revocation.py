"""Checks of revocation."""

import json

from hypothesis import strategies as st

from mockmoov.verify.check import check
from mockmoov.verify.examples import not_tokens
from mockmoov.verify.probe import FORM, JSON, REVOKE_PATH, Probe
from mockmoov.verify.response import expect

_invalid_tokens = not_tokens(" ", "\x00", "é", "\U0001f511", "x" * 5000)
_invalid_hints = st.one_of(
    st.sampled_from(["id_token", "Access_Token", "access-token", "refresh"]),
    st.text("abcxyz_", min_size=1, max_size=8),
)


@check("revoke.status", "seed, spec, sdk")
def revoke_status(probe: Probe) -> None:
    """A revocation gets 204, with no body and no Content-Type."""
    pair = probe.mint()
    for token in (pair.access, pair.refresh):
        probe.revoke(token).expect_empty(204).expect_header("content-type", None)


@check("revoke.credentials-in-body", "seed, spec")
def revoke_credentials_in_body(probe: Probe) -> None:
    """The client may authenticate with parameters of the form."""
    key = probe.key
    body = {"token": probe.mint().refresh, "client_id": key.client_id, "client_secret": key.client_secret}
    probe.post(REVOKE_PATH, body, send_basic=False).expect_empty(204)


@check("revoke.json", "spec", contract="dated")
def revoke_json(probe: Probe) -> None:
    """A revocation request may be JSON."""
    _revoke_by_json(probe, JSON)


@check("revoke.json-2023", "choice", contract="2023")
def revoke_json_2023(probe: Probe) -> None:
    """A revocation request may be JSON in 2023 too."""
    _revoke_by_json(probe, JSON)


@check("revoke.json-labelled-form", "choice")
def revoke_json_labelled_form(probe: Probe) -> None:
    """A JSON body with the Content-Type of a form is read as JSON."""
    _revoke_by_json(probe, FORM)


@check("revoke.unknown", "rfc 7009 §2.2", _invalid_tokens, examples=6)
def revoke_unknown(probe: Probe, token: str) -> None:
    """Any text that is not a token gets 204."""
    probe.revoke(token).expect_empty(204)


@check("revoke.twice", "rfc 7009 §2.2")
def revoke_twice(probe: Probe) -> None:
    """Revoking a token again gets 204."""
    pair = probe.mint()
    for token in (pair.access, pair.refresh):
        for _ in range(2):
            probe.revoke(token).expect_empty(204)


@check("revoke.access-token", "rfc 7009 §2.1")
def revoke_access_token(probe: Probe) -> None:
    """A revoked access token is refused."""
    pair = probe.mint()
    expect(probe.is_valid(pair.access), "a new access token to be valid", "401")
    probe.revoke(pair.access).expect_empty(204)
    probe.ping(pair.access).expect_empty(401)


@check("revoke.access-token-alone", "choice")
def revoke_access_token_alone(probe: Probe) -> None:
    """Revoking an access token leaves the other tokens of its family valid."""
    first, second = probe.mint_and_refresh()
    probe.revoke(first.access).expect_empty(204)
    expect(probe.is_valid(second.access), "the other access token to be valid", "401")
    probe.refresh(second.refresh).expect_status(200)


@check("revoke.refresh-token", "rfc 7009 §2.1")
def revoke_refresh_token(probe: Probe) -> None:
    """A revoked refresh token is refused."""
    pair = probe.mint()
    probe.revoke(pair.refresh).expect_empty(204)
    response = probe.refresh(pair.refresh)
    expect(400 <= response.status < 500, "the refresh token to be refused", response)


@check("revoke.cascade", "rfc 7009 §2.1, choice")
def revoke_cascade(probe: Probe) -> None:
    """Revoking a refresh token revokes all access tokens of its family."""
    first, second = probe.mint_and_refresh()
    probe.revoke(second.refresh).expect_empty(204)
    for pair in (first, second):
        probe.ping(pair.access).expect_empty(401)


@check("revoke.used-up", "choice")
def revoke_used_up(probe: Probe) -> None:
    """Revoking a used-up refresh token revokes its family too."""
    first, second = probe.mint_and_refresh()
    probe.revoke(first.refresh).expect_empty(204)
    probe.ping(second.access).expect_empty(401)
    probe.refresh(second.refresh).expect_error("invalid refresh token")


@check("revoke.no-other-family", "rfc 7009 §2.1")
def revoke_no_other_family(probe: Probe) -> None:
    """Revoking the tokens of one grant leaves those of another grant valid."""
    one, other = probe.mint(), probe.mint()
    probe.revoke(one.refresh).expect_empty(204)
    probe.revoke(one.access).expect_empty(204)
    expect(probe.is_valid(other.access), "the other grant's access token to be valid", "401")
    probe.refresh(other.refresh).expect_status(200)


@check("revoke.right-hint", "rfc 7009 §2.1")
def revoke_right_hint(probe: Probe) -> None:
    """A token is revoked if the hint is right."""
    _revoke_with_hints(probe, access="access_token", refresh="refresh_token")


@check("revoke.wrong-hint", "rfc 7009 §2.1")
def revoke_wrong_hint(probe: Probe) -> None:
    """A token is revoked even if the hint is wrong."""
    _revoke_with_hints(probe, access="refresh_token", refresh="access_token")


@check("revoke.hint", "spec", _invalid_hints, contract="dated", examples=4)
def revoke_hint(probe: Probe, hint: str) -> None:
    """Any other hint gets 422 token_type_hint, even with an unknown token."""
    probe.revoke("nonsense", token_type_hint=hint).expect_error("invalid hint")


@check("revoke.hint-2023", "choice", _invalid_hints, contract="2023", examples=4)
def revoke_hint_2023(probe: Probe, hint: str) -> None:
    """Any other hint is invalid_request, even with an unknown token."""
    probe.revoke("nonsense", token_type_hint=hint).expect_error("invalid hint")


@check("revoke.missing", "rfc 7009 §2.1, spec")
def revoke_missing(probe: Probe) -> None:
    """A missing token is invalid_request in 2023, and 422 in dated versions."""
    for absent in (None, ""):
        probe.revoke(absent).expect_error("missing token")


@check("revoke.client-authentication", "seed, rfc 7009 §2.1, live")
def revoke_client_authentication(probe: Probe) -> None:
    """A revocation requires the client's credentials, and revokes nothing without them."""
    pair = probe.mint()
    body = {"token": pair.access}
    probe.post(REVOKE_PATH, body, send_basic=False).expect_error("invalid client")
    wrong = [probe.basic(None, "not-the-secret")]
    probe.post(REVOKE_PATH, body, send_basic=False, headers=wrong).expect_error("invalid client")
    body |= {"client_id": probe.key.client_id, "client_secret": "not-the-secret"}
    probe.post(REVOKE_PATH, body, send_basic=False).expect_error("invalid client in body")
    expect(probe.is_valid(pair.access), "the access token to be valid", "401")


@check("revoke.body", "rfc 6749 §3.2, choice")
def revoke_body(probe: Probe) -> None:
    """The body follows the rules for token requests: repeats, types, media type, escapes."""
    forms = [(FORM, b"token=a&token=a"), (FORM, b"token=%zz"), ("text/plain", b"token=a")]
    documents = [(JSON, b'{"token":1}'), (JSON, b'{"token":"a","token":"a"}'), (JSON, b'{"token":')]
    for content_type, body in forms + documents:
        probe.post_body(body, content_type, path=REVOKE_PATH).expect_error("invalid request")


@check("revoke.another-client", "rfc 7009 §2.1, choice", needs=("control plane",))
def revoke_another_client(probe: Probe) -> None:
    """Another client's token gets unauthorized_client, and stays valid."""
    owner, other = probe.with_new_key(), probe.with_new_key()
    pair = owner.mint()
    for token in (pair.access, pair.refresh):
        other.revoke(token).expect_error("unauthorized client")
    expect(owner.is_valid(pair.access), "the access token to be valid", "401")
    owner.refresh(pair.refresh).expect_status(200)


@check("revoke.expired", "rfc 7009 §2.2", needs=("control plane",))
def revoke_expired(probe: Probe) -> None:
    """Revoking an expired token gets 204."""
    client = probe.with_new_key()
    pair = client.mint()
    probe.control_plane.shift_clock(client.key, 30 * 24 * 3600)
    for token in (pair.access, pair.refresh):
        client.revoke(token).expect_empty(204)


def _revoke_by_json(probe: Probe, content_type: str) -> None:
    pair = probe.mint()
    body = json.dumps({"token": pair.access}).encode()
    probe.post_body(body, content_type, path=REVOKE_PATH).expect_empty(204)
    probe.ping(pair.access).expect_empty(401)


def _revoke_with_hints(probe: Probe, *, access: str, refresh: str) -> None:
    pair = probe.mint()
    probe.revoke(pair.access, token_type_hint=access).expect_empty(204)
    probe.ping(pair.access).expect_empty(401)
    probe.revoke(pair.refresh, token_type_hint=refresh).expect_empty(204)
    response = probe.refresh(pair.refresh)
    expect(400 <= response.status < 500, "the refresh token to be refused", response)
