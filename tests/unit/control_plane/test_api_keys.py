"""API keys as resources: created, listed, changed, deleted; only creation returns the secret."""

from typing import Any

import pytest

from mockmoov.oauth.messages import HttpRequest
from mockmoov.oauth.records import Exchange
from mockmoov.server import new_api_keys
from mockmoov.server.context import RequestContext
from mockmoov.server.steps import Delay, ReadBody
from tests.support.control import Desk
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, NOW, basic

ACCOUNT = "ec7e1848-dc80-4ab0-8827-dd7fc0737b43"
NO_KEY = (404, "there is no API key with this client_id", None)


def test_a_new_key_has_credentials_and_every_permission(desk: Desk) -> None:
    key = desk.new_key()
    assert len(key["client_id"]) == 16
    assert len(key["client_secret"]) == 32
    assert (key["origins"], key["scopes"], key["enabled"]) == ([], None, True)
    assert key["grants"] == ["client_credentials", "refresh_token"]
    assert desk.token(key["client_id"], key["client_secret"]) == 200


def test_new_keys_share_no_id_and_no_secret(desk: Desk) -> None:
    one, other = desk.new_key(), desk.new_key()
    for name in ("client_id", "client_secret", "account_id", "application_id"):
        assert one[name] != other[name]


def test_a_new_key_has_the_members_of_the_request(desk: Desk) -> None:
    members: dict[str, Any] = {
        "client_id": "shop", "client_secret": "hush", "account_id": ACCOUNT, "application_id": ACCOUNT,
        "origins": ["HTTPS://Shop.example:443"], "scopes": ["/ping.read"], "grants": ["client_credentials"],
        "enabled": True,
    }  # fmt: skip
    assert desk.new_key(**members) == {**members, "origins": ["https://shop.example"]}
    assert desk.token("shop", "hush") == 200
    assert desk.token("shop", "hush", scope="/accounts.read") == 400
    assert desk.token("shop", "hush", grant_type="refresh_token") == 400


def test_null_means_the_default(desk: Desk) -> None:
    key = desk.new_key(client_id=None, client_secret=None, scopes=None, enabled=None)
    assert desk.token(key["client_id"], key["client_secret"]) == 200


def test_a_client_id_exists_only_once(desk: Desk) -> None:
    answer = desk.post("/api-keys", client_id=CLIENT_ID, client_secret="other")
    assert answer.problem == (409, "an API key with this client_id already exists", None)
    assert desk.token(CLIENT_ID, CLIENT_SECRET) == 200


def test_keys_are_listed_in_order_without_secrets(desk: Desk) -> None:
    created = [desk.new_key(client_id=name) for name in ("b", "a", "c")]
    listed = desk.get("/api-keys")["api_keys"]
    assert [key["client_id"] for key in listed] == [CLIENT_ID, "b", "a", "c"]
    assert listed[1:] == [
        {name: value for name, value in key.items() if name != "client_secret"} for key in created
    ]
    assert desk.get("/api-keys/a").document == listed[2]


def test_the_number_of_keys_is_limited(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_api_keys, "MAX_API_KEYS", 2)
    desk.new_key(client_id="second")
    answer = desk.post("/api-keys")
    assert answer.problem == (409, "the limit of 2 API keys is reached: delete some", None)
    desk.ask("DELETE", "/api-keys/second")
    desk.new_key()


BAD: list[tuple[dict[str, Any], str, str]] = [  # members, the field that is blamed, and part of the message
    ({"client_secret": "é"}, "client_secret", "printable ASCII"),
    ({"account_id": "x"}, "account_id", "must be a UUID"),
    ({"origins": "https://shop.example"}, "origins", "must be a list of strings"),
    ({"scopes": ["/ping.raed"]}, "scopes", "there is no scope /ping.raed; did you mean /ping.read?"),
    ({"enabled": 1}, "enabled", "must be true or false"),
    ({"enabeld": True}, "enabeld", "; did you mean enabled?"),
    ({"floor": {}}, "...", "unknown member: an API key has client_id, "),
    ({"epoch": "x"}, "...", "unknown member: an API key has client_id, "),
]


def test_bad_members_are_named_and_change_nothing(desk: Desk) -> None:
    before = desk.get("/api-keys").document
    assert desk.mismatches("POST", "/api-keys", [*BAD, ({"client_id": "a:b"}, "client_id", "colon")]) == []
    assert desk.mismatches("PATCH", f"/api-keys/{CLIENT_ID}", BAD) == []
    assert desk.get("/api-keys").document == before


def test_an_unknown_member_is_not_repeated(desk: Desk) -> None:
    """It may be a secret in the wrong place."""
    assert CLIENT_SECRET not in str(desk.post("/api-keys", **{CLIENT_SECRET: "x"}).document)


def test_an_open_catalogue_allows_any_scope() -> None:
    assert Desk(scope_catalogue="open").post("/api-keys", scopes=["/mine.read"]).status == 201


def test_a_change_keeps_the_rest_and_null_resets(desk: Desk) -> None:
    desk.new_key(client_id="k", client_secret="s", origins=["https://a.example"], scopes=["/ping.read"])
    changed = desk.ask("PATCH", "/api-keys/k", {"scopes": None, "account_id": ACCOUNT})
    assert (changed["scopes"], changed["account_id"]) == (None, ACCOUNT)
    assert changed["origins"] == ["https://a.example"]
    assert "client_secret" not in changed.document
    assert desk.get("/api-keys/k").document == changed.document
    assert desk.token("k", "s") == 200


def test_a_disabled_key_works_again_once_enabled(desk: Desk) -> None:
    desk.new_key(client_id="k", client_secret="s")
    token = desk.post("/api-keys/k/tokens", scope="/ping.read")["access_token"]
    for enabled, status in ((False, 401), (True, 200)):
        desk.ask("PATCH", "/api-keys/k", {"enabled": enabled})
        assert desk.token("k", "s") == status
        assert desk.ping(token) == status


def test_a_change_keeps_tokens_valid_across_clock_moves(desk: Desk) -> None:
    key = desk.new_key(client_id="k", client_secret="s")
    tokens = [desk.post("/api-keys/k/tokens", scope="/ping.read")["access_token"]]
    desk.post("/api-keys/k/clock/shift", hours=-1)
    tokens.append(desk.post("/api-keys/k/tokens", scope="/ping.read")["access_token"])
    desk.ask("PATCH", "/api-keys/k", {"origins": ["https://a.example"]})
    assert [desk.ping(token) for token in tokens] == [200, 200]
    assert set(desk.get("/api-keys/k").document) == set(key) - {"client_secret"}


def test_a_changed_secret_replaces_the_old_one(desk: Desk) -> None:
    desk.new_key(client_id="k", client_secret="s")
    desk.ask("PATCH", "/api-keys/k", {"client_secret": "new"})
    assert (desk.token("k", "s"), desk.token("k", "new")) == (401, 200)


def test_client_id_and_secret_are_required_in_a_change(desk: Desk) -> None:
    renamed = desk.ask("PATCH", f"/api-keys/{CLIENT_ID}", {"client_id": "other"})
    assert renamed.problem == (422, "the client_id of an API key cannot be changed", "client_id")
    bare = desk.ask("PATCH", f"/api-keys/{CLIENT_ID}", {"client_secret": None})
    assert bare.problem == (422, "an API key needs a client_secret", "client_secret")


def test_a_deleted_key_and_its_tokens_stop_working(desk: Desk) -> None:
    desk.new_key(client_id="k", client_secret="s")
    token = desk.post("/api-keys/k/tokens", scope="/ping.read")["access_token"]
    assert desk.ask("DELETE", "/api-keys/k").status == 204
    assert desk.token("k", "s") == desk.ping(token) == 401
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/clock"), ("POST", "/reset")):
        assert desk.ask(method, f"/api-keys/k{path}").problem == NO_KEY
    assert desk.ask("PATCH", "/api-keys/k", {}).problem == NO_KEY


def test_a_recreated_key_starts_afresh(desk: Desk) -> None:
    """Even if a request or a change that was under way leaves records behind after the deletion."""
    desk.new_key(client_id="k", client_secret="s")
    desk.post("/api-keys/k/clock/shift", hours=5)
    desk.post("/api-keys/k/faults", status=503)
    token = desk.post("/api-keys/k/tokens", scope="/ping.read")["access_token"]
    assert desk.token("k", "s") == 503
    late = desk.server.simulation.journal("k").exchanges[0]
    assert isinstance(late, Exchange)
    desk.ask("DELETE", "/api-keys/k")
    desk.server.simulation.record(late)
    desk.server.simulation.set_clock("k", lambda setting, base: type(setting)(offset=99.0))
    desk.new_key(client_id="k", client_secret="s")
    assert desk.get("/api-keys/k/clock")["offset"] == 0
    assert desk.get("/api-keys/k/faults")["faults"] == []
    assert desk.get("/api-keys/k/exchanges")["count"] == 0
    assert desk.token("k", "s") == 200
    assert desk.ping(token) == 401


@pytest.mark.parametrize(("meanwhile", "status"), [("DELETE", 401), ("POST", 200), ("PATCH", 401)])
def test_a_delayed_request_sees_changes_of_its_key(desk: Desk, meanwhile: str, status: int) -> None:
    """The key is deleted, reset or disabled while a planned delay lasts."""
    desk.new_key(client_id="k", client_secret="s")
    desk.post("/api-keys/k/faults", delay=1, times=1)
    desk.post("/api-keys/k/clock/shift", hours=1)
    name, value = basic("k", "s")
    body = b"grant_type=client_credentials&scope=/ping.read"
    headers = {name: (value,), "content-type": ("application/x-www-form-urlencoded",)}
    steps = desk.server.respond(
        RequestContext(HttpRequest(method="POST", path="/oauth2/token", headers=headers))
    )
    assert isinstance(next(steps), ReadBody)
    assert isinstance(steps.send(body), Delay)
    path = "/api-keys/k/reset" if meanwhile == "POST" else "/api-keys/k"
    assert desk.ask(meanwhile, path, {"enabled": False} if meanwhile == "PATCH" else {}).status < 300
    with pytest.raises(StopIteration) as ended:
        steps.send(None)
    assert ended.value.value.status == status
    last = desk.get("/exchanges")["exchanges"][-1]
    assert last["status"] == status
    assert last["at"] == NOW + (3600 if meanwhile == "PATCH" else 0)
