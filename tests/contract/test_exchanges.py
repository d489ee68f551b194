"""Every documented exchange is answered as documented, by a server in process."""

import pytest

from tests.support.contract_fixtures import (
    Answer,
    ContractName,
    load_api_keys,
    load_exchanges,
    run_exchange,
)
from tests.support.servers import Header, new_server, sender


@pytest.mark.parametrize(
    ("contract", "settings", "version"),
    [
        ("2023", {"default_version": "2023"}, None),
        ("dated", {"default_version": "v2026.07.00"}, None),
        ("dated", {"default_version": "2023"}, "latest"),
    ],
    ids=["2023", "dated by default", "dated by header"],
)
def test_documented_exchanges_are_answered_as_documented(
    contract: ContractName, settings: dict[str, str], version: str | None
) -> None:
    server = new_server(keys=load_api_keys(contract).values(), **settings)  # type: ignore[arg-type]
    in_process = sender(server)

    def send(method: str, target: str, headers: list[Header], body: bytes) -> Answer:
        is_named = any(name.lower() == "x-moov-version" for name, _ in headers)
        added = [("x-moov-version", version)] if version and not is_named else []
        return in_process(method, target, [*headers, *added], body)

    wrong = []
    for exchange in load_exchanges(contract):
        server.reset()
        try:
            run_exchange(exchange, send)
        except AssertionError as error:
            wrong.append(str(error))
    assert wrong == []
