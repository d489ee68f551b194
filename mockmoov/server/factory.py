"""Builds a server from settings: its store, its signing keys, its API keys, its examples."""

import time
from collections.abc import Callable
from pathlib import Path
from secrets import token_bytes
from typing import TYPE_CHECKING

from mockmoov.config.settings import Settings, SettingsError
from mockmoov.config.stores import is_far, shown_store
from mockmoov.oauth import signing_keys as keys
from mockmoov.oauth.records import IssuerKeys
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import SimulationState
from mockmoov.storage.store import SchemaVersionError, Store, StoreError, UnreachableError

if TYPE_CHECKING:
    from mockmoov.openapi.examples import Examples


class UnusableStoreError(SettingsError):
    """The settings are right, but there is no connection to the store, or another version has written it."""


def wall() -> float:
    """The real time, in Unix seconds. Looks up `time.time` at each call, since libraries replace it."""
    return time.time()


def create_server(
    settings: Settings,
    *,
    clock: Callable[[], float] = wall,
    store: Store | None = None,
    joins: bool = False,
) -> AuthorizationServer:
    """A server on its store, with its signing key and its API keys in it; raises `SettingsError`.

    `store` replaces that of the settings. A server that `joins` others finds there what they have put there.
    """
    make_signing_keys = signing_keys_maker(settings)
    examples = None if settings.openapi is None else _read_examples(settings.openapi)
    try:
        store = store or _open_store(settings)
        try:
            server = AuthorizationServer(
                settings,
                Repository(store, wall=clock),
                SimulationState(store, wall=clock),
                make_signing_keys=make_signing_keys,
                examples=examples,
                joins=joins,
            )
        except StoreError:
            store.close()
            raise
    except StoreError as error:
        is_usable = not isinstance(error, SchemaVersionError | UnreachableError)
        kind = SettingsError if is_usable else UnusableStoreError
        raise kind(f"{settings.set_by.get('store', 'store')} {error}") from None
    store.on_emptied = server.refill
    return server


def _open_store(settings: Settings) -> Store:
    kind, _, path = settings.store.partition(":")
    if kind == "memory":
        return MemoryStore(journal_size=settings.journal_size)
    if kind == "sqlite":
        from mockmoov.storage.sqlite import SqliteStore  # noqa: PLC0415 - a store in memory doesn't need it

        return SqliteStore(Path(path), journal_size=settings.journal_size)
    try:
        from mockmoov.storage.redis import RedisStore  # noqa: PLC0415
    except ImportError:
        raise SettingsError("store needs the extra mockmoov[redis]: pip install hiredis redis") from None
    return RedisStore(
        settings.store,
        settings.store_namespace,
        shown=shown_store(settings.store),
        is_far=is_far(settings.store),
        journal_size=settings.journal_size,
    )


def signing_keys_maker(settings: Settings) -> Callable[[], IssuerKeys]:
    """A function that returns the signing keys that settings name, else new ones at each call."""
    named = _named_private_key(settings)
    return lambda: keys.make_issuer_keys(named or token_bytes(32))


def _named_private_key(settings: Settings) -> bytes | None:
    if settings.seed is not None:
        return keys.private_key_from_seed(settings.seed)
    return None if settings.signing_key is None else _read_private_key(settings.signing_key)


def _read_private_key(path: str) -> bytes:
    if "\n" in path or path.startswith("{"):
        raise SettingsError("signing_key must be the path of a file, not the key itself")
    try:
        return keys.private_key_from_file(Path(path).read_bytes())
    except OSError as error:
        raise SettingsError(f"signing_key {path}: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"signing_key {path}: {error}") from None


def _read_examples(path: str) -> "Examples":
    """The examples in an OpenAPI description; raises `SettingsError`."""
    try:
        from mockmoov.openapi.examples import read_examples  # noqa: PLC0415 - only this setting needs it
        from mockmoov.openapi.parsing import MAX_BYTES, DescriptionError  # noqa: PLC0415
    except ImportError:
        needed = "pip install jsonschema pyyaml regex rstr"
        raise SettingsError(f"openapi needs the extra mockmoov[openapi]: {needed}") from None
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        return read_examples(data, Path(path).name)
    except OSError as error:
        raise SettingsError(f"openapi {path}: {error.strerror}") from None
    except DescriptionError as error:
        raise SettingsError(f"openapi {error}") from None
