"""OpenAPI descriptions for tests, the answers that come of them, and a second opinion on what is valid."""

import json
from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import Any

from jsonschema import Draft4Validator, Draft202012Validator, FormatChecker

from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.operations import BY_PATH
from mockmoov.oauth.responses import REASON_HEADER
from mockmoov.openapi.examples import read_examples

VERSIONS = ("3.0.3", "3.1.0")
SCHEMA_POINTER = "/responses/200/content/application~1json/schema"


def description(operation: Any, version: str = "3.1.0", **components: Any) -> dict[str, Any]:
    """A description of one operation, GET /accounts; `components` are schemas."""
    return {
        "openapi": version,
        "info": {"title": "a test", "version": "1"},
        "paths": {"/accounts": {"get": operation}},
        "components": {"schemas": components},
    }


def responding(content: Any) -> dict[str, Any]:
    """An operation whose response has this content, by media type."""
    return {"responses": {"200": {"description": "a success", "content": content}}}


def with_schema(schema: Any, version: str = "3.1.0", **components: Any) -> dict[str, Any]:
    """A description of one operation that responds with an instance of a schema."""
    return description(responding({"application/json": {"schema": schema}}), version, **components)


def answer(document: Any, method: str = "GET", path: str = "/accounts") -> HttpResponse:
    """The answer to an operation."""
    return read_examples(json.dumps(document).encode(), "openapi.yaml").answers[path, method]()


def reason(response: HttpResponse) -> str:
    """The reason in a response."""
    return dict(response.headers)[REASON_HEADER]


def is_valid(document: Mapping[str, Any], pointer: str, value: Any) -> bool:
    """Whether jsonschema alone accepts a value for the schema at a place."""
    is_old = document["openapi"].startswith("3.0")
    root: Any = _with_null_types(document) if is_old else document
    validator = Draft4Validator if is_old else Draft202012Validator
    schema = {**root, "$ref": f"#{pointer}"}
    return bool(validator(schema, format_checker=FormatChecker()).is_valid(value))


def _with_null_types(value: Any) -> Any:
    """The same with `nullable` (OpenAPI 3.0) as JSON Schema has it."""
    if isinstance(value, list):
        return [_with_null_types(item) for item in value]
    if not isinstance(value, dict):
        return value
    changed = {name: _with_null_types(item) for name, item in value.items()}
    if changed.get("nullable") is True:
        changed |= {"type": [changed["type"], "null"]} if "type" in changed else {}
        changed |= {"enum": [*changed["enum"], None]} if "enum" in changed else {}
    return changed


# --- a description of everything ------------------------------------------------------------------


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


ACCOUNT = "5352b013-ae58-4a63-8a3f-97f316a917cf"
COMPONENTS: Mapping[str, Any] = {
    "Account": {
        "type": "object",
        "required": ["accountID", "mode", "profile", "createdOn"],
        "properties": {
            "accountID": {"type": "string", "format": "uuid", "example": ACCOUNT},
            "mode": {"allOf": [ref("Mode")], "description": "the mode"},
            "profile": {"oneOf": [ref("Individual"), ref("Business")]},
            "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
            "createdOn": {"type": "string", "format": "date-time"},
            "password": {"type": "string", "writeOnly": True},
            "partner": ref("Account"),
        },
    },
    "Mode": {"type": "string", "enum": ["sandbox", "production"]},
    "Individual": {
        "type": "object",
        "required": ["email"],
        "properties": {"email": {"type": "string", "format": "email", "maxLength": 100}},
    },
    "Business": {"allOf": [ref("Individual"), {"type": "object", "required": ["website"]}]},
    "Amount": {
        "type": "object",
        "required": ["currency", "value"],
        "properties": {
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
            "value": {"type": "integer", "minimum": 1, "maximum": 10**9},
        },
        "example": {"currency": "USD", "value": 1204},
    },
    "Node": {
        "type": "object",
        "required": ["children"],
        "properties": {"children": {"type": "array", "items": ref("Node")}, "parent": ref("Node")},
    },
}
FEATURES: tuple[Any, ...] = (
    ref("Account"),
    {"type": "array", "items": ref("Account"), "minItems": 2},
    ref("Business"),
    {"type": "object", "properties": {"amount": ref("Amount"), "code": {"enum": ["a", "b"]}}},
    {"type": "object", "additionalProperties": ref("Amount"), "minProperties": 2},
    ref("Node"),
    {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "integer"}]},
    {"type": "number", "multipleOf": 0.01, "minimum": 0.5},
    {"type": "string", "minLength": 30, "maxLength": 40},
    {"type": "object", "required": ["later"], "properties": {"later": {"type": "boolean", "default": True}}},
)
FEATURES_3_0 = (
    {"type": "string", "nullable": True, "enum": ["x"]},
    {"type": "integer", "minimum": 5, "exclusiveMinimum": True},
)
FEATURES_3_1 = (
    {"type": ["string", "null"], "const": "x"},
    {"type": "integer", "exclusiveMinimum": 5},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
    {"type": "string", "examples": ["first", "second"]},
)


def every_operation(version: str) -> dict[str, Any]:
    """A description of all operations that mockmoov knows, with other names for the path parameters."""
    features = cycle(FEATURES + (FEATURES_3_0 if version.startswith("3.0") else FEATURES_3_1))
    paths = {
        path.replace("ID}", "Id}"): {method.lower(): _operation(next(features)) for method in methods}
        for path, methods in BY_PATH.items()
    }
    return {**description({}, version, **COMPONENTS), "paths": paths}


def _operation(schema: Any) -> dict[str, Any]:
    success = responding({"application/json": {"schema": schema}})
    return {"responses": {**success["responses"], "404": {"description": "there is none"}}}


def operations() -> Iterator[tuple[str, str, str]]:
    """The method and path in `BY_PATH` of each operation, and the JSON pointer to it there."""
    for path, methods in BY_PATH.items():
        for method in methods:
            described = path.replace("ID}", "Id}")
            yield method, path, f"/paths/{described.replace('/', '~1')}/{method.lower()}"
