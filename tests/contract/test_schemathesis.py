"""Requests that schemathesis makes of our OpenAPI descriptions: every answer is one they describe."""

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

# The checks left out judge whether a request should have been accepted, as the exchanges and tables do.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
pytestmark = pytest.mark.slow


@cache
def cases(contract: ContractName, method: str) -> st.SearchStrategy[Any]:
    """The requests of every operation with this method; without a body, none can be generated wrong."""
    schema = schemathesis.openapi.from_dict(load_openapi(contract))
    schema.validate()
    modes = list(GenerationMode) if method == "post" else [GenerationMode.POSITIVE]
    strategies: list[st.SearchStrategy[Any]] = [
        schema[path][method].as_strategy(generation_mode=mode)
        for path, item in load_openapi(contract)["paths"].items()
        if method in item
        for mode in modes
    ]
    return st.one_of(strategies)


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    servers = {contract: new_server(default_version=VERSIONS[contract]) for contract in CONTRACTS}
    with listening(servers["2023"]) as first, listening(servers["dated"]) as second:
        yield {"2023": first, "dated": second}


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("contract", CONTRACTS)
@settings(suppress_health_check=list(HealthCheck))
@given(data=st.data(), with_credentials=st.booleans())
def test_every_answer_is_described(
    contract: ContractName, method: str, urls: dict[str, str], data: st.DataObject, with_credentials: bool
) -> None:
    auth = (CLIENT_ID, CLIENT_SECRET) if with_credentials else None
    data.draw(cases(contract, method)).call_and_validate(base_url=urls[contract], auth=auth, checks=CHECKS)
