"""What is measured from outside: throughput, cold start, memory."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from benchmarks import load, processes
from benchmarks.figures import Budget, Figure, compare
from benchmarks.processes import FLOOR, OURS, Program, Server
from benchmarks.workload import wire_request

_T = TypeVar("_T")
_S = TypeVar("_S")
_WARM_UP = 1000  # requests
_JOURNAL = 10_000  # exchanges that the journal holds, unless that is set
_MB = 1e6


def alternating(rounds: int, measure: Callable[[_S], _T], ours: _S, floor: _S) -> tuple[list[_T], list[_T]]:
    """Measure both in each round, the other one first in every second round."""
    found: dict[bool, list[_T]] = {True: [], False: []}
    for number in range(rounds):
        for mine in (number % 2 == 0, number % 2 == 1):
            found[mine].append(measure(ours if mine else floor))
    return found[True], found[False]


# --- throughput -----------------------------------------------------------------------------------


def throughput(rounds: int, seconds: float) -> Iterator[Figure]:
    """Tokens a second and their cost, both servers up, the load on one at a time."""
    with processes.running(OURS) as ours, processes.running(FLOOR) as floor:
        for server in (ours, floor):
            processes.pin(server.pid, processes.SERVER_CORE)
            load.run(server.port, wire_request(), "requests", _WARM_UP)
        mine, theirs = alternating(rounds, lambda server: _under_load(server, seconds), ours, floor)
    yield compare(
        "tokens a second over HTTP",
        [result.rate for result, _ in mine],
        [result.rate for result, _ in theirs],
        Budget(bound=">=", limit=0.8),
    )
    yield compare("server CPU, us a token", [cpu for _, cpu in mine], [cpu for _, cpu in theirs])
    yield compare(
        "generator busy, % of its core", [_busy(result) for result, _ in mine], [_busy(r) for r, _ in theirs]
    )
    yield compare(
        "response body, bytes", [result.body_bytes for result, _ in mine], [r.body_bytes for r, _ in theirs]
    )


def _under_load(server: Server, seconds: float) -> tuple[load.Result, float]:
    before = processes.cpu_seconds(server.pid)
    result = load.run(server.port, wire_request(), "seconds", seconds)
    return result, (processes.cpu_seconds(server.pid) - before) / result.requests * 1e6


def _busy(result: load.Result) -> float:
    return result.cpu / result.seconds * 100


# --- cold start -----------------------------------------------------------------------------------


def cold_start(rounds: int) -> Iterator[Figure]:
    """From the spawn of the process to its first answer; bytecode and file cache are warm."""
    for program in (OURS, FLOOR):
        _start(program)
    mine, theirs = alternating(rounds, _start, OURS, FLOOR)
    yield compare(
        "cold start to first answer, ms",
        [server.start_seconds * 1e3 for server in mine],
        [server.start_seconds * 1e3 for server in theirs],
        Budget(bound="<=", limit=1.2),
    )
    yield compare(
        "cold start, CPU ms",
        [server.start_cpu * 1e3 for server in mine],
        [server.start_cpu * 1e3 for server in theirs],
    )


def _start(program: Program) -> Server:
    with processes.running(program) as server:
        return server


# --- memory ---------------------------------------------------------------------------------------


def memory(tokens: int) -> Iterator[Figure]:
    """Resident memory when warm, what the journal adds as it fills up, and what minting adds to that."""
    with processes.running(FLOOR) as server:
        floor = _resident_after(server, _WARM_UP)
    with processes.running(OURS) as server:
        idle = _resident_after(server, _WARM_UP)
        full = _resident_after(server, _JOURNAL)
        after = _resident_after(server, tokens)
    yield Figure(name="resident when idle, MB", ours=idle, floor=floor, ratio=idle / floor)
    yield Figure(name=f"growth as the journal fills up with {_JOURNAL:,} exchanges, MB", ours=full - idle)
    yield Figure(
        name=f"growth over {tokens:,} tokens more, MB", ours=after - full, budget=Budget(bound="<=", limit=5)
    )


def _resident_after(server: Server, requests: int) -> float:
    load.run(server.port, wire_request(), "requests", requests)
    return processes.resident_bytes(server.pid) / _MB
