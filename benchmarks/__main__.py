"""`python -m benchmarks`: which sections are measured, and how large they are."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping

from benchmarks import costs, processes, report, servers, state, workers
from benchmarks.figures import Figure

_Section = Callable[[], Iterator[Figure]]


def _quick() -> Mapping[str, _Section]:
    return {
        "calls": lambda: servers.calls(rounds=8, burst=300),
        "start": lambda: servers.start(rounds=5),
        "memory": lambda: servers.memory(tokens=20_000),
        "suite": lambda: costs.suite(rounds=3, tests=300),
        "process": lambda: costs.in_process(rounds=15),
        "state": lambda: state.state(rounds=5),
        "workers": lambda: workers.workers(rounds=5, burst=1000),
        "forwarding": lambda: costs.forwarding(rounds=5, burst=200),
    }


def _full() -> Mapping[str, _Section]:
    return {
        "calls": lambda: servers.calls(rounds=30, burst=1000),
        "start": lambda: servers.start(rounds=30),
        "memory": lambda: servers.memory(tokens=300_000),
        "suite": lambda: costs.suite(rounds=7, tests=1000),
        "process": lambda: costs.in_process(rounds=60),
        "state": lambda: state.state(rounds=20),
        "workers": lambda: workers.workers(rounds=20, burst=2000),
        "forwarding": lambda: costs.forwarding(rounds=20, burst=300),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=report.__doc__)
    parser.add_argument("--quick", action="store_true", help="measure less of everything")
    parser.add_argument("--only", choices=_full(), help="measure one section, and write only that")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="replace the committed figures, page and chart")
    what.add_argument("--check", action="store_true", help="exit 1 if a ratio fell, or breaks its budget")
    return parser.parse_args()


def _measure(sections: Mapping[str, _Section]) -> Iterator[Figure]:
    """Print the tables of each section as it ends."""
    for name, section in sections.items():
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        figures = list(section())
        print(report.section(figures[0].section, figures), end="\n\n", flush=True)
        yield from figures


def main() -> int:
    """Measure, print, and write or check."""
    arguments = _arguments()
    processes.pin(os.getpid(), processes.GENERATOR_CORE)
    sections = _quick() if arguments.quick else _full()
    if arguments.only:
        sections = {arguments.only: sections[arguments.only]}
    found = report.make(list(_measure(sections)), is_quick=arguments.quick)
    for note in found.notes:
        print(note)
    if arguments.write:
        report.write(report.merge(report.read(), found) if arguments.only else found)
    if not arguments.check:
        return 0
    complaints = list(report.complaints(found.figures, report.read().figures))
    print("\n".join(complaints) or f"no ratio fell by more than {report.FALL:.0%}, all budgets hold")
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
