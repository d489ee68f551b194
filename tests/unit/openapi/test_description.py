"""The operations and places of a description; a wrong file is refused by the place of its first error."""

import json
from typing import Any

import pytest

from mockmoov.openapi.description import Description, NoExampleError
from mockmoov.openapi.examples import read_examples
from mockmoov.openapi.parsing import DescriptionError

LOOP = {"$ref": "#/a"}
DESCRIPTION = Description(
    version="3.1",
    document={"a": LOOP, "b": {"c/d~": [{"e f": 1}]}, "f": {"$ref": "#/g"}, "g": {"$ref": "#/b/c~1d~0/0"}},
)


def test_references_lead_to_places_of_the_file() -> None:
    assert DESCRIPTION.follow(("f",)) == ("b", "c/d~", "0")
    assert DESCRIPTION.at(DESCRIPTION.follow(("f",))) == {"e f": 1}
    assert DESCRIPTION.follow(("b",)) == ("b",)


def test_bad_references_and_places_are_described() -> None:
    wrong = {("a",): "this $ref leads back to itself", ("b", "x"): "there is no such place in this file"}
    for place, reason in wrong.items():
        with pytest.raises(NoExampleError) as caught:
            DESCRIPTION.follow(place)
        assert str(caught.value) == f"{'.'.join(place)}: {reason}"
    for place in (("b", "c/d~", "1"), ("b", "c/d~", "x"), ("b", "c/d~", "0", "e f", "g")):
        with pytest.raises(NoExampleError, match="there is no such place"):
            DESCRIPTION.at(place)


def minimal(**members: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "paths": {}, **members}


REFUSED: dict[str, Any] = {
    "must be an object": [],
    'openapi must be 3.0 or 3.1, not "2.0"': {"swagger": "2.0"},
    'openapi must be 3.0 or 3.1, not "3.2.0"': {"openapi": "3.2.0"},
    "openapi must be 3.0 or 3.1, not null": {},
    "paths must be an object": minimal(paths=[]),
    "paths./a must be an object": minimal(paths={"/a": []}),
    "paths./a.get must be an object": minimal(paths={"/a": {"get": None}}),
    "paths./a.get.responses must be an object": minimal(paths={"/a": {"get": {"responses": []}}}),
    'paths./a: $ref "a.yaml" is not a place in this file': minimal(paths={"/a": {"$ref": "a.yaml"}}),
    "pathItems.a: there is no such place in this file": minimal(paths={"/a": {"$ref": "#/pathItems/a"}}),
}


def test_what_is_no_description_is_refused_by_its_place() -> None:
    found = {}
    for document in REFUSED.values():
        with pytest.raises(DescriptionError) as caught:
            read_examples(json.dumps(document).encode(), "a.json")
        found[str(caught.value).removeprefix("a.json: ")] = document
    assert found == REFUSED


def test_error_is_one_printable_line() -> None:
    with pytest.raises(DescriptionError) as caught:
        read_examples(json.dumps({"openapi": "é\n" * 500}).encode(), "ä.json")
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


def summary(paths: Any, version: str = "3.0.3") -> str:
    document = json.dumps({"openapi": version, "paths": paths})
    return read_examples(document.encode(), "a.json").summary


def test_summary_counts_known_and_unknown_operations() -> None:
    nothing: dict[str, Any] = {"responses": {}}
    paths = {
        "/accounts/{id}": {"get": nothing, "trace": nothing, "summary": "not an operation", "x-get": 1},
        "/accounts": {"post": {}},
        "/no/such/path": {"get": nothing},
        "/accounts/{accountID}/cards": {"$ref": "#/paths/~1accounts"},
        "x-paths": 1,
    }
    assert summary(paths) == "a.json: 3 operations are answered, 2 are unknown"
    for version in ("3.0", "3.1", "3.0.0-rc1"):
        assert summary({}, version) == "a.json: 0 operations are answered, 0 are unknown"
    assert read_examples(b"openapi: 3.1", "b").summary.startswith("b: 0")
