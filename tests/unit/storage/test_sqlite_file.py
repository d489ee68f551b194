"""SQLite files: who may use them, which ones are refused, and on which file systems."""

import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from shlex import quote

import pytest

from mockmoov.storage import sqlite_file
from mockmoov.storage.sqlite import SqliteStore
from mockmoov.storage.sqlite_file import SCHEMA_VERSION
from mockmoov.storage.store import SchemaVersionError, StoreError
from tests.support.sqlite_files import VALUE, contents, error_of, write

ODD_NAMES = (
    "a b", "it's", 'a"b', "é ☃", "a?mode=ro", "a#b", "a%20b", "%", "$HOME", "-wal", ":memory:", "a;b",
)  # fmt: skip


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def checkpoint(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


# --- who may have the file --------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o277])
def test_files_are_the_owners_only_whatever_the_umask(mask: int, tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    private = dict.fromkeys(("state.db", "state.db-wal", "state.db-shm"), 0o600)
    with umask(mask), closing(SqliteStore(path)) as store:
        for _ in range(3):
            store.put("k", VALUE, group="g")
            assert modes(tmp_path) == private
            store.evict([])
            checkpoint(path)
            store.clear([("g", f"k{number}", VALUE) for number in range(600)])
            assert modes(tmp_path) == private
            store.close()
            assert modes(tmp_path) == {"state.db": 0o600}


def test_file_behind_a_link_is_the_owners_only(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "target.db", tmp_path / "state.db"
    link.symlink_to(target)
    with umask(0), closing(SqliteStore(link)) as store:
        store.put("k", VALUE, group="g")
        found = modes(target.parent)
    assert found == dict.fromkeys(("target.db", "target.db-wal", "target.db-shm"), 0o600)
    wal = target.with_name("target.db-wal")
    wal.touch(0o644)
    wal.chmod(0o644)
    assert f"chmod 600 {wal}" in str(error_of(link))


def test_file_that_others_may_use_is_refused(tmp_path: Path) -> None:
    path, wrong = tmp_path / "a 'b'.db", []
    write(path)
    for name in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))):
        name.touch(0o600)
        for mode in (0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o666, 0o777):
            name.chmod(mode)
            before = contents(tmp_path)
            message = str(error_of(path))
            expected = f"{name} can be read by others, and holds secrets: chmod 600 {quote(str(name))}"
            if message != expected or contents(tmp_path) != before:
                wrong.append((name.name, oct(mode), message))
        name.chmod(0o600)
    assert wrong == []
    write(path)


def test_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.db"
    write(path)
    before, own = contents(tmp_path), os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    assert str(error_of(path)) == (
        f"{path} belongs to another user, and holds secrets: sudo chown {own + 1} {path}"
    )
    assert contents(tmp_path) == before
    monkeypatch.undo()
    write(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives a file away")
def test_root_refuses_the_file_of_another_user(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    write(path)
    os.chown(path, 12345, -1)
    assert f"sudo chown 0 {path}" in str(error_of(path))


def test_a_system_without_owners_needs_no_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.db"
    write(path)
    path.chmod(0o644)
    monkeypatch.delattr(os, "geteuid")
    with closing(SqliteStore(path)) as store:
        assert store.get_many(["k0"]) == [VALUE]


# --- what is at the path ----------------------------------------------------------------------------


def test_any_name_is_a_name(tmp_path: Path) -> None:
    for name in ODD_NAMES:
        write(tmp_path / name, count=3)
        with closing(SqliteStore(tmp_path / name)) as store:
            assert store.get_many(["k2"]) == [VALUE], name
    assert modes(tmp_path) == dict.fromkeys(ODD_NAMES, 0o600)


def test_a_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch(0o600)
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "to fifo").symlink_to("fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "astray").symlink_to(tmp_path / "missing" / "file")
    check = "check the permissions of its folder, or name another file"
    make = "there is no such folder: make it with mkdir -p"
    table: Mapping[Path, str] = {
        tmp_path / "folder": "{} is a folder: name a file in it",
        tmp_path / "no such" / "a.db": f"{{}}: {make} {quote(str(tmp_path / 'no such'))}",
        tmp_path / "astray": f"{{}}: {make} {tmp_path / 'missing'}",
        tmp_path / "file" / "a.db": f"{{}}: {tmp_path / 'file'} is not a folder",
        tmp_path / "fifo": "{} is not a file",
        tmp_path / "to fifo": f"{tmp_path / 'fifo'} is not a file",
        tmp_path / "loop": f"{{}}: the file cannot be opened: Too many levels of symbolic links: {check}",
        tmp_path / ("n" * 300): f"{{}}: the file cannot be opened: File name too long: {check}",
        Path("/dev/null"): "{} is not a file",
        Path("/dev/zero"): "{} is not a file",
    }
    before = contents(tmp_path)
    errors = {path: str(error_of(path)) for path in table}
    assert errors == {path: message.format(path) for path, message in table.items()}
    assert contents(tmp_path) == before


def damaged(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names of ways to damage a database, and what is then in the file."""
    write(path, count=50)
    sound = path.read_bytes()
    for size in (50, 99, 100, 1000, 4096, len(sound) // 2, len(sound) - 4096):
        yield f"cut to {size}", sound[:size]
    for start in (0, 16, 28, 100, 4096):
        yield f"overwritten at {start}", sound[:start] + b"\xff" * 64 + sound[start + 64 :]


def test_what_is_not_mockmoovs_is_refused_and_left(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE notes (text)")
    table = [("other", other.read_bytes()), *damaged(tmp_path / "sound.db")]
    for name, text in {"word": b"hi", "text": b"hello\n" * 1000, "zeros": bytes(5000)}.items():
        table.append((name, text))
    path, found = tmp_path / "state.db", dict[str, str]()
    for name, data in table:
        path.touch(0o600)
        path.write_bytes(data)
        found[name] = str(error_of(path)).removeprefix(str(path))
        assert path.read_bytes() == data, name
        assert modes(tmp_path).keys() == {"other.db", "sound.db", "state.db"}, name
        path.unlink()
    texts = {
        " is the database of another program: name another file",
        ": the file is not a SQLite database: name another file",
        ": the file is damaged: move it away, or name another file",
    }
    assert found["other"] == " is the database of another program: name another file"
    assert found["text"] == found["zeros"] == ": the file is not a SQLite database: name another file"
    assert set(found.values()) == texts, found


def test_an_empty_file_is_used(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.touch(0o600)
    write(path)
    with closing(SqliteStore(path)) as store:
        assert store.get_many(["k0"]) == [VALUE]


def test_another_schema_is_named_with_a_remedy(tmp_path: Path) -> None:
    remedies = {
        SCHEMA_VERSION - 1: "use the older mockmoov that wrote it",
        SCHEMA_VERSION + 1: "install a newer mockmoov",
        -1: "use the older mockmoov that wrote it",
        2**31 - 1: "install a newer mockmoov",
    }
    path = tmp_path / "state.db"
    for version, remedy in remedies.items():
        write(path)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
        before = contents(tmp_path)
        error = error_of(path)
        assert isinstance(error, SchemaVersionError)
        assert str(error) == (
            f"{path} has schema {version}, and this version of mockmoov uses schema {SCHEMA_VERSION}: "
            f"{remedy}, or start with another file, or move this one away"
        )
        assert contents(tmp_path) == before
        path.unlink()


# --- network file systems ------------------------------------------------------------------------------

_LINE = "36 35 98:0 {root} {folder} rw,noatime shared:1 - {kind} {source} rw,errors=continue\n"


def mount(folder: Path | str, kind: str, root: str = "/", source: str = "/dev/sda") -> str:
    """A line of mountinfo, which writes some characters of a folder's name in octal."""
    name = str(folder)
    for character in "\\ \t\n#":
        name = name.replace(character, f"\\{ord(character):03o}")
    return _LINE.format(root=root, folder=name, kind=kind, source=source)


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs"])
def test_a_network_file_system_is_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts, path = tmp_path / "mounts", tmp_path / "state.db"
    monkeypatch.setattr(sqlite_file, "_MOUNTS", mounts)
    mounts.write_text(mount("/", "ext4") + mount(tmp_path.parent, kind, source="host:/é"))
    error = error_of(path)
    assert isinstance(error, StoreError)
    assert str(error) == (
        f"{path} is on a network file system ({kind}), which SQLite cannot share between processes: "
        "put it on a local disk"
    )
    assert not path.exists()


def test_the_innermost_and_latest_mount_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, file = tmp_path / "a #b\\c\u00a0d", tmp_path / "mounts"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.setattr(sqlite_file, "_MOUNTS", file)
    local, root, net = mount("/", "ext4"), mount("/", "nfs4"), mount(folder, "nfs")
    table: list[tuple[str, str, str | None]] = [
        ("all local", local, None),
        ("all of the network", root, "nfs4"),
        ("a folder of the network", local + net, "nfs"),
        ("in any order", net + local, "nfs"),
        ("a local folder on the network", root + mount(folder, "tmpfs"), None),
        ("bound from the network", local + mount(folder, "nfs", root="/export/a"), "nfs"),
        ("bound from a disk", root + mount(folder, "ext4", root="/export/a"), None),
        ("covered by a local one", local + net + mount(folder, "xfs"), None),
        ("covering a local one", local + mount(folder, "xfs") + net, "nfs"),
        ("a folder with such a name", local + mount(f"{folder}-2", "nfs"), None),
        ("another folder", local + mount("/mnt/nfs", "nfs"), None),
        ("a name that is no text", local + mount("/mnt/\udcff", "nfs"), None),
        ("no mounts", "", None),
    ]
    wrong = []
    for name, text, expected in table:
        file.write_bytes(os.fsencode(text))
        for path in (folder / "state.db", tmp_path / "link" / "state.db"):
            try:
                write(path)
                found = None
            except StoreError as error:
                found = str(error).partition("(")[2].partition(")")[0]
            if found != expected:
                wrong.append((name, path, found))
    assert wrong == []


def test_a_system_without_mountinfo_allows_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for missing in (tmp_path / "missing", tmp_path):
        monkeypatch.setattr(sqlite_file, "_MOUNTS", missing)
        write(tmp_path / "state.db")
    assert (tmp_path / "state.db").stat().st_size > 0


def test_file_that_cannot_be_written_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.db"
    with closing(SqliteStore(path)) as store:
        store.put("key", b"1", group="g")
        store.close()
        monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anything
        with pytest.raises(StoreError, match="the file or its file system is read-only"):
            store.get_many(["key"])
        assert [file.name for file in tmp_path.iterdir()] == ["state.db"]
        monkeypatch.undo()
        assert store.get_many(["key"]) == [b"1"]
