"""The command line: settings from four sources, clear mistakes, and commands that talk to a server."""

import contextlib
import errno
import json
import logging
import os
import re
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from click.testing import CliRunner, Result

import mockmoov.__main__
from mockmoov import __version__
from mockmoov.cli.main import main
from mockmoov.config.settings import SETTINGS, load
from mockmoov.config.sources import PREFIX
from mockmoov.data.scopes import SCOPES
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, another_key, basic

_open = build_opener(ProxyHandler({})).open


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(PREFIX) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def restored_loggers() -> Iterator[None]:
    names = ("mockmoov", "mockmoov.access", "uvicorn")
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    yield
    for logger, level in before:
        logger.disabled = False
        logger.setLevel(level)


def invoke(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environment, prog_name="mockmoov")


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.01)


def ask(url: str, path: str, headers: dict[str, str] | None = None) -> int:
    try:
        with _open(Request(url + path, headers=headers or {}), timeout=10) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


# --- serve: mistakes ----------------------------------------------------------------------------


def refusal(result: Result) -> str:
    """What a command says that ends with exit code 2 before anything is served."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    return result.stderr


def test_an_unknown_flag_is_exit_code_2_and_names_the_nearest() -> None:
    said = refusal(invoke("serve", "--prot", "1"))
    assert "--prot" in said
    assert "--port" in said


def test_an_unknown_variable_is_exit_code_2_and_names_the_nearest() -> None:
    said = refusal(invoke("serve", MOCKMOOV_PROT="1"))
    assert said == "mockmoov: MOCKMOOV_PROT: there is no such setting; did you mean MOCKMOOV_PORT?\n"


@pytest.mark.parametrize("source", ["flag", "variable"])
def test_an_unknown_key_of_the_file_is_exit_code_2_and_names_the_nearest(tmp_path: Path, source: str) -> None:
    path = tmp_path / "mockmoov.toml"
    path.write_text("token_fromat = 'opaque'\n")
    arguments = ("--config", str(path)) if source == "flag" else ()
    environment = {} if source == "flag" else {"MOCKMOOV_CONFIG": str(path)}
    said = refusal(invoke("serve", *arguments, **environment))
    assert said.startswith(f"mockmoov: {path}: token_fromat: there is no such setting; did you mean ")
    assert said.endswith("token_format?\n")


def test_a_bad_value_is_exit_code_2_in_the_spelling_of_its_source(tmp_path: Path) -> None:
    path = tmp_path / "mockmoov.toml"
    path.write_text("token_format = 'opaqe'\n")
    rest = " must be one of jwt, opaque; did you mean opaque?\n"
    assert refusal(invoke("serve", "--token-format", "opaqe")) == f"mockmoov: --token-format{rest}"
    assert refusal(invoke("serve", MOCKMOOV_TOKEN_FORMAT="opaqe")) == f"mockmoov: MOCKMOOV_TOKEN_FORMAT{rest}"
    assert refusal(invoke("serve", "--config", str(path))) == f"mockmoov: {path}: token_format{rest}"


@pytest.mark.parametrize("source", ["flag", "variable"])
def test_bad_api_keys_are_exit_code_2_without_a_word_of_the_secret(source: str) -> None:
    text = json.dumps([{"client_id": "a", "client_secret": "very-secret", "scope": []}])
    arguments = ("--api-keys", text) if source == "flag" else ()
    environment = {} if source == "flag" else {"MOCKMOOV_API_KEYS": text}
    said = refusal(invoke("serve", *arguments, **environment))
    assert "did you mean scopes?" in said
    assert "very-secret" not in said


def test_a_key_file_that_is_none_is_exit_code_2(tmp_path: Path) -> None:
    said = refusal(invoke("serve", "--signing-key", str(tmp_path / "missing.pem")))
    assert said == f"mockmoov: signing_key {tmp_path / 'missing.pem'}: No such file or directory\n"


def test_an_address_that_is_not_ours_is_exit_code_1() -> None:
    result = invoke("serve", "--host", "203.0.113.1", "--port", "0")
    assert result.exit_code == 1
    assert result.stderr.startswith("mockmoov: cannot listen on 203.0.113.1 port 0: ")
    assert result.stdout == ""


# --- serve: running -----------------------------------------------------------------------------


class Served(Result):
    """The result of `mockmoov serve`, with the URL it had."""

    url: str


def serve(directory: Path, use: Callable[[str], object], *arguments: str, **environment: str) -> Served:
    """Run `mockmoov serve` in this thread while another uses it and then stops it."""
    ready = directory / "ready"
    done = threading.Event()
    urls: list[str] = []

    def user() -> None:
        until(lambda: ready.exists() or done.is_set())
        if not done.is_set():  # so that the signal has somebody to catch it
            urls.append(ready.read_text())
            try:
                use(urls[0])
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=user)
    thread.start()
    try:
        result = invoke("serve", "--port", "0", "--ready-file", str(ready), *arguments, **environment)
    finally:
        done.set()
        thread.join(timeout=60)
    assert result.exit_code == 0, result.output
    result.__class__ = Served
    assert isinstance(result, Served)
    (result.url,) = urls
    return result


def test_the_start_up_lines_say_the_url_the_client_id_and_which_contract_a_missing_header_gets(
    tmp_path: Path,
) -> None:
    result = serve(tmp_path, lambda _: None)
    assert result.stdout.splitlines() == [
        f"mockmoov {__version__} listens on {result.url}",
        f"client_id {CLIENT_ID}, client_secret {CLIENT_SECRET}",
        "requests without X-Moov-Version use contract 2023 (default_version is 2023)",
        f"control plane at {result.url}/_mockmoov: on",
    ]


def test_the_start_up_lines_have_no_secret_but_that_of_the_documented_example(tmp_path: Path) -> None:
    key = another_key("mine")
    example = {"client_id": CLIENT_ID, "client_secret": "changed-from-the-example"}
    result = serve(
        tmp_path, lambda _: None, "--default-version=latest", MOCKMOOV_API_KEYS=json.dumps([key, example])
    )
    assert result.stdout.splitlines()[1:] == [
        "client_id mine",
        f"client_id {CLIENT_ID}",
        "requests without X-Moov-Version use contract dated (default_version is latest)",
        f"control plane at {result.url}/_mockmoov: on",
    ]
    assert key["client_secret"] not in result.output
    assert "changed-from-the-example" not in result.output


@pytest.mark.parametrize(
    ("arguments", "on"),
    [
        (["--host=0.0.0.0"], False),
        (["--host=0.0.0.0", "--control=on"], True),
        (["--host=0.0.0.0", "--control-token=very-secret"], True),
        (["--host=0.0.0.0", "--control-token=very-secret", "--control=off"], False),
        (["--host=127.0.0.1", "--control=off"], False),
        (["--host=127.0.0.1", "--control-token=very-secret"], True),
    ],
    ids=str,
)
def test_a_start_up_line_says_whether_the_control_plane_is_there_as_it_is(
    tmp_path: Path, arguments: list[str], on: bool
) -> None:
    statuses: list[int] = []
    token = {"X-Mockmoov-Token": "very-secret"}
    result = serve(tmp_path, lambda url: statuses.append(ask(url, "/_mockmoov/config", token)), *arguments)
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("control plane ")]
    assert line.startswith(f"control plane at {result.url}/_mockmoov: {'on' if on else 'off: '}")
    assert statuses == [200 if on else 404]
    assert "very-secret" not in result.output


def test_the_ready_file_is_whole_and_alone_and_the_server_answers_by_then(tmp_path: Path) -> None:
    seen: list[Any] = []

    def use(url: str) -> None:
        seen.extend([ask(url, "/_mockmoov/health"), sorted(path.name for path in tmp_path.iterdir())])

    result = serve(tmp_path, use)
    assert re.fullmatch(r"http://localhost:[0-9]+", result.url)
    assert seen == [200, ["ready"]]


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--host=203.0.113.1", "--port=0"], 1), (["--rate-limit=x"], 2)], ids=["1", "2"]
)
def test_a_ready_file_of_a_server_that_was_killed_is_gone_where_the_next_one_does_not_start(
    tmp_path: Path, arguments: list[str], code: int
) -> None:
    ready = tmp_path / "ready"
    ready.write_text("http://localhost:1")
    assert invoke("serve", f"--ready-file={ready}", *arguments).exit_code == code
    assert not ready.exists()


def test_the_ready_file_is_gone_before_anything_else_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = tmp_path / "ready"
    ready.write_text("http://localhost:1")
    seen: list[bool] = []
    monkeypatch.setattr(logging, "basicConfig", lambda **_: seen.append(ready.exists()))
    assert invoke("serve", f"--ready-file={ready}", "--rate-limit=x").exit_code == 2
    assert seen == [False]


def test_a_ready_file_that_cannot_be_removed_is_one_clear_line(tmp_path: Path) -> None:
    result = invoke("serve", "--port=0", f"--ready-file={tmp_path}")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"mockmoov: --ready-file {tmp_path}: ")
    assert len(result.stderr.splitlines()) == 1


def test_flag_environment_and_file_reach_the_server_in_that_order(tmp_path: Path) -> None:
    path = tmp_path / "mockmoov.toml"
    path.write_text('default_version = "v2024.01.00"\nhost = "127.0.0.1"\ntoken_format = "opaque"\n')
    result = serve(
        tmp_path,
        lambda _: None,
        "--default-version=2023-sdk",
        f"--config={path}",
        MOCKMOOV_DEFAULT_VERSION="latest",
        MOCKMOOV_HOST="::1",
    )
    assert "contract 2023-sdk" in result.stdout
    assert result.url.startswith("http://[::1]:")


@pytest.mark.parametrize(
    ("arguments", "host", "status"),
    [
        (("--host=localhost",), "evil.example", 421),
        (("--host=127.0.0.1", "--allowed-hosts=good.example"), "good.example", 200),
        (("--host=0.0.0.0",), "any.example", 200),
    ],
)
def test_the_host_rule_holds_on_loopback_only(
    tmp_path: Path, arguments: tuple[str, ...], host: str, status: int
) -> None:
    seen: list[int] = []
    serve(tmp_path, lambda url: seen.append(ask(url, "/_mockmoov/health", {"Host": host})), *arguments)
    assert seen == [status]


@pytest.mark.parametrize(("access_log", "lines"), [("on", 1), ("off", 0)])
def test_each_request_is_a_line_in_the_log_unless_that_is_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, access_log: str, lines: int
) -> None:
    caplog.set_level(logging.INFO)
    serve(tmp_path, lambda url: ask(url, "/_mockmoov/health"), f"--access-log={access_log}")
    assert sum("/_mockmoov/health" in line for line in caplog.messages) == lines


def test_what_container_links_inject_is_warned_about_and_not_obeyed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    serve(tmp_path, lambda _: None, MOCKMOOV_PORT="tcp://10.0.0.1:1", MOCKMOOV_SERVICE_HOST="10.0.0.1")
    warned = [line for line in caplog.messages if "ignored" in line]
    assert [line.split(":")[0] for line in sorted(warned)] == [
        "ignored MOCKMOOV_PORT",
        "ignored MOCKMOOV_SERVICE_HOST",
    ]


# --- help -------------------------------------------------------------------------------------------


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_the_help_of_serve_shows_every_setting_with_its_variable_and_default(flag: str) -> None:
    result = invoke("serve", flag)
    assert result.exit_code == 0
    said = squeezed(result.stdout)
    for name, item in SETTINGS.items():
        default = item.metadata["default"]
        shown = "the documented example" if name == "api_keys" else default or (0 if default == 0 else "none")
        entry = (
            f"--{name.replace('_', '-')} VALUE {item.metadata['help']} "
            f"[env: {PREFIX}{name.upper()}; default: {shown}]"
        )
        assert said.count(squeezed(entry)) == 1, name
    assert CLIENT_SECRET not in result.stdout


def test_the_options_of_serve_are_the_settings_in_their_order_and_two_more() -> None:
    flags = re.findall(r"^ +(--[a-z-]+) (?:VALUE|PATH)", invoke("serve", "--help").stdout, re.MULTILINE)
    assert flags == ["--config", "--ready-file", *(f"--{name.replace('_', '-')}" for name in SETTINGS)]


def test_the_help_names_every_command() -> None:
    said = invoke("--help").stdout
    for command in ("serve", "healthcheck", "token", "scopes", "verify"):
        assert re.search(rf"^ +{command} ", said, re.MULTILINE)


def test_an_unknown_command_is_exit_code_2() -> None:
    assert "No such command 'sreve'" in refusal(invoke("sreve"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "unused"),
    [
        ("scopes", "msgspec mockmoov.config"),
        ("verify --help", "msgspec mockmoov.config httpx2 hypothesis"),
        ("healthcheck --help", "httpx2 cryptography urllib.request mockmoov.server"),
        ("token --help", "httpx2 cryptography mockmoov.client mockmoov.server"),
        ("serve --help", "starlette uvicorn cryptography mockmoov.server mockmoov.web"),
    ],
)
def test_a_command_imports_only_what_it_uses(command: str, unused: str) -> None:
    program = (
        "import sys; from mockmoov.cli.main import main; "
        f"main({command.split()}, standalone_mode=False); print('loaded', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(done.stdout.rpartition("loaded ")[2].split()) & set(unused.split())


@pytest.mark.parametrize("command", ["serve", "healthcheck", "token", "scopes", "verify"])
def test_no_help_shows_a_secret(command: str) -> None:
    assert CLIENT_SECRET not in invoke(command, "--help").output


def test_the_version_is_the_packages() -> None:
    assert invoke("--version").stdout == f"mockmoov, version {__version__}\n"


# --- scopes -----------------------------------------------------------------------------------------


def test_scopes_lists_the_49_of_the_catalogue_each_with_its_sources() -> None:
    result = invoke("scopes")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert len(lines) == 49
    listed = {line.split()[0]: tuple(line.split(maxsplit=1)[1].split(", ")) for line in lines}
    assert listed == SCOPES
    assert all(sources for sources in listed.values())


# --- healthcheck and token, against a stub ------------------------------------------------------


BODIES: list[bytes] = []  # of what the stubs were asked


@contextlib.contextmanager
def stub(status: int, body: bytes = b"{}", *, raw: bytes = b"") -> Iterator[tuple[str, list[str]]]:
    """A server that answers anything with `status` and `body`, or with `raw` bytes; and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            BODIES.append(self.rfile.read(int(self.headers.get("content-length", 0))))
            if raw:
                self.wfile.write(raw)
                return
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_healthcheck_is_0_where_a_server_answers() -> None:
    with stub(200) as (url, asked):
        result = invoke("healthcheck", "--url", url)
        slash = invoke("healthcheck", MOCKMOOV_URL=f"{url}/")
    assert (result.exit_code, result.output) == (0, "")
    assert slash.exit_code == 0
    assert asked == ["GET /_mockmoov/health"] * 2


@pytest.mark.parametrize("status", [404, 421, 500, 503])
def test_healthcheck_is_1_where_a_server_answers_with_an_error(status: int) -> None:
    with stub(status) as (url, _):
        result = invoke("healthcheck", "--url", url)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"mockmoov: {url} is not healthy: ")
    assert str(status) in result.stderr


@pytest.mark.parametrize("raw", [b"nonsense\r\n\r\n", b"\x00", b"HTTP/1.1 two hundred\r\n\r\n"])
def test_healthcheck_is_1_where_something_else_answers(raw: bytes) -> None:
    with stub(0, raw=raw) as (url, _):
        result = invoke("healthcheck", "--url", url)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith(f"mockmoov: {url} is not healthy: ")


def test_healthcheck_is_1_where_nobody_answers() -> None:
    with stub(200) as (url, _):
        pass
    result = invoke("healthcheck", "--url", url)
    assert result.exit_code == 1
    refused = f"[Errno {errno.ECONNREFUSED}] {os.strerror(errno.ECONNREFUSED)}"
    assert result.stderr == f"mockmoov: {url} is not healthy: {refused}\n"


@pytest.mark.parametrize("command", ["healthcheck", "token"])
def test_the_help_says_where_the_server_is_looked_for(command: str) -> None:
    said = " ".join(invoke(command, "--help").output.split())
    assert f"default: http://localhost and the port in the settings ({load().port})." in said
    assert "[env var: MOCKMOOV_URL]" in said


BAD_URL = (
    "mockmoov: --url must be a URL such as http://localhost:8080, without credentials, query or fragment\n"
)
ASKING = (("healthcheck",), ("token", "--scope", "/ping.read"))
each_that_asks = pytest.mark.parametrize("command", ASKING, ids=lambda command: command[0])


@each_that_asks
@pytest.mark.parametrize(
    "url", ["localhost:8080", "file:///etc/hostname", "ftp://localhost", "-", "nonsense"]
)
def test_a_url_that_is_none_of_http_is_exit_code_2(command: tuple[str, ...], url: str) -> None:
    for result in (invoke(*command, "--url", url), invoke(*command, MOCKMOOV_URL=url)):
        assert refusal(result) == BAD_URL


@each_that_asks
@pytest.mark.parametrize("url", ["http://user:very-secret@localhost", "https://very-secret@[::1]:1/x"])
def test_a_url_that_names_a_user_is_exit_code_2_and_not_repeated(command: tuple[str, ...], url: str) -> None:
    assert refusal(invoke(*command, "--url", url)) == BAD_URL


@each_that_asks
@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/token/", "/base/oauth2/token"])
def test_the_url_of_the_endpoint_is_answered_with_what_to_leave_out(
    command: tuple[str, ...], path: str
) -> None:
    said = refusal(invoke(*command, "--url", f"http://localhost:8080{path}"))
    assert said == "mockmoov: --url must be the URL of the server: leave out /oauth2/token\n"


@pytest.mark.parametrize("url", ["http://localhost:port", "http://[::1", "http://", "http://local host"])
def test_healthcheck_of_a_url_that_cannot_be_asked_is_one_clear_line(url: str) -> None:
    result = invoke("healthcheck", "--url", url)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [("healthcheck",), ("token", "--scope", "/ping.read")])
def test_a_bad_setting_in_the_environment_is_exit_code_2_for_a_command_that_needs_the_port(
    command: tuple[str, ...],
) -> None:
    result = invoke(*command, MOCKMOOV_PORT="none")
    assert result.exit_code == 2
    assert result.stderr == "mockmoov: MOCKMOOV_PORT must be a whole number from 0 to 65535\n"


@pytest.mark.parametrize("source", ["environment", "file"])
def test_without_a_url_the_port_is_the_servers_wherever_that_is_set(tmp_path: Path, source: str) -> None:
    with stub(200) as (url, asked):
        port = url.rpartition(":")[2]
        path = tmp_path / "mockmoov.toml"
        path.write_text(f"port = {port}\n")
        environment = {"MOCKMOOV_PORT": port} if source == "environment" else {"MOCKMOOV_CONFIG": str(path)}
        result = invoke("healthcheck", **environment)
    assert result.exit_code == 0, result.output
    assert asked == ["GET /_mockmoov/health"]


TOKEN = {
    "access_token": "the-token",
    "expires_in": 3600,
    "refresh_token": "r",
    "scope": "/ping.read",
    "token_type": "Bearer",
}


def test_token_prints_the_access_token_and_nothing_else() -> None:
    with stub(200, json.dumps(TOKEN).encode()) as (url, asked):
        result = invoke("token", "--scope", "/ping.read", MOCKMOOV_URL=url)
    assert (result.exit_code, result.output) == (0, "the-token\n")
    assert asked == ["POST /oauth2/token"]


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, b'{"error":"invalid_scope"}'), (401, b""), (422, b'{"scope":"no"}'), (500, b""), (200, b"<html>")],
)
def test_token_is_1_and_says_why_where_none_is_had(status: int, body: bytes) -> None:
    with stub(status, body) as (url, _):
        result = invoke("token", "--scope", "/x", "--url", url, "--client-secret", "very-secret")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("mockmoov: ")
    assert result.stdout == ""
    assert "very-secret" not in result.stderr


def whose_key(*arguments: str, **environment: str) -> str:
    """What `mockmoov token` says of the key that a server does not know."""
    with stub(401, b"") as (url, _):
        result = invoke("token", "--scope", "/x", "--url", url, *arguments, **environment)
    assert result.exit_code == 1
    return result.stderr.strip().partition("; ")[2]


def test_token_says_of_a_key_that_is_refused_which_it_was_and_where_it_came_from(tmp_path: Path) -> None:
    keys = json.dumps([another_key("mine"), another_key("second")])
    path = tmp_path / "mockmoov.toml"
    path.write_text('[[api_keys]]\nclient_id = "filed"\nclient_secret = "very-secret"\n')
    assert whose_key() == (
        f"client_id {CLIENT_ID} is the documented example: "
        "MOCKMOOV_CONFIG, MOCKMOOV_API_KEYS and --client-id set no other"
    )
    assert whose_key(MOCKMOOV_API_KEYS=keys) == "client_id mine is the first one in MOCKMOOV_API_KEYS"
    assert whose_key(MOCKMOOV_CONFIG=str(path)) == f"client_id filed is the first one in {path}: api_keys"


def test_token_does_not_repeat_a_client_id_that_was_given_as_it_may_be_a_secret() -> None:
    told = "the API key comes from --client-id or MOCKMOOV_CLIENT_ID"
    assert whose_key("--client-id=very-secret", "--client-secret=x") == told
    assert whose_key(MOCKMOOV_CLIENT_ID="very-secret", MOCKMOOV_CLIENT_SECRET="x") == told


@pytest.mark.parametrize("scopes", [["/ping.read", "/accounts.write"], ["/ping.read /accounts.write"]])
def test_token_asks_for_every_scope_that_is_given_in_one_option_or_in_many(scopes: list[str]) -> None:
    with stub(200, json.dumps(TOKEN).encode()) as (url, asked):
        flags = [f"--scope={scope}" for scope in scopes]
        assert invoke("token", *flags, "--url", url).exit_code == 0
    assert asked == ["POST /oauth2/token"]
    assert BODIES[-1].count(b"%2Fping.read+%2Faccounts.write") == 1


def test_token_without_a_scope_is_exit_code_2() -> None:
    result = invoke("token")
    assert result.exit_code == 2
    assert "--scope" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--url", "nonsense"),
        ("--url", "http://localhost?x=1"),
        ("--url", "http://localhost:port"),
        ("--url", "http://[:::]"),
        ("--client-secret", "sécret"),
        ("--client-id", "a\nb", "--client-secret", "x"),
        ("--scope", "é"),
    ],
)
def test_token_with_arguments_that_cannot_be_sent_is_exit_code_2_and_one_clear_line(
    arguments: tuple[str, ...],
) -> None:
    result = invoke("token", "--scope", "/ping.read", *arguments)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"mockmoov: {arguments[0]}")
    assert "sécret" not in result.stderr


# --- in a process of its own ------------------------------------------------------------------------


def test_python_m_mockmoov_is_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mockmoov.__main__.__doc__
    monkeypatch.setattr(sys, "argv", ["ignored", "--help"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(mockmoov.__main__.__file__), run_name="__main__")  # pytest imports by itself
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("Usage: mockmoov [OPTIONS] COMMAND")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mockmoov", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    ready = tmp_path / "ready"
    command = [sys.executable, "-m", "mockmoov", "serve", "--port", "0", "--ready-file", str(ready)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: ready.exists() or process.poll() is not None)
        yield ready.read_text()
    finally:
        process.kill()
        process.wait(timeout=30)


@pytest.mark.slow
def test_token_prints_a_token_that_ping_accepts_and_healthcheck_is_0(server: str) -> None:
    port = server.rpartition(":")[2]
    printed = run("token", "--scope", "/ping.read", MOCKMOOV_PORT=port)
    assert printed.returncode == 0, printed.stderr
    token = printed.stdout.removesuffix("\n")
    assert ask(server, "/ping", {"Authorization": f"Bearer {token}"}) == 200
    assert ask(server, "/ping", dict([basic()])) == 200
    assert ask(server, "/ping", {"Authorization": f"Bearer {token}x"}) == 401
    assert run("healthcheck", "--url", server).returncode == 0


@pytest.mark.slow
def test_token_with_a_wrong_scope_or_secret_is_1_and_says_why(server: str) -> None:
    for arguments, said in (
        (["--scope", "/pong.read"], "invalid_scope"),
        (["--scope", "/ping.read", "--client-secret", "wrong"], "invalid_client"),
    ):
        done = run("token", "--url", server, *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr


@pytest.mark.slow
def test_mistakes_are_exit_code_2_in_a_real_process_too(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    for done in (
        run("serve", "--prot", "1", f"--ready-file={ready}"),
        run("serve", MOCKMOOV_READY_FILE=str(ready), MOCKMOOV_RATE_LIMIT="x"),
    ):
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert not ready.exists()


@pytest.mark.slow
def test_a_ready_file_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "ready"
    done = run("serve", "--port=0", f"--ready-file={path}")
    assert done.returncode in (1, 2)
    assert len(done.stderr.splitlines()) == 1
    assert str(path.parent) in done.stderr


@pytest.mark.slow
def test_nobody_to_read_the_start_up_lines_stops_nothing_and_the_ready_file_goes_with_the_server(
    tmp_path: Path,
) -> None:
    ready = tmp_path / "ready"
    command = [sys.executable, "-m", "mockmoov", "serve", "--port=0", f"--ready-file={ready}"]
    with open("/dev/full", "wb") as full, (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=full, stderr=log)
    until(lambda: ready.exists() or process.poll() is not None)
    assert ask(ready.read_text(), "/ping", dict([basic()])) == 200
    process.terminate()
    assert process.wait(timeout=30) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert not ready.exists()


@pytest.mark.slow
def test_a_proxy_sees_nothing_of_this_machines_tokens(server: str) -> None:
    nowhere = "http://127.0.0.1:1"
    for arguments in (["token", "--url", server, "--scope", "/ping.read"], ["healthcheck", "--url", server]):
        assert run(*arguments, http_proxy=nowhere, HTTP_PROXY=nowhere).returncode == 0


@pytest.mark.slow
def test_without_a_ready_file_the_first_line_of_output_says_where_the_server_is() -> None:
    command = [sys.executable, "-m", "mockmoov", "serve", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert ask(url, "/ping", dict([basic()])) == 200
        process.terminate()
        assert process.wait(timeout=30) == 0


@pytest.mark.slow
def test_token_uses_the_first_api_key_of_the_settings_and_another_only_with_its_secret(
    tmp_path: Path,
) -> None:
    key, second = another_key("mine"), another_key("second")
    variables = {"MOCKMOOV_API_KEYS": json.dumps([key, second])}

    def use(url: str) -> None:
        for chosen in (
            [],
            ["--client-id=second"],
            ["--client-id=mine", f"--client-secret={key['client_secret']}"],
        ):
            done = run("token", "--url", url, "--scope", "/ping.read", *chosen, **variables)
            assert (done.returncode, done.stdout.count(".")) == (0, 2), done.stderr
        assert (
            run("token", "--url", url, "--scope", "/ping.read", "--client-id=third", **variables).returncode
            == 2
        )

    serve(tmp_path, use, **variables)
