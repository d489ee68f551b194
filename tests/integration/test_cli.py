"""The command line: clear errors, start-up lines and ready file, and the commands that call a server."""

import contextlib
import errno
import importlib
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote_plus

import click
import httpx2
import pytest
from click.testing import Result

from mockmoov import __version__
from mockmoov.cli.main import main
from mockmoov.cli.options import explain_connection
from mockmoov.config.settings import load
from mockmoov.config.sources import PREFIX
from mockmoov.data.operations import OPERATIONS
from mockmoov.data.scopes import SCOPES
from mockmoov.testing import ControlError, MockMoov
from tests.support import command_line, odd_servers
from tests.support.listening import listening
from tests.support.odd_servers import Counting
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, another_key, basic, new_server
from tests.support.serving import restored_signals, serving_process, until

HEALTH = "/_mockmoov/health"


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
    return command_line.run(*arguments, env=environment)


def ask(url: str, path: str, headers: dict[str, str] | None = None) -> int:
    return httpx2.get(url + path, headers=headers, trust_env=False).status_code


def usage_error(result: Result) -> str:
    """What a command prints that ends with exit code 2."""
    assert isinstance(result.exception, SystemExit)
    assert (result.exit_code, result.stdout) == (2, "")
    return result.stderr


def test_wrong_settings_are_exit_code_2_and_named(tmp_path: Path) -> None:
    unknown, invalid, missing = (tmp_path / name for name in ("unknown.toml", "invalid.toml", "missing.pem"))
    unknown.write_text("token_fromat = 'opaque'\n")
    invalid.write_text("token_format = 'opaqe'\n")
    hint = " must be one of jwt, opaque, not 'opaqe'; did you mean opaque?"
    no_setting = ": token_fromat: there is no such setting; did you mean token_format?"
    table: list[tuple[list[str], dict[str, str], str]] = [
        ([], {"MOCKMOOV_PROT": "1"}, "MOCKMOOV_PROT: there is no such setting; did you mean MOCKMOOV_PORT?"),
        ([], {"MOCKMOOV_CONFIG": str(unknown)}, f"{unknown}{no_setting}"),
        (["--token-format=opaqe"], {}, f"--token-format{hint}"),
        ([], {"MOCKMOOV_TOKEN_FORMAT": "opaqe"}, f"MOCKMOOV_TOKEN_FORMAT{hint}"),
        ([f"--config={invalid}"], {}, f"{invalid}: token_format{hint}"),
        ([f"--signing-key={missing}"], {}, f"signing_key {missing}: No such file or directory"),
    ]
    for arguments, environment, message in table:
        assert usage_error(invoke("serve", *arguments, **environment)) == f"mockmoov: {message}\n"
    assert re.search("--prot.*--port", usage_error(invoke("serve", "--prot", "1")))
    commands = {"sreve": "serve", "tokens": "token", "start": "serve"}
    options = {"help": "--help", "version": "--version", "versoin": "--version"}
    for wrong, meant in (commands | options).items():
        assert f"No such command '{wrong}'; did you mean {meant}?" in usage_error(invoke(wrong))
    assert usage_error(invoke("zzz")).endswith("No such command 'zzz'\n")
    assert "No such command" in usage_error(invoke(""))
    assert "No such option '--sreve'" in usage_error(invoke("--sreve")).replace(": --sreve", " '--sreve'")


def serve(
    directory: Path, use: Callable[[str], object], *arguments: str, **environment: str
) -> tuple[Result, str]:
    """Run `mockmoov serve` while another thread uses it and then stops it; the result and the URL."""
    ready = directory / "ready"
    done = threading.Event()
    urls: list[str] = []

    def user() -> None:
        until(lambda: ready.exists() or done.is_set())
        if not done.is_set():  # otherwise nobody would catch the signal
            urls.append(ready.read_text())
            try:
                use(urls[0])
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=user)
    thread.start()
    try:
        with restored_signals():
            result = invoke("serve", "--port", "0", "--ready-file", str(ready), *arguments, **environment)
    finally:
        done.set()
        thread.join(timeout=60)
    assert result.exit_code == 0, result.output
    (url,) = urls
    return result, url


def test_start_up_lines_name_url_key_contract_and_control(tmp_path: Path) -> None:
    found: list[Any] = []

    def use(url: str) -> None:
        found.extend([ask(url, HEALTH), sorted(path.name for path in tmp_path.iterdir())])

    result, url = serve(tmp_path, use)
    port = url.removeprefix("http://localhost:")
    assert result.stdout.splitlines() == [
        f"mockmoov {__version__} listens on {url}",
        f"bound to 127.0.0.1:{port}, [::1]:{port}",
        f"client_id {CLIENT_ID}, client_secret {CLIENT_SECRET}",
        "requests without X-Moov-Version use contract 2023 (default_version is 2023)"
        "; for today's Moov: --default-version v2026.10.00",
        "state in memory: a restart ends all tokens (--store sqlite:PATH or --seed keeps them)",
        f"page for browsers at {url}/_mockmoov/",
        f"control plane at {url}/_mockmoov: on",
    ]
    assert found == [200, ["ready"]]
    assert not (tmp_path / "ready").exists()


def test_start_up_lines_have_no_secret_but_the_examples(tmp_path: Path) -> None:
    key = another_key("mine")
    example = {"client_id": CLIENT_ID, "client_secret": "changed-from-the-example"}
    variables = {"MOCKMOOV_API_KEYS": json.dumps([key, example])}
    result, url = serve(tmp_path, lambda _: None, "--default-version=v2026.10.00", **variables)
    assert result.stdout.splitlines()[2:] == [
        "client_id mine",
        f"client_id {CLIENT_ID}",
        "requests without X-Moov-Version use contract dated (default_version is v2026.10.00)",
        "state in memory: a restart ends all tokens (--store sqlite:PATH or --seed keeps them)",
        f"page for browsers at {url}/_mockmoov/",
        f"control plane at {url}/_mockmoov: on",
    ]
    assert key["client_secret"] not in result.output
    assert "changed-from-the-example" not in result.output


def test_start_up_lines_name_the_https_and_public_url(tmp_path: Path) -> None:
    ca_file = str(tmp_path / "ca.pem")
    flags = ("--tls", "--tls-port=0", f"--tls-ca-file={ca_file}", "--public-url=https://moov.test/")
    result, url = serve(tmp_path, lambda _: None, *flags)
    first, bound, *others = result.stdout.splitlines()
    assert re.fullmatch(rf"mockmoov \S+ listens on {url} and https://localhost:[0-9]+", first)
    assert len(re.findall(r" 127\.0\.0\.1:[0-9]+, \[::1\]:[0-9]+", bound)) == 2
    assert others[:2] == [
        "public URL https://moov.test",
        f"https clients must trust the CA at {url}/_mockmoov/ca.pem, and in {ca_file}",
    ]


def test_the_control_plane_is_as_the_start_up_line_says(tmp_path: Path) -> None:
    """The table of all cases is in tests/unit/control_plane/test_access.py."""
    table = [
        (["--host=0.0.0.0"], "off (set control_token, or set control to on)", 404),
        (["--host=0.0.0.0", "--control-token=very-secret"], "on", 200),
        (["--host=127.0.0.1", "--control-token=very-secret"], "on", 200),
    ]
    statuses: list[int] = []
    token = {"X-Mockmoov-Token": "very-secret"}
    for arguments, state, status in table:
        result, url = serve(
            tmp_path, lambda url: statuses.append(ask(url, "/_mockmoov/config", token)), *arguments
        )
        assert result.stdout.splitlines()[-1] == f"control plane at {url}/_mockmoov: {state}"
        assert (f"page for browsers at {url}/_mockmoov/" in result.stdout.splitlines()) == (status == 200)
        assert statuses.pop() == status
        assert "very-secret" not in result.output


def test_a_control_plane_that_others_can_use_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = {
        ("--host=0.0.0.0", "--control=on"): "anybody who reaches 0.0.0.0:",
        ("--host=0.0.0.0", "--control-token=123456789012345"): "control_token can be guessed",
        ("--host=0.0.0.0", "--control-token=1234567890123456"): None,
        ("--host=0.0.0.0", "--control-token=short", "--control=off"): None,
        ("--host=127.0.0.1", "--control-token=short"): None,
    }
    for flags, expected in table.items():
        caplog.clear()
        serve(tmp_path, lambda _: None, *flags)
        warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert len(warnings) == (expected is not None), flags
        assert all(line.startswith(str(expected)) for line in warnings)


def test_a_failed_start_removes_a_ready_file(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    for arguments in (["--host=203.0.113.1", "--port=0"], ["--rate-limit=x"]):
        ready.write_text("http://localhost:1")
        assert invoke("serve", f"--ready-file={ready}", *arguments).exit_code == 2
        assert not ready.exists()


def test_a_folder_as_ready_file_is_one_clear_line(tmp_path: Path) -> None:
    result = invoke("serve", "--port=0", f"--ready-file={tmp_path}")
    assert result.exit_code == 2
    assert re.fullmatch(f"mockmoov: --ready-file {tmp_path}: .+\n", result.stderr)


def test_flags_variables_and_file_reach_the_server(tmp_path: Path) -> None:
    path = tmp_path / "mockmoov.toml"
    path.write_text('default_version = "v2024.01.00"\nhost = "127.0.0.1"\ntoken_format = "opaque"\n')
    flags = ("--default-version=2023-sdk", f"--config={path}")
    variables = {"MOCKMOOV_DEFAULT_VERSION": "latest", "MOCKMOOV_HOST": "::1"}
    answers: list[httpx2.Response] = []

    def mint(url: str) -> None:
        form, auth = {"grant_type": "client_credentials", "scope": "/ping.read"}, (CLIENT_ID, CLIENT_SECRET)
        answers.append(httpx2.post(f"{url}/oauth2/token", data=form, auth=auth, trust_env=False))

    result, url = serve(tmp_path, mint, *flags, **variables)
    assert "contract 2023-sdk" in result.stdout
    assert url.startswith("http://[::1]:")
    assert "." not in answers[0].json()["access_token"]


def test_the_access_log_can_be_turned_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for state, lines in (("on", 1), ("off", 0)):
        caplog.clear()
        serve(tmp_path, lambda url: ask(url, HEALTH), f"--access-log={state}")
        assert sum(line.startswith(f"GET {HEALTH} 200 ") for line in caplog.messages) == lines


def test_container_links_are_ignored_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    serve(tmp_path, lambda _: None, MOCKMOOV_PORT="tcp://10.0.0.1:1", MOCKMOOV_SERVICE_HOST="10.0.0.1")
    warnings = sorted(line.split(":")[0] for line in caplog.messages if "ignored" in line)
    assert warnings == ["ignored MOCKMOOV_PORT", "ignored MOCKMOOV_SERVICE_HOST"]


def test_help_lists_every_command_and_no_secret() -> None:
    text = invoke("--help").stdout
    for command in main.list_commands(click.Context(main)):
        assert re.search(rf"^ +{command} ", text, re.MULTILINE)
        output = " ".join(invoke(command, "--help").output.split())
        assert CLIENT_SECRET not in output
        if command in ("healthcheck", "token"):
            assert f"default: http://localhost and the port in the settings ({load().port})." in output
            assert "[env var: MOCKMOOV_URL]" in output


@pytest.mark.slow
def test_a_command_imports_only_what_it_needs() -> None:
    unused = {
        "scopes": "msgspec mockmoov.config",
        "verify --help": "httpx2 nacl cryptography hypothesis rich mockmoov.client mockmoov.verify",
        "healthcheck --help": "httpx2 nacl cryptography urllib.request mockmoov.server",
        "token --help": "httpx2 nacl cryptography mockmoov.client mockmoov.server",
        "serve --help": "starlette uvicorn nacl cryptography mockmoov.server mockmoov.web",
        "run --help": "starlette uvicorn nacl cryptography mockmoov.server mockmoov.web mockmoov.testing",
    }
    wrong = []
    for command, modules in unused.items():
        program = (
            "import sys; from mockmoov.cli.main import main; "
            f"main({command.split()}, standalone_mode=False); print('loaded', *sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        if loaded := set(done.stdout.rpartition("loaded ")[2].split()) & set(modules.split()):
            wrong.append((command, loaded))
    assert wrong == []


def test_the_version_is_the_packages() -> None:
    assert invoke("--version").stdout == f"mockmoov, version {__version__}\n"


def test_scopes_lists_the_catalogue_with_its_sources() -> None:
    result = invoke("scopes")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert len(lines) == 52
    listed = {line.split()[0]: tuple(line.split(maxsplit=1)[1].split(", ")) for line in lines}
    assert listed == SCOPES
    assert all(sources for sources in listed.values())
    documents = json.loads(invoke("scopes", "--json").stdout)
    assert {item["scope"]: tuple(item["sources"]) for item in documents} == SCOPES


def line_of_operation(item: dict[str, Any]) -> str:
    """The line of text that says what a document of `operations --json` says."""
    sets = [" ".join(scopes) for scopes in [item["scopes"], *item.get("or", [])] if scopes]
    needed = " or ".join(sets) or item.get("note", "any token")
    return f"{item['method']:<6} {item['path']} {item['operation']}: {needed}"


def test_operations_lists_scopes_and_where_they_are_known_from() -> None:
    result = invoke("operations")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    tickets = "/accounts/{accountID}/tickets"
    partner = "/accounts/{partnerAccountID}/tickets.read /accounts/{accountID}/profile.read"
    assert {
        "GET    /ping ping: /ping.read",
        "GET    /applications listApplications: Basic only",
        "GET    /webhooks listWebhooks: any token",
        f"GET    {tickets} listTickets: {tickets}.read or {partner}",
    } <= set(lines)
    items = json.loads(invoke("operations", "--json").stdout)
    documents = {(item["method"], item["path"]): item for item in items}
    assert len(items) == len(documents) == sum(map(len, OPERATIONS.values()))
    assert lines == [line_of_operation(item) for item in items]
    assert documents["GET", "/ping"] == {
        "operation": "ping", "method": "GET", "path": "/ping", "scopes": ["/ping.read"], "source": "spec",
    }  # fmt: skip
    assert documents["GET", tickets]["or"] == [partner.split()]
    assert documents["POST", "/transfer-options"]["versions"] == "v2024.01.00 to v2025.10.00"


@contextlib.contextmanager
def stub(status: int, body: bytes = b"{}") -> Iterator[tuple[str, Counting]]:
    """A server that answers everything with `status` and `body`; yields its URL and what it received."""
    counting = Counting(lambda *_: (status, {}, body))
    with odd_servers.listening(counting) as url:
        yield url, counting


def test_healthcheck_is_0_if_a_server_answers(tmp_path: Path) -> None:
    """At the given URL, or else on this machine at the port in the settings."""
    path = tmp_path / "mockmoov.toml"
    with stub(200) as (url, received):
        port = url.rpartition(":")[2]
        path.write_text(f"port = {port}\n")
        result = invoke("healthcheck", "--url", url)
        for variables in ({"URL": f"{url}/"}, {"PORT": port}, {"CONFIG": str(path)}):
            named = {f"MOCKMOOV_{name}": value for name, value in variables.items()}
            assert invoke("healthcheck", **named).exit_code == 0
    assert (result.exit_code, result.output) == (0, "")
    assert [request[:2] for request in received.requests] == [("GET", HEALTH)] * 4


def test_healthcheck_is_1_for_any_other_answer() -> None:
    for status in (404, 421, 500, 503, 0):  # 0 is not HTTP
        with stub(status) as (url, _):
            result = invoke("healthcheck", "--url", url)
        assert isinstance(result.exception, SystemExit)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"mockmoov: {url} is not healthy: ")
        assert len(result.stderr.splitlines()) == 1
        assert str(status) in result.stderr


UNRESOLVED = (
    *("Name or service not known", "Temporary failure in name resolution"),
    *("No address associated with hostname", "nodename nor servname provided, or not known"),
    "[Errno 11001] getaddrinfo failed",
)
LOOPBACK = ("http://localhost:8080/x", "https://127.0.0.1:8443", "http://[::1]", "HTTP://LOCALHOST")


def test_healthcheck_is_1_if_nobody_answers() -> None:
    with stub(200) as (url, _):
        pass
    result = invoke("healthcheck", "--url", url)
    assert result.exit_code == 1
    refused = f"[Errno {errno.ECONNREFUSED}] {os.strerror(errno.ECONNREFUSED)}"
    hint = "start one with `mockmoov serve`, or name another with --url or MOCKMOOV_URL"
    assert result.stderr == f"mockmoov: {url} is not healthy: {refused}; {hint}\n"
    assert invoke("token", "--scope", "/x", "--url", url).stderr.endswith(f"{refused}; {hint}\n")


def test_advice_without_a_connection_depends_on_the_host() -> None:
    """The errors are those of Linux, macOS and Windows."""
    unresolved, absent = ("the name does not resolve", "no server answers there")
    refused = "[Errno 111] Connection refused"
    table = [
        *(("http://a.test:8080/x", text, unresolved) for text in UNRESOLVED),
        ("http://a.localhost", UNRESOLVED[0], unresolved),
        *((url, refused, absent) for url in ("http://192.0.2.1/x", "http://127.a.test", "http://a.test:80")),
        *((url, refused, "start one with `mockmoov serve`") for url in LOOPBACK),
    ]
    for url, text, advice in table:
        assert explain_connection(OSError(text), url, is_connected=False).startswith(f"; {advice}"), (
            url,
            text,
        )
        assert explain_connection(OSError(text), url, is_connected=True) == ""


def test_a_name_that_does_not_resolve_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, UNRESOLVED[0])

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    for command in COMMANDS:
        ended = invoke(*command, "--url", "http://a.test:8080")
        hint = f"{UNRESOLVED[0]}; the name does not resolve: check --url or MOCKMOOV_URL\n"
        assert (ended.exit_code, ended.stderr.endswith(hint)) == (1, True), ended.stderr


@pytest.mark.slow
def test_healthcheck_reports_how_long_it_waited() -> None:
    with stub(503) as (url, _):
        waited = invoke("healthcheck", "--wait", "1", "--url", url)
    assert waited.stderr.startswith(f"mockmoov: {url} is not healthy after 1 s: HTTP Error 503")


def test_healthcheck_waits_for_whole_seconds() -> None:
    for wrong in ("1s", "-1", "0.5", "9" * 10):
        message = f"Invalid value for '--wait': '{wrong}' is not a whole number of seconds, such as 30"
        assert message in usage_error(invoke("healthcheck", f"--wait={wrong}"))


# Every command that calls a server, as it is before the URL.
CALLING = (
    *(("healthcheck", "--url"), ("token", "--scope=/x", "--url")),
    ("verify", "--client-id=a", "--client-secret=b"),
)


@pytest.mark.slow
def test_the_wrong_scheme_is_explained() -> None:
    with MockMoov(tls=True) as moov:
        table = {
            f"{moov.url.replace('http', 'https')}/base": f"; if this is a port for http, use {moov.url}/base",
            f"{moov.https_url.replace('https', 'http')}/base": (
                f"; if this is a port for https, use {moov.https_url}/base"
            ),
        }
        for url, hint in table.items():
            for command in CALLING:
                assert re.search(f"{hint}\n$", invoke(*command, url).stderr), (command, url)
            with pytest.raises(ControlError, match=hint):
                MockMoov.connect(url)


def close_connections(listener: socket.socket) -> None:
    """Read from each connection and close it, until the listener is shut down."""
    with contextlib.suppress(OSError):
        while True:
            with listener.accept()[0] as connection:
                connection.recv(4096)


def test_a_server_that_closes_may_expect_the_other_scheme() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}/base"
        thread = threading.Thread(target=close_connections, args=(listener,))
        thread.start()
        try:
            for scheme, other in (("http", "https"), ("https", "http")):
                hint = f"; if this is a port for {other}, use {other}://{place}\n"
                for command in CALLING:
                    assert invoke(*command, f"{scheme}://{place}").stderr.endswith(hint), (command, scheme)
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


COMMANDS = (("healthcheck",), ("token", "--scope", "/ping.read"))


def test_healthcheck_waits_for_a_server_to_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    server: list[MockMoov] = []
    thread = threading.Timer(0.1, lambda: server.append(MockMoov(host="127.0.0.1", port=port)))
    thread.start()
    try:
        result = invoke("healthcheck", "--wait=30", f"--url=http://127.0.0.1:{port}")
    finally:
        thread.join()
        server.pop().stop()
    assert (result.exit_code, result.output) == (0, "")


def test_healthcheck_waits_for_the_ca_too(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    server: list[MockMoov] = []
    settings = {"host": "127.0.0.1", "tls": True, "tls_port": port, "tls_ca_file": ca_file}
    thread = threading.Timer(0.1, lambda: server.append(MockMoov(**settings)))
    thread.start()
    url = f"https://127.0.0.1:{port}"
    try:
        result = invoke("healthcheck", "--wait=30", f"--url={url}", f"--ca-file={ca_file}")
    finally:
        thread.join()
        server.pop().stop()
    assert (result.exit_code, result.output) == (0, "")
    assert invoke("healthcheck", f"--url={url}", f"--ca-file={tmp_path / 'none'}").exit_code == 2


def test_a_bad_url_is_exit_code_2_and_not_repeated() -> None:
    bad = "--url must be a URL such as http://localhost:8080, without credentials, query or fragment"
    urls = [
        *("localhost:8080", "file:///etc/hostname", "ftp://localhost", "-", "nonsense", "http://"),
        *("http://user:secret@a", "https://secret@[::1]:1/x", "http://localhost?x=1"),
        *("http://localhost:port", "http://[::1", "http://local host"),
    ]
    for command in COMMANDS:
        for url in urls:
            for result in (invoke(*command, "--url", url), invoke(*command, MOCKMOOV_URL=url)):
                advice = "" if "://" in url else ": put http:// or https:// in front"
                assert usage_error(result) == f"mockmoov: {bad}{advice}\n", url
        message = usage_error(invoke(*command, MOCKMOOV_PORT="none"))
        assert message == "mockmoov: MOCKMOOV_PORT must be a whole number from 0 to 65535, not 'none'\n"
        for path in ("/oauth2/token", "/oauth2/token/", "/base/oauth2/token"):
            message = usage_error(invoke(*command, "--url", f"http://localhost:8080{path}"))
            assert message == "mockmoov: --url must be the URL of the server: leave out /oauth2/token\n"


TOKEN = b"""{"access_token": "the-token", "expires_in": 3600, "refresh_token": "r", "scope": "/ping.read",
    "token_type": "Bearer"}"""


def test_token_prints_the_access_token_and_nothing_else() -> None:
    for scopes in (["/ping.read", "/accounts.write"], ["/ping.read /accounts.write"]):
        with stub(200, TOKEN) as (url, received):
            result = invoke("token", *(f"--scope={scope}" for scope in scopes), MOCKMOOV_URL=url)
        assert (result.exit_code, result.output) == (0, "the-token\n")
        ((method, target, _, body),) = received.requests
        assert (method, target) == ("POST", "/oauth2/token")
        assert body.count(b"%2Fping.read+%2Faccounts.write") == 1


def test_token_is_1_and_explains_if_it_gets_none() -> None:
    table: list[tuple[int, bytes, str]] = [
        (400, b'{"error":"invalid_scope"}', "invalid_scope"),
        (401, b"", "status 401"),
        (422, b'{"scope":"no"}', ""),
        (500, b"", ""),
        (200, b"<html>", ""),
    ]
    for status, body, message in table:
        with stub(status, body) as (url, _):
            result = invoke("token", "--scope", "/x", "--url", url, "--client-secret", "very-secret")
        assert isinstance(result.exception, SystemExit)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("mockmoov: ")
        assert message in result.stderr
        assert "very-secret" not in result.stderr


def test_token_fills_in_the_account_of_its_key() -> None:
    account = "0b7f3a5e-1111-4c2d-9e8f-aabbccddeeff"
    variables = {"MOCKMOOV_API_KEYS": json.dumps([another_key("mine", account_id=account)])}
    with stub(200, TOKEN) as (url, received):
        arguments = ("token", "--url", url, "--scope", "/accounts/{accountID}/cards.read /ping.read")
        assert invoke(*arguments, **variables).exit_code == 0
        unknown = usage_error(invoke(*arguments, "--client-id=third", "--client-secret=x", **variables))
    ((*_, body),) = received.requests
    assert f"scope=/accounts/{account}/cards.read /ping.read" in unquote_plus(body.decode())
    assert unknown.startswith("mockmoov: --scope /accounts/{accountID}/cards.read /ping.read: write the UUID")


def test_token_says_where_a_rejected_key_came_from(tmp_path: Path) -> None:
    keys = json.dumps([another_key("mine"), another_key("second")])
    path = tmp_path / "mockmoov.toml"
    path.write_text('[[api_keys]]\nclient_id = "filed"\nclient_secret = "very-secret"\n')
    example = (
        f"client_id {CLIENT_ID} is the documented example: "
        "MOCKMOOV_CONFIG, MOCKMOOV_API_KEYS and --client-id set no other"
    )
    given = "the API key comes from --client-id or MOCKMOOV_CLIENT_ID"
    table: list[tuple[list[str], dict[str, str], str]] = [
        ([], {}, example),
        ([], {"API_KEYS": keys}, "client_id mine is the first one in MOCKMOOV_API_KEYS"),
        ([], {"CONFIG": str(path)}, f"client_id filed is the first one in {path}: api_keys"),
        (["--client-id=very-secret", "--client-secret=x"], {}, given),
        ([], {"CLIENT_ID": "very-secret", "CLIENT_SECRET": "x"}, given),
    ]
    for arguments, variables, message in table:
        named = {f"{PREFIX}{name}": value for name, value in variables.items()}
        with stub(401, b"") as (url, _):
            result = invoke("token", "--scope=/x", "--url", url, *arguments, **named)
        assert (result.exit_code, result.stderr.strip().partition("; ")[2]) == (1, message)


def test_token_rejects_what_cannot_be_sent() -> None:
    table = [
        ("--url", "http://[:::]"),
        ("--client-secret", "sécret"),
        ("--client-id", "a\nb", "--client-secret", "x"),
        ("--scope", "é"),
    ]
    assert "--scope" in usage_error(invoke("token"))
    for arguments in table:
        message = usage_error(invoke("token", "--scope", "/ping.read", *arguments))
        assert len(message.splitlines()) == 1
        assert message.startswith(f"mockmoov: {arguments[0]}")
        assert "sécret" not in message


def test_token_uses_the_first_key_of_the_settings() -> None:
    key, second = another_key("mine"), another_key("second")
    variables = {"MOCKMOOV_API_KEYS": json.dumps([key, second])}
    secret = f"--client-secret={key['client_secret']}"
    with listening(new_server(keys=[key, second])) as url:
        arguments = ("token", "--url", url, "--scope", "/ping.read")
        for chosen in ([], ["--client-id=second"], ["--client-id=mine", secret]):
            result = invoke(*arguments, *chosen, **variables)
            assert (result.exit_code, result.stdout.count(".")) == (0, 2), result.output
        missing = usage_error(invoke(*arguments, "--client-id=third", **variables))
    assert missing.startswith("mockmoov: --client-secret is missing")


def test_an_empty_option_counts_as_not_given() -> None:
    """As an empty variable does: a script passes one where a variable of the shell isn't set."""
    keys = [another_key("mine"), another_key("second")]
    listed = {"MOCKMOOV_API_KEYS": json.dumps(keys)}
    chosen = {"MOCKMOOV_CLIENT_ID": "second", "MOCKMOOV_CLIENT_SECRET": keys[1]["client_secret"]}
    with listening(new_server(keys=keys)) as url:
        for variables in (listed, chosen):
            for command in (("token", "--scope=/ping.read", "--url"), ("verify", "--only=token.status")):
                ended = invoke(*command, url, "--client-id=", "--client-secret=", **variables)
                assert ended.exit_code == 0, (command, ended.output)
    message = usage_error(invoke("verify", "http://a.test", "--client-id=", "--client-secret=x"))
    assert message.startswith("mockmoov: --client-id is missing, and MOCKMOOV_CLIENT_ID is not set: ")


def test_importing_the_main_module_runs_no_command() -> None:
    assert importlib.import_module("mockmoov.__main__").__doc__


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mockmoov", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **variables}
    )


@pytest.mark.slow
def test_a_token_of_the_command_passes_ping() -> None:
    """The first line that the server prints ends with its URL. No token goes through a proxy."""
    proxy = {"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}
    with serving_process() as (url, process):
        printed = run("token", "--scope", "/ping.read", MOCKMOOV_PORT=url.rpartition(":")[2], **proxy)
        assert printed.returncode == 0, printed.stderr
        token = printed.stdout.removesuffix("\n")
        assert ask(url, "/ping", {"Authorization": f"Bearer {token}"}) == 200
        assert ask(url, "/ping", {"Authorization": f"Bearer {token}x"}) == 401
        assert run("healthcheck", "--url", url, **proxy).returncode == 0
        wrong = run("token", "--url", url, "--scope", "/ping.read", "--client-secret", "wrong")
        assert (wrong.returncode, wrong.stdout) == (1, "")
        assert "invalid_client" in wrong.stderr
        process.terminate()
        assert process.wait(timeout=30) == 0


@pytest.mark.slow
def test_an_error_in_a_process_prints_no_traceback(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "ready"
    done = run("serve", "--port=0", f"--ready-file={missing}")
    assert done.returncode == 2
    assert done.stderr == f"mockmoov: --ready-file {missing}: No such file or directory\n"


@pytest.mark.slow
def test_a_full_standard_output_does_not_stop_the_server(tmp_path: Path) -> None:
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
