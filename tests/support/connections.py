"""Connections that stay open, to send one request at a time, or one on each of many at the same moment."""

import http.client
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import cycle, islice
from urllib.parse import urlsplit

from tests.support.contract_fixtures import Answer, Send
from tests.support.servers import Header


def connect(url: str) -> http.client.HTTPConnection:
    """A connection to a server, which opens when it is used."""
    parts = urlsplit(url)
    return http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)


def read(connection: http.client.HTTPConnection) -> Answer:
    """The answer to the request that was sent last."""
    response = connection.getresponse()
    body = response.read()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, body


@contextmanager
def over_http(*urls: str) -> Iterator[Send]:
    """A way to send requests to servers in turn."""
    with ExitStack() as stack:
        connections = cycle([stack.enter_context(closing(connect(url))) for url in urls])

        def send(method: str, target: str, headers: list[Header], body: bytes) -> Answer:
            connection = next(connections)
            connection.request(method, target, body or None, dict(headers))
            return read(connection)

        yield send


class Racers:
    """Connections to servers, in turn, each of which sends the same request at the same moment."""

    def __init__(self, stack: ExitStack, urls: Sequence[str], count: int) -> None:
        self._connections = [stack.enter_context(closing(connect(url))) for url in islice(cycle(urls), count)]

    def race(self, target: str, headers: Sequence[Header], body: bytes) -> list[Answer]:
        """Post all but the last byte on each connection; then send that byte on all, and read the answers."""
        for connection in self._connections:
            connection.putrequest("POST", target)
            for name, value in (*headers, ("content-length", str(len(body)))):
                connection.putheader(name, value)
            connection.endheaders(body[:-1])
        for connection in self._connections:
            connection.sock.sendall(body[-1:])
        return [read(connection) for connection in self._connections]
