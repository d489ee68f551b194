"""Validation: jsonschema's verdicts in both versions of OpenAPI, in bounded time and within the file."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from mockmoov.openapi.description import NoExampleError, read_description
from mockmoov.openapi.validation import Validator
from tests.support.openapi import VERSIONS, ref, with_schema

PLACE = ("components", "schemas", "A")


def complaint(value: Any, schema: Any, version: str = "3.1.0", **others: Any) -> str:
    """Why a value is not valid for the schema A; nothing if it is."""
    document = with_schema(ref("A"), version, A=schema, **others)
    try:
        Validator(read_description(json.dumps(document).encode())).first_valid([value], PLACE)
    except NoExampleError as error:
        return str(error)
    return ""


NULLABLE = {"type": "string", "enum": ["x"], "nullable": True}


def test_null_is_allowed_as_each_version_says() -> None:
    assert complaint(None, NULLABLE, "3.0.0") == ""
    assert complaint(None, NULLABLE, "3.1.0") == "components.schemas.A: None is not of type 'string'"
    assert complaint(None, {"type": ["string", "null"]}, "3.1.0") == ""
    assert complaint(None, {"type": "string", "nullable": "yes"}, "3.0.0")


def test_bounds_are_exclusive_as_each_version_says() -> None:
    for version, schema in zip(
        VERSIONS, ({"minimum": 5, "exclusiveMinimum": True}, {"exclusiveMinimum": 5}), strict=True
    ):
        assert complaint(5, schema, version)
        assert not complaint(6, schema, version)


def test_formats_are_checked() -> None:
    assert complaint("x", {"format": "uuid"}) == "components.schemas.A: 'x' is not a 'uuid'"


def test_complaint_names_the_place_behind_references() -> None:
    inner = {"type": "object", "properties": {"y": {"type": "integer"}}}
    outer = {"allOf": [{"type": "object", "properties": {"x": {"$ref": "#/components/schemas/B"}}}]}
    for version in VERSIONS:
        found = complaint({"x": {"y": "z"}}, outer, version, B=inner)
        assert found == "components.schemas.B.properties.y: 'z' is not of type 'integer'"


def test_place_of_a_complaint_may_be_behind_a_dynamic_reference() -> None:
    inner = {"$dynamicRef": "#/components/schemas/B"}
    found = complaint({"x": 1}, {"properties": {"x": inner}}, B={"type": "string"})
    assert found == "components.schemas.A.properties.x.$dynamicRef: 1 is not of type 'string'"


def test_names_are_matched_against_patterns() -> None:
    schema = {
        "properties": {"a": {}},
        "patternProperties": {"^x-": {"type": "integer"}},
        "additionalProperties": False,
    }
    assert not complaint({"a": "", "x-1": 1}, schema)
    assert not complaint([], schema)
    assert "'' is not of type 'integer'" in complaint({"x-1": ""}, schema)
    assert complaint({"b": 1}, schema) == "components.schemas.A: False schema does not allow 1"
    assert not complaint({"b": 1}, {"additionalProperties": {"type": "integer"}})
    assert complaint({"b": 1}, {"additionalProperties": {"type": "string"}})


def test_text_is_matched_against_patterns_that_are_known() -> None:
    assert complaint("b", {"pattern": "^a+$"}) == "components.schemas.A: 'b' does not match '^a+$'"
    assert not complaint("a", {"pattern": "^a+$"})
    assert not complaint(1, {"pattern": "^a+$"})
    assert not complaint("b", {"pattern": r"^\p{L}"})


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "reference", ["other.yaml#/a", "file:///etc/hosts", "http://127.0.0.1:9/a", "#/nowhere"]
)
def test_reference_out_of_the_file_is_not_followed(reference: str, version: str) -> None:
    assert "is not a place in this file" in complaint(1, {"$ref": reference}, version)


def test_no_file_is_read_and_no_server_asked(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"type": "integer"}')
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/a.json"
        for schema in (
            {"$ref": file.as_uri()},
            {"$ref": url},
            {"$id": url, "$ref": "b.json"},
            {"$dynamicRef": url},
        ):
            assert "is not a place in this file" in complaint(1, schema)
        with pytest.raises(BlockingIOError):
            listener.accept()


MULTIPLYING = {f"D{level}": {"anyOf": [ref(f"D{level + 1}")] * 2} for level in range(30)} | {
    "D30": {"type": "string"}
}
NO_END = "it takes too many steps, or leads back to itself"
WRONG: list[tuple[Any, str]] = [
    (ref("A"), NO_END),
    (ref("D0"), NO_END),
    ({"not": ref("A")}, NO_END),
    ({"enum": 5}, "'int' object is not iterable"),
]


@pytest.mark.slow  # many references
def test_schema_that_cannot_be_used_is_a_complaint() -> None:
    for version in VERSIONS:
        for schema, reason in WRONG:
            found = complaint(1, schema, version, **MULTIPLYING)
            assert found.startswith(f"components.schemas.A: cannot be validated: {reason}")


def test_unevaluated_members_are_not_checked() -> None:
    assert not complaint({"a": [1]}, {"unevaluatedProperties": False})
    assert not complaint([1], {"unevaluatedItems": False})


def test_first_valid_value_is_taken_and_else_the_first_complaint_raised() -> None:
    document = with_schema(ref("A"), A={"type": "integer"})
    validator = Validator(read_description(json.dumps(document).encode()))
    assert validator.first_valid(["x", 1, 2], PLACE) == 1
    with pytest.raises(NoExampleError, match="'x' is not of type"):
        validator.first_valid(["x", "y"], PLACE)
    with pytest.raises(NoExampleError, match="cannot generate"):
        validator.first_valid([], PLACE)
    with pytest.raises(NoExampleError, match="'x' is not of type"):
        validator.first_valid(map({"x": "x"}.__getitem__, ["x"]), PLACE)


def test_items_of_long_lists_are_not_compared() -> None:
    assert complaint([1, 1], {"uniqueItems": True})
    assert not complaint([1] * 301, {"uniqueItems": True})


def test_schema_keeps_its_bounds_though_it_names_a_dialect() -> None:
    dialect = "https://json-schema.org/draft/2020-12/schema"
    doubling: Any = {
        f"A{number}": {"$schema": dialect, "allOf": [ref(f"A{number + 1}"), ref(f"A{number + 1}")]}
        for number in range(20)
    }
    assert "too many steps" in complaint(
        "x", ref("A0"), **doubling, A20={"type": "string", "$schema": dialect}
    )
