"""The fixtures hold together: valid descriptions, sourced facts, exchanges that the descriptions allow."""

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
    State,
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
each_contract = pytest.mark.parametrize("contract", CONTRACTS)
each_exchange = pytest.mark.parametrize(
    "exchange", [exchange for contract in CONTRACTS for exchange in load_exchanges(contract)], ids=str
)

REQUEST_ID = {"x-request-id": "6f1c2f0e-4f0b-4e0c-9d39-0b6a3c1b7a52"}
REFUSED = {**REQUEST_ID, "x-mockmoov-reason": "no such token"}
UNCACHED = {"cache-control": "no-store", "pragma": "no-cache"}
JSON = {"content-type": "application/json"}
TOKEN = {
    "access_token": "a" * 43,
    "expires_in": 3600,
    "refresh_token": "r" * 43,
    "scope": "/ping.read",
    "token_type": "Bearer",
}


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(value)


def operation_of(exchange: Exchange) -> tuple[str, str]:
    return exchange.request.method, exchange.request.path


# --- Descriptions ---


@each_contract
def test_a_description_is_openapi_that_schemathesis_can_drive(contract: ContractName) -> None:
    schema = schemathesis.openapi.from_dict(load_openapi(contract))
    schema.validate()
    results = list(schema.get_all_operations())
    labels = {result.ok().label for result in results if isinstance(result, Ok)}
    assert len(labels) == len(results)
    assert labels == {
        "POST /oauth2/token",
        "POST /oauth2/revoke",
        "GET /ping",
        "GET /.well-known/jwks.json",
        "GET /.well-known/oauth-authorization-server",
        "POST /_mockmoov/introspect",
        "GET /_mockmoov/health",
    }


@each_contract
def test_every_schema_is_a_json_schema_that_its_own_example_meets(contract: ContractName) -> None:
    components = resolved_openapi(contract)["components"]
    schemas = [
        *components["schemas"].values(),
        *(holder["schema"] for holder in components["headers"].values()),
    ]
    for schema in schemas:
        Draft202012Validator.check_schema(schema)
    for holder in walk(components):
        if "example" in holder:
            Draft202012Validator(holder.get("schema", holder)).validate(holder["example"])


@each_contract
def test_every_request_example_meets_the_schema_of_its_media_type(contract: ContractName) -> None:
    checked = 0
    for holder in walk(resolved_openapi(contract)["paths"]):
        for example in holder.get("examples", {}).values():
            Draft202012Validator(holder["schema"]).validate(example["value"])
            checked += 1
    assert checked


@each_contract
def test_every_response_and_header_says_who_told_us(contract: ContractName) -> None:
    components = load_openapi(contract)["components"]
    for named in (*components["responses"].items(), *components["headers"].items()):
        assert named[1]["x-source"], named[0]
        assert SOURCES.issuperset(named[1]["x-source"]), named[0]


@each_contract
def test_every_refusal_carries_its_reason_and_no_success_does(contract: ContractName) -> None:
    paths = resolved_openapi(contract)["paths"]
    for holder in walk(paths):
        for status, response in holder.get("responses", {}).items():
            reason = response.get("headers", {}).get("X-Mockmoov-Reason")
            assert (reason is not None) == (int(status) >= 400), (status, response["description"])


@each_contract
def test_every_answer_of_moovs_paths_carries_a_request_id(contract: ContractName) -> None:
    paths = resolved_openapi(contract)["paths"]
    for path in MOOV_PATHS:
        operation = paths[path].get("post") or paths[path]["get"]
        for response in (*operation["responses"].values(), paths[path]["x-other-methods"]):
            assert response["headers"]["x-request-id"]["required"], (path, response["description"])


@each_contract
def test_what_is_not_moovs_is_marked_so(contract: ContractName) -> None:
    document = load_openapi(contract)
    unmarked = {path for path, item in document["paths"].items() if item.get("x-mockmoov") != "not Moov's"}
    assert unmarked == set(MOOV_PATHS)


# --- Exchanges ---


@each_exchange
def test_an_exchange_names_known_sources(exchange: Exchange) -> None:
    assert exchange.tags
    assert SOURCES.issuperset(exchange.tags)
    assert exchange.note


@each_exchange
def test_an_exchange_holds_only_text_where_text_is_sent(exchange: Exchange) -> None:
    values = [
        exchange.id,
        exchange.title,
        exchange.request.path,
        exchange.request.query,
        exchange.request.body,
    ]
    values += [text for header in exchange.request.headers for text in header]
    assert all(isinstance(value, str) for value in values)


@each_exchange
def test_an_expected_answer_is_one_that_the_description_allows(exchange: Exchange) -> None:
    method, path = operation_of(exchange)
    headers, body = plausible_answer(exchange)
    check_response(exchange.contract, method, path, exchange.response.status, headers, body)


@each_exchange
def test_an_exchange_accepts_the_answer_it_documents_and_no_other_status(exchange: Exchange) -> None:
    by_id = {each.id: each for each in load_exchanges(exchange.contract)}
    script = [by_id[step] for step in steps(exchange)]

    def send(*_: object) -> tuple[int, dict[str, str], bytes]:
        return script[0].response.status, *plausible_answer(script.pop(0))

    run_exchange(exchange, send)
    assert not script
    with pytest.raises(AssertionError, match=f"418, not {exchange.response.status}"):
        run_exchange(exchange, lambda *_: (418, {}, b""), dict.fromkeys(by_id, TOKEN_TEXTS) | KEYS)


def test_both_contracts_are_shown_the_same_requests() -> None:
    dated, older = ({each.id: each for each in load_exchanges(contract)} for contract in ("dated", "2023"))
    assert older.keys() - dated.keys() == {"token-2023-go-sdk"}
    assert {name.partition("version")[1] for name in dated.keys() - older.keys()} == {"version"}
    for name in dated.keys() & older.keys():
        sent = [
            (
                each.request.body,
                each.request.query,
                each.request.authorization,
                operation_of(each),
                each.title,
            )
            for each in (dated[name], older[name])
        ]
        assert sent[0] == sent[1], name
        assert [each.id for each in dated[name].setup] == [each.id for each in older[name].setup]


@each_contract
def test_every_status_that_requests_alone_can_bring_about_is_shown(contract: ContractName) -> None:
    shown = {(*operation_of(exchange), exchange.response.status) for exchange in load_exchanges(contract)}
    for path in MOOV_PATHS:
        for method, responses in description(contract).paths[path].operations.items():
            for status in responses.keys() - {421, 429, 500, 504}:
                assert (method, path, status) in shown


@each_contract
def test_every_error_code_and_every_field_error_is_shown(contract: ContractName) -> None:
    shown = {
        (exchange.request.path, value if name == "error" else name)
        for exchange in load_exchanges(contract)
        for name, value in dict(exchange.response.body or {}).items()
    }
    components = resolved_openapi(contract)["components"]["schemas"]
    for path, prefix in (("/oauth2/token", "Token"), ("/oauth2/revoke", "Revocation")):
        for word in (
            *components[f"{prefix}Error"]["properties"]["error"]["enum"],
            *components.get(f"{prefix}FieldError", {"properties": {}})["properties"],
        ):
            assert (path, word) in shown


@each_contract
def test_the_keys_of_the_exchanges_have_names_that_no_exchange_has(contract: ContractName) -> None:
    assert not load_api_keys(contract).keys() & {exchange.id for exchange in load_exchanges(contract)}


KEYS: State = new_state("2023")
TOKEN_TEXTS = {name: value for name, value in TOKEN.items() if isinstance(value, str)}


def steps(exchange: Exchange) -> list[str]:
    """The ids of all that runs, in order, each once."""
    before = [step for earlier in exchange.setup for step in steps(earlier)]
    return list(dict.fromkeys([*before, exchange.id]))


def plausible_answer(exchange: Exchange) -> tuple[dict[str, str], bytes]:
    """The expected answer, with the description's own examples wherever the exchange leaves a value open."""
    document = resolved_openapi(exchange.contract)
    response = described_response(document, exchange)
    headers = {
        name.lower(): str(header["example"])
        for name, header in response.get("headers", {}).items()
        if header["required"]
    }
    headers |= JSON if "content" in response else {}
    headers |= {name: value for name, value in exchange.response.headers.items() if value and value != ANY}
    for name in (name for name, value in exchange.response.headers.items() if value is None):
        assert name not in headers
    if exchange.response.body == "":
        return headers, b""
    members = response["content"]["application/json"]["schema"]["properties"]
    body = {
        name: members[name]["example"] if value == ANY else value
        for name, value in exchange.response.body.items()
    }
    return headers, json.dumps(body).encode()


def described_response(document: dict[str, Any], exchange: Exchange) -> dict[str, Any]:
    method, path = operation_of(exchange)
    item = document["paths"].get(path)
    if item is None:
        responses = document["x-elsewhere"]
    elif method.lower() in item:
        responses = item[method.lower()]["responses"]
    else:
        responses = {"405": item["x-other-methods"]}
    found: dict[str, Any] = responses[str(exchange.response.status)]
    return found


# --- The runner ---


def test_basic_credentials_are_filled_in_and_then_encoded() -> None:
    exchange = find("2023", "token-basic-form")
    _, _, headers, _ = resolve_request(exchange.request, new_state("2023"))
    credentials = base64.b64encode(b"5clTR_MdVrrkgxw2:dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-").decode()
    assert headers[-1] == ("Authorization", f"Basic {credentials}")


def test_a_placeholder_is_escaped_as_its_place_asks() -> None:
    state = new_state("2023") | {"token-two-scopes": {"refresh_token": 'a+"&b'}}
    form = resolve_request(find("2023", "refresh").request, state)[3]
    query = resolve_request(find("2023", "refresh-query-string").request, state)[1]
    document = json.loads(resolve_request(find("2023", "refresh-json-body-credentials").request, state)[3])
    assert form.endswith(b"refresh_token=a%2B%22%26b")
    assert query.endswith("refresh_token=a%2B%22%26b")
    assert document["refresh_token"] == 'a+"&b'


def test_the_version_header_is_sent_unless_the_exchange_has_its_own() -> None:
    sent = {
        name: [line for header, line in find("dated", name).request.headers if header == "X-Moov-Version"]
        for name in ("token-basic-form", "token-version-latest", "token-version-repeated")
    }
    assert sent == {
        "token-basic-form": ["v2024.01.00"],
        "token-version-latest": ["latest"],
        "token-version-repeated": ["v2024.01.00", "v2024.01.00"],
    }


def test_the_oversized_body_passes_the_limit_and_the_long_scope_stays_under_it() -> None:
    assert len(find("2023", "token-too-large").request.body) > 65_536
    assert 4_096 < len(find("2023", "token-scope-too-long").request.body) < 65_536


def find(contract: ContractName, exchange_id: str) -> Exchange:
    return next(exchange for exchange in load_exchanges(contract) if exchange.id == exchange_id)


# --- The checker ---


ACCEPTED: list[tuple[ContractName, str, str, int, dict[str, str], bytes]] = [
    ("2023", "POST", "/oauth2/token", 200, REQUEST_ID | UNCACHED | JSON, json.dumps(TOKEN).encode()),
    ("2023", "POST", "/oauth2/token?x=1", 413, REFUSED | UNCACHED, b""),
    (
        "2023",
        "POST",
        "/oauth2/token",
        429,
        REFUSED | UNCACHED | {"retry-after": "1", "x-retry-in": "46.7ms"},
        b"",
    ),
    ("dated", "POST", "/oauth2/token", 429, REFUSED | UNCACHED | {"retry-after": "1"}, b""),
    ("dated", "POST", "/oauth2/revoke", 204, REQUEST_ID, b""),
    ("dated", "HEAD", "/ping", 200, REQUEST_ID, b""),
    ("dated", "HEAD", "/ping", 405, REFUSED | {"allow": "GET"}, b""),
    ("dated", "OPTIONS", "/ping", 200, {"Access-Control-Allow-Methods": "GET"}, b"OK"),
    ("dated", "OPTIONS", "/ping", 405, REFUSED | {"Allow": "GET, HEAD"}, b""),
    ("dated", "GET", "/nowhere", 404, REFUSED, b""),
    ("dated", "GET", "/nowhere", 421, REFUSED, b""),
]


@pytest.mark.parametrize(
    "answer", ACCEPTED, ids=lambda answer: f"{answer[0]} {answer[1]} {answer[2]} {answer[3]}"
)
def test_the_checker_accepts_what_is_described(
    answer: tuple[ContractName, str, str, int, dict[str, str], bytes],
) -> None:
    check_response(*answer)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_server_error_is_accepted_only_when_planned(contract: ContractName) -> None:
    with pytest.raises(AssertionError, match="nobody planned"):
        check_response(contract, "GET", "/ping", 500, REQUEST_ID, b"")
    check_response(contract, "GET", "/ping", 500, REQUEST_ID, b"", planned_fault=True)


def token_with(**changes: Any) -> bytes:
    return json.dumps(
        {name: value for name, value in (TOKEN | changes).items() if value is not None}
    ).encode()


REFUSED_TOKENS: list[tuple[ContractName, bytes, str]] = [
    ("2023", token_with(extra="x"), "extra"),
    ("2023", token_with(scope=None), "'scope' is a required property"),
    ("2023", token_with(token_type="bearer"), "token_type"),
    ("2023", token_with(expires_in=0), "expires_in"),
    ("2023", token_with(expires_in="3600"), "expires_in"),
    ("2023", token_with(access_token="a" * 4097), "access_token"),
    ("2023", token_with(access_token="a" * 42), "access_token"),
    ("2023", token_with(scope="/a.read  /b.read"), "scope"),
    ("dated", token_with(), "expires_in"),
    ("dated", token_with(expires_in=1736964352, token_type="jwt"), "token_type"),
    ("2023", b"", "no JSON"),
    ("2023", b'{"error":"invalid_request","error":"invalid_request"}', "repeated"),
]


@pytest.mark.parametrize(("contract", "body", "said"), REFUSED_TOKENS)
def test_the_checker_refuses_a_token_answer_that_differs(
    contract: ContractName, body: bytes, said: str
) -> None:
    with pytest.raises(AssertionError, match=said):
        check_response(contract, "POST", "/oauth2/token", 200, REQUEST_ID | UNCACHED | JSON, body)


INVALID_CLIENT = b'{"error":"invalid_client"}'
CHALLENGE = {"www-authenticate": 'Basic realm="moov"'}
REFUSED_ANSWERS: list[tuple[ContractName, str, str, int, dict[str, str], bytes, str]] = [
    ("2023", "POST", "/oauth2/token", 422, REFUSED | UNCACHED | JSON, b'{"scope":"x"}', "described are"),
    (
        "2023",
        "POST",
        "/oauth2/token",
        401,
        REFUSED | UNCACHED | JSON,
        INVALID_CLIENT,
        "WWW-Authenticate is missing",
    ),
    (
        "2023",
        "POST",
        "/oauth2/token",
        400,
        REFUSED | UNCACHED | JSON | CHALLENGE,
        INVALID_CLIENT,
        "described for other answers only",
    ),
    (
        "2023",
        "POST",
        "/oauth2/token",
        400,
        REFUSED | UNCACHED | JSON,
        b'{"error":"invalid_request","error_description":"x"}',
        "error_description",
    ),
    ("dated", "POST", "/oauth2/token", 400, REFUSED | UNCACHED | JSON, INVALID_CLIENT, "invalid_client"),
    ("dated", "POST", "/oauth2/token", 401, REFUSED | UNCACHED | CHALLENGE, b"", "www-authenticate"),
    ("dated", "POST", "/oauth2/token", 401, REFUSED | UNCACHED | JSON, b"", "content-type"),
    ("dated", "POST", "/oauth2/token", 401, REFUSED | UNCACHED, INVALID_CLIENT, "where none is described"),
    ("dated", "POST", "/oauth2/token", 401, REFUSED, b"", "Cache-Control is missing"),
    (
        "dated",
        "POST",
        "/oauth2/token",
        422,
        REFUSED | UNCACHED | JSON,
        b'{"scope":"x","refresh_token":"x"}',
        "too many properties",
    ),
    ("dated", "POST", "/oauth2/token", 422, REFUSED | UNCACHED | JSON, b"{}", "non-empty|enough properties"),
    ("dated", "POST", "/oauth2/revoke", 422, REFUSED | UNCACHED | JSON, b'{"scope":"x"}', "scope"),
    ("dated", "POST", "/oauth2/revoke", 200, REQUEST_ID, b"", "described are"),
    ("dated", "POST", "/oauth2/revoke", 204, REQUEST_ID | JSON, b"", "content-type"),
    ("dated", "POST", "/oauth2/revoke", 204, {}, b"", "x-request-id is missing"),
    ("dated", "POST", "/oauth2/revoke", 204, {"x-request-id": "1"}, b"", "not as described"),
    ("dated", "POST", "/oauth2/revoke", 204, REFUSED, b"", "x-mockmoov-reason"),
    (
        "dated",
        "POST",
        "/oauth2/token",
        429,
        REFUSED | UNCACHED | {"retry-after": "1", "x-retry-in": "1s"},
        b"",
        "x-retry-in",
    ),
    ("dated", "POST", "/oauth2/token", 429, REFUSED | UNCACHED | {"retry-after": "0"}, b"", "Retry-After"),
    ("dated", "POST", "/oauth2/token", 429, REFUSED | UNCACHED | {"retry-after": "soon"}, b"", "Retry-After"),
    ("dated", "GET", "/ping", 401, REQUEST_ID, b"", "X-Mockmoov-Reason is missing"),
    ("dated", "GET", "/ping", 401, REQUEST_ID | {"x-mockmoov-reason": "r" * 201}, b"", "X-Mockmoov-Reason"),
    ("dated", "GET", "/ping", 401, REQUEST_ID | {"x-mockmoov-reason": "é"}, b"", "X-Mockmoov-Reason"),
    ("dated", "PUT", "/ping", 405, REFUSED, b"", "Allow is missing"),
    ("dated", "PUT", "/ping", 405, REFUSED | {"allow": "POST"}, b"", "Allow"),
    ("dated", "PUT", "/ping", 200, REQUEST_ID, b"", "described are"),
    ("dated", "OPTIONS", "/ping", 200, REQUEST_ID, b"", "described are"),
    ("dated", "GET", "/nowhere", 200, REQUEST_ID, b"", "described are"),
    ("dated", "GET", "/nowhere", 404, REFUSED, b"x", "where none is described"),
]


@pytest.mark.parametrize(("contract", "method", "path", "status", "headers", "body", "said"), REFUSED_ANSWERS)
def test_the_checker_refuses_an_answer_that_differs(
    contract: ContractName,
    method: str,
    path: str,
    status: int,
    headers: dict[str, str],
    body: bytes,
    said: str,
) -> None:
    with pytest.raises(AssertionError, match=said):
        check_response(contract, method, path, status, headers, body)
