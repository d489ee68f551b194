"""Each breakage bends the rule that it names, as the documented exchanges see it."""

import pytest

from mockmoov.settings import Layer, load
from tests.breakages import BREAKAGES, Breakage, BrokenServer
from tests.support.contract_fixtures import CONTRACTS, load_api_keys, load_exchanges, run_exchange
from tests.support.servers import VERSIONS, sender


def noticed(breakage: Breakage) -> bool:
    """Whether a documented exchange of either contract fails against the breakage."""
    for contract in CONTRACTS:
        keys = [dict(key) for key in load_api_keys(contract).values()]
        settings = load(Layer(values={"api_keys": keys, "default_version": VERSIONS[contract]}))
        for exchange in load_exchanges(contract):
            try:
                run_exchange(exchange, sender(BrokenServer(settings, breakage)))
            except (AssertionError, KeyError):
                return True
    return False


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_breakage_is_seen_by_the_documented_exchanges(name: str) -> None:
    assert noticed(BREAKAGES[name])


def test_a_server_without_a_breakage_is_not_complained_of() -> None:
    assert not noticed(Breakage(rule="none"))
