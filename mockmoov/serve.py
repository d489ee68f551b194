"""Owns listening: sockets, uvicorn, signals. Must not know OAuth, settings files or command lines."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address

import uvicorn
from starlette.types import ASGIApp

from mockmoov.connection import Connection

# What `localhost` means: both, on the same port (RFC 6761 §6.3).
_ADDRESSES = {"localhost": ("127.0.0.1", "::1")}
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - "every address" is none to connect to
_STOP_SECONDS = 0.3  # what an unfinished exchange gets before it is cut
_BACKLOG = 2048
_TRIES = 20  # ports, where any will do but must be free in both families


class BindError(OSError):
    """The address cannot be listened on; the message says which and why."""


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to host and port, 0 for any free one; raises `BindError`.

    A machine that has IPv4 or IPv6 only listens on `localhost` in that one.
    """
    for _ in range(_TRIES):
        try:
            return _bind_all(_ADDRESSES.get(host, (host,)), port)
        except UnicodeError:  # a name that IDNA cannot encode
            raise BindError(f"cannot listen on {host} port {port}: not a host name") from None
        except OSError as error:
            reason = error
            if port != 0 or error.errno != errno.EADDRINUSE:
                break
    raise BindError(f"cannot listen on {host} port {port}: {reason.strerror}") from None


def _bind_all(addresses: tuple[str, ...], port: int) -> list[socket.socket]:
    with contextlib.ExitStack() as cleanup:
        bound: list[socket.socket] = []
        missing: OSError | None = None
        for address in addresses:
            try:
                listener = cleanup.enter_context(_bind_one(address, port))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error
            else:
                port = listener.getsockname()[1]
                bound.append(listener)
        if missing and not bound:
            raise missing
        cleanup.pop_all()
        return bound


def _bind_one(address: str, port: int) -> socket.socket:
    family, _, _, _, place = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(place)
        listener.listen(_BACKLOG)  # two that are only bound may share a port
    except OSError:
        listener.close()
        raise
    return listener


def base_url(host: str, sockets: list[socket.socket]) -> str:
    """The URL under which the sockets are reached, without a trailing slash."""
    address, port = sockets[0].getsockname()[:2]
    address = _REACHED_AT.get(address, host if host in _ADDRESSES else address)
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def is_loopback(sockets: list[socket.socket]) -> bool:
    """Whether only this machine can reach the sockets."""
    return all(ip_address(item.getsockname()[0]).is_loopback for item in sockets)


def run(app: ASGIApp, sockets: list[socket.socket], on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then stop within a second; `on_ready` is called once it answers."""
    config = uvicorn.Config(
        app,
        http=Connection,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    config.timeout_graceful_shutdown = _STOP_SECONDS + 0.2  # type: ignore[assignment]  # any number will do
    _Server(config, on_ready).run(sockets=sockets)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does, but what is unfinished by then is cut, so that its handler sees a disconnect."""
        cut = asyncio.get_running_loop().call_later(_STOP_SECONDS, self._cut)
        await super().shutdown(sockets)
        cut.cancel()

    def _cut(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does, but a signal that was obeyed is not raised again: the exit code is 0."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()
