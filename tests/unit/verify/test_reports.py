"""The reports of a run: exit code, JUnit, JSON, Markdown, summary, and what a terminal or a pipe gets."""

import io
import itertools
import json
from dataclasses import replace
from datetime import date
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from mockmoov.verify.check import CannotRun, Check, Result, Status
from mockmoov.verify.reports import (
    Outcome,
    Report,
    as_json,
    as_junit,
    live_table,
    markdown_rows,
    print_outcome,
    print_summary,
)
from mockmoov.verify.run import select_checks

TODAY = date(2026, 11, 24)


def check(name: str, source: str = "spec") -> Check:
    return Check(id=name, title="A rule", contract="both", source=source, run=lambda _: None)


def outcome(name: str, status: Status, source: str = "spec", **members: object) -> Outcome:
    result = Result(check_id=name, contract="2023", status=status, **members)  # type: ignore[arg-type]
    return Outcome(
        check=check(name, source), results=(result, replace(result, contract="latest", status="passed"))
    )


def report(*outcomes: Outcome, stopped: str | None = None, tokens_not_revoked: int = 0) -> Report:
    return Report(
        url="http://localhost", contracts=("2023", "latest"), outcomes=outcomes, stopped=stopped, requests=7,
        seconds=1.25, tokens_not_revoked=tokens_not_revoked,
    )  # fmt: skip


FAILED = outcome("a.failed", "failed", reason="wanted this", curl=("curl -i x",))
CHOICE = outcome("a.choice", "failed", "rfc 1, choice", reason="wanted that")
ERROR = outcome("a.error", "error", reason="no answer")
SEEN = outcome("finding.a", "finding", observations={"it rotates": "yes"})
UNCHECKED = outcome("a.unchecked", "not-checkable", reason="not checkable here (requires: control plane)")


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (report(), 2),
        (report(CHOICE, SEEN, UNCHECKED), 0),
        (report(FAILED, ERROR), 1),
        (report(ERROR), 2),
        (report(FAILED, stopped="interrupted"), 2),
    ],
)
def test_exit_code_says_whether_the_rules_hold(made: Report, code: int) -> None:
    assert made.exit_code == code


@pytest.mark.parametrize(
    ("source", "severity"),
    [
        ("seed, live", "documented"),
        ("live, sdk", "observed"),
        ("rfc 9700 §4, choice", "our choice"),
        ("docs", "documented"),
    ],
)
def test_a_check_is_as_severe_as_its_source(source: str, severity: str) -> None:
    assert check("a.b", source).severity == severity


def test_junit_has_each_status_once() -> None:
    root = ET.fromstring(as_junit(report(FAILED, CHOICE, ERROR, SEEN, UNCHECKED)))
    kinds = {case.get("name"): [child.tag for child in case] for case in root[0]}
    assert kinds == {
        "failed": ["failure"], "choice": ["skipped"], "error": ["error"], "a": ["system-out"],
        "unchecked": ["skipped"],
    }  # fmt: skip
    counts = {"tests": "5", "failures": "1", "errors": "1", "skipped": "2"}
    assert root[0].attrib == {"name": "contract 2023", **counts}
    assert [child.tag for case in root[1] for child in case] == ["system-out"] * 5
    assert "our choice: wanted that" in as_junit(report(CHOICE))


def test_json_has_an_object_for_each_check() -> None:
    document = json.loads(as_json(report(FAILED, SEEN, stopped="the network went")))
    assert [(item["id"], item["status"]) for item in document["checks"]] == [
        ("a.failed", "failed"),
        ("finding.a", "finding"),
    ]
    assert document["checks"][0]["counterexample"] == ["curl -i x"]
    assert document["findings"] == {"it rotates": {"2023": "yes", "latest": "yes"}}
    assert document["stopped"] == "the network went"


def test_a_finding_is_a_row_to_paste() -> None:
    rows = list(markdown_rows(report(SEEN), TODAY))
    assert rows[-1] == "| it rotates | yes | yes | seen at http://localhost on 2026-11-24 |"
    assert {row.count("|") for row in rows} == {5}
    assert list(markdown_rows(report(FAILED), TODAY)) == []


def summary(made: Report, *, as_table: bool = False, width: int = 80) -> str:
    """The end of a run as it is printed."""
    output = io.StringIO()
    print_summary(Console(file=output, width=width, soft_wrap=True), made, TODAY, as_table=as_table)
    return output.getvalue()


def test_summary_lists_everything_that_is_not_right() -> None:
    made = report(FAILED, CHOICE, ERROR, UNCHECKED, stopped="enough", tokens_not_revoked=2)
    text = summary(made)
    parts = (
        "failed: a.failed (documented; spec)",
        "  [2023] wanted this\n    curl -i x",
        "failed: a.choice (our choice; rfc 1, choice)",
        "error: a.error",
        "1 not checkable here (requires: control plane)",
        "4 checks: 1 error, 2 failed (1 of them our choice, which does not fail the run), 1 passed",
        "7 requests in 1.2 s",
        "not revoked, valid until they expire: 2 tokens",
        "stopped: enough",
    )
    assert [part for part in parts if part not in text] == []
    assert "0 checks: none" in summary(report())


@pytest.mark.parametrize(
    ("outcomes", "counts"),
    [
        ((FAILED,), "1 check: 1 failed"),
        ((CHOICE,), "1 check: 1 failed (our choice, which does not fail the run)"),
        ((CHOICE, CHOICE, SEEN), "3 checks: 2 failed (our choice, which does not fail the run), 1 finding"),
        ((SEEN,), "1 check: 1 finding"),
    ],
)
def test_summary_counts_what_does_not_fail_the_run(outcomes: tuple[Outcome, ...], counts: str) -> None:
    lines = summary(report(*outcomes)).splitlines()
    assert counts in lines
    assert ("", "") not in itertools.pairwise(lines)


@pytest.mark.parametrize("width", [80, 120])
def test_findings_fit_a_terminal(width: int) -> None:
    answers = {"it rotates": "yes", "a replay revokes the family's [access] tokens": "x" * width}
    text = summary(report(outcome("finding.a", "finding", observations=answers)), as_table=True, width=width)
    assert "findings at http://localhost on 2026-11-24" in text
    assert "it rotates" in text
    assert "[access]" in text
    assert text.count("x") == 2 * width
    assert max(map(len, text.splitlines())) <= width
    assert "|" not in text


def test_a_terminal_gets_a_growing_table() -> None:
    output = io.StringIO()
    with live_table(Console(file=output, force_terminal=True, width=100), 2) as show:
        show(FAILED)
        show(SEEN)
    assert "topic" in output.getvalue()
    assert "2/2" in output.getvalue()


def test_a_pipe_gets_a_line_for_each_check() -> None:
    output = io.StringIO()
    for result in (FAILED, SEEN):
        print_outcome(Console(file=output, width=40), result)
    assert output.getvalue().splitlines() == [
        "failed        a.failed                         [2023, latest] A rule (documented)",
        "finding       finding.a                        [2023, latest] A rule",
    ]


def test_checks_are_selected_by_id_and_pattern() -> None:
    assert [check.id for check in select_checks(["revoke.status"])] == ["revoke.status"]
    selected = select_checks(["scope.*", "error.*"])
    assert {check.id.partition(".")[0] for check in selected} == {"scope", "error"}
    assert len(select_checks([])) > 150
    with pytest.raises(CannotRun, match="no check matches nonsense"):
        select_checks(["nonsense"])
