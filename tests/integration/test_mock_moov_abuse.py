"""`MockMoov` in careless programs: threads, forks, many servers, and unplanned ends."""

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import httpx2
import pytest

from mockmoov import ControlError, MockMoov, MoovKey
from tests.support.serving import environment, serving_process

FORM = {"grant_type": "client_credentials", "scope": "/ping.read"}


def is_up(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/_mockmoov/health", trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


def ask(http: httpx2.Client, key: MoovKey) -> int:
    answer = http.post(f"{key.url}/oauth2/token", auth=(key.client_id, key.client_secret), data=FORM)
    return answer.status_code


def servers_running() -> int:
    return [thread.name for thread in threading.enumerate()].count("mockmoov")


# --- ends ---------------------------------------------------------------------------------------------


def test_whatever_ends_the_block_stops_the_server() -> None:
    before, started = servers_running(), list[MockMoov]()

    def program(error: BaseException) -> None:
        with MockMoov() as moov:
            started.append(moov)
            raise error

    for error in (ValueError(), KeyboardInterrupt(), SystemExit()):
        with pytest.raises(type(error)):
            program(error)
        assert not is_up(started[-1].url)
    assert servers_running() == before


def test_stop_from_many_threads_stops_once() -> None:
    before = servers_running()
    moov = MockMoov()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: moov.stop(), range(64)))
    assert not is_up(moov.url)
    assert servers_running() == before


@pytest.mark.slow
def test_stopping_server_answers_requests_or_closes_connections(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[int | str] = []
    gone = threading.Event()

    def hammer(key: MoovKey) -> None:
        with httpx2.Client(trust_env=False, timeout=30) as http:
            while not gone.is_set():
                try:
                    seen.append(ask(http, key))
                except httpx2.TransportError as error:
                    seen.append(type(error).__name__)

    with MockMoov() as moov:
        threads = [threading.Thread(target=hammer, args=[moov.new_api_key()]) for _ in range(8)]
        for thread in threads:
            thread.start()
        moov.exchanges.wait(100, timeout=60)
        moov.stop()
        gone.set()
        for thread in threads:
            thread.join(60)
    assert 100 <= seen.count(200) <= moov.exchanges.count(status=200)
    assert set(seen) <= {200, "ConnectError", "ReadError", "RemoteProtocolError", "WriteError"}
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


FORGOTTEN = """\
from mockmoov import MockMoov
import httpx2
moov = MockMoov()
key = moov.new_api_key()
del moov
assert httpx2.get(f"{key.url}/_mockmoov/health", trust_env=False).status_code == 200
"""


def run(program: str, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *flags, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment())


@pytest.mark.slow
def test_server_that_is_never_stopped_ends_with_its_process() -> None:
    ended = run(FORGOTTEN, "-X", "dev", "-W", "error")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


# --- crowds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "count", [pytest.param(10, marks=pytest.mark.slow), pytest.param(100, marks=pytest.mark.soak)]
)
def test_many_servers_in_one_process_leave_nothing_behind(count: int) -> None:
    MockMoov().stop()  # the first event loop of a process opens a pipe of uvloop's that stays
    before, descriptors = servers_running(), len(os.listdir("/proc/self/fd"))
    moovs = [MockMoov() for _ in range(count)]
    try:
        keys = [moov.new_api_key() for moov in moovs]
        assert len({key.url for key in keys}) == count
        with httpx2.Client(trust_env=False) as http:
            assert [ask(http, key) for key in keys] == [200] * count
        assert [moov.exchanges.count() for moov in moovs] == [1] * count
        assert servers_running() == before + count
    finally:
        for moov in moovs:
            moov.stop()
    assert servers_running() == before
    assert len(os.listdir("/proc/self/fd")) <= descriptors


@pytest.mark.slow
@pytest.mark.parametrize("is_connected", [False, True])
def test_threads_can_share_a_handle(is_connected: bool) -> None:
    with ExitStack() as stack:
        moov = stack.enter_context(MockMoov())
        if is_connected:
            moov = stack.enter_context(MockMoov.connect(moov.url))
        http = stack.enter_context(httpx2.Client(trust_env=False))

        def use(number: int) -> None:
            key = moov.new_api_key(client_id=f"key-{number}")
            key.clock.freeze(1_000_000_000 + number)
            key.faults.add(status=500, times=1)
            assert [ask(http, key) for _ in range(2)] == [500, 200]
            found = key.exchanges()
            assert [exchange.status for exchange in found] == [500, 200]
            assert {exchange.at for exchange in found} == {1_000_000_000 + number}
            key.delete()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(use, range(40)))
        assert len(moov.api_keys.list()) == 1


def test_server_may_be_started_in_a_running_event_loop() -> None:
    async def program() -> list[int]:
        with MockMoov() as moov:
            key = moov.new_api_key()
            credentials = key.client_id, key.client_secret
            async with httpx2.AsyncClient(trust_env=False) as http:
                asked = [http.post(f"{key.url}/oauth2/token", auth=credentials, data=FORM) for _ in range(20)]
                return [answer.status_code for answer in await asyncio.gather(*asked)]

    assert asyncio.run(program(), debug=True) == [200] * 20


# --- forks --------------------------------------------------------------------------------------------

FORKED = """\
import os, sys
import httpx2
from mockmoov import MockMoov

def is_up(url):
    return httpx2.get(f"{url}/_mockmoov/health", trust_env=False).status_code == 200

def stop():
    moov.stop()

def start_another():
    with MockMoov() as another:
        assert another.url != moov.url
        another.new_api_key()
        assert is_up(another.url) and is_up(moov.url)
        assert len(another.api_keys.list()) == 2

def only_end():
    pass

with MockMoov() as moov:
    for task in (stop, start_another, only_end):
        child = os.fork()
        if child == 0:
            task()
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0, task
        assert is_up(moov.url), task
        assert len(moov.api_keys.list()) == 1, task
"""


@pytest.mark.slow
def test_forked_child_leaves_the_parents_server_alone() -> None:
    ended = run(FORKED, "-W", "ignore::DeprecationWarning")  # Python 3.12 warns of forks beside threads
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


# --- a server elsewhere that dies ---------------------------------------------------------------------


@pytest.mark.slow
def test_server_killed_during_a_wait_is_an_error() -> None:
    with serving_process() as (url, process), MockMoov.connect(url) as moov:
        key = moov.new_api_key()
        killer = threading.Timer(0.2, process.kill)
        killer.start()
        with pytest.raises(ControlError, match=f"^no mockmoov answers at {url}: ") as caught:
            key.exchanges.wait(timeout=50)
        killer.join()
        assert caught.value.status == 0
        with pytest.raises(ControlError, match=f"^no mockmoov answers at {url}: "):
            key.clock.now()


def test_key_is_gone_after_its_server_is_replaced() -> None:
    with MockMoov() as first:
        handle = MockMoov.connect(first.url)
        key = handle.new_api_key()
    port = int(first.url.rpartition(":")[2])
    with handle, MockMoov(port=port):
        with suppress(ControlError):  # the first request may find the old connection closed
            handle.exchanges()
        with pytest.raises(ControlError, match="there is no API key with this client_id") as caught:
            key.clock.now()
        assert caught.value.status == 404
