"""Hints name a mistake, and never repeat a value."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.oauth import hints

TEXTS = st.text(min_size=12) | st.from_regex(r"[\"'$<{%]?[A-Za-z0-9_-]{12,40}[\"'>}%\n]?", fullmatch=True)
HINTS: list[Callable[[str], str]] = [
    hints.oddity,
    hints.odd_value,
    hints.token_oddity,
    hints.version_hint,
    hints.basic_hint,
    hints.basic_for_bearer_hint,
    lambda text: hints.json_hint(text.encode("utf-8", "surrogatepass")),
    lambda text: hints.scheme_hint(text.lower(), text),
    lambda text: hints.scheme_hint(text.lower(), ""),
    lambda text: hints.grant_type_hint(text, ["client_credentials"]),
    lambda text: hints.missing_parameter_hint(["scope"], [text]),
]


@given(TEXTS)
@example("bearer dNC-hg7sVm22jc3g")
@example('{"access_token": "dNC-hg7sVm22jc3g"}')
@example("[object dNC-hg7sVm22jc3g]")
@example("dNC-hg7sVm22jc3g scope")
@example("п scope")
def test_no_hint_repeats_what_was_sent(text: str) -> None:
    assert [hint(text) for hint in HINTS if text in hint(text)] == []


@pytest.mark.parametrize(
    ("sent", "hint"),
    [
        ("v2026.10.00", "; did you mean v2026.10.00?"),
        (" 2026-7-1 ", "; did you mean v2026.07.01?"),
        ("V2026.07", "; did you mean v2026.07?"),
        ("Latest", "; did you mean latest?"),
        ("7", ""),
    ],
)
def test_version_hint_writes_the_version_out(sent: str, hint: str) -> None:
    assert hints.version_hint(sent) == hint


def test_media_type_is_repeated_only_if_it_looks_like_one() -> None:
    hints_of = {
        sent: hints.media_type_hint(sent) for sent in ("", "text/plain", "dNC-hg7sVm22jc3g/x", "json")
    }
    assert list(hints_of.values()) == ["; none was sent", ", not text/plain", "", ""]


def test_basic_without_anything_after_it_is_named() -> None:
    assert hints.basic_hint("") == ": nothing follows the word Basic"
    assert hints.basic_hint("a!b") == ""


def test_only_fifty_names_are_compared() -> None:
    others = [f"x{number}" for number in range(49)]
    meant = "; rename scopes to scope"
    assert hints.missing_parameter_hint(["scope"], [*others, "scopes"]) == meant
    assert hints.missing_parameter_hint(["scope"], [*others, "x", "scopes"]) == ""


def test_an_unknown_scheme_is_not_repeated() -> None:
    other = "the Authorization header has another scheme than Bearer and Basic"
    assert hints.scheme_hint("hmac-sha256", "abc") == other
    assert hints.scheme_hint("token", "") == (
        "the Authorization header lacks a scheme: put the word Bearer before the token"
    )
