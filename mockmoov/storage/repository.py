"""What the server remembers of API keys and tokens, as records in a store.

Minting writes nothing. A family of tokens has a record once it is refreshed or revoked, an access token once
it is revoked, or if it is opaque. These are kept until their API key is reset or deleted; `eviction` says
what happens when there are too many.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from itertools import chain
from secrets import token_hex
from threading import Lock
from typing import NamedTuple, cast

from msgspec import Struct
from msgspec.json import Decoder
from msgspec.structs import replace

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.grants import RefreshPolicy, redeem
from mockmoov.oauth.rate_limit import Bucket, take
from mockmoov.oauth.records import (
    NO_FLOOR,
    REVOKED,
    USED,
    AccessToken,
    ApiKey,
    IssuerKeys,
    RefreshToken,
    TokenFamily,
    TokenFloor,
    TokenFormat,
)
from mockmoov.storage.entries import (
    API_KEYS,
    SERVER,
    SIGNING_KEYS,
    api_key_name,
    client_id_of,
    decode_api_key,
    family_name,
    group_of,
    read_clocks,
    revocation_name,
)
from mockmoov.storage.eviction import (
    MAX_USAGE,
    TokenTimes,
    Usage,
    is_exceeded,
    plan_evictions,
    writes_with_room,
)
from mockmoov.storage.store import NOTHING, Seen, Store, StoreError, Swap

_START_SETTINGS = "start-settings"
_FAMILIES = family_name("")
_KEYS, _FAMILY, _BUCKET = Decoder(IssuerKeys), Decoder(TokenFamily), Decoder(Bucket)
_log = logging.getLogger("mockmoov")


def new_epoch() -> str:
    """A random epoch of an API key; tokens of an earlier one are refused."""
    return token_hex(8)


class StartSettings(Struct, frozen=True, kw_only=True):
    """The settings of a start that matter to earlier tokens, and the API keys that starts have named."""

    issuer: str
    audiences: tuple[str, ...]
    token_format: TokenFormat
    access_token_lifetime: int
    refresh_token_lifetime: int
    api_keys: tuple[str, ...]


_STARTED_WITH = Decoder(StartSettings)


class _OfApiKeys(NamedTuple):
    """What is computed of all API keys, and the version that they had."""

    version: int = -1
    origins: frozenset[str] = frozenset()
    secrets: tuple[str, ...] = ()


class Repository:
    """API keys, signing keys, and the records of tokens. Times are Unix seconds.

    `now` is what the clock of an API key shows, `wall` the real time. `seen` is what the request has read
    already: it isn't read again. `bound` limits the token records.
    """

    def __init__(
        self, store: Store, *, wall: Callable[[], float] = time.time, bound: Usage = MAX_USAGE
    ) -> None:
        self._store = store
        self.wall = wall
        self._bound = bound
        self._evicting = Lock()
        self._has_warned = False
        self._writes_with_room = 0  # before the usage has to be read again
        self._of_api_keys = _OfApiKeys()

    # --- signing keys -----------------------------------------------------------------------------

    def has_signing_keys(self) -> bool:
        """Whether a server has started on this store before."""
        return self._get(SIGNING_KEYS) is not None

    def signing_keys(self, seen: Seen = NOTHING) -> IssuerKeys:
        """The signing keys; `put_missing` has written them."""
        return _read_signing_keys(self._get(SIGNING_KEYS, seen) or b"")

    def change_signing_keys(self, change: Callable[[IssuerKeys], IssuerKeys]) -> IssuerKeys:
        """Replace the signing keys by what `change` makes of them."""
        while True:
            before = self._get(SIGNING_KEYS) or b""
            after = change(_read_signing_keys(before))
            value = to_json(after)
            if value == before or self._store.compare_and_swap(SIGNING_KEYS, before, value, group=SERVER):
                return after

    def put_missing(self, keys: IssuerKeys, api_keys: Iterable[ApiKey]) -> None:
        """Put these keys where they are absent. What the store has stays, even if it differs."""
        for api_key in api_keys:
            name = api_key_name(api_key.client_id)
            self._store.compare_and_swap(name, None, to_json(api_key), group=API_KEYS)
        # Last, as other servers take a store without signing keys for an empty one.
        self._store.compare_and_swap(SIGNING_KEYS, None, to_json(keys), group=SERVER)

    def start_settings(self) -> StartSettings | None:
        """The settings of the last start; None if there was none."""
        value = self._get(_START_SETTINGS)
        return None if value is None else _STARTED_WITH.decode(value)

    def put_start_settings(self, settings: StartSettings) -> None:
        """Remember the settings of this start."""
        self._store.put(_START_SETTINGS, to_json(settings), group=SERVER)

    def reset(self, keys: IssuerKeys, api_keys: Iterable[ApiKey]) -> None:
        """Remove everything, clocks too, and start again with these keys."""
        records = [(API_KEYS, api_key_name(api_key.client_id), to_json(api_key)) for api_key in api_keys]
        self._store.clear([(SERVER, SIGNING_KEYS, to_json(keys)), *records])
        self._store.journal.clear()

    # --- API keys ---------------------------------------------------------------------------------

    def create_api_key(self, api_key: ApiKey) -> bool:
        """Add an API key. Return False, and do nothing, if there is one with its client id."""
        # Requests in progress may have left records of a deleted key with this name.
        return self._swap_and_forget(api_key.client_id, None, api_key)

    def change_api_key(self, client_id: str, change: Callable[[ApiKey], ApiKey]) -> ApiKey | None:
        """Replace an API key by what `change` makes of it; None if there is none."""
        name = api_key_name(client_id)
        while True:
            before = self._get(name)
            if before is None:
                return None
            after = change(decode_api_key(before))
            value = to_json(after)
            if value == before or self._store.compare_and_swap(name, before, value, group=API_KEYS):
                return after

    def delete_api_key(self, client_id: str) -> bool:
        """Remove an API key and all that belongs to it. Return False if there is none."""
        while True:
            before = self._get(api_key_name(client_id))
            if self._swap_and_forget(client_id, before, None):
                return before is not None

    def reset_api_key(self, client_id: str, *, epoch: str) -> ApiKey | None:
        """Remove all that belongs to an API key, and refuse its tokens. None if there is no such key."""
        while True:
            before = self._get(api_key_name(client_id))
            after = None if before is None else replace(decode_api_key(before), epoch=epoch, floor=NO_FLOOR)
            if self._swap_and_forget(client_id, before, after):
                return after

    def api_keys(self, client_ids: Iterable[str], seen: Seen = NOTHING) -> list[ApiKey]:
        """The API keys that exist among these."""
        values = self._get_many([*map(api_key_name, client_ids)], seen)
        return [decode_api_key(value) for value in values if value is not None]

    def all_api_keys(self) -> list[ApiKey]:
        """Every API key, in order of creation."""
        return [decode_api_key(value) for value in self._store.scan(API_KEYS)]

    def count_families(self, limit: int) -> int:
        """How many families have a record; `limit` if there are more."""
        return self._store.count_named(_FAMILIES, limit)

    def count_api_keys(self) -> int:
        """How many API keys there are."""
        return self._store.count(API_KEYS)

    def secrets(self) -> tuple[str, ...]:
        """The client secret of every API key."""
        return self._read_api_keys().secrets

    def origins(self) -> frozenset[str]:
        """Every origin that is registered with an API key."""
        return self._read_api_keys().origins

    def _read_api_keys(self) -> _OfApiKeys:
        """Computed again only after a key was written. While the store fails, what was known last counts."""
        with suppress(StoreError):
            version = self._store.version(API_KEYS)  # first, so that the records are never older than it
            if version != self._of_api_keys.version:
                found = [_read_origins_and_secret(value) for value in self._store.scan(API_KEYS)]
                origins = frozenset(chain.from_iterable(origins for origins, _ in found))
                self._of_api_keys = _OfApiKeys(version, origins, tuple(secret for _, secret in found))
        return self._of_api_keys

    # --- tokens -----------------------------------------------------------------------------------

    def family(self, family: str) -> TokenFamily:
        """The state of a token family; one without a record is new."""
        return _read_family(self._get(family_name(family)))

    def consume_refresh_token(
        self,
        token: RefreshToken,
        *,
        now: float,
        policy: RefreshPolicy,
        expires_at: float,
        seen: Seen = NOTHING,
    ) -> str:
        """Use up a refresh token: why it is refused, or "" if it isn't.

        Only the first use is accepted; any other is a replay (RFC 9700 §4.14.2). `expires_at` is when all
        tokens of the family will have expired.
        """
        use = partial(redeem, sequence=token.sequence, now=now, policy=policy)
        return self._change_family(token, use, is_use=True, now=now, expires_at=expires_at, seen=seen)

    def revoke_family(
        self, token: RefreshToken, *, now: float, expires_at: float, seen: Seen = NOTHING
    ) -> None:
        """Revoke every token of a family, also those that are not issued yet (RFC 7009 §2.1)."""
        self._change_family(token, _revoke, is_use=False, now=now, expires_at=expires_at, seen=seen)

    def _change_family(
        self,
        token: RefreshToken,
        change: Callable[[TokenFamily], tuple[TokenFamily, bool]],
        *,
        is_use: bool,
        now: float,
        expires_at: float,
        seen: Seen,
    ) -> str:
        names = [family_name(token.family), api_key_name(token.client_id)]
        # The first token of a family hardly ever has a record: one that is there anyway makes the swap fail.
        before = self._get(names[0], seen) if token.sequence else None
        api_key = self._get(names[1], seen)
        while True:
            # A family without a record may not be new: its record may have been evicted. A token that is
            # refused for that can still be revoked, with the newer ones of its family.
            if is_use and api_key and (reason := decode_api_key(api_key).rejection_reason(token)):
                return reason
            family = _read_family(before)
            changed, accepted = change(family)
            reason = "" if accepted else REVOKED if family.revoked else USED
            if changed == family and not accepted:
                return reason
            after = replace(
                changed,
                issued_at=max(family.issued_at, token.issued_at, now),
                # `expires_at` was computed from `now`. If the clock was moved back, the token is newer.
                expires_at=max(family.expires_at, expires_at + max(0.0, token.issued_at - now)),
            )
            times = self._times(after.issued_at, after.expires_at, now)
            if self._store.compare_and_swap(
                names[0],
                before,
                to_json(after),
                group=group_of(token.client_id),
                times=times,
                given=(names[1], api_key),
            ):
                self._evict_if_full()
                return reason
            before, api_key = self._store.get_many(names)

    def revoke_access_token(self, token: AccessToken, *, now: float) -> None:
        """Revoke one access token."""
        times = self._times(token.issued_at, token.expires_at, now)
        self._store.put(revocation_name(token.jti), b"", group=group_of(token.client_id), times=times)
        self._evict_if_full()

    def is_revoked(self, *, jti: str, family: str, seen: Seen = NOTHING) -> bool:
        """Whether an access token, or the family it belongs to, was revoked.

        Its API key must be read later, or at the same moment: its floor rises before a revocation is evicted.
        """
        revoked, record = self._get_many((revocation_name(jti), family_name(family)), seen)
        return revoked is not None or _read_family(record).revoked

    def put_opaque_token(
        self, fingerprint: str, claims: Mapping[str, object], *, client_id: str, now: float, expires_at: float
    ) -> None:
        """Remember the claims of an opaque access token."""
        times = self._times(now, expires_at, now)
        self._store.put(f"opaque:{fingerprint}", to_json(claims), group=group_of(client_id), times=times)
        self._evict_if_full()

    def opaque_token(self, fingerprint: str) -> dict[str, object] | None:
        """The claims of an opaque access token; None if it is unknown."""
        value = self._get(f"opaque:{fingerprint}")
        return None if value is None else cast("dict[str, object]", json.loads(value))

    def _times(self, issued_at: float, expires_at: float, now: float) -> TokenTimes:
        return TokenTimes(issued_at, expires_at, max(expires_at, self.wall() + expires_at - now))

    # --- eviction of token records ----------------------------------------------------------------

    def _evict_if_full(self) -> None:
        """Evict a batch of token records if there are too many, unless another thread is already doing so."""
        self._writes_with_room -= 1
        if self._writes_with_room >= 0:
            return
        usage = self._store.usage()
        self._writes_with_room = writes_with_room(self._bound, usage)
        if is_exceeded(self._bound, usage) and self._evicting.acquire(blocking=False):
            try:
                self._evict()
            finally:
                self._evicting.release()

    def _evict(self) -> None:
        epochs = {group_of(api_key.client_id): api_key.epoch for api_key in self.all_api_keys()}
        records, wall, next_epoch = self._store.token_records(), self.wall(), new_epoch()  # after the epochs
        groups = list({record.group for record in records})
        shown = read_clocks(self._store, map(client_id_of, groups), wall=wall)
        clocks = dict(zip(groups, shown, strict=True))
        for group, evicted, floor, live in plan_evictions(records, clocks, wall=wall, bound=self._bound):
            epoch = epochs.get(group)
            change = partial(_raise_floor, epoch=epoch, floor=floor, now=clocks[group], new_epoch=next_epoch)
            api_key = self.change_api_key(client_id_of(group), change)
            if api_key is None or api_key.epoch == epoch:
                self._store.evict(evicted)
            elif api_key.epoch == next_epoch:
                self._store.evict(record for record in records if record.group == group)
            if live:
                self._warn()

    def _warn(self) -> None:
        if not self._has_warned:
            self._has_warned = True
            _log.warning(
                "there are more than %d token records, or they are larger than %d bytes: tokens that were "
                "issued before the oldest record that is kept are refused from now on",
                *self._bound,
            )

    # --- rate limit -------------------------------------------------------------------------------

    def take_request(self, api_key: ApiKey, *, now: float, rate: int) -> float:
        """Take one request from the bucket of a key's account: the seconds to wait, 0 if it is allowed.

        The API keys of an account share a bucket even if their clocks differ: it gains what the clock of
        the current request is ahead of that of the last one.
        """
        key, group = f"bucket:{api_key.account_id}", group_of(api_key.client_id)
        while True:
            before = self._get(key)
            bucket, wait = take(_read_bucket(before), now, rate)
            if self._store.compare_and_swap(key, before, to_json(bucket), group=group):
                return wait

    def close(self) -> None:
        """Close the store. A later call opens it again."""
        self._store.close()

    def _swap_and_forget(self, client_id: str, before: bytes | None, after: ApiKey | None) -> bool:
        """Replace the record of an API key and remove all that belongs to the key; False if it has changed.

        It is one step: what another server writes for the new key must stay.
        """
        value = None if after is None else to_json(after)
        swap = Swap(api_key_name(client_id), before, value, API_KEYS)
        done = self._store.forget(group_of(client_id), swap)
        if done:
            try:
                self._store.journal.clear(client_id)
            except StoreError as error:  # the key itself is changed
                _log.warning("the exchanges of API key %s are left in the journal: %s", client_id, error)
        return done

    def _get(self, key: str, seen: Seen = NOTHING) -> bytes | None:
        return seen[key] if key in seen else self._store.get_many((key,))[0]

    def _get_many(self, keys: Sequence[str], seen: Seen) -> list[bytes | None]:
        """The values of these keys, all as they were seen, or else all as they are now."""
        try:
            return [seen[key] for key in keys]
        except KeyError:
            return self._store.get_many(keys)


def _raise_floor(
    api_key: ApiKey, *, epoch: str | None, floor: TokenFloor, now: float, new_epoch: str
) -> ApiKey:
    """The API key with a floor, or as it is if it was reset since it had `epoch`.

    If the floor would refuse the next token too, for example when the clock is frozen, the key gets a new
    epoch instead: that refuses all tokens up to now and none that follow.
    """
    if api_key.epoch != epoch:
        return api_key
    if floor.issued_at >= int(now):
        return replace(api_key, epoch=new_epoch, floor=NO_FLOOR)
    return replace(api_key, floor=api_key.floor.raised_to(floor))


@lru_cache(maxsize=64)
def _read_signing_keys(value: bytes) -> IssuerKeys:
    return _KEYS.decode(value)


@lru_cache(maxsize=2**14)  # more than there may be API keys
def _read_origins_and_secret(value: bytes) -> tuple[tuple[str, ...], str]:
    api_key = decode_api_key(value)
    return api_key.origins, api_key.client_secret


def _revoke(family: TokenFamily) -> tuple[TokenFamily, bool]:
    return replace(family, revoked=True), not family.revoked


def _read_family(value: bytes | None) -> TokenFamily:
    return TokenFamily() if value is None else _FAMILY.decode(value)


def _read_bucket(value: bytes | None) -> Bucket | None:
    return None if value is None else _BUCKET.decode(value)
