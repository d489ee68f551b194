"""Checks of `GET /ping`, which requires a token or an API key."""

import json
from base64 import urlsafe_b64encode

from hypothesis import strategies as st

from mockmoov.verify.check import check
from mockmoov.verify.jwt_claims import claims_of
from mockmoov.verify.probe import PING_PATH, Probe
from mockmoov.verify.response import expect
from mockmoov.verify.target import PING_SCOPE

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
    for headers in (
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Digest a=b")],
    ):
        probe.ping(None, *headers).expect_empty(401).expect_header("www-authenticate", None)


@check("ping.wrong-basic", "live")
def ping_wrong_basic(probe: Probe) -> None:
    """Wrong Basic credentials get 401, with no body and no WWW-Authenticate."""
    for header in (
        probe.basic(None, "not-the-secret"),
        probe.basic("nobody-at-all", "x"),
        ("Authorization", "Basic !"),
    ):
        probe.ping(None, header).expect_empty(401).expect_header("www-authenticate", None)


@check("ping.nonsense", "live", examples=5)
def ping_nonsense(probe: Probe) -> None:
    """Any text that is not a token gets 401, with no body and no WWW-Authenticate."""

    def test(token: str) -> None:
        probe.ping(token).expect_empty(401).expect_header("www-authenticate", None)

    known = st.sampled_from(["nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "."])
    probe.for_all(st.one_of(known, st.text("abcXYZ019-_.", min_size=1, max_size=60)), test)


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
    token = probe.mint(scope=probe.target.scopes[-1]).access
    claims = claims_of(token) | {"scp": PING_SCOPE}
    head, _, signature = token.split(".")
    changed = _segment(claims)
    none = _segment({"alg": "none", "typ": "JWT"})
    for forged in (
        f"{head}.{changed}.{signature}",
        f"{head}.{changed}.",
        f"{none}.{changed}.",
        f"{none}.{changed}.{signature}",
    ):
        probe.ping(probe.hide(forged, "FORGED_TOKEN")).expect_empty(401)


@check("ping.method", "choice", examples=3)
def ping_method(probe: Probe) -> None:
    """Any method that /ping does not have gets 405 with no body, and Allow has GET."""
    header = probe.basic()

    def test(method: str) -> None:
        response = probe.request(method, PING_PATH, headers=[header]).expect_empty(405)
        expect("GET" in (response.header("allow") or ""), "Allow: GET", response.header("allow"))

    probe.for_all(st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]), test)


# --- with a control plane ----------------------------------------------------------------------


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


def _segment(members: dict[str, object]) -> str:
    return urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()
