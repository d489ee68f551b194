"""Owns the rules of what a refresh uses up: rotation, replays, races, expiry. Must not know transports."""

from mockmoov.verify.check import Topic
from mockmoov.verify.kit import TOKEN
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import want

topic = Topic("refresh")
_LIFETIME = 3 * 24 * 3600  # seconds (choice)
_RACERS = 6


@topic.check("rotates", "rfc 9700 §4.14.2, choice")
def _(probe: Probe) -> None:
    """Each refresh gives another refresh token, which works."""
    pair = probe.mint()
    for _ in range(2):
        new = probe.pair(probe.refresh(pair.refresh))
        want(new.refresh != pair.refresh, "another refresh token", "the same")
        pair = new


@topic.check("used-up", "rfc 9700 §4.14.2, choice")
def _(probe: Probe) -> None:
    """A refresh token is good for one use."""
    token = probe.mint().refresh
    probe.refresh(token).want_status(200)
    _refused(probe, token)


@topic.check("replay", "rfc 9700 §4.14.2, choice")
def _(probe: Probe) -> None:
    """A used-up refresh token, presented again, revokes its whole family, access tokens included."""
    first = probe.mint()
    second = probe.pair(probe.refresh(first.refresh))
    _refused(probe, first.refresh)
    _refused(probe, second.refresh)
    alive = [probe.is_alive(pair.access) for pair in (first, second)]
    want(not any(alive), "401 for the family's access tokens", f"{alive.count(True)} still good")


@topic.check("replay-without-credentials", "choice")
def _(probe: Probe) -> None:
    """A replay that only a wrong secret vouches for revokes nothing."""
    first = probe.mint()
    second = probe.pair(probe.refresh(first.refresh))
    body = {"grant_type": "refresh_token", "refresh_token": first.refresh}
    probe.token(body, credentials=False, headers=[probe.basic(None, "not-the-secret")])
    probe.refresh(second.refresh).want_status(200)


@topic.check("race", "rfc 9700 §4.14.2, choice")
def _(probe: Probe) -> None:
    """Of many uses of one refresh token at once, exactly one succeeds."""
    body = {"grant_type": "refresh_token", "refresh_token": probe.mint().refresh}
    statuses = [answer.status for answer in probe.at_once(_RACERS, TOKEN, body)]
    want(statuses.count(200) == 1, "one success", f"{statuses.count(200)} of {_RACERS}")


@topic.check("another-client", "rfc 6749 §10.4, choice", needs=("control plane",))
def _(probe: Probe) -> None:
    """Another client's refresh token is refused, and stays good for its own."""
    own, other = probe.own(), probe.own()
    pair = own.mint()
    _refused(other, pair.refresh)
    own.refresh(pair.refresh).want_status(200)
    _refused(other, pair.refresh)
    want(own.is_alive(pair.access), "another client's replay to revoke nothing", "401")


@topic.check("expiry", "choice", needs=("control plane",))
def _(probe: Probe) -> None:
    """A refresh token lives for 3 days, and each refresh gives a new one that long again."""
    own = probe.own()
    probe.plane.freeze(own.key)
    pair, stale = own.mint(), own.mint()
    probe.plane.shift(own.key, _LIFETIME - 1)
    pair = own.pair(own.refresh(pair.refresh))
    probe.plane.shift(own.key, 1)
    _refused(own, stale.refresh)
    probe.plane.shift(own.key, _LIFETIME - 2)
    own.refresh(pair.refresh).want_status(200)


def _refused(probe: Probe, token: str) -> None:
    probe.refresh(token).want_refusal(probe.refusal("refresh token"))
