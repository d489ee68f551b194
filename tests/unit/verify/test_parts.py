"""The parts of the suite that a server cannot show: budget, masking, commands, examples, displays."""

import io
import itertools
import json
import shlex
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import httpx2
import pytest
from hypothesis import strategies as st
from rich.console import Console

from mockmoov.verify.budget import BudgetedSender, RecordedExchange
from mockmoov.verify.check import BudgetExhausted, CannotRun, Check, CheckFailed, NoResponse, Result, Status
from mockmoov.verify.examples import MAX_SHRINKS, for_all
from mockmoov.verify.expectations import DATED, NO_HEADER_2023, expectations_of
from mockmoov.verify.masking import Masking, basic, commands
from mockmoov.verify.reports import (
    Outcome,
    Report,
    as_json,
    as_junit,
    live_table,
    markdown_rows,
    print_outcome,
    summary,
)
from mockmoov.verify.response import Response
from mockmoov.verify.run import select_checks
from mockmoov.verify.session import contract_of
from mockmoov.verify.target import Target
from tests.support.verifying import KEY, target

GET = httpx2.Request("GET", "http://localhost/ping")


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def wire(
    answer: Callable[[], httpx2.Response], *, rate: float | None = None, budget: int = 100
) -> tuple[BudgetedSender, Time]:
    time = Time()
    made = BudgetedSender(
        lambda _: answer(), budget=budget, rate=rate, seconds=1000, clock=time.clock, sleep=time.sleep
    )
    return made, time


# --- the wire ------------------------------------------------------------------------------------


def test_requests_are_as_far_apart_as_the_rate_says() -> None:
    made, time = wire(lambda: httpx2.Response(200), rate=4)
    for _ in range(9):
        made.send(GET)
    assert time.now == pytest.approx(8 / 4)


@pytest.mark.parametrize(("told", "waited"), [("7", 7), ("99999", 30), ("soon", 1), ("", 1)])
def test_a_429_is_waited_out_for_as_long_as_it_says(told: str, waited: float) -> None:
    answers = iter([httpx2.Response(429, headers={"retry-after": told}), httpx2.Response(200)])
    made, time = wire(lambda: next(answers))
    assert made.send(GET).status_code == 200
    assert time.slept == [waited]


def test_a_429_that_stays_is_an_answer_at_last_and_at_once_to_who_waits_for_it() -> None:
    made, time = wire(lambda: httpx2.Response(429))
    assert made.send(GET).status_code == 429
    assert made.sent == 3
    assert made.send(GET, retry_429=False).status_code == 429
    assert made.sent == 4
    assert len(time.slept) == 2


@pytest.mark.parametrize(("statuses", "sent"), [([204], 1), ([429, 204], 2), ([429, 429], 2)])
def test_cleaning_up_waits_once_when_it_is_told_to(statuses: list[int], sent: int) -> None:
    answers = iter(statuses)
    made, time = wire(lambda: httpx2.Response(next(answers)))
    assert made.send_cleanup(GET).status_code == statuses[-1]
    assert made.sent == sent
    assert len(time.slept) == sent - 1


def test_nothing_is_sent_when_the_time_is_up_but_what_cleans_up() -> None:
    made, time = wire(lambda: httpx2.Response(200))
    time.now = 1001
    with pytest.raises(BudgetExhausted, match="the time limit of 1000 seconds is reached"):
        made.send(GET)
    assert made.send_cleanup(GET).status_code == 200
    assert made.sent == 1


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (httpx2.ConnectError("secret"), "cannot connect; is the server running?"),
        (
            httpx2.ConnectError("certificate verify failed: secret"),
            "is not trusted; pass its CA with --ca-file",
        ),
        (httpx2.ConnectTimeout("secret"), "connecting timed out"),
        (httpx2.ReadTimeout("secret"), "no response in time"),
        (httpx2.ReadError("secret"), "the connection was lost"),
        (httpx2.RemoteProtocolError("secret"), "or it is not HTTP"),
        (ValueError("secret"), r"no response \(ValueError\)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_happened_is_told_in_our_own_words(error: Exception, text: str) -> None:
    def fail() -> httpx2.Response:
        raise error

    with pytest.raises(NoResponse, match=text) as told:
        wire(fail)[0].send(GET)
    assert "secret" not in str(told.value)


# --- what is hidden, and the commands ------------------------------------------------------------


def test_a_secret_is_hidden_in_each_form_in_which_it_travels() -> None:
    hidden = Masking()
    secret = 'a+b/c d%"\\'
    hidden.hide_key("the-id", secret, "")
    encoded = ("a%2Bb%2Fc+d%25%22%5C", "a%2Bb%2Fc%20d%25%22%5C", basic("the-id", secret))
    echoed = (b64encode(secret.encode()).decode(), secret.encode().hex(), secret.encode().hex().upper())
    percent = "".join(f"%{byte:02x}" for byte in secret.encode())
    in_json = (json.dumps(secret)[1:-1], json.dumps(json.dumps(secret))[3:-3])
    for form in (secret, *encoded, *in_json, *echoed, percent, percent.upper()):
        assert form not in hidden.mask(f"x{form}x")
        assert hidden.mask(f"x{form}x").startswith("x$")


def test_the_longer_of_two_hidden_texts_is_hidden_whole() -> None:
    hidden = Masking()
    hidden.hide("secret", "SHORT")
    hidden.hide("secret-and-more", "LONG")
    assert hidden.mask("a secret-and-more b secret") == "a $LONG b $SHORT"


def test_what_is_too_short_to_be_a_secret_hides_nothing() -> None:
    hidden = Masking()
    hidden.hide_numbered("abc", "TOKEN")
    assert hidden.mask("abc") == "abc"
    hidden.hide("", "NOTHING")
    hidden.hide_key("me", "abc", "")
    assert hidden.mask("abc") == "$CLIENT_SECRET"


@pytest.mark.parametrize(
    "text", ["", "plain", "two words", "it's", "\x00\n", "é\U0001f511", "\udcff", "\\", "$HOME `ls`"]
)
def test_a_word_of_a_shell_is_the_text(text: str) -> None:
    import subprocess

    word = Masking().shell_word(text)
    printed = subprocess.run(
        ["bash", "-c", f"printf %s {word}"], capture_output=True, check=True, timeout=30
    ).stdout
    assert printed == text.encode("utf-8", "surrogateescape").replace(b"\0", b"") or "\0" in text


def test_hidden_values_are_variables_of_the_shell() -> None:
    hidden = Masking()
    hidden.hide("secret value", "NAME")
    assert hidden.shell_word("a=secret value&b=c d") == "a=\"$NAME\"'&b=c d'"


def exchange(
    method: str, path: str, body: bytes = b"", answer: bytes = b"", **headers: str
) -> RecordedExchange:
    request = httpx2.Request(method, f"http://localhost{path}", headers=headers, content=body)
    return RecordedExchange(request=request, response=httpx2.Response(200, content=answer))


def test_a_counterexample_is_the_last_exchange_and_those_it_builds_upon() -> None:
    hidden = Masking()
    hidden.hide_key("me", "my-secret", "")
    for number in range(2):
        hidden.hide_numbered(f"token-{number}", "ACCESS_TOKEN")
    found = commands(
        [
            exchange("POST", "/oauth2/token", answer=b'{"access_token":"token-0"}'),
            exchange(
                "POST",
                "/oauth2/token",
                answer=b'{"access_token":"token-1"}',
                Authorization=f"Basic {basic('me', 'my-secret')}",
            ),
            exchange("GET", "/ping", Authorization="Bearer token-1"),
        ],
        hidden,
    )
    assert found == (
        'curl -i -X POST -u me:"$CLIENT_SECRET" http://localhost/oauth2/token'
        "  # 200, returns $ACCESS_TOKEN_2",
        "curl -i -X GET -H 'Authorization: Bearer '\"$ACCESS_TOKEN_2\" http://localhost/ping  # 200",
    )
    assert commands([], hidden) == ()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", ["-H", "Authorization;"]),
        ("Basic !", ["-H", "Authorization: Basic !"]),
        ("Basic bm8tY29sb24=", ["-H", "Authorization: Basic bm8tY29sb24="]),
        ("Basic YTpi", ["-u", "a:b"]),
    ],
)
def test_a_header_is_told_as_curl_would_send_it(value: str, words: list[str]) -> None:
    (line,) = commands([exchange("GET", "/ping", Authorization=value)], Masking())
    assert shlex.split(line.partition("  #")[0])[4:6] == words


def test_a_long_body_is_told_by_its_beginning_and_its_length() -> None:
    (line,) = commands([exchange("POST", "/oauth2/token", body=b"x" * 70_000)], Masking())
    assert len(line) < 200
    assert "70000 bytes" in line


# --- answers ---------------------------------------------------------------------------------------


def answer(body: bytes, status: int = 200, **headers: str) -> Response:
    return Response(status=status, headers=httpx2.Headers(headers), body=body, received_at=5.0, errors={})


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 100_000, b"1"])
def test_what_is_no_json_object_fails(body: bytes) -> None:
    with pytest.raises(CheckFailed, match="expected a JSON object"):
        answer(body).json_object()


def test_an_answer_is_told_in_one_printable_line() -> None:
    assert str(answer(b"a\n\x1b[31m\xff")) == "200 with a\\n\\x1b[31m\\\\xff" or "\x1b" not in str(
        answer(b"\x1b")
    )


@pytest.mark.parametrize("told", ["", "nonsense", "Tue, 99 Nov 2026 22:25:38 GMT"])
def test_our_clock_stands_in_where_the_server_does_not_say_what_time_it_is(told: str) -> None:
    assert answer(b"", date=told).server_time == 5.0


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"expires_in":4000000000,"token_type":"Bearer"}', "dated"),
        (b'{"expires_in":3600,"token_type":"jwt"}', "2023-sdk"),
        (b'{"expires_in":3600,"token_type":"Bearer"}', "2023"),
        (b"nonsense", "2023"),
    ],
)
def test_the_contract_without_a_header_is_known_by_its_first_answer(body: bytes, name: str) -> None:
    assert contract_of(answer(body)).name == name


@pytest.mark.parametrize("version", ["", "2026.07.00", "v2026.08.00", "v2026.07.00 ", "LATEST"])
def test_a_malformed_version_is_no_contract(version: str) -> None:
    with pytest.raises(CannotRun, match="must be `latest` or look like"):
        expectations_of(version)


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("[::1]", True),
        ("a.localhost", True),
        ("api.moov.io", False),
    ],
)
def test_a_target_on_this_machine_is_known(host: str, is_loopback: bool) -> None:
    assert Target(url=f"http://{host}:80", key=KEY).is_loopback is is_loopback
    assert "dNC" not in repr(target())


# --- drawing -------------------------------------------------------------------------------------


def test_the_smallest_counterexample_is_what_fails() -> None:
    def law(number: int) -> None:
        if number >= 10:
            raise CheckFailed(str(number))

    with pytest.raises(CheckFailed) as failure:
        for_all(st.integers(0, 10**6), law, examples=50, seed=None)
    assert str(failure.value) == "10"


def test_the_same_examples_are_drawn_but_for_another_seed() -> None:
    drawn: list[list[int]] = []
    for seed in (None, None, 1, 1, 2):
        drawn.append([])
        for_all(st.integers(), drawn[-1].append, examples=20, seed=seed)
    assert drawn[0] == drawn[1]
    assert drawn[2] == drawn[3]
    assert drawn[2] != drawn[4]


def test_what_fails_only_once_has_failed() -> None:
    tries: list[int] = []

    def law(number: int) -> None:
        tries.append(number)
        if len(tries) == 3:
            raise CheckFailed("once")

    with pytest.raises(CheckFailed, match="once"):
        for_all(st.integers(), law, examples=10, seed=None)


def test_shrinking_ends() -> None:
    tries: list[str] = []

    def law(text: str) -> None:
        tries.append(text)
        if len(text) > 5:
            raise CheckFailed(text)

    with pytest.raises(CheckFailed):
        for_all(st.text(min_size=0, max_size=500), law, examples=20, seed=7)
    assert len(tries) <= 20 + MAX_SHRINKS


def test_what_is_no_verdict_ends_the_drawing() -> None:
    tries: list[int] = []

    def law(number: int) -> None:
        tries.append(number)
        raise BudgetExhausted("spent")

    with pytest.raises(BudgetExhausted):
        for_all(st.integers(), law, examples=10, seed=None)
    assert len(tries) == 1


# --- reports and displays ------------------------------------------------------------------------


def check(name: str, source: str = "spec") -> Check:
    return Check(id=name, title="A rule", contract="both", source=source, run=lambda _: None)


def outcome(name: str, status: Status, source: str = "spec", **members: object) -> Outcome:
    result = Result(check_id=name, contract="2023", status=status, **members)  # type: ignore[arg-type]
    return Outcome(
        check=check(name, source), results=(result, replace(result, contract="latest", status="passed"))
    )


def report(*outcomes: Outcome, stopped: str | None = None, tokens_not_revoked: int = 0) -> Report:
    return Report(
        url="http://localhost", contracts=("2023", "latest"), outcomes=outcomes, stopped=stopped, requests=7,
        seconds=1.25, tokens_not_revoked=tokens_not_revoked,
    )  # fmt: skip


FAILED = outcome("a.failed", "failed", reason="wanted this", curl=("curl -i x",))
CHOICE = outcome("a.choice", "failed", "rfc 1, choice", reason="wanted that")
ERROR = outcome("a.error", "error", reason="no answer")
SEEN = outcome("finding.a", "finding", observations={"it rotates": "yes"})
UNTOLD = outcome("a.untold", "not-checkable", reason="not checkable here (requires: control plane)")


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (report(), 2),
        (report(CHOICE, SEEN, UNTOLD), 0),
        (report(FAILED, ERROR), 1),
        (report(ERROR), 2),
        (report(FAILED, stopped="interrupted"), 2),
    ],
)
def test_the_exit_code_says_what_holds(made: Report, code: int) -> None:
    assert made.exit_code == code


@pytest.mark.parametrize(
    ("source", "severity"),
    [
        ("seed, live", "documented"),
        ("live, sdk", "observed"),
        ("rfc 9700 §4, choice", "our choice"),
        ("docs", "documented"),
    ],
)
def test_a_check_weighs_what_its_source_does(source: str, severity: str) -> None:
    assert check("a.b", source).severity == severity


def test_junit_has_each_kind_of_end_once() -> None:
    from xml.etree import ElementTree as ET

    root = ET.fromstring(as_junit(report(FAILED, CHOICE, ERROR, SEEN, UNTOLD)))
    kinds = {case.get("name"): [child.tag for child in case] for case in root[0]}
    assert kinds == {
        "failed": ["failure"], "choice": ["skipped"], "error": ["error"], "a": ["system-out"],
        "untold": ["skipped"],
    }  # fmt: skip
    assert root[0].attrib == {
        "name": "contract 2023",
        "tests": "5",
        "failures": "1",
        "errors": "1",
        "skipped": "2",
    }
    assert [child.tag for case in root[1] for child in case] == ["system-out"] * 5
    assert "our choice: wanted that" in as_junit(report(CHOICE))


def test_the_json_has_an_object_a_check() -> None:
    import json

    document = json.loads(as_json(report(FAILED, SEEN, stopped="the network went")))
    assert [(item["id"], item["status"]) for item in document["checks"]] == [
        ("a.failed", "failed"),
        ("finding.a", "finding"),
    ]
    assert document["checks"][0]["counterexample"] == ["curl -i x"]
    assert document["findings"] == {"it rotates": {"2023": "yes", "latest": "yes"}}
    assert document["stopped"] == "the network went"


def test_a_finding_is_a_row_to_paste() -> None:
    rows = list(markdown_rows(report(SEEN), date(2026, 11, 24)))
    assert rows[-1] == "| it rotates | yes | yes | seen at http://localhost on 2026-11-24 |"
    assert {row.count("|") for row in rows} == {5}
    assert list(markdown_rows(report(FAILED), date(2026, 11, 24))) == []


def test_the_end_says_everything_that_is_not_as_it_should_be() -> None:
    said = "\n".join(
        summary(
            report(FAILED, CHOICE, ERROR, UNTOLD, stopped="enough", tokens_not_revoked=2), date(2026, 11, 24)
        )
    )
    for text in (
        "failed: a.failed (documented; spec)",
        "  [2023] wanted this\n    curl -i x",
        "failed: a.choice (our choice; rfc 1, choice)",
        "error: a.error",
        "1 not checkable here (requires: control plane)",
        "4 checks: 1 error, 2 failed (1 of them our choice, which does not fail the run), 1 passed",
        "7 requests in 1.2 s",
        "not revoked, valid until they expire: 2 tokens",
        "stopped: enough",
    ):
        assert text in said
    assert "0 checks: none" in "\n".join(summary(report(), date(2026, 11, 24)))


@pytest.mark.parametrize(
    ("outcomes", "counts"),
    [
        ((FAILED,), "1 check: 1 failed"),
        ((CHOICE,), "1 check: 1 failed (our choice, which does not fail the run)"),
        ((CHOICE, CHOICE, SEEN), "3 checks: 2 failed (our choice, which does not fail the run), 1 finding"),
        ((SEEN,), "1 check: 1 finding"),
    ],
)
def test_what_fails_nothing_is_counted_as_such(outcomes: tuple[Outcome, ...], counts: str) -> None:
    said = list(summary(report(*outcomes), date(2026, 11, 24)))
    assert counts in said
    assert ("", "") not in itertools.pairwise(said)


def test_a_terminal_gets_a_table_that_fills() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with live_table(console, 2) as show:
        show(FAILED)
        show(SEEN)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "topic" in shown
    assert "2/2" in shown


def test_a_pipe_gets_a_line_a_check() -> None:
    console = Console(file=io.StringIO(), width=40)
    print_outcome(console, FAILED)
    print_outcome(console, SEEN)
    shown = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert shown == [
        "failed        a.failed                         [2023, latest] A rule (documented)",
        "finding       finding.a                        [2023, latest] A rule",
    ]


def test_checks_are_chosen_by_id_and_by_pattern() -> None:
    assert [check.id for check in select_checks(["revoke.status"])] == ["revoke.status"]
    assert {check.id.partition(".")[0] for check in select_checks(["scope.*", "error.*"])} == {
        "scope",
        "error",
    }
    assert len(select_checks([])) > 150
    with pytest.raises(CannotRun, match="no check matches nonsense"):
        select_checks(["nonsense"])


def test_the_readings_are_of_our_own_making() -> None:
    assert NO_HEADER_2023.headers == ()
    assert expectations_of("latest").headers == (("X-Moov-Version", "latest"),)
    assert str(DATED.errors["invalid scope"]) == '422 with {"scope": string}'
    assert (
        str(NO_HEADER_2023.errors["invalid client"])
        == '401 with {"error":"invalid_client"} and WWW-Authenticate: Basic'
    )
    assert str(DATED.errors["invalid client"]) == "401 with no body"
