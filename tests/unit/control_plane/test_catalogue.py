"""What there is to choose from, as resources."""

from typing import Any

import pytest

from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.operations import OPERATION_NAMES
from mockmoov.oauth.token_defects import DEFECTS
from mockmoov.openapi.examples import Examples
from mockmoov.simulation.faults import PRESETS
from tests.support.control import Desk
from tests.support.servers import new_server

# Operations with their places, what a description answers, and the example in it.
EXAMPLES: list[tuple[str, tuple[str, str], HttpResponse, dict[str, Any] | None]] = [
    (
        "listAccounts",
        ("/accounts", "GET"),
        HttpResponse(status=200, body=b'[{"accountID": "a"}]'),
        {"status": 200, "json": [{"accountID": "a"}]},
    ),
    ("createAccount", ("/accounts", "POST"), HttpResponse(status=204), {"status": 204}),
    ("getAccount", ("/accounts/{accountID}", "GET"), HttpResponse(status=501), None),
    ("listCards", ("/accounts/{accountID}/cards", "GET"), HttpResponse(status=200, body=b"x"), None),
]


def test_everything_there_is_to_choose_from_is_listed(desk: Desk) -> None:
    document = desk.get("/catalogue").document
    assert {operation["name"] for operation in document["operations"]} == set(OPERATION_NAMES)
    cards = next(each for each in document["operations"] if each["name"] == "listCards")
    assert cards == {
        "name": "listCards", "method": "GET", "path": "/accounts/{accountID}/cards",
        "scope_sets": [["/accounts/{accountID}/cards.read"]],
    }  # fmt: skip
    assert document["scopes"] == list(SCOPES)
    assert (document["presets"], document["defects"]) == (list(PRESETS), list(DEFECTS))


@pytest.mark.parametrize(("name", "place", "response", "example"), EXAMPLES)
def test_operation_has_the_example_of_the_description(
    name: str, place: tuple[str, str], response: HttpResponse, example: dict[str, Any] | None
) -> None:
    server = new_server()
    server.examples = Examples(answers={place: lambda: response}, summary="")
    document = Desk(server).get(f"/catalogue/{name}").document
    assert (document["name"], document["path"], document["method"]) == (name, *place)
    assert document["example"] == example


def test_operation_without_a_description_has_no_example(desk: Desk) -> None:
    assert desk.get("/catalogue/ping")["example"] is None
    answer = desk.get("/catalogue/pong")
    assert answer.status == 404
    assert "did you mean ping?" in answer.document["error"]
