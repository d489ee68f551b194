"""The records that outlive a request, in the store or inside a token."""

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

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
# Why a token of a family is refused, as predicates.
REVOKED = "was revoked, by a request or because a used refresh token of its family was sent again"
USED = "was used already: each works once, so use that of the latest response, or request a new token"


class ApiKey(Struct, frozen=True, kw_only=True):
    """A Moov API key. `scopes` None means every scope.

    `account_id` becomes the claim `caid`, `application_id` the claim `aid`; `origins` are the registered
    domains, serialized as in RFC 6454 §6.1 (`https://shop.example`). Tokens of another `epoch` are refused,
    and those that the `floor` covers. `created_at` is in Unix seconds.
    """

    client_id: str
    client_secret: str
    account_id: str
    application_id: str
    origins: tuple[str, ...] = ()
    scopes: tuple[str, ...] | None = None
    grants: tuple[str, ...]
    enabled: bool = True
    epoch: str
    floor: TokenFloor = NO_FLOOR
    created_at: float = 0.0

    def __repr__(self) -> str:
        return f"ApiKey(client_id={self.client_id!r})"

    def rejection_reason(self, token: "AccessToken | RefreshToken", restart_advice: str = "") -> str:
        """Why this API key refuses a token at any time, or "" if it doesn't.

        `restart_advice` is added to the reason of a token that may be from before a restart.
        """
        if token.epoch != self.epoch:
            started = "the server started, or before " if restart_advice else ""
            return f"was issued before {started}its API key was reset or created again{restart_advice}"
        if self.floor.covers(token):
            return "may have been revoked: the server dropped the records of that time to make room"
        return ""


class TokenFamily(Struct, frozen=True, kw_only=True):
    """All tokens that descend from one grant. `sequence` is the number of the current refresh token.

    `rotated_at` is when the previous one was used up. No token of the family was issued after `issued_at`,
    and all of them have expired at `expires_at`. Times are Unix seconds. A family that was never refreshed or
    revoked has no record.
    """

    sequence: int = 0
    rotated_at: float = 0.0
    revoked: bool = False
    issued_at: float = 0.0
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


class RefreshToken(Struct, frozen=True, kw_only=True, array_like=True):
    """The contents of a genuine refresh token, in the order of its text; times in Unix seconds."""

    client_id: str
    epoch: str
    family: str
    sequence: int
    scope: str
    client_type: ClientType
    issued_at: int
    expires_at: int


class AccessToken(Struct, frozen=True, kw_only=True):
    """The contents of an access token; `claims` are all of its claims, as signed (RFC 7519 §4).

    It is genuine if it comes from the store or from `verified_access_token`.
    """

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


class Issued(TypedDict, total=False):
    """The names of the tokens in a response, not the tokens, and when they expire; empty without tokens.

    `family` is the token family of both, `sequence` the number of the refresh token in it. Times are Unix
    seconds on the clock of the API key.
    """

    access_token: str
    refresh_token: str
    family: str
    sequence: int
    expires_at: int
    refresh_expires_at: int


class Exchange(Struct, frozen=True, kw_only=True):
    """A journal entry: one request and its response, without secrets or whole tokens.

    `at` is in Unix seconds on the clock of the API key. `client_id` is the claimed one, None if there is no
    such API key. `endpoint` is token, revoke or the name of an operation (ping, listCards), None for an
    unknown path. `status` is None if no response was sent. `fault` is the id of the triggered fault, `stub`
    that of the stub that answered. `headers` and `parameters` (of an OAuth request) are redacted. `issued`
    identifies the issued tokens: access tokens by `jti`, others by a short hash.

    What an operation was sent: `path_parameters` and `query`, decoded, and `body`, its JSON body of up to 16
    KiB, else None; secrets, card numbers and account numbers in them are masked.
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
    issued: Issued
    stub: str | None = None
    path_parameters: Mapping[str, str] = {}
    query: Mapping[str, tuple[str, ...]] = {}
    body: Any = None
    number: int = 0
