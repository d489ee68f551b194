"""Owns connections until they speak TLS, so that they can be ended before. Must not know HTTP.

An event loop's own server forgets a connection while it shakes hands, and cannot end it when it stops.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterable

_SECONDS = 10  # that a handshake may take
_REST_SECONDS = 0.1  # after a connection that could not be accepted: there are too many


class TlsAcceptor:
    """Accepts connections, and hands each to a protocol that `make` makes once it speaks TLS."""

    def __init__(self, context: ssl.SSLContext, make: Callable[[], asyncio.Protocol]) -> None:
        self._context = context
        self._make = make
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self, listeners: Iterable[socket.socket]) -> None:
        """Accept what comes there, until `stop`."""
        for listener in listeners:
            listener.setblocking(False)
            self._start(self._accept(listener))

    async def stop(self) -> None:
        """Accept no more, and end what is not ready yet; whoever speaks TLS is left alone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            except OSError:
                await asyncio.sleep(_REST_SECONDS)
            else:
                self._start(self._shake(connection))

    async def _shake(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it speaks no TLS, does not trust us, or left
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make, connection, ssl=self._context, ssl_handshake_timeout=_SECONDS
            )
