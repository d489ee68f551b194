"""Owns the rules of using a token at `GET /ping`. Must not know transports or reports."""

import json
from base64 import urlsafe_b64encode

from hypothesis import strategies as st

from mockmoov.verify.check import Topic
from mockmoov.verify.jwt_claims import claims_of
from mockmoov.verify.kit import PING_PATH
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import want
from mockmoov.verify.target import PING

topic = Topic("ping")

DEFECTS = (
    *("expired", "not-yet-valid", "wrong-audience", "wrong-issuer", "no-exp", "unknown-kid"),
    *("bad-signature", "alg-none", "hs256-public-key", "revoked"),
)
"""What mockmoov's control plane can make wrong with a token."""


@topic.check("bearer", "spec")
def _(probe: Probe) -> None:
    """A token with /ping.read gets 200 without a body."""
    probe.ping(probe.mint(scope=PING).access).want_empty(200)


@topic.check("basic", "docs")
def _(probe: Probe) -> None:
    """The API key itself, as Basic, is accepted."""
    probe.ping(None, probe.basic()).want_empty(200)


@topic.check("nothing", "live")
def _(probe: Probe) -> None:
    """Without credentials: 401, without a body and without WWW-Authenticate."""
    for headers in (
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Digest a=b")],
    ):
        probe.ping(None, *headers).want_empty(401).want_header("www-authenticate", None)


@topic.check("wrong-basic", "live")
def _(probe: Probe) -> None:
    """A wrong secret or an unknown client as Basic: 401, without a body and without WWW-Authenticate."""
    for header in (
        probe.basic(None, "not-the-secret"),
        probe.basic("nobody-at-all", "x"),
        ("Authorization", "Basic !"),
    ):
        probe.ping(None, header).want_empty(401).want_header("www-authenticate", None)


@topic.check("nonsense", "live", examples=5)
def _(probe: Probe) -> None:
    """For any text that is no token: 401, without a body and without WWW-Authenticate."""

    def law(token: str) -> None:
        probe.ping(token).want_empty(401).want_header("www-authenticate", None)

    known = st.sampled_from(["nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "."])
    probe.for_all(st.one_of(known, st.text("abcXYZ019-_.", min_size=1, max_size=60)), law)


@topic.check("two-headers", "choice")
def _(probe: Probe) -> None:
    """More than one Authorization header is a 401."""
    bearer = ("Authorization", f"Bearer {probe.mint().access}")
    probe.ping(None, bearer, probe.basic()).want_empty(401)


@topic.check("scheme-case", "rfc 9110 §11.1")
def _(probe: Probe) -> None:
    """The scheme may be written in any case."""
    access = probe.mint().access
    for scheme in ("bearer", "BEARER"):
        probe.ping(None, ("Authorization", f"{scheme} {access}")).want_empty(200)


@topic.check("scope", "docs", needs=("two scopes",))
def _(probe: Probe) -> None:
    """A token without the scope that is wanted: 403 without a body."""
    probe.ping(probe.mint(scope=probe.other_scope).access).want_empty(403)


@topic.check("refresh-token", "rfc 6749 §1.5")
def _(probe: Probe) -> None:
    """A refresh token is no access token."""
    probe.ping(probe.mint().refresh).want_empty(401)


@topic.check("forged", "rfc 7519 §7.2", examples=6)
def _(probe: Probe) -> None:
    """For any place in an access token where a character is another, it is a 401."""
    token = probe.mint().access

    def law(place: int) -> None:
        other = "A" if token[place] != "A" else "Q"
        forged = token[:place] + (other if token[place] != "." else "_") + token[place + 1 :]
        probe.ping(probe.hide(forged, "FORGED_TOKEN")).want_empty(401)

    # The last character of base64 may hold bits that count for nothing.
    probe.for_all(st.integers(0, len(token) - 2), law)


@topic.check("forged-claims", "rfc 7519 §7.2")
def _(probe: Probe) -> None:
    """Claims that were changed after signing, with the signature kept, cut off or declared none: 401."""
    token = probe.mint(scope=probe.target.scopes[-1]).access
    claims = claims_of(token) | {"scp": PING}
    head, _, signature = token.split(".")
    changed = _segment(claims)
    none = _segment({"alg": "none", "typ": "JWT"})
    for forged in (
        f"{head}.{changed}.{signature}",
        f"{head}.{changed}.",
        f"{none}.{changed}.",
        f"{none}.{changed}.{signature}",
    ):
        probe.ping(probe.hide(forged, "FORGED_TOKEN")).want_empty(401)


@topic.check("method", "choice", examples=3)
def _(probe: Probe) -> None:
    """For any method that /ping does not have: 405 without a body, with GET in Allow."""
    header = probe.basic()

    def law(method: str) -> None:
        answer = probe.ask(method, PING_PATH, headers=[header]).want_empty(405)
        want("GET" in (answer.header("allow") or ""), "Allow: GET", answer.header("allow"))

    probe.for_all(st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]), law)


# --- what wants a control -------------------------------------------------------------------------


@topic.check("expired", "live, rfc 7519 §4.1.4", needs=("control plane",))
def _(probe: Probe) -> None:
    """A token is good until it expires, and a 401 from that second on."""
    own = probe.own()
    probe.plane.freeze(own.key)
    pair = own.mint()
    remaining = own.reading.lifetime(pair.answer.number("expires_in"), pair.answer.server_now)
    probe.plane.shift(own.key, remaining - 1)
    own.ping(pair.access).want_empty(200)
    probe.plane.shift(own.key, 1)
    own.ping(pair.access).want_empty(401)


@topic.check("defects", "rfc 7519 §7.2, live", examples=len(DEFECTS), needs=("control plane",))
def _(probe: Probe) -> None:
    """For any one thing that is wrong with a token, it is a 401; with nothing wrong, 200."""
    own = probe.own()
    own.ping(probe.plane.mint(own.key, scope=PING)).want_empty(200)

    def law(defect: str) -> None:
        own.ping(probe.plane.mint(own.key, scope=PING, defect=defect)).want_empty(401)

    probe.for_all(st.sampled_from(DEFECTS), law)


def _segment(members: dict[str, object]) -> str:
    return urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()
