"""A real server on a real socket in a thread of the test's own process."""

import contextlib
import socket
import ssl
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.testing import MockMoov
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


LOOPS = {"uvloop": "uvloop", "asyncio": "asyncio.unix_events"}


@contextlib.contextmanager
def moov_on(loop: str, **settings: Any) -> Iterator[MockMoov]:
    """A server with http and https, on this event loop, a key of `LOOPS`."""
    with pytest.MonkeyPatch.context() as patch:
        if loop != "uvloop":
            patch.setitem(sys.modules, "uvloop", None)
        moov = MockMoov(tls=True, access_log=False, **settings)
    with moov:
        assert moov._background is not None
        assert type(moov._background._server._loop).__module__.startswith(LOOPS[loop])
        yield moov


@contextlib.contextmanager
def connected(url: str, ca_pem: str | None = None) -> Iterator[socket.socket]:
    """A connection to the port of a URL, which speaks TLS if there is a CA to trust."""
    with socket.create_connection(("localhost", urlsplit(url).port), timeout=10) as plain:
        if ca_pem is None:
            yield plain
        else:
            context = ssl.create_default_context(cadata=ca_pem)
            with context.wrap_socket(plain, server_hostname="localhost") as secure:
                yield secure
