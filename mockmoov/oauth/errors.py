"""Owns the one refusal of the OAuth endpoints. Must not know statuses, bodies or contracts."""

from enum import StrEnum

REASON_LIMIT = 200


class ErrorCode(StrEnum):
    """The six error codes that either contract knows (RFC 6749 §5.2)."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    INVALID_SCOPE = "invalid_scope"


class OAuthError(Exception):
    """A request was refused: `code` for the wire, `reason` for people, `parameter` the one at fault.

    `parameter` is given only where that parameter alone is at fault; a contract may then answer
    with a field error instead of the code. The reason never holds a secret or a token.
    """

    def __init__(self, code: ErrorCode, reason: str, *, parameter: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.parameter = parameter


class FieldError(ValueError):
    """A member of some input is not good; the message says why, and `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def printable(text: str, limit: int = REASON_LIMIT) -> str:
    r"""One line of printable ASCII, at most `limit` characters; anything else is escaped as `\x..`."""
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    escaped = "".join(c if " " <= c <= "~" else ascii(c)[1:-1] for c in text[:limit])
    return escaped if len(escaped) <= limit and len(text) <= limit else escaped[: limit - 3] + "..."
