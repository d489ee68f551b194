"""What a file contains: YAML as OpenAPI prescribes it, and an early end for whatever is hostile."""

import json
import random
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.oauth.encoding import MAX_DEPTH
from mockmoov.openapi import parsing
from mockmoov.openapi.parsing import DescriptionError, parse

SCALARS: dict[str, Any] = {
    "2024-11-26T22:37:06Z": "2024-11-26T22:37:06Z", "2024-11-26": "2024-11-26", "NO": "NO", "on": "on",
    "010": "010", "1:30": "1:30", "0x1F": "0x1F", "1_000": "1_000", ".inf": ".inf", ".5": ".5", "+1": "+1",
    "3.1.0": "3.1.0", "200": 200, "-1.50": -1.5, "1e3": 1000.0, "~": None, "": None, "null": None,
    "True": True, "false": False, "'1'": "1", '"true"': "true", "!!str 1": "1",
    "!!binary aGk=": "aGk=", "!x 1": "1",
}  # fmt: skip


def test_scalars_are_read_as_in_json() -> None:
    assert {text: parse(f"a: {text}\n".encode())["a"] for text in SCALARS} == SCALARS


def test_keys_are_strings_and_the_last_of_equal_ones_wins() -> None:
    assert parse(b"200: a\nyes: b\nnull: c\n'200': d\n") == {"200": "d", "yes": "b", "null": "c"}
    assert parse(b'{"a": 1, "a": 2}') == {"a": 2}


def test_alias_is_the_value_of_its_anchor() -> None:
    assert parse(b"a: &x [1, &y {b: &z 2}]\nc: *x\nd: *y\ne: *z\n") == {
        "a": [1, {"b": 2}],
        "c": [1, {"b": 2}],
        "d": {"b": 2},
        "e": 2,
    }


def test_encoding_may_be_utf_16() -> None:
    assert parse('{"a": "é"}'.encode("utf-16")) == {"a": "é"}


# PyYAML writes YAML 1.1, in which 0E0 is a string.
TEXT = st.text(st.characters(codec="utf-8")).map("text ".__add__)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_json_and_yaml_of_a_value_are_read_alike(value: Any) -> None:
    assert parse(json.dumps(value).encode()) == value
    assert parse(yaml.safe_dump(value).encode()) == value


def laughs(levels: int) -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines).encode()


DEEP = f"nested deeper than {MAX_DEPTH} levels"
MANY = "more than 2,000,000 values"
HOSTILE = {
    b"": "contains 0 documents instead of one",
    b"a\n---\nb": "contains 2 documents instead of one",
    b"a: [1\nb: 2": "line 2, column 2: did not find expected ',' or ']'",
    b"a: b: c": "line 1, column 5: mapping values are not allowed in this context",
    b"\x00\x01": "neither JSON nor YAML: control characters are not allowed at byte 0",
    b"a: \xff": "neither JSON nor YAML: invalid leading UTF-8 octet at byte 3",
    b"a: *x": "line 1, column 4: there is no anchor x above",
    b"a: &x [*x]": "line 1, column 8: there is no anchor x above",
    b"? [1]\n: 2": "line 1, column 3: a key must be a string; YAML 1.2 has no merge keys",
    b"a: {<<: b}": "line 1, column 5: a key must be a string; YAML 1.2 has no merge keys",
    b"a: 1e999": "line 1, column 4: 1e999 is out of range",
    b'{"a": 1e999}': "line 1, column 7: 1e999 is out of range",
    b"a: " + b"9" * 5000: f"line 1, column 4: {'9' * 37}... is out of range",
    b"[" * 100_000: f"line 1, column {MAX_DEPTH + 2}: {DEEP}",
    b"- " * 100_000: f"line 1, column {2 * MAX_DEPTH + 3}: {DEEP}",
    b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1): DEEP,
    laughs(30): MANY,
    b" " * (16 * 1024 * 1024 + 1): "larger than 16 MiB",
}


def test_hostile_files_are_refused() -> None:
    found = {}
    for data in HOSTILE:
        with pytest.raises(DescriptionError) as caught:
            parse(data)
        found[data] = str(caught.value)
    assert found == HOSTILE


def test_nesting_is_fine_up_to_the_limit() -> None:
    for data, levels in (
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, MAX_DEPTH),
        (b"- " * (MAX_DEPTH - 1), MAX_DEPTH - 1),
    ):
        assert json.dumps(parse(data)).count("[") == levels


def test_values_are_counted_in_json_and_yaml() -> None:
    limit = parsing.MAX_VALUES
    with pytest.raises(DescriptionError, match=MANY):
        parse(b"[" + b"0," * limit + b"0]")


@pytest.mark.slow
def test_yaml_ends_as_soon_as_it_has_too_many_values() -> None:
    with pytest.raises(DescriptionError, match=rf"line 2000000, column 3: {MANY}"):
        parse(b"- a\n" * 4_000_000)


def outcome(data: bytes) -> tuple[Any, str]:
    """The value of a file, or the error."""
    try:
        return parse(data), ""
    except DescriptionError as error:
        return None, str(error) or "an error without a message"


def is_sound(value: Any, error: str) -> bool:
    """Whether a value is one of JSON, or an error has one line."""
    return "\n" not in error if error else bool(json.loads(json.dumps(value)) == value)


@given(st.binary(max_size=200) | st.text("[]{}&*!:-?|>'\"#%@`, \n\tab01").map(str.encode))
@example(b"a: [1, {b: 2024-11-26}]")
@example(b"a: [")
def test_any_bytes_are_a_value_or_an_error(data: bytes) -> None:
    assert is_sound(*outcome(data))


def test_mutated_file_is_a_value_or_an_error() -> None:
    good = yaml.safe_dump({"a": [{"b": "c: d", "e": 1.5}, None], "f": "g\nh"}).encode()
    drawn = random.Random(1)
    errors = set()
    for _ in range(300):
        changed = bytearray(good)
        changed[drawn.randrange(len(good))] = drawn.randrange(256)
        value, error = outcome(bytes(changed))
        assert is_sound(value, error)
        errors.add(error)
    assert "" in errors
    assert len(errors) > 10
