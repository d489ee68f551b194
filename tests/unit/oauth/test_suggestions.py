"""Suggestions for misspelt names: the most similar known name, or nothing."""

from hypothesis import given
from hypothesis import strategies as st

from mockmoov.oauth.suggestions import nearest

KNOWN = ("client_id", "client_secret", "origins")
TYPOS = {
    "clientid": "client_id", "client_secrt": "client_secret", "origin": "origins", "origins": "origins",
}  # fmt: skip


def test_most_similar_name_is_suggested() -> None:
    assert {name: nearest(name, KNOWN) for name in TYPOS} == {
        name: f"; did you mean {known}?" for name, known in TYPOS.items()
    }
    assert nearest("origin", KNOWN, str.upper) == "; did you mean ORIGINS?"


@given(st.text(), st.text("xyz#"))
def test_at_most_one_name_is_suggested(name: str, unlike: str) -> None:
    assert nearest(name, iter(KNOWN)) in {"", *(f"; did you mean {known}?" for known in KNOWN)}
    assert nearest(unlike, KNOWN) == ""


def test_only_the_first_100_characters_are_compared() -> None:
    known = ["o" * 100]
    assert nearest("o" * 100 + "x" * 10_000, known) == f"; did you mean {known[0]}?"
    assert nearest("x" * 100 + "o" * 10_000, known) == ""
