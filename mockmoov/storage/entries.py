"""How entries of a store are named and grouped, and how those of API keys and clocks are read.

An entry is named after its record and its owner: `clock:5clTR` is the clock of the API key with that client
id, `clock` is the clock of the server (owner None). All entries of an API key are in one group, except the
record of the key itself, which stays when the key is reset.
"""

from collections.abc import Iterable
from functools import lru_cache

from msgspec.json import Decoder

from mockmoov.oauth.records import AccessToken, ApiKey
from mockmoov.simulation.clock import UNCHANGED, ClockSetting
from mockmoov.storage.store import Store

SERVER = "server"  # the group of what belongs to no API key
API_KEYS = "api-keys"  # the group of the records of API keys
SIGNING_KEYS = "signing-keys"  # the key of the signing keys
_API_KEY = Decoder(ApiKey)
_CLOCK = Decoder(ClockSetting)


def entry_name(record: str, owner: str | None) -> str:
    """The key under which a store has a record of an owner."""
    return record if owner is None else f"{record}:{owner}"


def api_key_name(client_id: str) -> str:
    """The key under which a store has an API key."""
    return f"api-key:{client_id}"


def family_name(family: str) -> str:
    """The key under which a store has a token family, once it was refreshed or revoked."""
    return f"family:{family}"


def revocation_name(jti: str) -> str:
    """The key under which a store has an access token that was revoked."""
    return f"revoked:{jti}"


def names_of_records(token: AccessToken | None) -> tuple[str, ...]:
    """The keys of the records that say whether an access token was revoked."""
    return () if token is None else (revocation_name(token.jti), family_name(token.family))


def group_of(owner: str | None) -> str:
    """The group of what belongs to an owner."""
    return SERVER if owner is None else f"api-key:{owner}"


def client_id_of(group: str) -> str:
    """The client id of the API key that a group belongs to."""
    return group.removeprefix("api-key:")


@lru_cache(maxsize=1024)
def decode_api_key(value: bytes) -> ApiKey:
    """The API key of a record."""
    return _API_KEY.decode(value)


@lru_cache(maxsize=1024)
def decode_clock(value: bytes | None) -> ClockSetting:
    """How a clock is set; one without a record is unchanged."""
    return UNCHANGED if value is None else _CLOCK.decode(value)


def read_clocks(store: Store, client_ids: Iterable[str], *, wall: float) -> list[float]:
    """What the clocks of API keys show, in their order, in Unix seconds; `wall` is the real time.

    The server's clock runs over the wall clock, those of API keys over the server's.
    """
    server, *own = store.get_many(entry_name("clock", owner) for owner in (None, *client_ids))
    now = decode_clock(server).read(wall)
    return [decode_clock(value).read(now) for value in own]
