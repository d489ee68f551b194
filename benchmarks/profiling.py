"""`make profile`: where the time of a token request and of the start goes.

The request runs in process, from the ASGI scope to the response, without uvicorn. cProfile makes small
functions look larger than they are; C functions are cheap to watch.
"""

import asyncio
import cProfile
import pstats
import re
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from starlette.types import Message, Scope

from benchmarks import costs, processes, workload
from benchmarks.figures import markdown
from mockmoov.config.settings import Settings
from mockmoov.server.factory import create_server
from mockmoov.web.app import create_app

_REQUESTS, _WARM_UP = 5000, 500
_ROWS = 15
_PACKAGE = processes.ROOT / "mockmoov"
SITE = Path(sysconfig.get_path("purelib"))
_NATIVE = re.compile(r"cryptography|Ed25519|msgspec|hashlib|hmac")
_IMPORT = re.compile(r"import time: +(\d+) \| +\d+ \| +(\S+)")

Function = tuple[str, int, str]
"""File, line and name, as in pstats."""


# --- a request --------------------------------------------------------------------------------------


def _profile_request() -> Mapping[Function, float]:
    """The own time of each function, in µs a request."""
    profile = cProfile.Profile()
    asyncio.run(_run_requests(profile))
    stats: dict[Function, tuple[int, int, float, float, object]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    return {function: own * 1e6 / _REQUESTS for function, (_, _, own, _, _) in stats.items()}


async def _run_requests(profile: cProfile.Profile) -> None:
    app = create_app(create_server(Settings(access_log=False)), exposure="loopback")
    request = costs.parsed(workload.mint())
    headers = [(name.encode(), value.encode()) for name, (value,) in request.headers.items()]
    scope: Scope = {
        "type": "http", "http_version": "1.1", "method": request.method, "scheme": "http",
        "path": request.path, "raw_path": request.path.encode(), "query_string": b"", "root_path": "",
        "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8080),
    }  # fmt: skip

    async def receive() -> Message:
        return {"type": "http.request", "body": request.body, "more_body": False}

    async def send(message: Message) -> None:
        assert message.get("status", 200) == 200

    for _ in range(_WARM_UP):
        await app(dict(scope), receive, send)
    with profile:
        for _ in range(_REQUESTS):
            await app(dict(scope), receive, send)


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
