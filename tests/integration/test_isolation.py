"""API keys share a server and nothing else, and what the server keeps is bounded.

A `Life` is a random program that uses one API key, its clock, faults, tokens and journal, and knows what it
must see. Many of them live at once; whatever one sees of another is a difference.
"""

import gc
import json
import os
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from random import Random
from typing import Any, get_args
from urllib.parse import urlencode, urlsplit

import httpx2
import pytest

from mockmoov import MockMoov, MoovKey
from mockmoov.storage.entries import decode_api_key
from mockmoov.testing import DefectName, EndpointName
from tests.support.contract_fixtures import Send
from tests.support.forgetting import bounded_server, few
from tests.support.servers import Clock, basic, bearer, post_form, sender
from tests.support.serving import environment, serving

ROOT = Path(__file__).parents[2]
LIFETIME, REFRESH_LIFETIME = 3600, 259_200
STEPS = 30


# --- a life -------------------------------------------------------------------------------------


@dataclass
class Family:
    """A grant: how often it was refreshed, and whether it was revoked."""

    sequence: int = 0
    revoked: bool = False


@dataclass
class Held:
    """A token that the program holds, issued `at` a time; `refresh` is empty for one that was minted."""

    access: str
    at: float
    epoch: int
    family: Family
    refresh: str = ""
    sequence: int = 0
    revoked: bool = False


@dataclass
class Planned:
    """A fault of the plan; `effect` is a status, or what happens to the connection, or a delay."""

    endpoint: EndpointName | None
    after: int
    times: int
    effect: int | str
    matched: int = 0
    triggered: int = 0


class Life:
    """A program, and what it must see. Its clock is frozen, at times that are no other life's."""

    def __init__(self, key: MoovKey, http: httpx2.Client, number: int) -> None:
        self.key = key
        self.http = http
        self.random = Random(number)
        self.base = 1_900_000_000 + (-1) ** number * (number + 1) * 5_000_000
        self.now = float(self.base)
        self.plan: list[Planned] = []
        self.journal: list[tuple[str, str | None, int | None, float]] = []  # endpoint, grant, status, time
        self.tokens: list[Held] = []
        self.epoch = 0
        self.enabled = True
        key.clock.freeze(self.now)

    def live(self, meddle: Callable[[], object] = lambda: None) -> None:
        """Take random steps, and compare; `meddle` is what another does halfway."""
        actions: list[tuple[int, Callable[[], None]]] = [
            (6, self.create), (8, self.ping), (6, self.refresh), (4, self.revoke), (2, self.mint),
            (2, self.shift), (3, self.set_clock), (3, self.add_fault), (1, self.remove_fault),
            (2, self.compare), (1, self.forget), (1, self.reset), (1, self.switch),
        ]  # fmt: skip
        weights = [weight for weight, _ in actions]
        for step in range(STEPS):
            self.random.choices([action for _, action in actions], weights)[0]()
            if step == STEPS // 2:
                meddle()
        self.compare()

    # --- what the program requests ----------------------------------------------------------------

    def create(self) -> None:
        scope = self.random.choice(["/ping.read"] * 4 + ["/nope.read"])
        status = 401 if not self.enabled else 200 if scope == "/ping.read" else 400
        response = self.ask("token", lambda: status, {"grant_type": "client_credentials", "scope": scope})
        self.hold(response, Family())

    def refresh(self) -> None:
        if held := self.pick(lambda held: bool(held.refresh)):
            data = {"grant_type": "refresh_token", "refresh_token": held.refresh}
            self.hold(self.ask("token", lambda: self.refreshed(held), data), held.family)

    def refreshed(self, held: Held) -> int:
        family = held.family
        if not self.enabled:
            return 401
        if held.epoch != self.epoch or self.now >= held.at + REFRESH_LIFETIME or family.revoked:
            return 400
        if held.sequence != family.sequence:
            family.revoked = True
            return 400
        family.sequence += 1
        return 200

    def ping(self) -> None:
        if held := self.pick():
            self.ask("ping", lambda: 200 if self.is_valid(held) else 401, token=held.access)

    def is_valid(self, held: Held) -> bool:
        revoked = held.revoked or held.family.revoked or held.epoch != self.epoch
        return self.enabled and self.now < held.at + LIFETIME and not revoked

    def revoke(self) -> None:
        if held := self.pick():
            token = self.random.choice([held.refresh or held.access, held.access])
            self.ask("revoke", lambda: self.revoked(held, token), {"token": token})

    def revoked(self, held: Held, token: str) -> int:
        if not self.enabled:
            return 401
        if token == held.refresh:
            held.family.revoked |= self.now < held.at + REFRESH_LIFETIME
        else:
            held.revoked |= self.now < held.at + LIFETIME
        return 204

    def mint(self) -> None:
        defect = self.random.choice([None, None, *get_args(DefectName)])
        token = self.key.mint(defect=defect, lifetime=LIFETIME)
        if defect is not None:
            self.ask("ping", lambda: 401, token=token)
        else:
            self.tokens.append(Held(token, self.now, self.epoch, Family()))

    def pick(self, fits: Callable[[Held], bool] = lambda _: True) -> Held | None:
        found = [held for held in self.tokens if fits(held)]
        return self.random.choice(found[-4:]) if found else None

    def hold(self, response: httpx2.Response | None, family: Family) -> None:
        if response is not None and response.status_code == 200:
            document, state = response.json(), (self.now, self.epoch, family)
            held = Held(document["access_token"], *state, document["refresh_token"], family.sequence)
            self.tokens.append(held)

    def ask(
        self,
        endpoint: str,
        status: Callable[[], int],
        data: Mapping[str, str] | None = None,
        token: str = "",
    ) -> httpx2.Response | None:
        """Send a request; `status` is that of its response unless a fault changes it."""
        fault = self.next_fault(endpoint)
        effect = fault.effect if fault else None
        method, path = ("GET", "/ping") if endpoint == "ping" else ("POST", f"/oauth2/{endpoint}")
        credentials = basic(self.key.client_id, self.key.client_secret) if data else bearer(token)
        headers = dict([credentials, ("content-type", "application/x-www-form-urlencoded")])
        body = urlencode(data or {}).encode()
        expected = effect if isinstance(effect, int) else None
        if effect not in ("hang", "reset") and expected is None:
            expected = status()
        response = None
        if effect == "hang":
            self.ask_in_vain(method, path, headers, body)
        elif effect in ("reset", "cut"):
            with pytest.raises(httpx2.TransportError):
                self.http.request(method, self.key.url + path, headers=headers, content=body)
        else:
            response = self.http.request(method, self.key.url + path, headers=headers, content=body)
            assert response.status_code == expected, (endpoint, response.headers.get("x-mockmoov-reason"))
            assert parsedate_to_datetime(response.headers["date"]).timestamp() == self.now
        self.journal.append((endpoint, (data or {}).get("grant_type"), expected, self.now))
        return response

    def ask_in_vain(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """Send a request, and leave once the journal has it."""
        parts = urlsplit(self.key.url)
        lines = [f"{method} {path} HTTP/1.1", f"host: {parts.netloc}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            self.key.exchanges.wait(len(self.journal) + 1, timeout=60)

    def next_fault(self, endpoint: str) -> Planned | None:
        for fault in self.plan:
            if fault.endpoint not in (None, endpoint) or fault.triggered >= fault.times:
                continue
            fault.matched += 1
            if fault.matched > fault.after:
                fault.triggered += 1
                return fault
        return None

    # --- what it controls -------------------------------------------------------------------------

    def add_fault(self) -> None:
        effects: list[int | str] = [500, 503, 429, 503, "reset", "cut", "hang", "delay"]
        effect = self.random.choice(effects)
        fault = Planned(
            endpoint=self.random.choice([None, "token", "ping", "revoke"]),
            after=self.random.randrange(3),
            times=self.random.randrange(1, 3),
            effect=effect,
        )
        members: dict[str, Any] = {"status": effect} if isinstance(effect, int) else {"preset": effect}
        if effect == "delay":
            members = {"delay": 0.01}
        self.key.faults.add(**members, endpoint=fault.endpoint, after=fault.after, times=fault.times)
        self.plan.append(fault)

    def remove_fault(self) -> None:
        if self.plan:
            index = self.random.randrange(len(self.plan))
            self.key.faults.remove(self.key.faults.list()[index])
            del self.plan[index]

    def shift(self) -> None:
        seconds = 1000 * self.random.randrange(-6, 7)
        self.now += seconds
        assert self.key.clock.shift(seconds=seconds).timestamp() == self.now

    def set_clock(self) -> None:
        assert self.key.clock.resume().timestamp() >= self.now
        self.now = float(self.base + 1000 * self.random.randrange(100))
        assert self.key.clock.move_to(self.now).timestamp() >= self.now
        assert self.key.clock.freeze(self.now).timestamp() == self.now

    def switch(self) -> None:
        self.key.change(enabled=not self.enabled)
        self.enabled = not self.enabled

    def forget(self) -> None:
        self.key.exchanges.clear()
        self.journal.clear()

    def reset(self) -> None:
        self.key.reset()
        self.key.clock.freeze(self.now)
        self.journal.clear()
        self.plan.clear()
        self.epoch += 1

    def compare(self) -> None:
        assert self.key.clock.now().timestamp() == self.now
        found = self.key.exchanges()
        assert [(item.endpoint, item.grant_type, item.status, item.at) for item in found] == self.journal
        assert {exchange.client_id for exchange in found} <= {self.key.client_id}
        numbers = [exchange.number for exchange in found]
        assert numbers == sorted(set(numbers))
        rejected = [item for item in self.journal if (item[0], item[2]) == ("ping", 401)]
        assert self.key.exchanges.count(status=401, endpoint="ping") == len(rejected)
        counts = [(fault.endpoint, fault.matched, fault.triggered) for fault in self.key.faults]
        assert counts == [(fault.endpoint, fault.matched, fault.triggered) for fault in self.plan]


MEDDLING: Mapping[str, Callable[[MoovKey], object]] = {
    "asks": lambda key: httpx2.get(f"{key.url}/ping", headers=dict([bearer(key.mint())]), trust_env=False),
    "plans a fault": lambda key: key.faults.add("server-error", endpoint="revoke"),
    "removes faults": lambda key: key.faults.clear(),
    "moves the clock": lambda key: key.clock.shift(seconds=5),
    "empties the journal": lambda key: key.exchanges.clear(),
    "resets": lambda key: key.reset(),
    "disables": lambda key: key.disable(),
}


@pytest.fixture
def new_life() -> Iterator[Callable[[int], Life]]:
    with MockMoov() as moov, httpx2.Client(trust_env=False) as http:
        yield lambda number: Life(moov.new_api_key(), http, number)


@pytest.mark.slow
def test_lives_at_the_same_time_share_a_server_only(new_life: Callable[[int], Life]) -> None:
    with ThreadPoolExecutor(8) as threads:
        lives = [threads.submit(new_life(number).live) for number in range(24)]
    assert [life.exception() for life in lives] == [None] * 24


@pytest.mark.slow
def test_life_notices_whatever_another_does_to_its_key(new_life: Callable[[int], Life]) -> None:
    def notices(life: Life, meddle: Callable[[MoovKey], object]) -> bool:
        try:
            life.live(lambda: meddle(life.key))
        except (AssertionError, IndexError, httpx2.TransportError, pytest.fail.Exception):
            return True
        return False

    # In some lives there is nothing to change, or the change is undone by chance.
    unnoticed = [
        name
        for name, meddle in MEDDLING.items()
        if not any(notices(new_life(number), meddle) for number in range(16))
    ]
    assert unnoticed == []


GENERATED = """\
import httpx2
import pytest

pytest.register_assert_rewrite("tests.integration.test_isolation")
from tests.integration.test_isolation import Life

@pytest.fixture(scope="session")
def http():
    with httpx2.Client(trust_env=False, timeout=60) as client:
        yield client

@pytest.mark.mockmoov(untriggered="ignore")
@pytest.mark.parametrize("number", range(200))
def test_life(number, http, moov):
    Life(moov, http, number).live()
"""


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_two_hundred_tests_on_four_workers_share_a_server_only(tmp_path: Path) -> None:
    ini = "[pytest]\nasyncio_default_fixture_loop_scope = function\nmarkers =\n    slow: s\n    soak: s\n"
    (tmp_path / "pytest.ini").write_text(ini)
    (tmp_path / "test_lives.py").write_text(GENERATED)
    search = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "pytest", "-n", "4", "-q", "-W", "error", "-p", "no:cacheprovider"]
    with serving("--access-log", "off") as url:
        for _ in range(3):
            done = subprocess.run(
                [*command, "--mockmoov-url", url],
                cwd=tmp_path,
                env={**environment(), "PYTHONPATH": search},
                capture_output=True,
                text=True,
                check=False,
            )
            assert "200 passed" in done.stdout, done.stdout[-20_000:] + done.stderr
        with MockMoov.connect(url) as moov:
            assert len(moov.api_keys.list()) == 1  # every test deleted its key
            assert {exchange.client_id for exchange in moov.exchanges()} <= {None}


# --- what is kept -------------------------------------------------------------------------------


def traffic(send: Send) -> Iterator[None]:
    """Requests without end, one at a time: four of each family of tokens."""
    granted = {"grant_type": "client_credentials", "scope": "/ping.read"}
    while True:
        pair = json.loads(post_form(send, "/oauth2/token", basic(), **granted)[2])
        yield
        send("GET", "/ping", [bearer(pair["access_token"])], b"")
        yield
        refresh = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}
        post_form(send, "/oauth2/token", basic(), **refresh)
        yield
        post_form(send, "/oauth2/revoke", basic(), token=pair["access_token"])
        yield


def held_bytes() -> int:
    """The bytes that our own code has allocated since tracing began, but for the cache of API keys."""
    decode_api_key.cache_clear()  # each change of a key adds an entry
    gc.collect()
    ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, f"{ROOT}/mockmoov/*")])
    return sum(trace.size for trace in ours.traces)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("token_format", "exchanges"), [("jwt", 100_000), ("opaque", 30_000)])
def test_journal_of_10000_exchanges_takes_steady_memory(token_format: str, exchanges: int) -> None:
    clock, sizes = Clock(), []
    server = bounded_server(clock, few(1000), token_format=token_format)
    requests = traffic(sender(server))
    tracemalloc.start()
    try:
        for number in range(1, exchanges + 1):
            next(requests)
            clock.shift(100)
            if number in (20_000, exchanges // 2, exchanges):
                sizes.append(held_bytes())
    finally:
        tracemalloc.stop()
    journal = server.simulation.journal()
    assert (len(journal.exchanges), journal.dropped) == (10_000, exchanges - 10_000)
    numbers = [exchange.number for exchange in journal.exchanges]
    assert numbers == [*range(exchanges - 9_999, exchanges + 1)]
    assert max(sizes) < min(sizes) + 2**19, sizes
