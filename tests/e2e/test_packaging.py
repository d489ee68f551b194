"""What is shipped, and what it is built and tested with: the wheel, the sdist and the pins."""

import email
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONSTRAINTS = (ROOT / "constraints.txt").read_text().splitlines()
PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[0-9][0-9A-Za-z.]*)")


def build(what: str, source: Path, out: Path) -> Path:
    """The one file that a build of the source makes."""
    argv = [sys.executable, "-m", "build", "--no-isolation", f"--{what}", "--outdir", str(out), str(source)]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))) as opened:
        yield opened


def information(wheel: zipfile.ZipFile, name: str) -> str:
    """A file of the wheel's own metadata."""
    return wheel.read(f"mockmoov-{PROJECT['version']}.dist-info/{name}").decode()


def package_files() -> set[str]:
    """Every file of the package in the source tree."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "mockmoov").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.slow
def test_the_wheel_has_the_whole_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert shipped == package_files()
    assert "mockmoov/py.typed" in shipped
    assert "mockmoov/data/scopes.json" in shipped


@pytest.mark.slow
def test_the_wheel_has_the_licence(wheel: zipfile.ZipFile) -> None:
    assert information(wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_text()


@pytest.mark.slow
def test_the_wheel_has_one_console_script_and_one_pytest_plugin_and_no_other_entry_point(
    wheel: zipfile.ZipFile,
) -> None:
    assert information(wheel, "entry_points.txt").split() == [
        *("[console_scripts]", "mockmoov", "=", "mockmoov.cli.main:main"),
        *("[pytest11]", "mockmoov", "=", "mockmoov.pytest_plugin"),
    ]


@pytest.mark.slow
def test_the_wheel_says_what_it_needs(wheel: zipfile.ZipFile) -> None:
    metadata = email.message_from_string(information(wheel, "METADATA"))
    assert (metadata["Name"], metadata["Version"]) == ("mockmoov", PROJECT["version"])
    assert (metadata["Requires-Python"], metadata["License-Expression"]) == (">=3.11", "MIT")
    assert metadata["Description-Content-Type"] == "text/markdown"
    needed = {Requirement(line) for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line}
    assert needed == set(map(Requirement, PROJECT["dependencies"]))


@pytest.mark.slow
def test_the_sdist_builds_the_same_wheel(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    with tarfile.open(build("sdist", ROOT, tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    with zipfile.ZipFile(build("wheel", source, tmp_path / "wheel")) as again:
        assert {item.filename: item.CRC for item in again.infolist()} == {
            item.filename: item.CRC for item in wheel.infolist()
        }
    assert (source / "tests" / "test_packaging.py").is_file()


def test_the_version_is_said_once_for_all() -> None:
    from mockmoov import __version__

    assert __version__ == PROJECT["version"]
    assert f"\n## {__version__} - " in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("line", CONSTRAINTS)
def test_a_constraint_is_a_name_and_one_version(line: str) -> None:
    assert PIN.fullmatch(line)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# why",
        "name>=1",
        "name==1.*",
        "name==1 --hash=sha256:0",
        "name @ https://example.com/name-1.whl",
        "-e .",
        "-r more.txt",
        "--index-url https://example.com",
        "/somewhere/name-1.whl",
        "name==1; python_version < '3.12'",
    ],
)
def test_a_constraint_is_nothing_else(line: str) -> None:
    assert not PIN.fullmatch(line)


def test_constraints_are_sorted_and_each_name_has_one() -> None:
    names = [canonicalize_name(line.partition("==")[0]) for line in CONSTRAINTS]
    assert len(set(names)) == len(names)
    assert sorted(CONSTRAINTS, key=str.casefold) == CONSTRAINTS


def requirements() -> list[str]:
    """What the package, its extras and its build ask for."""
    extras: dict[str, list[str]] = PROJECT["optional-dependencies"]
    build_system = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    return [
        *PROJECT["dependencies"],
        *(line for extra in extras.values() for line in extra),
        *build_system["requires"],
    ]


@pytest.mark.parametrize("line", sorted(set(requirements())))
def test_a_requirement_is_pinned_to_a_version_that_meets_it(line: str) -> None:
    pins = {
        canonicalize_name(name): version for name, _, version in (pin.partition("==") for pin in CONSTRAINTS)
    }
    requirement = Requirement(line)
    assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])
