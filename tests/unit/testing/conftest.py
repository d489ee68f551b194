"""The two ways in which a handle reaches a server: in this process, and over HTTP with a control token."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from mockmoov.testing import MockMoov, MoovKey
from tests.support.program import Program

CONTROL_TOKEN = "a-control-token-of-0123456789"


@pytest.fixture(scope="session")
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False, timeout=20) as client:
        yield client


@contextmanager
def connected() -> Iterator[MockMoov]:
    with (
        MockMoov(control_token=CONTROL_TOKEN) as server,
        MockMoov.connect(f"{server.url}/", control_token=CONTROL_TOKEN) as moov,
    ):
        yield moov


@pytest.fixture(scope="module", params=[MockMoov, connected], ids=["started", "connected"])
def moov(request: pytest.FixtureRequest) -> Iterator[MockMoov]:
    with request.param() as moov:
        yield moov


@pytest.fixture
def key(moov: MockMoov) -> Iterator[MoovKey]:
    key = moov.new_api_key()
    yield key
    if key.client_id in [other.client_id for other in moov.api_keys]:
        key.delete()


@pytest.fixture
def program(http: httpx2.Client, key: MoovKey) -> Program:
    return Program(http, key)


@pytest.fixture
def other(http: httpx2.Client, moov: MockMoov) -> Iterator[Program]:
    """A second program, with a key of its own."""
    key = moov.new_api_key()
    yield Program(http, key)
    key.delete()
