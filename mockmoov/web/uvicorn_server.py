"""Runs an ASGI application with uvicorn: sockets, signals, http and https together, a stop in time."""

import asyncio
import contextlib
import errno
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from mockmoov.web.tls_accept import TlsAcceptor
from mockmoov.web.uvicorn_protocol import HttpProtocol

# What `localhost` means: both, on the same port (RFC 6761 §6.3).
_ADDRESSES = {"localhost": ("127.0.0.1", "::1")}
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nobody can connect to "every address"
_STOP_SECONDS = 0.3  # that an unfinished exchange has before its connection is closed
_STOP_SECONDS_IN_BACKGROUND = 0.02
_ABORT_SECONDS = 0.05  # that its handler has to notice
_POLL_SECONDS = 0.002
_BACKLOG = 2048
_TRIES = 20  # ports, where any port will do that is free for IPv4 and IPv6


class BindError(OSError):
    """The server cannot listen on an address; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsListeners:
    """Bound sockets for https, and how TLS is spoken there."""

    sockets: list[socket.socket]
    context: ssl.SSLContext


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to host and port, 0 for any free port; raises `BindError`.

    On a machine with only IPv4 or only IPv6, `localhost` means that one.
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
    hint = "; another mockmoov? port 0 picks a free one" if port and reason.errno == errno.EADDRINUSE else ""
    raise BindError(f"cannot listen on {host} port {port}: {reason.strerror}{hint}") from None


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


def base_url(host: str, sockets: list[socket.socket], *, scheme: str = "http") -> str:
    """The URL under which the sockets are reached, without a trailing slash."""
    address, port = sockets[0].getsockname()[:2]
    address = _REACHED_AT.get(address, host if host in _ADDRESSES else address)
    return f"{scheme}://[{address}]:{port}" if ":" in address else f"{scheme}://{address}:{port}"


def is_loopback(sockets: list[socket.socket]) -> bool:
    """Whether only this machine can reach the sockets."""
    return all(ip_address(item.getsockname()[0]).is_loopback for item in sockets)


def run(
    app: ASGIApp,
    sockets: list[socket.socket],
    on_ready: Callable[[], None],
    secure: TlsListeners | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then stop within a second; calls `on_ready` once the server answers."""
    _Server(app, on_ready, _STOP_SECONDS, secure).run(sockets=sockets)


class BackgroundServer:
    """A server in a thread. The constructor returns when it answers, or raises what kept it from starting."""

    def __init__(
        self, app: ASGIApp, sockets: list[socket.socket], secure: TlsListeners | None = None
    ) -> None:
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._server = _Server(app, self._ready.set, _STOP_SECONDS_IN_BACKGROUND, secure)
        self._thread = threading.Thread(target=self._run, args=(sockets,), name="mockmoov", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise self._error

    def _run(self, sockets: list[socket.socket]) -> None:
        try:
            self._server.run(sockets=sockets)
        except BaseException as error:
            self._error = error
        finally:
            self._ready.set()

    def stop(self) -> None:
        """Stop it and wait until it has; more than once does nothing."""
        self._server.end()
        self._thread.join(_STOP_SECONDS + 1)


class _Server(uvicorn.Server):
    def __init__(
        self, app: ASGIApp, on_ready: Callable[[], None], stop_seconds: float, secure: TlsListeners | None
    ) -> None:
        config = uvicorn.Config(
            app,
            http=HttpProtocol,
            lifespan="on",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
        )
        super().__init__(config)
        self._on_ready = on_ready
        self._stop_seconds = stop_seconds
        self._secure = secure
        self._tls_acceptor: TlsAcceptor | None = None
        self._ended = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets=sockets)
        if self._secure is not None:  # in addition to http, which uvicorn's own option would replace
            self._tls_acceptor = TlsAcceptor(self._secure.context, self._new_protocol)
            self._tls_acceptor.listen(self._secure.sockets)
        self._on_ready()

    def _new_protocol(self) -> HttpProtocol:
        return HttpProtocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def main_loop(self) -> None:
        """Wait for the end, where uvicorn polls for it ten times a second."""
        await self._ended.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.end()

    def end(self) -> None:
        """Stop, from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: there is nothing left to stop
                self._loop.call_soon_threadsafe(self._ended.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop in time: unfinished exchanges are aborted, so that their handlers see a disconnect."""
        if self._tls_acceptor is not None:
            await self._tls_acceptor.stop()
        secure = self._secure.sockets if self._secure else ()
        for listener in (*self.servers, *(sockets or ()), *secure):
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._finished(self._stop_seconds)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await self._finished(_ABORT_SECONDS, forced=True)
        for task in self.server_state.tasks:
            task.cancel()
        await self.lifespan.shutdown()

    async def _finished(self, seconds: float, *, forced: bool = False) -> None:
        """Wait for the exchanges to end, at most that long; after a second signal only if `forced`."""
        deadline = time.monotonic() + seconds
        state = self.server_state
        while (state.connections or state.tasks) and (forced or not self.force_exit):
            if time.monotonic() >= deadline:
                break
            await asyncio.sleep(_POLL_SECONDS)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals as uvicorn does, but do not raise them again: the exit code is 0."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()
