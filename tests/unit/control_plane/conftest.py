"""A server with a clock that stands still, and its control plane, for each test."""

import pytest

from tests.support.control import Desk
from tests.support.servers import Clock, new_server


@pytest.fixture
def wall() -> Clock:
    return Clock()


@pytest.fixture
def desk(wall: Clock) -> Desk:
    return Desk(new_server(clock=wall))
