"""What forwarding costs: through mockmoov against directly, to one upstream."""

import json
from collections.abc import Iterator
from dataclasses import replace
from statistics import median
from urllib.request import Request, urlopen

from benchmarks import load, processes
from benchmarks.figures import Budget, Figure
from benchmarks.network import alternating
from benchmarks.processes import OURS, Program, Server
from benchmarks.workload import CARDS_SCOPE, token_request, wire_cards_request

_UPSTREAM = Program(name="upstream", arguments=("-m", "benchmarks.upstream", "{port}"), health="/")
_WARM_UP = 500  # requests
_MANY = 16  # connections


def forwarding(rounds: int, seconds: float) -> Iterator[Figure]:
    """The same request both ways in turns: on one connection its time, on many the CPU of mockmoov."""
    with processes.running(_UPSTREAM) as upstream:
        ours = replace(OURS, arguments=(*OURS.arguments, "--upstream", f"http://127.0.0.1:{upstream.port}"))
        with processes.running(ours) as gateway:
            processes.pin(gateway.pid, processes.SERVER_CORE)
            processes.pin(upstream.pid, processes.GENERATOR_CORE)
            request = wire_cards_request(_token(gateway))
            for server in (gateway, upstream):
                load.run(server.port, request, "requests", _WARM_UP)
            yield _latency(gateway, upstream, request, rounds, seconds)
            yield from _cpu(gateway, request, rounds, seconds)


def _latency(gateway: Server, upstream: Server, request: bytes, rounds: int, seconds: float) -> Figure:
    def milliseconds(server: Server) -> float:
        return 1e3 / load.run(server.port, request, "seconds", seconds, connections=1).rate

    through, direct = alternating(rounds, milliseconds, gateway, upstream)
    return Figure(
        name="forwarding less direct, ms, 1 connection",
        ours=median(mine - theirs for mine, theirs in zip(through, direct, strict=True)),
        budget=Budget(bound="<=", limit=1.5),
    )


def _cpu(gateway: Server, request: bytes, rounds: int, seconds: float) -> Iterator[Figure]:
    spent, rates = [], []
    for _ in range(rounds):
        before = processes.cpu_seconds(gateway.pid)
        result = load.run(gateway.port, request, "seconds", seconds, connections=_MANY)
        spent.append((processes.cpu_seconds(gateway.pid) - before) / result.requests * 1e3)
        rates.append(result.rate)
    yield Figure(
        name=f"forwarding, CPU ms a request, {_MANY} connections",
        ours=median(spent),
        budget=Budget(bound="<=", limit=1.5),
    )
    yield Figure(name=f"forwarded requests a second, {_MANY} connections", ours=median(rates))


def _token(server: Server) -> str:
    request = token_request(CARDS_SCOPE)
    headers = {name: values[0] for name, values in request.headers.items() if name != "host"}
    asked = Request(f"http://127.0.0.1:{server.port}{request.path}", data=request.body, headers=headers)
    with urlopen(asked) as answer:
        return str(json.load(answer)["access_token"])
