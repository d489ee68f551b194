"""What mockmoov costs in a test suite, in process, and in front of an upstream."""

import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks import load, processes, workload
from benchmarks.application import MINT, Application, parsed, scope_of
from benchmarks.figures import Budget, Figure, compare, rotate
from benchmarks.floors import HEADER, claims
from benchmarks.processes import EMPTY, Server
from mockmoov.oauth.messages import HttpRequest

# --- in a test suite --------------------------------------------------------------------------------

_SUITE = "In a test suite"
_TESTS = """\
import pytest

@pytest.fixture
def bare() -> object:
    return object()

@pytest.mark.parametrize("number", range({count}))
def test_nothing(number: int, {fixture}: object) -> None:
    pass
"""
_START_AND_STOP = """\
import time
from mockmoov import MockMoov
before = time.perf_counter()
moov = MockMoov()
ready = time.perf_counter()
moov.stop()
print(ready - before, time.perf_counter() - ready)
"""
_LOAD_PLUGIN = """\
import time
import pytest
before = time.process_time()
import mockmoov.pytest_plugin
print(time.process_time() - before)
"""


def suite(rounds: int, tests: int) -> Iterator[Figure]:
    """What a test with the fixture `moov` costs, starting and stopping, and a run that uses nothing of it."""
    with tempfile.TemporaryDirectory() as folder:
        files = [_write(Path(folder), name, count) for name in ("moov", "bare") for count in (tests, 1)]
        rotate(1, _pytest, files)
        many, one, many_bare, one_bare = map(median, rotate(rounds, _pytest, files))
    milliseconds = (many - one - (many_bare - one_bare)) / (tests - 1) * 1e3
    yield compare(_SUITE, "the fixture `moov`, ms a test", [milliseconds], budget=Budget("≤", 2))
    pairs = [_python("-c", _START_AND_STOP).split() for _ in range(rounds)]
    for index, name, limit in ((0, "`MockMoov()` ready, ms", 40), (1, "`MockMoov().stop()`, ms", 150)):
        yield compare(_SUITE, name, [float(pair[index]) * 1e3 for pair in pairs], budget=Budget("≤", limit))
    _python("-c", _LOAD_PLUGIN)  # writes its bytecode
    plugin = [float(_python("-c", _LOAD_PLUGIN)) * 1e3 for _ in range(rounds)]
    yield compare(_SUITE, "the plugin in a run without it, CPU ms", plugin, budget=Budget("≤", 5))


def _write(folder: Path, fixture: str, count: int) -> Path:
    path = folder / f"test_{fixture}_{count}.py"
    path.write_text(_TESTS.format(fixture=fixture, count=count))
    return path


def _pytest(path: Path) -> float:
    """The seconds that pytest takes for a file."""
    started = time.perf_counter()
    _python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "mockmoov.pytest_plugin", str(path))
    return time.perf_counter() - started


def _python(*arguments: str) -> str:
    """What a fresh interpreter prints."""
    env = {**processes.environment(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command, folder = [sys.executable, *arguments], tempfile.gettempdir()
    return subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True).stdout


# --- in process -------------------------------------------------------------------------------------

_IN_PROCESS = "In process, CPU µs"
_CALLS = 200  # in one measurement
_JOURNAL = 10_000  # exchanges that the journal holds


def in_process(rounds: int) -> Iterator[Figure]:
    """A token and a protected call through the whole application, next to the least that they need.

    The journal is full. A hot token was verified before, a fresh one was not.
    """
    logging.getLogger("mockmoov").setLevel(logging.ERROR)
    application, key = Application(), Ed25519PrivateKey.generate()
    for _ in range(_JOURNAL // _CALLS):
        application.answer([MINT] * _CALLS)
    signed, message = claims("/ping.read"), application.answer([MINT])[0]
    signature, public_key = key.sign(message), key.public_key()
    verify = partial(public_key.verify, signature, message)
    (hot,) = _pings(application, 1)
    application.answer([hot])
    calls: dict[str, tuple[Callable[[], Sequence[HttpRequest]], Callable[[], object], float]] = {
        "a token (floor: one `jwt.encode`)": (
            lambda: [MINT] * _CALLS,
            partial(jwt.encode, signed, key, "EdDSA", headers=HEADER),
            0.6,
        ),
        "a protected call, hot token (floor: one verification)": (lambda: [hot] * _CALLS, verify, 1 / 0.6),
        "a protected call, fresh token (floor: one verification)": (
            lambda: _pings(application, _CALLS),
            verify,
            1 / 1.6,
        ),
    }
    for name, (requests, floor, limit) in calls.items():
        ours, least = list[float](), list[float]()
        for _ in range(rounds):
            scopes = [(scope_of(request), request.body) for request in requests()]
            ours.append(_microseconds(partial(application.answer_scopes, scopes)))
            least.append(_microseconds(partial(_repeat, floor)))
        yield compare(_IN_PROCESS, name, ours, {"floor": least}, Budget("≥", limit, "floor"))


def _pings(application: Application, count: int) -> list[HttpRequest]:
    """Protected calls, each with a token of its own."""
    pairs = map(json.loads, application.answer([MINT] * count))
    return [parsed(workload.get("/ping", pair["access_token"])) for pair in pairs]


def _repeat(call: Callable[[], object]) -> None:
    for _ in range(_CALLS):
        call()


def _microseconds(calls: Callable[[], object]) -> float:
    """The CPU time of one of the calls."""
    started = time.process_time()
    calls()
    return (time.process_time() - started) / _CALLS * 1e6


# --- in front of an upstream --------------------------------------------------------------------------


def forwarding(rounds: int, burst: int) -> Iterator[Figure]:
    """A protected call that an upstream answers, above the same call to the upstream itself."""
    with processes.running(EMPTY, core=processes.GENERATOR_CORE) as upstream:
        program = processes.mockmoov("--upstream", f"http://127.0.0.1:{upstream.port}")
        with processes.running(program) as gateway:
            (body,) = load.run(gateway.port, [workload.mint(workload.CARDS_SCOPE)], keep=True).bodies
            request = workload.get(workload.CARDS_PATH, json.loads(body)["access_token"])
            measure = partial(_forwarded, [request] * burst)
            rotate(1, measure, [gateway, upstream])
            through, direct = rotate(rounds, measure, [gateway, upstream])
    above = [mine - theirs for (mine, _), (theirs, _) in zip(through, direct, strict=True)]
    budget = Budget("≤", 1.5)
    yield compare("Forwarding", "forwarding a call, above a direct one, ms", above, budget=budget)
    yield compare("Forwarding", "forwarding a call, CPU ms", [cpu for _, cpu in through], budget=budget)


def _forwarded(requests: list[bytes], server: Server) -> tuple[float, float]:
    """The milliseconds of a call on one connection, and the CPU milliseconds of the server."""
    before = processes.cpu_seconds(server.pid)
    found = load.run(server.port, requests, connections=1)
    return 1e3 / found.rate, (processes.cpu_seconds(server.pid) - before) * 1e3 / len(requests)
