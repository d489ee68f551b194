"""What `--workers` needs besides processes: the temporary file, joining, and the lines of the log."""

import json
import logging
from pathlib import Path

import pytest

from mockmoov.cli import logs, workers
from mockmoov.config.settings import Layer, Settings, load
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.server.factory import create_server
from mockmoov.web.supervisor import is_crash_loop
from tests.support import command_line
from tests.support.control import Desk
from tests.support.servers import CLIENT_ID


@pytest.mark.parametrize(
    ("lives", "is_loop"),
    [
        ([], False),
        ([0.1] * 4, False),
        ([0.1] * 5, True),
        ([0.1] * 4 + [1.0], False),
        ([9, 9, 9, 9, 0.1], False),
    ],
)
def test_five_short_lives_in_a_row_are_a_crash_loop(lives: list[float], is_loop: bool) -> None:
    assert is_crash_loop(lives) is is_loop


def test_a_system_that_cannot_share_sockets_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "can_supervise", lambda: False)
    result = command_line.run("serve", "--port=0", "--workers=2")
    assert (result.exit_code, result.stderr) == (
        2,
        "mockmoov: --workers: this system can't run several workers: leave it out\n",
    )


def test_folders_that_nobody_uses_are_removed(tmp_path: Path) -> None:
    folders = {name: tmp_path / f"mockmoov-workers-{name}" for name in ("used", "left", "empty", "odd")}
    for folder in (*folders.values(), tmp_path / "other"):
        folder.mkdir()
    for name in ("used", "left"):
        server = create_server(Settings(), store=workers.open_file(folders[name] / "state.db", Settings()))
        if name == "left":
            server.close()
    (folders["odd"] / "state.db").write_text("not a database")
    workers.remove_left_folders(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "mockmoov-workers-used", "mockmoov-workers-empty", "mockmoov-workers-odd", "other",
    }  # fmt: skip


def test_a_durable_store_needs_no_temporary_file(tmp_path: Path) -> None:
    settings = load(Layer(settings={"store": f"sqlite:{tmp_path / 'state.db'}", "workers": 2}))
    with workers.temporary_file(settings) as file:
        assert file is None
    assert workers.open_file(None, settings) is None


def test_who_joins_changes_nothing(tmp_path: Path) -> None:
    settings = load(
        Layer(
            settings={
                "store": f"sqlite:{tmp_path / 'state.db'}",
                "api_keys": [EXAMPLE],
                "stubs": [{"endpoint": "ping", "json": 1}],
                "seed": "a seed",
            }
        )
    )
    first = create_server(settings)
    desk = Desk(first)
    assert desk.ask("PATCH", f"/api-keys/{CLIENT_ID}", {"enabled": False}).status == 200
    assert desk.ask("DELETE", "/stubs").status == 204
    assert desk.post("/signing-keys/rotate").status == 200
    changed = state(desk)
    second = create_server(settings, joins=True)
    assert state(Desk(second)) == changed
    third = create_server(settings)
    assert state(Desk(third)) != changed
    for server in (first, second, third):
        server.close()


def state(desk: Desk) -> list[object]:
    return [desk.get(path).document for path in ("/api-keys", "/stubs", "/signing-keys")]


def test_lines_name_the_worker() -> None:
    record = logging.LogRecord("mockmoov", logging.INFO, "", 0, "a %s", ("line",), None)
    text, alone = logs.FORMATTERS["text"](2).format(record), logs.FORMATTERS["text"](0).format(record)
    assert text.endswith(" INFO worker 2: a line")
    assert alone.endswith(" INFO a line")
    members = [json.loads(logs.FORMATTERS["json"](number).format(record)) for number in (2, 0)]
    assert members[0].pop("worker") == 2
    assert members[0] == members[1]
