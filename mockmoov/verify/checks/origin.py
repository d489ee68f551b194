"""Checks of the Origin rule, which applies to tokens of the client type web."""

from hypothesis import strategies as st

from mockmoov.verify.check import check
from mockmoov.verify.jwt_claims import origins_of
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import expect

_UNREGISTERED = "https://elsewhere.example"
_REGISTERED = "https://registered.example"


@check("origin.foreign", "docs, live")
def origin_foreign(probe: Probe) -> None:
    """From an unregistered origin, a web token can be created, but its use gets 401."""
    pair = probe.token_pair(probe.post_token(headers=[("Origin", _UNREGISTERED)]))
    response = probe.ping(pair.access, ("Origin", _UNREGISTERED), send_origin=False)
    response.expect_empty(401).expect_header("www-authenticate", None)


@check("origin.of-aud", "docs, live")
def origin_of_aud(probe: Probe) -> None:
    """A web token gets 200 from each origin in its aud (except localhost, which Moov refuses)."""
    access = probe.mint().access
    audiences = [origin for origin in origins_of(access) if "//localhost" not in origin]
    expect(bool(audiences), "a token with audiences", "one without")
    for audience in audiences:
        probe.ping(access, ("Origin", audience), send_origin=False).expect_empty(200)


@check("origin.referer", "docs")
def origin_referer(probe: Probe) -> None:
    """Without Origin, the scheme, host and port of Referer count; Origin takes precedence."""
    access = probe.mint().access
    registered = probe.target.origin or next(reversed(origins_of(access)), _UNREGISTERED)
    probe.ping(access, ("Referer", f"{_UNREGISTERED}/page?a=b"), send_origin=False).expect_empty(401)
    probe.ping(access, ("Referer", f"{registered}/page?a=b"), send_origin=False).expect_empty(200)
    probe.ping(
        access, ("Origin", registered), ("Referer", f"{_UNREGISTERED}/"), send_origin=False
    ).expect_empty(200)
    probe.ping(
        access, ("Origin", _UNREGISTERED), ("Referer", f"{registered}/"), send_origin=False
    ).expect_empty(401)


@check("origin.odd", "choice", examples=8)
def origin_odd(probe: Probe) -> None:
    """An invalid Origin, such as null or one with a path, gets 401."""
    access = probe.mint().access
    invalid = [
        "null",
        "",
        f"{_UNREGISTERED}/",
        "api.moov.io",
        "https://api.moov.io/",
        "https://api.moov.io.elsewhere.example",
    ]

    def test(origin: str) -> None:
        probe.ping(access, ("Origin", origin), send_origin=False).expect_empty(401)

    probe.for_all(st.sampled_from(invalid), test)


@check("origin.registered", "docs", needs=("control plane",))
def origin_registered(probe: Probe) -> None:
    """A web token gets 200 from a registered origin, and 401 from another scheme, port or subdomain."""
    client = probe.with_new_key(origins=[_REGISTERED, "https://with-port.example:8443"])
    access = client.mint().access
    for origin in (_REGISTERED, "https://with-port.example:8443"):
        client.ping(access, ("Origin", origin), send_origin=False).expect_empty(200)
    for origin in (
        "http://registered.example",
        f"{_REGISTERED}:8443",
        "https://a.registered.example",
        "https://with-port.example",
    ):
        client.ping(access, ("Origin", origin), send_origin=False).expect_empty(401)


@check("origin.serialised", "choice", needs=("control plane",))
def origin_serialised(probe: Probe) -> None:
    """Origins are compared without the case of the host and without the default port."""
    client = probe.with_new_key(origins=[_REGISTERED])
    access = client.mint().access
    for origin in ("https://Registered.Example", f"{_REGISTERED}:443"):
        client.ping(access, ("Origin", origin), send_origin=False).expect_empty(200)


@check("origin.of-device", "sdk")
def origin_of_device(probe: Probe) -> None:
    """Tokens of device and service clients work from any origin."""
    for client_type in ("device", "service"):
        probe.ping(
            probe.mint(client_type=client_type).access, ("Origin", _UNREGISTERED), send_origin=False
        ).expect_empty(200)


@check("origin.and-basic", "choice")
def origin_and_basic(probe: Probe) -> None:
    """The Origin rule does not apply to Basic."""
    probe.ping(None, probe.basic(), ("Origin", _UNREGISTERED), send_origin=False).expect_empty(200)


@check("origin.missing", "choice")
def origin_missing(probe: Probe) -> None:
    """A web token works without Origin and Referer."""
    probe.ping(probe.mint().access, send_origin=False).expect_empty(200)


@check("origin.loopback", "choice")
def origin_loopback(probe: Probe) -> None:
    """A web token works from every loopback origin, on any port."""
    access = probe.mint().access
    for origin in ("http://localhost:4321", "http://127.0.0.1", "https://app.localhost", "http://[::1]:5173"):
        probe.ping(access, ("Origin", origin), send_origin=False).expect_empty(200)
