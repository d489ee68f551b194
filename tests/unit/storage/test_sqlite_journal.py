"""The journal in a file: its watches look in turns, and it stays bounded though nobody reads it."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from math import inf
from pathlib import Path
from threading import Barrier

import pytest
from msgspec.structs import replace

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.records import Exchange
from mockmoov.simulation.journal import Query
from mockmoov.storage import sqlite_journal, store
from mockmoov.storage.sqlite import SqliteStore
from mockmoov.storage.sqlite_journal import SqliteJournal
from mockmoov.storage.store import TooManyWatchesError, Watch
from tests.support.records import EXCHANGE

BATCH = 64  # appends after which a process looks whether there are too many
Open = Callable[..., SqliteJournal]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def journal_on(path: Path) -> Iterator[Open]:
    """Open the journal of the file as another process does."""
    with ExitStack() as stack:

        def open_journal(max_exchanges: int = 1000, max_bytes: int = 10**6) -> SqliteJournal:
            store = SqliteStore(path, journal_size=max_exchanges, journal_bytes=max_bytes)
            return stack.enter_context(closing(store)).journal

        yield open_journal


def exchange(owner: str | None = None, status: int = 200, size: int = 0) -> Exchange:
    plain = replace(EXCHANGE, client_id=owner, status=status)
    return replace(plain, path="/" + "x" * max(0, size - len(to_json(plain))))


def never() -> None:
    pytest.fail("a watch of a file is looked at: it can't notify")


def held_by(path: Path) -> tuple[int, int]:
    """How many exchanges the file holds, and their size; the journal is not read."""
    with closing(sqlite3.connect(path)) as connection:
        sql = "SELECT count(*), coalesce(sum(length(value)), 0) FROM exchanges"
        (found,) = connection.execute(sql).fetchall()
    return found[0], found[1]


# --- watches ----------------------------------------------------------------------------------------


def test_watch_sees_what_others_append_at_its_next_turn(journal_on: Open) -> None:
    journal, other = journal_on(), journal_on()
    missing = []
    with journal.watch("a", Query(status=200), 2, never) as watch:
        for owner, status in (("a", 404), ("b", 200), (None, 200), ("a", 200), ("a", 200), ("a", 200)):
            other.append(exchange(owner, status))
            missing.append(watch.missing)
        assert missing == [2, 2, 2, 1, 0, 0]
        assert [each.number for each in watch.found()] == [4, 5, 6]
        assert not watch.is_notified
        assert 0 < watch.turn < inf


@pytest.mark.parametrize(
    ("remove", "missing", "numbers"),
    [
        (lambda journal: journal.clear("a"), 2, []),
        (lambda journal: journal.clear(), 2, []),
        (lambda journal: journal.clear("b"), 0, [1, 2]),  # it looks again in vain
        (lambda journal: [journal.clear(), *(journal.append(exchange("a")) for _ in range(3))], 0, [1, 2, 3]),
    ],
    ids=["of the owner", "all", "of another", "as many come as were there"],
)
def test_removals_notify_a_watch_which_counts_again(
    journal_on: Open, remove: Callable[[SqliteJournal], object], missing: int, numbers: list[int]
) -> None:
    journal, other = journal_on(4), journal_on(4)
    for owner in "aab":
        other.append(exchange(owner))
    with journal.watch("a", Query(), 2, never) as watch:
        assert (watch.missing, watch.is_notified) == (0, False)
        remove(other)
        assert (watch.missing, watch.is_notified) == (missing, True)
        watch.is_notified = False
        assert (watch.missing, watch.is_notified) == (missing, False)
        assert [each.number for each in watch.found()] == numbers


def test_exchanges_that_were_dropped_do_not_count_and_notify_nobody(journal_on: Open) -> None:
    journal, other = journal_on(4), journal_on(4)
    with journal.watch("a", Query(), 2, never) as watch:
        for owner in ("a", "a", *"b" * (2 + BATCH)):
            other.append(exchange(owner))
            assert watch.missing in (0, 1, 2)
        assert (watch.missing, watch.is_notified, watch.found()) == (2, False, [])


def test_many_watches_look_less_often(journal_on: Open) -> None:
    journal = journal_on()
    first = journal.watch(None, Query(), 1, never)
    quick = first.turn
    watches = [journal.watch(None, Query(), 1, never) for _ in range(100)]
    assert first.turn == 3 * quick
    for watch in watches:
        watch.close()
    assert first.turn == quick


def test_watch_is_not_notified_of_removals_before_it(journal_on: Open) -> None:
    journal = journal_on()
    journal.append(exchange("a"))
    journal.clear()
    with journal.watch("a", Query(), 1, never) as watch:
        assert (watch.missing, watch.is_notified) == (1, False)


def test_watch_counts_the_dropped_exchanges_of_its_owner(journal_on: Open) -> None:
    journal, other = journal_on(2), journal_on(2)
    for owner in ("a", None, "b", "a", "b"):
        other.append(exchange(owner))
    dropped = {}
    for owner in (None, "a", "b", "nobody"):
        with journal.watch(owner, Query(), 1, never) as watch:
            dropped[owner] = watch.dropped
    assert dropped == {None: 3, "a": 1, "b": 1, "nobody": 0}


def test_each_journal_limits_its_watches(journal_on: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in (sqlite_journal, store):
        monkeypatch.setattr(each, "MAX_WATCHES", 2)
    journal, other = journal_on(), journal_on()

    def watch() -> Watch:
        return journal.watch(None, Query(), 1, never)

    first, second = watch(), watch()
    message = "^2 requests are waiting for exchanges, which is the limit$"
    with pytest.raises(TooManyWatchesError, match=message):
        watch()
    other.watch(None, Query(), 1, never)  # as in another process
    first.close()
    first.close()
    with watch(), pytest.raises(TooManyWatchesError, match=message):
        watch()
    second.close()
    assert {watch().missing, watch().missing} == {1}


def test_threads_open_and_close_watches_up_to_the_limit(
    journal_on: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_journal, "MAX_WATCHES", 4)
    journal = journal_on()
    journal.append(exchange())

    def use(_: int) -> int:
        with journal.watch(None, Query(), 2, never) as watch:
            watch.close()
            return watch.missing

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(use, range(200))) == {1}
    for _ in range(4):
        journal.watch(None, Query(), 2, never)
    with pytest.raises(TooManyWatchesError):
        journal.watch(None, Query(), 2, never)


# --- bounds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("max_exchanges", "max_kib"), [(1, 1000), (100, 1000), (1000, 1), (1000, 20)])
def test_unread_journal_exceeds_its_bound_by_one_batch(
    journal_on: Open, path: Path, max_exchanges: int, max_kib: int
) -> None:
    size, max_bytes = 500, max_kib * 1024
    journal = journal_on(max_exchanges, max_bytes)
    held = []
    for _ in range(6 * BATCH):
        journal.append(exchange("a", size=size))
        held.append(held_by(path))
    most, most_bytes = (max(numbers) for numbers in zip(*held, strict=True))
    assert most < max_exchanges + BATCH
    assert most_bytes < max_bytes + (BATCH + 1) * size
    fits = min(max_exchanges, max_bytes // size)
    exchanges, dropped = journal.read("a")
    assert fits * 15 // 16 - 1 <= len(exchanges) <= fits  # a part is freed with each batch
    assert [each.number for each in exchanges] == list(range(dropped + 1, 6 * BATCH + 1))


def test_file_of_a_full_journal_grows_no_more(journal_on: Open, path: Path) -> None:
    journals = [journal_on(50), journal_on(50)]
    sizes = []
    for number in range(1600):
        journals[number % 2].append(exchange("ab"[number % 3 % 2], size=2000))
        if number in (400, 1599):
            with closing(sqlite3.connect(path)) as connection:
                sizes += [connection.execute("PRAGMA page_count").fetchone()[0]]
    assert sizes[1] <= sizes[0] + 8
    assert held_by(path)[0] < 50 + 2 * BATCH


@pytest.mark.parametrize("read", ["count", "read", "dropped"])
def test_every_reader_makes_room_first(journal_on: Open, path: Path, read: str) -> None:
    journal = journal_on(3)
    for _ in range(5):
        journal.append(exchange("a"))
    calls: dict[str, Callable[[], object]] = {
        "count": lambda: journal.count() == 3,
        "read": lambda: journal.read("b") == ([], 0),
        "dropped": lambda: journal.dropped("a") == 2,
    }
    assert held_by(path)[0] == 5
    assert calls[read]()
    assert held_by(path)[0] == 3


def test_exchanges_that_are_too_many_do_not_survive_a_clearing(journal_on: Open) -> None:
    journal = journal_on(2)
    for owner in "abb":
        journal.append(exchange(owner))
    journal.clear("b")
    assert (journal.read(), journal.dropped("a")) == (([], 1), 1)


def test_gaps_in_the_numbers_need_no_room(journal_on: Open) -> None:
    """What was cleared in between takes no room, though the numbers of the others are far apart."""
    journal = journal_on(4, 2000)
    journal.append(exchange("a", size=500))
    for _ in range(3):
        for _ in range(3):
            journal.append(exchange("b", size=500))
        journal.clear("b")
    journal.append(exchange("a", size=500))
    exchanges, dropped = journal.read()
    assert ([each.number for each in exchanges], dropped) == ([1, 11], 0)


def test_smaller_bound_of_a_later_start_drops_the_oldest(journal_on: Open) -> None:
    journal = journal_on(10)
    for owner in "aabab":
        journal.append(exchange(owner))
    assert [[each.number for each in journal_on(bound).read().exchanges] for bound in (10, 3, 10)] == [
        [1, 2, 3, 4, 5],
        [3, 4, 5],
        [3, 4, 5],
    ]
    assert {owner: journal.dropped(owner) for owner in ("a", "b")} == {"a": 2, "b": 0}


def test_journal_of_size_0_keeps_nothing_from_before(journal_on: Open, path: Path) -> None:
    before, none = journal_on(), journal_on(0)
    none.append(exchange("a"))
    assert (none.read(), held_by(path)) == (([], 0), (0, 0))
    before.append(exchange("a"))
    none.append(exchange("a"))
    assert (none.count(), none.read("a"), held_by(path)) == (0, ([], 1), (0, 0))


# --- several writers --------------------------------------------------------------------------------


def test_threads_and_processes_number_exchanges_once(journal_on: Open) -> None:
    journals = [journal_on(), journal_on()]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: journals[n % 2].append(exchange("abc"[n % 3])), range(300)))
    read = [journal.read() for journal in journals]
    assert read[0] == read[1]
    assert [each.number for each in read[0].exchanges] == list(range(1, 301))
    assert [len(journals[0].read(owner).exchanges) for owner in "abc"] == [100] * 3


def test_watches_count_right_after_threads_append_and_clear(journal_on: Open) -> None:
    journals, barrier = [journal_on(50), journal_on(50)], Barrier(4)

    def use(number: int) -> tuple[int, int]:
        """Change the journal, and look at a watch that only this thread uses."""
        journal = journals[number % 2]
        with journal.watch((None, "a")[number // 2], Query(status=200), 20, never) as watch:
            for turn in range(100):
                journal.append(exchange("ab"[turn % 3 % 2], (200, 404)[turn % 5 % 2]))
                if turn % 25 == number:
                    journal.clear((None, "a", "b")[turn // 25 % 3])
                assert 0 <= watch.missing <= 20
            barrier.wait(60)
            journal.count()  # which drops what there is too much
            barrier.wait(60)
            return watch.missing, len(watch.found())

    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(use, range(4)))
    assert [missing for missing, _ in seen] == [max(0, 20 - found) for _, found in seen]
    assert (seen[0], seen[2]) == (seen[1], seen[3])


def test_process_that_comes_second_drops_nothing(journal_on: Open) -> None:
    journal = journal_on(2)
    for _ in range(2):
        journal.append(exchange("a"))
    journal._file.transact(journal._drop)  # there was too much when it looked
    assert (journal.count(), journal.dropped(None)) == (2, 0)
