"""Error codes and reasons: six codes, and reasons that fit in a header whatever they quote."""

from hypothesis import given
from hypothesis import strategies as st

from mockmoov.oauth.errors import REASON_LIMIT, ErrorCode, FieldError, OAuthError, printable

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))
ANYTHING = st.text(st.characters(), max_size=300)  # lone surrogates included


def is_printable(text: str) -> bool:
    return all(" " <= character <= "~" for character in text)


def test_there_are_the_six_codes_of_rfc_6749_and_no_other() -> None:
    assert list(ErrorCode) == [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    ]


def test_a_refusal_carries_code_reason_and_parameter() -> None:
    error = OAuthError(ErrorCode.INVALID_GRANT, "because", parameter="refresh_token")
    assert (error.code, error.reason, error.parameter) == ("invalid_grant", "because", "refresh_token")
    assert str(error) == "because"


def test_a_refusal_blames_no_parameter_unless_it_is_told_to() -> None:
    assert OAuthError(ErrorCode.INVALID_REQUEST, "because").parameter is None


def test_a_field_error_is_a_value_error_that_names_the_field_beside_its_message() -> None:
    error = FieldError("seconds", "must be a number")
    assert isinstance(error, ValueError)
    assert (error.field, str(error)) == ("seconds", "must be a number")


def test_a_reason_may_have_200_characters() -> None:
    assert REASON_LIMIT == 200


@given(ANYTHING, st.integers(3, 300))
def test_a_printable_reason_never_exceeds_its_limit_nor_leaves_printable_ascii(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert is_printable(shown)


@given(PRINTABLE.filter(lambda text: len(text) <= REASON_LIMIT))
def test_short_printable_ascii_is_left_as_it_is(text: str) -> None:
    assert printable(text) == text


@given(st.integers(0, 10), st.integers(3, 20), PRINTABLE)
def test_a_text_is_cut_exactly_when_it_is_too_long_and_then_says_so(
    extra: int, limit: int, start: str
) -> None:
    text = (start + "x" * limit)[:limit] + "y" * extra
    assert printable(text, limit) == (text if extra == 0 else text[: limit - 3] + "...")


@given(st.text(st.characters(), max_size=15))
def test_what_is_not_printable_is_escaped_so_that_different_texts_stay_different(text: str) -> None:
    shown = printable(text.replace("\\", ""))
    assert shown.encode().decode("unicode_escape") == text.replace("\\", "")


def test_an_escape_that_no_longer_fits_is_cut() -> None:
    assert printable("é" * 50) == r"\xe9" * 50
    assert printable("é" * 51) == (r"\xe9" * 50)[:197] + "..."
    assert printable("line\none\x7f\x1b é ~") == r"line\none\x7f\x1b \xe9 ~"
