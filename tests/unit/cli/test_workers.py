"""Servers in several processes, as far as one process can test it: files, logs, and what is an error."""

import json
import logging
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from mockmoov.cli import logs, workers
from mockmoov.config.settings import Layer, Settings, SettingsError, load
from mockmoov.testing import MockMoov
from tests.support import command_line
from tests.support.serving import restored_signals
from tests.support.sqlite_files import write


def memory() -> Settings:
    return load(Layer(settings={"workers": 2}))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_state_in_memory_is_in_a_file_that_goes(folder: Path) -> None:
    with workers.temporary_file(memory()) as file:
        assert file is not None
        assert (file.parent.parent, file.parent.stat().st_mode & 0o777) == (folder, 0o700)
        store = workers.open_file(file, memory())
        assert store is not None
        with closing(store):
            assert store.get_many(["k"]) == [None]
            assert file.exists()
    assert list(folder.iterdir()) == []


def test_durable_store_needs_no_file(folder: Path) -> None:
    settings = load(Layer(settings={"workers": 2, "store": f"sqlite:{folder / 'a.db'}"}))
    with workers.temporary_file(settings) as file:
        assert (file, workers.open_file(file, settings), list(folder.iterdir())) == (None, None, [])


def test_next_start_removes_what_no_process_has_open(folder: Path) -> None:
    def make(name: str) -> Path:
        made = folder / name
        made.mkdir()
        return made

    left, used, starting = (
        make(f"mockmoov-workers-{name}") / "state.db" for name in ("left", "used", "starting")
    )
    make("mockmoov-workers-empty")
    write(left)
    write(make("another-program") / "state.db")
    starting.touch()
    store = workers.open_file(used, memory())
    assert store is not None
    with closing(store):
        store.get_many(["k"])
        with workers.temporary_file(memory()):
            names = {path.name.removeprefix("mockmoov-workers-") for path in folder.iterdir()}
            assert len(names) == 5
            assert {"used", "starting", "empty", "another-program"} < names
            assert "left" not in names
        store.put("k", b"v", group="g")
        with closing(sqlite3.connect(used)) as connection:
            assert connection.execute("SELECT count(*) FROM entries").fetchone() == (1,)


def test_files_of_other_users_stay(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = folder / "mockmoov-workers-left"
    left.mkdir()
    write(left / "state.db")
    for user in (left.stat().st_uid + 1, left.stat().st_uid):
        assert left.exists()
        monkeypatch.setattr("os.geteuid", lambda user=user: user)
        workers.remove_left_folders(folder)
    assert not left.exists()


def test_system_that_cannot_run_workers_is_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "can_supervise", lambda: False)
    result = command_line.run("serve", "--workers", "2", "--port", "0")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "mockmoov: --workers: this system can't run several workers: leave it out\n"


def test_run_and_mock_moov_serve_in_one_process() -> None:
    with restored_signals():
        result = command_line.run("run", "--workers", "2", "--", "true")
    assert result.exit_code == 2
    assert result.stderr == "mockmoov: --workers: this command serves in one process: leave it out\n"
    with pytest.raises(SettingsError) as caught:
        MockMoov(workers=2)
    assert str(caught.value) == "MockMoov: workers: MockMoov serves in this process: leave it out"


RECORD = logging.LogRecord("mockmoov", logging.INFO, __file__, 1, "it %s", ("happens",), None)


@pytest.mark.parametrize(("worker", "text", "members"), [(0, "", {}), (12, "worker 12: ", {"worker": 12})])
def test_log_names_the_worker(worker: int, text: str, members: dict[str, int]) -> None:
    assert logs.FORMATTERS["text"](worker).format(RECORD).partition(" ")[2] == f"INFO {text}it happens"
    line = json.loads(logs.FORMATTERS["json"](worker).format(RECORD))
    del line["time"]
    assert line == {"level": "INFO", "message": "it happens", **members}
