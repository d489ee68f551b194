"""`make profile`: where the time of a token request and of the start goes.

The request runs in process, from the ASGI scope to the response, without uvicorn. cProfile makes small
functions look larger than they are; C functions are cheap to watch.
"""

import cProfile
import pstats
import re
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks import processes
from benchmarks.application import MINT, Application
from benchmarks.figures import markdown

_REQUESTS, _WARM_UP = 5000, 500
_ROWS = 15
_PACKAGE = processes.ROOT / "mockmoov"
SITE = Path(sysconfig.get_path("purelib"))
_NATIVE = re.compile(r"cryptography|Ed25519|sodium|msgspec|hashlib|hmac")
_IMPORT = re.compile(r"import time: +(\d+) \| +\d+ \| +(\S+)")

Function = tuple[str, int, str]
"""File, line and name, as in pstats."""


# --- a request --------------------------------------------------------------------------------------


def _profile_request() -> Mapping[Function, float]:
    """The own time of each function, in µs a request."""
    application, profile = Application(), cProfile.Profile()
    application.answer([MINT] * _WARM_UP)
    with profile:
        application.answer([MINT] * _REQUESTS)
    stats: dict[Function, tuple[int, int, float, float, object]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    return {function: own * 1e6 / _REQUESTS for function, (_, _, own, _, _) in stats.items()}


def layer(function: Function) -> str:
    """The folder of mockmoov, the library, or what else a function belongs to."""
    path, _, name = function
    if path == "~":
        found = _NATIVE.search(name)
        return f"{found[0]} (native)" if found else "built-in functions"
    for folder in (_PACKAGE, SITE):
        if Path(path).is_relative_to(folder):
            first = Path(path).relative_to(folder).parts[0]
            return f"mockmoov/{first}" if folder == _PACKAGE else first
    return "benchmarks" if Path(path).is_relative_to(processes.ROOT) else "standard library"


def _name(function: Function) -> str:
    path, line, name = function
    return f"`{name}`" if path == "~" else f"`{Path(path).stem}:{line} {name}`"


# --- the start --------------------------------------------------------------------------------------


def _profile_imports() -> str:
    """What `-X importtime` writes until the server answers."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "imports"
        for python in ((), ("-X", "importtime")):  # the first start writes the bytecode
            with processes.running(processes.mockmoov(python=python), log):
                pass
        return log.read_text()


def by_package(log: str) -> Mapping[str, float]:
    """The own milliseconds of the modules of each top-level package."""
    return _sum((module.partition(".")[0], int(own) / 1000) for own, module in _IMPORT.findall(log))


# --- tables -----------------------------------------------------------------------------------------


def table(what: str, unit: str, found: Mapping[str, float]) -> str:
    """The largest, and their share of it all."""
    total = sum(found.values())
    largest = sorted(found.items(), key=lambda item: -item[1])[:_ROWS]
    rows = [[name, f"{value:,.1f}", f"{value / total:.0%}"] for name, value in [("all", total), *largest]]
    return markdown([what, unit, "share"], rows)


def _sum(pairs: Iterable[tuple[str, float]]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for name, value in pairs:
        found[name] = found.get(name, 0) + value
    return found


def main() -> None:
    """Print the tables."""
    own = _profile_request()
    print("A token request, own time by layer and by function:\n")
    for title, group in {"layer": layer, "function": _name}.items():
        print(
            table(title, "µs", _sum((group(function), value) for function, value in own.items())), end="\n\n"
        )
    print("The imports of `mockmoov serve`, own time by top-level package:\n")
    print(table("package", "ms", by_package(_profile_imports())))


if __name__ == "__main__":
    main()
