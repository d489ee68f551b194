"""The application in process, as reached over a network or on loopback, and what it logs."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from starlette.types import ASGIApp

from mockmoov.web.app import create_app
from tests.support.asgi import ask
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, basic, new_server

FORM = "application/x-www-form-urlencoded"
MINT = {"grant_type": "client_credentials", "scope": "/ping.read"}
AUTH = (CLIENT_ID, CLIENT_SECRET)
AUTHORIZED = [(b"content-type", FORM.encode()), (b"authorization", basic()[1].encode())]


def network_app(**settings: Any) -> ASGIApp:
    """The application on the network, where any Host passes and the control plane is closed."""
    return create_app(new_server(**settings), exposure="network")


def loopback_app(hosts: tuple[str, ...] = (), **settings: Any) -> ASGIApp:
    return create_app(new_server(allowed_hosts=list(hosts), **settings), exposure="loopback")


def mint(app: ASGIApp) -> dict[str, Any]:
    response = ask(app, "POST", "/oauth2/token", data=MINT, auth=AUTH)
    assert response.status_code == 200, response.text
    members: dict[str, Any] = response.json()
    return members


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextlib.contextmanager
def access_log(level: int = logging.INFO, name: str = "mockmoov.access") -> Iterator[list[str]]:
    handler, logger = _Lines(), logging.getLogger(name)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
