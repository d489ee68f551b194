"""Runs an ASGI application with uvicorn: sockets, signals, http and https together, a stop in time."""

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from types import FrameType
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from mockmoov.config.signals import handle_signals
from mockmoov.web.lifespan import Lifespan
from mockmoov.web.listeners import TlsListeners
from mockmoov.web.uvicorn_protocol import HttpProtocol

_log = logging.getLogger("mockmoov")
_STOP_SECONDS = 0.3  # that an unfinished exchange has before its connection is closed
_STOP_SECONDS_IN_BACKGROUND = 0.02
_ABORT_SECONDS = 0.05  # that its handler has to notice
_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")
_START_SECONDS = 10  # that a server in the background has to start, an upstream application included
_FAILED_SECONDS = 1  # that it has to clean up after a failed start
_JOIN_SECONDS = 10  # that a server in the background has to stop, an upstream application included
_POLL_SECONDS = 0.002
_HANDSHAKE_SECONDS = 10
_FOR_HTTP = "a client sent http to the https port: use https://"
_FOR_CERTIFICATE = (
    "a client rejected the certificate: it must trust the CA (at /_mockmoov/ca.pem, unless tls_cert is set), "
    "and tls_names must list the name that it uses"
)
_TLS_HINTS = {  # by OpenSSL's reasons
    "HTTP_REQUEST": _FOR_HTTP,
    "HTTPS_PROXY_REQUEST": _FOR_HTTP,
    "WRONG_VERSION_NUMBER": _FOR_HTTP,  # PATCH, DELETE and OPTIONS too
    "TLSV1_ALERT_UNKNOWN_CA": _FOR_CERTIFICATE,
    "SSLV3_ALERT_BAD_CERTIFICATE": _FOR_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _FOR_CERTIFICATE,
}
_PAUSE_SECONDS = 0.1  # after a connection could not be accepted, because too many are open


def run(
    app: ASGIApp,
    sockets: list[socket.socket],
    on_ready: Callable[[], None],
    secure: TlsListeners | None = None,
    until: int | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP, then stop within a second.

    It also stops when the file descriptor `until` becomes readable. Calls `on_ready` once the server answers.
    The process is to end then: it ignores these signals from there
    on, so that another one doesn't change its exit code.
    """
    server = _Server(app, on_ready, _STOP_SECONDS, secure, until=until)
    handle_signals(_SIGNALS, server.handle_exit)
    server.run(sockets=sockets)
    handle_signals(_SIGNALS, signal.SIG_IGN)


class StartError(RuntimeError):
    """A server cannot run in a thread of this process; the message says why, and what works."""


class BackgroundServer:
    """A server in a thread. The constructor returns when it answers, or raises what kept it from starting.

    That is a `StartError` where the upstream application doesn't start within 10 s.
    """

    def __init__(
        self,
        app: ASGIApp,
        sockets: list[socket.socket],
        secure: TlsListeners | None = None,
        *,
        start_seconds: float = _START_SECONDS,
    ) -> None:
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._server = _Server(
            app, self._ready.set, _STOP_SECONDS_IN_BACKGROUND, secure, on_failure=self._fail
        )
        self._thread = threading.Thread(target=self._run, args=(sockets,), name="mockmoov", daemon=True)
        self._thread.start()
        self._wait(start_seconds, sockets)

    def _wait(self, seconds: float, sockets: list[socket.socket]) -> None:
        if not self._ready.wait(seconds):
            self._fail(StartError(f"the upstream application didn't start within {seconds} s"))
            self._server.close(sockets)
        if self._error is not None:
            self._join(_FAILED_SECONDS)
            raise self._error

    def _run(self, sockets: list[socket.socket]) -> None:
        try:
            self._server.run(sockets=sockets)
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._ready.set()

    def _join(self, seconds: float) -> None:
        self._thread.join(seconds)
        if self._thread.is_alive():
            _log.warning("a thread of mockmoov goes on: the upstream application doesn't end")

    def stop(self) -> None:
        """Stop it and wait until it has; more than once does nothing."""
        self._server.end()
        self._join(_JOIN_SECONDS)


def require_threads() -> None:
    """Raise `StartError` where threads are greenlets: a server in one of them would block all others."""
    gevent, eventlet = map(sys.modules.get, ("gevent.monkey", "eventlet.patcher"))
    is_gevents = gevent and gevent.is_module_patched("threading")
    if is_gevents or (eventlet and eventlet.is_monkey_patched("thread")):
        library = "gevent" if is_gevents else "eventlet"
        raise StartError(
            f"{library} has replaced threads in this process: start the server in another one, with "
            "`mockmoov serve`, and use MockMoov.connect(url)"
        )


class _Server(uvicorn.Server):
    def __init__(
        self,
        app: ASGIApp,
        on_ready: Callable[[], None],
        stop_seconds: float,
        secure: TlsListeners | None,
        *,
        on_failure: Callable[[BaseException], None] = lambda _error: None,
        until: int | None = None,
    ) -> None:
        https_port = secure.sockets[0].getsockname()[1] if secure else None
        config = uvicorn.Config(
            app,
            http=cast("type[HttpProtocol]", partial(HttpProtocol, https_port=https_port)),
            lifespan="off",  # `serve` runs it
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
        )
        super().__init__(config)
        self._app = app
        self._on_ready = on_ready
        self._on_failure = on_failure
        self._stop_seconds = stop_seconds
        self._secure = secure
        self._until = until
        self._acceptors: list[Acceptor] = []
        self._signal: signal.Signals | None = None
        self._ended = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on a new event loop. Some releases of uvicorn would set the policy of the process."""
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(self.serve(sockets=sockets))

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve for one lifespan of the application; raises what its start raises, where uvicorn exits."""
        lifespan = Lifespan(self._app, {})
        try:
            await lifespan.start()
            await super().serve(sockets=sockets)
        except BaseException as error:
            self._on_failure(error)  # at once: what the application left behind may never end
            raise
        finally:
            self.close(sockets or ())
            await lifespan.stop()

    def close(self, sockets: Iterable[socket.socket]) -> None:
        """Close these listeners and those for https."""
        secure = self._secure.sockets if self._secure else ()
        for listener in (*sockets, *secure):
            listener.close()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        if self._until is not None:
            self._loop.add_reader(self._until, self._ended.set)
        is_worker = self._until is not None
        await super().startup(sockets=[] if is_worker else sockets)
        if is_worker:
            self._accept(sockets or (), None)
        if self._secure is not None:  # in addition to http, which uvicorn's own option would replace
            self._accept(self._secure.sockets, self._secure.context)
        self._on_ready()

    def _accept(self, listeners: Iterable[socket.socket], context: ssl.SSLContext | None) -> None:
        acceptor = Acceptor(context, self._new_protocol)
        acceptor.listen(listeners)
        self._acceptors.append(acceptor)

    def _new_protocol(self) -> HttpProtocol:
        return HttpProtocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def main_loop(self) -> None:
        """Wait for the end, where uvicorn polls for it ten times a second."""
        await self._ended.wait()
        if self._signal is not None and self._until is None:  # its supervisor logs it
            _log.info("%s: the server stops", self._signal.name)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; at a second SIGINT without waiting for exchanges.

        uvicorn doesn't learn of it. It would raise the signal again at the end, and the exit code must be 0;
        and some releases would leave out the shutdown of a server that gets it at its start.
        """
        self.force_exit = self.force_exit or (self._signal is not None and sig == signal.SIGINT)
        self._signal = signal.Signals(sig)
        self.end()

    def end(self) -> None:
        """Stop, from any thread; before the start, as soon as it has started."""
        if self._loop is None:
            self._ended.set()
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed: there is nothing left to stop
            self._loop.call_soon_threadsafe(self._ended.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop in time: unfinished exchanges are aborted, so that their handlers see a disconnect."""
        for acceptor in self._acceptors:
            await acceptor.stop()
        for listener in self.servers:
            listener.close()
        self.close(sockets or ())
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._finished(self._stop_seconds)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await self._finished(_ABORT_SECONDS, forced=True)
        for task in self.server_state.tasks:
            task.cancel()

    async def _finished(self, seconds: float, *, forced: bool = False) -> None:
        """Wait for the exchanges to end, at most that long; after a second signal only if `forced`."""
        deadline = time.monotonic() + seconds
        state = self.server_state
        while (state.connections or state.tasks) and (forced or not self.force_exit):
            if time.monotonic() >= deadline:
                break
            await asyncio.sleep(_POLL_SECONDS)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return uvloop's factory if it is installed, else that of asyncio."""
    try:
        import uvloop  # noqa: PLC0415 - it is optional
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


class Acceptor:
    """Accepts connections one by one. Each gets a protocol from `make_protocol` once it speaks TLS, if any.

    So one in the middle of its handshake can be ended when the server stops. The event loop's own TLS server,
    `loop.create_server(ssl=...)`, forgets it: under uvloop a stop then took over a second, left its transport
    open, and logged that the loop was closed.

    And so several processes share what arrives at a socket: the event loop's own server takes all that wait.
    """

    def __init__(self, context: ssl.SSLContext | None, make_protocol: Callable[[], asyncio.Protocol]) -> None:
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
                await asyncio.sleep(0)  # whoever has less to do is back earlier

    async def _shake(self, accepted: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make_protocol,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS if self._context else None,
            )
        except ssl.SSLError as error:  # the same with each event loop
            _log.warning("%s", _TLS_HINTS.get(error.reason, f"a TLS handshake failed: {error.reason}"))
        except OSError:  # the client left
            pass
