"""Our OpenAPI descriptions, turned into requests by schemathesis: every answer is one they describe."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.contract_fixtures import CONTRACTS, ContractName, load_openapi
from tests.support.listening import listening
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, VERSIONS, new_server

# What is left out judges whether a request should have been accepted: the task of the exchanges and tables.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# A request without a body cannot be generated wrong.
OPERATIONS = [
    (contract, path, method, mode)
    for contract in CONTRACTS
    for path, item in load_openapi(contract)["paths"].items()
    for method in item
    if method in {"get", "post"}
    for mode in (GenerationMode if method == "post" else [GenerationMode.POSITIVE])
]
pytestmark = pytest.mark.slow


@cache
def cases(contract: ContractName, path: str, method: str, mode: GenerationMode) -> st.SearchStrategy[Any]:
    schema = schemathesis.openapi.from_dict(load_openapi(contract))
    strategy: st.SearchStrategy[Any] = schema[path][method].as_strategy(generation_mode=mode)
    return strategy


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    servers = {contract: new_server(default_version=VERSIONS[contract]) for contract in CONTRACTS}
    with listening(servers["2023"]) as first, listening(servers["dated"]) as second:
        yield {"2023": first, "dated": second}


@pytest.mark.parametrize(("contract", "path", "method", "mode"), OPERATIONS)
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(data=st.data(), with_credentials=st.booleans())
def test_every_answer_is_described(
    contract: ContractName,
    path: str,
    method: str,
    mode: GenerationMode,
    urls: dict[str, str],
    data: st.DataObject,
    with_credentials: bool,
) -> None:
    case = data.draw(cases(contract, path, method, mode))
    auth = (CLIENT_ID, CLIENT_SECRET) if with_credentials else None
    case.call_and_validate(base_url=urls[contract], auth=auth, checks=CHECKS)
