"""`mockmoov verify` as people run it: what it says, writes and ends with, and in bounded time."""

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
from click.testing import CliRunner, Result

from mockmoov.cli.main import main
from mockmoov.testing import MockMoov
from mockmoov.verify.checks import CHECKS
from tests.support.contract_fixtures import Answer
from tests.support.extras import advice
from tests.support.odd_servers import Counting, Hang, listening
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, new_server, sender
from tests.support.serving import environment, serving

KEY = ("--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET)
HTML = b"<!doctype html><title>Hello</title>"


def verify(url: str, *arguments: str, key: tuple[str, ...] = KEY) -> Result:
    return CliRunner().invoke(main, ["verify", url, *key, *arguments], env={"CI": "1"})


@pytest.fixture
def url() -> Iterator[str]:
    """A right server."""
    with listening(sender(new_server())) as base:
        yield base


def html(*_: object) -> Answer:
    return 200, {"content-type": "text/html"}, HTML


def test_all_is_well_with_a_right_server(url: str, tmp_path: Path) -> None:
    ended = verify(
        url, "--only", "token.*", "--json", str(tmp_path / "r.json"), "--junit", str(tmp_path / "r.xml")
    )
    assert ended.exit_code == 0, ended.output
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["exit_code"] == 0
    assert {check["id"]: check["status"] for check in report["checks"]} == {
        name: "passed" for name in CHECKS if name.startswith("token.")
    }
    root = ET.parse(tmp_path / "r.xml").getroot()
    assert [suite.get("name") for suite in root] == ["contract 2023", "contract latest"]
    assert all(suite.get("failures") == suite.get("errors") == "0" for suite in root)


# --- what cannot be verified: exit code 2, a clear message, in bounded time -----------------------


def test_a_cut_network_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ended = verify(f"http://127.0.0.1:{port}")
    assert ended.exit_code == 2
    assert "cannot connect; is the server running?" in ended.stderr


@pytest.mark.parametrize("name", ["client-id", "client-secret"])
def test_where_the_example_key_is_found_is_told(name: str) -> None:
    given = KEY[:2] if name == "client-secret" else KEY[2:]
    ended = verify("http://localhost:1", key=given)
    assert ended.exit_code == 2
    variable = f"MOCKMOOV_{name.replace('-', '_').upper()}"
    assert f"--{name} is missing, and {variable} is not set: `mockmoov serve` prints" in ended.stderr


def test_an_https_server_is_verified_if_its_ca_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_a_wrong_secret_is_told(url: str) -> None:
    ended = verify(url, key=("--client-id", CLIENT_ID, "--client-secret", "wrong-but-secret-too"))
    assert ended.exit_code == 2
    assert "the server rejects the client_id or the client_secret" in ended.stderr
    assert "wrong-but-secret-too" not in ended.output


def test_a_wrong_secret_is_told_where_its_refusal_has_no_body(url: str) -> None:
    wrong = ("--client-id", CLIENT_ID, "--client-secret", "wrong-but-secret-too")
    ended = verify(url, "--moov-version", "latest", key=wrong)
    assert ended.exit_code == 2
    assert "the server rejects the client_id or the client_secret" in ended.stderr


def test_a_scope_that_the_key_may_not_have_is_told(url: str) -> None:
    ended = verify(url, "--scope", "/ping.read", "--scope", "/nonsense.read")
    assert ended.exit_code == 2
    assert "the server refuses a token for /ping.read /nonsense.read: 400" in ended.stderr


def test_checks_of_which_no_contract_has_the_rule_are_told(url: str) -> None:
    ended = verify(url, "--only", "client.challenge", "--moov-version", "latest")
    assert ended.exit_code == 2
    assert "0 checks: none" in ended.stdout
    assert ended.stdout.splitlines()[-1].startswith("exit code 2: the run could not find out whether every ")


def test_what_wants_a_second_scope_says_so(url: str) -> None:
    ended = verify(url, "--scope", "/ping.read", "--only", "ping.scope", "--only", "refresh.narrow*")
    assert ended.exit_code == 0
    assert "4 not checkable here (requires: two scopes)" in ended.stdout


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((500, {}, b""), "the server fails: 500 with no body"),
        ((503, {"content-type": "text/html"}, HTML), "the server fails: 503"),
        ((500, {}, b'{"error":"server_error"}'), "the server fails: 500"),
        (
            (200, {"content-type": "text/html"}, HTML),
            "does not respond like Moov's token endpoint: 200 with <!doctype",
        ),
        ((404, {"content-type": "text/html"}, HTML), "does not respond like Moov's token endpoint: 404"),
        ((302, {"location": "http://127.0.0.1:1/"}, b""), "does not respond like Moov's token endpoint: 302"),
        (
            (200, {"content-type": "application/json"}, b"[]"),
            "does not respond like Moov's token endpoint: 200",
        ),
        ((429, {"retry-after": "0"}, b""), "the rate limit is reached"),
        ((200, {}, b"x" * 1_000_000), "does not respond like Moov's token endpoint: 200 with $ANSWER_1"),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else "",
)
def test_a_server_that_is_no_moov_is_told(answer: Answer, message: str) -> None:
    with listening(lambda *_: answer) as base:
        ended = verify(base)
    assert ended.exit_code == 2
    assert message in ended.stderr


def test_a_server_that_hangs_is_told() -> None:
    with listening(lambda *_: Hang) as base:
        ended = verify(base, "--timeout", "0.3")
    assert ended.exit_code == 2
    assert "no response in time" in ended.stderr


def test_a_server_that_hangs_in_the_middle_is_told_and_the_rest_is_left() -> None:
    right = Counting(sender(new_server()))

    def answer(*request: object) -> Answer | None:
        return right(*request) if len(right.times) < 40 else Hang  # type: ignore[arg-type]

    with listening(answer) as base:
        ended = verify(base, "--timeout", "0.2")
    assert ended.exit_code == 2
    assert "stopped: 3 checks in a row got no response" in ended.stdout
    assert "not revoked, valid until they expire: " in ended.stdout


@pytest.mark.parametrize(
    "drip", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"]
)
def test_a_server_that_drips_is_told(drip: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(drip)
                while not ended.wait(0.05):
                    connection.sendall(b"x")

        def until_closed() -> None:
            with contextlib.suppress(OSError):
                serve()

        thread = threading.Thread(target=until_closed)
        thread.start()
        told = verify(f"http://127.0.0.1:{listener.getsockname()[1]}", "--timeout", "0.5")
        ended.set()
        thread.join()
    assert told.exit_code == 2
    assert "no response in time" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("http://user:pass-word@127.0.0.1:1",), "the URL must not contain credentials"),
        (("ftp://127.0.0.1",), "the URL must begin with http:// or https://"),
        (("http://",), "the URL must begin with http:// or https://"),
        (("http://[::1",), "the URL is not a valid URL"),
        (("http://127.0.0.1:1/?a=b",), "the URL must not have a query string or a fragment"),
        (
            ("http://127.0.0.1:1", "--moov-version", "2026"),
            "--moov-version '2026' must be `latest` or look like",
        ),
        (("http://127.0.0.1:1", "--only", "tokens"), "no check matches tokens; --list shows all checks"),
        (("http://127.0.0.1:1", "--scope", "/fed.read"), "one --scope must be /ping.read"),
        (("http://127.0.0.1:1", "--origin", "é"), "--origin must be printable ASCII"),
        (
            ("http://127.0.0.1:1", "--control-token", ""),
            "--control-token must be printable ASCII and not empty",
        ),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_is_asked(
    arguments: tuple[str, ...], message: str
) -> None:
    ended = verify(*arguments)
    assert ended.exit_code == 2
    assert message in ended.stderr
    assert "pass-word" not in ended.output


def test_a_report_that_cannot_be_written_is_told(url: str, tmp_path: Path) -> None:
    ended = verify(url, "--only", "token.status", "--json", str(tmp_path / "no" / "r.json"))
    assert ended.exit_code == 2
    assert "No such file" in ended.stderr


def test_environment_proxies_are_not_asked_on_loopback(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert verify(url, "--only", "token.status").exit_code == 0


def test_credentials_may_come_from_the_environment(url: str) -> None:
    given = {"MOCKMOOV_CLIENT_ID": CLIENT_ID, "MOCKMOOV_CLIENT_SECRET": CLIENT_SECRET}
    ended = CliRunner().invoke(main, ["verify", url, "--only", "token.status"], env=given)
    assert ended.exit_code == 0


def test_the_checks_can_be_listed_without_a_server() -> None:
    ended = CliRunner().invoke(main, ["verify", "--list"])
    assert ended.exit_code == 0
    assert [line.split()[0] for line in ended.stdout.splitlines()] == list(CHECKS)


# --- which contract ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "arguments", "shown"),
    [
        ({}, (), "2023, latest"),
        ({"default_version": "latest"}, (), "dated, no header, latest"),
        ({"default_version": "2023-sdk"}, (), "2023-sdk, latest"),
        ({}, ("--moov-version", "v2026.07.00", "--moov-version", "v2024.01.00"), "v2026.07.00, v2024.01.00"),
        ({}, ("--moov-version", "v2026.07.00", "--without-header"), "2023, v2026.07.00"),
        ({"default_version": "latest"}, ("--default-contract", "dated"), "dated, no header, latest"),
    ],
)
def test_the_contracts_are_those_that_were_asked_for(
    settings: dict[str, Any], arguments: tuple[str, ...], shown: str
) -> None:
    with listening(sender(new_server(**settings))) as base:
        ended = verify(base, "--only", "token.type", *arguments)
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.splitlines()[0] == f"{base}: 1 check, contract {shown}"


def test_a_default_contract_that_was_asked_for_is_not_another() -> None:
    with listening(sender(new_server(default_version="latest"))) as base:
        ended = verify(base, "--only", "token.expires-in", "--default-contract", "2023")
    assert ended.exit_code == 1
    assert "expected a lifetime in seconds" in ended.stdout


# --- exit codes, and what is shown of a failure ---------------------------------------------------


def test_a_choice_of_ours_that_is_another_does_not_fail_the_run() -> None:
    with listening(sender(new_server(refresh_rotation="off"))) as base:
        ended = verify(base, "--only", "refresh.rotates")
    assert ended.exit_code == 0
    assert "failed: refresh.rotates (our choice; rfc 9700 §4.14.2, choice)" in ended.stdout
    lines = ended.stdout.splitlines()
    assert "1 check: 1 failed (our choice, which does not fail the run)" in lines
    assert lines[-1] == "exit code 0: every documented and observed rule that was checked holds"
    assert "\n\n\n" not in ended.stdout


def test_an_observed_rule_that_does_not_hold_fails_the_run(tmp_path: Path) -> None:
    with listening(sender(new_server(access_token_lifetime=60))) as base:
        ended = verify(base, "--only", "token.lifetime", "--junit", str(tmp_path / "r.xml"))
    assert ended.exit_code == 1
    assert "[2023] expected 3600 seconds, got 60" in ended.stdout
    assert ended.stdout.splitlines()[-1] == "exit code 1: a documented or observed rule does not hold"
    assert ET.parse(tmp_path / "r.xml").getroot()[0].get("failures") == "1"


def test_findings_come_as_rows_of_a_table(url: str) -> None:
    lines = verify(url, "--only", "finding.*").stdout.splitlines()
    assert "| | 2023 | latest | source |" in lines
    assert any(line.startswith("| refresh tokens rotate | yes | yes | seen at ") for line in lines)


def test_a_second_key_is_not_needed_but_its_checks_say_so() -> None:
    with listening(sender(new_server(control="off"))) as base:
        ended = verify(base, "--only", "*.another-client")
    assert ended.exit_code == 0
    assert "2 not checkable here (requires: control plane)" in ended.stdout


@pytest.mark.parametrize("library", ["hypothesis", "rich"])
def test_a_missing_library_is_told(library: str) -> None:
    program = f"import sys; sys.modules[{library!r}] = None; from mockmoov.cli.main import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", program, "verify", "http://127.0.0.1:1", *KEY],
        env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr == f"mockmoov: verify needs {library}: {advice('verify')}\n"


def test_what_is_missing_of_our_own_is_not_a_missing_library() -> None:
    program = (
        "import sys; sys.modules['mockmoov.verify.http'] = None; from mockmoov.cli.main import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "verify", "--list"],
        env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "ModuleNotFoundError" in ended.stderr


# --- the whole of it -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("settings", [(), ("--token-format", "opaque"), ("--default-version", "latest")])
def test_mockmoov_serve_is_verified_under_both_contracts(settings: tuple[str, ...], tmp_path: Path) -> None:
    with serving("--access-log", "off", *settings) as base:
        command = [sys.executable, "-m", "mockmoov", "verify", base, *KEY, "--json", str(tmp_path / "r.json")]
        ended = subprocess.run(
            command, env=environment(), cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["tokens_not_revoked"] == 0
    assert report["counts"]["failed"] == report["counts"]["error"] == 0
    contracts = {"both", "dated"} if "latest" in settings else {"both", "dated", "2023"}
    wanted = {name for name, check in CHECKS.items() if check.contract in contracts}
    assert {check["id"] for check in report["checks"]} == wanted
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"], "nothing else is written"
