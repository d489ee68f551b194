"""Patterns: matched in bounded time, and generated so that they match."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.openapi.patterns import generate, matches

GENERATED = {
    r"^\d{4}$": "0000",
    r"^[A-Z]{3}-\d+$": "AAA-0",
    r"^\+?[1-9]\d{1,14}$": "10",
    r"(foo|bar)+x": "foox",
    r"^[^\s@]+@[^\s@]+\.[a-z]{2,}$": "0@0.aa",
    r"^(?:a|b){3}c$": "aaac",
    r"^\w\W\s\S\D$": "0!\t0A",
    r"\u00e9\x41é\t\/[\]]": "éAé\t/]",
    "": "",
    ".*": "",
    "^.+$": "0",
}


def test_generated_text_is_short_and_matches() -> None:
    assert {pattern: generate(pattern) for pattern in GENERATED} == GENERATED
    assert [pattern for pattern, text in GENERATED.items() if not matches(pattern, text)] == []


def test_generated_text_is_as_long_as_it_must_be() -> None:
    assert generate("^[a-z]+$", 5) == "aaaaa"
    assert generate("^(ab?)*$", 4) == "abab"
    assert generate("^a{2,3}$", 3) == "aaa"
    assert generate("^a{2,3}$", 9) == "aaa"  # the most it can be


PARTS = ["a", "b", "(", "(?:", ")", "|", "*", "+", "?", "[ab]", "[^a]", r"\d", ".", "{2}", "{1,2}", "{1,}"]


@given(st.lists(st.sampled_from(PARTS), max_size=8).map("".join), st.integers(0, 9))
def test_generated_text_matches(pattern: str, length: int) -> None:
    text = generate(pattern, length)
    assert text is None or re.search(pattern, text)


@pytest.mark.parametrize("pattern", ["*a", "(a", "[b-a]"])
def test_invalid_pattern_matches_anything(pattern: str) -> None:
    assert generate(pattern) is None
    assert matches(pattern, "-")


def test_patterns_of_ecmascript_are_matched() -> None:
    assert matches(r"^\p{L}+$", "é")
    assert not matches(r"^\p{L}+$", "5")
    assert matches("^(?<name>a)$", "a")


def test_pattern_that_takes_too_long_matches_anything() -> None:
    assert matches("^(a|a)*$", "a" * 40 + "b")


def test_text_has_an_end() -> None:
    assert generate("((a{999}){999}){999}") is None
