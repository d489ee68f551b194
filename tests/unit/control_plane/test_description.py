"""The OpenAPI description of the control plane agrees with the code and with every response."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args, get_type_hints

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from schemathesis.generation import GenerationMode

from mockmoov.config.settings import SETTINGS
from mockmoov.control_plane import exchanges, router
from mockmoov.control_plane.tokens import _MintBody
from mockmoov.oauth.contracts import CONTRACT_2023, CONTRACT_2023_SDK, CONTRACT_DATED
from mockmoov.oauth.encoding import MAX_DEPTH
from mockmoov.oauth.grants import GRANTS
from mockmoov.oauth.messages import HttpRequest
from mockmoov.oauth.operations import OPERATION_NAMES
from mockmoov.oauth.records import ApiKey, ClientType, Exchange
from mockmoov.oauth.token_defects import DEFECTS
from mockmoov.simulation.clock import LAST
from mockmoov.simulation.faults import PRESETS, Fault, NetworkError
from mockmoov.simulation.journal import Query
from mockmoov.simulation.matching import Where
from mockmoov.simulation.stubs import Stub
from tests.support.contract_fixtures import load_openapi, resolved_openapi
from tests.support.control import Desk, at_once, checked
from tests.support.servers import CLIENT_ID

DOCUMENT = resolved_openapi("control")
SCHEMAS: Mapping[str, Any] = DOCUMENT["components"]["schemas"]
PARAMETERS: Mapping[str, Any] = DOCUMENT["components"]["parameters"]
METHODS = ("get", "post", "patch", "delete")
SCHEMA = schemathesis.openapi.from_dict(load_openapi("control"))
OPERATIONS = [
    (path, method) for path, item in DOCUMENT["paths"].items() for method in METHODS if method in item
]


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(value)


def test_paths_and_methods_are_those_of_the_code() -> None:
    served = {path: set(methods) for path, methods in router.ROUTES.items()}
    described = {
        path: {method.upper() for method in item if method in METHODS}
        for path, item in DOCUMENT["paths"].items()
    }
    assert described == served


def test_schemathesis_reads_every_operation() -> None:
    SCHEMA.validate()
    assert len(list(SCHEMA.get_all_operations())) == len(OPERATIONS)
    names = [DOCUMENT["paths"][path][method]["operationId"] for path, method in OPERATIONS]
    assert len(set(names)) == len(names)


def test_schemas_are_valid_and_fit_their_examples() -> None:
    count = 0
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)
    for holder in walk(DOCUMENT["components"]):
        for example in holder.get("examples", {}).values() if "schema" in holder else ():
            Draft202012Validator(holder["schema"]).validate(example["value"])
            count += 1
        if "example" in holder:
            Draft202012Validator(holder.get("schema", holder)).validate(holder["example"])
            count += 1
    assert count > 20


def test_request_examples_are_accepted() -> None:
    desk = Desk()
    desk.new_key(client_id="somebody")
    for path, method in OPERATIONS:
        content = DOCUMENT["paths"][path][method].get("requestBody", {}).get("content", {})
        for example in content.get("application/json", {}).get("examples", {}).values():
            target = path.removeprefix("/_mockmoov").replace("{client_id}", "somebody")
            assert desk.ask(method.upper(), target, example["value"]).status < 300, example


def test_only_errors_of_the_guard_have_a_reason() -> None:
    """An error of the guard has a reason and no body; one of a resource has a body and no reason."""
    for path, method in OPERATIONS:
        for status, response in DOCUMENT["paths"][path][method]["responses"].items():
            has_reason = "X-Mockmoov-Reason" in response["headers"]
            is_without_body = "content" not in response
            assert has_reason == (is_without_body and status != "204"), (path, method, status)


def test_enumerations_are_those_of_the_code() -> None:
    words: dict[str, Iterable[str]] = {
        "Preset": PRESETS,
        "Defect": DEFECTS,
        "GrantType": GRANTS,
        "Endpoint": ("token", "revoke", *OPERATION_NAMES),
        "ClientType": get_args(ClientType),
        "NetworkError": get_args(NetworkError),
    }
    described = {schema: SCHEMAS[schema]["enum"] for schema in words}
    assert described == {schema: list(names) for schema, names in words.items()}
    contracts = SCHEMAS["Exchange"]["properties"]["contract"]["enum"]
    assert contracts == [each.name for each in (CONTRACT_2023, CONTRACT_2023_SDK, CONTRACT_DATED)]


def names_of(form: Any) -> set[str]:
    return set(get_type_hints(form))


INTERNAL = {"epoch", "floor", "created_at"}
MEMBERS = {
    "FaultInput": names_of(Fault) - {"id", "matched", "triggered"},
    "Fault": names_of(Fault),
    "StubInput": names_of(Stub) - {"id", "matched", "triggered"},
    "Stub": names_of(Stub),
    "Where": names_of(Where),
    "Exchange": names_of(Exchange),
    "ApiKey": names_of(ApiKey) - {"client_secret", *INTERNAL},
    "CreatedApiKey": names_of(ApiKey) - INTERNAL,
    "ApiKeyInput": names_of(ApiKey) - INTERNAL,
    "ApiKeyChange": names_of(ApiKey) - {"client_id", *INTERNAL},
    "MintRequest": names_of(_MintBody),
    "KeyMintRequest": names_of(_MintBody) - {"client_id"},
}


def test_members_are_those_of_the_code() -> None:
    for schema, names in MEMBERS.items():
        described = SCHEMAS[schema]
        assert described["properties"].keys() == names, schema
        assert described["additionalProperties"] is False, schema
        if schema in ("Fault", "Stub", "Exchange", "ApiKey", "CreatedApiKey"):
            assert set(described["required"]) == names - {"json"}, schema
    settings = SCHEMAS["Config"]["properties"]["settings"]
    assert settings["properties"].keys() == set(settings["required"]) == SETTINGS.keys()


def test_queries_are_those_of_the_code() -> None:
    for path, form in (("/exchanges", exchanges._List), ("/exchanges/wait", exchanges._Wait)):
        described = {each["name"] for each in DOCUMENT["paths"]["/_mockmoov" + path]["get"]["parameters"]}
        assert described == names_of(form) > names_of(Query)


def test_limits_are_those_of_the_code() -> None:
    assert PARAMETERS["timeout"]["schema"]["maximum"] == exchanges.LONGEST_WAIT
    responses = DOCUMENT["components"]["responses"]
    assert f"{MAX_DEPTH} levels" in responses["NotJson"]["description"]
    assert f"{router.MAX_BODY:,} bytes" in responses["TooLarge"]["description"]
    assert SCHEMAS["UnixTime"]["exclusiveMaximum"] == LAST


def test_defaults_are_those_of_the_code() -> None:
    for form, default in (("FaultInput", Fault()), ("StubInput", Stub())):
        described = SCHEMAS[form]["properties"]
        given = {name: schema["default"] for name, schema in described.items() if "default" in schema}
        assert given == {name: getattr(default, name) for name in given}
        assert given
    for schema in ("MintRequest", "KeyMintRequest"):
        assert SCHEMAS[schema]["properties"]["scope"]["default"] == _MintBody().scope
    for name in ("count", "timeout"):
        assert PARAMETERS[name]["schema"]["default"] == getattr(exchanges._Wait(), name)


def request_of(case: Any) -> HttpRequest:
    """A generated case as the server receives it."""
    sent = case.as_transport_kwargs(base_url="http://localhost")
    content = {"params": sent.get("params"), "content": sent.get("data"), "json": sent.get("json")}
    made = httpx2.Request(sent["method"], sent["url"], **content)
    path, _, query = made.url.raw_path.partition(b"?")
    headers = {name.lower(): (str(value),) for name, value in sent["headers"].items()}
    return HttpRequest(
        method=made.method, path=path.decode("latin-1"), query=query, headers=headers, body=made.read()
    )


@pytest.mark.slow
@pytest.mark.parametrize("mode", GenerationMode)
def test_generated_requests_get_described_responses(mode: GenerationMode) -> None:
    """Valid requests, or invalid ones, to each operation. None of them breaks Moov's own paths."""
    desk = Desk()
    few = max(2, settings().max_examples // 10)  # for each of the many operations
    for path, method in OPERATIONS:
        if mode is GenerationMode.NEGATIVE and method == "get" and "exchanges" not in path:
            continue  # nothing in this request can be invalid

        @settings(max_examples=few, suppress_health_check=list(HealthCheck))
        @given(case=SCHEMA[path][method].as_strategy(generation_mode=mode))
        def responds(case: Any) -> None:
            request = request_of(case)
            response = at_once(desk.control.respond(request), request.body)
            assert checked(request.method, request.path, response).status < 500

        responds()
        plans = [desk.get(f"{of}/faults")["faults"] for of in ("", f"/api-keys/{CLIENT_ID}")]
        assert desk.token() < 500 or any(plans), (path, method)  # a planned fault may have any status
        desk.post("/reset")
