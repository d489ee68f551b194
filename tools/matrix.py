"""Runs every foreign client against every breakage, to see who notices what.

Run as `python -m tools.matrix`: a few minutes. It brings and builds each client of
tests/e2e/foreign_clients/ once, serves each breakage of tools/breakages/ that is for them in a process of
its own, and writes reports/matrix.md. It fails if a breakage is noticed by nobody, or if a client complains
of the same server unbroken.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from mockmoov import __version__
from tests.e2e.foreign_clients.clients import CLIENTS, Client, unavailable
from tests.e2e.foreign_clients.programs import (
    CannotFetchError,
    MissingToolError,
    clean_environment,
    prepare,
    read_outcome,
    require_tools,
    run_program,
)
from tools.breakages import FOR_CLIENTS, NONE, UNBROKEN
from tools.markdown import line

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "reports" / "matrix.md"
AT_ONCE = 2
START_SECONDS, STOP_SECONDS, RUN_SECONDS = 30.0, 10.0, 60.0
TOOLS = {
    "node": ("node", "--version"),
    "go": ("go", "env", "GOVERSION"),
    "javac": ("javac", "-version"),
    "curl": ("curl", "--version"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one client made of one server."""

    failed: int = 0
    unreached: int = 0
    """Checks that the program did not come to, because it gave up or crashed."""
    crashed: bool = False
    hung: bool = False

    @property
    def noticed(self) -> bool:
        """Whether the client saw that something is wrong."""
        return self.hung or self.crashed or self.failed + self.unreached > 0

    def __str__(self) -> str:
        if not self.noticed:
            return "·"
        counted = f"{self.failed}+{self.unreached}" if self.unreached else str(self.failed)
        return counted + " crash" * self.crashed + " hang" * self.hung


Row = Mapping[str, Cell]
"""The cells of one breakage, by client."""


# --- running -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(breakage: str, folder: Path) -> Iterator[str]:
    """A server with one breakage in it, or none; yields its URL."""
    ready, log = folder / "ready", folder / "log"
    argv = [sys.executable, "-m", "tools.breakages", breakage, "--ready-file", str(ready)]
    with log.open("wb") as output:
        server = subprocess.Popen(argv, cwd=ROOT, env=clean_environment(), stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (ready.exists() and (url := ready.read_text(encoding="utf-8"))):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{breakage} cannot be served:\n{log.read_text(encoding='utf-8')}")
            time.sleep(0.05)
        yield url
    finally:
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def judged(client: Client, ended: subprocess.CompletedProcess[str]) -> Cell:
    """What a run that came to its end says."""
    said = read_outcome(ended.stdout, client.checks)
    unreached = len(set(client.checks) - set(said.names))
    # A program that has failed checks ends with 1, and some leave out what would need them, without a word.
    orderly = ended.returncode == 1 and said.failed and not (unreached and ended.stderr.strip())
    return Cell(failed=len(said.failed), unreached=unreached, crashed=ended.returncode != 0 and not orderly)


def run_clients(breakage: str, folders: Mapping[Client, Path]) -> Row:
    """All clients, one after the other, against one server."""
    cells: dict[str, Cell] = {}
    with TemporaryDirectory() as directory, serving(breakage, Path(directory)) as url:
        for client, folder in folders.items():
            try:
                cells[client.name] = judged(client, run_program(client, folder, url, RUN_SECONDS))
            except subprocess.TimeoutExpired:
                cells[client.name] = Cell(hung=True)
    print(f"{breakage}: {', '.join(f'{name} {cell}' for name, cell in cells.items())}", flush=True)
    return cells


def brought_here(parent: Path) -> tuple[dict[Client, Path], dict[str, str]]:
    """The folders of the clients that can be had, and why the others cannot."""
    folders: dict[Client, Path] = {}
    missing: dict[str, str] = {}
    for client in CLIENTS:
        try:
            require_tools(client)
            folders[client] = prepare(client, parent / client.name)
        except MissingToolError as reason:
            missing[client.name] = str(reason)
        except CannotFetchError:
            missing[client.name] = str(unavailable().get(client.name, "it could not be fetched"))
    return folders, missing


def tool_versions() -> Iterator[str]:
    """The tools that are here, each with what it says of its version."""
    yield f"Python {sys.version.split()[0]}"
    for name, command in TOOLS.items():
        with contextlib.suppress(FileNotFoundError):
            said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
            # "curl 7.88.1 (...", "javac 17.0.1", "go1.24", "v20.1"
            yield f"{name} {said[1]}" if said[0] == name else f"{name} {said[0].lstrip('vgo')}"


# --- the report ----------------------------------------------------------------------------------------


def unnoticed(rows: Mapping[str, Row]) -> list[str]:
    """The breakages that no client notices."""
    return [name for name in FOR_CLIENTS if not any(cell.noticed for cell in rows[name].values())]


def table(rows: Mapping[str, Row], clients: Sequence[str]) -> str:
    """Breakages down, clients across, the control first."""
    rules = {NONE: UNBROKEN.rule, **{name: breakage.rule for name, breakage in FOR_CLIENTS.items()}}
    return "\n".join(
        [
            line("breakage", "the rule that is bent", "noticed by", *(f"`{client}`" for client in clients)),
            line("---", "---", "--:", *("--:" for _ in clients)),
            *(
                line(
                    f"`{name}`",
                    rule,
                    str(sum(rows[name][client].noticed for client in clients)),
                    *(str(rows[name][client]) for client in clients),
                )
                for name, rule in rules.items()
            ),
        ]
    )


def report(rows: Mapping[str, Row], missing: Mapping[str, str]) -> str:
    """The report as Markdown."""
    clients = [client for client in CLIENTS if client.name in rows[NONE]]
    noticed = len(FOR_CLIENTS) - len(unnoticed(rows))
    versions = [
        f"| `{client.name}` | {client.title} | {client.version or 'as installed'} | {len(client.checks)} |"
        for client in clients
    ]
    absent = [f"- `{name}`: {reason}" for name, reason in missing.items()]
    tools = ", ".join(tool_versions())
    return f"""# Which clients notice a broken mockmoov

Written by `python -m tools.matrix` on {date.today()}, with mockmoov {__version__}, {tools}.

**Noticed by at least one client: {noticed} of {len(FOR_CLIENTS)} breakages.**

Each row is mockmoov with one rule bent: of `tools/breakages/` those that clients are asked about
([kills.md](kills.md) has them all). Each column is a program that uses a client as its documentation says
(`tests/e2e/foreign_clients/`). A number is how many of the program's checks failed; after `+`, how many it
did not come to. `crash` is a program that an error ended, as an SDK does with an answer that it cannot
read; `hang` is one that was stopped after {RUN_SECONDS:.0f} seconds. `·` is a client that notices nothing,
which is often right: many do not look, or take both.

{table(rows, [client.name for client in clients])}

## The clients

| name | client | version | checks |
|---|---|---|--:|
{chr(10).join(versions)}

## Not asked

{chr(10).join(absent) or "None."}
"""


def main() -> int:
    """Run everything, write the report, and say whether it is good enough."""
    with TemporaryDirectory() as directory:
        folders, missing = brought_here(Path(directory))
        names = (NONE, *FOR_CLIENTS)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            rows = dict(zip(names, pool.map(lambda name: run_clients(name, folders), names), strict=True))
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report(rows, missing), encoding="utf-8")
    complaints = [name for name, cell in rows[NONE].items() if cell.noticed]
    for name in complaints:
        print(f"{name} complains of a server that is not broken")
    for name in unnoticed(rows):
        print(f"nobody notices {name}: {FOR_CLIENTS[name].rule}")
    print(f"{len(FOR_CLIENTS) - len(unnoticed(rows))} of {len(FOR_CLIENTS)} breakages noticed", end="")
    print(f" by at least one of {len(folders)} clients; see {REPORT.relative_to(ROOT)}")
    return 1 if complaints or unnoticed(rows) else 0


if __name__ == "__main__":
    sys.exit(main())
