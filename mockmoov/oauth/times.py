"""Writes moments for people and for JSON."""

import time


def rfc3339(seconds: float) -> str:
    """Format a time in Unix seconds as in RFC 3339 §5.6, such as `2026-11-29T09:00:00Z`."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g}"
