"""Checks values that only the control plane has: times, and which exchanges to select."""

import re
from datetime import datetime

from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.fields import require_one_of
from mockmoov.oauth.grants import GRANTS
from mockmoov.oauth.operations import endpoint_name
from mockmoov.simulation.clock import FIRST, LAST

_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")


def read_selectors(endpoint: object, grant_type: object) -> str | None:
    """The name of the endpoint that these select, None for any; raises `FieldError`."""
    if grant_type is not None:
        require_one_of("grant_type", grant_type, GRANTS)
    return None if endpoint is None else endpoint_name(str(endpoint))


def read_time(field: str, value: object) -> float:
    """Parse Unix seconds, or ISO 8601 with an offset, into Unix seconds; raises `FieldError`."""
    seconds: float | None = None
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
            seconds = at.timestamp() if at.tzinfo else None
        except (ValueError, OverflowError):
            seconds = float(value) if _NUMBER.fullmatch(value) else None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    if seconds is None or not FIRST <= seconds < LAST:
        raise FieldError(
            field, f"{field} must be Unix seconds or ISO 8601 with an offset, in the years 1970 to 9998"
        )
    return seconds
