"""Error codes, errors, and reasons that fit in a header whatever they quote."""

from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.oauth.errors import REASON_LIMIT, ErrorCode, FieldError, OAuthError, printable

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))
ANYTHING = st.text(st.characters(), max_size=300)  # lone surrogates included


def test_error_codes_are_the_six_of_rfc_6749() -> None:
    assert " ".join(ErrorCode) == (
        "invalid_request invalid_client invalid_grant "
        "unauthorized_client unsupported_grant_type invalid_scope"
    )


def test_errors_carry_what_they_were_given() -> None:
    error = OAuthError(ErrorCode.INVALID_GRANT, "because", parameter="refresh_token")
    assert (error.code, error.reason, error.parameter) == ("invalid_grant", "because", "refresh_token")
    assert str(error) == "because"
    assert OAuthError(ErrorCode.INVALID_REQUEST, "because").parameter is None
    field_error = FieldError("seconds", "must be a number")
    assert isinstance(field_error, ValueError)
    assert (field_error.field, str(field_error)) == ("seconds", "must be a number")


@given(ANYTHING, st.integers(3, 300))
@example("é" * 300, 200)
def test_printable_text_is_ascii_within_its_limit(text: str, limit: int) -> None:
    formatted = printable(text, limit)
    assert len(formatted) <= limit
    assert all(" " <= character <= "~" for character in formatted)


@given(st.integers(0, 10), st.integers(3, 20), PRINTABLE)
@example(0, 3, " ~")
@example(1, 3, "")
def test_only_long_text_is_cut_and_marked(extra: int, limit: int, start: str) -> None:
    text = (start + "x" * limit)[:limit] + "y" * extra
    assert printable(text, limit) == (text if extra == 0 else text[: limit - 3] + "...")


@given(st.text(st.characters(), max_size=15))
def test_escapes_keep_different_texts_different(text: str) -> None:
    plain = text.replace("\\", "")
    assert printable(plain).encode().decode("unicode_escape") == plain


def test_escape_that_does_not_fit_is_cut() -> None:
    assert REASON_LIMIT == 200
    assert printable("x" * 200) == "x" * 200
    assert printable("é" * 50) == r"\xe9" * 50
    assert printable("é" * 51) == (r"\xe9" * 50)[:197] + "..."
    assert printable("\\ ' é") == r"\ ' \xe9"
    assert printable("line\none\x7f\x1b é ~") == r"line\none\x7f\x1b \xe9 ~"
