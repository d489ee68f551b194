"""Each breakage bends the rule that it names, as the documented exchanges see it."""

import asyncio

import httpx2
import pytest
from msgspec.structs import replace

from mockmoov.config.settings import Layer, Settings, load
from mockmoov.web.app import create_app
from tests.support.contract_fixtures import CONTRACTS, load_api_keys, load_exchanges, run_exchange
from tests.support.servers import VERSIONS, sender
from tools.breakages import BREAKAGES, Breakage, BrokenServer

SEEN = [name for name, breakage in BREAKAGES.items() if not breakage.unseen]


def noticed(breakage: Breakage) -> bool:
    """Whether a documented exchange of either contract fails against the breakage."""
    for contract in CONTRACTS:
        keys = [dict(key) for key in load_api_keys(contract).values()]
        settings = load(Layer(settings={"api_keys": keys, "default_version": VERSIONS[contract]}))
        server = BrokenServer(settings, breakage)
        send = sender(server)
        for exchange in load_exchanges(contract):
            server.reset()
            try:
                run_exchange(exchange, send)
            except (AssertionError, KeyError, ValueError):
                return True
    return False


@pytest.mark.parametrize("name", SEEN)
def test_a_breakage_is_seen_by_the_documented_exchanges(name: str) -> None:
    assert noticed(BREAKAGES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BREAKAGES.keys() - set(SEEN)))
def test_what_the_documented_exchanges_cannot_see_says_why(name: str) -> None:
    assert not noticed(BREAKAGES[name])


def test_a_breakage_goes_out_through_the_application_too() -> None:
    bent = Breakage(
        rule="no answer is a 418",
        understand=lambda request: replace(request, path="/bent"),
        bend=lambda request, response: replace(response, status=418) if request.path == "/bent" else response,
    )
    app = create_app(BrokenServer(Settings(), bent), exposure="process")

    async def status() -> int:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/ping")).status_code

    assert asyncio.run(status()) == 418


def test_a_server_without_a_breakage_is_not_complained_of() -> None:
    assert not noticed(Breakage(rule="none"))
