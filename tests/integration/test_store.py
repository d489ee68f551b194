"""The setting `store` on the command line: what is refused, and what a start says of state."""

import json
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from mockmoov.config.settings import SettingsError
from mockmoov.config.sources import PREFIX
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.storage import sqlite_file
from mockmoov.storage.sqlite_file import SCHEMA_VERSION
from mockmoov.testing import MockMoov
from tests.support import command_line
from tests.support.connections import over_http
from tests.support.serving import serving_process
from tests.support.sqlite_files import contents, write
from tests.support.tokens import mint, refresh

EXPECTED = (
    "must be memory, sqlite: and the path of a file, such as sqlite:state.db, or the URL of a Redis, such as "
    "redis://localhost:6379"
)
OPTIONS = ": its options are db, ssl_ca_certs, ssl_certfile, ssl_keyfile and ssl_cert_reqs"
INVALID = {
    "sqlite::memory:": ": a store in memory is memory, without sqlite:",
    "sqlite:": ": name the file",
    "sqlite": ": name the file",
    "SQLITE:": ": name the file",
    "sqlite:///x": ": it isn't a URL: write sqlite: and the path",
    "sqlite://user:secret@x/y": ": it isn't a URL: write sqlite: and the path",
    "sqlite:file:x?mode=ro": ": it isn't a URL: write the path",
    "sqlite:folder/": ": name a file in this folder",
    "SQLITE:x": ": write sqlite:",
    " sqlite:x": ": leave out the spaces around it",
    "sqlite: x": ": leave out the spaces around the path",
    "sqlite:x ": ": leave out the spaces around the path",
    "memroy": "; did you mean memory?",
    "Memory": "; did you mean memory?",
    "sqlit": "; did you mean sqlite:PATH?",
    "sqlit:x.db": "; did you mean sqlite:PATH?",
    "psql://user:secret@host/db": "; did you mean sqlite:PATH?",
    "sqlite.db:x": ": put sqlite: in front",
    "file:x.db": ": it isn't a URL: write sqlite: and the path",
    "sqlite3:x": ": write sqlite:",
    ":memory:": ": memory is all that this would be: write memory",
    "state.db": ": put sqlite: in front",
    "./state.sqlite3": ": put sqlite: in front",
    "postgres://x": "",
    "reddis://user:secret@x": "; did you mean redis://HOST?",
    "redis:localhost": ": write :// after the scheme",
    "redis://": ": name the host",
    "redis://:6379/0": ": name the host",
    "redis://user:secret@:6379": ": name the host",
    "rediss:///0": ": name the host",
    "redis://user:sec#ret@x": ": write a # in the password as %23",
    "redis://x/name": ": after the host there is only the number of the database: /0",
    "redis://x:65536": ": a port is a number from 1 to 65535",
    "redis://x:0": ": a port is a number from 1 to 65535",
    "redis://x:a/0": ": a port is a number from 1 to 65535",
    "redis://x?decode_responses=1": OPTIONS,
    "redis://x?db=one": OPTIONS,
    "unix://run/redis.sock": ": name the socket by its whole path: unix:///run/redis.sock",
    "unix:///": ": name the socket by its whole path: unix:///run/redis.sock",
    "valkeys://user:secret@x": ": write rediss://, which Valkey speaks, too",
    "sqlite:a\nb": ": this path has characters that cannot be printed",
    "sqlite:a\udcffb": ": this path has characters that cannot be printed",
}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(PREFIX) or name == "PYTEST_XDIST_WORKER":
            monkeypatch.delenv(name)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")


@pytest.fixture(autouse=True)
def restored_loggers() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("mockmoov", "mockmoov.access", "uvicorn")]
    before = [(logger, logger.level, logger.disabled) for logger in loggers]
    yield
    for logger, level, disabled in before:
        logger.level, logger.disabled = level, disabled


def serve(*arguments: str, **environment: str) -> Result:
    """Run `mockmoov serve`, which fails."""
    return command_line.run("serve", "--port=0", *arguments, env=environment)


def test_an_invalid_store_is_named_with_advice_in_each_source() -> None:
    wrong: list[tuple[str, str, object]] = []
    file = Path("..", "moov.toml")
    for value, advice in INVALID.items():
        quoted = "" if "://" in value else f", not {value!r}"
        message = f"{EXPECTED}{quoted}{advice}"
        found: dict[str, Any] = {"--store": serve("--store", value).stderr}
        if "\udcff" not in value:
            file.write_text(f"store = {json.dumps(value)}\n")
            found["MOCKMOOV_STORE"] = serve(MOCKMOOV_STORE=value).stderr
            found[f"{file}: store"] = serve("--config", str(file)).stderr
        with pytest.raises(SettingsError) as caught:
            MockMoov(store=value)
        found["MockMoov: store"] = f"mockmoov: {caught.value}\n"
        wrong += [
            (name, value, text) for name, text in found.items() if text != f"mockmoov: {name} {message}\n"
        ]
    assert wrong == []
    assert list(Path().iterdir()) == []


def test_a_file_that_cannot_be_the_store_is_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a folder").mkdir()
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "notes.txt").chmod(0o600)
    write(tmp_path / "open.db")
    (tmp_path / "open.db").chmod(0o644)
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE notes (text)")
    (tmp_path / "other.db").chmod(0o600)
    mounts = tmp_path / "mounts"
    mounts.write_text(f"36 35 0:9 / {tmp_path}/empty rw - nfs4 host:/ rw\n")
    monkeypatch.setattr(sqlite_file, "_MOUNTS", mounts)
    table = {
        "../a folder": "is a folder: name a file in it",
        "../no such/a.db": "there is no such folder: make it with mkdir -p",
        "../notes.txt/a.db": "notes.txt is not a folder",
        "../fifo": "is not a file",
        "../loop": "the file cannot be opened: Too many levels of symbolic links",
        "../notes.txt": "the file is not a SQLite database",
        "../open.db": "can be read by others, and holds secrets: chmod 600",
        "../other.db": "is the database of another program: name another file",
        "/dev/zero": "is not a file",
        "state.db": "is on a network file system (nfs4)",
    }
    before = contents(tmp_path)
    for name, message in table.items():
        path = os.path.abspath(name)
        result = serve("--store", f"sqlite:{name}")
        assert (result.exit_code, result.stdout) == (2, ""), name
        assert result.stderr.startswith(f"mockmoov: --store {path}"), result.stderr
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
        with pytest.raises(SettingsError) as caught:
            MockMoov(store=f"sqlite:{name}")
        assert str(caught.value).startswith(f"MockMoov: store {path}")
    assert contents(tmp_path) == before
    assert (
        serve(MOCKMOOV_STORE="sqlite:/dev/null").stderr
        == "mockmoov: MOCKMOOV_STORE /dev/null is not a file\n"
    )


@pytest.mark.parametrize("version", [SCHEMA_VERSION - 1, SCHEMA_VERSION + 1])
def test_a_file_of_another_schema_is_exit_code_1(version: int) -> None:
    path = Path("state.db").absolute()
    write(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    before = contents(path.parent)
    result = serve("--store=sqlite:state.db")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(
        f"mockmoov: --store {path} has schema {version}, and this version of mockmoov uses schema "
        f"{SCHEMA_VERSION}: "
    )
    assert contents(path.parent) == before


def state_line(*flags: str) -> str:
    """What a server says of its state when it starts. Then it is used, which leaves a family."""
    with serving_process(*flags, "--access-log=off") as (url, process), over_http(url) as send:
        assert process.stdout is not None
        assert refresh(send, mint(send)["refresh_token"])[0] == 200
        process.terminate()
        (line,) = [line.rstrip("\n") for line in process.stdout if line.startswith("state ")]
    return line


@pytest.mark.slow
def test_a_start_says_where_state_is_and_what_was_found() -> None:
    path = Path("state.db").absolute()
    store = "--store=sqlite:state.db"
    others = [{"client_id": name, "client_secret": f"secret of {name}"} for name in "ab"]
    keys = json.dumps([{**EXAMPLE}, *others])
    assert state_line(store) == f"state in {path}, which is new"
    assert state_line(store) == f"state in {path}: 1 API key, 1 family, journal of 2"
    assert [file.name for file in Path().iterdir()] == ["state.db"]
    assert state_line(store, f"--api-keys={keys}") == f"state in {path}: 3 API keys, 2 families, journal of 4"
    assert state_line() == (
        "state in memory: a restart ends all tokens (--store sqlite:PATH or --seed keeps them)"
    )
    assert state_line("--seed=dev") == (
        "state in memory, keys from the seed: tokens survive a restart, which forgets revocations, "
        "used-up refresh tokens and all else (--store sqlite:PATH keeps it)"
    )
