"""Foreign programs against a running server: owns what may be skipped, and that every check is ok.

Each program uses its client as the client's documentation says, knows three environment variables, prints
`ok NAME` or `not ok NAME: what came` for each check, and exits with 0 only if all were ok. None of them knows
anything of mockmoov.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.foreign_clients import lines, results
from tests.e2e.foreign_clients.clients import CHECKS as CHECKS_FOLDER
from tests.e2e.foreign_clients.clients import CLIENTS, HERE, Absence, Client, unavailable
from tests.e2e.foreign_clients.programs import (
    CannotFetchError,
    MissingToolError,
    prepare,
    require_tools,
    run_program,
)
from tests.e2e.foreign_clients.runs import Run, once
from tests.e2e.foreign_clients.table import END, HEADER, START, outcome, row, table
from tests.support.missing import without

ROOT = HERE.parents[2]


def brought_here(client: Client, parent: Path) -> Path:
    """The folder of the built program; gives up if a tool is missing or the client cannot be fetched."""
    try:
        require_tools(client)
        return prepare(client, parent)
    except MissingToolError as missing:
        without(str(missing))
    except CannotFetchError as refusal:
        if absence := unavailable().get(client.name):
            pytest.skip(f"{client.name} cannot be had: {absence}")
        without(str(refusal))


def result_of(client: Client, **members: str | int) -> results.Result:
    known = {"client": client.name, "version": client.version, "date": results.today()}
    return results.Result(**known, **members)  # type: ignore[arg-type]


def run_against(client: Client, parent: Path, url: Callable[[], str]) -> Run:
    """Bring, build and run a program, and note for the table what came of it."""
    try:
        ended = run_program(client, brought_here(client, parent), url())
    except pytest.skip.Exception as skipped:
        results.write(result_of(client, skipped=str(skipped)))
        return Run(skipped=str(skipped))
    except (pytest.fail.Exception, AssertionError, subprocess.TimeoutExpired) as failed:
        return Run(failed=str(failed))
    said = lines.read(ended.stdout, client.checks)
    results.write(result_of(client, checks=len(said.names), passed=len(said.ok)))
    return Run(returncode=ended.returncode, stdout=ended.stdout, stderr=ended.stderr)


def run_of(client: Client, request: pytest.FixtureRequest) -> Run:
    """What came of the client's one run of this session."""
    shared: Path = request.getfixturevalue("shared")
    run = once(
        client.name,
        shared,
        lambda: run_against(client, shared / client.name, lambda: request.getfixturevalue("served")),
    )
    if run.skipped:
        pytest.skip(run.skipped)
    if run.failed:
        pytest.fail(run.failed, pytrace=False)
    return run


CHECKS = [
    pytest.param(client, check, id=f"{client.name}: {check}") for client in CLIENTS for check in client.checks
]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("client", "check"), CHECKS)
def test_a_foreign_program_finds(client: Client, check: str, request: pytest.FixtureRequest) -> None:
    run = run_of(client, request)
    assert f"ok {check}" in run.stdout.splitlines(), f"{run.stdout}{run.stderr}"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_foreign_program_does_all_of_its_checks_and_no_others(
    client: Client, request: pytest.FixtureRequest
) -> None:
    run = run_of(client, request)
    said = lines.read(run.stdout, client.checks)
    assert said.stray == (), run.stderr
    assert sorted(said.names) == sorted(client.checks), run.stderr
    assert run.returncode == 0, run.stderr


# --- the checks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_no_two_checks_of_a_client_have_one_name(client: Client) -> None:
    assert client.checks
    assert len(set(client.checks)) == len(client.checks)


def test_there_are_checks_of_the_clients_of_the_table_only() -> None:
    assert {path.stem for path in CHECKS_FOLDER.iterdir()} == {client.name for client in CLIENTS}


def test_the_lines_of_a_program_are_read() -> None:
    said = lines.read("ok a\nnot ok b: c: d: e\nnot ok unheard of: f\nTraceback", ("a", "b", "b: c", "g"))
    assert said == lines.Said(ok=("a",), failed=("b: c", "unheard of: f"), stray=("Traceback",))


def test_a_run_is_made_once_and_read_by_all_others(tmp_path: Path) -> None:
    made = Run(returncode=1, stdout="ok a", stderr="b")
    assert once("c", tmp_path, lambda: made) == made
    assert once("c", tmp_path, lambda: pytest.fail("made again")) == made


# --- what may be skipped ------------------------------------------------------------------------


def client_that(*, name: str = "unlisted", needs: tuple[str, ...] = (), fetch: str = "pass") -> Client:
    """A client with a Python statement for its fetch."""
    return Client(
        name=name,
        title=name,
        version="1",
        point="",
        contracts=("2023",),
        folder="curl",
        needs=needs,
        fetch=("{python}", "-c", fetch),
        command=(),
    )


NO_NETWORK = "raise SystemExit('no network')"


def test_a_missing_tool_is_skipped_where_a_person_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-tool is not on this machine"):
        brought_here(client_that(needs=("sh", "no-such-tool")), tmp_path)


@pytest.mark.parametrize("needs", ["no-such-tool", "module:no_such_module"])
def test_a_missing_tool_fails_under_ci(needs: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="is not on this machine"):
        brought_here(client_that(needs=(needs,)), tmp_path)


def test_a_client_that_cannot_be_fetched_fails_under_ci(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="unlisted cannot be fetched: no network"):
        brought_here(client_that(fetch=NO_NETWORK), tmp_path)


@pytest.mark.parametrize("name", unavailable())
def test_a_listed_client_is_skipped_with_its_date_even_under_ci(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.skip.Exception, match=r"cannot be had: .* on 20\d\d-\d\d-\d\d"):
        brought_here(client_that(name=name, fetch=NO_NETWORK), tmp_path)


# --- the tables ---------------------------------------------------------------------------------


def test_only_clients_of_the_table_are_listed_as_unavailable() -> None:
    assert set(unavailable()) <= {client.name for client in CLIENTS}


def test_no_two_clients_have_one_name() -> None:
    assert len({client.name for client in CLIENTS}) == len(CLIENTS)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_version_of_the_table_is_the_one_that_is_pinned(client: Client) -> None:
    assert bool(client.version) == bool(client.pinned)
    if client.pinned:
        folder = HERE / client.folder
        pinned = folder / client.pinned if (folder / client.pinned).exists() else ROOT / client.pinned
        assert re.search(
            rf"(?<![\d.]){re.escape(client.version)}(?![\d.])", pinned.read_text(encoding="utf-8")
        )


@pytest.mark.parametrize("folder", sorted({client.folder for client in CLIENTS}))
def test_nothing_that_is_committed_says_where_packages_come_from(folder: str) -> None:
    for path in (HERE / folder).rglob("*"):
        assert path.name not in {"package-lock.json", "npm-shrinkwrap.json", ".npmrc", "settings.xml"}
        assert path.is_dir() or "registry" not in path.read_text(encoding="utf-8")


def test_results_come_back_as_they_were_written_and_the_last_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MOCKMOOV_CONFORMANCE_RESULTS", str(tmp_path / "new" / "results.jsonl"))
    assert results.read() == {}
    first, second, other = result_of(CLIENTS[0], passed=1), result_of(CLIENTS[0]), result_of(CLIENTS[1])
    for result in (first, second, other):
        results.write(result)
    assert results.read() == {CLIENTS[0].name: second, CLIENTS[1].name: other}


def test_the_table_has_a_row_for_each_client_and_a_cell_for_each_column() -> None:
    rows = table({}, {}).splitlines()
    assert len(rows) == len(CLIENTS) + 2
    assert {row.count(" | ") for row in rows} == {len(HEADER) - 1}


def test_the_page_on_clients_shows_every_client_as_it_is() -> None:
    _, begins, rest = (ROOT / "docs/clients.md").read_text(encoding="utf-8").partition(START)
    assert begins
    shown = [line.strip("| ").split(" | ") for line in rest.partition(END)[0].strip().splitlines()]
    assert shown[0] == list(HEADER)
    assert [cells[:-1] for cells in shown[2:]] == [list(row(client, None, None)[:-1]) for client in CLIENTS]


KNOWN = len(CLIENTS[0].checks)
ABSENCE = Absence(date="2026-11-23", error="403", package="p")
OUTCOMES: list[tuple[dict[str, str | int], Absence | None, str]] = [
    ({"checks": KNOWN, "passed": KNOWN}, None, "all ok, "),
    ({"checks": KNOWN, "passed": 3}, None, f"3 of {KNOWN} ok, "),
    ({"checks": 3, "passed": 3}, None, f"3 of {KNOWN} ok, "),
    ({"skipped": "refused"}, ABSENCE, "could not be had on 2026-11-23"),
    ({"skipped": "node is not on this machine"}, None, "not run: node is not on this machine"),
]


@pytest.mark.parametrize(("members", "absence", "said"), OUTCOMES)
def test_the_table_says_what_came_of_a_client(
    members: dict[str, str | int], absence: Absence | None, said: str
) -> None:
    assert outcome(CLIENTS[0], result_of(CLIENTS[0], **members), absence).startswith(said)


def test_a_result_of_another_version_does_not_count() -> None:
    older = results.Result(client=CLIENTS[0].name, version="1", date="2026-01-01", checks=KNOWN, passed=KNOWN)
    assert outcome(CLIENTS[0], older, None) == "not run"
    assert outcome(CLIENTS[0], None, None) == "not run"
