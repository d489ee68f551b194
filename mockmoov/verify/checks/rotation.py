"""Checks of the single use of refresh tokens: rotation, replays, races, expiry."""

from mockmoov.verify.check import check
from mockmoov.verify.probe import TOKEN_PATH, Probe
from mockmoov.verify.response import expect

_LIFETIME = 3 * 24 * 3600  # seconds (choice)
_REQUESTS = 6


@check("refresh.rotates", "rfc 9700 §4.14.2, choice")
def refresh_rotates(probe: Probe) -> None:
    """Each refresh returns a new refresh token that works."""
    pair = probe.mint()
    for _ in range(2):
        new = probe.token_pair(probe.refresh(pair.refresh))
        expect(new.refresh != pair.refresh, "a new refresh token", "the same")
        pair = new


@check("refresh.used-up", "rfc 9700 §4.14.2, choice")
def refresh_used_up(probe: Probe) -> None:
    """A refresh token can be used once."""
    token = probe.mint().refresh
    probe.refresh(token).expect_status(200)
    _refuse(probe, token)


@check("refresh.replay", "rfc 9700 §4.14.2, choice")
def refresh_replay(probe: Probe) -> None:
    """Reusing a refresh token revokes its whole family, including access tokens."""
    first = probe.mint()
    second = probe.token_pair(probe.refresh(first.refresh))
    _refuse(probe, first.refresh)
    _refuse(probe, second.refresh)
    valid = [probe.is_valid(pair.access) for pair in (first, second)]
    expect(not any(valid), "401 for the family's access tokens", f"{valid.count(True)} still valid")


@check("refresh.replay-without-credentials", "choice")
def refresh_replay_without_credentials(probe: Probe) -> None:
    """Reusing a refresh token with a wrong secret revokes nothing."""
    first = probe.mint()
    second = probe.token_pair(probe.refresh(first.refresh))
    body = {"grant_type": "refresh_token", "refresh_token": first.refresh}
    probe.post_token(body, send_basic=False, headers=[probe.basic(None, "not-the-secret")])
    probe.refresh(second.refresh).expect_status(200)


@check("refresh.race", "rfc 9700 §4.14.2, choice")
def refresh_race(probe: Probe) -> None:
    """If a refresh token is used several times at once, exactly one use succeeds."""
    body = {"grant_type": "refresh_token", "refresh_token": probe.mint().refresh}
    statuses = [response.status for response in probe.post_concurrently(_REQUESTS, TOKEN_PATH, body)]
    expect(statuses.count(200) == 1, "one success", f"{statuses.count(200)} of {_REQUESTS}")


@check("refresh.another-client", "rfc 6749 §10.4, choice", needs=("control plane",))
def refresh_another_client(probe: Probe) -> None:
    """Another client's refresh token is refused, and stays valid for its owner."""
    owner, other = probe.with_new_key(), probe.with_new_key()
    pair = owner.mint()
    _refuse(other, pair.refresh)
    owner.refresh(pair.refresh).expect_status(200)
    _refuse(other, pair.refresh)
    expect(owner.is_valid(pair.access), "a replay by another client to revoke nothing", "401")


@check("refresh.expiry", "choice", needs=("control plane",))
def refresh_expiry(probe: Probe) -> None:
    """A refresh token is valid for 3 days; a refresh returns one that is valid for another 3 days."""
    client = probe.with_new_key()
    probe.control_plane.freeze_clock(client.key)
    pair, unused = client.mint(), client.mint()
    probe.control_plane.shift_clock(client.key, _LIFETIME - 1)
    pair = client.token_pair(client.refresh(pair.refresh))
    probe.control_plane.shift_clock(client.key, 1)
    _refuse(client, unused.refresh)
    probe.control_plane.shift_clock(client.key, _LIFETIME - 2)
    client.refresh(pair.refresh).expect_status(200)


def _refuse(probe: Probe, token: str) -> None:
    probe.refresh(token).expect_error("invalid refresh token")
