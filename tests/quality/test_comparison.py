"""The comparison with other fakes: how it counts, and that the committed one is of today's table."""

from typing import Any

import pytest

from mockmoov.verify.checks import CHECKS
from tools.comparison import REPEATS, REPORT, complaints, ended, every_check, kept, verdicts
from tools.other_fakes import FAKES, HERE

ONE, TWO, THREE, *_ = verdicts()
FOUND = {
    ONE.id: ("passed", ""),
    TWO.id: ("failed", "expected 401, got 200 | x"),
    THREE.id: ("not-checkable", "not checkable here"),
}


def run(contract: str, status: str) -> dict[str, Any]:
    return {"contract": contract, "status": status, "reason": ""}


def test_of_a_report_the_runs_of_one_contract_count_and_no_findings() -> None:
    checks = [
        {"id": "a", "runs": [run("2023", "passed"), run("latest", "failed")]},
        {"id": "b", "runs": [run("latest", "finding")]},
    ]
    assert ended(checks, "2023") == {"a": ("passed", "")}
    assert ended(checks, "dated") == {"a": ("failed", "")}


def test_what_cannot_be_checked_is_neither_kept_nor_broken() -> None:
    assert kept([ONE, TWO, THREE], FOUND) == "1 of 2"


def test_a_complaint_is_told_once_with_its_number() -> None:
    twice = {**FOUND, THREE.id: ("failed", "expected 401, got nothing")}
    assert "| some, 2023 | expected 401 (2) |" in complaints({("some", "2023"): twice})
    assert "| some, 2023 | none failed |" in complaints({("some", "2023"): {ONE.id: ("passed", "")}})


def test_each_check_has_a_row_and_a_mark_for_each_server() -> None:
    rows = every_check({("some", "2023"): FOUND, ("other", "2023"): {}}).splitlines()[2:]
    assert len(rows) == len(verdicts())
    assert [row.rsplit(" | ", 2)[1:] for row in rows[:4]] == [
        ["✓", " |"],
        ["✗", " |"],
        ["·", " |"],
        ["", " |"],
    ]


@pytest.mark.parametrize("fake", FAKES, ids=lambda fake: fake.name)
def test_the_committed_comparison_is_of_the_version_that_is_pinned(fake: Any) -> None:
    assert f"| {fake.title} | {fake.version} |" in REPORT.read_text(encoding="utf-8")
    if fake.folder:
        pins = [path.read_text(encoding="utf-8") for path in (HERE / fake.folder).iterdir()]
        assert any(f'"{fake.version}"' in pin or f"<version>{fake.version}<" in pin for pin in pins)


@pytest.mark.parametrize("repeat", REPEATS, ids=lambda repeat: repeat.check)
def test_what_was_repeated_by_hand_is_a_check_and_shown_with_its_answer(repeat: Any) -> None:
    assert repeat.check in CHECKS
    text = REPORT.read_text(encoding="utf-8")
    for command in repeat.lines:
        assert f"$ {command}\nHTTP/1.1 " in text
