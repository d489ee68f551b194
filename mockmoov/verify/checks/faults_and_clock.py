"""Checks that need a control plane: rate limits, server errors, clocks."""

import re

from mockmoov.client.tokens import LONGEST_LIFETIME
from mockmoov.verify.check import check
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import expect

_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:h|ms|m|s|µs|us|ns))+")


@check("limit.rate", "seed, docs", needs=("control plane",))
def limit_rate(probe: Probe) -> None:
    """A rate-limited request gets 429, no body, Retry-After in whole seconds, and X-Retry-In in 2023 only."""
    client = probe.with_new_key()
    probe.control_plane.add_fault(client.key, endpoint="token", preset="rate-limited", times=1)
    response = client.post_token(retry_429=False).expect_empty(429)
    retry_after, retry_in = response.header("retry-after") or "", response.header("x-retry-in")
    is_valid = re.fullmatch("[1-9][0-9]*", retry_after) is not None
    expect(is_valid, "Retry-After of at least one second", retry_after)
    if probe.expectations.sends_retry_in:
        expect(_DURATION.fullmatch(retry_in or "") is not None, "X-Retry-In to be a duration", retry_in)
    else:
        expect(retry_in is None, "no X-Retry-In", retry_in)
    client.post_token().expect_status(200)


@check("failure.server", "spec", needs=("control plane",))
def failure_server(probe: Probe) -> None:
    """500 and 504 have no body."""
    client = probe.with_new_key()
    for status in (500, 504):
        probe.control_plane.add_fault(client.key, endpoint="token", status=status, times=1)
        client.post_token().expect_empty(status)
    client.post_token().expect_status(200)


@check("failure.edge-blocked", "live", needs=("control plane",))
def failure_edge_blocked(probe: Probe) -> None:
    """A client that Moov's edge blocks gets 403 with text and cf-ray, and no x-request-id."""
    client = probe.with_new_key()
    probe.control_plane.add_fault(client.key, endpoint="token", preset="edge-blocked", times=1)
    response = client.post_token().expect_status(403).expect_header("x-request-id", None)
    media_type = (response.header("content-type") or "").partition(";")[0]
    expect(media_type == "text/plain", "Content-Type: text/plain", media_type)
    expect(response.body.strip() == b"error code: 1010", "error code: 1010", response)
    expect(bool(response.header("cf-ray")), "a cf-ray", response.header("cf-ray"))
    client.post_token().expect_status(200)


@check("failure.expires-in-other", "choice", needs=("control plane",))
def failure_expires_in_other(probe: Probe) -> None:
    """The preset expires-in-other gives expires_in the meaning of the other contract."""
    client = probe.with_new_key()
    probe.control_plane.add_fault(client.key, endpoint="token", preset="expires-in-other", times=1)
    response = client.mint().response
    other, now = response.integer("expires_in"), response.server_time
    remaining = other if probe.expectations.expires_in_is_unix_time else other - now
    expect(0 < remaining <= LONGEST_LIFETIME, "expires_in of the other contract", other)


@check("clock.date", "choice", needs=("control plane",))
def clock_date(probe: Probe) -> None:
    """Date, iat and expires_in follow the key's clock."""
    client = probe.with_new_key()
    now = probe.control_plane.freeze_clock(client.key)
    probe.control_plane.shift_clock(client.key, 86400)
    response = client.mint().response
    expect(abs(response.server_time - now - 86400) <= 1, "Date to be a day ahead", response.header("date"))
    remaining = client.expectations.lifetime(response.integer("expires_in"), response.server_time)
    expect(0 < remaining < 86400, "expires_in to follow the same clock", remaining)


@check("clock.another-key", "choice", needs=("control plane",))
def clock_another_key(probe: Probe) -> None:
    """Moving the clock of one key does not affect the tokens of another."""
    shifted, other = probe.with_new_key(), probe.with_new_key()
    access = other.mint().access
    probe.control_plane.shift_clock(shifted.key, 10 * 86400)
    expect(other.is_valid(access), "the other key's token to be valid", "401")
