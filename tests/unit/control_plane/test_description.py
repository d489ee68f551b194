"""The description of the control plane and the code agree, in what there is and in what is answered."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args, get_type_hints

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis.generation import GenerationMode

from mockmoov.config.settings import SETTINGS
from mockmoov.control_plane import exchanges, resource, router
from mockmoov.control_plane.tokens import _MintBody
from mockmoov.oauth.contracts import CONTRACT_2023, CONTRACT_2023_SDK, CONTRACT_DATED
from mockmoov.oauth.grants import GRANTS
from mockmoov.oauth.messages import HttpRequest
from mockmoov.oauth.records import ApiKey, ClientType, Exchange
from mockmoov.oauth.token_defects import DEFECTS
from mockmoov.server.authorization_server import MAX_BODY
from mockmoov.simulation.clock import LAST
from mockmoov.simulation.faults import PRESETS, Fault, NetworkError, Where
from mockmoov.simulation.journal import Query
from tests.support.contract_fixtures import load_openapi, resolved_openapi
from tests.support.control import Desk, at_once, checked
from tests.support.servers import new_server

DOCUMENT = resolved_openapi("control")
SCHEMAS: Mapping[str, Any] = DOCUMENT["components"]["schemas"]
PARAMETERS: Mapping[str, Any] = DOCUMENT["components"]["parameters"]
METHODS = ("get", "post", "patch", "delete")
SERVER = new_server()
SCHEMA = schemathesis.openapi.from_dict(load_openapi("control"))
OPERATIONS = [
    (path, method) for path, item in DOCUMENT["paths"].items() for method in METHODS if method in item
]


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(value)


def test_the_description_has_every_path_and_method_of_the_plane_and_no_others() -> None:
    served = {path: set(methods) for path, methods in router.ROUTES.items()}
    describe_fault = {
        path: {method.upper() for method in item if method in METHODS}
        for path, item in DOCUMENT["paths"].items()
    }
    assert describe_fault == served


def test_schemathesis_can_drive_it() -> None:
    SCHEMA.validate()
    assert len(list(SCHEMA.get_all_operations())) == len(OPERATIONS)


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [DOCUMENT["paths"][path][method]["operationId"] for path, method in OPERATIONS]
    assert len(set(names)) == len(names)


def test_every_schema_is_a_json_schema_and_every_example_meets_its_own() -> None:
    shown = 0
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)
    for holder in walk(DOCUMENT["components"]):
        for example in holder.get("examples", {}).values() if "schema" in holder else ():
            Draft202012Validator(holder["schema"]).validate(example["value"])
            shown += 1
        if "example" in holder:
            Draft202012Validator(holder.get("schema", holder)).validate(holder["example"])
            shown += 1
    assert shown > 20


def test_every_example_of_a_request_is_accepted() -> None:
    desk = Desk()
    desk.new_key(client_id="somebody")
    for path, method in OPERATIONS:
        content = DOCUMENT["paths"][path][method].get("requestBody", {}).get("content", {})
        for example in content.get("application/json", {}).get("examples", {}).values():
            target = path.removeprefix("/_mockmoov").replace("{client_id}", "somebody")
            assert desk.ask(method.upper(), target, example["value"]).status < 300, example


def test_every_success_and_every_refusal_is_of_its_kind() -> None:
    """A refusal by the guard has a reason and no body; one of a resource a body and no reason."""
    for path, method in OPERATIONS:
        for status, response in DOCUMENT["paths"][path][method]["responses"].items():
            has_reason = "X-Mockmoov-Reason" in response["headers"]
            is_without_body = "content" not in response
            assert has_reason == (is_without_body and status != "204"), (path, method, status)


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        ("Preset", PRESETS),
        ("Defect", DEFECTS),
        ("GrantType", GRANTS),
        ("Endpoint", SERVER.endpoint_names),
        ("ClientType", get_args(ClientType)),
        ("NetworkError", get_args(NetworkError)),
    ],
)
def test_the_words_are_those_of_the_code(schema: str, names: Any) -> None:
    assert SCHEMAS[schema]["enum"] == list(names)


def test_the_contracts_are_those_of_the_code() -> None:
    describe_fault = SCHEMAS["Exchange"]["properties"]["contract"]["enum"]
    assert describe_fault == [each.name for each in (CONTRACT_2023, CONTRACT_2023_SDK, CONTRACT_DATED)]


def names_of(form: Any) -> set[str]:
    return set(get_type_hints(form))


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        ("FaultInput", names_of(Fault) - {"id", "matched", "triggered"}),
        ("Fault", names_of(Fault)),
        ("Where", names_of(Where)),
        ("Exchange", names_of(Exchange)),
        ("ApiKey", names_of(ApiKey) - {"client_secret", "epoch", "floor"}),
        ("CreatedApiKey", names_of(ApiKey) - {"epoch", "floor"}),
        ("ApiKeyInput", names_of(ApiKey) - {"epoch", "floor"}),
        ("ApiKeyChange", names_of(ApiKey) - {"epoch", "floor", "client_id"}),
        ("MintRequest", names_of(_MintBody)),
        ("KeyMintRequest", names_of(_MintBody) - {"client_id"}),
    ],
)
def test_the_members_are_those_of_the_code(schema: str, names: set[str]) -> None:
    describe_fault = SCHEMAS[schema]
    assert describe_fault["properties"].keys() == names
    assert describe_fault["additionalProperties"] is False
    if schema in ("Fault", "Exchange", "ApiKey", "CreatedApiKey"):
        assert set(describe_fault["required"]) == names


def test_the_settings_are_those_of_the_code() -> None:
    describe_fault = SCHEMAS["Config"]["properties"]["settings"]
    assert describe_fault["properties"].keys() == set(describe_fault["required"]) == SETTINGS.keys()


@pytest.mark.parametrize(
    ("path", "form"), [("/exchanges", exchanges._List), ("/exchanges/wait", exchanges._Wait)]
)
def test_the_query_of_exchanges_is_that_of_the_code(path: str, form: Any) -> None:
    describe_fault = {each["name"] for each in DOCUMENT["paths"]["/_mockmoov" + path]["get"]["parameters"]}
    assert describe_fault == names_of(form) > names_of(Query)


def test_the_limits_that_are_told_are_those_of_the_code() -> None:
    assert PARAMETERS["timeout"]["schema"]["maximum"] == exchanges.LONGEST_WAIT
    responses = DOCUMENT["components"]["responses"]
    assert f"{resource._MAX_DEPTH} levels" in responses["NotJson"]["description"]
    assert f"{MAX_BODY:,} bytes" in responses["TooLarge"]["description"]
    assert SCHEMAS["UnixTime"]["exclusiveMaximum"] == LAST


def test_defaults_are_those_of_the_code() -> None:
    describe_fault = SCHEMAS["FaultInput"]["properties"]
    given = {name: schema["default"] for name, schema in describe_fault.items() if "default" in schema}
    assert given == {name: getattr(Fault(), name) for name in given}
    assert given
    for schema in ("MintRequest", "KeyMintRequest"):
        assert SCHEMAS[schema]["properties"]["scope"]["default"] == _MintBody().scope
    for name in ("count", "timeout"):
        assert PARAMETERS[name]["schema"]["default"] == getattr(exchanges._Wait(), name)


# --- Requests that the description makes up ---


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk()


@cache
def cases(path: str, method: str, mode: GenerationMode) -> st.SearchStrategy[Any]:
    strategy: st.SearchStrategy[Any] = SCHEMA[path][method].as_strategy(generation_mode=mode)
    return strategy


def request_of(case: Any) -> HttpRequest:
    """What schemathesis made up, as the server gets it."""
    sent = case.as_transport_kwargs(base_url="http://localhost")
    body = sent.get("json")
    made = httpx2.Request(
        sent["method"], sent["url"], params=sent.get("params"), content=sent.get("data"), json=body
    )
    path, _, query = made.url.raw_path.partition(b"?")
    headers = {name.lower(): (str(value),) for name, value in sent["headers"].items()}
    return HttpRequest(
        method=made.method, path=path.decode("latin-1"), query=query, headers=headers, body=made.read()
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        (path, method, mode)
        for path, method in OPERATIONS
        for mode in GenerationMode
        if mode is GenerationMode.POSITIVE or method != "get" or "exchanges" in path
    ],
)
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_answer_to_what_it_makes_up_is_described(
    path: str, method: str, mode: GenerationMode, desk: Desk, data: st.DataObject
) -> None:
    request = request_of(data.draw(cases(path, method, mode)))
    answer = checked(request.method, request.path, at_once(desk.control.respond(request), request.body))
    assert answer.status < 500
