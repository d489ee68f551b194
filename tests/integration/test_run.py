"""`mockmoov run`: a server for as long as a program takes, in real processes."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mockmoov.cli.run import Forwarder
from tests.support.servers import CLIENT_SECRET
from tests.support.serving import commands_on_the_path, environment, until

pytestmark = pytest.mark.slow
ASK = """
import os, urllib.request
url = os.environ["MOOV_BASE_URL"]
urllib.request.urlopen(url + "/_mockmoov/health").close()
print(url)
"""
# Writes each signal that it gets to a file, and ends with how many there were once it gets the last one.
COUNT = """
import pathlib, signal, sys
got, (file, *names, last) = [], sys.argv[1:]
def count(number, frame):
    got.append(number)
    pathlib.Path(file).write_text(signal.Signals(number).name)
for name in [*names, last]:
    signal.signal(getattr(signal, name), count)
pathlib.Path(file).write_text("ready")
while getattr(signal, last) not in got:
    signal.pause()
sys.exit(len(got))
"""


@pytest.fixture(autouse=True)
def no_signal_is_ignored() -> Iterator[None]:
    """As in a terminal: a shell starts what it runs in the background with SIGINT and SIGQUIT ignored."""
    names = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1)
    ignored = [number for number in names if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mockmoov", "run", *arguments]
    variables = {**environment(), **commands_on_the_path(), **variables}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=variables)


def test_program_finds_a_running_server_that_then_stops() -> None:
    done = run("--", sys.executable, "-c", ASK)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    url = done.stdout.strip()
    assert f"listens on {url}\n" in done.stderr
    assert CLIENT_SECRET not in done.stderr
    assert run("--", "mockmoov", "healthcheck", f"--url={url}").returncode == 1


def test_commands_of_mockmoov_find_the_server_and_its_key() -> None:
    keys = '[{"client_id": "mine", "client_secret": "only-for-tests"}]'
    script = 'mockmoov healthcheck && mockmoov token --scope /ping.read && echo "$MOOV_CLIENT_ID"'
    done = run(f"--api-keys={keys}", "--", "sh", "-c", script)
    token, client_id = done.stdout.split()
    assert (done.returncode, token.count("."), client_id) == (0, 2, "mine")


def test_commands_of_mockmoov_see_the_settings_in_flags() -> None:
    account = "0b7f3a5e-1111-4c2d-9e8f-aabbccddeeff"
    keys = f'[{{"client_id": "mine", "client_secret": "only-for-tests", "account_id": "{account}"}}]'
    scope = "/accounts/{accountID}/cards.read"
    done = run(f"--api-keys={keys}", "--", "mockmoov", "token", "--scope", scope)
    assert (done.returncode, done.stdout.count(".")) == (0, 2), done.stderr


def test_program_finds_mockmoov_without_it_on_the_path() -> None:
    script = 'mockmoov --version >&2 && echo "$PATH"'
    done = run("--", "sh", "-c", script, PATH=os.defpath)
    assert done.stdout.startswith(f"{os.defpath}{os.pathsep}")
    assert run("--", "mockmoov", "--version", PATH=os.defpath).returncode == 0
    path = commands_on_the_path()["PATH"]
    assert run("--", "sh", "-c", script).stdout == f"{path}\n"


def test_program_gets_no_variable_of_another_server() -> None:
    done = run("--tls", "--", "mockmoov", "run", "--tls=off", "--", "env")
    names = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert "MOOV_BASE_URL" in names
    assert not names & {"MOOV_HTTPS_URL", "MOCKMOOV_CA_FILE"}


def test_exit_code_is_known_where_children_are_ignored() -> None:
    ignoring = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
    program = f"{ignoring}from mockmoov.cli.main import main; main()"
    command = [sys.executable, "-c", program, "run", "--", "false"]
    assert subprocess.run(command, check=False, stderr=subprocess.DEVNULL, env=environment()).returncode == 1


def test_program_finds_https_and_the_ca() -> None:
    done = run(
        "--tls", "--", "sh", "-c", 'mockmoov healthcheck --url "$MOOV_HTTPS_URL"; echo "$? $MOCKMOOV_CA_FILE"'
    )
    code, ca_file = done.stdout.split()
    assert (code, Path(ca_file).name, Path(ca_file).exists()) == ("0", "ca.pem", False)


def test_exit_code_is_the_programs_or_says_what_failed(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    table = {
        0: ("true",),
        7: ("sh", "-c", "exit 7"),
        128 + signal.SIGKILL: ("sh", "-c", "kill -9 $$"),
        127: ("no-such-program",),
        126: (str(plain),),
        2: ("--host=203.0.113.1", "true"),
    }
    assert {code: run(*command).returncode for code, command in table.items()} == {
        code: code for code in table
    }
    assert "cannot run no-such-program: No such file or directory" in run("no-such-program").stderr


def test_flags_after_the_program_are_its_own() -> None:
    done = run("--access-log=off", "echo", "--port", "x")
    assert (done.returncode, done.stdout) == (0, "--port x\n")


def counting(file: Path, *names: str, terminal: int | None = None) -> "subprocess.Popen[bytes]":
    """`mockmoov run` in a session with a program that counts its signals; the last of them ends it."""
    command = [sys.executable, "-m", "mockmoov", "run", sys.executable, "-c", COUNT, str(file), *names]
    process = subprocess.Popen(
        command,
        stderr=subprocess.DEVNULL,
        env=environment(),
        start_new_session=True,
        preexec_fn=None if terminal is None else lambda: os.login_tty(os.dup(terminal)),  # noqa: PLW1509
    )
    until(lambda: file.exists() or process.poll() is not None)
    return process


def test_signals_go_to_the_program(tmp_path: Path) -> None:
    file = tmp_path / "signals"
    with counting(file, "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGTERM") as process:
        for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1"):
            process.send_signal(getattr(signal, name))
            until(lambda name=name: file.read_text() == name)  # type: ignore[misc]
        process.terminate()
        assert process.wait(30) == 5


def test_a_key_of_the_terminal_reaches_the_program_once(tmp_path: Path) -> None:
    file = tmp_path / "signals"
    keyboard, terminal = pty.openpty()
    try:
        with counting(file, "SIGINT", "SIGTERM", terminal=terminal) as process:
            os.write(keyboard, b"\x03")
            until(lambda: file.read_text() == "SIGINT")
            process.terminate()
            assert process.wait(30) == 2
    finally:
        os.close(keyboard)
        os.close(terminal)


def test_a_signal_that_comes_too_early_goes_to_the_program_later() -> None:
    forwarder = Forwarder()
    forwarder(signal.SIGTERM, None)
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        forwarder.start(process)
        assert process.wait(30) == -signal.SIGTERM


def test_a_signal_that_is_ignored_is_not_forwarded(tmp_path: Path) -> None:
    file = tmp_path / "signals"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with counting(file, "SIGHUP", "SIGTERM") as process:
            process.send_signal(signal.SIGHUP)
            process.terminate()
            assert process.wait(30) == 1
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_while_it_ends_leaves_nothing_behind(tmp_path: Path) -> None:
    program = "import os, signal; os.kill(os.getppid(), signal.SIGTERM)"
    command = [sys.executable, "-m", "mockmoov", "run", "--tls", "--", sys.executable, "-c", program]
    variables = {**environment(), "TMPDIR": str(tmp_path)}
    for _ in range(3):
        done = subprocess.run(command, check=False, stderr=subprocess.DEVNULL, env=variables)
        assert done.returncode in (0, 128 + signal.SIGTERM)
        assert list(tmp_path.iterdir()) == []


def test_keys_of_a_console_of_windows_are_not_forwarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "tcgetpgrp")
    forwarder = Forwarder()
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        forwarder.start(process)
        forwarder(signal.SIGINT, None)
        forwarder(signal.SIGTERM, None)
        assert process.wait(30) == -signal.SIGTERM
