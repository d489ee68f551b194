"""Connections to a Redis server, or one that speaks like it: calls, scripts, and what an error means.

A call takes a free connection or opens one, and nobody else uses it meanwhile. A free connection that the
server has closed is replaced. No call is repeated: when a connection breaks in a call, nobody knows whether
the server has done its work, and using up a refresh token twice would revoke its family.
"""

import logging
import os
from collections.abc import Iterable, Sequence
from hashlib import sha1
from time import monotonic
from typing import Any, Final, NamedTuple, Protocol, cast
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    InvalidResponse,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.retry import Retry

from mockmoov.storage.store import StoreError, UnreachableError

SECONDS = 2.0
"""How long a call waits for the server, and how long for a connection."""
_PAUSE_SECONDS = 3.0  # without attempts, after one that took its whole time
_log = logging.getLogger("mockmoov")
_FRESH_SECONDS = 0.1  # after a call, in which a connection is taken to be open
_MOST_POSTED = 16
_MAX_FREE = 64  # connections that are kept
# What an error means to whoever runs the server: the first row that fits.
_REASONS: Final[Sequence[tuple[type[Exception], str]]] = (
    (AuthenticationError, "it refused the user or the password: check them in the URL"),
    (BusyLoadingError, "it is still loading its data"),
    (OutOfMemoryError, "its memory is full: raise maxmemory, or remove other data"),
    (ReadOnlyError, "it is a replica, which cannot be written: name its primary"),
    (InvalidResponse, "something else than a Redis answers there: check the host and the port"),
    (redis.TimeoutError, f"it didn't answer within {SECONDS:g} s"),
)


class Script:
    """A Lua script: the server runs it as one step, and keeps it by its SHA-1."""

    def __init__(self, text: str) -> None:
        self.text = text.encode()
        self.digest = sha1(self.text, usedforsecurity=False).hexdigest()


class Connection(Protocol):
    """What is used of a connection of redis-py, which leaves these methods untyped."""

    def connect(self) -> None:
        """Connect, unless it is connected."""

    def disconnect(self) -> None:
        """Disconnect, in any case."""

    def can_read(self, timeout: float) -> bool:
        """Whether there is something to read within so many seconds; also if it is the end."""

    def send_command(self, *command: object, check_health: bool) -> None:
        """Send a command."""

    def read_response(self, *, disable_decoding: bool) -> Any:
        """Read the next response, in bytes; raises one that is an error."""


class RedisServer:
    """The server at a URL, which messages call `shown`. Any thread may call any method."""

    def __init__(self, url: str, shown: str) -> None:
        self.shown = shown
        checks_host = url.startswith("rediss:") and "ssl_cert_reqs=none" not in urlsplit(url).query
        self._pool = ConnectionPool.from_url(  # which only makes connections: it would double their time
            url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=SECONDS,
            socket_connect_timeout=SECONDS,
            client_name="mockmoov",
            **({"ssl_check_hostname": True} if checks_host else {}),  # not the default of older releases
        )
        self._free: list[_Free] = []
        self._process = os.getpid()
        self._known = set[str]()  # the scripts that the server has for sure
        self._pause: tuple[float, StoreError] | None = None  # until when, and what went wrong

    def call(self, *command: Any) -> Any:
        """The answer to a command; raises `StoreError`."""
        connection, posted, _ = self._take()
        try:
            connection.send_command(*command, check_health=False)
            self._read_posted(connection, posted)
            answer = connection.read_response(disable_decoding=True)
        except ResponseError as error:
            self._give_back(connection)
            raise self._failure(error) from error
        except (RedisError, OSError) as error:
            connection.disconnect()
            raise self._paused(error, self._failure(error)) from error
        except BaseException:
            connection.disconnect()  # its answer would be that of the next call
            raise
        self._give_back(connection)
        return answer

    def run(self, script: Script, prefix: str, arguments: Iterable[Any] = ()) -> Any:
        """The answer of a script; raises `StoreError`."""
        if script.digest in self._known:
            try:
                return self.call("EVALSHA", script.digest, 1, prefix, *arguments)
            except UnknownScriptError:
                self._known.clear()
        answer = self.call("EVAL", script.text, 1, prefix, *arguments)
        self._known.add(script.digest)
        return answer

    def post(self, script: Script, prefix: str, arguments: Sequence[Any]) -> None:
        """Run a script, and leave its answer to the next call on the connection, which then comes after it.

        What goes wrong is only logged.
        """
        if script.digest not in self._known:
            self.run(script, prefix, arguments)
            return
        connection, posted, _ = self._take()
        try:
            if len(posted) >= _MOST_POSTED:
                self._read_posted(connection, posted)
                posted = ()
            command = ("EVALSHA", script.digest, 1, prefix, *arguments)
            connection.send_command(*command, check_health=False)
        except (RedisError, OSError) as error:
            connection.disconnect()
            raise self._paused(error, self._failure(error)) from error
        self._give_back(connection, (*posted, _Posted(script, prefix, arguments)))

    def _read_posted(self, connection: Connection, posted: "Sequence[_Posted]") -> None:
        again = list[_Posted]()
        for each in posted:
            try:
                connection.read_response(disable_decoding=True)
            except NoScriptError:
                again.append(each)
            except ResponseError as error:
                _log.warning("an exchange is missing from the journal: %s", self._failure(error))
        for each in again:
            self._known.clear()
            self.run(*each)

    def connect(self) -> Connection:
        """A new connection, for one user; raises `UnreachableError`."""
        if self._pause and monotonic() < self._pause[0]:
            raise self._pause[1]
        connection = cast("Connection", self._pool.make_connection())
        try:
            connection.connect()
        except (RedisError, OSError) as error:
            connection.disconnect()
            raise self._paused(error, self._failure(error, UnreachableError)) from error
        self._pause = None
        self._known.clear()  # it may be another server by now
        return connection

    def _paused(self, error: Exception, failure: StoreError) -> StoreError:
        """The failure. After a timeout, later calls don't wait for a while."""
        if isinstance(error, redis.TimeoutError):
            self._pause = monotonic() + _PAUSE_SECONDS, failure
            self._free.clear()
        return failure

    def close(self) -> None:
        """Close the connections that nobody uses. A later call opens others."""
        while free := self._pop():
            self._is_open(free)  # what was posted is done
            free.connection.disconnect()

    def _pop(self) -> "_Free | None":
        if self._process != os.getpid():  # a fork: the connections are those of the parent
            self._free, self._process = [], os.getpid()
        try:
            return self._free.pop()
        except IndexError:  # nothing is free, or another thread has taken it
            return None

    def _take(self) -> "_Free":
        while free := self._pop():
            if monotonic() - free.used < _FRESH_SECONDS:
                return free
            if self._is_open(free):
                return _Free(free.connection)
            free.connection.disconnect()
        return _Free(self.connect())

    def _is_open(self, free: "_Free") -> bool:
        """Whether the server has left a connection open; reads what was posted."""
        try:
            self._read_posted(free.connection, free.posted)
            return not free.connection.can_read(0)
        except (RedisError, OSError, StoreError):
            return False

    def _give_back(self, connection: Connection, posted: "Sequence[_Posted]" = ()) -> None:
        if len(self._free) < _MAX_FREE and self._process == os.getpid():
            self._free.append(_Free(connection, posted, monotonic()))
        else:
            connection.disconnect()

    def _failure(self, error: Exception, kind: type[StoreError] = StoreError) -> StoreError:
        """What to raise instead of an error."""
        if isinstance(error, NoScriptError):
            kind = UnknownScriptError
        known = next((text for each, text in _REASONS if isinstance(error, each)), None)
        return kind(f"{self.shown}: {known or _describe(error)}")


class UnknownScriptError(StoreError):
    """The server doesn't have a script, as after a restart."""


class _Posted(NamedTuple):
    """A script that runs without anybody waiting for it, and what it got."""

    script: Script
    prefix: str
    arguments: Sequence[Any]


class _Free(NamedTuple):
    """A connection that nobody uses, what was posted and is still unanswered there, and its last use."""

    connection: Connection
    posted: Sequence[_Posted] = ()
    used: float = 0.0


def _describe(error: Exception) -> str:
    if isinstance(error, ResponseError):
        return f"it answered {error}"
    return f"there is no connection: {_network_error(error)}"


def _network_error(error: Exception) -> str:
    """What the system says, without the numbers of it and the address."""
    cause = error.__context__
    return (cause.strerror if isinstance(cause, OSError) else None) or str(error)
