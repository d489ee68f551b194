"""What real clients sent, replayed without them: the same answers, and such as the contract describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.foreign_clients.clients import CLIENTS, Client, unavailable
from tests.e2e.foreign_clients.recordings import FOLDER, Values, credentials, filled, load, members_of
from tests.support.contract_fixtures import ContractName, check_response
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, new_server, sender

RECORDINGS = sorted(FOLDER.glob("*.json"))
RECORDED = [client for client in CLIENTS if client.name not in unavailable()]

each_recording = pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)


def contract_of(request: dict[str, Any]) -> ContractName:
    return "dated" if "x-moov-version" in request["headers"] else "2023"


@each_recording
def test_a_recorded_run_is_answered_as_it_was(path: Path) -> None:
    send = sender(new_server())
    values = Values(credentials(CLIENT_ID, CLIENT_SECRET))
    for number, request in enumerate(load(path)["requests"]):
        method, target, headers, body = filled(request, values)
        status, found, answer = send(method, target, headers, body)
        where = f"request {number}: {request}"
        assert {"status": status, "members": members_of(answer)} == request["answer"], where
        check_response(contract_of(request), method, target, status, found, answer)
        values.learn(status, answer)


@each_recording
def test_a_recording_holds_no_key_and_no_token(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [value for value in credentials(CLIENT_ID, CLIENT_SECRET).values() if value in text] == []
    assert "eyJhbGciOiJFZERTQSI" not in text


def test_there_is_a_recording_of_each_client_that_can_be_had() -> None:
    assert [path.stem for path in RECORDINGS] == sorted(client.name for client in RECORDED)


@pytest.mark.parametrize("client", RECORDED, ids=lambda client: client.name)
def test_a_recording_is_of_the_version_and_the_contracts_of_the_table(client: Client) -> None:
    recording = load(FOLDER / f"{client.name}.json")
    assert recording["version"] == client.version
    oauth = [request for request in recording["requests"] if request["target"].startswith("/oauth2/")]
    used = dict.fromkeys(contract_of(request) for request in oauth)
    assert tuple(used) == client.contracts
