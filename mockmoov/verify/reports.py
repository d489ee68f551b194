"""The report of a run, which it shows as it grows, and as text, JSON, JUnit XML and Markdown."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from xml.etree import ElementTree as ET

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from mockmoov.verify.check import Check, Result, Status

_STYLES: Mapping[Status, str] = {  # the worst first
    "error": "magenta",
    "failed": "red",
    "finding": "cyan",
    "passed": "green",
    "not-checkable": "yellow",
}
EXIT_CODES = {
    0: "every documented and observed rule that was checked holds",
    1: "a documented or observed rule does not hold",
    2: "the run could not find out whether every documented and observed rule holds",
}
"""The meanings of the exit codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The results of one check: one for each contract that has its rule."""

    check: Check
    results: tuple[Result, ...]

    @property
    def status(self) -> Status:
        """The worst status of the results."""
        return min((result.status for result in self.results), key=list(_STYLES).index)

    @property
    def fails_run(self) -> bool:
        """Whether the check failed and its rule is not just a choice of mockmoov."""
        return self.status == "failed" and self.check.severity != "our choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The report of a run. `stopped` says why the run stopped early, or is None."""

    url: str
    contracts: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    stopped: str | None
    requests: int
    seconds: float
    tokens_not_revoked: int

    @property
    def exit_code(self) -> int:
        """0: every documented and observed rule holds; 1: one does not; 2: the run could not find out."""
        if self.stopped is not None or not self.outcomes:
            return 2
        if any(outcome.fails_run for outcome in self.outcomes):
            return 1
        return 2 if self.counts()["error"] else 0

    def counts(self) -> Mapping[Status, int]:
        """The number of checks by status."""
        statuses = [outcome.status for outcome in self.outcomes]
        return {status: statuses.count(status) for status in _STYLES}

    def findings(self) -> Mapping[str, Mapping[str, str]]:
        """The open questions, each with the answers by contract."""
        found: dict[str, dict[str, str]] = {}
        for outcome in self.outcomes:
            for result in outcome.results:
                for question, answer in result.observations.items():
                    found.setdefault(question, {})[result.contract] = answer
        return found


def print_line(console: Console, line: str) -> None:
    """Print a line without markup, wrapping or colours."""
    console.print(line, markup=False, highlight=False, soft_wrap=True, emoji=False)


def print_outcome(console: Console, outcome: Outcome) -> None:
    """Print a line for a check, for pipes and CI."""
    severity = f" ({outcome.check.severity})" if outcome.status == "failed" else ""
    contracts = ", ".join(result.contract for result in outcome.results)
    line = f"{outcome.status:<13} {outcome.check.id:<32} [{contracts}] {outcome.check.title}{severity}"
    print_line(console, line)


@contextmanager
def live_table(console: Console, total: int) -> Iterator[Callable[[Outcome], None]]:
    """A table of topics with a progress bar, for terminals. Yields a function that counts an outcome."""
    counts: dict[str, Counter[Status]] = {}
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )
    task = progress.add_task("checks", total=total)

    def render() -> RenderableType:
        table = Table("topic")
        for status, style in _STYLES.items():
            table.add_column(status, style=style, justify="right")
        for topic, of_topic in counts.items():
            table.add_row(topic, *(str(of_topic[status] or "") for status in _STYLES))
        return Group(table, progress)

    def show(outcome: Outcome) -> None:
        topic = outcome.check.id.partition(".")[0]
        counts.setdefault(topic, Counter())[outcome.status] += 1
        progress.update(task, description=outcome.check.id, advance=1)
        live.update(render())

    with Live(render(), console=console, refresh_per_second=8) as live:
        yield show


def print_summary(console: Console, report: Report, day: date, *, as_table: bool) -> None:
    """Print the end of a run: failed checks, errors, findings, and counts.

    The findings are a table as wide as the terminal, or rows of Markdown for pipes and CI.
    """
    for line in _problems(report):
        print_line(console, line)
    if report.findings():
        print_line(console, "")
        if as_table:
            console.print(_findings_table(report, day), soft_wrap=False)
        else:
            print_line(console, "\n".join(markdown_rows(report, day)))
    for line in _totals(report):
        print_line(console, line)


def _problems(report: Report) -> Iterator[str]:
    for outcome in report.outcomes:
        if outcome.status in ("failed", "error"):
            yield from _problem(outcome)
    yield from _not_checked(report)


def _findings_table(report: Report, day: date) -> Table:
    """The findings, a question a row, with the answer under each contract. Long ones continue below."""
    title = f"findings at {report.url} on {day.isoformat()}"
    table = Table(title=Text(title), title_justify="left")
    for header in ("question", *report.contracts):
        table.add_column(header, overflow="fold")
    for question, answers in report.findings().items():
        table.add_row(*map(Text, (question, *(answers.get(contract, "") for contract in report.contracts))))
    return table


def _totals(report: Report) -> Iterator[str]:
    yield ""
    yield f"{counted(len(report.outcomes), 'check')}: {', '.join(_counts(report)) or 'none'}"
    yield f"{counted(report.requests, 'request')} in {report.seconds:.1f} s"
    if report.tokens_not_revoked:
        yield f"not revoked, valid until they expire: {counted(report.tokens_not_revoked, 'token')}"
    if report.stopped is not None:
        yield f"stopped: {report.stopped}"


def counted(count: int, noun: str) -> str:
    """A number with a noun, such as `2 checks`."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _counts(report: Report) -> Iterator[str]:
    choices = sum(outcome.status == "failed" and not outcome.fails_run for outcome in report.outcomes)
    for status, count in report.counts().items():
        some = "" if choices == count else f"{choices} of them "
        note = f" ({some}our choice, which does not fail the run)" if status == "failed" and choices else ""
        if count:
            yield f"{count} {status}{note}"


def _problem(outcome: Outcome) -> Iterator[str]:
    check = outcome.check
    yield ""
    yield f"{outcome.status}: {check.id} ({check.severity}; {check.source})"
    yield f"  {check.title}"
    for result in outcome.results:
        if result.status in ("failed", "error"):
            yield f"  [{result.contract}] {result.reason}"
            yield from (f"    {line}" for line in result.curl)


def _not_checked(report: Report) -> Iterator[str]:
    reasons: Counter[str] = Counter()
    for outcome in report.outcomes:
        reasons.update({result.reason for result in outcome.results if result.status == "not-checkable"})
    if reasons:
        yield ""
        yield from (f"{count} {reason}" for reason, count in reasons.items())


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
        "findings": report.findings(),
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
        "observations": result.observations,
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
        suite.set("tests", str(len(suite)))
        for name, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(name, str(len(suite.findall(f"testcase/{kind}"))))
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _test_case(suite: ET.Element, outcome: Outcome, result: Result) -> None:
    topic, _, name = outcome.check.id.partition(".")
    case = ET.SubElement(suite, "testcase", classname=topic, name=name, time=f"{result.seconds:.4f}")
    is_choice = outcome.check.severity == "our choice"
    kinds = {"failed": "skipped" if is_choice else "failure", "error": "error", "not-checkable": "skipped"}
    kind = kinds.get(result.status)
    observations = (f"{question}: {answer}" for question, answer in result.observations.items())
    text = "\n".join([outcome.check.title, *result.curl, *observations])
    if kind is None:
        ET.SubElement(case, "system-out").text = text
    else:
        prefix = "our choice: " if result.status == "failed" and is_choice else ""
        ET.SubElement(case, kind, message=prefix + result.reason).text = text


def markdown_rows(report: Report, day: date) -> Iterator[str]:
    """The findings as rows of a table: a question, the answer under each contract, the source."""
    findings = report.findings()
    if findings:
        yield f"| | {' | '.join(report.contracts)} | source |"
        yield "|---" * (len(report.contracts) + 2) + "|"
    for question, answers in findings.items():
        cells = " | ".join(answers.get(contract, "") for contract in report.contracts)
        yield f"| {question} | {cells} | seen at {report.url} on {day.isoformat()} |"
