"""Moov's SDKs parse the answers of stubs, and the journal has what they sent."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mockmoov.testing import MockMoov
from tests.e2e.foreign_clients.clients import CLIENT_ID, CLIENTS, HERE, Client, Command
from tests.e2e.foreign_clients.programs import built, run_program

ACCOUNT = "3dfff852-927d-47e8-822c-2fffc57ff6b9"
STUBS: list[dict[str, Any]] = json.loads((HERE / "stubs.json").read_text(encoding="utf-8"))
IDEMPOTENCY_KEY = "4c5bd1f6-1cb4-4a2b-9c85-5d3d1ad7a5a0"
TRANSFER = {
    "source": {"paymentMethodID": "9506dbf6-4208-44c3-ad8a-e4431660e1f2"},
    "destination": {"paymentMethodID": "3f9969cf-a1f3-4d83-8ddc-229a506651cf"},
    "amount": {"currency": "USD", "value": 1204},
}
PROGRAMS: dict[str, Command] = {
    "python-moovio-sdk": ("{python}", "stubs.py"),
    "js-moovio-sdk": ("node", "stubs.mjs"),
}
SDKS = [replace(client, command=PROGRAMS[client.name]) for client in CLIENTS if client.name in PROGRAMS]


def parsed_answers() -> list[Any]:
    """What the programs print: the listed accounts, the account and the transfer."""
    text = json.dumps([stub["json"] for stub in STUBS]).replace("{accountID}", ACCOUNT)
    accounts, *others = json.loads(text)
    return [*accounts, *others]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_sdk_parses_the_answers_of_stubs(sdk: Client, tmp_path: Path) -> None:
    folder = built(sdk, tmp_path)
    with MockMoov() as moov:
        key = moov.api_keys.get(CLIENT_ID)
        stubs = [key.stubs.add(**stub).id for stub in STUBS]
        ended = run_program(sdk, folder, moov.url)
        assert ended.returncode == 0, ended.stderr
        printed = json.loads(ended.stdout.replace(".000Z", "Z"))  # JavaScript writes milliseconds
        assert printed == parsed_answers()

        assert [(exchange.endpoint, exchange.status, exchange.stub) for exchange in key.exchanges()] == [
            ("listAccounts", 200, stubs[0]),
            ("getAccount", 200, stubs[1]),
            ("token", 200, None),
            ("createTransfer", 200, stubs[2]),
        ]
        transfer = key.exchanges.one(endpoint="createTransfer", where={"body": TRANSFER})
        assert (transfer.body, transfer.path_parameters) == (TRANSFER, {"accountID": ACCOUNT})
        assert transfer.headers["x-idempotency-key"] == IDEMPOTENCY_KEY
