"""Owns the rules that only a control brings about: limits, failures, clocks. Must not know transports."""

import re

from mockmoov.verify.check import Topic
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import want

topic = Topic("limit")
failures = Topic("failure")
clock = Topic("clock")

_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:h|ms|m|s|µs|us|ns))+")


@topic.check("rate", "seed, docs", needs=("control plane",))
def _(probe: Probe) -> None:
    """Rate limited: 429 without a body, with Retry-After in whole seconds; X-Retry-In in 2023 alone."""
    own = probe.own()
    probe.plane.add_fault(own.key, endpoint="token", preset="rate-limited", times=1)
    answer = own.token(patient=False).want_empty(429)
    told, told_in = answer.header("retry-after") or "", answer.header("x-retry-in")
    want(re.fullmatch("[1-9][0-9]*", told) is not None, "Retry-After of at least one second", told)
    if probe.reading.retry_in:
        want(_DURATION.fullmatch(told_in or "") is not None, "X-Retry-In to be a duration", told_in)
    else:
        want(told_in is None, "no X-Retry-In", told_in)
    own.token().want_status(200)


@failures.check("server", "spec", needs=("control plane",))
def _(probe: Probe) -> None:
    """500 and 504 have no body."""
    own = probe.own()
    for status in (500, 504):
        probe.plane.add_fault(own.key, endpoint="token", status=status, times=1)
        own.token().want_empty(status)
    own.token().want_status(200)


@clock.check("date", "choice", needs=("control plane",))
def _(probe: Probe) -> None:
    """Date, iat and expires_in all follow the clock of the key."""
    own = probe.own()
    now = probe.plane.freeze(own.key)
    probe.plane.shift(own.key, 86400)
    answer = own.mint().answer
    want(abs(answer.server_now - now - 86400) <= 1, "Date a day from now", answer.header("date"))
    remaining = own.reading.lifetime(answer.number("expires_in"), answer.server_now)
    want(0 < remaining < 86400, "expires_in by the same clock", remaining)


@clock.check("another-key", "choice", needs=("control plane",))
def _(probe: Probe) -> None:
    """The clock of one key leaves the tokens of another good."""
    own, other = probe.own(), probe.own()
    access = other.mint().access
    probe.plane.shift(own.key, 10 * 86400)
    want(other.is_alive(access), "the other key's token to be good", "401")
