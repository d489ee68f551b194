"""Owns records in a store: keys, bytes, expiry. Must not know HTTP, contracts or settings."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import chain

from msgspec.json import Decoder
from msgspec.structs import replace

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.grants import RefreshPolicy, redeem
from mockmoov.oauth.rate_limit import Bucket, take
from mockmoov.oauth.records import AccessToken, ApiKey, IssuerKeys, Past, RefreshToken, TokenFamily
from mockmoov.storage.store import Store

_SIGNING_KEYS = "signing-keys"
_API_KEYS = "api-keys"  # the group of their records, which outlive what belongs to them
_KEYS, _API_KEY = Decoder(IssuerKeys), Decoder(ApiKey)
_FAMILY, _BUCKET = Decoder(TokenFamily), Decoder(Bucket)
SERVER = "server"  # the group of what belongs to no API key


def group_of(client_id: str) -> str:
    """The group of what belongs to an API key: gone when it is reset."""
    return f"api-key:{client_id}"


class Repository:
    """What the server remembers. Times are those of the caller's clock, in Unix seconds."""

    def __init__(self, store: Store, *, wall: Callable[[], float] = time.time) -> None:
        self._store = store
        self._wall = wall
        self._origins: tuple[int, frozenset[str]] = (0, frozenset())  # with the version of the API keys

    def signing_keys(self) -> IssuerKeys:
        """The keys in the store; `reset` has put them there."""
        return _read_signing_keys(self._get(_SIGNING_KEYS) or b"")

    def change_signing_keys(self, change: Callable[[IssuerKeys], IssuerKeys]) -> IssuerKeys:
        """Replace the keys by what `change` makes of them."""
        while True:
            before = self._get(_SIGNING_KEYS) or b""
            after = change(_read_signing_keys(before))
            if self._store.compare_and_swap(_SIGNING_KEYS, before, to_json(after), group=SERVER):
                return after

    def create_api_key(self, api_key: ApiKey) -> bool:
        """Add an API key; False, and nothing done, if there is one with its client id.

        What exchanges under way left behind of an earlier one by that name is not the new one's.
        """
        name = f"api-key:{api_key.client_id}"
        created = self._store.compare_and_swap(name, None, to_json(api_key), group=_API_KEYS)
        if created:
            self._forget(api_key.client_id)
        return created

    def change_api_key(self, client_id: str, change: Callable[[ApiKey], ApiKey]) -> ApiKey | None:
        """Replace an API key by what `change` makes of it; None if there is none."""
        name = f"api-key:{client_id}"
        while True:
            before = self._get(name)
            if before is None:
                return None
            after = change(read_api_key(before))
            if self._store.compare_and_swap(name, before, to_json(after), group=_API_KEYS):
                return after

    def delete_api_key(self, client_id: str) -> bool:
        """Remove an API key and all that belongs to it; whether there was one."""
        found = self._store.delete(f"api-key:{client_id}")
        self._forget(client_id)
        return found

    def reset_api_key(self, client_id: str, *, epoch: str) -> ApiKey | None:
        """Remove all that belongs to an API key; its tokens are dead. None if there is none."""
        api_key = self.change_api_key(client_id, lambda before: replace(before, epoch=epoch, past=None))
        self._forget(client_id)
        return api_key

    def close_past(self, client_id: str | None, *, until: float) -> None:
        """Bury the tokens that an API key (None: every one) has by now, as far as they had expired by then.

        Once is enough: from the first time on that time might run again, nothing was forgotten.
        """
        keys = self.all_api_keys() if client_id is None else self.api_keys([client_id])
        for api_key in keys:
            self.change_api_key(api_key.client_id, lambda before: _with_past(before, until))

    def all_api_keys(self) -> list[ApiKey]:
        """Every API key, in the order in which they were created."""
        return [read_api_key(value) for value in self._store.scan(_API_KEYS)]

    def origins(self) -> frozenset[str]:
        """Every origin that is registered with an API key. It is read anew only after a key was written."""
        version = self._store.version(_API_KEYS)  # before the records: they may be newer, but never older
        known, origins = self._origins
        if version != known:
            records = self._store.scan(_API_KEYS)
            origins = frozenset(chain.from_iterable(map(_read_origins, records)))
            self._origins = version, origins
        return origins

    def count_api_keys(self) -> int:
        """How many API keys there are."""
        return self._store.count(_API_KEYS)

    def reset(self, keys: IssuerKeys, api_keys: Iterable[ApiKey]) -> None:
        """Remove everything, and begin again with these."""
        records = [(_API_KEYS, f"api-key:{api_key.client_id}", to_json(api_key)) for api_key in api_keys]
        self._store.clear([(SERVER, _SIGNING_KEYS, to_json(keys)), *records])
        self._store.journal.clear()

    def api_keys(self, client_ids: Iterable[str]) -> list[ApiKey]:
        """The API keys that exist among these."""
        values = self._store.get_many(f"api-key:{client_id}" for client_id in client_ids)
        return [read_api_key(value) for value in values if value is not None]

    def family(self, family: str) -> TokenFamily:
        """The state of a token family; one without a record is as new."""
        return _read_family(self._get(f"family:{family}"))

    def consume_refresh_token(
        self, token: RefreshToken, *, now: float, policy: RefreshPolicy, expires_at: float
    ) -> bool:
        """Use up a refresh token: True for the first to do so; any other is a replay (RFC 9700 §4.14.2).

        `expires_at` is when the last token of the family will have expired.
        """

        def present(family: TokenFamily) -> tuple[TokenFamily, bool]:
            return redeem(family, token.sequence, now, policy)

        return self._change_family(token, present, now=now, expires_at=expires_at)

    def revoke_family(self, token: RefreshToken, *, now: float, expires_at: float) -> None:
        """Revoke every token of a family, those yet to be issued included (RFC 7009 §2.1)."""
        self._change_family(
            token, lambda before: (replace(before, revoked=True), True), now=now, expires_at=expires_at
        )

    def _change_family(
        self,
        token: RefreshToken,
        change: Callable[[TokenFamily], tuple[TokenFamily, bool]],
        *,
        now: float,
        expires_at: float,
    ) -> bool:
        name = f"family:{token.family}"
        while True:
            before = self._get(name)
            family = _read_family(before)
            changed, verdict = change(family)
            if changed == family:
                return verdict
            after = replace(changed, expires_at=max(family.expires_at, expires_at))
            if self._store.compare_and_swap(
                name,
                before,
                to_json(after),
                group=group_of(token.client_id),
                expires_at=self._deadline(after.expires_at, now),
            ):
                return verdict

    def revoke_access_token(self, token: AccessToken, *, now: float) -> None:
        """Revoke one access token."""
        deadline = self._deadline(token.expires_at, now)
        self._store.put(f"revoked:{token.jti}", b"", group=group_of(token.client_id), expires_at=deadline)

    def is_revoked(self, *, jti: str, family: str) -> bool:
        """Whether an access token, or the family it belongs to, was revoked."""
        revoked, record = self._store.get_many((f"revoked:{jti}", f"family:{family}"))
        return revoked is not None or _read_family(record).revoked

    def put_opaque_token(
        self, fingerprint: str, claims: Mapping[str, object], *, client_id: str, now: float, expires_at: float
    ) -> None:
        """Remember what an opaque access token of this client stands for."""
        deadline = self._deadline(expires_at, now)
        self._store.put(
            f"opaque:{fingerprint}", to_json(claims), group=group_of(client_id), expires_at=deadline
        )

    def opaque_token(self, fingerprint: str) -> dict[str, object] | None:
        """The claims that an opaque access token stands for, if it was issued."""
        value = self._get(f"opaque:{fingerprint}")
        if value is None:
            return None
        claims: dict[str, object] = json.loads(value)
        return claims

    def take_request(self, api_key: ApiKey, *, now: float, rate: int) -> float:
        """Take one request from the bucket of a key's account; the seconds to wait, 0 if it may pass.

        Keys of one account spend from one bucket even where they live in different times: it gains what
        the clock of whoever asks is ahead of that of who asked last.
        """
        key, group = f"bucket:{api_key.account_id}", group_of(api_key.client_id)
        while True:
            before = self._get(key)
            bucket, wait = take(_read_bucket(before), now, rate)
            if self._store.compare_and_swap(
                key, before, to_json(bucket), group=group, expires_at=self._deadline(now + 1, now)
            ):
                return wait

    def _forget(self, client_id: str) -> None:
        """Remove all that belongs to an API key, but not the key."""
        self._store.forget(group_of(client_id))
        self._store.journal.clear(client_id)

    def _get(self, key: str) -> bytes | None:
        return self._store.get_many((key,))[0]

    def _deadline(self, expires_at: float, now: float) -> float:
        """When an entry may be forgotten: not before it has expired on its owner's clock and on the wall."""
        return max(expires_at, self._wall() + expires_at - now)


@lru_cache(maxsize=64)
def _read_signing_keys(value: bytes) -> IssuerKeys:
    return _KEYS.decode(value)


@lru_cache(maxsize=1024)
def read_api_key(value: bytes) -> ApiKey:
    """The record of an API key."""
    return _API_KEY.decode(value)


def _with_past(api_key: ApiKey, until: float) -> ApiKey:
    if api_key.past is not None:
        return api_key
    return replace(api_key, epoch=f"{api_key.epoch}+", past=Past(epoch=api_key.epoch, until=until))


@lru_cache(maxsize=2**14)  # more than there may be API keys
def _read_origins(value: bytes) -> tuple[str, ...]:
    return _API_KEY.decode(value).origins


def _read_family(value: bytes | None) -> TokenFamily:
    return TokenFamily() if value is None else _FAMILY.decode(value)


def _read_bucket(value: bytes | None) -> Bucket | None:
    return None if value is None else _BUCKET.decode(value)
