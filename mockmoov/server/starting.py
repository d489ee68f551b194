"""What a start and a reset put into the store, what a start finds there, and what a restart ends.

A start clears nothing. It puts signing keys and API keys where they are absent, so that servers which start
together on one store agree. Keys and stubs that the settings name are as the settings say after every start.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hashlib import sha256
from typing import NamedTuple

from msgspec.structs import replace

from mockmoov.config.settings import Settings
from mockmoov.oauth.encoding import decode
from mockmoov.oauth.records import ApiKey, IssuerKeys
from mockmoov.oauth.signing_keys import rotate
from mockmoov.server.new_api_keys import as_created
from mockmoov.storage.repository import Repository, StartSettings, new_epoch
from mockmoov.storage.simulation import SimulationState

_log = logging.getLogger("mockmoov")
# What becomes of the tokens from before, if a setting differs from that of the last start.
_EFFECTS = {
    "issuer": "access tokens of another issuer are refused",
    "audiences": "access tokens without the first of them are refused",
    "token_format": "tokens from before stay good",
    "access_token_lifetime": "tokens from before keep theirs",
    "refresh_token_lifetime": "tokens from before keep theirs",
}
_REMOVED = "API key {} is removed, and its tokens end: the settings don't name it any more"
_MANY = 10_000  # families: to count more would take as long as the start


class Found(NamedTuple):
    """What a store holds after a start, and whether it was new. It counts no more than 10,000 families."""

    is_new: bool
    api_keys: int
    families: int
    exchanges: int

    def __str__(self) -> str:
        more = "more than " if self.families > _MANY else ""
        return (
            f"{_count(self.api_keys, 'API key', 'API keys')}, "
            f"{more}{_count(min(self.families, _MANY), 'family', 'families')}, "
            f"journal of {self.exchanges:,}"
        )


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


class State:
    """What the settings put into the store, at a start and at a reset.

    `make_signing_keys` returns the signing keys that the settings name, else new ones at each call.
    """

    def __init__(
        self,
        settings: Settings,
        repository: Repository,
        simulation: SimulationState,
        make_signing_keys: Callable[[], IssuerKeys],
    ) -> None:
        self._settings, self._repository, self._simulation = settings, repository, simulation
        self._make_signing_keys = make_signing_keys

    def start(self) -> Found:
        """Put what is absent, and what the settings name. Warn where they differ from the last start's."""
        settings, repository = self._settings, self._repository
        is_new = not repository.has_signing_keys()
        keys = self._make_signing_keys()
        repository.put_missing(keys, self._api_keys(self._first_epoch))
        if settings.seed is not None or settings.signing_key is not None:
            repository.change_signing_keys(lambda stored: rotate(stored, decode(keys.private_key)))
        if "api_keys" in settings.set_by:
            for api_key in settings.api_keys:
                repository.change_api_key(api_key.client_id, partial(_as_configured, configured=api_key))
        if "stubs" in settings.set_by:
            self._simulation.stubs.put_configured(settings.stubs)
        before = repository.start_settings()
        unnamed = self._remove_unnamed(before)
        self._remember(before, unnamed)
        for line in (*map(_REMOVED.format, unnamed), *_differences(before, settings)):
            _log.warning("%s", line)
        return self._find(is_new=is_new)

    def join(self) -> Found:
        """Change nothing: another process has started, and tests may have changed something since."""
        return self._find(is_new=False)

    def _find(self, *, is_new: bool) -> Found:
        repository = self._repository
        repository.secrets()  # known from now on, even while the store fails
        return Found(
            is_new=is_new,
            api_keys=repository.count_api_keys(),
            families=repository.count_families(_MANY + 1),
            exchanges=self._simulation.count_exchanges(),
        )

    def reset(self) -> None:
        """Remove everything, and start over; every token becomes invalid."""
        self._repository.reset(self._make_signing_keys(), self._api_keys(lambda _: new_epoch()))
        self._simulation.stubs.put_configured(self._settings.stubs)
        self._remember(None, [])

    def _remove_unnamed(self, before: StartSettings | None) -> list[str]:
        """Delete the API keys that earlier starts named and these settings don't, if they name any."""
        if before is None or "api_keys" not in self._settings.set_by:
            return []
        named = {api_key.client_id for api_key in self._settings.api_keys}
        unnamed = [client_id for client_id in before.api_keys if client_id not in named]
        for client_id in unnamed:
            self._repository.delete_api_key(client_id)
        return unnamed

    def _remember(self, before: StartSettings | None, unnamed: Sequence[str]) -> None:
        """Write the settings of this start for the next one, with the API keys that starts have named."""
        settings = self._settings
        named = {*(before.api_keys if before else ()), *(api_key.client_id for api_key in settings.api_keys)}
        now = {name: getattr(settings, name) for name in _EFFECTS}
        self._repository.put_start_settings(
            StartSettings(**now, api_keys=tuple(sorted(named.difference(unnamed))))
        )

    def _api_keys(self, epoch: Callable[[ApiKey], str]) -> list[ApiKey]:
        """The API keys of the settings as created now, by the real time, which unchanged clocks show."""
        now = self._repository.wall()
        return [as_created(key, now, epoch(key)) for key in self._settings.api_keys]

    def _first_epoch(self, api_key: ApiKey) -> str:
        """The epoch of an API key that a start creates.

        With a seed and no store it is the same at every start, so that tokens survive a restart. A durable
        store remembers the epoch; if it forgot the key on purpose, the tokens must stay invalid.
        """
        seed = self._settings.seed
        if seed is None or is_durable(self._settings):
            return new_epoch()
        return sha256(f"mockmoov epoch\0{seed}\0{api_key.client_id}".encode()).hexdigest()[:16]


def _as_configured(stored: ApiKey, configured: ApiKey) -> ApiKey:
    """An API key as the settings name it; its tokens stay as they are."""
    return replace(configured, epoch=stored.epoch, floor=stored.floor, created_at=stored.created_at)


def _differences(before: StartSettings | None, now: Settings) -> Iterator[str]:
    for name, effect in _EFFECTS.items() if before else ():
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            yield f"{name} is {_text(new)}, and was {_text(old)} at the last start: {effect}"


def _text(value: object) -> str:
    """The value of a setting as settings are written."""
    return ",".join(value) if isinstance(value, tuple) else str(value)


def is_durable(settings: Settings) -> bool:
    """Whether the store survives the process."""
    return settings.store != "memory"


def restart_advice(settings: Settings) -> str:
    """How tokens would survive a restart, as the end of a reason; "" if they do."""
    if is_durable(settings):
        return ""
    if settings.token_format == "opaque":  # noqa: S105 - not a password
        return "; opaque tokens survive a restart only with the setting store"
    if settings.seed is not None:
        return ""
    return "; tokens survive a restart only with the setting store or seed"
