"""Checks of `GET /ping`, which requires a token or an API key, and of the Origin rule for web tokens."""

import json
from base64 import urlsafe_b64encode

from hypothesis import strategies as st

from mockmoov.verify.check import check
from mockmoov.verify.examples import not_tokens
from mockmoov.verify.probe import PING_PATH, Probe
from mockmoov.verify.response import expect
from mockmoov.verify.target import PING_SCOPE

_UNREGISTERED, _LONGER_HOST = "https://elsewhere.example", "https://api.moov.io.elsewhere.example"
_REGISTERED, _WITH_PORT = "https://registered.example", "https://with-port.example"

DEFECTS = (
    *("expired", "not-yet-valid", "wrong-audience", "wrong-issuer", "no-exp", "unknown-kid"),
    *("bad-signature", "alg-none", "hs256-public-key", "revoked"),
)
"""The defects that mockmoov's control plane can mint."""


@check("ping.bearer", "spec")
def ping_bearer(probe: Probe) -> None:
    """A token with the scope /ping.read gets 200 with no body."""
    probe.ping(probe.mint(scope=PING_SCOPE).access).expect_empty(200)


@check("ping.basic", "docs")
def ping_basic(probe: Probe) -> None:
    """The API key is accepted as Basic credentials."""
    probe.ping(None, probe.basic()).expect_empty(200)


@check("ping.nothing", "live")
def ping_nothing(probe: Probe) -> None:
    """A call without credentials gets 401, with no body and no WWW-Authenticate."""
    probe.ping(None).expect_empty(401).expect_header("www-authenticate", None)
    for value in ("", "Bearer", "Digest a=b"):
        probe.ping(None, ("Authorization", value)).expect_empty(401).expect_header("www-authenticate", None)


@check("ping.wrong-basic", "live")
def ping_wrong_basic(probe: Probe) -> None:
    """Wrong Basic credentials get 401, with no body and no WWW-Authenticate."""
    wrong = (probe.basic(None, "not-the-secret"), probe.basic("nobody-at-all", "x"))
    for header in (*wrong, ("Authorization", "Basic !")):
        probe.ping(None, header).expect_empty(401).expect_header("www-authenticate", None)


@check("ping.nonsense", "live", not_tokens(), examples=5)
def ping_nonsense(probe: Probe, token: str) -> None:
    """Any text that is not a token gets 401, with no body and no WWW-Authenticate."""
    probe.ping(token).expect_empty(401).expect_header("www-authenticate", None)


@check("ping.two-headers", "choice")
def ping_two_headers(probe: Probe) -> None:
    """More than one Authorization header gets 401."""
    bearer = ("Authorization", f"Bearer {probe.mint().access}")
    probe.ping(None, bearer, probe.basic()).expect_empty(401)


@check("ping.scheme-case", "rfc 9110 §11.1")
def ping_scheme_case(probe: Probe) -> None:
    """The scheme Bearer is case-insensitive."""
    access = probe.mint().access
    for scheme in ("bearer", "BEARER"):
        probe.ping(None, ("Authorization", f"{scheme} {access}")).expect_empty(200)


@check("ping.scope", "docs", needs=("two scopes",))
def ping_scope(probe: Probe) -> None:
    """A token without the required scope gets 403 with no body."""
    probe.ping(probe.mint(scope=probe.other_scope).access).expect_empty(403)


@check("ping.refresh-token", "rfc 6749 §1.5")
def ping_refresh_token(probe: Probe) -> None:
    """A refresh token cannot be used as an access token."""
    probe.ping(probe.mint().refresh).expect_empty(401)


@check("ping.forged", "rfc 7519 §7.2", examples=6)
def ping_forged(probe: Probe) -> None:
    """An access token with any character changed gets 401."""
    token = probe.mint().access

    def test(index: int) -> None:
        other = "A" if token[index] != "A" else "Q"
        forged = token[:index] + (other if token[index] != "." else "_") + token[index + 1 :]
        probe.ping(probe.hide(forged, "FORGED_TOKEN")).expect_empty(401)

    # Not the last character: some of its bits may be ignored in base64.
    probe.for_all(st.integers(0, len(token) - 2), test)


@check("ping.forged-claims", "rfc 7519 §7.2")
def ping_forged_claims(probe: Probe) -> None:
    """Changed claims get 401, with the old signature, without a signature, and with alg none."""
    pair = probe.mint(scope=probe.target.scopes[-1])
    changed = _segment(pair.claims() | {"scp": PING_SCOPE})
    head, _, signature = pair.access.split(".")
    none = _segment({"alg": "none", "typ": "JWT"})
    for header, ending in ((head, signature), (head, ""), (none, ""), (none, signature)):
        probe.ping(probe.hide(f"{header}.{changed}.{ending}", "FORGED_TOKEN")).expect_empty(401)


@check("ping.method", "choice", st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]), examples=3)
def ping_method(probe: Probe, method: str) -> None:
    """Any method that /ping does not have gets 405 with no body, and Allow has GET and HEAD."""
    response = probe.request(method, PING_PATH, headers=[probe.basic()]).expect_empty(405)
    allow = response.header("allow") or ""
    expect({item.strip() for item in allow.split(",")} == {"GET", "HEAD"}, "Allow: GET, HEAD", allow)


@check("ping.head", "rfc 9110 §9.3.2")
def ping_head(probe: Probe) -> None:
    """HEAD gets the status of GET with no body: 200 with a token or an API key, and 401 without."""
    probe.call(PING_PATH, probe.mint(scope=PING_SCOPE).access, method="HEAD").expect_empty(200)
    probe.call(PING_PATH, None, probe.basic(), method="HEAD").expect_empty(200)
    for token in (None, "not-a-token"):
        probe.call(PING_PATH, token, method="HEAD").expect_empty(401)


@check("ping.head-scope", "rfc 9110 §9.3.2, docs", needs=("two scopes",))
def ping_head_scope(probe: Probe) -> None:
    """HEAD requires the scope of GET."""
    probe.call(PING_PATH, probe.mint(scope=probe.other_scope).access, method="HEAD").expect_empty(403)


@check("ping.expired", "live, rfc 7519 §4.1.4", needs=("control plane",))
def ping_expired(probe: Probe) -> None:
    """A token is valid until it expires, and gets 401 from that second on."""
    client = probe.with_new_key()
    probe.control_plane.freeze_clock(client.key)
    pair = client.mint()
    remaining = client.expectations.lifetime(pair.response.integer("expires_in"), pair.response.server_time)
    probe.control_plane.shift_clock(client.key, remaining - 1)
    client.ping(pair.access).expect_empty(200)
    probe.control_plane.shift_clock(client.key, 1)
    client.ping(pair.access).expect_empty(401)


@check("ping.defects", "rfc 7519 §7.2, live", examples=len(DEFECTS), needs=("control plane",))
def ping_defects(probe: Probe) -> None:
    """A token with any single defect gets 401; a token without a defect gets 200."""
    client = probe.with_new_key()
    client.ping(probe.control_plane.mint(client.key, scope=PING_SCOPE)).expect_empty(200)

    def test(defect: str) -> None:
        client.ping(probe.control_plane.mint(client.key, scope=PING_SCOPE, defect=defect)).expect_empty(401)

    probe.for_all(st.sampled_from(DEFECTS), test)


# --- the Origin rule ----------------------------------------------------------------------------


@check("origin.foreign", "docs, live")
def origin_foreign(probe: Probe) -> None:
    """From an unregistered origin, a web token can be created, but its use gets 401."""
    pair = probe.token_pair(probe.post_token(headers=[("Origin", _UNREGISTERED)]))
    response = probe.ping(pair.access, ("Origin", _UNREGISTERED))
    response.expect_empty(401).expect_header("www-authenticate", None)


@check("origin.of-aud", "docs, live")
def origin_of_aud(probe: Probe) -> None:
    """A web token gets 200 from each origin in its aud (except localhost, which Moov refuses)."""
    pair = probe.mint()
    audiences = [origin for origin in pair.origins() if "//localhost" not in origin]
    expect(bool(audiences), "a token with audiences", "one without")
    for audience in audiences:
        probe.ping(pair.access, ("Origin", audience)).expect_empty(200)


@check("origin.referer", "docs")
def origin_referer(probe: Probe) -> None:
    """Without Origin, the scheme, host and port of Referer count; Origin takes precedence."""
    pair = probe.mint()
    access, registered = pair.access, probe.target.origin or [_UNREGISTERED, *pair.origins()][-1]
    probe.ping(access, ("Referer", f"{_UNREGISTERED}/page?a=b"), send_origin=False).expect_empty(401)
    probe.ping(access, ("Referer", f"{registered}/page?a=b"), send_origin=False).expect_empty(200)
    probe.ping(access, ("Origin", registered), ("Referer", f"{_UNREGISTERED}/")).expect_empty(200)
    probe.ping(access, ("Origin", _UNREGISTERED), ("Referer", f"{registered}/")).expect_empty(401)


@check("origin.odd", "choice", examples=8)
def origin_odd(probe: Probe) -> None:
    """An invalid Origin, such as null or one with a path, gets 401."""
    access = probe.mint().access
    invalid = ["null", "", f"{_UNREGISTERED}/", "api.moov.io", "https://api.moov.io/", _LONGER_HOST]
    origins = st.sampled_from(invalid)
    probe.for_all(origins, lambda origin: probe.ping(access, ("Origin", origin)).expect_empty(401))


@check("origin.registered", "docs", needs=("control plane",))
def origin_registered(probe: Probe) -> None:
    """A web token gets 200 from a registered origin, and 401 from another scheme, port or subdomain."""
    registered = [_REGISTERED, f"{_WITH_PORT}:8443"]
    client = probe.with_new_key(origins=registered)
    access = client.mint().access
    for origin in registered:
        client.ping(access, ("Origin", origin)).expect_empty(200)
    subdomain = "https://a.registered.example"
    for origin in ("http://registered.example", f"{_REGISTERED}:8443", subdomain, _WITH_PORT):
        client.ping(access, ("Origin", origin)).expect_empty(401)


@check("origin.serialised", "choice", needs=("control plane",))
def origin_serialised(probe: Probe) -> None:
    """Origins are compared without the case of the host and without the default port."""
    client = probe.with_new_key(origins=[_REGISTERED])
    access = client.mint().access
    for origin in ("https://Registered.Example", f"{_REGISTERED}:443"):
        client.ping(access, ("Origin", origin)).expect_empty(200)


@check("origin.of-device", "sdk")
def origin_of_device(probe: Probe) -> None:
    """Tokens of device and service clients work from any origin."""
    for client_type in ("device", "service"):
        access = probe.mint(client_type=client_type).access
        probe.ping(access, ("Origin", _UNREGISTERED)).expect_empty(200)


@check("origin.and-basic", "choice")
def origin_and_basic(probe: Probe) -> None:
    """The Origin rule does not apply to Basic."""
    probe.ping(None, probe.basic(), ("Origin", _UNREGISTERED)).expect_empty(200)


@check("origin.missing", "choice")
def origin_missing(probe: Probe) -> None:
    """A web token works without Origin and Referer."""
    probe.ping(probe.mint().access, send_origin=False).expect_empty(200)


@check("origin.loopback", "choice")
def origin_loopback(probe: Probe) -> None:
    """A web token works from every loopback origin, on any port."""
    access = probe.mint().access
    for origin in ("http://localhost:4321", "http://127.0.0.1", "https://app.localhost", "http://[::1]:5173"):
        probe.ping(access, ("Origin", origin)).expect_empty(200)


def _segment(members: dict[str, object]) -> str:
    return urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()
