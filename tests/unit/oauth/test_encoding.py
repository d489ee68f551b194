"""Compact JSON and base64url without padding."""

import base64
import json

from hypothesis import given
from hypothesis import strategies as st

from mockmoov.oauth.encoding import decode, encode, encode_json, read_json_object, remembered, to_json

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


# --- JSON objects of others ---------------------------------------------------------------------------


def nested(levels: int) -> bytes:
    return b'{"body":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def objects(levels: int) -> bytes:
    return b'{"body":' * levels + b"{}" + b"}" * levels


BAD_BODIES = {
    "the body is not JSON": [
        *(b"{", b"\xff", b"{'a': 1}", b'{"a": NaN}', b'{"a": 1e999}', b'{"a": -Infinity}'),
        *(b'{"a": "\\ud800"}', b'{"a": "\xed\xa0\x80"}', b'{"a": 1} x', b"\x00", b"\xef\xbb\xbf{}", b""),
        *(b"[" * 60_000, b'{"a":' * 10_000, b'{"a": ' + b"9" * 5000 + b"}"),
    ],
    "the JSON body is not an object": [b"[]", b"null", b"1", b'"a"', b"true"],
    "the JSON body is nested deeper than 64 levels": [nested(65), nested(900), objects(64)],
    "the JSON body has an integer beyond 64 bits": [
        b'{"body": [[%d]]}' % value for value in (-(2**63) - 1, 2**64, 10**400)
    ],
}  # fmt: skip


def reason(body: bytes) -> str:
    try:
        read_json_object(body)
    except ValueError as error:
        return str(error)
    return ""


def test_what_cannot_be_read_and_written_again_is_refused() -> None:
    wrong = [
        (body[:20], reason(body))
        for message, bodies in BAD_BODIES.items()
        for body in bodies
        if reason(body) != message
    ]
    assert wrong == []


def test_objects_are_read_up_to_their_bounds() -> None:
    integers = [b'{"body": [%d]}' % value for value in (-(2**63), 2**64 - 1, 0)]
    for body in (nested(64), objects(63), *integers, b'{"body": [true]}', b"{}"):
        assert read_json_object(body) == json.loads(body)


def test_texts_are_remembered_unless_they_are_long() -> None:
    reads = list[str]()

    @remembered
    def read(text: str) -> int:
        """Count the characters."""
        reads.append(text)
        return len(text)

    longest, longer = "b" * 4096, "c" * 4097
    assert [read(text) for text in ("a", "a", longest, longest, longer, longer)] == [
        *(1, 1, 4096, 4096, 4097, 4097)
    ]
    assert reads == ["a", longest, longer, longer]
    assert read.__doc__ == "Count the characters."


def test_only_so_many_texts_are_remembered() -> None:
    reads = list[str]()
    read = remembered(reads.append)
    texts = [str(number) for number in range(257)]
    for text in [*texts[:256], *texts[:256]]:
        read(text)
    assert reads == texts[:256]
    read(texts[256])
    read(texts[0])  # which made room
    assert reads == [*texts, texts[0]]
