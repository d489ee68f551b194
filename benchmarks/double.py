"""What the double costs its users: fixture, start, stop, plugin, journal."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks import load, processes
from benchmarks.figures import Budget, Figure, compare
from benchmarks.network import alternating
from benchmarks.processes import OURS, Server
from benchmarks.workload import wire_request

_WARM_UP = 12_000  # requests: the journal is full then
_UNJOURNALED = replace(OURS, name="unjournaled", arguments=(*OURS.arguments, "--journal-size", "0"))
_TESTS = """\
import pytest

{fixture}
@pytest.mark.parametrize("number", range({count}))
def test_nothing(number: int, {name}: object) -> None:
    pass
"""
_BARE = "@pytest.fixture\ndef bare() -> object:\n    return object()\n"
_START_AND_STOP = """\
import json, time
from mockmoov import MockMoov
before = time.perf_counter()
moov = MockMoov()
ready = time.perf_counter()
moov.stop()
print(json.dumps([ready - before, time.perf_counter() - ready]))
"""
_LOAD_PLUGIN = """\
import time
import pytest
before = time.process_time()
import mockmoov.pytest_plugin
print(time.process_time() - before)
"""


def fixture(rounds: int, tests: int) -> Iterator[Figure]:
    """A test with `moov` beside a test with a fixture that does nothing; a server of the session's own."""
    with tempfile.TemporaryDirectory() as folder:
        many = _suite(Path(folder), "moov", "", tests), _suite(Path(folder), "bare", _BARE, tests)
        first = _suite(Path(folder), "moov", "", 1), _suite(Path(folder), "bare", _BARE, 1)
        for path in (*many, *first):
            _pytest(path)
        ours, bare = alternating(rounds, _pytest, *many)
        one, bare_one = alternating(rounds, _pytest, *first)
        cost = median(ours) - median(one) - (median(bare) - median(bare_one))
    yield Figure(name="fixture moov, ms a test", ours=cost / (tests - 1) * 1e3, budget=_at_most(2))


def start_and_stop(rounds: int) -> Iterator[Figure]:
    """`MockMoov()` and `stop`, in a fresh interpreter each time, after the import."""
    found = [json.loads(_python("-c", _START_AND_STOP)) for _ in range(rounds)]
    yield Figure(name="MockMoov() ready, ms", ours=median(a for a, _ in found) * 1e3, budget=_at_most(40))
    yield Figure(name="MockMoov().stop(), ms", ours=median(b for _, b in found) * 1e3, budget=_at_most(150))


def plugin(rounds: int) -> Iterator[Figure]:
    """What loading the plugin costs a pytest run that does not use it.

    Two whole runs differ by chance by more than this.
    """
    _python("-c", _LOAD_PLUGIN)  # its bytecode is written
    found = [float(_python("-c", _LOAD_PLUGIN)) for _ in range(rounds)]
    yield Figure(name="plugin in a run without it, CPU ms", ours=median(found) * 1e3, budget=_at_most(5))


def journal(rounds: int, seconds: float) -> Iterator[Figure]:
    """The processor time of a token over HTTP with the journal, and without."""
    with processes.running(OURS) as journaled, processes.running(_UNJOURNALED) as unjournaled:
        for server in (journaled, unjournaled):
            processes.pin(server.pid, processes.SERVER_CORE)
            load.run(server.port, wire_request(), "requests", _WARM_UP)
        ours, without = alternating(rounds, lambda server: _cpu(server, seconds), journaled, unjournaled)
    yield compare("journaled exchange, CPU us (floor: not)", ours, without, _at_most(1.1))


def _cpu(server: Server, seconds: float) -> float:
    before = processes.cpu_seconds(server.pid)
    result = load.run(server.port, wire_request(), "seconds", seconds)
    return (processes.cpu_seconds(server.pid) - before) / result.requests * 1e6


def _suite(folder: Path, name: str, fixture: str, count: int) -> Path:
    path = folder / f"test_{name}_{count}.py"
    path.write_text(_TESTS.format(name=name, fixture=fixture, count=count))
    return path


def _pytest(path: Path, *arguments: str) -> float:
    """The seconds that pytest takes for a file."""
    began = time.perf_counter()
    _python("-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, str(path))
    return time.perf_counter() - began


def _python(*arguments: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, *arguments]
    folder = tempfile.gettempdir()
    return subprocess.run(
        command, cwd=folder, env=processes.environment(), check=True, capture_output=True, text=True
    ).stdout


def _at_most(limit: float) -> Budget:
    return Budget(bound="<=", limit=limit)
