"""The suite is polite and safe: budget, rate, scopes, what it leaves behind, and what it tells."""

import itertools
import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner

from mockmoov.cli.main import main
from mockmoov.config.settings import Settings
from mockmoov.verify.run import stop_on_signal, target_of
from tests.support.contract_fixtures import Answer, Send
from tests.support.odd_servers import Counting, listening
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, basic, new_server, post_form, sender
from tests.support.serving import environment
from tools.breakages import BREAKAGES, BrokenServer

KEY = ("--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET)


def tokens_of(server: Counting) -> set[str]:
    """Every token that a server gave away."""
    found = set()
    for status, _, body in server.answers:
        if status == 200 and b'"access_token"' in body:
            document = json.loads(body)
            found |= {document[name] for name in ("access_token", "refresh_token") if name in document}
    return found


def alive(send: Send, token: str) -> bool:
    answer = post_form(send, "/_mockmoov/introspect", basic(), token=token)
    return bool(json.loads(answer[2])["active"])


def verify(server: Counting, *arguments: str) -> tuple[int, str]:
    with listening(server) as url:
        ended = CliRunner().invoke(main, ["verify", url, *KEY, *arguments], env={"CI": "1"})
    return ended.exit_code, ended.output


# --- the budget and the rate, as the server counts them ------------------------------------------


@pytest.mark.parametrize("budget", [1, 3, 40, 200])
def test_the_budget_is_kept_and_what_was_minted_is_revoked_within_it(budget: int) -> None:
    right = sender(new_server(control="off"))
    server = Counting(right)
    code, output = verify(server, "--budget", str(budget))
    assert code == 2
    assert f"the budget of {budget} requests is used up" in output
    assert len(server.times) <= budget
    if budget > 3:
        assert tokens_of(server)
        assert not [token for token in tokens_of(server) if alive(right, token)]


def test_the_rate_is_kept() -> None:
    server = Counting(sender(new_server()))
    code, _ = verify(server, "--rate", "100", "--only", "token.*")
    assert code == 0
    gaps = len(server.times) - 1
    assert gaps > 50
    assert server.times[-1] - server.times[0] >= 0.99 * gaps / 100


@pytest.mark.parametrize(
    ("url", "asked", "rate"),
    [
        ("https://api.moov.io", None, 5),
        ("https://api.moov.io", 2, 2),
        ("http://localhost:8080", None, None),
        ("http://localhost:8080", 7, 7),
    ],
)
def test_the_usual_rate_is_polite_where_others_are(url: str, asked: float | None, rate: float | None) -> None:
    assert target_of(url=url, client_id="a", client_secret="b", rate=asked).rate == rate


def test_a_rate_limit_that_is_met_is_waited_out() -> None:
    right, turns = sender(new_server()), itertools.count()

    def limited(*request: object) -> Answer:
        if next(turns) % 3 == 0:
            return 429, {"retry-after": "0"}, b""
        return right(*request)  # type: ignore[arg-type]

    code, output = verify(Counting(limited), "--only", "token.*")
    assert code == 0, output


# --- what it asks for ----------------------------------------------------------------------------


@pytest.mark.slow
def test_no_scope_is_granted_beyond_what_was_asked_for() -> None:
    server = Counting(sender(new_server(control="off")))
    verify(server, "--scope", "/ping.read", "--scope", "/fed.read")
    granted = {
        scope
        for status, _, body in server.answers
        if status == 200 and b'"scope"' in body
        for scope in json.loads(body)["scope"].split()
    }
    assert granted == {"/ping.read", "/fed.read"}


@pytest.mark.slow
def test_nothing_is_asked_but_moovs_paths_and_what_tells_a_mockmoov() -> None:
    moov = sender(new_server(control="off"))

    def without_ours(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        if target.startswith(("/_mockmoov", "/.well-known")):
            return 404, {}, b""
        return moov(method, target, headers, body)

    server = Counting(without_ours)
    verify(server)
    paths = [target.partition("?")[0] for _, target, _, _ in server.requests]
    assert [path for path in paths if path.startswith(("/_mockmoov", "/.well-known"))] == [
        "/_mockmoov/config"
    ]
    assert {path for path in paths if not path.startswith(("/oauth2/", "/_mockmoov"))} == {"/ping"}


def test_a_key_of_its_own_is_deleted_at_the_end() -> None:
    right = sender(new_server())
    verify(Counting(right), "--only", "*.another-client")
    _, _, body = right("GET", "/_mockmoov/api-keys", [], b"")
    assert [key["client_id"] for key in json.loads(body)["api_keys"]] == [CLIENT_ID]


# --- what it leaves behind, and tells -------------------------------------------------------------


@pytest.mark.slow
def test_everything_that_was_minted_is_revoked() -> None:
    right = sender(new_server(control="off"))
    server = Counting(right)
    code, _ = verify(server)
    assert code == 0
    assert len(server.times) < 3000, "far within the usual budget"
    assert len(tokens_of(server)) > 200
    assert not [token for token in tokens_of(server) if alive(right, token)]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_everything_that_was_minted_is_revoked_after_an_interruption(number: int, tmp_path: Path) -> None:
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
    assert not [token for token in tokens_of(server) if alive(right, token)]


def test_a_second_interruption_ends_it_at_once() -> None:
    from mockmoov.verify.budget import BudgetedSender

    sender = BudgetedSender(lambda request: httpx2.Response(200), budget=1, rate=None)
    before = signal.getsignal(signal.SIGINT)
    with stop_on_signal(sender):
        signal.raise_signal(signal.SIGINT)
        assert sender.stop_reason
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def echoing(right: Send) -> Send:
    """A server that repeats in every refusal what it was sent, and refuses good tokens."""

    def answer(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        status, answered, content = right(method, target, headers, body)
        ours = target.startswith("/_mockmoov")
        if ours or (status == 200 and b'"access_token"' in content):
            return status, answered, content
        echo = "\n".join([target, *(value for _, value in headers), body.decode("latin-1")])
        return 400, {"content-type": "text/plain"}, echo.encode("latin-1", "replace")

    return answer


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["none", "echo", "no-scope", "revoke-200", "ping-open", "old-refresh-token-stays"]
)
def test_nothing_that_is_told_has_a_secret_or_a_whole_token_in_it(name: str, tmp_path: Path) -> None:
    right = sender(new_server() if name in ("none", "echo") else BrokenServer(Settings(), BREAKAGES[name]))
    server = Counting(echoing(right) if name == "echo" else right)
    code, output = verify(
        server,
        "--json",
        str(tmp_path / "r.json"),
        "--junit",
        str(tmp_path / "r.xml"),
        "--control-token",
        "kept-secret",
    )
    assert (code == 0) is (name in ("none", "old-refresh-token-stays"))  # the latter is a choice of ours
    told = output + (tmp_path / "r.json").read_text() + (tmp_path / "r.xml").read_text()
    secrets = {CLIENT_SECRET, basic()[1].partition(" ")[2], "kept-secret", *tokens_of(server)}
    for status, _, body in server.answers:
        if status == 201:
            made = json.loads(body)
            secrets |= {made[member] for member in ("client_secret", "access_token") if member in made}
    assert len(secrets) > 100
    assert not [secret for secret in secrets if secret in told]


def test_a_counterexample_can_be_repeated_by_hand() -> None:
    """The commands that are shown, run by a shell against the same server, meet the same answers."""
    server = BrokenServer(Settings(), BREAKAGES["revoke-200"])
    with listening(sender(server)) as url:
        ended = CliRunner().invoke(
            main, ["verify", url, *KEY, "--only", "revoke.status", "--moov-version", "latest"]
        )
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
