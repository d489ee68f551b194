"""The caller's application, and new API keys for it: `/applications`."""

import json
from typing import Any
from uuid import UUID

import pytest

from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.server import new_api_keys
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.simulation.clock import ClockSetting
from tests.support.contract_fixtures import Answer, Send
from tests.support.servers import CLIENT_ID, Clock, Header, another_key, basic, bearer, new_server, sender
from tests.support.tokens import mint, ping

APPLICATION_ID, ACCOUNT_ID = EXAMPLE["application_id"], EXAMPLE["account_id"]
KEYS = f"/applications/{APPLICATION_ID}/keys"
NARROW = another_key("narrow", scopes=["/ping.read"], grants=["client_credentials"])
AT = "2027-01-15T08:00:00Z"


@pytest.fixture
def server() -> AuthorizationServer:
    return new_server(clock=Clock(), keys=[EXAMPLE, NARROW])


@pytest.fixture
def send(server: AuthorizationServer) -> Send:
    return sender(server)


def create(send: Send, document: object, *headers: Header, path: str = KEYS) -> Answer:
    return send("POST", path, list(headers) or [basic()], json.dumps(document).encode())


def created(send: Send, document: object, *headers: Header, path: str = KEYS) -> dict[str, Any]:
    status, _, body = create(send, document, *headers, path=path)
    assert status == 200
    return dict(json.loads(body))


def test_the_callers_application_is_listed(send: Send) -> None:
    status, headers, body = send("GET", "/applications", [basic()], b"")
    (application,) = json.loads(body)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert len(application.pop("allowedScopes")) == 52
    assert application == {
        "applicationID": APPLICATION_ID,
        "accountID": ACCOUNT_ID,
        "name": "mockmoov",
        "description": "",
        "createdOn": AT,
        "updatedOn": AT,
        "disabledOn": None,
    }
    (narrow,) = json.loads(send("GET", "/applications", [basic("narrow", NARROW["client_secret"])], b"")[2])
    assert narrow["allowedScopes"] == ["/ping.read"]


def test_a_reset_creates_the_keys_anew(server: AuthorizationServer, send: Send) -> None:
    server.simulation.set_clock(None, lambda _setting, _base: ClockSetting(offset=10.0**6))
    server.reset()
    (application,) = json.loads(send("GET", "/applications", [basic()], b"")[2])
    assert application["createdOn"] == AT


def test_a_body_does_not_choose_the_key(server: AuthorizationServer, send: Send) -> None:
    token = bearer(mint(send)["access_token"])
    create(send, {"name": "a", "client_id": "narrow"}, token)
    assert server.simulation.journal().exchanges[-1].client_id == CLIENT_ID
    assert send("GET", "/applications", [basic()], b"x" * 70_000)[0] == 200


def test_a_new_key_belongs_to_the_application_and_works(send: Send) -> None:
    new = created(send, {"name": "shop", "description": "till", "origins": ["https://Shop.example:443"]})
    UUID(new.pop("applicationKeyID"))
    client_id, secret = new.pop("clientId"), new.pop("clientSecret")
    assert new == {
        "applicationID": APPLICATION_ID,
        "accountID": ACCOUNT_ID,
        "name": "shop",
        "description": "till",
        "origins": ["https://shop.example"],
        "createdOn": AT,
        "updatedOn": AT,
        "lastUsed": None,
        "disabledOn": None,
    }
    key = basic(client_id, secret)
    token = json.loads(
        send("POST", "/oauth2/token?grant_type=client_credentials&scope=/ping.read", [key], b"")[2]
    )
    assert ping(send, token["access_token"]) == 200
    (application,) = json.loads(send("GET", "/applications", [key], b"")[2])
    assert (application["applicationID"], application["createdOn"]) == (APPLICATION_ID, AT)


def test_a_new_key_can_do_no_more_than_its_creator(server: AuthorizationServer, send: Send) -> None:
    key = basic("narrow", NARROW["client_secret"])
    (application,) = json.loads(send("GET", "/applications", [key], b"")[2])
    path = f"/applications/{application['applicationID'].upper()}/keys"
    new = created(send, {"name": "a", "description": None, "origins": None}, key, path=path)
    assert (new["description"], new["origins"]) == ("", [])
    (api_key,) = server.repository.api_keys([new["clientId"]])
    assert (api_key.scopes, api_key.grants) == (("/ping.read",), ("client_credentials",))


def test_only_basic_is_accepted(send: Send) -> None:
    token = bearer(mint(send, "/accounts.write")["access_token"])
    for method, path in (("GET", "/applications"), ("HEAD", "/applications"), ("POST", KEYS)):
        refused = send(method, path, [token], b"")
        assert (refused[0], refused[2]) == (403, b"")
        assert refused[1]["x-mockmoov-reason"].startswith("no token is enough here")
        assert send(method, path, [], b"")[0] == 401
        assert send(method, path, [basic(CLIENT_ID, "wrong")], b"")[0] == 401


def test_bad_input_is_422_with_the_member_named(server: AuthorizationServer, send: Send) -> None:
    printable = "must be printable text of at most 200 characters"
    text = "origins of an API key must be a list of strings"
    origin = (
        "origins of an API key must be a list of origins such as https://shop.example, "
        "without a path or a pattern"
    )
    expected: list[tuple[object, dict[str, str]]] = [
        ([], {"name": "the JSON body is not an object"}),
        ({"name": "a", "origins": ["https://\ud800.example"]}, {"name": "the body is not JSON"}),
        ({}, {"name": "is required"}),
        ({"name": ""}, {"name": "is required"}),
        ({"name": " "}, {"name": "is required"}),
        *(({"name": bad}, {"name": printable}) for bad in (1, "a\n", "a" * 201)),
        ({"name": "a", "description": []}, {"description": printable}),
        ({"name": "a", "origins": "https://shop.example"}, {"origins": text}),
        ({"name": "a", "origins": ["https://shop.example/path"]}, {"origins": origin}),
    ]  # fmt: skip
    found = []
    for document, _ in expected:
        status, headers, body = create(send, document)
        assert (status, headers["content-type"]) == (422, "application/json")
        assert headers["x-mockmoov-reason"] == ": ".join(*json.loads(body).items())
        found.append((document, json.loads(body)))
    assert found == expected
    assert send("POST", KEYS, [basic()], b"{")[0] == 422
    assert send("POST", KEYS, [basic()], b'{"name": ' + b"[" * 40_000)[0] == 422
    assert send("POST", KEYS, [basic()], b"a" * 70_000)[0] == 413
    assert server.repository.count_api_keys() == 2


def test_another_application_is_404(send: Send) -> None:
    for other in (ACCOUNT_ID, "mine"):
        assert create(send, {"name": "a"}, path=f"/applications/{other}/keys")[0] == 404


def test_new_keys_count_towards_the_limit(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_api_keys, "MAX_API_KEYS", 3)
    created(send, {"name": "third"})
    status, headers, body = create(send, {"name": "fourth"})
    assert (status, body) == (409, b"")
    assert headers["x-mockmoov-reason"] == "the limit of 3 API keys is reached: delete some"


def test_journal_names_the_operation_and_no_secret(server: AuthorizationServer, send: Send) -> None:
    new = created(send, {"name": "shop"})
    (exchange,) = server.simulation.journal().exchanges
    assert exchange.endpoint == "createApplicationKey"
    assert new["clientSecret"] not in repr(exchange)
