"""Answers operations with the examples of an OpenAPI description, or with instances of its schemas."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from typing import Any

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.errors import printable
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.operations import BY_PATH
from mockmoov.oauth.responses import NO_STORE, REASON_HEADER, render_error
from mockmoov.openapi.description import Description, NoExampleError, Place, read_description
from mockmoov.openapi.instances import Instances
from mockmoov.openapi.parsing import DescriptionError
from mockmoov.openapi.validation import Validator

_MEDIA_TYPE = re.compile(r"[\w.+!#$&^-]+/[\w.+!#$&^-]+(?:\s*;[\x20-\x7e]*)?", re.ASCII)
_WITHOUT_BODY = frozenset({204, 205})  # RFC 9110 §15.3.5, §15.3.6
# Where a body comes from.
_EXAMPLE, _INSTANCE = "example from", "made from the schema in"
_REPLACED = "made from the schema, as no example fits it, in"
_OTHER = 2  # the rank of media types that are not JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """The answers that a description has to Moov's operations, by path template and method.

    An answer is computed when it is first needed, and may be a 501 with its reason. `summary` is a line about
    the file.
    """

    answers: Mapping[tuple[str, str], Callable[[], HttpResponse]]
    summary: str


def read_examples(data: bytes, name: str) -> Examples:
    """Read the description in the file `name`; raises `DescriptionError`."""
    try:
        description = read_description(data)
        described = list(description.operations())
    except (DescriptionError, NoExampleError) as error:
        raise DescriptionError(printable(f"{name}: {error}")) from None
    places = {(_without_names(path), method): place for path, method, place in described}
    answers = {
        (path, method): cache(partial(_answer, name, description, places.get((_without_names(path), method))))
        for path, methods in BY_PATH.items()
        for method in methods
    }
    known = sum((_without_names(path), method) in places for path, method in answers)
    summary = f"{printable(name)}: {known} operations are answered, {len(places) - known} are unknown"
    return Examples(answers=answers, summary=summary)


def _without_names(path: str) -> str:
    return re.sub(r"\{[^{}]*\}", "{}", path)


def _answer(name: str, description: Description, operation: Place | None) -> HttpResponse:
    if operation is None:
        return render_error(501, f"{name} does not describe this operation")
    try:
        status, place = _success(description, operation)
        response = description.follow(place)
        source, headers, body = (
            _content(description, response) if status not in _WITHOUT_BODY else (_EXAMPLE, (), b"")
        )
    except NoExampleError as error:
        return render_error(501, f"{name}: {error}")
    reason = printable(f"{source} {name}: {'.'.join(place)}")
    return HttpResponse(status=status, headers=(*headers, *NO_STORE, (REASON_HEADER, reason)), body=body)


def _success(description: Description, operation: Place) -> tuple[int, Place]:
    """The status and the place of the response that stands for success."""
    responses = description.object_at(operation).get("responses", {})
    exact = sorted(status for status in responses if re.fullmatch("2[0-9][0-9]", status))
    for status in (*exact, "2XX", "default"):
        if status in responses:
            return int(status) if status in exact else 200, (*operation, "responses", status)
    raise NoExampleError((*operation, "responses"), "there is no success among them")


def _content(description: Description, response: Place) -> tuple[str, tuple[tuple[str, str], ...], bytes]:
    """Where the body of a response comes from, its `Content-Type`, and itself, if it has content."""
    if not description.object_at(response).get("content"):
        return _EXAMPLE, (), b""
    place = (*response, "content")
    media_type = min(description.object_at(place), key=_rank)
    place = (*place, media_type)
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise NoExampleError(place, "this is not a single media type")
    is_json = _rank(media_type) < _OTHER
    source, value = _value(description, place, is_json=is_json)
    return source, (("content-type", media_type),), to_json(value) if is_json else value.encode()


def _rank(media_type: str) -> int:
    """What comes first is preferred: `application/json`, then other JSON."""
    name = media_type.partition(";")[0].strip().lower()
    return 0 if name == "application/json" else 1 if name.endswith("+json") else _OTHER


def _value(description: Description, place: Place, *, is_json: bool) -> tuple[str, Any]:
    """An example of a media type, or an instance of its schema, and which; a string unless it is JSON."""
    examples = [value for value in _examples(description, place) if is_json or isinstance(value, str)]
    has_schema = "schema" in description.object_at(place)
    if not examples and not (has_schema and is_json):
        raise NoExampleError(place, "there is no example" if is_json else "there is no text as an example")
    if not has_schema:
        return _EXAMPLE, examples[0]
    validator, schema = Validator(description), (*place, "schema")
    made = map(Instances(description, validator).make, [schema] if is_json else [])
    value = validator.first_valid(chain(examples, made), schema)
    if any(value is example for example in examples):
        return _EXAMPLE, value
    return _REPLACED if examples else _INSTANCE, value


def _examples(description: Description, place: Place) -> Iterator[Any]:
    media = description.object_at(place)
    if "example" in media:
        yield media["example"]
    for name in media["examples"] if isinstance(media.get("examples"), dict) else ():
        with suppress(NoExampleError):
            example = description.object_at(description.follow((*place, "examples", name)))
            if "value" in example:
                yield example["value"]
