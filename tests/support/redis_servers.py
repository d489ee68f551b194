"""A real redis-server for tests: one for each process that runs tests, and those that a test stops."""

import atexit
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

from tests.support.missing import without


def new_name() -> str:
    """A name for a store that no other test uses."""
    return f"test-{uuid4().hex}"


@lru_cache
def redis_url() -> str:
    """The URL of the server that the tests of this process share. It ends with the process."""
    folder = Path(mkdtemp(prefix="mockmoov-redis-"))
    server = RedisProcess(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.stop)
    return server.url


def store_flags(kind: str, folder: Path) -> tuple[str, ...]:
    """The flags of `mockmoov serve` for a new store of a kind, memory, sqlite or redis."""
    if kind == "redis":
        return ("--store", redis_url(), "--store-namespace", new_name())
    return ("--store", f"sqlite:{folder / 'state.db'}" if kind == "sqlite" else kind)


@contextmanager
def redis_process(*options: str) -> Iterator["RedisProcess"]:
    """A server that a test may stop and start again; it keeps nothing on the disk."""
    folder = Path(mkdtemp(prefix="mockmoov-redis-"))
    server = RedisProcess(folder, *options)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


class RedisProcess:
    """A redis-server on a socket in a folder."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.url = f"unix://{folder / 'redis.sock'}"
        self._options = (
            "--port",
            "0",
            "--unixsocket",
            str(folder / "redis.sock"),
            "--dir",
            str(folder),
            *options,
        )
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program = shutil.which("redis-server")
        if program is None:
            without("there is no redis-server here: install Debian's package redis-server, for example")
        command = [program, "--save", "", "--appendonly", "no", *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        lines = iter(self._process.stdout.readline, "")
        assert any("accept connections" in line for line in lines), "redis-server did not start"
        self._process.stdout.close()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def stop(self) -> None:
        """Stop it at once; its data are lost."""
        self._process.kill()
        self._process.wait()
