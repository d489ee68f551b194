"""Checks text before it is sent, and redacts text before an error quotes it."""

import json
import re
from collections.abc import Iterable

MAX_QUOTED = 200
"""Characters of a response that an error may quote."""

MIN_SECRET = 8
"""Characters. Shorter values are not redacted, because they match too much other text."""

_PRINTABLE = re.compile(r"[\x20-\x7E]+")  # VSCHAR, RFC 6749 Appendix A


def is_printable(text: str) -> bool:
    """Whether `text` consists of one or more of RFC 6749's VSCHARs (visible ASCII and spaces)."""
    return _PRINTABLE.fullmatch(text) is not None


def require_printable(**values: str | None) -> None:
    """Raise a `ValueError` that names, but does not quote, a value that is empty or not printable ASCII."""
    for name, value in values.items():
        if value is not None and not is_printable(value):
            raise ValueError(f"{name} must be printable ASCII and not empty")


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text for an error message: without secrets, escaped to one ASCII line, cut at 200 characters."""
    for secret in sorted(secrets, key=len, reverse=True):  # one may contain another
        if len(secret) >= MIN_SECRET:
            text = text.replace(secret, "***")
    return text.encode("unicode_escape").decode("ascii")[:MAX_QUOTED]


def json_object(content: bytes) -> dict[str, object] | None:
    """The JSON object in `content`, or None if it is anything else."""
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
