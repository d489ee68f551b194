"""Instances: small, always valid, and a reason where there is none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.openapi import SCHEMA_POINTER, VERSIONS, answer, is_valid, reason, ref, with_schema

POINTER = f"/paths/~1accounts/get{SCHEMA_POINTER}"


def instance(schema: Any, version: str = "3.1.0", **components: Any) -> Any:
    """The instance that is sent, or the reason of the 501."""
    document = with_schema(schema, version, **components)
    response = answer(document)
    if response.status == 501:
        return reason(response)
    value = json.loads(response.body)
    assert is_valid(document, POINTER, value), value
    return value


UUID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
STRING = {"type": "string"}
INTEGER = {"type": "integer"}
SCALARS: list[tuple[Any, Any]] = [
    (STRING, "string"),
    ({"type": "string", "format": "uuid"}, UUID),
    ({"type": "string", "format": "date-time"}, "2026-01-31T12:00:00Z"),
    ({"type": "string", "format": "email", "maxLength": 40}, "jo@example.com"),
    ({"type": "string", "format": "no-such"}, "string"),
    ({"type": "string", "maxLength": 2}, "st"),
    ({"type": "string", "minLength": 8}, "stringst"),
    ({"type": "string", "pattern": r"^\d{3}-[A-Z]+$", "minLength": 7}, "000-AAA"),
    ({"format": "ipv4"}, "192.0.2.1"),
    (INTEGER, 1),
    ({"type": "integer", "minimum": 5}, 5),
    ({"type": "integer", "exclusiveMaximum": -5}, -6),
    ({"type": "integer", "minimum": 2.5, "multipleOf": 4}, 4),
    ({"type": "number", "exclusiveMinimum": 0.5, "exclusiveMaximum": 0.75}, 0.625),
    ({"type": "number", "multipleOf": 0.01, "exclusiveMinimum": 5}, 6),
    ({"minimum": 7}, 7),
    ({"type": "boolean"}, True),
    ({"type": "boolean", "default": False}, False),
    ({"type": ["null", "integer"]}, 1),
    ({"type": "null"}, None),
    ({"const": "x"}, "x"),
    ({"enum": [3, "x"], "type": "string"}, "x"),
    ({"type": "string", "example": 5, "examples": [6, "seven"]}, "seven"),
    ({}, {}),
    (True, {}),
]
OBJECTS: list[tuple[Any, Any]] = [
    (
        {"properties": {"b": STRING, "a": INTEGER}, "required": ["a", "c"]},
        {"a": 1, "c": "string", "b": "string"},
    ),
    (
        {"properties": {"a": {"type": "string", "writeOnly": True}, "b": ref("Secret"), "c": STRING}},
        {"c": "string"},
    ),
    ({"properties": {"a": {"not": {}}, "b": STRING}}, {"b": "string"}),
    ({"properties": {"a": STRING, "b": STRING}, "maxProperties": 1}, {"a": "string"}),
    ({"type": "object", "additionalProperties": INTEGER}, {"property1": 1}),
    ({"type": "object", "additionalProperties": INTEGER, "required": ["a"]}, {"a": 1}),
    ({"type": "object", "minProperties": 2}, {"property1": "string", "property2": "string"}),
    ({"properties": {"a": {"example": "mine"}}, "example": {"a": 1}}, {"a": 1}),
    ({"properties": {"a": {"type": "string", "example": "mine"}}}, {"a": "mine"}),
    ({"properties": {"a": {"type": "string", "example": 5}}}, {"a": "string"}),
]
ARRAYS: list[tuple[Any, Any]] = [
    ({"type": "array"}, ["string"]),
    ({"items": INTEGER}, [1]),
    ({"items": INTEGER, "minItems": 3}, [1, 1, 1]),
    ({"items": INTEGER, "maxItems": 0}, []),
    ({"prefixItems": [STRING, INTEGER], "items": False}, ["string", 1]),
    ({"items": False}, []),
]
COMBINED: list[tuple[Any, Any]] = [
    (
        {"allOf": [{"properties": {"a": STRING}}, {"properties": {"a": {"minLength": 7}, "b": INTEGER}}]},
        {"a": "strings", "b": 1},
    ),
    ({"allOf": [ref("Small")], "minimum": 3}, 3),
    ({"oneOf": [{"not": {}}, False, STRING, INTEGER]}, "string"),
    ({"oneOf": [{"type": "object", "required": ["a"], "properties": {"a": False}}, INTEGER]}, 1),
    (
        {"anyOf": [{"required": ["a"]}, {"required": ["b"]}], "properties": {"b": STRING, "a": False}},
        {"b": "string"},
    ),
    ({"$ref": "#/components/schemas/Small", "minimum": 4}, 4),
    (ref("Node"), {"children": []}),
    (ref("List"), {"next": None}),
    (ref("Chain"), {"next": None}),
    (ref("Map"), {}),
]
COMPONENTS: dict[str, Any] = {
    "Secret": {"type": "string", "writeOnly": True},
    "Small": {"type": "integer", "maximum": 9},
    "Node": {
        "properties": {"children": {"type": "array", "items": ref("Node")}, "parent": ref("Node")},
        "required": ["children"],
    },
    "List": {"properties": {"next": {"anyOf": [ref("List"), {"type": "null"}]}}, "required": ["next"]},
    "Chain": {"type": ["object", "null"], "properties": {"next": ref("Chain")}, "required": ["next"]},
    "Map": {"type": "object", "additionalProperties": ref("Map")},
    "Endless": {"properties": {"next": ref("Endless")}, "required": ["next"]},
}


def test_instances_are_small_and_valid() -> None:
    found = [instance(schema, **COMPONENTS) for schema, _ in SCALARS + OBJECTS + ARRAYS + COMBINED]
    assert found == [expected for _, expected in SCALARS + OBJECTS + ARRAYS + COMBINED]


SCHEMA = "paths./accounts.get.responses.200.content.application/json.schema"
NO_INSTANCE: list[tuple[Any, str]] = [
    (
        ref("Endless"),
        "components.schemas.Endless.properties.next: an instance would contain itself, or be nested too deep",
    ),
    (False, f"{SCHEMA}: no instance fits"),
    (5, f"{SCHEMA}: no instance fits"),
    ({"type": "string", "pattern": r"^\p{L}"}, f"{SCHEMA}: mockmoov cannot generate this type or pattern"),
    ({"type": "file"}, f"{SCHEMA}: mockmoov cannot generate this type or pattern"),
    ({"type": "string", "minLength": 10**9}, f"{SCHEMA}: 'string' is too short"),
    ({"type": "array", "minItems": 10**9}, "no instance was found within 4000 values"),
    ({"oneOf": [{"$ref": "nowhere"}]}, f"{SCHEMA}: no alternative fits"),
    ({"allOf": [ref("Loop")]}, "components.schemas.Loop: no instance fits"),
    ({"type": "integer", "not": {}}, f"{SCHEMA}: 1 should not be valid under {{}}"),
    (
        {"type": "integer", "multipleOf": 0, "minimum": 3},
        f"{SCHEMA}: cannot be validated: integer modulo by zero",
    ),
    (
        {"type": "integer", "example": "mine", "minimum": 3, "maximum": 2},
        f"{SCHEMA}: 'mine' is not of type 'integer'",
    ),
]


def test_where_no_instance_is_possible_the_reason_says_why() -> None:
    components = {**COMPONENTS, "Loop": ref("Loop")}
    found = [instance(schema, **components) for schema, _ in NO_INSTANCE]
    assert found == [f"openapi.yaml: {expected}"[:197] for _, expected in NO_INSTANCE]


def test_openapi_3_0_has_its_own_keywords() -> None:
    assert instance({"type": "integer", "minimum": 3, "exclusiveMinimum": True}, "3.0.0") == 4
    endless = {"type": "object", "nullable": True, "properties": {"next": ref("A")}, "required": ["next"]}
    assert instance(ref("A"), "3.0.0", A=endless) == {"next": None}


@pytest.mark.slow  # thousands of values
def test_schemas_that_multiply_are_cut_short() -> None:
    names = [f"D{number}" for number in range(12)]
    each_other: Any = {"properties": {name: ref(name) for name in names}}
    components: dict[str, Any] = dict.fromkeys(names, each_other)
    value = instance(ref("D0"), **components)
    assert len(json.dumps(value)) < 20_000


# --- any schema -------------------------------------------------------------------------------------

NUMBERS = st.integers(-3, 6)
FORMATS = st.sampled_from(["uuid", "date", "date-time", "email", "ipv4", "ipv6", "x"])
PATTERNS = st.sampled_from(["^a+$", "b{2,3}", r"^\d+\.\d\d$", "^(x|y)z?$", "^(a+)+$", "^(?:)$"])
REFERENCES = st.sampled_from(["#/components/schemas/A", "#/components/schemas/B", "#/nowhere", "x.yaml"])
VALUES = (
    st.none() | st.booleans() | NUMBERS | st.sampled_from(["a", "bb", "2026-01-31", [], {}, [1], {"a": 1}])
)
LEAVES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "number", "boolean", "object", "array"]),
        "format": FORMATS, "pattern": PATTERNS, "minLength": NUMBERS, "maxLength": NUMBERS,
        "minimum": NUMBERS, "maximum": NUMBERS, "multipleOf": st.sampled_from([0.01, 0.5, 2, 3]),
        "enum": st.lists(VALUES, min_size=1, max_size=3), "nullable": st.booleans(),
        "example": VALUES, "default": VALUES, "$ref": REFERENCES,
    },
)  # fmt: skip


def larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["a", "b", "c"])
    several = st.lists(inner, min_size=1, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array"]),
            "properties": st.dictionaries(names, inner, max_size=3),
            "required": st.lists(names, min_size=1, max_size=2, unique=True),
            "additionalProperties": st.booleans() | inner,
            "minProperties": NUMBERS, "maxProperties": NUMBERS,
            "items": inner, "minItems": NUMBERS, "maxItems": NUMBERS, "uniqueItems": st.booleans(),
            "allOf": several, "oneOf": several, "anyOf": several, "not": inner,
        },
    )  # fmt: skip


SCHEMAS = st.recursive(LEAVES, larger, max_leaves=6)


@given(SCHEMAS, SCHEMAS, SCHEMAS, st.sampled_from(VERSIONS))
def test_any_schema_gets_a_valid_instance_or_a_reason(schema: Any, a: Any, b: Any, version: str) -> None:
    found = instance(schema, version, A=a, B=b)
    assert found == instance(schema, version, A=a, B=b)


KEYWORDS = st.sampled_from([
    "type", "properties", "required", "items", "allOf", "oneOf", "enum", "minLength", "minItems", "$ref",
    "pattern", "format", "minimum", "additionalProperties", "prefixItems", "multipleOf", "examples",
    "maxProperties", "$id", "nullable", "writeOnly",
])  # fmt: skip
JUNK = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYWORDS, inner, max_size=3)
)


@given(JUNK, st.sampled_from(VERSIONS))
def test_malformed_schema_is_never_an_exception(schema: Any, version: str) -> None:
    assert answer(with_schema(schema, version)).status in {200, 501}
