"""The errors of Moov's rules: `OAuthError` for a rejected request, `FieldError` for invalid input.

Statuses and bodies are not decided here: a contract maps an error to its response.
"""

import re
from enum import StrEnum
from functools import partial
from reprlib import Repr

REASON_LIMIT = 200  # characters
_QUOTE_LIMIT = 80  # characters of a wrong value
_quoting = Repr()  # takes odd objects and deep nesting, too
_quoting.maxstring = _quoting.maxother = _quoting.maxlong = 2**31  # whole: it is cut after the look for an @

_URL_WITH_SECRET = re.compile("@|://.*[?#]", re.DOTALL)  # user information, a query or a fragment


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
    error instead of the code. `reason` never contains a secret or a token. `missing` are the parameters that
    the request lacks.
    """

    def __init__(
        self, code: ErrorCode, reason: str, *, parameter: str | None = None, missing: tuple[str, ...] = ()
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.parameter = parameter
        self.missing = missing


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
    """A field of the input is invalid: `field` names it, the message says why.

    `quoted` is the message for who may read the value: it quotes it, unless it is a credential.
    """

    def __init__(self, field: str, message: str, *, quoted: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.quoted = quoted or message


class InvalidValueError(ValueError):
    """A value is invalid: `expected` continues its name ("must be on or off"), `advice` follows.

    The message doesn't repeat the value, as it may be a secret; `quoted` does.
    """

    def __init__(self, expected: str, value: object, advice: str = "") -> None:
        super().__init__(expected + advice)
        self._parts = expected, value, advice

    @property
    def quoted(self) -> str:
        """The message with the value, cut to 80 characters; without it if it may be a URL with a secret."""
        expected, value, advice = self._parts
        try:
            text = _quoting.repr(value)
        except ValueError:  # Python writes no int this long
            text = "a number with too many digits"
        cut = text if len(text) <= _QUOTE_LIMIT else text[: _QUOTE_LIMIT - 3] + "..."
        return f"{expected}{'' if _URL_WITH_SECRET.search(text) else f', not {cut}'}{advice}"


def printable(text: str, limit: int = REASON_LIMIT) -> str:
    r"""Format a text as one line of printable ASCII, cut to `limit` characters; escape the rest as `\x..`."""
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    escaped = "".join(c if " " <= c <= "~" else ascii(c)[1:-1] for c in text[:limit])
    return escaped if len(escaped) <= limit and len(text) <= limit else escaped[: limit - 3] + "..."
