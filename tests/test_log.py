"""The log in memory: the last lines that fit, by group and in all, and how many are gone."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.storage.memory_log import MemoryLog
from mockmoov.storage.store import Line, Log

GROUPS = ["a", "b", ""]
LINES = st.lists(st.tuples(st.binary(max_size=6), st.sampled_from(GROUPS)), max_size=30)


def filled(lines: list[tuple[bytes, str]], *, max_lines: int = 1000, max_bytes: int = 1000) -> MemoryLog:
    log = MemoryLog(max_lines=max_lines, max_bytes=max_bytes)
    for value, group in lines:
        log.append(value, group)
    return log


def size(log: Log) -> int:
    return sum(len(line.value) for line in log.lines)


@given(lines=LINES)
def test_lines_are_numbered_from_1_in_the_order_in_which_they_came(lines: list[tuple[bytes, str]]) -> None:
    numbered = [(Line(number, value), group) for number, (value, group) in enumerate(lines, 1)]
    log = filled(lines)
    assert log.read(None) == Log([line for line, _ in numbered], 0)
    for group in GROUPS:
        assert log.read(group) == Log([line for line, of in numbered if of == group], 0)


@given(lines=LINES, max_lines=st.integers(1, 10), max_bytes=st.integers(0, 20))
def test_the_log_holds_as_many_of_the_last_lines_as_its_bounds_allow(
    lines: list[tuple[bytes, str]], max_lines: int, max_bytes: int
) -> None:
    log = filled(lines, max_lines=max_lines, max_bytes=max_bytes).read(None)
    values = [value for value, _ in lines]
    held = len(log.lines)
    assert log.dropped == len(lines) - held
    assert [line.number for line in log.lines] == list(range(log.dropped + 1, len(lines) + 1))
    assert [line.value for line in log.lines] == values[log.dropped :]
    assert held <= max_lines
    assert size(log) <= max_bytes


@given(lines=LINES, max_lines=st.integers(1, 10), max_bytes=st.integers(0, 20))
def test_no_line_is_dropped_that_had_room_when_the_last_one_came(
    lines: list[tuple[bytes, str]], max_lines: int, max_bytes: int
) -> None:
    """Were the latest dropped line still there when the last came, the bounds would not hold."""
    dropped_before = 0
    log = filled([], max_lines=max_lines, max_bytes=max_bytes)
    for value, group in lines:
        log.append(value, group)
        found = log.read(None)
        if found.dropped > dropped_before:
            latest = lines[found.dropped - 1][0]
            assert len(found.lines) + 1 > max_lines or size(found) + len(latest) > max_bytes
        dropped_before = found.dropped


@given(lines=LINES, max_lines=st.integers(1, 10))
def test_a_group_counts_its_own_dropped_lines_and_the_whole_log_all_of_them(
    lines: list[tuple[bytes, str]], max_lines: int
) -> None:
    log = filled(lines, max_lines=max_lines)
    gone = lines[: max(0, len(lines) - max_lines)]
    assert log.read(None).dropped == len(gone)
    for group in GROUPS:
        assert log.read(group).dropped == [of for _, of in gone].count(group)


@given(before=LINES, after=LINES, max_lines=st.integers(1, 10), max_bytes=st.integers(0, 30))
def test_a_group_that_is_forgotten_leaves_no_line_no_count_and_the_room_that_it_had(
    before: list[tuple[bytes, str]], after: list[tuple[bytes, str]], max_lines: int, max_bytes: int
) -> None:
    log = filled(before, max_lines=max_lines, max_bytes=max_bytes)
    others = {group: log.read(group) for group in GROUPS if group != "a"}
    log.forget("a")
    assert log.read("a") == Log([], 0)
    assert {group: log.read(group) for group in others} == others
    assert log.read(None).dropped == sum(other.dropped for other in others.values())
    for value, group in after:
        log.append(value, group)
    found = log.read(None)
    assert len(found.lines) <= max_lines
    assert size(found) <= max_bytes


def test_a_number_is_never_given_twice_though_its_line_was_forgotten() -> None:
    log = filled([(b"1", "a"), (b"2", "b")])
    log.forget("b")
    log.append(b"3", "a")
    assert log.read("a") == Log([Line(1, b"1"), Line(3, b"3")], 0)


def test_what_was_forgotten_makes_room() -> None:
    log = filled([(b"123", "a"), (b"456", "b")], max_lines=2, max_bytes=6)
    log.forget("b")
    log.append(b"789", "c")
    assert log.read(None) == Log([Line(1, b"123"), Line(3, b"789")], 0)


def test_a_line_that_is_larger_than_the_log_takes_all_others_with_it() -> None:
    log = filled([(b"1", "a"), (b"22222", "b")], max_bytes=4)
    assert log.read(None) == Log([], 2)
    assert (log.read("a").dropped, log.read("b").dropped) == (1, 1)


@given(before=LINES, after=LINES)
def test_a_log_that_was_cleared_is_as_a_new_one(
    before: list[tuple[bytes, str]], after: list[tuple[bytes, str]]
) -> None:
    log = filled(before, max_lines=5, max_bytes=12)
    log.clear()
    for value, group in after:
        log.append(value, group)
    new = filled(after, max_lines=5, max_bytes=12)
    assert log.read(None) == new.read(None)
    assert [log.read(group) for group in GROUPS] == [new.read(group) for group in GROUPS]


def test_the_generation_of_a_log_changes_when_lines_are_taken_away_and_never_comes_again() -> None:
    log = filled([], max_lines=1)
    generations = [log.generation]
    for change in (partial(log.forget, "a"), log.clear, partial(log.forget, "none")):
        change()
        generations += [log.generation]
    assert len(set(generations)) == 4
    for _ in range(2):
        log.append(b"1", "a")
    log.read(None)
    assert log.generation == generations[-1]


@given(lines=LINES, after=st.integers(0, 31), max_lines=st.integers(1, 10))
def test_of_a_log_only_the_later_lines_may_be_read(
    lines: list[tuple[bytes, str]], after: int, max_lines: int
) -> None:
    log = filled(lines, max_lines=max_lines)
    for group in (None, *GROUPS):
        whole, later = log.read(group), log.read(group, after)
        assert later.lines == [line for line in whole.lines if line.number > after]
        assert later.dropped == whole.dropped


@pytest.mark.parametrize("group", [None, *GROUPS])
def test_a_log_of_no_lines_keeps_none_and_counts_none(group: str | None) -> None:
    log = filled([(b"", "a"), (b"1", "b"), (b"1", "")], max_lines=0)
    assert log.read(group) == Log([], 0)


def test_to_ask_for_a_group_that_is_not_there_leaves_no_trace() -> None:
    log = filled([(b"1", "a")])
    assert log.read("nobody") == Log([], 0)
    log.forget("nobody")
    assert log.read(None) == Log([Line(1, b"1")], 0)
    assert "nobody" not in log._groups
