"""mockmoov on a system without what only Unix has. It runs on Windows and macOS, too."""

import subprocess
import sys

import httpx2
import pytest

from mockmoov import MockMoov
from tests.support.serving import environment

pytestmark = pytest.mark.slow
# Takes away what Windows lacks, and runs a command of mockmoov.
ELSEWHERE = """
import os, signal, sys
for module in ("uvloop", "fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[module] = None
for name in ("SIGCHLD", "SIGHUP", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2"):
    vars(signal).pop(name, None)
for name in ("fork", "getpgrp", "tcgetpgrp", "O_NOCTTY"):
    vars(os).pop(name, None)
from mockmoov.cli.main import main
main()
"""
ASK = """
import os, ssl, urllib.request
trusted = ssl.create_default_context(cafile=os.environ["MOCKMOOV_CA_FILE"])
for url in (os.environ["MOOV_BASE_URL"], os.environ["MOOV_HTTPS_URL"]):
    with urllib.request.urlopen(url + "/_mockmoov/health", context=trusted if "https" in url else None):
        print(url)
raise SystemExit(7)
"""


def elsewhere(*arguments: str) -> "subprocess.Popen[str]":
    """A command of mockmoov on such a system."""
    command = [sys.executable, "-c", ELSEWHERE, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment())


def test_run_starts_a_server_and_passes_the_exit_code_on() -> None:
    with elsewhere("run", "--tls", "--", sys.executable, "-c", ASK) as process:
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output.count("https://localhost:")) == (7, 1), errors


def test_serve_answers_until_it_is_stopped() -> None:
    with elsewhere("serve", "--port=0") as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert httpx2.get(f"{url}/_mockmoov/health").status_code == 200
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0 or sys.platform == "win32"  # where terminate() is the end


def test_a_server_in_a_thread_answers() -> None:
    with MockMoov() as server:
        key = server.new_api_key()
        headers = {"Authorization": f"Bearer {key.mint()}"}
        assert httpx2.get(f"{server.url}/ping", headers=headers).status_code == 200
        assert len(key.exchanges.exactly(1)) == 1
