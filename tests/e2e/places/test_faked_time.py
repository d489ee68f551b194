"""A server in a process whose time freezegun or time-machine replaces (docs/early-renewal.md)."""

import sys
from pathlib import Path

import pytest

from tests.e2e.places.test_places import need, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

CONFTEST = """
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from freezegun import freeze_time

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["freezegun", "time-machine"])
def move(moov, request):
    if request.param == "freezegun":
        with freeze_time(NOON, real_asyncio=True) as clock:
            yield lambda **duration: clock.tick(timedelta(**duration))
    else:
        with time_machine.travel(NOON, tick=False) as clock:
            yield lambda **duration: clock.shift(timedelta(**duration))
"""
TESTS = """
import threading
from datetime import timedelta
from functools import partial

import httpx2
import pytest

from conftest import NOON
from mockmoov import MockMoov


def ping(moov, token):
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.get(f"{moov.url}/ping", headers=headers, timeout=20).status_code


def test_server_follows_the_clock_of_the_process(moov, move):
    token = moov.mint()
    assert (moov.clock.now(), token.claims["iat"], ping(moov, token)) == (NOON, NOON.timestamp(), 200)
    move(hours=1)
    assert moov.clock.now() == NOON + timedelta(hours=1)
    assert ping(moov, token) == 401
    assert [exchange.at for exchange in moov.exchanges()] == [NOON.timestamp(), NOON.timestamp() + 3600]
    moov.clock.shift(hours=1)
    assert moov.clock.now() == NOON + timedelta(hours=2)


def test_waits_and_delays_use_real_time(moov, move):
    moov.faults.add(endpoint="ping", delay=0.1)
    thread = threading.Thread(target=partial(ping, moov, moov.mint()))
    thread.start()
    assert moov.exchanges.wait(1, timeout=20)
    thread.join()
    with pytest.raises(TimeoutError):
        moov.exchanges.wait(2, timeout=0.1)


@pytest.mark.mockmoov(tls=True)
def test_https_servers_start_after_the_first_one(moov, move):
    for _ in range(2):
        with MockMoov(tls=True) as server:
            assert ping(server, server.mint()) == 200
"""


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_server_runs_while_time_is_frozen(loop: str, tmp_path: Path) -> None:
    need("module:freezegun", "module:time_machine")
    without_uvloop = "import sys\nsys.modules['uvloop'] = None\n" if loop == "asyncio" else ""
    (tmp_path / "conftest.py").write_text(without_uvloop + CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    plugins = ("-p", "no:cacheprovider", "-p", "no:asyncio")
    done = run(sys.executable, "-m", "pytest", "-q", "-W", "error", *plugins, cwd=tmp_path)
    assert "6 passed" in done.stdout, done.stdout
