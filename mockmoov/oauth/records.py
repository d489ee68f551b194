"""The records that outlive a request, in the store or inside a token."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

ClientType = Literal["web", "device", "service"]
TokenFormat = Literal["jwt", "opaque"]


class Past(Struct, frozen=True, kw_only=True):
    """The tokens that an API key had when time first might run again for it: those of this epoch.

    Whatever had expired by `until` stays dead, as it may be forgotten whether it was revoked.
    """

    epoch: str
    until: float


class ApiKey(Struct, frozen=True, kw_only=True):
    """A Moov API key. `scopes` None means every scope; `epoch` changes whenever its tokens must die.

    `past` is what of the epoch before may live on; `account_id` becomes the claim `caid`, `application_id`
    the claim `aid`; `origins` are the registered domains, serialised as RFC 6454 §6.1 does
    (`https://shop.example`).
    """

    client_id: str
    client_secret: str
    account_id: str
    application_id: str
    origins: tuple[str, ...]
    scopes: tuple[str, ...] | None
    grants: tuple[str, ...]
    enabled: bool
    epoch: str
    past: Past | None = None

    def __repr__(self) -> str:
        return f"ApiKey(client_id={self.client_id!r})"

    def rejection_reason(self, token: "AccessToken | RefreshToken") -> str:
        """Why a token of this key is dead whatever the time, or ""."""
        if token.epoch == self.epoch:
            return ""
        if self.past is None or token.epoch != self.past.epoch:
            return "is older than the last reset of its API key"
        dead = token.expires_at <= self.past.until
        return "had expired for good when the clock of its API key was first moved back" if dead else ""


class TokenFamily(Struct, frozen=True, kw_only=True):
    """All tokens that descend from one grant. `sequence` is the number of the current refresh token.

    `rotated_at` is when the previous one was used up, `expires_at` when the last token of the family expires,
    both in Unix seconds. A family that was never refreshed or revoked has no record: its sequence is 0.
    """

    sequence: int = 0
    rotated_at: float = 0.0
    revoked: bool = False
    expires_at: float = 0.0


class IssuerKeys(Struct, frozen=True, kw_only=True):
    """The secrets of the issuer, in base64url: Ed25519 private keys and the secret of refresh tokens.

    `private_key` signs new tokens; the `retired` keys, latest first, only verify older ones.
    """

    private_key: str
    refresh_secret: str
    retired: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "IssuerKeys()"


class RefreshToken(Struct, frozen=True, kw_only=True):
    """The contents of a genuine refresh token; times in Unix seconds."""

    client_id: str
    epoch: str
    family: str
    sequence: int
    scope: str
    client_type: ClientType
    issued_at: int
    expires_at: int


class AccessToken(Struct, frozen=True, kw_only=True):
    """The contents of a genuine access token; `claims` are all of its claims, as signed (RFC 7519 §4)."""

    client_id: str
    epoch: str
    family: str
    client_type: ClientType
    jti: str
    scope: str
    audiences: tuple[str, ...]
    expires_at: float
    claims: Mapping[str, object]


class Exchange(Struct, frozen=True, kw_only=True):
    """A journal entry: one request and its response, without secrets or whole tokens.

    `at` is in Unix seconds on the clock of the API key. `client_id` is the claimed one, None if there is no
    such API key. `endpoint` is token, revoke or the name of an operation (ping, listCards), None for an
    unknown path. `status` is None if no response was sent. `fault` is the id of the triggered fault.
    `headers` and `parameters` are redacted. `issued` identifies the issued tokens: access tokens by `jti`,
    others by a short hash.
    """

    at: float
    client_id: str | None
    endpoint: str | None
    method: str
    path: str
    contract: str
    grant_type: str | None
    status: int | None
    reason: str | None
    fault: str | None
    headers: Mapping[str, str]
    parameters: Mapping[str, str]
    issued: Mapping[str, str]
    number: int = 0
