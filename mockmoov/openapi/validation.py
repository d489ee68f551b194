"""Validates values with jsonschema, in bounded time and within one file: no other file or URL is read.

OpenAPI 3.1 has the schemas of JSON Schema 2020-12, OpenAPI 3.0 those of an older draft with `nullable`.
Patterns that can't be decided are not checked, nor are `unevaluatedProperties` and `unevaluatedItems`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeAlias
from urllib.parse import quote

from jsonschema import Draft4Validator, Draft202012Validator, FormatChecker, ValidationError, validators
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT4, DRAFT202012

from mockmoov.openapi.description import Description, NoExampleError, Place
from mockmoov.openapi.patterns import matches

_Keyword: TypeAlias = Callable[[Any, Any, Any, Any], Iterable[ValidationError] | None]
_URI = "urn:openapi"  # of the file
_MAX_STEPS = 50_000  # keywords to evaluate for one operation
_MAX_COMPARED = 300  # items
_MAX_DEPTH = 100  # keywords, one inside another: far from Python's limit, at which rpds would panic
_DIALECTS: Mapping[str, Any] = {"3.0": (Draft4Validator, DRAFT4), "3.1": (Draft202012Validator, DRAFT202012)}
_FORMATS = FormatChecker()
_extend: Any = validators.extend  # which has no types


class Validator:
    """Validates values for one operation."""

    def __init__(self, description: Description) -> None:
        base, specification = _DIALECTS[description.version]
        resource = specification.create_resource(description.document)
        self._description = description
        self._registry: Registry[Any] = Registry().with_resource(_URI, resource)
        keywords = {**base.VALIDATORS, **_OWN_KEYWORDS}
        if description.version == "3.0":
            keywords |= {name: _unless_null(keywords[name]) for name in ("type", "enum")}
        bounds = _Bounds()
        keywords = {name: bounds.around(check) for name, check in keywords.items()}
        self._dialect = _extend(base, keywords)

    def first_valid(self, values: Iterable[Any], *places: Place) -> Any:
        """The first value that fits the schemas at these places.

        Raises `NoExampleError` with the first complaint; an iterator that raises it makes a complaint, too.
        """
        first = None
        try:
            for value in values:
                complaint = next(filter(None, (self._complaint(value, place) for place in places)), None)
                if complaint is None:
                    return value
                first = first or complaint
        except NoExampleError as error:
            first = first or error
        raise first or NoExampleError(places[0], "mockmoov cannot generate this type or pattern")

    def _complaint(self, value: Any, place: Place) -> NoExampleError | None:
        pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in place)
        schema = {"$ref": f"{_URI}#{quote(pointer)}"}
        try:
            validator = self._dialect(schema, registry=self._registry, format_checker=_FORMATS)
            complaint = next(validator.iter_errors(value), None)
        except Unresolvable as error:
            return NoExampleError(place, f'$ref "{error.ref}" is not a place in this file')
        except Exception as error:  # jsonschema raises anything if the schema is wrong
            return NoExampleError(place, f"cannot be validated: {error}")
        return complaint and NoExampleError(self._place(place, complaint), complaint.message)

    def _place(self, place: Place, complaint: ValidationError) -> Place:
        """The place of the schema that complains."""
        with suppress(NoExampleError):
            for part in map(str, complaint.schema_path):
                here = self._description.at(place)
                if isinstance(here, dict) and part not in here:
                    place = self._description.follow(place)
                place = (*place, part)
        return place[:-1]


class _Bounds:
    """Counts the keywords that are evaluated for an operation: references can lead anywhere, and multiply."""

    def __init__(self) -> None:
        self._steps = self._depth = 0

    def around(self, check: _Keyword) -> _Keyword:
        """The keyword's check, which is a `RuntimeError` beyond the bounds."""

        def keyword(validator: Any, expected: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
            self._steps += 1
            if self._steps > _MAX_STEPS or self._depth > _MAX_DEPTH:
                raise RuntimeError("it takes too many steps, or leads back to itself")
            self._depth += 1
            try:
                yield from check(validator, expected, value, schema) or ()
            finally:
                self._depth -= 1

        return keyword


def _unless_null(check: _Keyword) -> _Keyword:
    def keyword(validator: Any, expected: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
        if value is not None or schema.get("nullable") is not True:
            yield from check(validator, expected, value, schema) or ()

    return keyword


# --- keywords in which jsonschema would stumble over a pattern, or follow without end -----------------


def _pattern(_validator: Any, pattern: Any, value: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and not matches(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, value: Any, _schema: Any) -> Iterator[ValidationError]:
    for name, member in value.items() if isinstance(value, dict) else ():
        for pattern in filter(lambda each: matches(each, name), patterns):
            yield from validator.descend(member, patterns[pattern], path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, allowed: Any, value: Any, schema: Any
) -> Iterator[ValidationError]:
    named, patterns = schema.get("properties", ()), schema.get("patternProperties", ())
    for name, member in value.items() if isinstance(value, dict) else ():
        if name not in named and not any(matches(pattern, name) for pattern in patterns):
            yield from validator.descend(member, allowed, path=name)


def _unique_items(validator: Any, is_unique: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    """Compare items of short lists: the time grows with the square of the length."""
    if isinstance(value, list) and len(value) <= _MAX_COMPARED:
        yield from Draft4Validator.VALIDATORS["uniqueItems"](validator, is_unique, value, schema) or ()


def _not_checked(_validator: Any, _expected: Any, _value: Any, _schema: Any) -> None:
    """Accept anything."""


_OWN_KEYWORDS: Mapping[str, _Keyword] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
    "unevaluatedProperties": _not_checked,
    "unevaluatedItems": _not_checked,
}
