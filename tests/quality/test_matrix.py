"""The matrix of who notices what: how a cell comes about, and that the committed one is of today's tables."""

from __future__ import annotations

import subprocess

import pytest

from tests.e2e.foreign_clients.clients import CLIENTS, unavailable
from tools.breakages import FOR_CLIENTS, NONE
from tools.matrix import REPORT, Cell, judged, report, unnoticed

CLIENT = CLIENTS[0]
OK = "".join(f"ok {check}\n" for check in CLIENT.checks)
FIRST, *REST = CLIENT.checks
BAD = f"not ok {FIRST}: came\n"

RUNS = [
    (0, OK, "", Cell(), "·"),
    (0, OK, "a warning", Cell(), "·"),
    (1, OK.replace(f"ok {FIRST}\n", BAD, 1), "", Cell(failed=1), "1"),
    (1, OK.replace(f"ok {FIRST}\n", BAD, 1), "a warning", Cell(failed=1), "1"),
    (1, BAD, "", Cell(failed=1, unreached=len(REST)), f"1+{len(REST)}"),
    (1, BAD, "Traceback", Cell(failed=1, unreached=len(REST), crashed=True), f"1+{len(REST)} crash"),
    (1, "", "Traceback", Cell(unreached=len(REST) + 1, crashed=True), f"0+{len(REST) + 1} crash"),
    (2, OK, "panic", Cell(crashed=True), "0 crash"),
    (1, OK, "Traceback", Cell(crashed=True), "0 crash"),
]


@pytest.mark.parametrize(("code", "stdout", "stderr", "cell", "shown"), RUNS)
def test_a_cell_says_what_came_of_a_run(code: int, stdout: str, stderr: str, cell: Cell, shown: str) -> None:
    came = judged(CLIENT, subprocess.CompletedProcess([], code, stdout, stderr))
    assert (came, str(came)) == (cell, shown)
    assert came.noticed == (shown != "·")


def test_a_hang_is_noticed() -> None:
    assert Cell(hung=True).noticed
    assert str(Cell(hung=True)) == "0 hang"


def test_the_report_counts_the_breakages_that_nobody_notices() -> None:
    clients = (CLIENTS[0].name, CLIENTS[1].name)
    quiet = dict.fromkeys(clients, Cell())
    rows = dict.fromkeys((NONE, *FOR_CLIENTS), quiet)
    assert unnoticed(rows) == list(FOR_CLIENTS)
    rows["revoke-200"] = {**quiet, clients[1]: Cell(failed=2)}
    assert "revoke-200" not in unnoticed(rows)
    text = report(rows, {"curl": "curl is not on this machine"})
    assert f"**Noticed by at least one client: 1 of {len(FOR_CLIENTS)} breakages.**" in text
    assert "| `revoke-200` | revocation answers 204 without a body | 1 | · | 2 |" in text
    assert "- `curl`: curl is not on this machine" in text


def committed() -> dict[str, list[str]]:
    """The rows of the committed tables, by what is in their first cell."""
    rows = [line.strip("| ").split(" | ") for line in REPORT.read_text(encoding="utf-8").splitlines()]
    return {cells[0].strip("`"): cells[1:] for cells in rows if len(cells) > 1}


def test_the_committed_matrix_has_every_breakage_and_somebody_who_notices_it() -> None:
    rows = committed()
    assert {name: rows[name][0] for name in FOR_CLIENTS} == {
        name: breakage.rule for name, breakage in FOR_CLIENTS.items()
    }
    assert [name for name in FOR_CLIENTS if int(rows[name][1]) == 0] == []
    assert int(rows[NONE][1]) == 0


def test_the_committed_matrix_is_of_the_clients_that_can_be_had() -> None:
    rows = committed()
    asked = [client for client in CLIENTS if client.name not in unavailable()]
    assert rows["breakage"][2:] == [f"`{client.name}`" for client in asked]
    for client in asked:
        assert rows[client.name] == [client.title, client.version or "as installed", str(len(client.checks))]
