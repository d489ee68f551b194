"""The reports on foreign clients and other fakes: how they are counted, and that they list today's tables."""

import subprocess

import pytest

from mockmoov.verify.checks import CHECKS
from mockmoov.verify.expectations import RECOMMENDED_VERSION
from tests.e2e.foreign_clients.clients import CLIENTS, unavailable
from tests.quality.reports import rows_of
from tools import comparison, matrix
from tools.breakages import FOR_CLIENTS, NONE
from tools.matrix import Cell, judged, unnoticed
from tools.other_fakes import FAKES, HERE

CLIENT = CLIENTS[0]
OK = "".join(f"ok {check}\n" for check in CLIENT.checks)
FIRST, *REST = CLIENT.checks
BAD = f"not ok {FIRST}: came\n"
ONE_BAD = OK.replace(f"ok {FIRST}\n", BAD, 1)

RUNS = [
    (0, OK, "", Cell(), "·"),
    (0, OK, "a warning", Cell(), "·"),
    (1, ONE_BAD, "", Cell(failed=1), "1"),
    (1, ONE_BAD, "a warning", Cell(failed=1), "1"),
    (1, BAD, "", Cell(failed=1, unreached=len(REST)), f"1+{len(REST)}"),
    (1, BAD, "Traceback", Cell(failed=1, unreached=len(REST), crashed=True), f"1+{len(REST)} crash"),
    (1, "", "Traceback", Cell(unreached=len(REST) + 1, crashed=True), f"0+{len(REST) + 1} crash"),
    (2, OK, "panic", Cell(crashed=True), "0 crash"),
    (1, OK, "Traceback", Cell(crashed=True), "0 crash"),
]


def test_cell_says_how_a_client_ended() -> None:
    found = [judged(CLIENT, subprocess.CompletedProcess([], code, out, err)) for code, out, err, *_ in RUNS]
    found.append(Cell(hung=True))
    expected = [*((cell, shown) for *_, cell, shown in RUNS), (Cell(hung=True), "0 hang")]
    assert [(cell, str(cell)) for cell in found] == expected
    assert [cell.noticed for cell in found] == [shown != "·" for _, shown in expected]


@pytest.mark.slow  # it asks each tool for its version
def test_matrix_counts_the_breakages_that_nobody_notices() -> None:
    one, two = CLIENTS[0].name, CLIENTS[1].name
    rows = {name: {one: Cell(), two: Cell()} for name in (NONE, *FOR_CLIENTS)}
    rows["revoke-200"][two] = Cell(failed=2)
    assert unnoticed(rows) == [name for name in FOR_CLIENTS if name != "revoke-200"]
    text = matrix.report(rows, {"curl": "curl is not on this machine"})
    assert f"**Noticed by at least one client: 1 of {len(FOR_CLIENTS)} breakages.**" in text
    assert "| `revoke-200` | revocation answers 204 without a body | 1 | · | 2 |" in text
    assert "- `curl`: curl is not on this machine" in text


def test_committed_matrix_lists_breakages_and_clients() -> None:
    rows = {cells[0]: cells[1:] for cells in rows_of(matrix.REPORT)}
    assert {name: rows[name][0] for name in FOR_CLIENTS} == {
        name: breakage.rule for name, breakage in FOR_CLIENTS.items()
    }
    assert [name for name in FOR_CLIENTS if rows[name][1] == "0"] == []
    assert rows[NONE][1] == "0"
    clients = [client for client in CLIENTS if client.name not in unavailable()]
    head = " | ".join(f"`{client.name}`" for client in clients)
    assert f" | noticed by | {head} |\n" in matrix.REPORT.read_text(encoding="utf-8")
    assert [rows[client.name] for client in clients] == [
        [client.title.replace("`", ""), client.version or "as installed", str(len(client.checks))]
        for client in clients
    ]


def test_comparison_counts_each_contract_and_reason() -> None:
    runs = [
        {"contract": "2023", "status": "passed", "reason": ""},
        {"contract": RECOMMENDED_VERSION, "status": "failed", "reason": "expected 401, got 200"},
    ]
    one, two, three, *_ = comparison.verdicts()
    report = [{"id": check.id, "runs": runs} for check in (one, two)]
    report.append({"id": "a", "runs": [{"contract": RECOMMENDED_VERSION, "status": "finding", "reason": ""}]})
    assert comparison.ended(report, "2023") == {one.id: ("passed", ""), two.id: ("passed", "")}
    found = {**comparison.ended(report, "dated"), three.id: ("not-checkable", "")}
    assert comparison.kept([one, two, three], found) == "0 of 2"
    assert "| some, dated | expected 401 (2) |" in comparison.complaints({("some", "dated"): found})
    marks = comparison.every_check({("some", "dated"): found, ("other", "2023"): {}}).splitlines()[2:]
    assert [row.rsplit(" | ", 2)[1:] for row in marks[:4]] == [
        *(["✗", " |"], ["✗", " |"], ["·", " |"], ["", " |"])
    ]
    assert len(marks) == len(comparison.verdicts())


def test_committed_comparison_has_the_pinned_versions() -> None:
    text = comparison.REPORT.read_text(encoding="utf-8")
    for fake in FAKES:
        pins = [path.read_text(encoding="utf-8") for path in (HERE / fake.folder).iterdir() if fake.folder]
        assert f"| {fake.title} | {fake.version} |" in text
        assert not pins or any(
            f'"{fake.version}"' in pin or f"<version>{fake.version}<" in pin for pin in pins
        )
    commands = [command for repeat in comparison.REPEATS for command in repeat.lines]
    assert [command for command in commands if f"$ {command}\nHTTP/1.1 " not in text] == []
    assert {repeat.check for repeat in comparison.REPEATS} <= CHECKS.keys()
