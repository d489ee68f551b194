"""The store in Redis: connections, lost data, and watches that Redis notifies."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from mockmoov.simulation.journal import Query
from mockmoov.storage import redis as redis_store
from mockmoov.storage import redis_journal, redis_server
from mockmoov.storage.entries import SIGNING_KEYS
from mockmoov.storage.eviction import TokenTimes, Usage
from mockmoov.storage.redis import RedisStore
from mockmoov.storage.redis_server import RedisServer, Script
from mockmoov.storage.store import SchemaVersionError, StoreError, TooManyWatchesError, UnreachableError
from tests.support.records import EXCHANGE
from tests.support.redis_servers import RedisProcess, new_name, redis_process, redis_url

pytestmark = pytest.mark.slow
ECHO = Script("return ARGV[1]")


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    """A client of the server that the tests share."""
    with redis.Redis.from_url(redis_url()) as connection:
        yield connection


@pytest.fixture
def own() -> Iterator[RedisProcess]:
    """A server that the test may stop."""
    with redis_process() as server:
        yield server


def store_on(url: str, namespace: str | None = None, **options: Any) -> RedisStore:
    return RedisStore(url, namespace or new_name(), shown="redis://shown", **options)


# --- connections --------------------------------------------------------------------------------------


def test_threads_share_free_connections() -> None:
    server = RedisServer(redis_url(), "")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: server.run(ECHO, "", (number,)), range(400)))
    assert answers == [b"%d" % number for number in range(400)]
    assert 1 <= len(server._free) <= 8
    server.close()
    assert server._free == []
    assert server.call("PING") == b"PONG"


def test_only_some_connections_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "_MAX_FREE", 1)
    server = RedisServer(redis_url(), "")
    first, second = server._take(), server._take()
    for free in (first, second):
        server._give_back(free.connection)
    assert [free.connection for free in server._free] == [first.connection]


def test_a_connection_that_the_server_has_closed_is_replaced(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "_FRESH_SECONDS", 0)
    server = RedisServer(redis_url(), "")
    number = server.call("CLIENT", "ID")
    assert server.call("CLIENT", "ID") == number, "it is used again"
    client.client_kill_filter(_id=str(number))
    assert server.call("CLIENT", "ID") != number


def test_a_child_of_a_fork_has_its_own_connection() -> None:
    server = RedisServer(redis_url(), "")
    number = server.call("CLIENT", "ID")
    reader, writer = os.pipe()
    if not (child := os.fork()):
        os.write(writer, b"%d" % server.call("CLIENT", "ID"))
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(reader, 20)) != number == server.call("CLIENT", "ID")
    os.close(reader)
    os.close(writer)


def test_connections_of_another_process_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    server = RedisServer(redis_url(), "")
    server.call("PING")
    (free,) = server._free
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert server._take().connection is not free.connection
    monkeypatch.undo()
    server._give_back(free.connection)
    assert server._free == [], "it was taken by the other process"


def test_an_interrupted_call_leaves_no_answer_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    server = RedisServer(redis_url(), "")
    connection = server._take().connection
    with monkeypatch.context() as patch:
        patch.setattr(connection, "read_response", interrupt)
        server._give_back(connection)
        with pytest.raises(KeyboardInterrupt):
            server.call("ECHO", "first")
    assert server.call("ECHO", "second") == b"second"


def interrupt(**_: object) -> None:
    raise KeyboardInterrupt


def test_scripts_that_the_server_forgets_are_sent_again(client: redis.Redis) -> None:
    server = RedisServer(redis_url(), "")
    for number in (b"1", b"2"):
        assert server.run(ECHO, "", (number,)) == number
        client.script_flush()


def test_an_error_is_that_of_the_server() -> None:
    server = RedisServer(redis_url(), "redis://shown")
    with pytest.raises(StoreError, match=r"^redis://shown: it answered unknown command 'NONSENSE'"):
        server.call("NONSENSE")
    with pytest.raises(UnreachableError, match=r"^x: there is no connection: No such file or directory$"):
        RedisServer("unix:///no/such.sock", "x").call("PING")
    with pytest.raises(UnreachableError, match=r"^x: there is no connection: Connection refused$"):
        RedisServer("redis://localhost:1", "x").call("PING")


def test_tls_checks_the_name_of_the_host() -> None:
    kinds = {
        "rediss://a": True,
        "rediss://a?ssl_cert_reqs=none": False,
        "rediss://:ssl_cert_reqs=none@a": True,
        "redis://a": None,
    }
    for url, checks in kinds.items():
        options = RedisServer(url, "")._pool.connection_kwargs
        assert options.get("ssl_check_hostname") is (checks or None)


def test_after_a_timeout_calls_do_not_wait(own: RedisProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "SECONDS", 0.1)
    server = RedisServer(own.url, "x")
    server.call("PING")
    own.signal(signal.SIGSTOP)
    with pytest.raises(StoreError, match=r"^x: it didn't answer within 2 s$") as first:
        server.call("PING")
    assert server._free == []
    with pytest.raises(StoreError) as second:
        server.call("PING")
    assert second.value is first.value
    own.signal(signal.SIGCONT)
    monkeypatch.setattr(redis_server, "monotonic", lambda: float("inf"))
    assert server.call("PING") == b"PONG"


# --- what is posted -------------------------------------------------------------------------------------


def test_posted_scripts_run_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "_MOST_POSTED", 3)
    server, key = RedisServer(redis_url(), ""), new_name()
    push = Script("return redis.call('RPUSH', KEYS[1], ARGV[1])")
    for number in range(10):
        server.post(push, key, (number,))
    assert 0 < len(server._free[0].posted) <= 3
    assert server.call("LRANGE", key, 0, -1) == [b"%d" % number for number in range(10)]
    assert server._free[0].posted == ()


def test_a_posted_script_that_the_server_has_forgotten_runs_again(client: redis.Redis) -> None:
    server, key = RedisServer(redis_url(), ""), new_name()
    push = Script("return redis.call('RPUSH', KEYS[1], ARGV[1])")
    server.post(push, key, (0,))
    client.script_flush()
    server.post(push, key, (1,))
    server.close()
    assert client.lrange(key, 0, -1) == [b"0", b"1"]


def test_a_posted_script_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    server, key = RedisServer(redis_url(), "x"), new_name()
    fail = Script("if ARGV[1] == '1' then return redis.error_reply('ERR no') end")
    server.post(fail, key, (0,))
    server.post(fail, key, (1,))
    assert server.call("PING") == b"PONG"
    (record,) = caplog.records
    assert record.getMessage() == "an exchange is missing from the journal: x: it answered no"


def test_nothing_is_posted_without_a_server(own: RedisProcess) -> None:
    server = RedisServer(own.url, "x")
    server.post(ECHO, "", (0,))
    own.stop()
    for _ in range(3):
        with pytest.raises(StoreError, match="no connection"):
            post_and_read(server)


def post_and_read(server: RedisServer) -> None:
    server.post(ECHO, "", (1,))  # the first may still be sent
    server.call("PING")


# --- lost data ------------------------------------------------------------------------------------------


def test_another_schema_is_refused(client: redis.Redis) -> None:
    namespace = new_name()
    client.set(f"mockmoov:{namespace}:schema", 2)
    with pytest.raises(SchemaVersionError, match=rf"^redis://shown has schema 2 under mockmoov:{namespace}:"):
        store_on(redis_url(), namespace)


@contextmanager
def filled(client: redis.Redis) -> Iterator[tuple[RedisStore, list[str]]]:
    """A store that fills itself, how often it did, and its keys are deleted."""
    namespace, fills = new_name(), list[str]()
    store = store_on(redis_url(), namespace)

    def fill() -> None:
        assert store.get_many([SIGNING_KEYS]) == [None]
        store.put("a", b"b", group="x")
        store.put(SIGNING_KEYS, b"keys", group="server")  # last, as a start does
        fills.append("filled")

    fill()
    store.on_emptied = fill
    yield store, fills
    assert client.delete(*client.keys(f"mockmoov:{namespace}:*"))
    store.close()


def test_a_store_that_lost_its_data_is_filled_again(
    client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    with filled(client) as (store, fills):
        for read in (lambda: store.get_many(["a"]), lambda: store.scan("x")):
            assert client.delete(*client.keys(f"{store._prefix}*"))
            with ThreadPoolExecutor(4) as pool:
                assert [*pool.map(lambda _, read=read: read(), range(8))] == [[b"b"]] * 8
        assert len(fills) == 3
    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert messages == ["redis://shown has lost its data: all tokens from before end"] * 2


def test_what_another_thread_has_filled_is_read(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(client) as (store, fills):
        call, early = store._server.call, [[None, None]]  # the answer from before the other has filled it
        monkeypatch.setattr(store._server, "call", lambda *command: early.pop() if early else call(*command))
        assert (store.get_many(["a"]), early, len(fills)) == ([b"b"], [], 1)


def test_a_fill_that_fails_is_repeated(client: redis.Redis) -> None:
    with filled(client) as (store, fills):
        fill = store.on_emptied
        assert fill is not None

        def fail() -> None:
            store.on_emptied = fill
            store.put(SIGNING_KEYS, b"keys", group="server")
            raise StoreError("it failed")

        client.delete(*client.keys(f"{store._prefix}*"))
        store.on_emptied = fail
        with pytest.raises(StoreError, match="it failed"):
            store.get_many(["a"])
        client.hdel(f"{store._prefix}entries", SIGNING_KEYS)
        assert (store.get_many(["a"]), len(fills)) == ([b"b"], 2)


def test_a_store_touches_only_its_namespace(client: redis.Redis) -> None:
    stores = [store_on(redis_url()) for _ in range(2)]
    client.set("another", "value")
    for store in stores:
        store.put("a", b"b", group="x")
        store.journal.append(EXCHANGE)
    stores[0].clear([])
    stores[0].journal.clear()
    assert (stores[0].get_many(["a"]), stores[1].get_many(["a"])) == ([None], [b"b"])
    assert (stores[1].journal.count(), client.get("another")) == (1, b"value")


# --- watches --------------------------------------------------------------------------------------------


def test_a_watch_is_notified_of_what_another_process_appends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_journal, "_POLL_SECONDS", 0.01)
    namespace = new_name()
    mine, other = store_on(redis_url(), namespace).journal, store_on(redis_url(), namespace).journal
    called = threading.Event()
    with (
        mine.watch("a", Query(), 1, called.set) as watch,
        mine.watch(None, Query(), 9, lambda: None) as whole,
    ):
        assert (watch.missing, watch.turn) == (1, 5)
        other.append(EXCHANGE)  # somebody else's
        other.count()
        eventually_notified(whole)
        assert not called.is_set()
        other.clear()
        assert called.wait(10)
        assert watch.is_notified
        listener = mine._listener
    assert listener is not None
    listener.join(10)
    assert (mine.is_listening, mine.turn) == (False, 0.05)


def eventually_notified(watch: Any) -> None:
    event = threading.Event()
    watch.notify = event.set
    assert watch.is_notified or event.wait(10)


def test_watches_look_in_turns_when_redis_cannot_notify(
    own: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "_FRESH_SECONDS", 0)
    journal, called = store_on(own.url).journal, threading.Event()
    with journal.watch(None, Query(), 1, called.set) as watch:
        own.stop()
        assert called.wait(10)
        assert watch.turn == 0.05
        own.start()
        journal.append(EXCHANGE)
        assert watch.missing == 0
    with redis.Redis.from_url(own.url) as client:
        client.execute_command("ACL", "SETUSER", "default", "-subscribe")
        with journal.watch(None, Query(), 2, lambda: None) as watch:
            assert (watch.turn, watch.missing) == (0.05, 1)


def test_watches_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_journal, "MAX_WATCHES", 1)
    journal = store_on(redis_url()).journal
    with journal.watch(None, Query(), 1, lambda: None) as watch, pytest.raises(TooManyWatchesError):
        journal.watch(None, Query(), 1, lambda: None)
    watch.close()
    with journal.watch(None, Query(), 1, lambda: None):
        pass


def test_a_journal_far_away_waits_for_its_answer() -> None:
    near, far = store_on(redis_url()), store_on(redis_url(), is_far=True)
    for store in (near, far):
        store.journal.append(EXCHANGE)
        store.journal.append(EXCHANGE)
    assert [len(store._server._free[-1].posted) for store in (near, far)] == [1, 0]
    assert near.journal.count() == far.journal.count() == 2


def test_numbers_far_behind_the_last_one_are_read() -> None:
    journal = store_on(redis_url()).journal
    journal.append(EXCHANGE)
    assert [journal.read(owner, after=10**30).exchanges for owner in (None, "a")] == [[], []]


def test_a_journal_of_no_size_keeps_nothing() -> None:
    namespace = new_name()
    store_on(redis_url(), namespace).journal.append(EXCHANGE)
    journal = store_on(redis_url(), namespace, journal_size=0).journal
    journal.append(EXCHANGE)
    assert (journal.count(), journal.numbering().first) == (0, 0)


def test_names_are_counted_over_several_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "_PART", 1)
    store = store_on(redis_url())
    for number in range(600):
        store.put(f"family:{number}", b"x" * 100, group="x", times=TokenTimes(1, 2, 3))
    assert [store.count_named("family:", limit) for limit in (1000, 10)] == [600, 10]
    store.evict(store.token_records())
    assert (store.usage(), store.count_named("family:", 1000)) == (Usage(0, 0), 0)
