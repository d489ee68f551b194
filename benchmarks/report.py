"""The committed figures: written, read, rendered, compared."""

import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

import msgspec

from benchmarks import chart
from benchmarks.figures import Figure, latency_table, table
from benchmarks.load import CONNECTIONS
from benchmarks.processes import OTHER_FAKE, ROOT, other_fake, other_versions
from benchmarks.servers import CALLS

COMMITTED = ROOT / "reports" / "bench.json"
PAGE = ROOT / "docs" / "speed.md"
CHART = ROOT / "docs" / "speed.svg"
FALL = 0.1
"""A ratio that falls by more than this share of the committed one fails the check."""
_LIBRARIES = ("cryptography", "httptools", "msgspec", "pyjwt", "starlette", "uvicorn", "uvloop")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a run, and what they depend on."""

    date: str
    is_quick: bool
    machine: str
    versions: Mapping[str, str]
    notes: Sequence[str]
    figures: Sequence[Figure]


def make(figures: Sequence[Figure], *, is_quick: bool) -> Report:
    """The report of the figures of this machine, today."""
    fake = other_fake()
    return Report(
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        is_quick=is_quick,
        machine=f"{_processor()}, {os.cpu_count()} cores, {platform.system()} on {platform.machine()}",
        versions={
            "Python": platform.python_version(),
            **{name: version(name) for name in ("mockmoov", *_LIBRARIES)},
            **other_versions(),
        },
        notes=[f"{OTHER_FAKE} was not measured: {fake}."] if isinstance(fake, str) else [],
        figures=figures,
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.processor() or "an unknown processor"


def read(path: Path = COMMITTED) -> Report:
    """The committed report."""
    return msgspec.json.decode(path.read_bytes(), type=Report)


def merge(committed: Report, found: Report) -> Report:
    """The committed report with the sections of another run on the same machine, which its notes name."""
    if committed.machine != found.machine:
        raise SystemExit(f"the committed figures are those of another machine: {committed.machine}")
    sections = {figure.section for figure in found.figures}
    figures = {figure.section: list[Figure]() for figure in (*committed.figures, *found.figures)}
    for figure in committed.figures:
        if figure.section not in sections:
            figures[figure.section].append(figure)
    for figure in found.figures:
        figures[figure.section].append(figure)
    later = f"Measured on {found.date}: {', '.join(sorted(sections))}."
    return msgspec.structs.replace(
        committed,
        figures=[figure for group in figures.values() for figure in group],
        notes=[*(note for note in committed.notes if note != later), later],
    )


def write(report: Report) -> None:
    """Commit the report: the JSON, the chart, and the generated part of the page."""
    COMMITTED.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    CHART.write_text(draw(report), encoding="utf-8")
    PAGE.write_text(replace_generated(PAGE.read_text(encoding="utf-8"), render(report)), encoding="utf-8")


def replace_generated(page: str, generated: str, name: str = "bench") -> str:
    """The page with another generated part, which is between two comments of that name."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, after = page.partition(start)[0], page.partition(end)[2]
    return f"{before}{start}\n{generated}\n{end}{after}"


# --- rendering --------------------------------------------------------------------------------------


def section(name: str, figures: Sequence[Figure]) -> str:
    """The heading and the tables of a section."""
    parts = [f"### {name}", table(figures)]
    if latencies := [figure for figure in figures if any(value.p50 for value in figure.values.values())]:
        parts += [
            f"p50 / p99 of the same calls, in ms, at {CONNECTIONS} connections:",
            latency_table(latencies),
        ]
    return "\n\n".join(parts)


def render(report: Report) -> str:
    """The generated part of the page."""
    versions = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    run = "A quick run" if report.is_quick else "A full run"
    head = f"{run} of {report.date} on {report.machine}. {versions}."
    sections = [section(name, list(group)) for name, group in groupby(report.figures, lambda f: f.section)]
    return "\n\n".join([head, f"![{CALLS}](speed.svg)", *sections, *report.notes])


def draw(report: Report) -> str:
    """The chart of the calls."""
    groups = {
        figure.name: {name: value.value for name, value in figure.values.items()}
        for figure in report.figures
        if figure.section == CALLS
    }
    return chart.draw(f"{CALLS}, one process on one core", groups)


# --- comparing --------------------------------------------------------------------------------------


def complaints(found: Sequence[Figure], committed: Sequence[Figure]) -> Iterator[str]:
    """The ratios that fell by more than `FALL`, and the figures that are over their budget."""
    before = _ratios(committed)
    for (name, other), now in _ratios(found).items():
        then = before.get((name, other))
        if then is not None and now < then * (1 - FALL):
            yield f"{name}: the ratio to {other} fell by {1 - now / then:.0%}, from {then:.2f} to {now:.2f}"
    for figure in found:
        if figure.is_over:
            yield f"{figure.name}: over its budget, {figure.budget}"


def _ratios(figures: Sequence[Figure]) -> dict[tuple[str, str], float]:
    return {
        (f"{figure.section}: {figure.name}", other): value.ratio
        for figure in figures
        for other, value in figure.values.items()
        if value.ratio is not None
    }
