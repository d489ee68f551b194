"""That each foreign program runs once in a test session, whichever process asks first.

What came of a run is kept in a folder that all test processes share, under a lock while it is made. Must not
know how a program is run, nor what is right.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What came of one program: its output, or why there is none."""

    returncode: int = 0
    stdout: str = ""
    stderr: str = ""
    skipped: str = ""
    failed: str = ""


def once(name: str, shared: Path, make: Callable[[], Run]) -> Run:
    """The run of this name; it is made if nobody has made it yet, and others wait for it."""
    kept = shared / f"{name}.json"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if kept.exists():
            return Run(**json.loads(kept.read_text(encoding="utf-8")))
        run = make()
        kept.write_text(json.dumps(asdict(run)), encoding="utf-8")
        return run
