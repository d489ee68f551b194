"""Builds a server from settings: its store, its signing keys, its API keys."""

import time
from collections.abc import Callable
from pathlib import Path
from secrets import token_bytes

from mockmoov.config.settings import Settings, SettingsError
from mockmoov.oauth import signing_keys as keys
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import SimulationState


def wall() -> float:
    """The real time, in Unix seconds. Looks up `time.time` at each call, since libraries replace it."""
    return time.time()


def create_server(settings: Settings, *, clock: Callable[[], float] = wall) -> AuthorizationServer:
    """A server with a store in memory that has its keys in it. Raises `SettingsError`."""
    store = MemoryStore(journal_size=settings.journal_size)
    signing_keys = keys.make_issuer_keys(_private_key(settings))
    return AuthorizationServer(
        settings, Repository(store, wall=clock), SimulationState(store, wall=clock), signing_keys=signing_keys
    )


def _private_key(settings: Settings) -> bytes:
    if settings.seed is not None:
        return keys.private_key_from_seed(settings.seed)
    if settings.signing_key is not None:
        return _read_private_key(settings.signing_key)
    return token_bytes(32)


def _read_private_key(path: str) -> bytes:
    if "\n" in path or path.startswith("{"):
        raise SettingsError("signing_key must be the path of a file, not the key itself")
    try:
        return keys.private_key_from_file(Path(path).read_bytes())
    except OSError as error:
        raise SettingsError(f"signing_key {path}: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"signing_key {path}: {error}") from None
