"""The fixtures agree: valid descriptions, facts with sources, exchanges that the descriptions allow."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.support.contract_fixtures import (
    CONTRACTS,
    SOURCES,
    ContractName,
    Exchange,
    check_response,
    description,
    load_api_keys,
    load_exchanges,
    load_openapi,
    resolved_openapi,
)

MOOV_PATHS = ("/oauth2/token", "/oauth2/revoke", "/ping")
each_contract = pytest.mark.parametrize("contract", CONTRACTS)

REQUEST_ID = {"x-request-id": "6f1c2f0e-4f0b-4e0c-9d39-0b6a3c1b7a52"}
ERROR = {**REQUEST_ID, "x-mockmoov-reason": "no such token"}
JSON = {"content-type": "application/json"}
UNCACHED = ERROR | {"cache-control": "no-store", "pragma": "no-cache"}
UNCACHED_JSON = UNCACHED | JSON
TOKEN = {
    "access_token": "a" * 43,
    "expires_in": 3600,
    "refresh_token": "r" * 43,
    "scope": "/ping.read",
    "token_type": "Bearer",
}


def walk(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document."""
    if isinstance(node, dict):
        yield node
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(value)


# --- descriptions -------------------------------------------------------------------------------------


@each_contract
def test_every_example_meets_its_json_schema(contract: ContractName) -> None:
    document = resolved_openapi(contract)
    components, checked = document["components"], 0
    headers = [holder["schema"] for holder in components["headers"].values()]
    for schema in (*components["schemas"].values(), *headers):
        Draft202012Validator.check_schema(schema)
    for holder in walk(components):
        if "example" in holder:
            Draft202012Validator(holder.get("schema", holder)).validate(holder["example"])
    for holder in walk(document["paths"]):
        for example in holder.get("examples", {}).values():
            Draft202012Validator(holder["schema"]).validate(example["value"])
            checked += 1
    assert checked


@each_contract
def test_every_response_and_header_names_its_source(contract: ContractName) -> None:
    components = load_openapi(contract)["components"]
    named = {**components["responses"], **components["headers"]}
    assert [name for name, item in named.items() if not SOURCES >= set(item["x-source"]) > set()] == []


@each_contract
def test_described_responses_have_the_headers_of_their_kind(contract: ContractName) -> None:
    paths = resolved_openapi(contract)["paths"]
    wrong = [
        (status, response["description"])
        for holder in walk(paths)
        for status, response in holder.get("responses", {}).items()
        if ("X-Mockmoov-Reason" in response.get("headers", {})) != (int(status) >= 400)
    ]
    for path in MOOV_PATHS:
        operation = paths[path].get("post") or paths[path]["get"]
        wrong += [
            (path, response["description"])
            for response in (*operation["responses"].values(), paths[path]["x-other-methods"])
            if not response["headers"]["x-request-id"]["required"]
        ]
    assert wrong == []


@each_contract
def test_paths_that_are_not_moovs_are_marked(contract: ContractName) -> None:
    paths = load_openapi(contract)["paths"]
    assert {path for path, item in paths.items() if item.get("x-mockmoov") != "not Moov's"} == {*MOOV_PATHS}


# --- exchanges ----------------------------------------------------------------------------------------


@each_contract
def test_every_exchange_names_its_source(contract: ContractName) -> None:
    exchanges = load_exchanges(contract)
    assert [each.id for each in exchanges if not (each.note and SOURCES >= set(each.tags) > set())] == []
    assert not load_api_keys(contract).keys() & {each.id for each in exchanges}


def test_both_contracts_have_the_same_requests() -> None:
    dated, older = ({each.id: each for each in load_exchanges(contract)} for contract in ("dated", "2023"))
    assert older.keys() - dated.keys() == {"token-2023-go-sdk"}
    assert {name.partition("version")[1] for name in dated.keys() - older.keys()} == {"version"}

    def sent(exchange: Exchange) -> object:
        request, setup = exchange.request, [each.id for each in exchange.setup]
        target = (request.method, request.path, request.query)
        return exchange.title, target, request.authorization, request.body, setup

    assert [name for name in dated.keys() & older.keys() if sent(dated[name]) != sent(older[name])] == []


@each_contract
def test_every_status_and_error_is_in_an_exchange(contract: ContractName) -> None:
    statuses, words = set(), set()
    for exchange in load_exchanges(contract):
        request, response = exchange.request, exchange.response
        statuses.add((request.method, request.path, response.status))
        for name, value in dict(response.body or {}).items():
            words.add((request.path, value if name == "error" else name))
    described = {
        (method, path, status)
        for path in MOOV_PATHS
        for method, responses in description(contract).paths[path].operations.items()
        for status in responses.keys() - {421, 429, 500, 504}  # requests alone cannot cause these
    }
    assert described - statuses == set()
    schemas = resolved_openapi(contract)["components"]["schemas"]
    errors = {
        (path, word)
        for path, prefix in (("/oauth2/token", "Token"), ("/oauth2/revoke", "Revocation"))
        for word in (
            *schemas[f"{prefix}Error"]["properties"]["error"]["enum"],
            *schemas.get(f"{prefix}FieldError", {"properties": {}})["properties"],
        )
    }
    assert errors - words == set()


# --- the checker --------------------------------------------------------------------------------------

Answered = tuple[str, str, int, dict[str, str], bytes]
ISSUED = {name: value for name, value in UNCACHED_JSON.items() if name != "x-mockmoov-reason"}
INVALID_CLIENT = b'{"error":"invalid_client"}'
CHALLENGE = {"www-authenticate": 'Basic realm="moov"'}


def issued(**changes: Any) -> Answered:
    """A token response with some members changed, or left out if None."""
    members = {name: value for name, value in (TOKEN | changes).items() if value is not None}
    return "POST", "/oauth2/token", 200, ISSUED, json.dumps(members).encode()


def token(status: int, headers: dict[str, str], body: bytes = b"") -> Answered:
    return "POST", "/oauth2/token", status, headers, body


def ping(method: str, status: int, headers: dict[str, str], body: bytes = b"") -> Answered:
    return method, "/ping", status, headers, body


# By contract: an answer, and what the checker says about it; "" if it accepts it.
CHECKED: dict[ContractName, list[tuple[Answered, str]]] = {
    "2023": [
        (issued(), ""),
        (issued(extra="x"), "extra"),
        (issued(scope=None), "'scope' is a required property"),
        (issued(expires_in="3600"), "expires_in"),
        (issued(access_token="a" * 4097), "access_token"),
        (issued(scope="/a.read  /b.read"), "scope"),
        (token(200, ISSUED), "no JSON"),
        (token(200, ISSUED, b'{"error":"a","error":"a"}'), "repeated"),
        (("POST", "/oauth2/token?x=1", 413, UNCACHED, b""), ""),
        (token(429, UNCACHED | {"retry-after": "1", "x-retry-in": "46.7ms"}), ""),
        (token(422, UNCACHED_JSON, b'{"scope":"x"}'), "described are"),
        (token(401, UNCACHED_JSON, INVALID_CLIENT), "WWW-Authenticate is missing"),
        (token(400, UNCACHED_JSON | CHALLENGE, INVALID_CLIENT), "described for other answers only"),
    ],
    "dated": [
        (issued(), "expires_in"),
        (token(400, UNCACHED_JSON, INVALID_CLIENT), "invalid_client"),
        (token(401, UNCACHED_JSON), "content-type"),
        (token(401, UNCACHED, INVALID_CLIENT), "where none is described"),
        (token(422, UNCACHED_JSON, b'{"scope":"x","refresh_token":"x"}'), "too many properties"),
        (token(429, UNCACHED | {"retry-after": "1"}), ""),
        (token(429, UNCACHED | {"retry-after": "1", "x-retry-in": "1s"}), "x-retry-in"),
        (token(429, UNCACHED | {"retry-after": "0"}), "Retry-After"),
        (token(429, UNCACHED | {"retry-after": "soon"}), "Retry-After"),
        (ping("HEAD", 200, REQUEST_ID), ""),
        (ping("HEAD", 200, REQUEST_ID, b"x"), "where none is described"),
        (ping("HEAD", 405, ERROR | {"allow": "GET, HEAD"}), "described are"),
        (ping("POST", 405, ERROR | {"allow": "GET, HEAD"}), ""),
        (ping("POST", 405, ERROR | {"allow": "GET"}), "Allow"),
        (ping("OPTIONS", 200, {"Access-Control-Allow-Methods": "GET"}, b"OK"), ""),
        (ping("OPTIONS", 200, REQUEST_ID), "described are"),
        (ping("GET", 401, REQUEST_ID | {"x-mockmoov-reason": "é"}), "X-Mockmoov-Reason"),
        (ping("GET", 500, REQUEST_ID), "nobody planned"),
        (("GET", "/nowhere", 404, ERROR, b""), ""),
        (("GET", "/nowhere", 200, REQUEST_ID, b""), "described are"),
        (("GET", "/nowhere", 404, ERROR, b"x"), "where none is described"),
    ],
}


@each_contract
def test_checker_accepts_described_answers_only(contract: ContractName) -> None:
    wrong = []
    for answer, expected in CHECKED[contract]:
        complaint = ""
        try:
            check_response(contract, *answer)
        except AssertionError as error:
            complaint = str(error)
        if expected not in complaint or bool(expected) != bool(complaint):
            wrong.append((answer, expected, complaint))
    assert wrong == []
    check_response(contract, "GET", "/ping", 500, REQUEST_ID, b"", planned_fault=True)
