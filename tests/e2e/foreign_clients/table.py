"""The table of clients in docs/clients.md, from what they are and what came of the last run.

`python -m tests.e2e.foreign_clients.table` prints it between the marks that the page has around it.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.e2e.foreign_clients import results
from tests.e2e.foreign_clients.clients import CLIENTS, Absence, Client, unavailable

START, END = "<!-- clients -->", "<!-- /clients -->"
HEADER = ("client", "version", "pointed at mockmoov by", "contract", "checks", "result")


def contract(client: Client) -> str:
    """What the client lands on by itself, then what it was asked for besides."""
    own, *asked = client.contracts
    return own + "".join(f", and {other} by header" for other in asked)


def outcome(client: Client, result: results.Result | None, absence: Absence | None) -> str:
    if result is None or result.version != client.version:
        return "not run"
    if result.skipped and absence is not None:
        return f"could not be had on {absence.date}"
    if result.skipped:
        return f"not run: {result.skipped}"
    if result.passed == result.checks == len(client.checks):
        return f"all ok, {result.date}"
    return f"{result.passed} of {len(client.checks)} ok, {result.date}"


def row(client: Client, result: results.Result | None, absence: Absence | None) -> tuple[str, ...]:
    shown = outcome(client, result, absence)
    version, checks = client.version or "as installed", str(len(client.checks))
    return (client.title, version, f"`{client.point}`", contract(client), checks, shown)


def table(found: Mapping[str, results.Result], absences: Mapping[str, Absence]) -> str:
    rows = [row(client, found.get(client.name), absences.get(client.name)) for client in CLIENTS]
    lines = [HEADER, ("---",) * len(HEADER), *rows]
    return "\n".join("| " + " | ".join(line).replace("\n", " ") + " |" for line in lines)


if __name__ == "__main__":
    print(START, table(results.read(), unavailable()), END, sep="\n\n")
