"""Owns what is remembered between requests, by the store or in a token. Must not know stores or messages."""

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
    """All tokens that go back to one grant. `sequence` numbers the refresh token that is good now.

    `rotated_at` is when the one before it was used up, `expires_at` when the last token of the family
    will have expired. A family that was never refreshed or revoked has no record: it is at sequence 0.
    """

    sequence: int = 0
    rotated_at: float = 0.0
    revoked: bool = False
    expires_at: float = 0.0


class IssuerKeys(Struct, frozen=True, kw_only=True):
    """The secrets of the issuer, base64url: Ed25519 private keys and the key of refresh tokens.

    `private_key` signs; the `retired` ones, the latest first, only verify what they signed before.
    """

    private_key: str
    refresh_secret: str
    retired: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "SigningKeys()"


class RefreshToken(Struct, frozen=True, kw_only=True):
    """What a genuine refresh token says of itself; times in Unix seconds."""

    client_id: str
    epoch: str
    family: str
    sequence: int
    scope: str
    client_type: ClientType
    issued_at: int
    expires_at: int


class AccessToken(Struct, frozen=True, kw_only=True):
    """What a genuine access token says of itself; `claims` are all of them, as signed (RFC 7519 §4)."""

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
    """What the journal says of a request and its answer; no secret, no whole token.

    `at` is Unix seconds on the clock of the API key. `client_id` is the one that was claimed, if it exists;
    `endpoint` (token, revoke, or an operation's name: ping, listCards) None for what there is not; `status`
    None if no answer was sent; `fault` the id of the fault that happened. `headers` and `parameters` hold
    what may be told of what came, `issued` names the tokens that went out: an access token by its `jti`, any
    other by a short hash.
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
