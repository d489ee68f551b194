"""Owns records in a store: keys, bytes, expiry. Must not know HTTP, contracts or settings."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any

from mockmoov.encoding import to_json
from mockmoov.grants import RefreshPolicy, redeem
from mockmoov.limits import spend
from mockmoov.records import ApiKey, RefreshToken, SigningKeys, TokenFamily
from mockmoov.stores import Store

_SIGNING_KEYS = "signing-keys"


class Repository:
    """What the server remembers. Times are those of the caller's clock, in Unix seconds."""

    def __init__(self, store: Store, *, wall: Callable[[], float] = time.time) -> None:
        self._store = store
        self._wall = wall

    def ensure_signing_keys(self, make: Callable[[], SigningKeys]) -> SigningKeys:
        """The keys in the store; those that `make` returns are put there first if it has none."""
        self._store.compare_and_swap(_SIGNING_KEYS, None, to_json(asdict(make())))
        return self.signing_keys()

    def signing_keys(self) -> SigningKeys:
        """The keys in the store; `ensure_signing_keys` has put them there."""
        value = self._get(_SIGNING_KEYS)
        return _read_signing_keys(value or b"")

    def put_api_key(self, api_key: ApiKey, *, epoch: str) -> None:
        """Create an API key, or replace it; tokens of an earlier epoch are dead."""
        self._store.put(f"api-key:{api_key.client_id}", to_json(asdict(replace(api_key, epoch=epoch))))

    def api_keys(self, client_ids: Iterable[str]) -> list[ApiKey]:
        """The API keys that exist among these."""
        values = self._store.get_many(f"api-key:{client_id}" for client_id in client_ids)
        return [_read_api_key(value) for value in values if value is not None]

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

        return self._change_family(token.family, present, now=now, expires_at=expires_at)

    def revoke_family(self, family: str, *, now: float, expires_at: float) -> None:
        """Revoke every token of a family, those yet to be issued included (RFC 7009 §2.1)."""
        self._change_family(
            family, lambda before: (replace(before, revoked=True), True), now=now, expires_at=expires_at
        )

    def _change_family(
        self,
        name: str,
        change: Callable[[TokenFamily], tuple[TokenFamily, bool]],
        *,
        now: float,
        expires_at: float,
    ) -> bool:
        while True:
            before = self._get(f"family:{name}")
            family = _read_family(before)
            changed, verdict = change(family)
            if changed == family:
                return verdict
            after = replace(changed, expires_at=max(family.expires_at, expires_at))
            if self._store.compare_and_swap(
                f"family:{name}",
                before,
                to_json(asdict(after)),
                expires_at=self._deadline(after.expires_at, now),
            ):
                return verdict

    def revoke_access_token(self, jti: str, *, now: float, expires_at: float) -> None:
        """Revoke one access token."""
        self._store.put(f"revoked:{jti}", b"", expires_at=self._deadline(expires_at, now))

    def is_revoked(self, *, jti: str, family: str) -> bool:
        """Whether an access token, or the family it belongs to, was revoked."""
        revoked, record = self._store.get_many((f"revoked:{jti}", f"family:{family}"))
        return revoked is not None or _read_family(record).revoked

    def put_opaque_token(
        self, fingerprint: str, claims: Mapping[str, object], *, now: float, expires_at: float
    ) -> None:
        """Remember what an opaque access token stands for."""
        self._store.put(f"opaque:{fingerprint}", to_json(claims), expires_at=self._deadline(expires_at, now))

    def opaque_token(self, fingerprint: str) -> dict[str, object] | None:
        """The claims that an opaque access token stands for, if it was issued."""
        value = self._get(f"opaque:{fingerprint}")
        return None if value is None else _from_bytes(value)

    def spend(self, account_id: str, *, now: float, rate: int) -> float:
        """Take one request from an account's bucket; the seconds to wait, 0 if it may pass."""
        key = f"bucket:{account_id}"
        while True:
            before = self._get(key)
            full_at, wait = spend(int(before or 0), now, rate)
            if wait or self._store.compare_and_swap(
                key, before, str(full_at).encode(), expires_at=self._deadline(now + 1, now)
            ):
                return wait

    def _get(self, key: str) -> bytes | None:
        return self._store.get_many((key,))[0]

    def _deadline(self, expires_at: float, now: float) -> float:
        """When an entry may be forgotten: not before it has expired on its owner's clock and on the wall."""
        return max(expires_at, self._wall() + expires_at - now)


def _from_bytes(value: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(value)
    return document


@lru_cache(maxsize=64)
def _read_signing_keys(value: bytes) -> SigningKeys:
    return SigningKeys(**_from_bytes(value))


@lru_cache(maxsize=1024)
def _read_api_key(value: bytes) -> ApiKey:
    members: dict[str, Any] = _from_bytes(value)
    for name, item in members.items():
        members[name] = tuple(item) if isinstance(item, list) else item
    return ApiKey(**members)


def _read_family(value: bytes | None) -> TokenFamily:
    return TokenFamily() if value is None else TokenFamily(**_from_bytes(value))
