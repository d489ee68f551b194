"""Findings: questions that Moov's documentation leaves open. They have no right answer."""

from mockmoov.client.tokens import LONGEST_LIFETIME
from mockmoov.verify.check import check
from mockmoov.verify.probe import Probe


@check("finding.contract", "docs, live", finding=True)
def finding_contract(probe: Probe) -> None:
    """Which contract the server uses."""
    response = probe.mint().response
    is_time = response.integer("expires_in") > LONGEST_LIFETIME
    kind = "a Unix time (dated contract)" if is_time else "a lifetime in seconds (2023 contract)"
    probe.observe("expires_in", kind)
    probe.observe("token_type", response.string("token_type"))


@check("finding.rotation", "choice", finding=True)
def finding_rotation(probe: Probe) -> None:
    """Whether refresh tokens rotate, whether a used one still works, and what a replay revokes."""
    first, second = probe.mint_and_refresh()
    probe.observe("refresh tokens rotate", second.refresh != first.refresh)
    again = probe.refresh(first.refresh)
    probe.observe("a used refresh token is refused", again.status >= 400)
    if second.refresh != first.refresh and again.status >= 400:
        is_revoked = probe.refresh(second.refresh).status != 200
        probe.observe("a replay revokes the family's refresh token", is_revoked)
        probe.observe("a replay revokes the family's access tokens", not probe.is_valid(second.access))


@check("finding.cascade", "choice", finding=True)
def finding_cascade(probe: Probe) -> None:
    """Whether revoking a refresh token revokes access tokens, and the reverse."""
    pair, other = probe.mint(), probe.mint()
    probe.revoke(pair.refresh).expect_status(200, 204)
    probe.observe("revoking a refresh token revokes its access token", not probe.is_valid(pair.access))
    probe.revoke(other.access).expect_status(200, 204)
    is_refused = probe.refresh(other.refresh).status >= 400
    probe.observe("revoking an access token revokes its refresh token", is_refused)


@check("finding.failed-refresh", "choice", finding=True)
def finding_failed_refresh(probe: Probe) -> None:
    """What the server returns for a failed refresh."""
    revoked = probe.mint().refresh
    probe.revoke(revoked)
    for kind, token in (("an unknown", "nonsense"), ("a revoked", revoked)):
        response = probe.refresh(token)
        members = ", ".join(sorted(response.json_object())) if response.body else "no body"
        probe.observe(f"refresh with {kind} token", f"{response.status} with {members}")


@check("finding.origin", "choice", finding=True)
def finding_origin(probe: Probe) -> None:
    """Whether a call without Origin is refused."""
    status = probe.ping(probe.mint().access, send_origin=False).status
    answer = "is accepted" if status == 200 else f"is refused with {status}"
    probe.observe("a call without Origin and Referer", answer)
