"""The table of clients in docs/clients.md, from the list of clients and their recordings.

`python -m tests.e2e.foreign_clients.table` prints it.
"""

from tests.e2e.foreign_clients.clients import CLIENTS, Client, unavailable
from tests.e2e.foreign_clients.recordings import FOLDER, load

HEADER = ("client", "version", "pointed at mockmoov by", "contract", "checks", "result")


def result_of(client: Client) -> str:
    """The day of the last run that passed in CI, or what passed outside it."""
    if absence := unavailable().get(client.name):
        return f"not in CI; all ok with {absence.built}"
    recording = load(FOLDER / f"{client.name}.json")
    return f"all ok, {recording['recorded']}" if recording["version"] == client.version else "not run"


def row(client: Client) -> tuple[str, ...]:
    """The cells of a client."""
    own, *others = client.contracts
    contracts = own + "".join(f", and {other} by header" for other in others)
    version, checks = client.version or "as installed", str(len(client.checks))
    return (client.title, version, f"`{client.point}`", contracts, checks, result_of(client))


def table() -> str:
    """The table as Markdown."""
    lines = [HEADER, ("---",) * len(HEADER), *map(row, CLIENTS)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(table())
