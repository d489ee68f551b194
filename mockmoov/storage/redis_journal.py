"""The journal of exchanges in Redis, and watches: Redis notifies them.

Each script that adds or clears exchanges publishes their owner. A thread listens for as long as there are
watches, and notifies those that this may be about, so that they look. If it can't, they look in turns.
"""

from collections.abc import Callable
from threading import Lock, Thread

from redis.exceptions import RedisError

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.records import Exchange
from mockmoov.simulation.journal import Query
from mockmoov.storage import redis_scripts as scripts
from mockmoov.storage.exchanges import Encoded, decode, numbers_of_matching
from mockmoov.storage.redis_server import Connection, RedisServer, Script
from mockmoov.storage.shared_watch import JournalState, SharedWatch
from mockmoov.storage.store import MAX_WATCHES, Journal, Numbering, TooManyWatchesError, Watch

_EVERYBODY = b"*"  # published when all exchanges were removed
_NO_ID = "0" * 16  # of a journal that nothing was written to
_AFTER_ALL = 2**62  # no exchange has such a number
_LISTENING_TURN, _DEAF_TURN = 5.0, 0.05  # seconds after which a watch looks again in any case
_POLL_SECONDS = 0.25  # that the thread goes on when there are no more watches


class RedisJournal:
    """Encoded exchanges, numbered from 1; the oldest are dropped when there are too many.

    With `max_exchanges` 0 it adds none, and drops those from before.
    """

    def __init__(
        self, server: RedisServer, prefix: str, *, is_far: bool, max_exchanges: int, max_bytes: int
    ) -> None:
        self._server = server
        # What one of two connections has sent to this machine before the other arrives before it, too.
        self._add = server.run if is_far else server.post
        self._prefix = prefix
        self._max_exchanges = max_exchanges
        self._bounds = (max_exchanges, max_bytes)
        self._lock = Lock()
        self._watches: set[Watch] = set()
        self._listener: Thread | None = None

    def append(self, exchange: Exchange) -> None:
        """Add an exchange and number it. Drop the oldest ones if there is no room."""
        if self._max_exchanges:
            arguments = (*self._bounds, exchange.client_id or "", to_json(exchange))
            self._add(scripts.APPEND, self._prefix, arguments)

    def count(self) -> int:
        """How many exchanges there are."""
        return int(self._run(scripts.STATE)[3])

    def numbering(self) -> Numbering:
        """Which numbers the exchanges have."""
        return self.state().numbering

    def state(self) -> JournalState:
        """What a watch compares."""
        journal, first, last, _ = self._run(scripts.STATE)
        return JournalState(journal.decode() or _NO_ID, int(first), int(last))

    def read(self, owner: str | None = None, *, after: int = 0) -> Journal:
        """The exchanges of an owner, or (None) all, after a number."""
        encoded, dropped = self._read(owner, after)
        return Journal(decode(encoded), dropped)

    def matching(self, owner: str | None, query: Query, after: int) -> list[int]:
        """The numbers, after one, of the exchanges of an owner that match a query."""
        return numbers_of_matching(self._read(owner, after)[0], query)

    def dropped(self, owner: str | None) -> int:
        """How many exchanges of an owner, or (None) of all, were dropped to make room."""
        return self._read(owner, _AFTER_ALL)[1]

    def clear(self, owner: str | None = None) -> None:
        """Remove the exchanges of an owner, or (None) all. Numbers start at 1 again if all are removed."""
        self._run(scripts.CLEAR_JOURNAL, *_of(owner))

    def _read(self, owner: str | None, after: int) -> tuple[list[Encoded], int]:
        dropped, *found = self._run(scripts.READ, *_of(owner), min(after, _AFTER_ALL))
        return list(zip(map(int, found[::2]), found[1::2], strict=True)), int(dropped)

    def _run(self, script: Script, *arguments: object) -> "list[bytes]":
        answer: list[bytes] = self._server.run(script, self._prefix, (*self._bounds, *arguments))
        return answer

    # --- watches --------------------------------------------------------------------------------------

    def watch(self, owner: str | None, query: Query, count: int, notify: Callable[[], None]) -> SharedWatch:
        """Wait for exchanges of an owner, or (None) any; raises `TooManyWatchesError`."""
        watch = SharedWatch(self, owner, query, count, notify)
        with self._lock:
            if len(self._watches) >= MAX_WATCHES:
                raise TooManyWatchesError
            if not self.is_listening:
                self._listen()  # before the watch looks for the first time
            self._watches.add(watch)
        return watch

    def closed(self, watch: Watch) -> None:
        """A watch was closed."""
        with self._lock:
            self._watches.discard(watch)

    @property
    def turn(self) -> float:
        """After how many seconds a watch looks again, though nobody has notified it."""
        return _LISTENING_TURN if self.is_listening else _DEAF_TURN

    @property
    def is_listening(self) -> bool:
        """Whether a thread of this process notifies the watches."""
        return self._listener is not None and self._listener.is_alive()  # after a fork it is not

    def _listen(self) -> None:
        connection = self._server.connect()
        try:
            connection.send_command("SUBSCRIBE", f"{self._prefix}changes", check_health=False)
            connection.read_response(disable_decoding=True)
        except (RedisError, OSError):
            connection.disconnect()
            return  # the watches look in turns
        self._listener = Thread(target=self._notify, args=(connection,), name="mockmoov-redis", daemon=True)
        self._listener.start()

    def _notify(self, connection: Connection) -> None:
        """Notify the watches of what is published, until there are none, or the connection breaks."""
        while True:
            try:
                if connection.can_read(_POLL_SECONDS):
                    _, _, owner = connection.read_response(disable_decoding=True)
                    self._wake(owner)
            except (RedisError, OSError):
                self._listener = None  # the watches that are woken look in turns from now on
                break
            with self._lock:
                if not self._watches:
                    self._listener = None
                    break
        connection.disconnect()
        self._wake(_EVERYBODY)

    def _wake(self, owner: bytes) -> None:
        with self._lock:
            watches = [
                watch
                for watch in self._watches
                if owner == _EVERYBODY or watch.owner is None or watch.owner.encode() == owner
            ]
        for watch in watches:
            watch.is_notified = True
            watch.notify()


def _of(owner: str | None) -> tuple[str, str]:
    """Whose exchanges a script is about: of an owner, or (None) of all."""
    return owner or "", "1" if owner is None else ""
