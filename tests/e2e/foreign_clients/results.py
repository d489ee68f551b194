"""The file of what came of running the foreign programs: one JSON object a line, the last one counts.

Lines are only appended, so that several test processes may write at once.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

DEFAULT = Path(__file__).resolve().parents[3] / ".pytest_cache" / "conformance.jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What came of one client: `skipped` is the reason, if it was not run."""

    client: str
    version: str
    date: str
    checks: int = 0
    passed: int = 0
    skipped: str = ""


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def file() -> Path:
    return Path(os.environ.get("MOCKMOOV_CONFORMANCE_RESULTS") or DEFAULT)


def write(result: Result) -> None:
    file().parent.mkdir(parents=True, exist_ok=True)
    with file().open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(asdict(result)) + "\n")


def read() -> dict[str, Result]:
    """The last result of each client; none where nothing was run."""
    if not file().exists():
        return {}
    lines = file().read_text(encoding="utf-8").splitlines()
    return {result.client: result for result in (Result(**json.loads(line)) for line in lines)}
