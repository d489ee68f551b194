"""Shows progress while the suite runs, and a summary at the end."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from mockmoov.verify.reports import markdown_rows
from mockmoov.verify.results import WORST_FIRST, Status
from mockmoov.verify.suite import Outcome, Report

_STYLES: dict[Status, str] = {
    "error": "magenta",
    "failed": "red",
    "finding": "cyan",
    "passed": "green",
    "not-checkable": "yellow",
}
_EXIT_CODES = {
    0: "every documented and observed rule that was checked holds",
    1: "a documented or observed rule does not hold",
    2: "the run could not find out whether every documented and observed rule holds",
}


class Display(Protocol):
    """Shows outcomes as they come. Enter it before the first."""

    def __enter__(self) -> Self:
        """Start to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        ...

    def show(self, outcome: Outcome) -> None:
        """Show an outcome."""
        ...


class PlainLines:
    """One line for each check, for pipes and CI."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, outcome: Outcome) -> None:
        """Print a line."""
        severity = f" ({outcome.check.severity})" if outcome.status == "failed" else ""
        contracts = ", ".join(result.contract for result in outcome.results)
        line = f"{outcome.status:<13} {outcome.check.id:<32} [{contracts}] {outcome.check.title}{severity}"
        print_plain(self._console, line)


class LiveTable:
    """A table with a row for each topic, and a progress bar below it, for terminals."""

    def __init__(self, console: Console, total: int) -> None:
        self._counts: dict[str, Counter[Status]] = {}
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        )
        self._task = self._progress.add_task("checks", total=total)
        self._live = Live(self._render(), console=console, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, outcome: Outcome) -> None:
        """Count an outcome."""
        topic = outcome.check.id.partition(".")[0]
        self._counts.setdefault(topic, Counter())[outcome.status] += 1
        self._progress.update(self._task, description=outcome.check.id, advance=1)
        self._live.update(self._render())

    def _render(self) -> RenderableType:
        table = Table("topic")
        for status in WORST_FIRST:
            table.add_column(status, style=_STYLES[status], justify="right")
        for topic, counts in self._counts.items():
            table.add_row(topic, *(str(counts[status] or "") for status in WORST_FIRST))
        return Group(table, self._progress)


def summary(report: Report, day: date) -> Iterator[str]:
    """The lines at the end of a run: failed checks, errors, findings, and counts."""
    for outcome in report.outcomes:
        if outcome.status in ("failed", "error"):
            yield from _problem(outcome)
    yield from _not_checked(report)
    rows = list(markdown_rows(report, day))
    yield from ("", *rows) if rows else ()
    yield ""
    yield f"{counted(len(report.outcomes), 'check')}: {', '.join(_counts(report)) or 'none'}"
    yield f"{counted(report.requests, 'request')} in {report.seconds:.1f} s"
    if report.tokens_not_revoked:
        yield f"not revoked, valid until they expire: {counted(report.tokens_not_revoked, 'token')}"
    if report.stopped is not None:
        yield f"stopped: {report.stopped}"


def explain_exit_code(exit_code: int) -> str:
    """The last line of a run."""
    return f"exit code {exit_code}: {_EXIT_CODES[exit_code]}"


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


def print_plain(console: Console, line: str) -> None:
    """Print a line without markup, wrapping or colours."""
    console.print(line, markup=False, highlight=False, soft_wrap=True, emoji=False)
