"""The messages that the layers pass to each other: requests and responses, of HTTP and of OAuth."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from msgspec import Struct

from mockmoov.oauth.records import ClientType, TokenFormat

Headers = Mapping[str, tuple[str, ...]]  # of a request: the values of each name; names in lower case


class FrozenHeaders(dict[str, tuple[str, ...]]):
    """Headers that nobody changes, so that what was read from them can be remembered.

    Only few and short ones are: what an attacker sends must not fill the memory.
    """

    MOST: ClassVar = 32  # fields, repeated ones counted
    LONGEST: ClassVar = 8192  # characters of their values

    __slots__ = ("_hash",)
    _hash: int

    @classmethod
    def of(cls, headers: Headers) -> Headers:
        """These headers, as they are if they must not be remembered."""
        values = [value for field in headers.values() for value in field]
        return cls(headers) if cls.may_have(values) else headers

    @classmethod
    def may_have(cls, values: Sequence[str | bytes]) -> bool:
        """Whether the values of all fields are few and short."""
        return len(values) <= cls.MOST and sum(map(len, values)) <= cls.LONGEST

    def __hash__(self) -> int:  # type: ignore[override] # a dict has none
        try:
            return self._hash
        except AttributeError:
            self._hash = hash(tuple(self.items()))
            return self._hash


Fields = tuple[tuple[str, str], ...]  # header names and values, in the order in which they are sent


class HttpRequest(Struct, frozen=True, kw_only=True):
    """An HTTP request: `path` is raw (percent-encoded) and without the query; header names are in lower case.

    `reads_chunks`: whether the client understands a chunked response, as of HTTP/1.1 (RFC 9112 §6.1).
    """

    method: str
    path: str
    scheme: str = "http"
    query: bytes = b""
    headers: Headers = {}
    body: bytes = b""
    reads_chunks: bool = True


class HttpResponse(Struct, frozen=True, kw_only=True):
    """An HTTP response; header names are in lower case."""

    status: int
    headers: Fields = ()
    body: bytes = b""


class ClientCredentials(Struct, frozen=True, kw_only=True):
    """Client credentials as sent (RFC 6749 §2.3.1): each value raw and, if that differs, percent-decoded.

    `parameter` is the body parameter at fault if they are wrong; None if they came with HTTP Basic.
    """

    client_ids: tuple[str, ...]
    client_secrets: tuple[str, ...]
    parameter: str | None = None


class TokenRequest(Struct, frozen=True, kw_only=True):
    """A request to the token endpoint (RFC 6749 §4.4.2, §6); an absent parameter is None."""

    credentials: ClientCredentials | None
    grant_type: str | None
    scope: str | None
    refresh_token: str | None
    client_type: ClientType


class RevocationRequest(Struct, frozen=True, kw_only=True):
    """A request to the revocation endpoint (RFC 7009 §2.1) or to introspection (RFC 7662 §2.1)."""

    credentials: ClientCredentials | None
    token: str | None
    token_type_hint: str | None


class TokenResponse(Struct, frozen=True, kw_only=True):
    """A successful response of the token endpoint (RFC 6749 §5.1); times in Unix seconds.

    `expires_at` is that of the access token. `family` and `sequence` are those of the refresh token.
    """

    access_token: str
    refresh_token: str
    scope: str
    issued_at: int
    expires_at: int
    token_format: TokenFormat
    jti: str
    family: str
    sequence: int
    refresh_expires_at: int
