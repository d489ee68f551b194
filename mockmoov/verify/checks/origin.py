"""Owns the Origin rule of browsers' tokens. Must not know transports or reports."""

from hypothesis import strategies as st

from mockmoov.verify.check import Topic
from mockmoov.verify.jwt_claims import origins_of
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import want

topic = Topic("origin")
_FOREIGN = "https://elsewhere.example"
_OWN = "https://registered.example"


@topic.check("foreign", "docs, live")
def _(probe: Probe) -> None:
    """A browser's token from an origin that is not registered: minted all the same, then 401."""
    pair = probe.pair(probe.token(headers=[("Origin", _FOREIGN)]))
    answer = probe.ping(pair.access, ("Origin", _FOREIGN), origin=False)
    answer.want_empty(401).want_header("www-authenticate", None)


@topic.check("of-aud", "docs, live")
def _(probe: Probe) -> None:
    """A browser's token from each origin in its aud, this machine's left out, which Moov refuses: 200."""
    access = probe.mint().access
    audiences = [origin for origin in origins_of(access) if "//localhost" not in origin]
    want(bool(audiences), "a token with audiences", "one without")
    for audience in audiences:
        probe.ping(access, ("Origin", audience), origin=False).want_empty(200)


@topic.check("referer", "docs")
def _(probe: Probe) -> None:
    """Referer stands in for Origin, of which only scheme, host and port count; Origin wins where both are."""
    access = probe.mint().access
    good = probe.target.origin or next(reversed(origins_of(access)), _FOREIGN)
    probe.ping(access, ("Referer", f"{_FOREIGN}/page?a=b"), origin=False).want_empty(401)
    probe.ping(access, ("Referer", f"{good}/page?a=b"), origin=False).want_empty(200)
    probe.ping(access, ("Origin", good), ("Referer", f"{_FOREIGN}/"), origin=False).want_empty(200)
    probe.ping(access, ("Origin", _FOREIGN), ("Referer", f"{good}/"), origin=False).want_empty(401)


@topic.check("odd", "choice", examples=8)
def _(probe: Probe) -> None:
    """For any Origin that is none, such as null or one with a path: 401."""
    access = probe.mint().access
    odd = [
        "null",
        "",
        f"{_FOREIGN}/",
        "api.moov.io",
        "https://api.moov.io/",
        "https://api.moov.io.elsewhere.example",
    ]

    def law(origin: str) -> None:
        probe.ping(access, ("Origin", origin), origin=False).want_empty(401)

    probe.for_all(st.sampled_from(odd), law)


@topic.check("registered", "docs", needs=("control plane",))
def _(probe: Probe) -> None:
    """A browser's token from a registered origin: 200; from another scheme, port or subdomain: 401."""
    own = probe.own(origins=[_OWN, "https://with-port.example:8443"])
    access = own.mint().access
    for origin in (_OWN, "https://with-port.example:8443"):
        own.ping(access, ("Origin", origin), origin=False).want_empty(200)
    for origin in (
        "http://registered.example",
        f"{_OWN}:8443",
        "https://a.registered.example",
        "https://with-port.example",
    ):
        own.ping(access, ("Origin", origin), origin=False).want_empty(401)


@topic.check("serialised", "choice", needs=("control plane",))
def _(probe: Probe) -> None:
    """Origins are compared without the case of the host, and without the default port."""
    own = probe.own(origins=[_OWN])
    access = own.mint().access
    for origin in ("https://Registered.Example", f"{_OWN}:443"):
        own.ping(access, ("Origin", origin), origin=False).want_empty(200)


@topic.check("of-device", "sdk")
def _(probe: Probe) -> None:
    """Tokens of device and service clients are good from any origin."""
    for client_type in ("device", "service"):
        probe.ping(probe.mint(client_type=client_type).access, ("Origin", _FOREIGN), origin=False).want_empty(
            200
        )


@topic.check("and-basic", "choice")
def _(probe: Probe) -> None:
    """The Origin rule does not concern Basic."""
    probe.ping(None, probe.basic(), ("Origin", _FOREIGN), origin=False).want_empty(200)


@topic.check("missing", "choice")
def _(probe: Probe) -> None:
    """Without Origin and Referer a browser's token is good."""
    probe.ping(probe.mint().access, origin=False).want_empty(200)


@topic.check("loopback", "choice")
def _(probe: Probe) -> None:
    """A browser's token is good from every loopback origin on any port."""
    access = probe.mint().access
    for origin in ("http://localhost:4321", "http://127.0.0.1", "https://app.localhost", "http://[::1]:5173"):
        probe.ping(access, ("Origin", origin), origin=False).want_empty(200)
