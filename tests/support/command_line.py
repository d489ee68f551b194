"""Runs mockmoov's commands in the test's own process."""

import inspect
from typing import Any

from click.testing import CliRunner, Result

from mockmoov.cli.main import main

# click keeps stderr out of stdout from 8.2 on, and before if it is asked to.
_OPTIONS: Any = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}


def run(*arguments: str, **options: Any) -> Result:
    """What `mockmoov ARGUMENTS` prints and ends with; options are those of `CliRunner.invoke`."""
    return CliRunner(**_OPTIONS).invoke(main, arguments, prog_name="mockmoov", **options)
