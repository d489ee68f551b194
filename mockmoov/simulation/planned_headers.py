"""The headers that a planned response may have."""

import re
from collections.abc import Iterable, Mapping

from mockmoov.oauth.errors import printable
from mockmoov.oauth.messages import Fields
from mockmoov.oauth.responses import REASON_HEADER

REQUEST_ID = "x-request-id"
WITHOUT_BODY = frozenset({204, 205, 304})  # RFC 9110 §15.3.5, §15.3.6, §15.4.5
_QUOTED = 60  # characters of a name in an error
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110 §5.6.2
_FIELD_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,2000}[\x21-\x7e])?")  # RFC 9110 §5.5, ASCII only
# Headers that the server sets itself.
_RESERVED = frozenset(
    {"connection", "content-length", "date", "trailer", "transfer-encoding", REASON_HEADER, REQUEST_ID}
)


def is_field_value(text: str) -> bool:
    """Whether a header can have this value."""
    return bool(_FIELD_VALUE.fullmatch(text))


def invalid_header(headers: Mapping[str, str | None]) -> str | None:
    """Why these headers can't be sent, as a predicate; None if they can.

    A header that is None is left out of the response, which even the request id may be.
    """
    for name, value in headers.items():
        reserved = _RESERVED - {REQUEST_ID} if value is None else _RESERVED
        quoted = f'"{printable(name, _QUOTED)}"'
        if not _TOKEN.fullmatch(name):
            return f"contains {quoted}, which is not the name of a header"
        if name.lower() in reserved:
            return f"contains {quoted}, which the server sets itself"
        if value is not None and not is_field_value(value):
            return f"contains a value of {quoted} that is not printable ASCII"
    return None


def set_headers(headers: Iterable[tuple[str, str]], changes: Mapping[str, str | None]) -> Fields:
    """The headers with these changes; names in lower case."""
    changed = {name.lower(): value for name, value in changes.items()}
    kept = (field for field in headers if field[0] not in changed)
    return (*kept, *((name, value) for name, value in changed.items() if value is not None))
