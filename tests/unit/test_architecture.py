"""Which folder may import which, and what the package, the plugin and each command import."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mockmoov

ROOT = Path(mockmoov.__file__).parent

# Each folder, and the other folders that it may import. `mockmoov` is the package's own three files.
PURE = {
    "data": set[str](),
    "oauth": {"data"},
    "simulation": {"oauth"},
    "openapi": {"oauth"},
}
LAYERS = {
    **PURE,
    "storage": {"oauth", "simulation"},
    "config": {"oauth", "simulation"},
    "server": {"data", "oauth", "simulation", "openapi", "storage", "config"},
    "control_plane": {"data", "oauth", "simulation", "storage", "config", "server"},
    "web": {"data", "oauth", "simulation", "storage", "config", "server", "control_plane"},
    "testing": {"data", "oauth", "simulation", "storage", "config", "server", "control_plane", "web"},
    "mockmoov": {"cli", "config", "data", "oauth", "server", "simulation", "storage", "testing", "web"},
    "pytest_plugin": {"client", "config", "oauth", "simulation", "testing"},
    "cli": {
        *("mockmoov", "client", "config", "control_plane", "data", "oauth", "server", "storage", "testing"),
        *("verify", "web"),
    },
    "client": set(),
    "verify": {"client"},
}
# What nothing pure may import: clocks, randomness, input and output.
IMPURE = {
    "asyncio", "concurrent", "datetime", "importlib", "logging", "os", "pathlib", "random", "secrets",
    "socket", "subprocess", "sys", "tempfile", "threading", "time",
}  # fmt: skip
# The libraries that the layers below `config` may import.
LIBRARIES = {
    "oauth": {"msgspec", "nacl", "cryptography", "jwt"},
    "simulation": {"msgspec"},
    "openapi": {"msgspec", "yaml", "jsonschema", "referencing", "regex", "rstr"},
    "storage": {"msgspec", "redis"},
}


def folder_of(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return parts[0] if len(parts) > 1 else "mockmoov"


FILES = sorted(ROOT.rglob("*.py"))
TREES = {path: ast.parse(path.read_bytes()) for path in FILES}


def imports(path: Path) -> Iterator[str]:
    """Every import of a file, those inside functions included, as a dotted name."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module}.{alias.name}" for alias in node.names)


def own_folders(path: Path) -> set[str]:
    """The folders of this package that a file imports."""
    names = (name.split(".") for name in imports(path) if name.partition(".")[0] == "mockmoov")
    return {parts[1] if parts[1] in LAYERS else "mockmoov" for parts in names}


def libraries(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)} - {"mockmoov"}


def test_folders_import_only_layers_below() -> None:
    assert {folder_of(path) for path in FILES} <= LAYERS.keys()
    wrong = {
        str(path.relative_to(ROOT)): sorted(upward)
        for path in FILES
        if (upward := own_folders(path) - LAYERS[folder_of(path)] - {folder_of(path)})
    }
    assert not wrong


def test_pure_layers_have_no_clock_and_no_io() -> None:
    wrong = [
        path.relative_to(ROOT)
        for path in FILES
        if folder_of(path) in PURE
        if libraries(path) & IMPURE
        or any(
            isinstance(node, ast.AsyncFunctionDef)
            or (isinstance(node, ast.Call) and ast.unparse(node.func) in {"open", "print", "input"})
            for node in ast.walk(TREES[path])
        )
    ]
    assert not wrong


def test_lower_layers_need_few_libraries() -> None:
    used = {
        folder: {name for path in FILES if folder_of(path) == folder for name in libraries(path)}
        for folder in LIBRARIES
    }
    foreign = {folder: names - sys.stdlib_module_names for folder, names in used.items()}
    assert foreign == LIBRARIES


SYSTEMS_OWN = re.compile(
    r"import (?:fcntl|grp|pwd|resource|termios)\b|signal\.SIG(?!INT\b|TERM\b|CHLD\b|_)"
    r"|os\.fork|AF_UNIX|SO_REUSEPORT"
)


def test_nothing_needs_what_only_some_systems_have() -> None:
    found = {path.name: SYSTEMS_OWN.findall(path.read_text()) for path in FILES}
    assert {name: uses for name, uses in found.items() if uses} == {}


UNUSED = {
    "mockmoov": "msgspec starlette uvicorn anyio cryptography nacl httpx2 click mockmoov.testing",
    "mockmoov.client": "msgspec starlette uvicorn cryptography nacl click mockmoov.oauth",
    "mockmoov.pytest_plugin": "msgspec starlette uvicorn httpx2 mockmoov.testing mockmoov.client",
    "mockmoov.cli.main": "starlette uvicorn httpx2 jwt nacl hypothesis mockmoov.client mockmoov.verify.run",
    "mockmoov.testing": "cryptography jwt yaml jsonschema referencing regex rstr mockmoov.openapi",
    "mockmoov.oauth.responses, mockmoov.simulation.fault_effects": "mockmoov.oauth.contracts",
}


@pytest.mark.slow
def test_unused_modules_are_not_imported() -> None:
    for modules, unused in UNUSED.items():
        command = [sys.executable, "-c", f"import {modules}\nimport sys\nprint(*sys.modules)"]
        loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert not set(loaded) & set(unused.split()), modules
