"""mockmoov where people put it: greenlets, faked files, a zipped package, health checks, proxies."""

import http.client
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mockmoov import __version__
from tests.e2e.test_packaging import ROOT, build
from tests.support.missing import without
from tests.support.serving import commands_on_the_path, environment, serving, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
HERE = Path(__file__).parent
HEALTH = "/_mockmoov/health"
Installed = Callable[[str, Path], Path]


def need(*tools: str) -> None:
    """Skip the test unless these programs, or modules (`module:NAME`), are here."""
    for tool in tools:
        _, _, module = tool.partition("module:")
        if (importlib.util.find_spec(module) if module else shutil.which(tool, path=PATH)) is None:
            without(f"{module or tool} is not on this machine")


PATH = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"  # where Debian has what only root runs


def run(*command: str, cwd: Path | None = None, **variables: str) -> "subprocess.CompletedProcess[str]":
    env = {**environment(), **commands_on_the_path(), **variables}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=env, cwd=cwd)


# --- threads that are greenlets -----------------------------------------------------------------------

PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    # trio, which httpcore2 imports where it is installed, doesn't work with eventlet.
    "eventlet": "import sys; sys.modules['trio'] = None; import eventlet; eventlet.monkey_patch()",
}
START = """
from mockmoov.testing import MockMoov, StartError
try:
    MockMoov()
except StartError as error:
    print(error)
"""
CONNECT = """
import os, urllib.request
from mockmoov import MockMoov
with MockMoov.connect(os.environ["MOCKMOOV_URL"]) as server:
    key = server.new_api_key()
    request = urllib.request.Request(server.url + "/ping", headers={"Authorization": f"Bearer {key.mint()}"})
    urllib.request.urlopen(request).close()
    print(len(key.exchanges.wait(1, timeout=10)))
"""


@pytest.mark.parametrize("library", PATCHES)
def test_among_greenlets_a_start_fails_at_once_and_says_what_works(library: str) -> None:
    need(f"module:{library}")
    done = run(sys.executable, "-W", "ignore", "-c", PATCHES[library] + START)
    assert done.stdout == (
        f"{library} has replaced threads in this process: start the server in another one, "
        "with `mockmoov serve`, and use MockMoov.connect(url)\n"
    )


@pytest.mark.parametrize("library", PATCHES)
def test_greenlets_can_use_a_server_elsewhere(library: str) -> None:
    need(f"module:{library}")
    program = PATCHES[library] + CONNECT
    done = run("mockmoov", "run", "--", sys.executable, "-W", "ignore", "-c", program)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_plugin_says_the_same_in_one_line(tmp_path: Path) -> None:
    need("module:gevent")
    (tmp_path / "conftest.py").write_text("from gevent import monkey\nmonkey.patch_all()\n")
    (tmp_path / "test_it.py").write_text("def test_it(moov):\n    assert moov.mint()\n")
    test = (
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
    )
    failed, passed = run(*test, cwd=tmp_path), run("mockmoov", "run", "--", *test, cwd=tmp_path)
    assert (
        "has replaced threads in this process: run the tests with `mockmoov run -- pytest`\n" in failed.stdout
    )
    assert (passed.returncode, "1 passed" in passed.stdout) == (0, True), passed.stdout


# --- faked files, a zipped package --------------------------------------------------------------------


FAKED_FILES = """
import urllib.request

import pytest


def ping(moov):
    request = urllib.request.Request(f"{moov.url}/ping", headers={"Authorization": f"Bearer {moov.mint()}"})
    with urllib.request.urlopen(request) as response:
        assert response.status == 200


def test_before(fs, moov):
    ping(moov)
    assert len(moov.exchanges.exactly(1)) == 1


def test_after(moov, fs):
    ping(moov)


@pytest.mark.mockmoov(tls=True)
def test_https(fs, moov):
    ping(moov)


def test_client(fs, moov_client):
    assert moov_client.create(scope="/ping.read").access_token


@pytest.mark.parametrize("settings", [{}, {"tls": True}, {"seed": "a"}])
def test_imported_and_started_within(fs, settings):
    from mockmoov import MockMoov

    with MockMoov(**settings) as server:
        ping(server)
        ping(server.new_api_key())


def test_faked_files_are_still_there(fs, moov):
    fs.create_file("/only/here", contents="text")
    ping(moov)
    with open("/only/here") as file:
        assert file.read() == "text"
"""


def test_faked_files_change_nothing(tmp_path: Path) -> None:
    need("module:pyfakefs")
    (tmp_path / "test_it.py").write_text(FAKED_FILES)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    done = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert "8 passed" in done.stdout, done.stdout


ZIPPED = """
import sys
import mockmoov
from mockmoov import MockMoov
with MockMoov(tls=True) as server:
    print(mockmoov.__file__, server.new_api_key().mint().count("."))
"""


def test_a_wheel_on_the_path_is_enough(tmp_path: Path) -> None:
    wheel = build("wheel", ROOT, tmp_path / "wheel")
    variables = {
        "PYTHONPATH": str(wheel),
        "COVERAGE_PROCESS_CONFIG": "",
    }  # what is in it is measured elsewhere
    program = run(sys.executable, "-W", "error", "-c", ZIPPED, cwd=tmp_path, **variables)
    assert program.stdout == f"{wheel}/mockmoov/__init__.py 2\n", program.stderr
    for command in ("scopes", "operations", "verify --help", "run true", "--version"):
        done = run(sys.executable, "-m", "mockmoov", *command.split(), cwd=tmp_path, **variables)
        assert done.returncode == 0, done.stderr
    assert done.stdout == f"mockmoov, version {__version__}\n"


# --- health checks and proxies ------------------------------------------------------------------------


def test_tools_that_wait_for_a_server_find_it(installed: Installed) -> None:
    need("wget")
    programs = installed("wait-on", HERE / "package.json") / "node_modules" / ".bin"
    with serving() as url:
        waiters = {
            "wait-on": (str(programs / "wait-on"), "--timeout", "20000", url + HEALTH),
            "wget": ("wget", "--quiet", "--tries=1", "--spider", url + HEALTH),
            "healthcheck": ("mockmoov", "healthcheck", "--wait", "20", f"--url={url}"),
        }
        assert {name: run(*command).returncode for name, command in waiters.items()} == dict.fromkeys(
            waiters, 0
        )


def test_start_server_and_test_starts_it_and_runs_a_test(installed: Installed) -> None:
    folder = installed("wait-on", HERE / "package.json")
    port = free_port()
    url = f"http://localhost:{port}"
    program = folder / "node_modules" / ".bin" / "start-server-and-test"
    serve, test = f"mockmoov serve --port {port}", f"mockmoov token --url {url} --scope /ping.read"
    done = run(str(program), serve, url + HEALTH, test, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def proxy(program: str, template: str, folder: Path, url: str) -> Iterator[int]:
    """A proxy with this configuration, in front of the server at the URL; yields its port."""
    need(program)
    port = free_port()
    file = folder / template
    text = (HERE / template).read_text().format(port=port, mockmoov=urlsplit(url).port, folder=folder)
    file.write_text(text)
    command = [str(shutil.which(program, path=PATH)), {"haproxy": "-f", "nginx": "-c"}[program], str(file)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield port
        finally:
            process.terminate()


NO_CREDENTIALS = "no Authorization header was sent: send a Bearer token"


def answer(port: int, path: str = "/ping") -> tuple[int, str]:
    """The status that is answered at a port, 0 if nobody listens, and the reason."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with closing(connection), suppress(ConnectionRefusedError):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.headers.get("x-mockmoov-reason", "")
    return 0, ""


def test_haproxy_finds_it_healthy(tmp_path: Path) -> None:
    with serving() as url, proxy("haproxy", "haproxy.cfg", tmp_path, url) as port:
        until(lambda: answer(port)[0] not in (0, 503))  # it is not up, or has not found mockmoov healthy
        assert answer(port) == (401, NO_CREDENTIALS)


def test_nginx_learns_which_host_to_allow(tmp_path: Path) -> None:
    with serving() as url, proxy("nginx", "nginx.conf", tmp_path, url) as port:
        until(lambda: answer(port)[0] != 0)
        advice = "the Host moov_backend is not allowed: add it to --allowed-hosts"
        assert answer(port) == (421, advice)
    with serving("--allowed-hosts=moov_backend") as url, proxy("nginx", "nginx.conf", tmp_path, url) as port:
        until(lambda: answer(port)[0] != 0)
        assert answer(port) == (401, NO_CREDENTIALS)
