"""Each breakage breaks the rule that it names, as the documented exchanges see it."""

import pytest
from msgspec.structs import replace

from mockmoov.config.settings import Layer, Settings, load
from mockmoov.web.app import create_app
from tests.support.asgi import ask
from tests.support.contract_fixtures import CONTRACTS, load_api_keys, load_exchanges, run_exchange
from tests.support.servers import VERSIONS, sender
from tools.breakages import BREAKAGES, UNBROKEN, Breakage, BrokenServer

NAMES = sorted(BREAKAGES)
CHUNKS = 3  # so that the workers share the work


def is_noticed(breakage: Breakage) -> bool:
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


@pytest.mark.slow
@pytest.mark.quality
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_exchanges_notice_every_breakage_but_the_unseen(chunk: int) -> None:
    assert not is_noticed(UNBROKEN)
    wrong = [
        name for name in NAMES[chunk::CHUNKS] if is_noticed(BREAKAGES[name]) != (not BREAKAGES[name].unseen)
    ]
    assert wrong == []


def test_application_serves_a_broken_server() -> None:
    broken = Breakage(
        rule="no response is a 418",
        understand=lambda request: replace(request, path="/bent"),
        bend=lambda request, response: replace(response, status=418) if request.path == "/bent" else response,
    )
    app = create_app(BrokenServer(Settings(), broken), exposure="process")
    for method, path in (("GET", "/ping"), ("POST", "/oauth2/token")):
        assert ask(app, method, path).status_code == 418
