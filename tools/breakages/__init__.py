"""The breakages: mockmoov with one rule bent, to see who notices. Who is asked is not known here.

`python -m tools.breakages NAME --ready-file PATH` serves one of them, or the same server unbroken for `none`;
without NAME it lists them.
"""

from collections.abc import Mapping

from tools.breakages import (
    clients,
    families,
    grants,
    operations,
    ours,
    refusals,
    requests,
    stubs,
    successes,
    tokens,
    uses,
)
from tools.breakages.seams import Breakage, BrokenControl, BrokenServer

__all__ = ["BREAKAGES", "FOR_CLIENTS", "NONE", "UNBROKEN", "Breakage", "BrokenControl", "BrokenServer"]

TABLES = (
    successes.SUCCESSES, refusals.ERRORS, refusals.AUTHENTICATION, refusals.PROTECTED, refusals.EVERY_ANSWER,
    requests.VERSIONS, requests.CREDENTIALS, requests.BODIES, uses.USES,
    clients.KEYS, grants.GRANTS, families.FAMILIES, families.REVOCATION,
    tokens.CLAIMS, tokens.BEARERS, operations.HEADS, operations.OPERATIONS, operations.APPLICATIONS,
    stubs.STUBS, stubs.JOURNAL, ours.OURS, ours.FAULTS,
)  # fmt: skip
BREAKAGES: Mapping[str, Breakage] = {name: row for table in TABLES for name, row in table.items()}
"""Every breakage by name."""
assert len(BREAKAGES) == sum(map(len, TABLES)), "two breakages have one name"

FOR_CLIENTS = {name: breakage for name, breakage in BREAKAGES.items() if breakage.clients}
"""Those that foreign clients are asked about."""

NONE = "none"
UNBROKEN = Breakage(rule="the control: no rule is bent", clients=True)
