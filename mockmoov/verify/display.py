"""Owns what is shown while the suite runs, and after: a live table, or plain lines. Must not know HTTP."""

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
from mockmoov.verify.results import ORDER, Status
from mockmoov.verify.suite import Outcome, Report

_STYLES: dict[Status, str] = {
    "error": "magenta",
    "failed": "red",
    "finding": "cyan",
    "passed": "green",
    "not-checkable": "yellow",
}
_VERDICTS = {
    0: "every documented and observed rule that was checked holds",
    1: "a documented or observed rule does not hold",
    2: "whether every documented and observed rule holds could not be told",
}


class Display(Protocol):
    """Shows outcomes as they come; it is entered before the first."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        ...

    def show(self, outcome: Outcome) -> None:
        """One more."""
        ...


class Lines:
    """A line a check, for pipes and CI."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, outcome: Outcome) -> None:
        """Print the line."""
        weight = f" ({outcome.check.severity})" if outcome.status == "failed" else ""
        contracts = ", ".join(result.contract for result in outcome.results)
        line = f"{outcome.status:<13} {outcome.check.id:<32} [{contracts}] {outcome.check.title}{weight}"
        print_plain(self._console, line)


class Board:
    """A table that fills, a row a topic, and below it how far it has come; for terminals."""

    def __init__(self, console: Console, total: int) -> None:
        self._counts: dict[str, Counter[Status]] = {}
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        )
        self._task = self._progress.add_task("checks", total=total)
        self._live = Live(self._drawn(), console=console, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, outcome: Outcome) -> None:
        """Count it."""
        topic = outcome.check.id.partition(".")[0]
        self._counts.setdefault(topic, Counter())[outcome.status] += 1
        self._progress.update(self._task, description=outcome.check.id, advance=1)
        self._live.update(self._drawn())

    def _drawn(self) -> RenderableType:
        table = Table("topic")
        for status in ORDER:
            table.add_column(status, style=_STYLES[status], justify="right")
        for topic, counts in self._counts.items():
            table.add_row(topic, *(str(counts[status] or "") for status in ORDER))
        return Group(table, self._progress)


def summary(report: Report, day: date) -> Iterator[str]:
    """What is said at the end: everything that is not as it should be, the findings, and the counts."""
    for outcome in report.outcomes:
        if outcome.status in ("failed", "error"):
            yield from _complaint(outcome)
    yield from _not_checked(report)
    rows = list(markdown_rows(report, day))
    yield from ("", *rows) if rows else ()
    yield ""
    yield f"{counted(len(report.outcomes), 'check')}: {', '.join(_counts(report)) or 'none'}"
    yield f"{counted(report.requests, 'request')} in {report.seconds:.1f} s"
    if report.left_behind:
        yield f"not revoked, and left to expire: {counted(report.left_behind, 'token')}"
    if report.stopped is not None:
        yield f"stopped: {report.stopped}"


def verdict(exit_code: int) -> str:
    """What the exit code of a report means."""
    return f"exit code {exit_code}: {_VERDICTS[exit_code]}"


def counted(count: int, noun: str) -> str:
    """How many there are of something."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _counts(report: Report) -> Iterator[str]:
    weightless = sum(outcome.status == "failed" and not outcome.weighs for outcome in report.outcomes)
    for status, count in report.counts().items():
        which = "" if weightless == count else f"{weightless} of them "
        note = f" ({which}our choice, which fails nothing)" if status == "failed" and weightless else ""
        if count:
            yield f"{count} {status}{note}"


def _complaint(outcome: Outcome) -> Iterator[str]:
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
    """Print a line as it is: no markup, no wrapping, no colours in it."""
    console.print(line, markup=False, highlight=False, soft_wrap=True, emoji=False)
