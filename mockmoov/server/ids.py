"""Random ids of requests, tokens and token families. They must differ, but need not be secret.

The system's own random numbers would cost a call of the system for each.
"""

import os
from contextlib import suppress
from random import Random

_random = Random()  # noqa: S311 - nobody gains anything by guessing an id: tokens are signed
with suppress(AttributeError):  # Windows has no fork
    os.register_at_fork(after_in_child=_random.seed)


def new_id() -> str:
    """A random id of 128 bits, as 32 hex digits."""
    return f"{_random.getrandbits(128):032x}"


def new_request_id() -> str:
    """A random UUID (RFC 9562 §5.4). A caller's own id is not echoed (choice)."""
    digits = new_id()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
