"""Servers and workers on one store are killed under load: nothing that they acknowledged is lost."""

import os
import signal
import sqlite3
import stat
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random
from threading import Event, Semaphore

import pytest

from tests.support.connections import over_http
from tests.support.contract_fixtures import Send
from tests.support.killing import (
    Client,
    Family,
    SigningKeys,
    control,
    revived,
    signing_kids,
    wrong_families,
    wrong_keys,
    wrong_signing_keys,
)
from tests.support.redis_servers import store_flags
from tests.support.serving import serving_process, workers_of
from tests.support.tokens import members

CLIENTS = 4
Server = tuple[str, subprocess.Popen[str]]


def load_and_kill(
    urls: Sequence[str], kill: Callable[[], bool], random: Random, kids: list[str]
) -> tuple[list[Client], SigningKeys]:
    """Kill servers at a random moment while clients use all of them; what the clients know afterwards.

    `kill` says whether there are clients that must go on.
    """
    stop, acknowledged, keys = Event(), Semaphore(0), SigningKeys(kids)
    clients = [
        Client(urls[number % len(urls)], Random(random.random()), keys if number == 0 else None)
        for number in range(CLIENTS)
    ]
    with ThreadPoolExecutor(CLIENTS) as pool:
        runs = [pool.submit(client.run, stop, acknowledged.release) for client in clients]
        try:
            await_acknowledged(acknowledged, random.randrange(20, 500))
            time.sleep(random.uniform(0, 0.005))  # so that it isn't always just after an answer
            if kill():
                await_acknowledged(acknowledged, 100)
        finally:
            stop.set()
        for run in runs:
            run.result()
    return clients, keys


def await_acknowledged(acknowledged: Semaphore, count: int) -> None:
    for _ in range(count):
        assert acknowledged.acquire(timeout=60), "no more answers"


def wrong_file(path: Path) -> list[object]:
    """What is wrong with the file, and which files in its folder others may read."""
    with closing(sqlite3.connect(path)) as connection:
        checks = connection.execute("PRAGMA integrity_check").fetchall()
    modes = [(each.name, stat.S_IMODE(each.stat().st_mode)) for each in path.parent.iterdir()]
    return [*(row for row in checks if row != ("ok",)), *(mode for mode in modes if mode[1] != 0o600)]


def wrong_round(
    path: Path, number: int, servers: int, victims: Sequence[int], earlier: list[Family]
) -> list[object]:
    """Start servers, kill some under load, and start them again: what they know otherwise than the clients.

    `earlier` are families of earlier rounds, all revoked; those of this round are added.
    """
    random = Random(number)
    flags = ("--store", f"sqlite:{path}", "--access-log", "off")
    with ExitStack() as stack:
        running = [stack.enter_context(serving_process(*flags)) for _ in range(servers)]
        with over_http(running[0][0]) as send:
            kids = signing_kids(send)

        def kill() -> bool:
            for victim in victims:
                running[victim][1].kill()
            return len(victims) < len(running)

        clients, keys = load_and_kill([url for url, _ in running], kill, random, kids)
        for victim in victims:
            assert running[victim][1].wait() == -9
            running[victim] = stack.enter_context(serving_process(*flags))
        send = stack.enter_context(over_http(*[url for url, _ in running]))
        wrong = [*wrong_file(path), *wrong_state(send, clients, keys, random, earlier)]
        return [(number, each) for each in wrong]


def wrong_state(
    send: Send, clients: Sequence[Client], keys: SigningKeys, random: Random, earlier: list[Family]
) -> list[object]:
    """What a server knows otherwise than the clients."""
    families = [family for client in clients for family in client.families]
    wrong = [
        *wrong_keys(send, [key for client in clients for key in client.keys]),
        *wrong_signing_keys(send, keys),
        *wrong_families(send, families),
        *revived(send, random.sample(earlier, min(50, len(earlier)))),
    ]
    numbers = [each["number"] for each in members(control(send, "GET", "/exchanges"))["exchanges"]]
    assert numbers == sorted({*numbers})
    earlier += families
    return wrong


def wrong_worker_round(flags: Sequence[str], number: int, earlier: list[Family]) -> list[object]:
    """Kill one of two workers under load: what they know otherwise than the clients."""
    random = Random(number)
    with (
        serving_process(*flags, "--workers", "2", "--access-log", "off") as (url, process),
        ExitStack() as stack,
    ):
        statuses = list[int]()

        def kill() -> bool:
            os.kill(random.choice(workers_of(process)), signal.SIGKILL)
            for _ in range(100):
                with over_http(url) as send:
                    statuses.append(send("GET", "/_mockmoov/health", [], b"")[0])
            return False  # all clients may have been connected to this worker

        with over_http(url) as send:
            kids = signing_kids(send)
        clients, keys = load_and_kill([url], kill, random, kids)
        assert statuses == [200] * 100
        send = stack.enter_context(over_http(url))
        return [(number, each) for each in wrong_state(send, clients, keys, random, earlier)]


ROUNDS = [(1, [0]), (2, [0]), (2, [0, 1])]  # how many servers there are, and which are killed


@pytest.mark.slow
@pytest.mark.parametrize(("servers", "victims"), ROUNDS)
def test_killed_server_loses_nothing_that_it_acknowledged(
    servers: int, victims: list[int], tmp_path: Path
) -> None:
    assert wrong_round(tmp_path / "state.db", servers, servers, victims, []) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_killed_worker_loses_nothing_and_others_answer(kind: str, tmp_path: Path) -> None:
    flags, earlier = store_flags(kind, tmp_path), list[Family]()
    for number in range(2):
        assert wrong_worker_round(flags, number, earlier) == []


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_workers_killed_fifty_times_lose_nothing(kind: str, tmp_path: Path) -> None:
    flags, earlier, wrong = store_flags(kind, tmp_path), list[Family](), list[object]()
    for number in range(50):
        wrong += wrong_worker_round(flags, number, earlier)
    assert wrong == []
    assert len(earlier) > 1000


@pytest.mark.soak
def test_servers_killed_fifty_times_lose_nothing(tmp_path: Path) -> None:
    path, earlier, wrong = tmp_path / "state.db", list[Family](), list[object]()
    for number in range(50):
        servers, victims = ROUNDS[0] if number % 3 else ROUNDS[1 + number // 3 % 2]
        wrong += wrong_round(path, number, servers, victims, earlier)
    assert wrong == []
    assert len(earlier) > 1000
