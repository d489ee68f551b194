"""The server that foreign programs talk to: owns its process, and knows nothing of the programs."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

START_SECONDS = 30.0
STOP_SECONDS = 15.0


def package_folder() -> str:
    """The folder that the package is imported from, so that no server is run but the one under test."""
    found = importlib.util.find_spec("mockmoov")
    assert found is not None, "mockmoov cannot be imported"
    assert found.origin is not None, "mockmoov is not a package"
    return str(Path(found.origin).parents[1])


def await_url(server: subprocess.Popen[bytes], ready: Path, log: Path) -> str:
    """The URL that the server writes when it answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            pytest.fail(f"the server ended with {server.returncode}:\n{log.read_text()}", pytrace=False)
        with contextlib.suppress(FileNotFoundError):
            if url := ready.read_text(encoding="utf-8").strip():
                return url
        time.sleep(0.02)
    pytest.fail(f"the server was not ready after {START_SECONDS} s:\n{log.read_text()}", pytrace=False)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this session, the same for all of its processes."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "foreign"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server in a process of its own, which must end with 0 when asked to."""
    folder = tmp_path_factory.mktemp("served")
    ready, log = folder / "ready", folder / "stderr"
    env = {key: value for key, value in os.environ.items() if not key.startswith("MOCKMOOV_")}
    env["PYTHONPATH"] = package_folder()
    argv = [sys.executable, "-m", "mockmoov", "serve", "--port", "0", "--ready-file", str(ready)]
    with log.open("wb") as stderr:
        server = subprocess.Popen(argv, cwd=folder, env=env, stdout=stderr, stderr=stderr)
    try:
        yield await_url(server, ready, log)
        assert server.poll() is None, f"the server died with {server.returncode}:\n{log.read_text()}"
        server.send_signal(signal.SIGTERM)
        assert server.wait(STOP_SECONDS) == 0, f"SIGTERM: {server.returncode}, not 0:\n{log.read_text()}"
    finally:
        if server.poll() is None:
            server.kill()
            server.wait(STOP_SECONDS)
