"""What the end-to-end tests share: npm packages."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.foreign_clients.clients import NPM
from tests.e2e.foreign_clients.programs import run, tool_environment
from tests.support.missing import without


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], Path]:
    """Brings the npm packages of a package.json to a folder that all test processes share, once."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            without(f"{tool} is not on this machine")
    own = tmp_path_factory.getbasetemp()
    parent = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def install(name: str, package: Path) -> Path:
        folder = parent / name
        folder.mkdir(exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "done").exists():
                shutil.copy(package, folder / "package.json")
                fetched = run(NPM, cwd=folder, env=tool_environment(), out=folder)
                if fetched.returncode != 0:
                    without(f"{name} cannot be fetched: {fetched.stdout}{fetched.stderr}"[:500])
                (folder / "done").touch()
        return folder

    return install
