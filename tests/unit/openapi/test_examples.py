"""What an operation answers: which response, which media type, and the first example that is valid."""

import json
from threading import Thread
from typing import Any

from mockmoov.oauth.operations import BY_PATH
from mockmoov.openapi.examples import read_examples
from tests.support.openapi import answer, description, reason, ref, responding

INTEGER = {"schema": {"type": "integer"}}
RESPONSES = "paths./accounts.get.responses"


def sent(content: Any, **components: Any) -> tuple[int, str, str]:
    """The status, and the media type and the body, or else the reason, of a response with this content."""
    response = answer(description(responding(content), **components))
    if response.status == 501:
        return 501, "", reason(response).removeprefix(f"openapi.yaml: {RESPONSES}.200.content.")
    return response.status, dict(response.headers).get("content-type", ""), response.body.decode()


def body(media: Any, **components: Any) -> str:
    """The body or the reason for this media type object of JSON."""
    return sent({"application/json": media}, **components)[2]


STATUSES: dict[str, tuple[int, str]] = {
    "default 404 202 201": (201, "201"),
    "default 2XX 404": (200, "2XX"),
    "default 404": (200, "default"),
    "204 400": (204, "204"),
}


def test_lowest_success_is_answered() -> None:
    found = {}
    for names in STATUSES:
        responses = {
            name: responding({"application/json": INTEGER})["responses"]["200"] for name in names.split()
        }
        response = answer(description({"responses": responses}))
        source, _, place = reason(response).partition(f" openapi.yaml: {RESPONSES}.")
        found[names] = (response.status, place)
        assert source == ("example from" if response.status == 204 else "made from the schema in")
        assert response.body == (b"" if response.status == 204 else b"1")
    assert found == STATUSES


def test_operation_without_success_is_501() -> None:
    failures: dict[str, Any] = {"404": {}, "2xx": {}}
    for responses in (failures, {}):
        response = answer(description({"responses": responses}))
        assert (response.status, response.body) == (501, b"")
        assert reason(response) == f"openapi.yaml: {RESPONSES}: there is no success among them"


def test_operation_that_the_file_lacks_is_501() -> None:
    response = answer(description({}), "GET", "/ping")
    assert (response.status, reason(response)) == (501, "openapi.yaml does not describe this operation")


def test_response_without_content_is_empty() -> None:
    for response in ({"description": "a success"}, {"description": "", "content": {}}):
        found = answer(description({"responses": {"202": response}}))
        assert (found.status, found.body, "content-type" in dict(found.headers)) == (202, b"", False)


TEXT = {"example": "text"}
CONTENTS: list[tuple[Any, tuple[int, str, str]]] = [
    ({"text/csv": TEXT, "a/b+json": INTEGER, "application/json": INTEGER}, (200, "application/json", "1")),
    ({"text/csv": TEXT, "A/B+JSON; v=1": INTEGER}, (200, "A/B+JSON; v=1", "1")),
    ({"text/csv": {"example": "a,é"}, "text/html": TEXT}, (200, "text/csv", "a,é")),
    (
        {
            "text/csv": {
                "schema": {"type": "string", "minLength": 2},
                "examples": {"a": {"value": 1}, "b": {"value": "bc"}},
            }
        },
        (200, "text/csv", "bc"),
    ),
    (
        {"text/csv": {"schema": {"type": "string"}, "example": 5}},
        (501, "", "text/csv: there is no text as an example"),
    ),
    ({"text/csv": {}}, (501, "", "text/csv: there is no text as an example")),
    ({"*/*": INTEGER}, (501, "", "*/*: this is not a single media type")),
    ({"a/b\r\nx: y": TEXT}, (501, "", "a/b\\r\\nx: y: this is not a single media type")),
    ({"application/json": {}}, (501, "", "application/json: there is no example")),
    ({"application/json": []}, (501, "", "application/json must be an object")),
    ({"application/json": {"example": {"a": [1, None]}}}, (200, "application/json", '{"a":[1,null]}')),
]


def test_json_is_preferred_and_text_is_sent_as_it_is() -> None:
    assert [sent(content) for content, _ in CONTENTS] == [expected for _, expected in CONTENTS]


SCHEMA = {"type": "integer", "example": 7, "default": 8}
CANDIDATES: list[tuple[Any, str]] = [
    ({"schema": SCHEMA, "example": 5, "examples": {"a": {"value": 6}}}, "5"),
    ({"schema": SCHEMA, "example": "x", "examples": {"a": {"externalValue": "u"}, "b": {"value": 6}}}, "6"),
    ({"schema": SCHEMA, "examples": {"a": {"$ref": "#/components/schemas/Six"}}}, "6"),
    ({"schema": SCHEMA, "examples": {"a": {"$ref": "nowhere"}, "b": 5}}, "7"),
    ({"schema": SCHEMA, "examples": []}, "7"),
    ({"schema": {**SCHEMA, "example": "x"}}, "8"),
    ({"schema": {"type": "integer", "minimum": 9, "default": 8}}, "9"),
    ({"schema": {"type": ["integer", "null"]}, "example": None}, "null"),
    ({"example": "anything"}, '"anything"'),
]


def test_first_valid_candidate_is_sent() -> None:
    found = [body(media, Six={"value": 6}) for media, _ in CANDIDATES]
    assert found == [expected for _, expected in CANDIDATES]


def test_without_a_valid_candidate_the_first_complaint_is_the_reason() -> None:
    media = {"schema": {"allOf": [ref("A")]}, "example": {"a": "x"}}
    endless = {"type": "object", "properties": {"a": ref("A")}, "required": ["a"]}
    assert body(media, A=endless) == "openapi.yaml: components.schemas.A: 'x' is not of type 'object'"


def test_references_to_responses_are_followed() -> None:
    document = description({"responses": {"200": {"$ref": "#/components/responses/A"}}})
    document["components"]["responses"] = {"A": {"content": {"application/json": INTEGER}}}
    response = answer(document)
    assert (response.body, reason(response)) == (
        b"1",
        f"made from the schema in openapi.yaml: {RESPONSES}.200",
    )
    document["components"]["responses"] = {}
    assert (
        reason(answer(document))
        == "openapi.yaml: components.responses.A: there is no such place in this file"
    )


def test_reason_says_whether_the_example_was_sent() -> None:
    for example, source in ((5, "example from"), ("x", "made from the schema, as no example fits it, in")):
        response = answer(description(responding({"application/json": {**INTEGER, "example": example}})))
        assert reason(response) == f"{source} openapi.yaml: {RESPONSES}.200"


def test_threads_get_the_same_answer() -> None:
    document = description(responding({"application/json": {"schema": {"type": "object"}}}))
    examples = read_examples(json.dumps(document).encode(), "a.json")
    found: list[Any] = []
    threads = [Thread(target=lambda: found.append(examples.answers["/accounts", "GET"]())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [found[0]] * 8


def test_every_operation_has_an_answer() -> None:
    examples = read_examples(b"openapi: 3.1.0", "a.yaml")
    assert {path for path, _ in examples.answers} == set(BY_PATH)
    assert {answer().status for answer in examples.answers.values()} == {501}
