"""What is measured from outside: calls, start, memory."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from statistics import median, quantiles
from typing import TypeVar

from benchmarks import load, processes, workload
from benchmarks.figures import OURS, Budget, Figure, Value, compare, ratio, rotate
from benchmarks.processes import ASGI, EMPTY, STARLETTE, Program, Server
from benchmarks.workload import KINDS, Kind

CALLS = "Calls a second"
_BUDGETS = {"tokens (memory)": Budget("≥", 1.1, STARLETTE.name)}
_SLOWER = 1 / 1.05  # what a start and the memory may be of the floor's
_WARM_UP = 1000  # requests
_FULL_JOURNAL = 12_000  # tokens
_CHUNK = 5000  # requests
_T = TypeVar("_T")


def _programs() -> list[Program]:
    fake = processes.other_fake()
    return [*processes.OURS.values(), STARLETTE, ASGI, *([fake] if isinstance(fake, Program) else [])]


def _by_store(found: Mapping[str, _T]) -> Iterator[tuple[str, _T, dict[str, _T]]]:
    """Each store of mockmoov, what was found for it, and what for the other programs."""
    ours = {program.name for program in processes.OURS.values()}
    others = {name: value for name, value in found.items() if name not in ours}
    for store, program in processes.OURS.items():
        yield store, found[program.name], others


# --- calls ----------------------------------------------------------------------------------------


def calls(rounds: int, burst: int) -> Iterator[Figure]:
    """Bursts of each kind of call, all servers up, the load on one at a time."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(processes.running(program)) for program in _programs()]
        for kind in KINDS:
            subjects = [server for server in servers if server.program.has(kind.name)]
            rotate(1, partial(_burst, kind, burst), subjects)
            found = rotate(rounds, partial(_burst, kind, burst), subjects)
            bursts = {server.program.name: runs for server, runs in zip(subjects, found, strict=True)}
            for store, ours, others in _by_store(bursts):
                name = f"{kind.name} ({store})"
                values = {OURS: _value(ours), **{other: _value(runs, ours) for other, runs in others.items()}}
                yield Figure(section=CALLS, name=name, values=values, budget=_BUDGETS.get(name))


def _burst(kind: Kind, count: int, server: Server) -> load.Burst:
    def mint(requests: Sequence[bytes]) -> Sequence[bytes]:
        return load.run(server.port, requests, keep=True).bodies

    return load.run(server.port, workload.pool(kind, count, mint), kind.status)


def _value(bursts: Sequence[load.Burst], ours: Sequence[load.Burst] = ()) -> Value:
    rates = [burst.rate for burst in bursts]
    percentiles = quantiles((seconds * 1e3 for burst in bursts for seconds in burst.latencies), n=100)
    beside = ratio([burst.rate for burst in ours], rates, more_is_better=True) if ours else None
    return Value(median(rates), beside, p50=percentiles[49], p99=percentiles[98])


# --- start ----------------------------------------------------------------------------------------


def start(rounds: int) -> Iterator[Figure]:
    """From the spawn of the process to its first answer; bytecode and file cache are warm."""
    programs = [*_programs(), EMPTY]
    rotate(1, _start, programs)
    found = dict(zip((program.name for program in programs), rotate(rounds, _start, programs), strict=True))
    wall = {name: [server.start_seconds * 1e3 for server in servers] for name, servers in found.items()}
    cpu = {name: [server.start_cpu * 1e3 for server in servers] for name, servers in found.items()}
    yield from _started("start to first answer, ms", wall, Budget("≥", _SLOWER, STARLETTE.name))
    yield from _started("CPU time of a start, ms", cpu)


def _start(program: Program) -> Server:
    with processes.running(program) as server:
        return server


def _started(name: str, found: Mapping[str, list[float]], budget: Budget | None = None) -> Iterator[Figure]:
    for store, ours, others in _by_store(found):
        budget = budget if store == "memory" else None  # a new file takes its time
        yield compare("Start", f"{name} ({store})", ours, others, budget)
        mine, floor = (_above(times, others[EMPTY.name]) for times in (ours, others[STARLETTE.name]))
        yield compare("Start", f"{name}: above {EMPTY.name} ({store})", mine, {STARLETTE.name: floor}, budget)


def _above(times: Sequence[float], empty: Sequence[float]) -> list[float]:
    """How much longer than an empty application, in the same rounds."""
    return [mine - theirs for mine, theirs in zip(times, empty, strict=True)]


# --- memory ---------------------------------------------------------------------------------------


def memory(tokens: int) -> Iterator[Figure]:
    """Resident memory after the warm-up, of a full journal, and what more tokens add to that."""
    measured = {program.name: _resident(program, tokens) for program in _programs()}
    for store, (idle, journal, growth), others in _by_store(measured):
        beside = {name: [megabytes] for name, (megabytes, *_) in others.items()}
        yield compare("Memory", f"idle, MB ({store})", [idle], beside, Budget("≥", _SLOWER, STARLETTE.name))
        yield compare("Memory", f"a full journal, MB ({store})", [journal])
        row = f"growth over {tokens:,} more tokens, MB ({store})"
        yield compare("Memory", row, [growth], budget=Budget("≤", 2))


def _resident(program: Program, tokens: int) -> tuple[float, float, float]:
    """Megabytes when idle; of mockmoov also how many more with a full journal, and after more tokens."""
    with processes.running(program) as server:
        load.run(server.port, [workload.mint()] * _WARM_UP)
        idle = processes.resident_megabytes(server.pid)
        if program not in processes.OURS.values():
            return idle, 0, 0
        load.run(server.port, [workload.mint()] * _FULL_JOURNAL)
        full = processes.resident_megabytes(server.pid)
        for _ in range(tokens // _CHUNK):
            load.run(server.port, [workload.mint()] * _CHUNK)
        return idle, full - idle, processes.resident_megabytes(server.pid) - full
