"""Patterns: matched as `re` does, generated so that they match, and neither ever takes long."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.openapi.patterns import PatternError, generate, matches

GENERATED = {
    r"^\d{4}$": "0000",
    r"^[A-Z]{3}-\d+$": "AAA-0",
    r"^\+?[1-9]\d{1,14}$": "10",
    r"(foo|bar)+x": "foox",
    r"^[^\s@]+@[^\s@]+\.[a-z]{2,}$": "a@a.aa",
    r"^(?:a|b){3}(?<tail>c)$": "aaac",
    r"^\w\W\s\S\D$": "a! aa",
    r"\u00e9\x41é\t\/[\]]": "éAé\t/]",
    "": "",
    "a{x}": "a{x}",
}


def test_generated_text_is_short_and_matches() -> None:
    assert {pattern: generate(pattern) for pattern in GENERATED} == GENERATED
    for pattern, text in GENERATED.items():
        assert matches(pattern, text)
        assert re.search(pattern.replace("?<", "?P<"), text)


def test_generated_text_is_as_long_as_it_must_be() -> None:
    assert generate("^[a-z]+$", 5) == "aaaaa"
    assert generate("^(ab?)*$", 4) == "abab"
    assert generate("^a{2,3}$", 3) == "aaa"
    assert generate("^a{2,3}$", 9) == "aaa"  # the most it can be


PARTS = (
    "a",
    "b",
    "c",
    "(",
    "(?:",
    ")",
    "|",
    "*",
    "+",
    "?",
    "^",
    "$",
    "[ab]",
    "[^a]",
    r"\d",
    ".",
    "{2}",
    "{1,2}",
    "{1,}",
)


@given(st.lists(st.sampled_from(PARTS), max_size=8).map("".join), st.text("abc1", max_size=6))
def test_matching_agrees_with_re(pattern: str, text: str) -> None:
    try:
        expected = bool(re.search(pattern, text))
        found = matches(pattern, text)
    except (re.error, PatternError):
        return
    assert found == expected


@given(st.lists(st.sampled_from(PARTS), max_size=8).map("".join))
def test_generated_text_matches_unless_anchors_are_in_the_way(pattern: str) -> None:
    try:
        text = generate(pattern)
    except PatternError:
        return
    assert matches(pattern, text) or {"^", "$"} & set(pattern)


UNKNOWN = {
    "^(?=a)": "has (?=a, which mockmoov doesn't know",
    r"(a)\1": r"has \1, which mockmoov doesn't know",
    r"\bword\b": r"has \bwo, which mockmoov doesn't know",
    r"\p{L}": r"has \p{L, which mockmoov doesn't know",
    "*a": "has *a, which mockmoov doesn't know",
    "a)": "has ), which mockmoov doesn't know",
    "[]": "has [], which mockmoov doesn't know",
    "(a": "has an open group",
    "[b-a]": "has [b-a]: bad character range b-a at position 1",
    "a" * 201: "is too long",
}
TOO_MUCH = {
    r"[^\s\S]": r"has [^\s\S], for which mockmoov finds no character",
    "((a{999}){999}){999}": "needs a text that is too long",
}


def test_unknown_patterns_are_described_errors() -> None:
    for pattern, message in {**UNKNOWN, **TOO_MUCH}.items():
        with pytest.raises(PatternError, match=re.escape(message)):
            generate(pattern)
    for pattern, message in UNKNOWN.items():
        with pytest.raises(PatternError, match=re.escape(message)):
            matches(pattern, "a")


def test_patterns_that_stop_re_are_decided() -> None:
    text = "a" * 5000 + "b"
    assert not matches("^(a+)+$", text)
    assert not matches("^(a|a)*$", text)
    assert matches("(((a{0,9999}){0,9999}){0,9999})b", text)
    assert matches("^((a?){99999}){99999}b$", text)


def test_what_would_take_long_is_not_decided() -> None:
    for pattern, text in (("a", "a" * 10_001), ("^(a|b|a|b|a|b|a|b|a|b|a|b)*$", "ab" * 5000)):
        with pytest.raises(PatternError):
            matches(pattern, text)
