"""`MockMoov(store=...)`: state that survives the server, and workers that share nothing."""

from pathlib import Path

import httpx2
import pytest

from mockmoov import MockMoov
from mockmoov.config.settings import SettingsError
from mockmoov.testing.environment import own_store
from mockmoov.testing.transport import ControlError
from tests.support.program import ping


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)


def store_in(folder: Path) -> str:
    return f"sqlite:{folder}/state.db"


def test_everything_survives_the_server(tmp_path: Path, http: httpx2.Client) -> None:
    with MockMoov(store=store_in(tmp_path)) as moov:
        key = moov.new_api_key(client_secret="secret")
        key.clock.freeze()
        fault = key.faults.add("unavailable", endpoint="token", times=2)
        stub = key.stubs.add("listAccounts", json=[])
        token = key.mint()
        assert ping(http, moov.url, token).status_code == 200
        before = list(key.exchanges), key.clock.now(), moov.signing_keys.rotate()
    with MockMoov(store=store_in(tmp_path)) as moov:
        key = moov.api_keys.get(key.client_id)
        assert (list(key.exchanges), key.clock.now(), moov.signing_keys.list()[0]) == before
        assert [each.id for each in (*key.faults, *key.stubs)] == [fault.id, stub.id]
        assert ping(http, moov.url, token).status_code == 200
    assert [file.name for file in tmp_path.iterdir()] == ["state.db"]


def test_stopped_server_can_be_read(tmp_path: Path, http: httpx2.Client) -> None:
    with MockMoov(store=store_in(tmp_path)) as moov:
        ping(http, moov.url, moov.mint())
    assert len(moov.exchanges) == 1
    with pytest.raises(ControlError, match="was stopped"):
        moov.clock.shift(hours=1)
    moov.stop()
    assert [file.name for file in tmp_path.iterdir()] == ["state.db"]


def test_environment_names_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOCKMOOV_STORE", store_in(tmp_path))
    with MockMoov() as moov:
        assert moov.config["store"] == {"value": "memory", "source": "default"}
    assert list(tmp_path.iterdir()) == []


def test_server_without_its_store_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("notes")
    with pytest.raises(SettingsError, match=r"^MockMoov: store .*state\.db"):
        MockMoov(store=store_in(tmp_path))
    assert (tmp_path / "state.db").read_text() == "notes"


def test_workers_have_files_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw3")
    with MockMoov(store=store_in(tmp_path)) as moov:
        assert moov.config["store"]["value"] == f"sqlite:{tmp_path}/state-gw3.db"
    assert [file.name for file in tmp_path.iterdir()] == ["state-gw3.db"]
    worker = {"PYTEST_XDIST_WORKER": "gw0"}
    assert own_store("memory", worker) == "memory"
    assert own_store("sqlite:/a.b/state", worker) == "sqlite:/a.b/state-gw0"
    assert own_store("sqlite:/state.db", {}) == "sqlite:/state.db"
