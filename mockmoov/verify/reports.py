"""Owns what is written to files, and the findings as rows of a table. Must not know terminals or HTTP."""

import json
from collections.abc import Iterator
from datetime import date
from xml.etree import ElementTree as ET

from mockmoov.verify.results import Result
from mockmoov.verify.suite import Outcome, Report


def as_json(report: Report) -> str:
    """The report, one object a check under `checks`."""
    document = {
        "url": report.url,
        "contracts": report.contracts,
        "exit_code": report.exit_code,
        "stopped": report.stopped,
        "requests": report.requests,
        "seconds": round(report.seconds, 3),
        "left_behind": report.left_behind,
        "counts": report.counts(),
        "findings": dict(report.findings()),
        "checks": [_object(outcome) for outcome in report.outcomes],
    }
    return json.dumps(document, indent=2) + "\n"


def _object(outcome: Outcome) -> dict[str, object]:
    check = outcome.check
    worst = next(result for result in outcome.results if result.status == outcome.status)
    return {
        "id": check.id,
        "status": outcome.status,
        "title": check.title,
        "severity": check.severity,
        "source": check.source,
        "examples": check.examples,
        "needs": check.needs,
        "reason": worst.reason,
        "counterexample": worst.curl,
        "seconds": round(sum(result.seconds for result in outcome.results), 4),
        "requests": sum(result.requests for result in outcome.results),
        "runs": [_run(result) for result in outcome.results],
    }


def _run(result: Result) -> dict[str, object]:
    return {
        "contract": result.contract,
        "status": result.status,
        "reason": result.reason,
        "counterexample": result.curl,
        "seen": {seen.question: seen.answer for seen in result.seen},
        "seconds": round(result.seconds, 4),
        "requests": result.requests,
    }


def as_junit(report: Report) -> str:
    """The report as JUnit's XML: a suite a contract. What is our choice, and fails, is shown as skipped."""
    root = ET.Element("testsuites", name="mockmoov verify")
    for contract in report.contracts:
        suite = ET.SubElement(root, "testsuite", name=f"contract {contract}")
        for outcome in report.outcomes:
            for result in outcome.results:
                if result.contract == contract:
                    _case(suite, outcome, result)
        _count(suite)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, outcome: Outcome, result: Result) -> None:
    topic, _, name = outcome.check.id.partition(".")
    case = ET.SubElement(suite, "testcase", classname=topic, name=name, time=f"{result.seconds:.4f}")
    weighs = result.status == "failed" and outcome.check.severity != "our choice"
    kind = (
        "failure"
        if weighs
        else {"error": "error", "failed": "skipped", "not-checkable": "skipped"}.get(result.status)
    )
    text = "\n".join(
        [outcome.check.title, *result.curl, *(f"{seen.question}: {seen.answer}" for seen in result.seen)]
    )
    if kind is None:
        ET.SubElement(case, "system-out").text = text
    else:
        note = "our choice: " if result.status == "failed" and not weighs else ""
        ET.SubElement(case, kind, message=note + result.reason).text = text


def _count(suite: ET.Element) -> None:
    kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    suite.set("tests", str(len(suite)))
    for name, kind in kinds.items():
        suite.set(name, str(len(suite.findall(f"testcase/{kind}"))))


def markdown_rows(report: Report, day: date) -> Iterator[str]:
    """The findings as rows of a contract table: a question, the answer under each contract, the source."""
    findings = list(report.findings())
    if findings:
        yield f"| | {' | '.join(report.contracts)} | source |"
        yield "|---" * (len(report.contracts) + 2) + "|"
    for question, answers in findings:
        shown = " | ".join(answers.get(contract, "") for contract in report.contracts)
        yield f"| {question} | {shown} | seen at {report.url} on {day.isoformat()} |"
