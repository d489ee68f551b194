"""Wrong names: the nearest right one is suggested, and nothing where none is near."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.oauth.suggestions import nearest

KNOWN = ("client_id", "client_secret", "origins")


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("clientid", "client_id"),
        ("client_secrt", "client_secret"),
        ("origin", "origins"),
        ("origins", "origins"),
    ],
)
def test_the_nearest_known_name_is_suggested(name: str, suggestion: str) -> None:
    assert nearest(name, KNOWN) == f"; did you mean {suggestion}?"


def test_a_suggestion_is_spelled_as_its_source_spells_names() -> None:
    assert nearest("origin", KNOWN, str.upper) == "; did you mean ORIGINS?"


@given(st.text("xyz#"))
def test_nothing_is_suggested_where_nothing_is_near(name: str) -> None:
    assert nearest(name, KNOWN) == ""


@given(st.text())
def test_no_more_than_one_known_name_is_suggested_once(name: str) -> None:
    assert nearest(name, iter(KNOWN)) in {"", *(f"; did you mean {known}?" for known in KNOWN)}


def test_only_the_first_100_characters_of_a_name_are_looked_at() -> None:
    known = ["o" * 100]
    assert nearest("o" * 100 + "x" * 10_000, known) == f"; did you mean {known[0]}?"
    assert nearest("x" * 100 + "o" * 10_000, known) == ""
