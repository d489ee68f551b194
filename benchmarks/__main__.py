"""`python -m benchmarks`: what is run at which size."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import double, figures, gateway, inprocess, network


def _quick() -> Iterator[figures.Figure]:
    yield from network.throughput(rounds=4, seconds=0.7)
    yield from network.cold_start(rounds=5)
    yield from network.memory(tokens=10_000)
    yield from inprocess.mint(repeats=10)
    yield from double.fixture(rounds=3, tests=300)
    yield from double.start_and_stop(rounds=7)
    yield from double.plugin(rounds=7)
    yield from double.journal(rounds=6, seconds=0.5)
    yield from inprocess.authorize(repeats=10)
    yield from gateway.forwarding(rounds=4, seconds=0.7)


def _full() -> Iterator[figures.Figure]:
    yield from network.throughput(rounds=40, seconds=0.75)
    yield from network.cold_start(rounds=15)
    yield from network.memory(tokens=100_000)
    yield from inprocess.mint(repeats=60)
    yield from double.fixture(rounds=7, tests=1000)
    yield from double.start_and_stop(rounds=25)
    yield from double.plugin(rounds=25)
    yield from double.journal(rounds=40, seconds=0.5)
    yield from inprocess.authorize(repeats=60)
    yield from gateway.forwarding(rounds=20, seconds=0.75)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="mockmoov against a bare floor."
    )
    parser.add_argument("--quick", action="store_true", help="a minute instead of some five")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here, too")
    parser.add_argument("--check", action="store_true", help="exit 1 if a figure is over its budget")
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    found = []
    print(figures.HEADING)
    for figure in _quick() if arguments.quick else _full():
        print(figures.row(figure), flush=True)
        found.append(figure)
    if arguments.json:
        figures.write_json(arguments.json, found, quick=arguments.quick)
    return int(arguments.check and any(figure.over for figure in found))


if __name__ == "__main__":
    sys.exit(main())
