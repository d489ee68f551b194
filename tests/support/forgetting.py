"""A server that keeps few token records, so that tests reach the bound."""

from typing import Any

from mockmoov.config.settings import Layer, load
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.factory import create_server
from mockmoov.storage.eviction import Usage
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import SimulationState
from mockmoov.storage.store import Store
from tests.support.servers import Clock


def few(records: int) -> Usage:
    """A bound of this many records of any size."""
    return Usage(records=records, size=2**30)


def bounded_server(wall: Clock, bound: Usage, **values: Any) -> AuthorizationServer:
    """A server in memory that keeps token records up to a bound."""
    return bounded_server_on(MemoryStore(), wall, bound, **values)


def bounded_server_on(store: Store, wall: Clock, bound: Usage, **values: Any) -> AuthorizationServer:
    """A server on a store that keeps token records up to a bound."""
    chosen = load(Layer(settings=values))
    return AuthorizationServer(
        chosen,
        Repository(store, wall=wall, bound=bound),
        SimulationState(store, wall=wall),
        make_signing_keys=create_server(chosen).repository.signing_keys,
    )
