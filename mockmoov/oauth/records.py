"""Records: what the server remembers between requests, in its store or in a token."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

ClientType = Literal["web", "device", "service"]
TokenFormat = Literal["jwt", "opaque"]


class TokenFloor(Struct, frozen=True, kw_only=True):
    """Which tokens of an API key are refused because their records were evicted.

    Those issued at or before `issued_at`, and those that expire at or before `expires_at`, in Unix seconds on
    the clock of the API key.
    """

    issued_at: float = -1.0
    expires_at: float = -1.0

    def covers(self, token: "AccessToken | RefreshToken") -> bool:
        """Whether a token is refused."""
        return token.issued_at <= self.issued_at or token.expires_at <= self.expires_at

    def raised_to(self, other: "TokenFloor") -> "TokenFloor":
        """The floor that refuses what either of two refuses."""
        return TokenFloor(
            issued_at=max(self.issued_at, other.issued_at), expires_at=max(self.expires_at, other.expires_at)
        )


NO_FLOOR = TokenFloor()


class ApiKey(Struct, frozen=True, kw_only=True):
    """A Moov API key. `scopes` None means every scope.

    `account_id` becomes the claim `caid`, `application_id` the claim `aid`; `origins` are the registered
    domains, serialized as in RFC 6454 §6.1 (`https://shop.example`). Tokens of another `epoch` are refused,
    and those that the `floor` covers.
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
    floor: TokenFloor = NO_FLOOR

    def __repr__(self) -> str:
        return f"ApiKey(client_id={self.client_id!r})"

    def rejection_reason(self, token: "AccessToken | RefreshToken") -> str:
        """Why this API key refuses a token at any time, or "" if it doesn't."""
        if token.epoch != self.epoch:
            return "was issued before the server started or its key was reset"
        if self.floor.covers(token):
            return "was issued before the oldest token record that is still kept"
        return ""


class TokenFamily(Struct, frozen=True, kw_only=True):
    """All tokens that go back to one grant. `sequence` is the number of the refresh token that is valid.

    `rotated_at` is when the one before it was used up. No token of the family was issued after `issued_at`,
    and all have expired at `expires_at`. A family that was never refreshed or revoked has no record.
    """

    sequence: int = 0
    rotated_at: float = 0.0
    revoked: bool = False
    issued_at: float = 0.0
    expires_at: float = 0.0


class IssuerKeys(Struct, frozen=True, kw_only=True):
    """The secrets of the issuer in base64url: Ed25519 private keys, and the secret of refresh tokens.

    `private_key` signs. The `retired` ones, latest first, only verify what they signed before.
    """

    private_key: str
    refresh_secret: str
    retired: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "SigningKeys()"


class RefreshToken(Struct, frozen=True, kw_only=True):
    """The content of a genuine refresh token; times are Unix seconds."""

    client_id: str
    epoch: str
    family: str
    sequence: int
    scope: str
    client_type: ClientType
    issued_at: int
    expires_at: int


class AccessToken(Struct, frozen=True, kw_only=True):
    """The content of a genuine access token; `claims` are all claims, as signed (RFC 7519 §4)."""

    client_id: str
    epoch: str
    family: str
    client_type: ClientType
    jti: str
    scope: str
    audiences: tuple[str, ...]
    expires_at: float
    claims: Mapping[str, object]

    @property
    def issued_at(self) -> float:
        """The claim `iat`, or 0 if that isn't a positive number."""
        issued_at = self.claims.get("iat")
        return max(0, issued_at) if isinstance(issued_at, int | float) else 0


class Exchange(Struct, frozen=True, kw_only=True):
    """A request and its answer in the journal, without secrets and whole tokens.

    `at` is Unix seconds on the clock of the API key. `client_id` is the one that the request claims, if there
    is such a key. `endpoint` is token, revoke, or the name of an operation (ping, listCards), and None for an
    unknown path. `status` is None if no answer was sent, `fault` the id of the fault that was triggered.
    `headers` and `parameters` are redacted. `issued` names the issued tokens: an access token by its `jti`,
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
