"""Compact JSON and base64url without padding."""

import base64
import json

from hypothesis import given
from hypothesis import strategies as st

from mockmoov.oauth.encoding import decode, encode, encode_json, to_json

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
KNOWN = {b"": "", b"\xfb": "-w", b"\xff\xff": "__8", b"\0\0\x17": "AAAX", b"\x03\xec\xff": "A-z_"}


@given(st.binary())
def test_base64url_round_trips_without_padding(data: bytes) -> None:
    assert encode(data) == base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert decode(encode(data)) == data


def test_known_values_include_the_one_of_rfc_7515() -> None:
    assert {data: encode(data) for data in KNOWN} == KNOWN
    assert [decode(text) for text in KNOWN.values()] == [*KNOWN]
    assert encode(bytes([3, 236, 255, 224, 193])) == "A-z_4ME"  # appendix C


@given(st.dictionaries(TEXTS, st.integers(-(2**63), 2**63) | TEXTS))
def test_json_is_compact_and_in_utf_8(value: dict[str, object]) -> None:
    assert to_json({"a": [1, "é"]}) == '{"a":[1,"é"]}'.encode()
    assert json.loads(to_json(value)) == value
    assert json.loads(decode(encode_json(value))) == value
