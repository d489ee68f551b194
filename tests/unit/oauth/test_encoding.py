"""Compact JSON and base64url without padding."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.oauth.encoding import decode, encode, encode_json, to_json


@given(st.binary())
def test_what_is_encoded_decodes_to_itself_and_has_no_padding(data: bytes) -> None:
    assert decode(encode(data)) == data
    assert "=" not in encode(data)
    assert base64.urlsafe_b64encode(data).decode().rstrip("=") == encode(data)


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"", ""), (b"\xfb", "-w"), (b"\xff\xff", "__8"), (b"\0\0\x17", "AAAX"), (bytes([3, 236, 255]), "A-z_")],
)
def test_the_alphabet_is_the_url_safe_one(data: bytes, text: str) -> None:
    assert encode(data) == text
    assert decode(text) == data


def test_the_example_of_rfc_7515_appendix_c() -> None:
    assert encode(bytes([3, 236, 255, 224, 193])) == "A-z_4ME"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(TEXTS, st.integers(-(2**63), 2**63) | TEXTS))
def test_json_is_compact_and_in_utf_8(value: dict[str, object]) -> None:
    assert to_json({"a": [1, "é"]}) == '{"a":[1,"é"]}'.encode()
    assert json.loads(to_json(value)) == value
    assert json.loads(decode(encode_json(value))) == value
