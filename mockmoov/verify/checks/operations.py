"""Checks of which scopes are enough for Moov's operations other than `GET /ping`.

Each check adds a stub for an operation, so that nothing else has to answer it; a request that is refused does
not get there.
"""

from uuid import uuid4

from mockmoov.verify.check import check
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import Response
from mockmoov.verify.target import PING_SCOPE

_CATEGORIES, _CATEGORIES_SCOPE = "/issuing/merchant-categories", "/issued-cards.read"


@check("operation.newer", "sdk", needs=("control plane",))
def operation_newer(probe: Probe) -> None:
    """An operation and a scope that only the newest SDK has are known."""
    client = _with_stub(probe, "listIssuingMerchantCategories")
    _call(client, _CATEGORIES, _CATEGORIES_SCOPE).expect_empty(200)


@check("operation.older", "spec", needs=("control plane",))
def operation_older(probe: Probe) -> None:
    """An operation at a path that later versions replaced is known."""
    client = _with_stub(probe, "listIssuedCards")
    account = client.key.account_id
    _call(client, f"/issuing/{account}/issued-cards", _of(account, "issued-cards.read")).expect_empty(200)


@check("operation.scope", "docs", needs=("control plane",))
def operation_scope(probe: Probe) -> None:
    """A token without the scope of an operation gets 403 with no body."""
    client = _with_stub(probe, "listIssuingMerchantCategories")
    _call(client, _CATEGORIES, PING_SCOPE).expect_empty(403)


@check("operation.account", "docs", needs=("control plane",))
def operation_account(probe: Probe) -> None:
    """A scope of one account is not enough for an operation on another account."""
    client = _with_stub(probe, "listTickets")
    scope = _of(client.key.account_id, "tickets.read")
    _call(client, f"/accounts/{client.key.account_id}/tickets", scope).expect_empty(200)
    _call(client, f"/accounts/{uuid4()}/tickets", scope).expect_empty(403)


@check("operation.alternatives", "sdk", needs=("control plane",))
def operation_alternatives(probe: Probe) -> None:
    """The details of an issued card require read-secure or read-private; one of them is enough."""
    client = _with_stub(probe, "getFullIssuedCard")
    account = client.key.account_id
    path = f"/issuing/{account}/cards/{uuid4()}/details"
    for permission in ("read-secure", "read-private"):
        _call(client, path, _of(account, f"issued-cards.{permission}")).expect_empty(200)
    _call(client, path, _of(account, "issued-cards.read")).expect_empty(403)


@check("operation.partner", "sdk", needs=("control plane",))
def operation_partner(probe: Probe) -> None:
    """A partner's own tickets.read and an account's profile.read are enough for the account's tickets."""
    client, account = _with_stub(probe, "listTickets"), str(uuid4())
    path = f"/accounts/{account}/tickets"
    own, other = _of(client.key.account_id, "tickets.read"), _of(account, "profile.read")
    _call(client, path, own, other).expect_empty(200)
    _call(client, path, _of(uuid4(), "tickets.read"), other).expect_empty(403)
    for scope in (own, other):
        _call(client, path, scope).expect_empty(403)


def _with_stub(probe: Probe, operation: str) -> Probe:
    """A probe with a new key, for which a stub answers this operation."""
    client = probe.with_new_key()
    probe.control_plane.add_stub(client.key, operation)
    return client


def _call(client: Probe, path: str, *scopes: str) -> Response:
    return client.call(path, client.mint(scope=" ".join(scopes)).access)


def _of(account: object, permission: str) -> str:
    return f"/accounts/{account}/{permission}"
