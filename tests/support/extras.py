"""What pip is to install for an extra, as pyproject.toml has it."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

_PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def advice(extra: str) -> str:
    """The command that installs what the extra holds: mockmoov itself is on no index."""
    held = [Requirement(line).name for line in _PROJECT["optional-dependencies"][extra]]
    return f"pip install {' '.join(held)}"
