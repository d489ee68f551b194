"""SQLite files for tests: written as a store, refused with an error, and compared byte for byte."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from mockmoov.storage.sqlite import SqliteStore
from mockmoov.storage.store import StoreError

VALUE = b"x" * 2000


def write(path: Path, *, count: int = 1) -> None:
    """Open the file as a store, write `VALUE` under k0 and so on, and close it."""
    with closing(SqliteStore(path)) as store:
        for number in range(count):
            store.put(f"k{number}", VALUE, group="g")


def error_of(path: Path) -> StoreError:
    """The error of opening the file as a store."""
    with closing(SqliteStore(path)) as store, pytest.raises(StoreError) as caught:
        store.get_many(["k0"])
    return caught.value


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """What is in a folder, by name: mode and bytes."""
    return {
        path.name: (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in folder.iterdir()
    }


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes, and doesn't finish."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
