"""The errors of Moov's rules: `OAuthError` for a rejected request, `FieldError` for invalid input.

Statuses and bodies are not decided here: a contract maps an error to its response.
"""

from enum import StrEnum
from functools import partial

REASON_LIMIT = 200  # characters


class ErrorCode(StrEnum):
    """The six error codes that both contracts use (RFC 6749 §5.2)."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    INVALID_SCOPE = "invalid_scope"


class OAuthError(Exception):
    """A rejected request: `code` goes on the wire, `reason` into the log and `X-Mockmoov-Reason`.

    `parameter` is set only if a single parameter is at fault; a contract may then answer with a field
    error instead of the code. `reason` never contains a secret or a token.
    """

    def __init__(self, code: ErrorCode, reason: str, *, parameter: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.parameter = parameter


class ExpiredTokenError(OAuthError):
    """The token is genuine, but has expired."""

    def __init__(self, reason: str) -> None:
        super().__init__(ErrorCode.INVALID_CLIENT, reason)


# The errors of one code, made from a reason; of the last two, the parameter at fault is always the same.
invalid_request = partial(OAuthError, ErrorCode.INVALID_REQUEST)
invalid_client = partial(OAuthError, ErrorCode.INVALID_CLIENT)
invalid_grant = partial(OAuthError, ErrorCode.INVALID_GRANT, parameter="refresh_token")
invalid_scope = partial(OAuthError, ErrorCode.INVALID_SCOPE, parameter="scope")


class FieldError(ValueError):
    """A field of the input is invalid: `field` names it, the message says why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def printable(text: str, limit: int = REASON_LIMIT) -> str:
    r"""Format a text as one line of printable ASCII, cut to `limit` characters; escape the rest as `\x..`."""
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    escaped = "".join(c if " " <= c <= "~" else ascii(c)[1:-1] for c in text[:limit])
    return escaped if len(escaped) <= limit and len(text) <= limit else escaped[: limit - 3] + "..."
