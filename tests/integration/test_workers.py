"""`mockmoov serve --workers 2`: real processes that are one server."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mockmoov.config.settings import SettingsError
from mockmoov.testing import MockMoov
from tests.support import command_line
from tests.support.connections import over_http
from tests.support.serving import environment, workers_of
from tests.support.tokens import mint, ping, revoke

pytestmark = pytest.mark.slow
PATIENCE = 30  # seconds


def eventually(holds: Callable[[], Any]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


@dataclass
class Workers:
    """A supervisor and its workers, with the folder for their temporary files."""

    process: subprocess.Popen[str]
    folder: Path
    flags: tuple[str, ...]

    @property
    def url(self) -> str:
        return (self.folder / "ready").read_text()

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]

    @property
    def messages(self) -> list[str]:
        return [line["message"] for line in self.log]

    @property
    def pids(self) -> list[int]:
        """The processes of the workers, the newest last."""
        return workers_of(self.process)

    @property
    def left(self) -> list[str]:
        """The temporary folders of workers."""
        return [path.name for path in self.folder.glob("mockmoov-workers-*")]

    def ask(self, path: str = "/_mockmoov/health") -> int:
        """The status of a request on a new connection."""
        return httpx2.get(f"{self.url}{path}", timeout=PATIENCE).status_code


@contextmanager
def workers(folder: Path, *flags: str) -> Iterator[Workers]:
    """Start two workers; yields once both answer. They have a session of their own."""
    (folder / "ready").unlink(missing_ok=True)
    command = [sys.executable, "-m", "mockmoov", "serve", "--port=0", "--workers=2", "--log-format=json"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [*command, "--ready-file", str(folder / "ready"), *flags],
            stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
            env={**environment(), "TMPDIR": str(folder)},
        ) as process,
    ):  # fmt: skip
        running = Workers(process, folder, flags)
        try:
            eventually((folder / "ready").exists)
            yield running
        finally:
            process.terminate()
            process.wait(PATIENCE)


def test_both_answer_and_are_one_server(tmp_path: Path) -> None:
    with workers(tmp_path) as both, MockMoov.connect(both.url) as moov:
        assert both.process.stdout is not None
        lines = [both.process.stdout.readline().strip() for _ in range(6)]
        assert lines[2] == "2 workers answer"
        assert lines[5].startswith("state in a temporary file: a restart ends all tokens")
        with over_http(both.url) as send:
            token, revoked = mint(send)["access_token"], mint(send)["access_token"]
            revoke(send, revoked)
        moov.clock.shift(seconds=60)
        moov.faults.add(endpoint="listAccounts", status=503, times=2)

        def found() -> tuple[int, int]:
            with over_http(both.url) as send:  # a new connection, which either may accept
                return ping(send, token), ping(send, revoked)

        answers = set[tuple[int, int]]()

        def both_answered() -> bool:
            answers.add(found())
            return {line.get("worker") for line in both.log if "/ping" in line["message"]} == {1, 2}

        eventually(both_answered)
        assert answers == {(200, 401)}
        headers = {"authorization": f"Bearer {moov.mint(scope='/accounts.read')}"}
        statuses = [httpx2.get(f"{both.url}/accounts", headers=headers).status_code for _ in range(10)]
        assert statuses == [503] * 2 + [501] * 8
        assert len(moov.exchanges.wait(12)) >= 12
        assert both.left
    assert both.process.returncode == 0
    assert (both.left, (tmp_path / "ready").exists()) == ([], False)


def test_killed_worker_is_replaced_and_what_tests_have_changed_stays(tmp_path: Path) -> None:
    with workers(tmp_path) as both, MockMoov.connect(both.url) as moov:
        (key,) = moov.api_keys
        key.change(scopes=["/ping.read"])
        for _ in range(2):  # both of those that have started first
            os.kill(both.pids[0], signal.SIGKILL)
            assert [both.ask() for _ in range(100)] == [200] * 100
            eventually(lambda: len(both.pids) == 2)
        warnings = [line["message"] for line in both.log if line["level"] == "WARNING"]
        assert sorted(warnings) == [
            f"worker {number} ended by SIGKILL: another one replaces it" for number in (1, 2)
        ]
        answered = len(both.log)
        eventually(lambda: both.ask() and {line.get("worker") for line in both.log[answered:]} == {1, 2})
        assert moov.api_keys.get(key.client_id).scopes == ("/ping.read",)


def test_workers_that_keep_dying_end_the_server(tmp_path: Path) -> None:
    with workers(tmp_path) as both:
        while both.process.poll() is None:
            for pid in both.pids[-1:]:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        assert both.process.returncode == 1
    assert both.messages[-1].endswith(
        "ended by SIGKILL, and 5 in a row lived less than a second: the server stops"
    )
    assert both.left == []


def test_a_worker_that_cannot_start_ends_the_server(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    # Only workers load a module as the main one under this name.
    (broken / "sitecustomize.py").write_text(
        "import sys\nif 'spawn_main' in ' '.join(sys.orig_argv): sys.exit(3)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mockmoov", "serve", "--port=0", "--workers=2"],
        env={**environment(), "TMPDIR": str(tmp_path), "PYTHONPATH": str(broken)},
        capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "ended with exit code 1, and it never answered: the server stops" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_signals_end_all_with_code_0(name: str, tmp_path: Path) -> None:
    with workers(tmp_path) as both:
        pids, url = both.pids, both.url
        os.killpg(both.process.pid, getattr(signal, name))  # as a terminal does
        assert both.process.wait(PATIENCE) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(url)
    assert both.messages == ([f"{name}: the server stops"] if name != "SIGTERM" else both.messages)
    assert not [line for line in both.log if "traceback" in line]
    assert both.left == []


def test_killed_supervisor_leaves_nothing(tmp_path: Path) -> None:
    with workers(tmp_path) as both:
        pids, url = both.pids, both.url
        both.process.kill()
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
        assert both.left == []
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(url)


def test_next_start_removes_what_is_left_of_those_killed_together(tmp_path: Path) -> None:
    with workers(tmp_path) as first:
        (left,) = first.left
        for pid in (first.process.pid, *first.pids):
            os.kill(pid, signal.SIGKILL)
        first.process.wait(PATIENCE)
    with workers(tmp_path) as running:
        (used,) = running.left
        assert used != left
        command = [sys.executable, "-m", "mockmoov", "serve", "--port=0", "--workers=2"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**environment(), "TMPDIR": str(tmp_path)}
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline()
            assert used in running.left, "it belongs to a server that runs"
            other.terminate()
        assert running.ask() == 200


def test_both_use_one_certificate(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    with workers(tmp_path, "--tls", "on", "--tls-port", "0", "--tls-ca-file", str(ca)) as both:
        assert both.process.stdout is not None
        https = both.process.stdout.readline().split()[-1]

        def answered() -> bool:
            context = ssl.create_default_context(cafile=ca)
            assert httpx2.get(f"{https}/_mockmoov/ca.pem", verify=context).content == ca.read_bytes()
            return {line.get("worker") for line in both.log} == {1, 2}

        eventually(answered)


def test_workers_keep_state_in_a_durable_store(tmp_path: Path) -> None:
    flags = ("--store", f"sqlite:{tmp_path / 'state.db'}")
    with workers(tmp_path, *flags) as both, over_http(both.url) as send:
        token = mint(send)["access_token"]
        assert both.left == []
    with workers(tmp_path, *flags) as both, over_http(both.url) as send:
        assert ping(send, token) == 200


def test_only_serve_has_workers() -> None:
    result = command_line.run("run", "--workers", "2", "--", "true")
    assert (result.exit_code, result.stderr) == (
        2,
        "mockmoov: --workers: this command serves in one process: leave it out\n",
    )
    with pytest.raises(SettingsError, match=r"^MockMoov: workers: MockMoov serves in this process"):
        MockMoov(workers=2)
