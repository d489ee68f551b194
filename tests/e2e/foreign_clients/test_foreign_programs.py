"""Foreign programs against a running server: every check of each is ok.

A program uses its client as the client's documentation says. It knows three environment variables and nothing
of mockmoov. It prints `ok NAME` or `not ok NAME: what came` for each check, and exits with 0 if all are ok.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.foreign_clients.clients import CHECKS, CLIENTS, HERE, Client, unavailable
from tests.e2e.foreign_clients.programs import Outcome, built, read_outcome, run_program
from tests.e2e.foreign_clients.table import table
from tests.support.serving import serving

ROOT = HERE.parents[2]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_every_check_of_a_client_is_ok(client: Client, url: str, tmp_path: Path) -> None:
    ended = run_program(client, built(client, tmp_path), url)
    outcome = read_outcome(ended.stdout, client.checks)
    bad = [line for line in ended.stdout.splitlines() if not line.startswith("ok ")]
    assert (bad, sorted(outcome.ok)) == ([], sorted(client.checks)), ended.stderr
    assert ended.returncode == 0, ended.stderr


def test_lines_of_a_program_are_read() -> None:
    outcome = read_outcome(
        "ok a\nnot ok b: c: d: e\nnot ok unheard of: f\nTraceback", ("a", "b", "b: c", "g")
    )
    assert outcome == Outcome(ok=("a",), failed=("b: c", "unheard of: f"), stray=("Traceback",))


def client_with(*, name: str = "unlisted", needs: tuple[str, ...] = (), fetch: str = "pass") -> Client:
    """A client with a Python statement for its fetch."""
    return Client(
        name=name, title=name, version="1", point="", contracts=("2023",), folder="curl", needs=needs,
        fetch=("{python}", "-c", fetch), command=(),
    )  # fmt: skip


def test_only_a_listed_client_is_skipped_in_ci(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refused = "raise SystemExit('no network')"
    no_tool = client_with(needs=("sh", "no-such-tool"))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-tool is not on this machine"):
        built(no_tool, tmp_path / "skipped")
    monkeypatch.setenv("CI", "true")
    failing = {
        "no-such-tool is not on this machine": no_tool,
        "no_such_module is not on this machine": client_with(needs=("module:no_such_module",)),
        "unlisted cannot be fetched: no network": client_with(fetch=refused),
    }
    for number, (reason, client) in enumerate(failing.items()):
        with pytest.raises(pytest.fail.Exception, match=reason):
            built(client, tmp_path / str(number))
    for name in unavailable():
        with pytest.raises(pytest.skip.Exception, match=r"cannot be had: .* on 20\d\d-\d\d-\d\d"):
            built(client_with(name=name, fetch=refused), tmp_path / name)


def test_tables_of_clients_and_checks_agree() -> None:
    names = [client.name for client in CLIENTS]
    assert len(set(names)) == len(names)
    assert {path.stem for path in CHECKS.iterdir()} == set(names)
    assert set(unavailable()) <= set(names)
    assert [client.name for client in CLIENTS if len(set(client.checks)) < max(1, len(client.checks))] == []


def is_pinned(client: Client) -> bool:
    """Whether the version of the table is the one that the client's package file names."""
    local, shared = HERE / client.folder / client.pinned, ROOT / client.pinned
    text = (local if local.exists() else shared).read_text(encoding="utf-8")
    return re.search(rf"(?<![\d.]){re.escape(client.version)}(?![\d.])", text) is not None


def test_clients_are_pinned_to_versions_but_not_to_registries() -> None:
    assert [client.name for client in CLIENTS if bool(client.version) != bool(client.pinned)] == []
    assert [client.name for client in CLIENTS if client.pinned and not is_pinned(client)] == []
    files = [path for client in CLIENTS for path in (HERE / client.folder).rglob("*") if path.is_file()]
    unwanted = {"package-lock.json", "npm-shrinkwrap.json", ".npmrc", "settings.xml"}
    assert [
        path for path in files if path.name in unwanted or "registry" in path.read_text(encoding="utf-8")
    ] == []


def test_page_on_clients_shows_the_table() -> None:
    page = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
    assert f"<!-- clients -->\n\n{table()}\n\n<!-- /clients -->" in page, f"put this there:\n{table()}"
