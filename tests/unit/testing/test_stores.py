"""`MockMoov(store=...)`: tests keep state in memory unless they name a file, and each process has its own."""

import re
from pathlib import Path

import httpx2
import pytest

from mockmoov.testing import MockMoov, SettingsError
from mockmoov.testing.environment import own_store
from tests.support.program import Program, ping


@pytest.fixture(autouse=True)
def outside_of_xdist(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker would have its own file."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_environment_does_not_choose_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOCKMOOV_STORE", f"sqlite:{tmp_path / 'state.db'}")
    with MockMoov() as moov:
        moov.new_api_key()
        assert moov.config["store"] == {"value": "memory", "source": "default"}
    assert files_in(tmp_path) == []


def test_restart_on_a_file_loses_nothing(http: httpx2.Client, tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path / 'state.db'}"
    with MockMoov(store=store) as moov:
        key = moov.new_api_key()
        key.clock.shift(hours=1)
        key.faults.add("unavailable", endpoint="ping")
        token = Program(http, key).token().json()["access_token"]
        before = key.exchanges()
        assert len(before) == 1
    with MockMoov(store=store) as moov:
        again = moov.api_keys.get(key.client_id)
        assert again.exchanges() == before
        assert (len(again.faults), ping(http, moov.url, token).status_code) == (1, 503)
        again.faults.clear()
        assert ping(http, moov.url, token).status_code == 200


def test_stop_closes_the_file_which_can_still_be_read(http: httpx2.Client, tmp_path: Path) -> None:
    with MockMoov(store=f"sqlite:{tmp_path / 'state.db'}") as moov:
        key = moov.new_api_key()
        Program(http, key).token()
        assert files_in(tmp_path) != ["state.db"]
    assert files_in(tmp_path) == ["state.db"]  # whoever closes it last removes the log
    assert [exchange.status for exchange in key.exchanges()] == [200]
    assert key.client_id in [each.client_id for each in moov.api_keys]
    moov.stop()
    assert files_in(tmp_path) == ["state.db"]


def test_servers_on_one_file_have_the_same_keys_and_tokens(http: httpx2.Client, tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path / 'state.db'}"
    with MockMoov(store=store) as one, MockMoov(store=store) as two:
        key = one.new_api_key()
        token = key.mint()
        assert ping(http, two.url, token).status_code == 200
        two.api_keys.get(key.client_id).disable()
        assert [ping(http, moov.url, token).status_code for moov in (one, two)] == [401, 401]
        assert key.exchanges.count() == two.exchanges.count() == 3


def test_file_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    message = re.escape(f"MockMoov: store {tmp_path}/none/state.db: there is no such folder: ")
    with pytest.raises(SettingsError, match=f"^{message}"):
        MockMoov(store=f"sqlite:{tmp_path}/none/state.db")


def test_each_worker_of_xdist_has_its_own_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for worker in ("gw0", "gw11"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        with MockMoov(store=f"sqlite:{tmp_path / 'state.db'}") as moov:
            assert moov.config["store"]["value"] == f"sqlite:{tmp_path}/state-{worker}.db"
            assert len(moov.api_keys.list()) == 1
            moov.new_api_key()
    assert files_in(tmp_path) == ["state-gw0.db", "state-gw11.db"]


def test_name_of_a_workers_file_keeps_its_ending_and_folder() -> None:
    stores = [
        "memory",
        "sqlite:/a/b.db",
        "sqlite:/a.b/c",
        "sqlite:/a/.db",
        "sqlite:/a/b:c.x.db",
        "sqlite:/a b/é",
    ]
    assert [own_store(store, {"PYTEST_XDIST_WORKER": "gw3"}) for store in stores] == [
        "memory",
        "sqlite:/a/b-gw3.db",
        "sqlite:/a.b/c-gw3",
        "sqlite:/a/.db-gw3",
        "sqlite:/a/b:c.x-gw3.db",
        "sqlite:/a b/é-gw3",
    ]
    for outside in ({}, {"PYTEST_XDIST_WORKER": ""}):
        assert [own_store(store, outside) for store in stores] == stores
