"""What a second worker brings: tokens a second of two processes next to those of one, on the same store."""

from collections.abc import Iterator
from statistics import median

from benchmarks import load, processes, workload
from benchmarks.figures import OURS, Budget, Figure, Value, ratio, rotate
from benchmarks.processes import Server

CONNECTIONS = 64
_SECTION = f"Two workers next to one, {CONNECTIONS} connections"
_ONE = "one worker"
_ENOUGH = 3  # cores: one for each worker, one for the load


def workers(rounds: int, burst: int) -> Iterator[Figure]:
    """Bursts of tokens, both servers up, the load on one at a time; they may use every core."""
    with processes.redis() as url:
        stores = {"sqlite": ("--store", "sqlite:{folder}/{port}.db"), "redis": ("--store", url)}
        for store, options in stores.items():
            programs = [
                processes.mockmoov(*options, "--workers", count, "--store-namespace", f"workers-{count}")
                if store == "redis"
                else processes.mockmoov(*options, "--workers", count)
                for count in ("2", "1")
            ]
            with (
                processes.running(programs[0], core=None) as two,
                processes.running(programs[1], core=None) as one,
            ):
                rotate(1, _rate, [two, one])

                def rate(server: Server) -> float:
                    return _rate(server, burst)

                mine, theirs = rotate(rounds, rate, [two, one])
            values = {
                OURS: Value(median(mine)),
                _ONE: Value(median(theirs), ratio(mine, theirs, more_is_better=True)),
            }
            yield Figure(section=_SECTION, name=f"tokens ({store})", values=values, budget=_budget())


def _budget() -> Budget | None:
    return Budget("≥", 1.6, _ONE) if processes.CORES >= _ENOUGH else None


def _rate(server: Server, burst: int = 500) -> float:
    return load.run(server.port, [workload.mint()] * burst, connections=CONNECTIONS, sleeps=True).rate
