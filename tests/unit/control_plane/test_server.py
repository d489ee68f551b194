"""The resources of the whole server: its reset and its settings."""

import json

from mockmoov.config.settings import SETTINGS, Layer, load
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.server.factory import create_server
from tests.support.control import Desk
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, NOW

KEY = f"/api-keys/{CLIENT_ID}"
SEED, TOKEN = "seed-of-the-signing-key", "sesame-0123456789"


def disturbed() -> Desk:
    """A server whose clocks, faults and journals have changed, for itself and for both of its keys."""
    desk = Desk()
    desk.new_key(client_id="k", client_secret="s")
    for of in ("", KEY, "/api-keys/k"):
        desk.post(f"{of}/clock/shift", hours=1)
        desk.post(f"{of}/faults", status=503, times=1)
    desk.token()
    desk.token("k", "s")
    return desk


def is_clean(desk: Desk, of: str) -> bool:
    clock, faults, exchanges = (desk.get(f"{of}/{name}") for name in ("clock", "faults", "exchanges"))
    return not (clock["offset"] or faults["faults"] or exchanges["count"])


def test_a_reset_restores_the_server() -> None:
    desk = disturbed()
    token = desk.post("/tokens", scope="/ping.read")["access_token"]
    desk.ask("PATCH", KEY, {"enabled": False})
    assert desk.post("/reset").document == {"client_id": None}
    assert [key["client_id"] for key in desk.get("/api-keys")["api_keys"]] == [CLIENT_ID]
    assert is_clean(desk, "")
    assert is_clean(desk, KEY)
    assert desk.token(CLIENT_ID, CLIENT_SECRET) == 200
    assert desk.ping(token) == 401


def test_a_reset_keeps_only_signing_keys_of_settings() -> None:
    for seed in (SEED, None):
        desk = Desk(create_server(load(Layer(settings={"seed": seed} if seed else {}))))
        first = desk.get("/signing-keys").document
        desk.post("/signing-keys/rotate")
        desk.post("/reset")
        after = desk.get("/signing-keys").document
        assert len(after["keys"]) == 1
        assert (after == first) == bool(seed)


def test_a_reset_of_a_key_leaves_the_others() -> None:
    desk = disturbed()
    mine, others = (
        desk.post(f"{of}/tokens", scope="/ping.read")["access_token"] for of in (KEY, "/api-keys/k")
    )
    assert desk.post(f"{KEY}/reset").document == {"client_id": CLIENT_ID}
    assert desk.get(f"{KEY}/clock")["now"] == NOW + 3600  # of the server
    assert desk.get(f"{KEY}/clock")["offset"] == 0
    assert desk.get(f"{KEY}/faults")["faults"] == []
    assert desk.get(f"{KEY}/exchanges")["count"] == 0
    assert desk.get("/api-keys/k/exchanges")["count"] == 1
    assert desk.get("/api-keys/k/clock")["offset"] == 3600
    assert desk.ask("DELETE", "/faults").status == 204
    assert (desk.ping(mine), desk.ping(others)) == (401, 200)
    assert desk.token() == 200


def test_settings_are_listed_with_their_source() -> None:
    file = Layer(settings={"rate_limit": 5, "journal_size": 7}, source="mockmoov.toml: ")
    flags = Layer(settings={"journal_size": "9"}, spell=lambda name: "--" + name.replace("_", "-"))
    desk = Desk(create_server(load(file, flags)))
    settings = desk.get("/config")["settings"]
    assert list(settings) == list(SETTINGS)
    assert settings["rate_limit"] == {"value": 5, "source": "mockmoov.toml: rate_limit"}
    assert settings["journal_size"] == {"value": 9, "source": "--journal-size"}
    assert settings["port"] == {"value": 8080, "source": "default"}
    assert settings["api_keys"] == {"value": [CLIENT_ID], "source": "default"}
    assert settings["audiences"]["value"][0] == "https://api.moov.io"
    assert settings["seed"] == settings["control_token"] == {"value": None, "source": "default"}


def test_secrets_are_only_reported_as_set() -> None:
    desk = Desk(seed=SEED, control_token=TOKEN)
    answer = desk.ask_raw("GET", "/config", x_mockmoov_token=TOKEN)
    settings = answer["settings"]
    assert settings["seed"]["value"] == settings["control_token"]["value"] == "(set)"
    text = json.dumps(answer.document)
    for secret in (SEED, TOKEN, str(EXAMPLE["client_secret"])):
        assert secret not in text
