"""A real server on a real socket in a thread of the test's own process."""

import contextlib
from collections.abc import Iterator

from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.web.app import create_app
from mockmoov.web.listeners import base_url, bind
from mockmoov.web.uvicorn_server import BackgroundServer


@contextlib.contextmanager
def listening(server: AuthorizationServer) -> Iterator[str]:
    """Serve on a free loopback port; yields the URL."""
    sockets = bind("127.0.0.1", 0)
    background = BackgroundServer(create_app(server, exposure="loopback"), sockets)
    try:
        yield base_url("127.0.0.1", sockets)
    finally:
        background.stop()
        assert not background._thread.is_alive()
