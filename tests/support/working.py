"""A `mockmoov serve --workers 2` process for tests: its log, its processes, requests to each worker."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.connections import over_http
from tests.support.contract_fixtures import Send
from tests.support.serving import serving_process, until

WORKERS = 2


class Server(NamedTuple):
    url: str
    process: subprocess.Popen[str]
    log_file: Path

    def log(self) -> list[dict[str, Any]]:
        """The lines of the log that are complete."""
        return [
            json.loads(line) for line in self.log_file.read_text().splitlines(True) if line.endswith("\n")
        ]

    def messages(self) -> list[str]:
        """What the log has, but for the requests."""
        return [line["message"] for line in self.log() if "path" not in line]

    def workers(self) -> list[int]:
        """The ids of the processes of the workers, the oldest first; waits until all have started."""
        until(lambda: len(workers_of(self.process)) == WORKERS)
        return workers_of(self.process)


@contextmanager
def working(folder: Path, *flags: str, **options: Any) -> Iterator[Server]:
    """Serve with two workers and a log of JSON in this folder. Options are those of `Popen`."""
    file = folder / "log"
    with (
        file.open("w") as log,
        serving_process(f"--workers={WORKERS}", "--log-format=json", *flags, stderr=log, **options) as (
            url,
            process,
        ),
    ):
        yield Server(url, process, file)


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The ids of the processes of the workers of a server, the oldest first."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    rows = [line.split(maxsplit=2) for line in listed]
    return sorted(
        int(pid) for pid, parent, command in rows if int(parent) == process.pid and "spawn_main" in command
    )


def is_running(pid: int) -> bool:
    """Whether there is such a process; one that has ended, and that nobody has waited for, doesn't count."""
    listed = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.strip() != "" and not listed.stdout.startswith("Z")


@contextmanager
def each_worker(server: Server) -> Iterator[Mapping[int, Send]]:
    """A connection to each worker by its number."""
    with ExitStack() as stack:
        found = dict[int, Send]()
        for number in count():
            path = f"/{os.getpid()}/{number}"
            connection = ExitStack()
            send = connection.enter_context(over_http(server.url))
            stack.push(connection)
            assert send("GET", path, [], b"")[0] == 404
            worker = _worker_that_answered(server, path)
            if worker in found:
                connection.close()
            found.setdefault(worker, send)
            if len(found) == WORKERS:
                break
            assert number < 1000, f"only {found.keys()} answer"
        yield dict(sorted(found.items()))


def _worker_that_answered(server: Server, path: str) -> int:
    def is_logged() -> bool:
        return any(line.get("path") == path for line in server.log())

    until(is_logged)
    return next(int(line["worker"]) for line in server.log() if line.get("path") == path)
