"""`mockmoov serve --workers N`: several processes that are one server, on the same sockets and store."""

import gc
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import TYPE_CHECKING

from mockmoov.cli import logs
from mockmoov.cli.options import fail
from mockmoov.config.settings import Settings, SettingsError
from mockmoov.control_plane.access import Exposure
from mockmoov.server.factory import create_server
from mockmoov.storage.sqlite import SqliteStore
from mockmoov.web.app import create_app
from mockmoov.web.certificates import Certificate, make_context
from mockmoov.web.listeners import TlsListeners
from mockmoov.web.supervisor import Supervisor, can_supervise, has_lost_parent, parent_sentinel
from mockmoov.web.uvicorn_server import run

if TYPE_CHECKING:
    from mockmoov.cli.serve import Parts

_PREFIX = "mockmoov-workers-"


@dataclass(frozen=True)
class Shared:
    """What all workers have: the settings, the sockets, the certificate, and the file instead of a memory."""

    settings: Settings
    sockets: list[socket.socket]
    secure: list[socket.socket]
    certificate: Certificate | None
    exposure: Exposure
    file: Path | None


def supervise(file: Path | None, parts: "Parts", on_ready: Callable[[], None]) -> int:
    """Run the workers of a server until a signal: the exit code. Calls `on_ready` once all answer."""
    listeners = parts.listeners
    shared = Shared(
        settings=parts.server.settings,
        sockets=listeners.sockets,
        secure=listeners.secure.sockets if listeners.secure else [],
        certificate=listeners.certificate,
        exposure=listeners.exposure,
        file=file,
    )
    try:
        return Supervisor(parts.server.settings.workers, work, [shared]).run(on_ready)
    finally:
        listeners.close()


def work(shared: Shared, number: int, on_ready: Callable[[], None]) -> None:
    """Serve in a worker, until the supervisor ends it, or has ended itself."""
    gc.disable()  # as at the start of a single server
    settings = shared.settings
    logs.configure(settings.log_format, worker=number)
    logs.set_access_log(settings)
    try:
        server = create_server(settings, store=open_file(shared.file, settings), joins=True)
    except SettingsError as error:  # a file or the store is gone since the start
        fail(1, str(error))
    ca_pem = shared.certificate.ca if shared.certificate else None
    app = create_app(server, exposure=shared.exposure, ca_pem=ca_pem)
    context = make_context(settings, shared.certificate)
    secure = TlsListeners(sockets=shared.secure, context=context) if context else None

    def announce() -> None:
        on_ready()
        gc.freeze()
        gc.enable()

    try:
        run(app, shared.sockets, announce, secure, until=parent_sentinel())
    finally:
        server.close()
        if shared.file and has_lost_parent():
            shutil.rmtree(shared.file.parent, ignore_errors=True)


# --- the file instead of a memory -------------------------------------------------------------------


def open_file(file: Path | None, settings: Settings) -> SqliteStore | None:
    """The store in the temporary file; None if the settings name a durable one."""
    return SqliteStore(file, journal_size=settings.journal_size) if file else None


@contextmanager
def temporary_file(settings: Settings) -> Iterator[Path | None]:
    """A file for state that the settings have in memory, gone afterwards; None if they name a durable store.

    If the supervisor is killed, its workers remove the file. If all are killed, the next start does.
    """
    if not can_supervise():
        fail(2, f"{settings.set_by['workers']}: this system can't run several workers: leave it out")
    if settings.store != "memory":
        yield None
        return
    remove_left_folders(Path(gettempdir()))
    folder = mkdtemp(prefix=_PREFIX)
    try:
        yield Path(folder, "state.db")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_left_folders(parent: Path) -> None:
    """Remove the folders of this user whose file no process has open."""
    for folder in parent.glob(f"{_PREFIX}*"):
        file = folder / "state.db"
        if file.is_file() and _is_own(file) and not _is_starting(file) and not _is_open(file):
            shutil.rmtree(folder, ignore_errors=True)


def _is_own(file: Path) -> bool:
    return not hasattr(os, "geteuid") or file.stat().st_uid == os.geteuid()


def _is_starting(file: Path) -> bool:
    """Whether a process has just made the file, and has yet to use write-ahead logging."""
    return file.stat().st_size == 0


def _is_open(file: Path) -> bool:
    """Whether another process has a SQLite file open that uses write-ahead logging."""
    try:
        with closing(sqlite3.connect(file, timeout=0)) as connection:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error:
        return True
    return False
