"""What is shipped, and what it is built and tested with: the wheel, the sdist and the pins."""

import email
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mockmoov import __version__

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = PYPROJECT["project"]
CONSTRAINTS = (ROOT / "constraints.txt").read_text().splitlines()
PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[0-9][0-9A-Za-z.]*)")


def build(what: str, source: Path, out: Path) -> Path:
    """The one file that a build of the source makes."""
    argv = [sys.executable, "-m", "build", "--no-isolation", f"--{what}", "--outdir", str(out), str(source)]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (made,) = out.iterdir()
    return made


def content(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel."""
    with zipfile.ZipFile(wheel) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def package_files() -> set[str]:
    """Every file of the package in the source tree."""
    files = [path for path in (ROOT / "mockmoov").rglob("*") if path.is_file()]
    return {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}


@pytest.mark.slow
def test_wheel_is_complete_and_the_sdist_builds_it(tmp_path: Path) -> None:
    wheel = content(build("wheel", ROOT, tmp_path / "first"))
    with tarfile.open(build("sdist", ROOT, tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    assert content(build("wheel", source, tmp_path / "second")) == wheel
    assert (source / Path(__file__).relative_to(ROOT)).is_file()

    shipped = {name for name in wheel if ".dist-info/" not in name}
    assert shipped == package_files()
    assert {"mockmoov/py.typed", "mockmoov/data/scopes.json"} <= shipped

    information = f"mockmoov-{PROJECT['version']}.dist-info"
    assert wheel[f"{information}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert wheel[f"{information}/entry_points.txt"].decode().split() == [
        *("[console_scripts]", "mockmoov", "=", "mockmoov.cli.main:main"),
        *("[pytest11]", "mockmoov", "=", "mockmoov.pytest_plugin"),
    ]
    metadata = email.message_from_bytes(wheel[f"{information}/METADATA"])
    assert (metadata["Name"], metadata["Version"]) == ("mockmoov", PROJECT["version"])
    assert (metadata["Requires-Python"], metadata["License-Expression"]) == (">=3.11", "MIT")
    assert metadata["Description-Content-Type"] == "text/markdown"
    needed = {Requirement(line) for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line}
    assert needed == set(map(Requirement, PROJECT["dependencies"]))


def test_version_is_the_same_everywhere() -> None:
    assert __version__ == PROJECT["version"]
    assert f"\n## {__version__} - " in (ROOT / "CHANGELOG.md").read_text()


def test_constraints_are_sorted_names_with_one_version() -> None:
    assert [line for line in CONSTRAINTS if not PIN.fullmatch(line)] == []
    names = [canonicalize_name(line.partition("==")[0]) for line in CONSTRAINTS]
    assert len(set(names)) == len(names)
    assert sorted(CONSTRAINTS, key=str.casefold) == CONSTRAINTS


def test_every_requirement_is_pinned_to_a_version_that_meets_it() -> None:
    pins = {canonicalize_name(pin["name"]): pin["version"] for pin in map(PIN.fullmatch, CONSTRAINTS) if pin}
    extras: dict[str, list[str]] = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *chain(*extras.values()), *PYPROJECT["build-system"]["requires"]]
    requirements = map(Requirement, lines)
    wrong = [
        str(requirement)
        for requirement in requirements
        if not requirement.specifier.contains(pins.get(canonicalize_name(requirement.name), ""))
    ]
    assert wrong == []
