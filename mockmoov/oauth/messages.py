"""Owns the shapes that pass between the rings: HTTP and OAuth messages. Must not know behaviour."""

from collections.abc import Mapping

from msgspec import Struct

from mockmoov.oauth.records import ClientType, TokenFormat

Headers = Mapping[str, tuple[str, ...]]
"""The header fields of a request: the values of each name, in lower case."""
Fields = tuple[tuple[str, str], ...]
"""Header fields in the order in which they are sent."""


class HttpRequest(Struct, frozen=True, kw_only=True):
    """One request: `path` raw (still percent-encoded) without the query; header names in lower case.

    `reads_chunks`: whether an answer may be sent in chunks, as from HTTP/1.1 on (RFC 9112 §6.1).
    """

    method: str
    path: str
    scheme: str = "http"
    query: bytes = b""
    headers: Headers = {}
    body: bytes = b""
    reads_chunks: bool = True


class HttpResponse(Struct, frozen=True, kw_only=True):
    """One response; header names in lower case."""

    status: int
    headers: Fields = ()
    body: bytes = b""


class ClientCredentials(Struct, frozen=True, kw_only=True):
    """What a client showed of itself (RFC 6749 §2.3.1): each value raw and, if that differs, decoded.

    `parameter` is the body parameter that is at fault when they are wrong; None if Basic was used.
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
    """A successful answer of the token endpoint (RFC 6749 §5.1); times in Unix seconds."""

    access_token: str
    refresh_token: str
    scope: str
    issued_at: int
    expires_at: int
    token_format: TokenFormat
    jti: str
