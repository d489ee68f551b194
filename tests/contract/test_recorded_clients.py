"""Requests that real clients sent are answered as they were then, and as the contract describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.foreign_clients.clients import CLIENTS, unavailable
from tests.e2e.foreign_clients.recordings import FOLDER, Values, credentials, filled, load, members_of
from tests.support.contract_fixtures import ContractName, check_response
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, new_server, sender

RECORDINGS = sorted(FOLDER.glob("*.json"))


def contract_of(request: dict[str, Any]) -> ContractName:
    return "dated" if "x-moov-version" in request["headers"] else "2023"


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_recorded_run_is_answered_as_it_was(path: Path) -> None:
    send = sender(new_server())
    values = Values(credentials(CLIENT_ID, CLIENT_SECRET))
    for number, request in enumerate(load(path)["requests"]):
        method, target, headers, body = filled(request, values)
        status, found, answer = send(method, target, headers, body)
        where = f"request {number}: {request}"
        assert {"status": status, "members": members_of(answer)} == request["answer"], where
        check_response(contract_of(request), method, target, status, found, answer)
        values.learn(status, answer)


def test_no_recording_contains_a_key_or_a_token() -> None:
    secrets = [*credentials(CLIENT_ID, CLIENT_SECRET).values(), "eyJhbGciOiJFZERTQSI"]
    wrong = [path.name for path in RECORDINGS if any(secret in path.read_text("utf-8") for secret in secrets)]
    assert wrong == []


def test_each_available_client_is_recorded_as_the_table_says() -> None:
    recorded = {}
    for path in RECORDINGS:
        recording = load(path)
        oauth = [each for each in recording["requests"] if each["target"].startswith("/oauth2/")]
        recorded[path.stem] = (recording["version"], tuple(dict.fromkeys(map(contract_of, oauth))))
    available = [client for client in CLIENTS if client.name not in unavailable()]
    assert recorded == {client.name: (client.version, client.contracts) for client in available}
