"""The fixtures agree: valid descriptions, facts with sources, exchanges that the descriptions allow."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from jsonschema import Draft202012Validator
from schemathesis.core.result import Ok

from tests.support.contract_fixtures import (
    ANY,
    CONTRACTS,
    SOURCES,
    ContractName,
    Exchange,
    check_response,
    description,
    load_api_keys,
    load_exchanges,
    load_openapi,
    new_state,
    resolve_request,
    resolved_openapi,
    run_exchange,
)

MOOV_PATHS = ("/oauth2/token", "/oauth2/revoke", "/ping")
OWN_PATHS = {
    "GET /.well-known/jwks.json",
    "GET /.well-known/oauth-authorization-server",
    "POST /_mockmoov/introspect",
    "GET /_mockmoov/health",
}
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


@pytest.mark.slow
@each_contract
def test_schemathesis_can_drive_a_description(contract: ContractName) -> None:
    schema = schemathesis.openapi.from_dict(load_openapi(contract))
    schema.validate()
    labels = [result.ok().label if isinstance(result, Ok) else None for result in schema.get_all_operations()]
    assert len(labels) == len(set(labels))
    assert set(labels) == {"POST /oauth2/token", "POST /oauth2/revoke", "GET /ping"} | OWN_PATHS


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


def steps(exchange: Exchange) -> list[str]:
    """The ids of all exchanges that run, in order, each once."""
    before = [step for earlier in exchange.setup for step in steps(earlier)]
    return list(dict.fromkeys([*before, exchange.id]))


def plausible_answer(exchange: Exchange) -> tuple[int, dict[str, str], bytes]:
    """The expected answer, with the description's own examples wherever the exchange leaves a value open."""
    document, expected = resolved_openapi(exchange.contract), exchange.response
    item, method = document["paths"].get(exchange.request.path), exchange.request.method.lower()
    if item is None:
        response = document["x-elsewhere"][str(expected.status)]
    elif method in item:
        response = item[method]["responses"][str(expected.status)]
    else:
        response = item["x-other-methods"]
    headers = {
        name.lower(): str(header["example"])
        for name, header in response.get("headers", {}).items()
        if header["required"]
    }
    headers |= JSON if "content" in response else {}
    headers |= {name: value for name, value in expected.headers.items() if value and value != ANY}
    assert not headers.keys() & {name for name, value in expected.headers.items() if value is None}
    if expected.body == "":
        return expected.status, headers, b""
    members = response["content"]["application/json"]["schema"]["properties"]
    body = {
        name: members[name]["example"] if value == ANY else value for name, value in expected.body.items()
    }
    return expected.status, headers, json.dumps(body).encode()


@each_contract
def test_exchanges_are_complete(contract: ContractName) -> None:
    wrong = []
    for exchange in load_exchanges(contract):
        request = exchange.request
        texts = [exchange.id, exchange.title, request.path, request.query, request.body]
        texts += [text for header in request.headers for text in header]
        is_typed = all(isinstance(text, str) for text in texts)
        if not (is_typed and exchange.note and SOURCES >= set(exchange.tags) > set()):
            wrong.append(exchange.id)
    assert wrong == []
    assert not load_api_keys(contract).keys() & {exchange.id for exchange in load_exchanges(contract)}


@each_contract
def test_exchange_accepts_its_documented_answer_only(contract: ContractName) -> None:
    by_id = {exchange.id: exchange for exchange in load_exchanges(contract)}
    texts = {name: value for name, value in TOKEN.items() if isinstance(value, str)}
    for exchange in by_id.values():
        script = [by_id[step] for step in steps(exchange)]
        run_exchange(exchange, lambda *_, script=script: plausible_answer(script.pop(0)))
        assert script == []
        state = dict.fromkeys(by_id, texts) | new_state(contract)
        with pytest.raises(AssertionError, match=f"418, not {exchange.response.status}"):
            run_exchange(exchange, lambda *_: (418, {}, b""), state)


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


# --- the runner ---------------------------------------------------------------------------------------


def find(contract: ContractName, exchange_id: str) -> Exchange:
    return next(exchange for exchange in load_exchanges(contract) if exchange.id == exchange_id)


def test_basic_credentials_are_filled_in_then_encoded() -> None:
    headers = resolve_request(find("2023", "token-basic-form").request, new_state("2023"))[2]
    credentials = base64.b64encode(b"5clTR_MdVrrkgxw2:dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-").decode()
    assert headers[-1] == ("Authorization", f"Basic {credentials}")


def test_placeholder_is_escaped_for_its_place() -> None:
    state = new_state("2023") | {"token-two-scopes": {"refresh_token": 'a+"&b'}}
    form = resolve_request(find("2023", "refresh").request, state)[3]
    query = resolve_request(find("2023", "refresh-query-string").request, state)[1]
    document = json.loads(resolve_request(find("2023", "refresh-json-body-credentials").request, state)[3])
    assert form.endswith(b"refresh_token=a%2B%22%26b")
    assert query.endswith("refresh_token=a%2B%22%26b")
    assert document["refresh_token"] == 'a+"&b'


def test_given_headers_are_sent_unless_an_exchange_has_its_own() -> None:
    expected = {
        "token-basic-form": ["v2024.01.00"],
        "token-version-latest": ["latest"],
        "token-version-repeated": ["v2024.01.00", "v2024.01.00"],
    }
    assert {
        name: [line for header, line in find("dated", name).request.headers if header == "X-Moov-Version"]
        for name in expected
    } == expected


def test_large_bodies_are_as_large_as_they_must_be() -> None:
    assert len(find("2023", "token-too-large").request.body) > 65_536
    assert 4_096 < len(find("2023", "token-scope-too-long").request.body) < 65_536


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


def revoked(status: int, headers: dict[str, str], body: bytes = b"") -> Answered:
    return "POST", "/oauth2/revoke", status, headers, body


def ping(method: str, status: int, headers: dict[str, str], body: bytes = b"") -> Answered:
    return method, "/ping", status, headers, body


# By contract: an answer, and what the checker says about it; "" if it accepts it.
CHECKED: dict[ContractName, list[tuple[Answered, str]]] = {
    "2023": [
        (issued(), ""),
        (issued(extra="x"), "extra"),
        (issued(scope=None), "'scope' is a required property"),
        (issued(token_type="bearer"), "token_type"),
        (issued(expires_in=0), "expires_in"),
        (issued(expires_in="3600"), "expires_in"),
        (issued(access_token="a" * 4097), "access_token"),
        (issued(access_token="a" * 42), "access_token"),
        (issued(scope="/a.read  /b.read"), "scope"),
        (token(200, ISSUED), "no JSON"),
        (token(200, ISSUED, b'{"error":"a","error":"a"}'), "repeated"),
        (("POST", "/oauth2/token?x=1", 413, UNCACHED, b""), ""),
        (token(429, UNCACHED | {"retry-after": "1", "x-retry-in": "46.7ms"}), ""),
        (token(422, UNCACHED_JSON, b'{"scope":"x"}'), "described are"),
        (token(401, UNCACHED_JSON, INVALID_CLIENT), "WWW-Authenticate is missing"),
        (token(400, UNCACHED_JSON | CHALLENGE, INVALID_CLIENT), "described for other answers only"),
        (token(400, UNCACHED_JSON, b'{"error":"invalid_request","error_uri":"x"}'), "error_uri"),
    ],
    "dated": [
        (issued(), "expires_in"),
        (issued(expires_in=1736964352, token_type="jwt"), "token_type"),
        (token(400, UNCACHED_JSON, INVALID_CLIENT), "invalid_client"),
        (token(401, UNCACHED | CHALLENGE), "www-authenticate"),
        (token(401, UNCACHED_JSON), "content-type"),
        (token(401, UNCACHED, INVALID_CLIENT), "where none is described"),
        (token(401, ERROR), "Cache-Control is missing"),
        (token(422, UNCACHED_JSON, b'{"scope":"x","refresh_token":"x"}'), "too many properties"),
        (token(422, UNCACHED_JSON, b"{}"), "non-empty"),
        (token(429, UNCACHED | {"retry-after": "1"}), ""),
        (token(429, UNCACHED | {"retry-after": "1", "x-retry-in": "1s"}), "x-retry-in"),
        (token(429, UNCACHED | {"retry-after": "0"}), "Retry-After"),
        (token(429, UNCACHED | {"retry-after": "soon"}), "Retry-After"),
        (revoked(204, REQUEST_ID), ""),
        (revoked(422, UNCACHED_JSON, b'{"scope":"x"}'), "scope"),
        (revoked(200, REQUEST_ID), "described are"),
        (revoked(204, REQUEST_ID | JSON), "content-type"),
        (revoked(204, {}), "x-request-id is missing"),
        (revoked(204, {"x-request-id": "1"}), "not as described"),
        (revoked(204, ERROR), "x-mockmoov-reason"),
        (ping("HEAD", 200, REQUEST_ID), ""),
        (ping("HEAD", 405, ERROR | {"allow": "GET"}), ""),
        (ping("OPTIONS", 200, {"Access-Control-Allow-Methods": "GET"}, b"OK"), ""),
        (ping("OPTIONS", 405, ERROR | {"Allow": "GET, HEAD"}), ""),
        (ping("GET", 401, REQUEST_ID), "X-Mockmoov-Reason is missing"),
        (ping("GET", 401, REQUEST_ID | {"x-mockmoov-reason": "r" * 201}), "X-Mockmoov-Reason"),
        (ping("GET", 401, REQUEST_ID | {"x-mockmoov-reason": "é"}), "X-Mockmoov-Reason"),
        (ping("PUT", 405, ERROR), "Allow is missing"),
        (ping("PUT", 405, ERROR | {"allow": "POST"}), "Allow"),
        (ping("PUT", 200, REQUEST_ID), "described are"),
        (ping("OPTIONS", 200, REQUEST_ID), "described are"),
        (ping("GET", 500, REQUEST_ID), "nobody planned"),
        (("GET", "/nowhere", 404, ERROR, b""), ""),
        (("GET", "/nowhere", 421, ERROR, b""), ""),
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


def test_planned_server_error_is_accepted() -> None:
    for contract in CONTRACTS:
        check_response(contract, "GET", "/ping", 500, REQUEST_ID, b"", planned_fault=True)
