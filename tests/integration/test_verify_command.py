"""`mockmoov verify` as people run it: messages, reports, exit codes, and runs that end in bounded time."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import Result

from mockmoov.testing import MockMoov
from mockmoov.verify.checks import CHECKS
from tests.support import command_line
from tests.support.contract_fixtures import Answer
from tests.support.extras import advice
from tests.support.odd_servers import Counting, Hang, listening
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, another_key, new_server, sender
from tests.support.serving import environment, serving

KEY = ("--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET)
WRONG_KEY = ("--client-id", CLIENT_ID, "--client-secret", "wrong-but-secret-too")
HTML = b"<!doctype html><title>Hello</title>"
NOWHERE = "http://127.0.0.1:1"


def verify(url: str, *arguments: str, key: tuple[str, ...] = KEY) -> Result:
    return command_line.run("verify", url, *key, *arguments, env={"CI": "1"})


@contextlib.contextmanager
def mockmoov(**settings: Any) -> Iterator[str]:
    """The URL of a server with these settings."""
    with listening(sender(new_server(**settings))) as url:
        yield url


def test_a_right_server_passes_in_every_report(tmp_path: Path) -> None:
    with mockmoov() as url:
        reports = ("--json", str(tmp_path / "r.json"), "--junit", str(tmp_path / "r.xml"))
        ended = verify(url, "--only", "token.t*", *reports)
    assert ended.exit_code == 0, ended.output
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["exit_code"] == 0
    assert {check["id"]: check["status"] for check in report["checks"]} == {
        name: "passed" for name in CHECKS if name.startswith("token.t")
    }
    root = ET.parse(tmp_path / "r.xml").getroot()
    assert [suite.get("name") for suite in root] == ["contract 2023", "contract v2026.10.00"]
    assert all(suite.get("failures") == suite.get("errors") == "0" for suite in root)


# --- what cannot be verified: exit code 2 and a message ---------------------------------------------

USAGE = [
    (("http://user:pass-word@127.0.0.1:1",), "the URL must not contain credentials"),
    (("ftp://127.0.0.1",), "the URL must begin with http:// or https://"),
    (("http://",), "the URL must begin with http:// or https://"),
    (("http://[::1",), "the URL is not a valid URL"),
    ((f"{NOWHERE}/?a=b",), "the URL must not have a query string or a fragment"),
    ((f"{NOWHERE}/base/oauth2/token/",), "the URL must be the URL of the server: leave out /oauth2/token\n"),
    ((NOWHERE, "--moov-version", "2026"), "--moov-version '2026' must be `latest` or look like"),
    ((NOWHERE, "--only", "tokens"), "no check matches tokens; --list shows all checks"),
    ((NOWHERE, "--scope", "/fed.read"), "one --scope must be /ping.read"),
    ((NOWHERE, "--origin", "é"), "--origin must be printable ASCII"),
    ((NOWHERE, "--control-token", ""), "--control-token must be printable ASCII and not empty"),
    ((NOWHERE, "--ca-file", "/no/such/file"), "--ca-file /no/such/file: No such file"),
    ((NOWHERE,), "cannot connect; is the server running?"),
]


def test_wrong_arguments_are_explained() -> None:
    runs = [(verify(*arguments), message) for arguments, message in USAGE]
    assert [(ended.exit_code, ended.stderr) for ended, message in runs if message not in ended.stderr] == []
    assert {ended.exit_code for ended, _ in runs} == {2}
    assert "pass-word" not in "".join(ended.output for ended, _ in runs)


def test_another_machine_needs_explicit_credentials() -> None:
    for url in ("http://moov.test", "https://127.moov.test"):
        for name, given in (("client-id", KEY[2:]), ("client-secret", KEY[:2])):
            ended = verify(url, key=given)
            variable = f"MOCKMOOV_{name.replace('-', '_').upper()}"
            problem = f"--{name} is missing, and {variable} is not set: {url} is not on this machine"
            assert ended.stderr == f"mockmoov: {problem}, so the API key has no default\n"
            assert ended.exit_code == 2


def test_this_machine_has_the_key_of_the_settings() -> None:
    keys = {"MOCKMOOV_API_KEYS": json.dumps([another_key("mine")])}
    with mockmoov() as url:
        arguments = ("verify", url, "--only", "token.status")
        assert command_line.run(*arguments, env={"CI": "1"}).exit_code == 0
        rejected = command_line.run(*arguments, env={"CI": "1", **keys})
        unknown = command_line.run(*arguments, "--client-id", "third", env={"CI": "1"})
    assert (rejected.exit_code, unknown.exit_code) == (2, 2)
    assert rejected.stderr.endswith("; client_id mine is the first one in MOCKMOOV_API_KEYS\n")
    assert unknown.stderr.startswith("mockmoov: --client-secret is missing, and MOCKMOOV_CLIENT_SECRET is ")


@pytest.mark.slow
def test_what_the_server_refuses_ends_the_run(tmp_path: Path) -> None:
    rejected = "the server rejects the client_id or the client_secret"
    refused = "the server refuses a token for /ping.read /nonsense.read: 400"
    with mockmoov() as url:
        runs = [
            (verify(url, key=WRONG_KEY), rejected),
            (verify(url, "--moov-version", "latest", key=WRONG_KEY), rejected),
            (verify(url, "--scope", "/ping.read", "--scope", "/nonsense.read"), refused),
            (
                verify(url, "--only", "token.status", "--json", str(tmp_path / "no" / "r.json")),
                "No such file",
            ),
        ]
        empty = verify(url, "--only", "client.challenge", "--moov-version", "latest")
    assert [(ended.exit_code, ended.output) for ended, text in runs if text not in ended.stderr] == []
    assert {ended.exit_code for ended in (empty, *(ended for ended, _ in runs))} == {2}
    assert "wrong-but-secret-too" not in "".join(ended.output for ended, _ in runs)
    assert "0 checks: none" in empty.stdout
    assert empty.stdout.splitlines()[-1].startswith("exit code 2: the run could not find out whether every ")


UNLIKE = "does not respond like Moov's token endpoint: "
OTHER_SERVERS: list[tuple[Answer, str]] = [
    ((500, {}, b""), "the server fails: 500 with no body"),
    ((503, {"content-type": "text/html"}, HTML), "the server fails: 503"),
    ((500, {}, b'{"error":"server_error"}'), "the server fails: 500"),
    (
        (200, {"content-type": "text/html"}, HTML),
        f'{UNLIKE}200 with an HTML page with the title "Hello"; check the URL',
    ),
    ((404, {"content-type": "text/html"}, HTML), f"{UNLIKE}404"),
    ((302, {"location": "http://127.0.0.1:1/"}, b""), f"{UNLIKE}302"),
    ((200, {"content-type": "application/json"}, b"[]"), f"{UNLIKE}200"),
    ((429, {"retry-after": "0"}, b""), "the rate limit is reached"),
    ((200, {}, b"x" * 1_000_000), f"{UNLIKE}200 with $ANSWER_1"),
]


@pytest.mark.slow
def test_a_server_other_than_moov_is_recognized() -> None:
    wrong = []
    for answer, message in OTHER_SERVERS:
        with listening(lambda *_, answer=answer: answer) as url:
            ended = verify(url)
        if ended.exit_code != 2 or message not in ended.stderr:
            wrong.append((message, ended.output))
    assert wrong == []


@pytest.mark.slow
def test_an_https_server_needs_a_known_ca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "ca.pem")
    with MockMoov(tls=True, tls_ca_file=path) as moov:
        only = (moov.https_url, "--only", "token.status")
        refused = verify(*only)
        assert verify(*only, "--ca-file", path).exit_code == 0
        for variable in ("MOCKMOOV_CA_FILE", "SSL_CERT_FILE"):
            with monkeypatch.context() as patch:
                patch.setenv(variable, path)
                assert verify(*only).exit_code == 0, variable
    assert refused.exit_code == 2
    assert "the certificate is not trusted; pass its CA with --ca-file" in refused.stderr


# --- servers that do not respond in time ------------------------------------------------------------


@pytest.mark.slow
def test_a_server_that_hangs_ends_the_run() -> None:
    with listening(lambda *_: Hang) as url:
        ended = verify(url, "--timeout", "0.3")
    assert ended.exit_code == 2
    assert "no response in time" in ended.stderr


@pytest.mark.slow
def test_a_server_that_hangs_later_ends_the_run() -> None:
    right = Counting(sender(new_server()))

    def answer(*request: object) -> Answer | None:
        return right(*request) if len(right.times) < 40 else Hang  # type: ignore[arg-type]

    with listening(answer) as url:
        ended = verify(url, "--timeout", "0.2")
    assert ended.exit_code == 2
    assert "stopped: 3 checks in a row got no response" in ended.stdout
    assert "not revoked, valid until they expire: " in ended.stdout


def drip(listener: socket.socket, head: bytes, ended: threading.Event) -> None:
    """Accept a connection and send a byte now and then, until it is closed."""
    with contextlib.suppress(OSError), listener.accept()[0] as connection:
        connection.sendall(head)
        while not ended.wait(0.05):
            connection.sendall(b"x")


@pytest.mark.slow
@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"]
)
def test_a_server_that_drips_ends_the_run(head: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()
        thread = threading.Thread(target=drip, args=(listener, head, done))
        thread.start()
        ended = verify(f"http://127.0.0.1:{listener.getsockname()[1]}", "--timeout", "0.5")
        done.set()
        thread.join()
    assert ended.exit_code == 2
    assert "no response in time" in ended.stderr


# --- options ----------------------------------------------------------------------------------------


def test_environment_gives_credentials_but_no_proxy() -> None:
    proxies = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
    env = {"MOCKMOOV_CLIENT_ID": CLIENT_ID, "MOCKMOOV_CLIENT_SECRET": CLIENT_SECRET}
    with mockmoov() as url:
        arguments = ["verify", url, "--only", "token.status"]
        ended = command_line.run(*arguments, env=env | dict.fromkeys(proxies, NOWHERE))
    assert ended.exit_code == 0, ended.output


def test_checks_can_be_listed_without_a_server() -> None:
    ended = command_line.run("verify", "--list")
    assert ended.exit_code == 0
    assert [line.split()[0] for line in ended.stdout.splitlines()] == list(CHECKS)


LATEST = {"default_version": "latest"}
CONTRACTS: list[tuple[dict[str, str], tuple[str, ...], str]] = [
    ({}, (), "2023, v2026.10.00"),
    ({}, ("--moov-version", "latest", "--moov-version", "v2024.01"), "latest, v2024.01"),
    (LATEST, (), "dated, no header, v2026.10.00"),
    ({"default_version": "2023-sdk"}, (), "2023-sdk, v2026.10.00"),
    ({}, ("--moov-version", "v2026.07.00", "--moov-version", "v2024.01.00"), "v2026.07.00, v2024.01.00"),
    ({}, ("--moov-version", "v2026.07.00", "--without-header"), "2023, v2026.07.00"),
    (LATEST, ("--default-contract", "dated"), "dated, no header, v2026.10.00"),
]


@pytest.mark.slow
def test_options_and_the_server_decide_the_contracts() -> None:
    wrong = []
    for settings, arguments, shown in CONTRACTS:
        with mockmoov(**settings) as url:
            ended = verify(url, "--only", "token.type", *arguments)
        first = ended.stdout.partition("\n")[0]
        if (ended.exit_code, first) != (0, f"{url}: 1 check, contract {shown}"):
            wrong.append((settings, arguments, ended.output))
    assert wrong == []


def test_a_wrong_default_contract_fails() -> None:
    with mockmoov(**LATEST) as url:
        ended = verify(url, "--only", "token.expires-in", "--default-contract", "2023")
    assert ended.exit_code == 1
    assert "expected a lifetime in seconds" in ended.stdout


# --- exit codes, and what is shown of a failure -----------------------------------------------------


def test_another_choice_than_ours_does_not_fail_the_run() -> None:
    with mockmoov(refresh_rotation="off") as url:
        ended = verify(url, "--only", "refresh.rotates")
    assert ended.exit_code == 0
    assert "failed: refresh.rotates (our choice; rfc 9700 §4.14.2, choice)" in ended.stdout
    lines = ended.stdout.splitlines()
    assert "1 check: 1 failed (our choice, which does not fail the run)" in lines
    assert lines[-1] == "exit code 0: every documented and observed rule that was checked holds"
    assert "\n\n\n" not in ended.stdout


def test_a_broken_observed_rule_fails_the_run(tmp_path: Path) -> None:
    with mockmoov(access_token_lifetime=60) as url:
        ended = verify(url, "--only", "token.lifetime", "--junit", str(tmp_path / "r.xml"))
    assert ended.exit_code == 1
    assert "[2023] expected 3600 seconds, got 60" in ended.stdout
    assert ended.stdout.splitlines()[-1] == "exit code 1: a documented or observed rule does not hold"
    assert ET.parse(tmp_path / "r.xml").getroot()[0].get("failures") == "1"


@pytest.mark.slow
def test_findings_are_rows_of_a_table() -> None:
    with mockmoov() as url:
        lines = verify(url, "--only", "finding.*").stdout.splitlines()
    assert "| | 2023 | v2026.10.00 | source |" in lines
    assert any(line.startswith("| refresh tokens rotate | yes | yes | seen at ") for line in lines)


def test_checks_say_what_they_miss() -> None:
    with mockmoov(control="off") as url:
        keys = verify(url, "--only", "*.another-client")
        scopes = verify(url, "--scope", "/ping.read", "--only", "ping.scope", "--only", "refresh.narrow*")
    assert (keys.exit_code, scopes.exit_code) == (0, 0)
    assert "2 not checkable here (requires: control plane)" in keys.stdout
    assert "4 not checkable here (requires: two scopes)" in scopes.stdout


# --- in a process -----------------------------------------------------------------------------------


def verify_without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where a module cannot be imported."""
    program = f"import sys; sys.modules[{module!r}] = None; from mockmoov.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, "verify", *arguments],
        env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_a_missing_library_is_named() -> None:
    for library in ("hypothesis", "rich"):
        ended = verify_without(library, NOWHERE, *KEY)
        assert ended.returncode == 2
        assert ended.stderr == f"mockmoov: verify needs {library}: {advice('verify')}\n"
    ended = verify_without("mockmoov.verify.http", "--list")  # our own, so a defect and no library
    assert ended.returncode == 1
    assert "ModuleNotFoundError" in ended.stderr


@pytest.mark.slow
def test_mockmoov_serve_passes_every_check(tmp_path: Path) -> None:
    with serving("--access-log", "off") as base:
        command = [sys.executable, "-m", "mockmoov", "verify", base, *KEY, "--json", str(tmp_path / "r.json")]
        ended = subprocess.run(
            command, env=environment(), cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["tokens_not_revoked"] == 0
    assert report["counts"]["failed"] == report["counts"]["error"] == 0
    assert {check["id"] for check in report["checks"]} == CHECKS.keys()
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"], "nothing else is written"
