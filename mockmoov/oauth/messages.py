"""Owns the shapes that pass between the rings: HTTP and OAuth messages. Must not know behaviour."""

from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct

from mockmoov.oauth.records import ClientType, TokenFormat

Headers = Mapping[str, tuple[str, ...]]


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


class Note(Struct, frozen=True, kw_only=True):
    """What the log says of an exchange beside the request line; never a secret or a whole token."""

    client_id: str = "-"
    grant_type: str = "-"


NO_NOTE = Note()


class Waiting(Struct, frozen=True, kw_only=True):
    """For how many `seconds` an answer may be asked for again, and whether it would be another one now."""

    seconds: float
    is_over: Callable[[], bool]


class HttpResponse(Struct, frozen=True, kw_only=True):
    """One response: header names in lower case, `note` for the log and not for the wire.

    `connection` says how it is kept from arriving whole: none is sent and the client waits (`hang`), none
    is sent and the connection is reset, or it is `cut` in the middle. `waiting`: it is not yet the answer
    that was waited for. `forward`, if it is not None: the request may pass, its answer is another server's to
    give, and these headers tell that one whose it is.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    note: Note = NO_NOTE
    connection: Literal["hang", "reset", "cut"] | None = None
    waiting: Waiting | None = None
    forward: tuple[tuple[str, str], ...] | None = None


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
