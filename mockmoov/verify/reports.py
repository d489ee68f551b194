"""Writes a report as JSON, as JUnit XML, and its findings as rows of a Markdown table."""

import json
from collections.abc import Iterator
from datetime import date
from xml.etree import ElementTree as ET

from mockmoov.verify.results import Result
from mockmoov.verify.suite import Outcome, Report


def as_json(report: Report) -> str:
    """The report as JSON. `checks` has an object for each check."""
    document = {
        "url": report.url,
        "contracts": report.contracts,
        "exit_code": report.exit_code,
        "stopped": report.stopped,
        "requests": report.requests,
        "seconds": round(report.seconds, 3),
        "tokens_not_revoked": report.tokens_not_revoked,
        "counts": report.counts(),
        "findings": dict(report.findings()),
        "checks": [_check(outcome) for outcome in report.outcomes],
    }
    return json.dumps(document, indent=2) + "\n"


def _check(outcome: Outcome) -> dict[str, object]:
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
        "observations": {item.question: item.answer for item in result.observations},
        "seconds": round(result.seconds, 4),
        "requests": result.requests,
    }


def as_junit(report: Report) -> str:
    """The report as JUnit XML: a suite for each contract. Failed choices of mockmoov count as skipped."""
    root = ET.Element("testsuites", name="mockmoov verify")
    for contract in report.contracts:
        suite = ET.SubElement(root, "testsuite", name=f"contract {contract}")
        for outcome in report.outcomes:
            for result in outcome.results:
                if result.contract == contract:
                    _test_case(suite, outcome, result)
        _count(suite)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _test_case(suite: ET.Element, outcome: Outcome, result: Result) -> None:
    topic, _, name = outcome.check.id.partition(".")
    case = ET.SubElement(suite, "testcase", classname=topic, name=name, time=f"{result.seconds:.4f}")
    is_choice = outcome.check.severity == "our choice"
    kinds = {"failed": "skipped" if is_choice else "failure", "error": "error", "not-checkable": "skipped"}
    kind = kinds.get(result.status)
    observations = (f"{item.question}: {item.answer}" for item in result.observations)
    text = "\n".join([outcome.check.title, *result.curl, *observations])
    if kind is None:
        ET.SubElement(case, "system-out").text = text
    else:
        prefix = "our choice: " if result.status == "failed" and is_choice else ""
        ET.SubElement(case, kind, message=prefix + result.reason).text = text


def _count(suite: ET.Element) -> None:
    kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    suite.set("tests", str(len(suite)))
    for name, kind in kinds.items():
        suite.set(name, str(len(suite.findall(f"testcase/{kind}"))))


def markdown_rows(report: Report, day: date) -> Iterator[str]:
    """The findings as rows of a table: a question, the answer under each contract, the source."""
    findings = list(report.findings())
    if findings:
        yield f"| | {' | '.join(report.contracts)} | source |"
        yield "|---" * (len(report.contracts) + 2) + "|"
    for question, answers in findings:
        cells = " | ".join(answers.get(contract, "") for contract in report.contracts)
        yield f"| {question} | {cells} | seen at {report.url} on {day.isoformat()} |"
