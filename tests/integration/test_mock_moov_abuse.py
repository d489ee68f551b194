"""The handle in the hands of a careless program: threads, forks, crowds of servers, ends nobody planned."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import httpx2
import pytest

from mockmoov import ControlError, MockMoov, MoovKey
from tests.support.serving import environment

FORM = {"grant_type": "client_credentials", "scope": "/ping.read"}


def is_up(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/_mockmoov/health", trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


def ask(http: httpx2.Client, key: MoovKey) -> int:
    answer = http.post(f"{key.url}/oauth2/token", auth=(key.client_id, key.client_secret or ""), data=FORM)
    return answer.status_code


def servers_running() -> int:
    return [thread.name for thread in threading.enumerate()].count("mockmoov")


# --- ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_whatever_ends_the_block_ends_the_server_and_goes_on(error: type[BaseException]) -> None:
    before, started = servers_running(), []

    def program() -> None:
        with MockMoov() as moov:
            started.append(moov)
            raise error

    with pytest.raises(error):
        program()
    assert not is_up(started[0].url)
    assert servers_running() == before


def test_to_stop_from_many_threads_at_once_is_to_stop_once() -> None:
    before = servers_running()
    moov = MockMoov()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: moov.stop(), range(64)))
    assert not is_up(moov.url)
    assert servers_running() == before


def test_a_server_that_stops_amid_requests_answers_each_or_ends_its_connection(
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
def test_a_server_that_nobody_stops_lives_as_long_as_the_process_and_ends_it_in_silence() -> None:
    ended = run(FORGOTTEN, "-X", "dev", "-W", "error")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


# --- crowds -------------------------------------------------------------------------------------------


def test_a_hundred_servers_live_in_one_process_and_leave_nothing() -> None:
    before, descriptors = servers_running(), len(os.listdir("/proc/self/fd"))
    moovs = [MockMoov() for _ in range(100)]
    try:
        keys = [moov.new_api_key() for moov in moovs]
        assert len({key.url for key in keys}) == 100
        with httpx2.Client(trust_env=False) as http:
            assert [ask(http, key) for key in keys] == [200] * 100
        assert [moov.exchanges.count() for moov in moovs] == [1] * 100
        assert servers_running() == before + 100
    finally:
        for moov in moovs:
            moov.stop()
    assert servers_running() == before
    assert len(os.listdir("/proc/self/fd")) <= descriptors


@contextmanager
def in_process() -> Iterator[MockMoov]:
    with MockMoov() as moov:
        yield moov


@contextmanager
def connected() -> Iterator[MockMoov]:
    with MockMoov() as moov, MockMoov.connect(moov.url) as handle:
        yield handle


@pytest.mark.parametrize("adapter", [in_process, connected])
def test_threads_that_share_a_handle_get_what_they_asked_for(adapter: Callable[..., object]) -> None:
    def use(number: int) -> None:
        key = moov.new_api_key(client_id=f"key-{number}")
        key.clock.freeze(1_000_000_000 + number)
        key.faults.add(status=500, times=1)
        with httpx2.Client(trust_env=False) as http:
            assert [ask(http, key) for _ in range(2)] == [500, 200]
        found = key.exchanges()
        assert [exchange.status for exchange in found] == [500, 200]
        assert {exchange.at for exchange in found} == {1_000_000_000 + number}
        key.delete()

    with adapter() as moov:  # type: ignore[attr-defined]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(use, range(40)))
        assert len(moov.api_keys.list()) == 1


def test_a_server_may_be_started_and_used_in_a_running_event_loop() -> None:
    async def program() -> list[int]:
        with MockMoov() as moov:
            key = moov.new_api_key()
            credentials = key.client_id, key.client_secret or ""
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
def test_what_a_forked_child_does_with_its_handle_leaves_the_parents_server_alone() -> None:
    ended = run(FORKED, "-W", "ignore::DeprecationWarning")  # Python 3.12 warns of forks beside threads
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


# --- a server elsewhere that dies ---------------------------------------------------------------------


@pytest.mark.slow
def test_a_server_that_is_killed_while_a_handle_waits_is_an_error_that_says_so() -> None:
    command = [sys.executable, "-m", "mockmoov", "serve", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with MockMoov.connect(url) as moov:
            key = moov.new_api_key()
            killer = threading.Timer(0.2, process.send_signal, [signal.SIGKILL])
            killer.start()
            with pytest.raises(ControlError, match=f"^no mockmoov answers at {url}: ") as caught:
                key.exchanges.wait(timeout=50)
            killer.join()
            assert caught.value.status == 0
            with pytest.raises(ControlError, match=f"^no mockmoov answers at {url}: "):
                key.clock.now()


def test_a_handle_of_a_server_that_was_replaced_learns_that_its_key_is_gone() -> None:
    with MockMoov() as first:
        handle = MockMoov.connect(first.url)
        key = handle.new_api_key()
    port = int(first.url.rpartition(":")[2])
    with handle, MockMoov(port=port):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(ControlError):
                handle.exchanges()
                break
        with pytest.raises(ControlError, match="there is no API key with this client_id") as caught:
            key.clock.now()
        assert caught.value.status == 404
