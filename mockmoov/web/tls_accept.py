"""Accepts TLS connections so that one in the middle of its handshake can be ended when the server stops.

The event loop's own TLS server, `loop.create_server(ssl=...)`, forgets a connection while it shakes hands.
Under uvloop a stop then took over a second, left its transport open, and logged that the loop was closed.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterable

_HANDSHAKE_SECONDS = 10
_PAUSE_SECONDS = 0.1  # after a connection could not be accepted, because too many are open


class TlsAcceptor:
    """Accepts connections, and gives each one a protocol from `make_protocol` once it speaks TLS."""

    def __init__(self, context: ssl.SSLContext, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        self._context = context
        self._make_protocol = make_protocol
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self, listeners: Iterable[socket.socket]) -> None:
        """Accept connections there until `stop`."""
        for listener in listeners:
            listener.setblocking(False)
            self._start(self._accept(listener))

    async def stop(self) -> None:
        """Accept no more, and end every handshake; connections that speak TLS already go on."""
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
                accepted, _ = await asyncio.get_running_loop().sock_accept(listener)
            except OSError:
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                self._start(self._shake(accepted))

    async def _shake(self, accepted: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it speaks no TLS, rejects the certificate, or left
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make_protocol, accepted, ssl=self._context, ssl_handshake_timeout=_HANDSHAKE_SECONDS
            )
