"""What happens to a test that needs something that this machine lacks."""

import os
from typing import NoReturn

import pytest


def without(reason: str) -> NoReturn:
    """Skip the test; in CI, where nobody would notice a skip, fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (a skip is not allowed under CI)", pytrace=False)
    pytest.skip(reason)
