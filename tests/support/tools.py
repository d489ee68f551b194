"""What happens to a test whose tool is not on this machine."""

import os
from typing import NoReturn

import pytest


def without(reason: str) -> NoReturn:
    """Skip where a person works; fail where nobody would notice the skip."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (a skip is not allowed under CI)", pytrace=False)
    pytest.skip(reason)
