"""Owns a real server on a real socket in a thread of the test's own process. Must not know the contract."""

import contextlib
import threading
from collections.abc import Iterator

import uvicorn

from mockmoov.app import create_app
from mockmoov.connection import Connection
from mockmoov.serve import base_url, bind
from mockmoov.server import AuthorizationServer


@contextlib.contextmanager
def listening(server: AuthorizationServer) -> Iterator[str]:
    """Serve on a free loopback port; yields the URL."""
    sockets = bind("127.0.0.1", 0)
    config = uvicorn.Config(
        create_app(server), http=Connection, lifespan="off", ws="none", log_config=None, access_log=False
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": sockets})
    thread.start()
    try:
        yield base_url("127.0.0.1", sockets)
    finally:
        running.should_exit = True
        thread.join(10)
        assert not thread.is_alive()
