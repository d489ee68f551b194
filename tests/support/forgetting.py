"""Owns a store that forgets as soon as it may, and a server on one. Must not know what must be remembered."""

from collections.abc import Iterable
from typing import Any

from mockmoov.config.settings import Layer, load
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.factory import create_server
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import SimulationState
from tests.support.servers import Clock


class ForgetfulStore(MemoryStore):
    """A store that forgets the moment it may: an entry is gone once the wall has reached its expiry."""

    def get_many(self, keys: Iterable[str]) -> list[bytes | None]:
        self._forget_all_that_may_be()
        return super().get_many(keys)

    def compare_and_swap(
        self, key: str, expected: bytes | None, value: bytes, *, group: str, expires_at: float | None = None
    ) -> bool:
        self._forget_all_that_may_be()
        return super().compare_and_swap(key, expected, value, group=group, expires_at=expires_at)

    def _forget_all_that_may_be(self) -> None:
        with self._lock:
            self._sweep()


def forgetful_server(wall: Clock, offset: float = 0.0, **values: Any) -> AuthorizationServer:
    """A server on such a store, whose clock is that far ahead of the wall."""
    chosen = load(Layer(settings=values))
    store = ForgetfulStore(wall=wall)
    simulation = SimulationState(store, wall=lambda: wall.now + offset)
    keys = create_server(chosen).repository.signing_keys()
    return AuthorizationServer(chosen, Repository(store, wall=wall), simulation, signing_keys=keys)
