"""Hiding secrets in what is shown, and the curl commands that are shown of a failure."""

import json
import shlex
import subprocess
from base64 import b64encode

import httpx2
import pytest

from mockmoov.verify.budget import RecordedExchange
from mockmoov.verify.masking import Masking, basic, commands


def test_a_secret_is_hidden_in_every_encoding() -> None:
    masking = Masking()
    secret = 'a+b/c d%"\\'
    masking.hide_key("the-id", secret, "")
    encoded = ("a%2Bb%2Fc+d%25%22%5C", "a%2Bb%2Fc%20d%25%22%5C", basic("the-id", secret))
    echoed = (b64encode(secret.encode()).decode(), secret.encode().hex(), secret.encode().hex().upper())
    percent = "".join(f"%{byte:02x}" for byte in secret.encode())
    in_json = (json.dumps(secret)[1:-1], json.dumps(json.dumps(secret))[3:-3])
    for form in (secret, *encoded, *in_json, *echoed, percent, percent.upper()):
        assert form not in masking.mask(f"x{form}x")
        assert masking.mask(f"x{form}x").startswith("x$")


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    masking = Masking()
    masking.hide("secret", "SHORT")
    masking.hide("secret-and-more", "LONG")
    assert masking.mask("a secret-and-more b secret") == "a $LONG b $SHORT"


def test_a_text_too_short_for_a_secret_is_not_hidden() -> None:
    masking = Masking()
    masking.hide_numbered("abc", "TOKEN")
    assert masking.mask("abc") == "abc"
    masking.hide("", "NOTHING")
    masking.hide_key("me", "abc", "")
    assert masking.mask("abc") == "$CLIENT_SECRET"


def test_a_shell_reads_a_word_as_the_text() -> None:
    texts = ["", "plain", "two words", "it's", "\n", "é\U0001f511", "\udcff", "\\", "$HOME `ls`"]
    words = " ".join(Masking().shell_word(text) for text in texts)
    shown = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {words}"], capture_output=True, check=True, timeout=30
    ).stdout
    assert shown.decode("utf-8", "surrogateescape").split("\0") == [*texts, ""]
    assert Masking().shell_word("\x00")  # no program can be given this one


def test_hidden_values_are_variables_of_the_shell() -> None:
    masking = Masking()
    masking.hide("secret value", "NAME")
    assert masking.shell_word("a=secret value&b=c d") == "a=\"$NAME\"'&b=c d'"


def exchange(
    method: str, path: str, body: bytes = b"", answer: bytes = b"", **headers: str
) -> RecordedExchange:
    request = httpx2.Request(method, f"http://localhost{path}", headers=headers, content=body)
    return RecordedExchange(request=request, response=httpx2.Response(200, content=answer))


def test_a_counterexample_has_the_exchanges_it_depends_on() -> None:
    masking = Masking()
    masking.hide_key("me", "my-secret", "")
    for number in range(2):
        masking.hide_numbered(f"token-{number}", "ACCESS_TOKEN")
    credentials = f"Basic {basic('me', 'my-secret')}"
    found = commands(
        [
            exchange("POST", "/oauth2/token", answer=b'{"access_token":"token-0"}'),
            exchange(
                "POST", "/oauth2/token", answer=b'{"access_token":"token-1"}', Authorization=credentials
            ),
            exchange("GET", "/ping", Authorization="Bearer token-1"),
        ],
        masking,
    )
    assert found == (
        'curl -i -X POST -u me:"$CLIENT_SECRET" http://localhost/oauth2/token'
        "  # 200, returns $ACCESS_TOKEN_2",
        "curl -i -X GET -H 'Authorization: Bearer '\"$ACCESS_TOKEN_2\" http://localhost/ping  # 200",
    )
    assert commands([], masking) == ()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", ["-H", "Authorization;"]),
        ("Basic !", ["-H", "Authorization: Basic !"]),
        ("Basic bm8tY29sb24=", ["-H", "Authorization: Basic bm8tY29sb24="]),
        ("Basic YTpi", ["-u", "a:b"]),
    ],
)
def test_credentials_are_options_of_curl(value: str, words: list[str]) -> None:
    (line,) = commands([exchange("GET", "/ping", Authorization=value)], Masking())
    assert shlex.split(line.partition("  #")[0])[4:6] == words


def test_a_long_body_is_shown_by_its_beginning_and_length() -> None:
    (line,) = commands([exchange("POST", "/oauth2/token", body=b"x" * 70_000)], Masking())
    assert len(line) < 200
    assert "70000 bytes" in line
