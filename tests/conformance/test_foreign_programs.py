"""Foreign programs against a running server: owns which are run, how they are built, when one may be skipped.

Each program uses its client as the client's documentation says, knows three environment variables, prints
`ok NAME` or `not ok NAME: what came` for each check, and exits with 0 only if all were ok. None of them knows
anything of mockmoov.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import pytest

HERE = Path(__file__).parent
CLIENT_ID = "5clTR_MdVrrkgxw2"
CLIENT_SECRET = "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-"

Command = tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """One foreign program; `{python}` and `{out}` in a command are this interpreter and a scratch folder."""

    name: str
    folder: str
    needs: str
    """A program on the path, or `module:NAME` for a Python module."""
    fetch: Command = ()
    """What brings the client here; it may fail where there is no network."""
    build: tuple[Command, ...] = ()
    """What must not fail once the client is here."""
    command: Command
    checks: int
    """How many checks the program prints, so that none can go missing."""


CLIENTS = (
    Client(
        name="go-moov-2023",
        folder="go-moov-2023",
        needs="go",
        fetch=("go", "mod", "download", "github.com/speakeasy-sdks/moov-go@v0.5.0"),
        build=(("go", "mod", "tidy"), ("go", "build", "-o", "{out}/program", ".")),
        command=("{out}/program",),
        checks=12,
    ),
    Client(
        name="go-oauth2",
        folder="go-oauth2",
        needs="go",
        fetch=("go", "mod", "download"),
        build=(("go", "build", "-o", "{out}/program", "."),),
        command=("{out}/program",),
        checks=38,
    ),
    Client(
        name="go-net-http",
        folder="go-oauth2",
        needs="go",
        fetch=("go", "mod", "download"),
        build=(("go", "build", "-o", "{out}/program", "./plain"),),
        command=("{out}/program",),
        checks=4,
    ),
    Client(
        name="python-moovio-sdk",
        folder="python-moovio-sdk",
        needs="module:moovio_sdk",
        command=("{python}", "program.py"),
        checks=41,
    ),
    Client(name="node-fetch", folder="node-fetch", needs="node", command=("node", "program.mjs"), checks=20),
    Client(name="curl", folder="curl", needs="curl", command=("sh", "program.sh"), checks=14),
)


def unavailable() -> dict[str, str]:
    """The listed reason for each client that could not be had."""
    listed = tomllib.loads((HERE / "unavailable.toml").read_text(encoding="utf-8"))["unavailable"]
    return {
        entry["client"]: f"{entry['package']} {entry['version']} on {entry['date']}: {entry['error']}"
        for entry in listed
    }


def without(reason: str) -> NoReturn:
    """Skip where a person works; fail where nobody would notice the skip."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (a skip is not allowed under CI)", pytrace=False)
    pytest.skip(reason)


def require_tool(needs: str) -> None:
    """Give up if the program, or the Python module, that a client needs is not on this machine."""
    kind, _, module = needs.partition(":")
    found = importlib.util.find_spec(module) if module else shutil.which(kind)
    if found is None:
        without(f"{module or kind} is not on this machine")


def clean_environment() -> dict[str, str]:
    """This environment without what would configure a server or a client behind the test's back."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("MOCKMOOV_", "MOOV_"))}


def program_environment(url: str) -> dict[str, str]:
    """All that a foreign program is told. Proxies would not find a server on this machine."""
    return clean_environment() | {
        "MOCKMOOV_URL": url,
        "MOCKMOOV_CLIENT_ID": CLIENT_ID,
        "MOCKMOOV_CLIENT_SECRET": CLIENT_SECRET,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def go_environment() -> dict[str, str]:
    """Go as committed: a build changes neither go.mod nor go.sum, and knows no workspace."""
    return clean_environment() | {"GOFLAGS": "-buildvcs=false", "GOWORK": "off"}


def run(
    command: Command, *, cwd: Path, env: Mapping[str, str], out: Path
) -> subprocess.CompletedProcess[str]:
    """Run a command of the table to its end."""
    argv = [part.format(python=sys.executable, out=out) for part in command]
    return subprocess.run(
        argv, cwd=cwd, env=env, capture_output=True, text=True, encoding="utf-8", timeout=240, check=False
    )


def prepare(client: Client, folder: Path) -> None:
    """Fetch and build a client in its folder: give up if it cannot be fetched, fail if it does not build."""
    if client.fetch:
        fetched = run(client.fetch, cwd=folder, env=go_environment(), out=folder)
        if fetched.returncode != 0:
            if reason := unavailable().get(client.name):
                pytest.skip(f"{client.name} cannot be had: {reason}")
            without(f"{client.name} cannot be fetched: {fetched.stderr[-500:]}")
    for step in client.build:
        built = run(step, cwd=folder, env=go_environment(), out=folder)
        assert built.returncode == 0, f"{client.name} does not build:\n{built.stderr}"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_foreign_program_finds_every_check_ok(
    client: Client, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    require_tool(client.needs)
    folder = tmp_path / client.folder
    shutil.copytree(HERE / client.folder, folder)
    prepare(client, folder)

    url: str = request.getfixturevalue("served")
    ended = run(client.command, cwd=folder, env=program_environment(url), out=folder)

    said = f"{ended.stdout}{ended.stderr}"
    lines = ended.stdout.splitlines()
    assert [line for line in lines if not line.startswith("ok ")] == [], said
    assert ended.returncode == 0, said
    assert len(lines) == client.checks, f"{len(lines)} checks, not {client.checks}:\n{said}"


def test_only_clients_of_the_table_are_listed_as_unavailable() -> None:
    assert set(unavailable()) <= {client.name for client in CLIENTS}


def test_a_missing_tool_is_skipped_where_a_person_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-tool is not on this machine"):
        require_tool("no-such-tool")


@pytest.mark.parametrize("needs", ["no-such-tool", "module:no_such_module"])
def test_a_missing_tool_fails_under_ci(needs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="is not on this machine"):
        require_tool(needs)


def unfetchable(name: str) -> Client:
    """A client whose fetch always fails."""
    fetch = ("{python}", "-c", "raise SystemExit('no network')")
    return Client(name=name, folder=name, needs="go", fetch=fetch, command=(), checks=0)


def test_a_client_that_cannot_be_fetched_fails_under_ci(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="unlisted cannot be fetched: no network"):
        prepare(unfetchable("unlisted"), tmp_path)


@pytest.mark.parametrize("name", unavailable())
def test_a_listed_client_is_skipped_with_its_date_even_under_ci(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.skip.Exception, match=r"cannot be had: .* on 20\d\d-\d\d-\d\d"):
        prepare(unfetchable(name), tmp_path)
