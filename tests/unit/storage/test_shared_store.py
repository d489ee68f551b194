"""Stores on one SQLite file, as processes have them: they make it and evict from it at the same time."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import pytest

from mockmoov.storage.eviction import TokenTimes
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.repository import new_epoch
from mockmoov.storage.sqlite import SqliteStore
from mockmoov.storage.store import Swap
from tests.support.contract_fixtures import Send
from tests.support.forgetting import bounded_server_on, few
from tests.support.servers import CLIENT_ID, Clock, Header, another_key, basic, post_form, sender
from tests.support.tokens import members, mint, ping, refresh, revoke

THREADS = 4
KEYS = [another_key("a"), another_key("b")]


def at_once(*calls: Callable[[], object]) -> None:
    """Run these in threads that begin together; raises what one of them raises."""
    barrier, errors = threading.Barrier(len(calls)), list[Exception]()

    def run(call: Callable[[], object]) -> None:
        barrier.wait()
        try:
            call()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def put_missing(store: SqliteStore, value: bytes) -> None:
    store.compare_and_swap("k", None, value, group="g")


@pytest.mark.slow
def test_stores_that_make_one_file_together_agree(tmp_path: Path) -> None:
    for number in range(60):
        path = tmp_path / f"{number}.db"
        with ExitStack() as stack:
            stores = [stack.enter_context(closing(SqliteStore(path))) for _ in range(6)]
            values = [b"%d" % position for position in range(len(stores))]
            at_once(*[partial(put_missing, *each) for each in zip(stores, values, strict=True)])
            (kept,) = stores[0].get_many(["k"])
            assert kept in values
            assert [store.get_many(["k"]) for store in stores] == [[kept]] * len(stores)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_group_is_forgotten_together_with_a_swap_or_not_at_all(kind: str, tmp_path: Path) -> None:
    rows = [
        (None, b"new", False, b"old"),
        (b"other", b"new", False, b"old"),
        (b"old", b"new", True, b"new"),
        (None, b"new", False, b"new"),
        (b"old", None, False, b"new"),
        (b"new", None, True, None),
        (b"new", None, False, None),
        (None, None, True, None),
        (None, b"again", True, b"again"),
    ]
    with closing(MemoryStore() if kind == "memory" else SqliteStore(tmp_path / "state.db")) as store:
        store.put("key", b"old", group="kept")
        for expected, value, done, left in rows:
            store.put("forgotten", b"", group="group")
            version = store.version("kept")
            assert store.forget("group", Swap("key", expected, value, "kept")) is done
            assert store.get_many(["key", "forgotten"]) == [left, None if done else b""]
            assert store.scan("kept") == ([] if left is None else [left])
            assert (store.version("kept") != version) is (done and expected != value)
        assert store.forget("group")


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_entry_is_swapped_only_if_another_one_is_as_given(kind: str, tmp_path: Path) -> None:
    times = TokenTimes(0.0, 1.0, 1.0)
    with closing(MemoryStore() if kind == "memory" else SqliteStore(tmp_path / "state.db")) as store:
        store.put("other", b"1", group="g")
        rows = [
            (("other", b"2"), None, False),
            (("other", None), None, False),
            (("absent", b""), None, False),
            (("other", b"1"), None, True),
            (("absent", b"1"), b"old", False),
            (("absent", None), b"old", True),
            (("key", b"old"), b"old", True),  # itself
        ]
        for given, expected, done in rows:
            swapped = store.compare_and_swap("key", expected, b"old", group="g", times=times, given=given)
            assert swapped is done, (given, expected)
        assert store.get_many(["key", "other"]) == [b"old", b"1"]


@pytest.mark.slow
def test_revocations_during_resets_are_not_lost(tmp_path: Path) -> None:
    revived, done = list[str](), threading.Event()
    with ExitStack() as stack:
        stores = [stack.enter_context(closing(SqliteStore(tmp_path / "state.db"))) for _ in range(2)]
        first, second = (bounded_server_on(store, Clock(), few(10**6)) for store in stores)
        send = sender(second)

        def reset() -> None:
            while not done.is_set():
                first.repository.reset_api_key(CLIENT_ID, epoch=new_epoch())

        def use() -> None:
            try:
                for _ in range(300):
                    token = mint(send)["access_token"]
                    assert revoke(send, token)[0] == 204
                    revived.extend(token for _ in range(3) if ping(send, token) != 401)
            finally:
                done.set()

        at_once(reset, use)
    assert revived == []


@dataclass
class Lives:
    """Tokens that threads issue, use up and revoke over two servers, and those that were refused once."""

    sends: list[Send]
    clock: Clock
    dead: list[str] = field(default_factory=list)  # access tokens
    used: list[tuple[str, Header]] = field(default_factory=list)  # refresh tokens
    contested: list[tuple[str, Header]] = field(default_factory=list)
    won: list[str] = field(default_factory=list)  # refresh tokens, once for each use that was accepted
    revived: list[str] = field(default_factory=list)

    def live(self, number: int, steps: int) -> None:
        """Take random steps over one server; what the other one accepts afterwards is compared."""
        random, send = Random(number), self.sends[number % 2]
        for _ in range(steps):
            self.step(send, random)
            for dead in random.sample(self.dead, min(3, len(self.dead))):
                self.check_dead(dead)

    def step(self, send: Send, random: Random) -> None:
        key = random.choice(KEYS)
        auth = basic(key["client_id"], key["client_secret"])
        form = {"grant_type": "client_credentials", "scope": "/ping.read"}
        token = members(post_form(send, "/oauth2/token", auth, **form))
        access, refresh_token = token["access_token"], token["refresh_token"]
        self.clock.shift(random.choice([0, 0, 1, 2]))
        match random.randrange(4):
            case 0:
                assert revoke(send, access, auth)[0] == 204
                self.dead.append(access)
            case 1:
                assert revoke(send, refresh_token, auth)[0] == 204
                self.dead.append(access)
                self.used.append((refresh_token, auth))
            case 2:
                refresh(send, refresh_token, auth)
                self.used.append((refresh_token, auth))
            case _:
                self.contested.append((refresh_token, auth))
                for text, of_key in self.contested[-THREADS:]:
                    self.won += [text] if refresh(send, text, of_key)[0] == 200 else []
        self.check_dead(self.dead[-1] if self.dead else "none")

    def check_dead(self, access: str) -> None:
        self.revived += [access for send in self.sends if ping(send, access) != 401]


@contextmanager
def lives_on(path: Path, bound: int) -> Iterator[Lives]:
    clock = Clock()
    with ExitStack() as stack:
        stores = [stack.enter_context(closing(SqliteStore(path))) for _ in range(2)]
        servers = [bounded_server_on(store, clock, few(bound), api_keys=KEYS) for store in stores]
        yield Lives([sender(server) for server in servers], clock)


def wrong_lives(path: Path, bound: int, steps: int) -> list[object]:
    """What two servers accept that one of them refused for good, after threads used both."""
    with lives_on(path, bound) as lives:
        at_once(*[lambda number=number: lives.live(number, steps) for number in range(THREADS)])
        for dead in lives.dead:
            lives.check_dead(dead)
        again = [
            text for text, auth in lives.used for send in lives.sends if refresh(send, text, auth)[0] == 200
        ]
        assert len(lives.dead) > steps
    return [*lives.revived, *again, *(text for text, count in Counter(lives.won).items() if count > 1)]


@pytest.mark.slow
@pytest.mark.parametrize("bound", [1, 4, 16])
def test_no_refused_token_revives_when_two_evict_at_once(bound: int, tmp_path: Path) -> None:
    assert wrong_lives(tmp_path / "state.db", bound, 100) == []


@pytest.mark.soak
@pytest.mark.parametrize("bound", [1, 2, 4, 16, 64])
def test_no_refused_token_revives_in_long_lives(bound: int, tmp_path: Path) -> None:
    assert wrong_lives(tmp_path / "state.db", bound, 3000) == []
