"""What a store in a file or in Redis costs: in process next to memory, with many families, and at a start."""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from benchmarks import processes, workload
from benchmarks.application import MINT, parsed
from benchmarks.figures import Budget, Figure, compare, rotate
from mockmoov.config.settings import Layer, load
from mockmoov.oauth.messages import HttpRequest
from mockmoov.oauth.records import RefreshToken
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.factory import create_server

_SECTION = "State in a file (SQLite)"
_IN_REDIS = "State in Redis (Unix socket)"
_FEW, _MANY = 1_000, 197_000  # families; at 200,000 records the oldest go
_CALLS = 100  # in one measurement
_Use = Callable[[Mapping[str, str]], bytes] | None
_KINDS: Mapping[str, tuple[_Use, float | None, float | None]] = {
    "a token": (None, 60, 150),
    "a refresh": (
        lambda pair: workload.post(
            workload.TOKEN_PATH, grant_type="refresh_token", refresh_token=pair["refresh_token"]
        ),
        100,
        300,
    ),
    "a protected call": (lambda pair: workload.get("/ping", pair["access_token"]), None, None),
}
"""The calls: the request that uses a pair of tokens; what a file and a Redis may add, in µs (None: any)."""


def state(rounds: int, *, many: int = _MANY) -> Iterator[Figure]:
    """Calls in process, wall time: in a file and in Redis next to memory, with many families next to few."""
    logging.getLogger("mockmoov").setLevel(logging.ERROR)
    yield from _in_file(rounds, many)
    with processes.redis() as url:
        servers = [_server(url), _server("memory")]
        for name, (use, _, limit) in _KINDS.items():
            yield from _next_to_memory(_IN_REDIS, name, use, limit, servers, rounds)
        servers[0].close()


def _in_file(rounds: int, many: int) -> Iterator[Figure]:
    with TemporaryDirectory() as folder:
        files = {count: Path(folder) / f"{count}.db" for count in (0, _FEW, many)}
        servers = {count: _server(f"sqlite:{path}") for count, path in files.items()}
        for count, server in servers.items():
            _add_families(server, count)
        for name, (use, limit, _) in _KINDS.items():
            both = [servers[0], _server("memory")]
            yield from _next_to_memory(_SECTION, name, use, limit, both, rounds)
        for name, (use, *_) in _KINDS.items():
            measure = partial(_medians, use)
            found, few = rotate(rounds, measure, [servers[many], servers[_FEW]])
            row = f"{name} with {many:,} families, µs (floor: with {_FEW:,})"
            yield compare(_SECTION, row, found, {"floor": few}, Budget("≥", 0.8, "floor"))
        for server in servers.values():
            server.close()
        starts = [processes.mockmoov("--store", f"sqlite:{files[count]}") for count in (many, 0)]
        full, empty = rotate(rounds, _start, starts)
        row = f"start with {many:,} families, ms (floor: with none)"
        yield compare(_SECTION, row, full, {"floor": empty}, Budget("≥", 1 / 1.2, "floor"))


def _server(store: str) -> AuthorizationServer:
    return create_server(load(Layer(settings={"store": store})))


def _add_families(server: AuthorizationServer, count: int) -> None:
    (api_key,) = server.repository.all_api_keys()
    now = time.time()
    token = RefreshToken(
        client_id=api_key.client_id,
        epoch=api_key.epoch,
        family="",
        sequence=0,
        scope="/ping.read",
        client_type="web",
        issued_at=int(now),
        expires_at=int(now) + 259_200,
    )
    for number in range(count):
        family = replace(token, family=f"{hash(number) * 0x9E3779B97F4A7C15 % 2**128:032x}")
        server.repository.revoke_family(family, now=now, expires_at=token.expires_at)


def _next_to_memory(
    section: str,
    name: str,
    use: _Use,
    limit: float | None,
    servers: Sequence[AuthorizationServer],
    rounds: int,
) -> Iterator[Figure]:
    durable, in_memory = rotate(rounds, partial(_times, use), servers)
    above = [median(mine) - median(theirs) for mine, theirs in zip(durable, in_memory, strict=True)]
    budget = None if limit is None else Budget("≤", limit)
    yield compare(section, f"{name}, above memory, µs", above, budget=budget)
    mine, theirs = ([_p99(times) for times in found] for found in (durable, in_memory))
    row = f"{name}, p99{' with checkpoints' if section == _SECTION else ''}, µs"
    yield compare(section, row, mine, {"memory": theirs})


def _times(use: _Use, server: AuthorizationServer) -> list[float]:
    """The microseconds of each call."""
    pairs = [json.loads(answer(server, MINT)) for _ in range(_CALLS)] if use else []
    requests = [parsed(use(pair)) for pair in pairs] if use else [MINT] * _CALLS
    return [_microseconds(server, request) for request in requests]


def answer(server: AuthorizationServer, request: HttpRequest) -> bytes:
    """The body of a response, which must be 200."""
    response = server.handle(request)
    assert response is not None
    assert response.status == 200
    return response.body


def _medians(use: _Use, server: AuthorizationServer) -> float:
    return median(_times(use, server))


def _microseconds(server: AuthorizationServer, request: HttpRequest) -> float:
    started = time.perf_counter()
    answer(server, request)
    return (time.perf_counter() - started) * 1e6


def _p99(times: Sequence[float]) -> float:
    return quantiles(times, n=100)[98]


def _start(program: processes.Program) -> float:
    with processes.running(program) as server:
        return server.start_seconds * 1e3
