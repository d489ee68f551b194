"""Reads the tables of the committed reports."""

from pathlib import Path


def rows_of(report: Path) -> list[list[str]]:
    """The cells of each row that begins with code, without the quotes of code."""
    lines = report.read_text(encoding="utf-8").splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]
    return [[cell.replace("`", "") for cell in row] for row in rows]
