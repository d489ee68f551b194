"""Ends a connection so that the response arrives, even if the client is still sending (RFC 9112 §9.6).

A socket that is closed with unread bytes in it resets the connection, and the reset may destroy a response
that the client hasn't read. Many clients send a whole body before they read. So once a client has its
response, the rest of what it sends is read and dropped, up to 16 MiB and for 5 s. Then the connection ends.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

MAX_DROPPED = 16 * 2**20  # bytes (choice)
DROP_SECONDS = 5.0  # (choice)
_NO_LINGER = struct.pack("ii", 1, 0)  # close with a TCP reset (SO_LINGER of 0 seconds)


def _never() -> bool:
    return False


class LingeringTransport:
    """A transport whose `close` waits for a client that `is_sending` to end.

    TLS, as the event loops have it, cannot end in one direction only: such a client learns from the response
    itself that the connection ends.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        is_sending: Callable[[], bool],
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._is_sending = is_sending
        self._timer: asyncio.TimerHandle | None = None
        self._holds_next = False
        self._held = b""  # the head of a response, which is sent together with its body
        self._left = 0  # bytes that may still be dropped
        self._is_ended = False  # whether the last response was written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write, unless the last response was written."""
        if self._is_ended:
            return
        if self._holds_next:
            self._held, self._holds_next = data, False
        else:
            self._transport.write(self._held + data)
            self._held = b""

    def hold(self) -> None:
        """Keep what is written next, the head of a response, until the body is written: in one call."""
        self._holds_next = True

    def flush(self) -> None:
        """Write what is kept."""
        if self._held:
            self.write(b"")

    def is_closing(self) -> bool:
        """Whether nothing more is written."""
        return self._is_ended or self._transport.is_closing()

    def close(self) -> None:
        """Close, after the client has ended if it is still sending."""
        self.flush()
        if self._is_sending():
            self.linger()
        else:
            self._transport.close()

    def reset(self) -> None:
        """Close the connection with a TCP reset; unsent data is lost."""
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def connection_lost(self) -> None:
        """Nothing more comes. Let go of whoever uses the transport, so that it needs no garbage collector."""
        self.stop_dropping()
        self._is_sending = _never

    def linger(self) -> None:
        """Write nothing more; drop what comes until the client ends, then close."""
        self.flush()
        self._is_ended = True
        if self._transport.is_closing():
            return
        self._transport.resume_reading()
        if self._transport.can_write_eof():
            with suppress(OSError):  # the client has left
                self._transport.write_eof()
        self.start_dropping()

    # --- what is dropped ----------------------------------------------------------------------------

    @property
    def is_dropping(self) -> bool:
        """Whether bytes are dropped, within bounds."""
        return self._timer is not None

    def start_dropping(self) -> None:
        """Bound what the client may send from here on, and how long, if no bounds are set yet."""
        if self._timer is None:
            self._left = MAX_DROPPED
            self._timer = self._loop.call_later(DROP_SECONDS, self._transport.abort)

    def drop(self, size: int) -> bool:
        """Count dropped bytes; whether the connection is still open for a next request."""
        self._left -= size
        if self._left < 0:
            self._transport.abort()
        return not self.is_closing()

    def stop_dropping(self) -> None:
        """End the bounds: the client has sent its body to the end, or has left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
