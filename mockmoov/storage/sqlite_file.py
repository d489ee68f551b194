"""A SQLite file: who may have it, what is in it, and the connection to it.

A process has one connection, and one thread at a time uses it. It opens at the first use, and again after a
fork, or when the file failed. Write-ahead logging lets several processes use one file; what a transaction has
written survives when a process is killed. It is synced to the disk now and then, not at every write.
"""

import os
import re
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from threading import Lock
from typing import Any, Final, TypeVar
from weakref import WeakSet

from mockmoov.storage.store import SchemaVersionError, StoreError

APPLICATION_ID = 0x6D6F6F76  # "moov": in the header of the file
SCHEMA_VERSION = 2
BUSY_SECONDS = 5.0
"""How long a call waits for another process that writes."""
_CACHE_KIBIBYTES = 16 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
# Write-ahead logging needs memory that all processes share, which these file systems don't have.
_NETWORK = frozenset(
    (
        *("afs", "beegfs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "lustre", "ncpfs"),
        *("nfs", "nfs3", "nfs4", "smb2", "smb3", "smbfs"),
    )
)
_MOUNTS = Path("/proc/self/mountinfo")
_CHECK_RIGHTS = "check the permissions of its folder, or name another file"
# What a result code means to whoever runs the server. Only the base code counts, in the low byte.
_REASONS: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_BUSY: f"another process has locked it for more than {BUSY_SECONDS:g} s",
    sqlite3.SQLITE_LOCKED: "another connection has locked it",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: (
        "it cannot be written: the file or its file system is read-only: "
        "make it writable, or name another file"
    ),
    sqlite3.SQLITE_IOERR: "the disk failed, or is full",
    sqlite3.SQLITE_CANTOPEN: f"the file cannot be opened: {_CHECK_RIGHTS}",
    sqlite3.SQLITE_PERM: f"the file cannot be opened: {_CHECK_RIGHTS}",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: move it away, or name another file",
    sqlite3.SQLITE_NOTADB: "the file is not a SQLite database: name another file",
    sqlite3.SQLITE_PROTOCOL: "several processes cannot share this file system",
}
_Result = TypeVar("_Result")
_Values = Sequence[Any] | Mapping[str, Any]


class SqliteFile:
    """The connection to a file with the tables of `schema`. Any thread may call any method.

    Raises `StoreError` when the file fails; the next call tries again.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        self._schema = schema
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._patience = BUSY_SECONDS
        self._was_open = False
        with _files_lock:
            _files.add(self)

    def use(self, step: Callable[..., _Result], *arguments: Any) -> _Result:
        """Call `step` with the connection and the arguments; nobody else uses the connection meanwhile."""
        with self._lock:
            try:
                return step(self._connection or self._open(), *arguments)
            except sqlite3.Error as error:
                raise self._failure(error) from error

    def write(self, step: Callable[..., _Result], *arguments: Any) -> _Result:
        """Call `step`, which runs one statement that writes."""
        result = self.use(step, *arguments)
        if self._patience < BUSY_SECONDS:
            self.use(self._wait_up_to, BUSY_SECONDS)
        return result

    def transact(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Run several statements as one: all of them, or none."""
        result: _Result = self.write(_transact, work)
        return result

    def read(self, sql: str, values: _Values = ()) -> list[Any]:
        """The rows of a query."""
        return self.use(_fetch_all, sql, values)

    def close(self) -> None:
        """Close the connection. A later call opens it again."""
        with self._lock:
            self._close()

    def __del__(self) -> None:
        self._close()

    def _failure(self, error: sqlite3.Error) -> Exception:
        """What to raise instead of an error. After a wait in vain, later calls do not wait."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        self._patience = 0 if code == sqlite3.SQLITE_BUSY else self._patience
        if code == sqlite3.SQLITE_BUSY and self._connection:
            self._wait_up_to(self._connection, 0)
        else:
            self._close()
        return StoreError(f"{self.path}: {_REASONS[code]}") if code in _REASONS else error

    def _wait_up_to(self, connection: sqlite3.Connection, seconds: float) -> None:
        self._patience = seconds
        connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")

    def _open(self) -> sqlite3.Connection:
        try:
            _prepare(self.path)
        except OSError as error:
            raise StoreError(
                f"{self.path}: the file cannot be opened: {error.strerror}: {_CHECK_RIGHTS}"
            ) from None
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw",  # `_prepare` has made it, for its owner only
            uri=True,
            timeout=self._patience,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            with transaction(connection, "DEFERRED"):  # another process may be making the tables
                is_new = _check_version(self.path, connection)
            if is_new and self._was_open:
                raise StoreError(
                    f"{self.path} was removed or emptied while the server ran: restart the server"
                )
            _use_write_ahead_log(self.path, connection, self._patience)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
            _create(self.path, connection, self._schema)
        except BaseException:
            connection.close()
            raise
        self._connection, self._was_open = connection, True
        return connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with suppress(sqlite3.Error):
                connection.close()

    def pause(self) -> None:
        """Close the connection, and let every call wait for `resume`."""
        self._lock.acquire()
        self._close()

    def resume(self) -> None:
        """Let calls use the file again."""
        self._lock.release()


def _fetch_all(connection: sqlite3.Connection, sql: str, values: _Values) -> list[Any]:
    return connection.execute(sql, values).fetchall()


def _transact(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
    with transaction(connection):
        return work(connection)


# --- forks ------------------------------------------------------------------------------------------

_files: WeakSet[SqliteFile] = WeakSet()
_files_lock = Lock()
_paused: list[SqliteFile] = []


def _before_fork() -> None:
    """Close all files. A child would inherit what SQLite knows of its parent's locks, but not the locks.

    Then the parent would close the file as if nobody else used it, and what the child writes would be lost.
    """
    _files_lock.acquire()
    for file in list(_files):
        file.pause()
        _paused.append(file)


def _after_fork() -> None:
    while _paused:
        _paused.pop().resume()
    _files_lock.release()


with suppress(AttributeError):  # Windows has no fork
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Run statements as one; a `DEFERRED` transaction only reads, from one snapshot of the file."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


# --- who may have the file --------------------------------------------------------------------------


def _prepare(path: Path) -> None:
    """Create the file for its owner only, or check the one that is there and SQLite's files next to it."""
    real = Path(os.path.realpath(path))  # SQLite follows links, too
    if real.is_dir():
        raise StoreError(f"{path} is a folder: name a file in it")
    if not real.parent.exists():
        raise StoreError(f"{path}: there is no such folder: make it with mkdir -p {quote(str(real.parent))}")
    if not real.parent.is_dir():
        raise StoreError(f"{path}: {real.parent} is not a folder")
    if (kind := _network_file_system(real)) is not None:
        raise StoreError(
            f"{path} is on a network file system ({kind}), which SQLite cannot share between processes: "
            "put it on a local disk"
        )
    with suppress(FileExistsError):
        _create_file(real)
    _check_owner(real)
    if not os.access(real, os.W_OK):
        raise StoreError(f"{path}: {_REASONS[sqlite3.SQLITE_READONLY]}")
    for suffix in ("-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            _check_owner(real.with_name(real.name + suffix))


def _create_file(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    path.chmod(0o600)  # the umask may have taken the owner's rights away


def _check_owner(path: Path) -> None:
    """Refuse a file that others may read: it holds secrets."""
    if not hasattr(os, "geteuid"):  # Windows keeps the files of a user apart by other means
        return
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"{path} is not a file")
    name = quote(str(path))
    if found.st_uid != os.geteuid():
        raise StoreError(
            f"{path} belongs to another user, and holds secrets: sudo chown {os.geteuid()} {name}"
        )
    if found.st_mode & _OTHERS:
        raise StoreError(f"{path} can be read by others, and holds secrets: chmod 600 {name}")


def _network_file_system(path: Path) -> str | None:
    """The kind of network file system that a real path is on, as far as Linux tells; None for a local one."""
    try:
        mounts = [_read_mount(os.fsdecode(line)) for line in _MOUNTS.read_bytes().splitlines()]
    except OSError:
        return None
    around = [(folder, kind) for folder, kind in mounts if path.is_relative_to(folder)]
    around.reverse()  # of several at one folder, the last one covers the others
    _, kind = max(around, key=lambda mount: len(mount[0].parts), default=(path, ""))
    return kind if kind in _NETWORK else None


def _read_mount(line: str) -> tuple[Path, str]:
    """The folder of a mount and the kind of its file system, from a line of mountinfo (proc(5))."""
    before, _, after = line.partition(" - ")
    folder = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split(" ")[4])
    return Path(folder), after.split(" ")[0]


# --- what is in the file ----------------------------------------------------------------------------


def _check_version(path: Path, connection: sqlite3.Connection) -> bool:
    """Whether the file is new. Refuse one of another program, or of another schema."""
    application, version = _header(connection)
    if (application, version) == (0, 0) and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        return True
    if application != APPLICATION_ID:
        raise StoreError(f"{path} is the database of another program: name another file")
    if version != SCHEMA_VERSION:
        raise SchemaVersionError(
            f"{path} has schema {version}, and this version of mockmoov uses schema {SCHEMA_VERSION}: "
            f"{_REMEDIES[version > SCHEMA_VERSION]}, or start with another file, or move this one away"
        )
    return False


_REMEDIES = {True: "install a newer mockmoov", False: "use the older mockmoov that wrote it"}


def _header(connection: sqlite3.Connection) -> tuple[int, int]:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application, version


def _use_write_ahead_log(path: Path, connection: sqlite3.Connection, patience: float) -> None:
    """Switch to write-ahead logging, for which others must not use the file for a moment."""
    mode, attempts = "", 1 + int(patience * 100)
    while not mode:
        attempts -= 1
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if not attempts or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise StoreError(
            f"{path}: SQLite cannot use write-ahead logging on this file system: put it on a local disk"
        )


def _create(path: Path, connection: sqlite3.Connection, schema: str) -> None:
    """Make the tables in a new file, unless another process does so at this moment."""
    if _header(connection)[1]:
        return
    with transaction(connection):
        if _header(connection)[1]:
            _check_version(path, connection)
            return
        for statement in schema.split(";;"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
