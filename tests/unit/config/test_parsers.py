"""Values of settings: text and native values mean the same; errors continue the name of the setting."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.config import parsers
from mockmoov.config.settings import Layer, SettingsError, load

PARSERS: dict[str, Callable[[object], Any]] = {
    "text": parsers.text,
    "header_value": parsers.header_value,
    "integer": parsers.Integer(-5, 10**6),
    "switch": parsers.switch,
    "choice": parsers.Choice(("one", "another")),
    "text_list": parsers.text_list,
    "audiences": parsers.audiences,
    "version": parsers.version,
    "url": parsers.url,
    "origins": parsers.origins,
    "host_names": parsers.host_names,
    "hosts": parsers.hosts,
    "api_keys": parsers.api_keys,
}
NATIVE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
WORDS = st.lists(st.text("abc:/.", min_size=1, max_size=5), max_size=4)


@given(value=NATIVE)
@example(value="[" * 100_000)
@example(value=None)
@example(value="8080 ")
def test_any_value_is_parsed_or_rejected(value: object) -> None:
    wrong = []
    for name, parse in PARSERS.items():
        message = "must "
        try:
            parse(value)
        except ValueError as error:
            message = str(error)
        if not message.startswith(("must ", "contains ")):
            wrong.append((name, message))
    assert wrong == []


@given(
    kind=st.sampled_from(["sqlite", "sqlit", "psql", "file", "memory", "x.db"]) | st.text(max_size=5),
    rest=st.sampled_from(["//", "//user:", "user:", "/user@"]),
    ending=st.sampled_from(["@host/db", "//host", "@", "//", "@host/"]),
)
@example(kind="psql", rest="//user:", ending="@host/db")
@example(kind="sqlite", rest="//user:", ending="@host/db")
def test_a_store_error_repeats_no_url(kind: str, rest: str, ending: str) -> None:
    value = f"{kind}:{rest}SECRET{ending}"
    message = ""
    try:
        load(Layer(settings={"store": value}))
    except SettingsError as error:
        message = str(error)
    assert "SECRET" not in message
    assert message or re.match("sqlite:(?!//)", value)


@given(value=st.text(st.characters(max_codepoint=0x100), max_size=5))
def test_a_header_value_arrives_as_it_was_sent(value: str) -> None:
    arrives = value.isascii() and value.isprintable() and value == value.strip() != ""
    try:
        assert parsers.header_value(value) == value
    except ValueError:
        assert not arrives
    else:
        assert arrives


@given(low=st.integers(0, 100), size=st.integers(0, 100), value=st.integers(0, 300))
def test_an_integer_is_in_its_range_as_text_or_native(low: int, size: int, value: int) -> None:
    parse = parsers.Integer(low, low + size)
    for given_as in (value, str(value)):
        if low <= value <= low + size:
            assert parse(given_as) == value
        else:
            with pytest.raises(ValueError, match=f"^must be a whole number from {low} to {low + size}$"):
                parse(given_as)


def test_an_integer_has_plain_digits_only() -> None:
    values: list[object] = [True, 1.0, "1.0", " 1", "+1", "1_0", "0x1", "\u0661", "", None, [1]]
    for value in (*values, "9" * 11, "9" * 5000):
        with pytest.raises(ValueError, match=r"^must be a whole number from 0 to 99999999999$"):
            parsers.Integer(0, 99_999_999_999)(value)


@given(
    words=WORDS, separators=st.lists(st.sampled_from([",", " ", ", ", "\n", ",,"]), min_size=4, max_size=4)
)
def test_a_list_may_be_text_with_commas_or_spaces(words: list[str], separators: list[str]) -> None:
    text = "".join(a + b for a, b in zip(words, separators, strict=False))
    text = text.strip().rstrip(",")
    assert parsers.text_list(text.replace(",,", ",")) == parsers.text_list(words) == tuple(words)


def test_empty_text_is_an_empty_list_but_no_audience() -> None:
    assert parsers.text_list("") == parsers.text_list(" ") == parsers.text_list([]) == ()
    nothing: tuple[object, ...] = ("", " ", [], ())
    for value in nothing:
        with pytest.raises(ValueError, match=r"^must name at least one audience"):
            parsers.audiences(value)


def test_a_misspelled_choice_suggests_the_right_one() -> None:
    with pytest.raises(ValueError, match=r"^must be one of one, another; did you mean another\?$"):
        PARSERS["choice"]("anothr")


def test_api_keys_are_json_text_or_native_values() -> None:
    keys = [{"client_id": name, "client_secret": "secret"} for name in "ab"]
    assert parsers.api_keys(json.dumps(keys)) == parsers.api_keys(keys) == parsers.api_keys(tuple(keys))
    with pytest.raises(ValueError, match=r"^contains an invalid key: an API key needs a client_id$"):
        parsers.api_keys([*keys, {"client_secret": "secret"}])
    with pytest.raises(ValueError, match=r"^must not repeat a client_id$"):
        parsers.api_keys([*keys, keys[0]])
