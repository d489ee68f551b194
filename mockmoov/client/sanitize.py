"""Owns which text may be sent, believed and shown; it must not know what the text means."""

import json
import re
from collections.abc import Iterable

SHOWN = 200
"""Characters of foreign text that an error may quote."""

SHORTEST_SECRET = 8
"""Shorter values are not masked: they would mask everything else."""

_PRINTABLE = re.compile(r"[\x20-\x7E]+")  # VSCHAR, RFC 6749 Appendix A


def is_printable(text: str) -> bool:
    """Whether `text` is one or more of RFC 6749's visible characters and spaces."""
    return _PRINTABLE.fullmatch(text) is not None


def require_printable(**values: str | None) -> None:
    """Raise `ValueError`, naming but not quoting, for a value that is empty or not printable ASCII."""
    for name, value in values.items():
        if value is not None and not is_printable(value):
            raise ValueError(f"{name} must be printable ASCII and not empty")


def shown(text: str, secrets: Iterable[str]) -> str:
    """`text` fit for an error message: secrets masked, escaped to one ASCII line, cut at 200 characters."""
    for secret in sorted(secrets, key=len, reverse=True):  # one may hold another
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text.encode("unicode_escape").decode("ascii")[:SHOWN]


def json_object(content: bytes) -> dict[str, object] | None:
    """The JSON object in `content`, or None where it holds anything else."""
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
