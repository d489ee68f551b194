"""An OpenAPI description, and how to find places in it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote

from mockmoov.oauth.encoding import children, to_json
from mockmoov.oauth.errors import printable
from mockmoov.openapi.parsing import DescriptionError, parse

Place: TypeAlias = tuple[str, ...]  # the keys and indexes that lead to a value
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_VERSION = re.compile(r"(3\.[01])(?:\.\S*)?")
_MAX_CHAIN = 20  # references that lead to references


class NoExampleError(ValueError):
    """An operation has no example that can be sent. The message is one reason, and names its place."""

    def __init__(self, place: Place, reason: str) -> None:
        super().__init__(": ".join(filter(None, (".".join(place), reason))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The content of a file. All methods raise `NoExampleError` for what isn't as it should be."""

    version: str  # 3.0 or 3.1
    document: Mapping[str, Any]

    def at(self, place: Place) -> Any:
        """The value at a place."""
        value: Any = self.document
        for part in place:
            try:
                value = value[int(part)] if isinstance(value, list) else value[part]
            except (LookupError, TypeError, ValueError):
                raise NoExampleError(place, "there is no such place in this file") from None
        return value

    def follow(self, place: Place) -> Place:
        """The place itself, or the one that the references there lead to."""
        for _ in range(_MAX_CHAIN):
            value = self.at(place)
            if not isinstance(value, dict) or not isinstance(value.get("$ref"), str):
                return place
            place = reference_target(place, value["$ref"])
        raise NoExampleError(place, "this $ref leads back to itself")

    def object_at(self, place: Place) -> Mapping[str, Any]:
        """The value at a place, which must be an object."""
        value = self.at(place)
        if not isinstance(value, dict):
            raise NoExampleError((), f"{'.'.join(place)} must be an object")
        return value

    def operations(self) -> Iterator[tuple[str, str, Place]]:
        """The path, the method and the place of each operation."""
        for path in self.object_at(("paths",)) if "paths" in self.document else ():
            if path.startswith("/"):
                item = self.follow(("paths", path))
                for method in filter(self.object_at(item).__contains__, _METHODS):
                    operation = (*item, method)
                    if "responses" in self.object_at(operation):
                        self.object_at((*operation, "responses"))
                    yield path, method.upper(), operation


def reference_target(place: Place, reference: str) -> Place:
    """The place that a `$ref` names, as a JSON pointer (RFC 6901 §6); raises `NoExampleError`."""
    if not reference.startswith("#/"):
        raise NoExampleError(place, f'$ref "{reference}" is not a place in this file')
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in unquote(reference[2:]).split("/"))


def read_description(data: bytes) -> Description:
    """Read the content of a file; raises `DescriptionError`."""
    document = parse(data)
    if b"$schema" in data:  # with which jsonschema would leave our dialect
        _drop_dialects(document)
    if not isinstance(document, dict):
        raise DescriptionError("must be an object")
    declared = document.get("openapi", document.get("swagger"))
    version = _VERSION.fullmatch(str(declared))
    if version is None:
        raise DescriptionError(f"openapi must be 3.0 or 3.1, not {printable(to_json(declared).decode(), 40)}")
    return Description(version=version[1], document=document)


def _drop_dialects(document: Any) -> None:
    """Remove `$schema` from everything."""
    seen: set[int] = set()
    left = [document]
    while left:
        value = left.pop()
        if id(value) not in seen and isinstance(value, dict | list):
            seen.add(id(value))
            if isinstance(value, dict):
                value.pop("$schema", None)
            left.extend(children(value))
