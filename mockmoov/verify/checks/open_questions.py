"""Owns the questions that nobody outside Moov could answer. Must not know verdicts or transports."""

from mockmoov.verify.check import Topic
from mockmoov.verify.expectations import LONGEST_LIFETIME
from mockmoov.verify.probe import Probe

topic = Topic("finding")


@topic.check("contract", "docs, live", finding=True)
def _(probe: Probe) -> None:
    """Which contract is served."""
    answer = probe.mint().answer
    is_time = answer.number("expires_in") > LONGEST_LIFETIME
    kind = "a Unix time (dated contract)" if is_time else "a lifetime in seconds (2023 contract)"
    probe.note("expires_in", kind)
    probe.note("token_type", answer.text("token_type"))


@topic.check("rotation", "choice", finding=True)
def _(probe: Probe) -> None:
    """Whether refresh tokens rotate, whether a used one stays good, and what a replay does."""
    first = probe.mint()
    second = probe.pair(probe.refresh(first.refresh))
    probe.note("refresh tokens rotate", _yes(second.refresh != first.refresh))
    again = probe.refresh(first.refresh)
    probe.note("a used refresh token is refused", _yes(again.status >= 400))
    if second.refresh != first.refresh and again.status >= 400:
        survives = probe.refresh(second.refresh).status == 200
        probe.note("a replay revokes the family's refresh token", _yes(not survives))
        probe.note("a replay revokes the family's access tokens", _yes(not probe.is_alive(second.access)))


@topic.check("cascade", "choice", finding=True)
def _(probe: Probe) -> None:
    """Whether revoking a refresh token revokes access tokens, and the other way round."""
    pair, other = probe.mint(), probe.mint()
    probe.revoke(pair.refresh).want_status(200, 204)
    probe.note("revoking a refresh token revokes its access token", _yes(not probe.is_alive(pair.access)))
    probe.revoke(other.access).want_status(200, 204)
    killed = probe.refresh(other.refresh).status >= 400
    probe.note("revoking an access token revokes its refresh token", _yes(killed))


@topic.check("failed-refresh", "choice", finding=True)
def _(probe: Probe) -> None:
    """How a failed refresh is answered."""
    for what, token in (("an unknown", "nonsense"), ("a revoked", _revoked(probe))):
        answer = probe.refresh(token)
        members = ", ".join(sorted(answer.document())) if answer.body else "no body"
        probe.note(f"refresh with {what} token", f"{answer.status} with {members}")


@topic.check("origin", "choice", finding=True)
def _(probe: Probe) -> None:
    """Whether a call without Origin is refused."""
    status = probe.ping(probe.mint().access, origin=False).status
    probe.note(
        "a call without Origin and Referer", "passes" if status == 200 else f"is refused with {status}"
    )


def _revoked(probe: Probe) -> str:
    pair = probe.mint()
    probe.revoke(pair.refresh)
    return pair.refresh


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
