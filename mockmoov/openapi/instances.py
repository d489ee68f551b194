"""Makes instances of schemas: small, valid, and the same ones each time.

An instance may have to fit several schemas at once, as with `allOf`, so it is made for several places. Its
parts are all schemas that apply to it, once references are followed and alternatives chosen.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import suppress
from itertools import chain, islice, product, zip_longest
from math import ceil, floor
from typing import Any, TypeAlias, TypeVar

from mockmoov.openapi.description import Description, NoExampleError, Place, reference_target
from mockmoov.openapi.patterns import generate
from mockmoov.openapi.validation import Validator

_T = TypeVar("_T")
_Schema: TypeAlias = Mapping[str, Any]
_Parts: TypeAlias = Mapping[Place, _Schema]
_MAX_VALUES = 4_000  # made or tried for one operation; optional members only up to half of them
_MAX_LEVELS = 16
_MAX_TRIES = 20  # combinations of alternatives, values of an enum
_MAX_LENGTH = 10_000  # characters
_FORMATS = {
    "uuid": "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "date-time": "2026-01-31T12:00:00Z", "date": "2026-01-31",
    "time": "12:00:00Z", "duration": "P1D", "email": "jo@example.com", "idn-email": "jo@example.com",
    "uri": "https://example.com", "url": "https://example.com", "iri": "https://example.com",
    "uri-reference": "/", "iri-reference": "/", "hostname": "example.com", "idn-hostname": "example.com",
    "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "byte": "c3RyaW5n", "json-pointer": "/a",
}  # fmt: skip
_ROUNDED: Mapping[str, tuple[Callable[[float], int], int]] = {
    "minimum": (ceil, 1), "exclusiveMinimum": (ceil, 1),
    "maximum": (floor, -1), "exclusiveMaximum": (floor, -1),
}  # fmt: skip
_TYPES = {  # by the keywords that imply them where `type` is missing
    "array": {"items", "prefixItems", "minItems", "maxItems"},
    "string": {"format", "pattern", "minLength", "maxLength"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
}


class Instances:
    """Makes the instances for one operation."""

    def __init__(self, description: Description, validator: Validator) -> None:
        self._description = description
        self._validator = validator
        self._open: list[Set[Place]] = []  # the parts that are being made
        self._left = _MAX_VALUES

    def make(self, *places: Place) -> Any:
        """A valid example from the schemas at these places, or a new instance; raises `NoExampleError`."""
        problem = None
        for way in _combinations(map(self._ways, places)):
            try:
                return self._validator.first_valid(self._candidates(way), *places)
            except NoExampleError as error:
                problem = problem or error
        raise problem or NoExampleError(places[0], "no alternative fits")

    def _spend(self, place: Place = ()) -> None:
        self._left -= 1
        if self._left < 0:
            raise NoExampleError(place, f"no instance was found within {_MAX_VALUES} values")

    # --- the parts ------------------------------------------------------------------------------------

    def _ways(self, place: Place, depth: int = 0) -> Iterator[_Parts]:
        """The parts of the schema at a place, once for each choice of alternatives."""
        self._spend(place)
        schema = self._description.at(place)
        if schema is True:
            schema = {}
        if not isinstance(schema, dict) or depth > _MAX_LEVELS:
            raise NoExampleError(place, "no instance fits")
        joint = [self._ways(part, depth + 1) for part in _elements(place, schema, "allOf")]
        if reference := _get(schema, "$ref", str, ""):
            joint.append(self._ways(reference_target(place, reference), depth + 1))
        choices = (_elements(place, schema, keyword) for keyword in ("oneOf", "anyOf"))
        joint.extend(self._alternatives(choice, depth + 1) for choice in choices if choice)
        return ({place: schema, **way} for way in _combinations(joint))

    def _alternatives(self, places: Iterable[Place], depth: int) -> Iterator[_Parts]:
        for place in places:
            with suppress(NoExampleError):
                yield from self._ways(place, depth)

    def _is_write_only(self, place: Place) -> bool:
        schemas = (self._description.at(each) for each in (place, self._description.follow(place)))
        return any(isinstance(schema, dict) and schema.get("writeOnly") is True for schema in schemas)

    # --- candidates -----------------------------------------------------------------------------------

    def _candidates(self, parts: _Parts) -> Iterator[Any]:
        """Values that may be valid: those of the schemas, then a new one."""
        for part in parts.values():
            yield from (part[keyword] for keyword in ("example", "const", "default") if keyword in part)
            for keyword in ("examples", "enum"):
                yield from _get(part, keyword, list, [])[:_MAX_TRIES]
        schema = {keyword: value for part in parts.values() for keyword, value in part.items()}
        try:
            new = self._new(parts, schema)
        except NoExampleError:
            if schema.get("nullable") is not True and "null" not in _get(schema, "type", list, []):
                raise
            new = [None]
        yield from new

    def _new(self, parts: _Parts, schema: _Schema) -> Iterable[Any]:
        if len(self._open) >= _MAX_LEVELS or any(parts.keys() & opened for opened in self._open):
            raise NoExampleError(next(iter(parts)), "an instance would contain itself, or be nested too deep")
        self._open.append(parts.keys())
        try:
            return self._of_type(_type(schema), parts, schema)
        finally:
            self._open.pop()

    def _of_type(self, name: str, parts: _Parts, schema: _Schema) -> Iterable[Any]:
        match name:
            case "object":
                return [self._object(parts, schema)]
            case "array":
                return [self._array(parts, schema)]
            case "string":
                return _strings(schema)
            case "integer" | "number":
                return _numbers(schema)
            case _:
                return [True] if name == "boolean" else [None] if name == "null" else []

    def _object(self, parts: _Parts, schema: _Schema) -> dict[str, Any]:
        named = {(*place, "properties"): _get(part, "properties", dict, {}) for place, part in parts.items()}
        others = [
            (*place, "additionalProperties")
            for place, part in parts.items()
            if isinstance(part.get("additionalProperties"), dict)
        ]
        required = [str(name) for part in parts.values() for name in _get(part, "required", list, [])]
        most = _get(schema, "maxProperties", int, _MAX_VALUES)
        members: dict[str, Any] = {}
        for name in dict.fromkeys(chain(required, *named.values())):
            places = [(*place, name) for place, names in named.items() if name in names] or others
            if name in required:
                members[name] = self._member(places)
            elif len(members) < most and self._left > _MAX_VALUES // 2:
                with suppress(NoExampleError):
                    if not any(map(self._is_write_only, places)):
                        members[name] = self._member(places)
        for number in range(len(members) + 1, _get(schema, "minProperties", int, 0) + 1):
            members[f"property{number}"] = self._member(others)
        if others and not members and most > 0:
            with suppress(NoExampleError):
                members["property1"] = self._member(others)
        return members

    def _array(self, parts: _Parts, schema: _Schema) -> list[Any]:
        tuples = zip_longest(*(_elements(place, part, "prefixItems") for place, part in parts.items()))
        first = [[place for place in places if place] for places in tuples]
        items = [(*place, "items") for place, part in parts.items() if "items" in part]
        least = _get(schema, "minItems", int, 0)
        count = min(max(1, len(first), least), _get(schema, "maxItems", int, _MAX_VALUES))
        try:
            return [self._member(first[index] if index < len(first) else items) for index in range(count)]
        except NoExampleError:
            if least > 0:
                raise
            return []

    def _member(self, places: Iterable[Place]) -> Any:
        """An instance for these places; without any, a value that fits anywhere."""
        self._spend()
        return self.make(*places) if places else "string"


def _combinations(groups: Iterable[Iterable[_Parts]]) -> Iterator[_Parts]:
    """The parts of one way of each group, merged; not more than make sense to try."""
    for ways in islice(product(*(islice(ways, _MAX_TRIES) for ways in groups)), _MAX_TRIES):
        yield {place: schema for way in ways for place, schema in way.items()}


def _get(schema: _Schema, keyword: str, kind: type[_T], default: _T) -> _T:
    """The value of a keyword if it has the right type; if it has not, the validator may complain."""
    value = schema.get(keyword)
    return value if isinstance(value, kind) and not isinstance(value, bool) else default


def _elements(place: Place, schema: _Schema, keyword: str) -> list[Place]:
    return [(*place, keyword, str(index)) for index in range(len(_get(schema, keyword, list, [])))]


def _type(schema: _Schema) -> str:
    declared = schema.get("type")
    for name in declared if isinstance(declared, list) else [declared]:
        if isinstance(name, str) and (name != "null" or name == declared):
            return name
    return next((name for name, keywords in _TYPES.items() if keywords & schema.keys()), "object")


def _strings(schema: _Schema) -> Iterator[str]:
    least, most = _get(schema, "minLength", int, 0), _get(schema, "maxLength", int, _MAX_LENGTH)
    if pattern := _get(schema, "pattern", str, ""):
        text = generate(pattern, least)
        yield from () if text is None else (text,)
        return
    yield _FORMATS.get(_get(schema, "format", str, ""), "string")
    length = min(max(least, len("string")), most, _MAX_LENGTH)
    yield ("string" * length)[:length]


def _numbers(schema: _Schema) -> Iterator[float]:
    """Numbers near the bounds, some of them multiples of `multipleOf`."""
    yield from (1, 0)
    step = _number(schema, "multipleOf") or 1
    bounds = {name: _number(schema, name) for name in _ROUNDED}
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    for name, bound in given.items():
        rounded, away = _ROUNDED[name]
        for unit in (1, step):
            with suppress(ArithmeticError, ValueError):
                nearest = rounded(bound / unit) * unit
                yield from (nearest, nearest + away * unit, bound)
    if given:
        yield sum(given.values()) / len(given)


def _number(schema: _Schema, keyword: str) -> float | None:
    value = schema.get(keyword)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
