"""Servers on a SQLite file are killed under load: nothing that they acknowledged is lost."""

import sqlite3
import stat
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random
from threading import Event, Semaphore

import pytest

from tests.support.connections import over_http
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
from tests.support.serving import serving_process
from tests.support.tokens import members

CLIENTS = 4
Server = tuple[str, subprocess.Popen[str]]


def load_and_kill(
    servers: Sequence[Server], victims: Sequence[int], random: Random, kids: list[str]
) -> tuple[list[Client], SigningKeys]:
    """Kill servers at a random moment while clients use all of them; what the clients know afterwards."""
    stop, acknowledged, keys = Event(), Semaphore(0), SigningKeys(kids)
    clients = [
        Client(servers[number % len(servers)][0], Random(random.random()), keys if number == 0 else None)
        for number in range(CLIENTS)
    ]
    with ThreadPoolExecutor(CLIENTS) as pool:
        runs = [pool.submit(client.run, stop, acknowledged.release) for client in clients]
        try:
            await_acknowledged(acknowledged, random.randrange(20, 500))
            time.sleep(random.uniform(0, 0.005))  # so that it isn't always just after an answer
            for victim in victims:
                servers[victim][1].kill()
            if len(victims) < len(servers):
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
        clients, keys = load_and_kill(running, victims, random, kids)
        for victim in victims:
            assert running[victim][1].wait() == -9
            running[victim] = stack.enter_context(serving_process(*flags))
        send = stack.enter_context(over_http(*[url for url, _ in running]))
        families = [family for client in clients for family in client.families]
        wrong = [
            *wrong_file(path),
            *wrong_keys(send, [key for client in clients for key in client.keys]),
            *wrong_signing_keys(send, keys),
            *wrong_families(send, families),
            *revived(send, random.sample(earlier, min(50, len(earlier)))),
        ]
        numbers = [each["number"] for each in members(control(send, "GET", "/exchanges"))["exchanges"]]
        assert numbers == sorted({*numbers})
        earlier += families
        return [(number, each) for each in wrong]


ROUNDS = [(1, [0]), (2, [0]), (2, [0, 1])]  # how many servers there are, and which are killed


@pytest.mark.slow
@pytest.mark.parametrize(("servers", "victims"), ROUNDS)
def test_killed_server_loses_nothing_that_it_acknowledged(
    servers: int, victims: list[int], tmp_path: Path
) -> None:
    assert wrong_round(tmp_path / "state.db", servers, servers, victims, []) == []


@pytest.mark.soak
def test_servers_killed_fifty_times_lose_nothing(tmp_path: Path) -> None:
    path, earlier, wrong = tmp_path / "state.db", list[Family](), list[object]()
    for number in range(50):
        servers, victims = ROUNDS[0] if number % 3 else ROUNDS[1 + number // 3 % 2]
        wrong += wrong_round(path, number, servers, victims, earlier)
    assert wrong == []
    assert len(earlier) > 1000
