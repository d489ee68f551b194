"""`mockmoov verify` is polite and safe: its budget and rate, what it requests, leaves behind and shows."""

import itertools
import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from mockmoov.config.settings import Settings
from mockmoov.verify.budget import BudgetedSender
from mockmoov.verify.run import stop_on_signal, target_of
from tests.support import command_line
from tests.support.contract_fixtures import Answer, Send
from tests.support.odd_servers import Counting, listening
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, basic, new_server, post_form, sender
from tests.support.serving import environment
from tools.breakages import BREAKAGES, BrokenServer

KEY = ("--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET)
ONE_CONTRACT = ("--moov-version", "v2026.10.00")


def tokens_of(server: Counting) -> set[str]:
    """Every token that a server issued."""
    found = set()
    for status, _, body in server.answers:
        if status == 200 and b'"access_token"' in body:
            document = json.loads(body)
            found |= {document[name] for name in ("access_token", "refresh_token") if name in document}
    return found


def is_active(send: Send, token: str) -> bool:
    answer = post_form(send, "/_mockmoov/introspect", basic(), token=token)
    return bool(json.loads(answer[2])["active"])


def verify(server: Counting, *arguments: str) -> tuple[int, str]:
    with listening(server) as url:
        ended = command_line.run("verify", url, *KEY, *arguments, env={"CI": "1"})
    return ended.exit_code, ended.output


# --- the budget and the rate, as the server counts them ---------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("budget", [1, 3, 40, 200])
def test_budget_includes_revoking_what_was_issued(budget: int) -> None:
    right = sender(new_server(control="off"))
    server = Counting(right)
    code, output = verify(server, "--budget", str(budget))
    assert code == 2
    assert f"the budget of {budget} requests is used up" in output
    assert len(server.times) <= budget
    if budget > 3:
        assert tokens_of(server)
        assert [token for token in tokens_of(server) if is_active(right, token)] == []


@pytest.mark.slow
def test_requests_keep_to_the_rate() -> None:
    server = Counting(sender(new_server()))
    code, _ = verify(server, "--rate", "100", "--only", "token.t*")
    assert code == 0
    gaps = len(server.times) - 1
    assert gaps > 5
    assert server.times[-1] - server.times[0] >= 0.99 * gaps / 100


def test_default_rate_is_polite_to_servers_of_others() -> None:
    rates = {
        ("https://api.moov.io", None): 5,
        ("https://api.moov.io", 2): 2,
        ("http://localhost:8080", None): None,
        ("http://localhost:8080", 7): 7,
    }
    assert {
        (url, rate): target_of(url=url, client_id="a", client_secret="b", rate=rate).rate
        for url, rate in rates
    } == rates


def test_a_rate_limit_is_waited_out() -> None:
    right, turns = sender(new_server()), itertools.count()

    def limited(*request: object) -> Answer:
        if next(turns) % 3 == 0:
            return 429, {"retry-after": "0"}, b""
        return right(*request)  # type: ignore[arg-type]

    code, output = verify(Counting(limited), "--only", "token.t*")
    assert code == 0, output


# --- what it requests and leaves behind -------------------------------------------------------------


@pytest.mark.slow
def test_run_uses_moovs_paths_and_given_scopes_and_revokes_all() -> None:
    moov = sender(new_server(control="off"))

    def without_ours(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        if target.startswith(("/_mockmoov", "/.well-known")):
            return 404, {}, b""
        return moov(method, target, headers, body)

    server = Counting(without_ours)
    code, output = verify(server, "--scope", "/ping.read", "--scope", "/fed.read", *ONE_CONTRACT)
    assert code == 0, output
    paths = [target.partition("?")[0] for _, target, _, _ in server.requests]
    assert [path for path in paths if path.startswith(("/_mockmoov", "/.well-known"))] == [
        "/_mockmoov/config"
    ]
    assert {path for path in paths if not path.startswith(("/oauth2/", "/_mockmoov"))} == {"/ping"}
    granted = [
        json.loads(body)["scope"]
        for _, _, body in server.answers
        if b'"scope"' in body and b'"access' in body
    ]
    assert set(" ".join(granted).split()) == {"/ping.read", "/fed.read"}
    assert len(server.times) < 1500, "far within the usual budget"
    assert len(tokens_of(server)) > 100
    assert [token for token in tokens_of(server) if is_active(moov, token)] == []


def test_a_key_that_a_check_makes_is_deleted() -> None:
    right = sender(new_server())
    server = Counting(right)
    code, output = verify(server, "--only", "*.another-client")
    assert code == 0, output
    asked = zip(server.requests, server.answers, strict=True)
    assert 201 in [answer[0] for request, answer in asked if request[:2] == ("POST", "/_mockmoov/api-keys")]
    _, _, body = right("GET", "/_mockmoov/api-keys", [], b"")
    assert [key["client_id"] for key in json.loads(body)["api_keys"]] == [CLIENT_ID]


def test_a_new_key_of_an_application_is_hidden_and_deleted() -> None:
    right = sender(BrokenServer(Settings(), BREAKAGES["application-key-201"]))
    server = Counting(right)
    code, output = verify(server, "--only", "application.new-key*")
    assert code == 1
    assert "expected 200, got 201" in output
    created = [json.loads(body) for _, _, body in server.answers if b'"clientSecret"' in body]
    assert len(created) == 4
    assert [each["name"] for each in created if each["clientSecret"] in output] == []
    _, _, body = right("GET", "/_mockmoov/api-keys", [], b"")
    assert [key["client_id"] for key in json.loads(body)["api_keys"]] == [CLIENT_ID]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_revokes_what_was_issued(number: int, tmp_path: Path) -> None:
    right = sender(new_server(control="off"))
    server = Counting(right)
    command = [sys.executable, "-m", "mockmoov", "verify", "--json", "r.json", *KEY]
    with (
        listening(server) as url,
        subprocess.Popen(
            [*command, url], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(12)]
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait(60) == 2
    assert all(line.strip() for line in lines)
    assert "stopped: interrupted, at " in rest
    assert json.loads((tmp_path / "r.json").read_text())["stopped"].startswith("interrupted")
    assert tokens_of(server)
    assert [token for token in tokens_of(server) if is_active(right, token)] == []


def test_a_second_interruption_ends_the_run_at_once() -> None:
    sender = BudgetedSender(lambda request: httpx2.Response(200), url="", budget=1, rate=None)
    before = signal.getsignal(signal.SIGINT)
    with stop_on_signal(sender):
        signal.raise_signal(signal.SIGINT)
        assert sender.stop_reason
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


# --- what it shows ----------------------------------------------------------------------------------


def echoing(right: Send) -> Send:
    """A server that refuses good tokens, and repeats in every refusal what it received."""

    def answer(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        status, answered, content = right(method, target, headers, body)
        ours = target.startswith("/_mockmoov")
        if ours or (status == 200 and b'"access_token"' in content):
            return status, answered, content
        echo = "\n".join([target, *(value for _, value in headers), body.decode("latin-1")])
        return 400, {"content-type": "text/plain"}, echo.encode("latin-1", "replace")

    return answer


@pytest.mark.slow
def test_no_output_contains_a_secret_or_a_whole_token(tmp_path: Path) -> None:
    server = Counting(echoing(sender(new_server())))
    reports = [tmp_path / "r.json", tmp_path / "r.xml"]
    options = ("--json", str(reports[0]), "--junit", str(reports[1]), "--control-token", "kept-secret")
    some = ("--only", "token.*", "--only", "revoke.*", "--only", "scope.*", "--only", "mockmoov.*")
    code, output = verify(server, *options, *some, *ONE_CONTRACT)
    assert code == 1
    text = output + "".join(report.read_text() for report in reports)
    secrets = {CLIENT_SECRET, basic()[1].partition(" ")[2], "kept-secret", *tokens_of(server)}
    for status, _, body in server.answers:
        if status == 201:
            created = json.loads(body)
            secrets |= {created[member] for member in ("client_secret", "access_token") if member in created}
    assert len(secrets) > 100
    assert [secret for secret in secrets if secret in text] == []


@pytest.mark.slow
def test_a_counterexample_can_be_repeated_in_a_shell() -> None:
    """The commands that are shown get the same responses from the same server."""
    server = BrokenServer(Settings(), BREAKAGES["revoke-200"])
    with listening(sender(server)) as url:
        ended = command_line.run("verify", url, *KEY, "--only", "revoke.status", "--moov-version", "latest")
        assert ended.exit_code == 1
        commands = [line.strip() for line in ended.stdout.splitlines() if line.startswith("    curl")]
        mint, revoke = commands
        variables = {"CLIENT_SECRET": CLIENT_SECRET}
        minted = shell(mint, variables)
        assert "returns $ACCESS_TOKEN_" in mint
        name = revoke.partition('"$')[2].partition('"')[0]
        names = [word.lstrip("$") for word in mint.split() if word.startswith("$") and "TOKEN" in word]
        document = json.loads(minted.rpartition("\n")[2])
        for given in names:
            variables[given] = document[given.rpartition("_")[0].lower()]
        shown = shell(revoke.replace("\r", ""), variables)
    assert name
    assert shown.startswith("HTTP/1.1 200")
    assert revoke.rpartition("# ")[2].startswith("200")


def shell(command: str, variables: dict[str, str]) -> str:
    ended = subprocess.run(
        ["bash", "-c", command],
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return ended.stdout.replace("\r\n", "\n")
