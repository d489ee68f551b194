"""API keys as resources: created, listed, changed, deleted with what is theirs; the secret is told once."""

from typing import Any

import pytest

from mockmoov.control_plane import api_keys
from mockmoov.oauth.messages import HttpRequest
from mockmoov.oauth.records import Exchange
from mockmoov.server.context import RequestContext
from mockmoov.server.steps import Delay, ReadBody
from tests.support.control import Desk
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, NOW, basic

ACCOUNT = "ec7e1848-dc80-4ab0-8827-dd7fc0737b43"
NO_KEY = (404, "there is no API key with this client_id", None)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_key_without_a_wish_has_credentials_and_may_do_all(desk: Desk) -> None:
    key = desk.new_key()
    assert len(key["client_id"]) == 16
    assert len(key["client_secret"]) == 32
    assert (key["origins"], key["scopes"], key["enabled"]) == ([], None, True)
    assert key["grants"] == ["client_credentials", "refresh_token"]
    assert desk.token(key["client_id"], key["client_secret"]) == 200


def test_two_keys_without_a_wish_share_nothing(desk: Desk) -> None:
    one, other = desk.new_key(), desk.new_key()
    for name in ("client_id", "client_secret", "account_id", "application_id"):
        assert one[name] != other[name]


def test_a_key_is_as_it_was_wished_for(desk: Desk) -> None:
    wish: dict[str, Any] = {
        "client_id": "shop", "client_secret": "hush", "account_id": ACCOUNT, "application_id": ACCOUNT,
        "origins": ["HTTPS://Shop.example:443"], "scopes": ["/ping.read"], "grants": ["client_credentials"],
        "enabled": True,
    }  # fmt: skip
    assert desk.new_key(**wish) == {**wish, "origins": ["https://shop.example"]}
    assert desk.token("shop", "hush") == 200
    assert desk.token("shop", "hush", scope="/accounts.read") == 400
    assert desk.token("shop", "hush", grant_type="refresh_token") == 400


def test_null_is_the_default(desk: Desk) -> None:
    key = desk.new_key(client_id=None, client_secret=None, scopes=None, enabled=None)
    assert desk.token(key["client_id"], key["client_secret"]) == 200


def test_two_keys_cannot_have_the_same_client_id(desk: Desk) -> None:
    answer = desk.post("/api-keys", client_id=CLIENT_ID, client_secret="other")
    assert answer.problem == (409, "an API key with this client_id already exists", None)
    assert desk.token(CLIENT_ID, CLIENT_SECRET) == 200


def test_keys_are_listed_in_the_order_of_creation_without_secrets(desk: Desk) -> None:
    created = [desk.new_key(client_id=name) for name in ("b", "a", "c")]
    listed = desk.get("/api-keys")["api_keys"]
    assert [key["client_id"] for key in listed] == [CLIENT_ID, "b", "a", "c"]
    assert listed[1:] == [
        {name: value for name, value in key.items() if name != "client_secret"} for key in created
    ]
    assert desk.get("/api-keys/a").document == listed[2]


def test_there_are_only_so_many_keys(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "_MOST", 2)
    desk.new_key(client_id="second")
    answer = desk.post("/api-keys")
    assert answer.problem == (409, "the limit of 2 API keys is reached: delete some", None)
    desk.ask("DELETE", "/api-keys/second")
    desk.new_key()


# --- What is not good -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "field", "message"),
    [
        ({"client_id": "a:b"}, "client_id", "colon"),
        ({"client_id": ""}, "client_id", "printable ASCII"),
        ({"client_secret": "é"}, "client_secret", "printable ASCII"),
        ({"account_id": "x"}, "account_id", "must be a UUID"),
        ({"origins": ["https://shop.example/path"]}, "origins", "without a path"),
        ({"origins": "https://shop.example"}, "origins", "must be a list of strings"),
        ({"scopes": ["/ping.raed"]}, "scopes", "there is no scope /ping.raed; did you mean /ping.read?"),
        ({"grants": ["refresh"]}, "grants", "unknown grant 'refresh'; did you mean refresh_token?"),
        ({"enabled": 1}, "enabled", "must be true or false"),
        ({"enabeld": True}, "enabeld", "; did you mean enabled?"),
        ({"floor": {}}, "...", "unknown member: an API key has client_id, "),
        ({"epoch": "x"}, "...", "unknown member: an API key has client_id, "),
    ],
)
def test_what_is_not_good_is_named_and_nothing_is_done(
    desk: Desk, members: dict[str, Any], field: str, message: str
) -> None:
    before = desk.get("/api-keys").document
    answers = [desk.post("/api-keys", **members)]
    if "client_id" not in members:
        answers.append(desk.ask("PATCH", f"/api-keys/{CLIENT_ID}", members))
    for answer in answers:
        status, said, at = answer.problem
        assert (status, at) == (422, field)
        assert message in said
    assert desk.get("/api-keys").document == before


def test_a_member_that_is_no_member_is_not_repeated(desk: Desk) -> None:
    """It may be a secret in the wrong place."""
    answer = desk.post("/api-keys", **{CLIENT_SECRET: "x"})
    assert CLIENT_SECRET not in str(answer.document)


def test_with_an_open_catalogue_any_scope_of_the_right_form_is_good() -> None:
    assert Desk(scope_catalogue="open").post("/api-keys", scopes=["/mine.read"]).status == 201


# --- Change ---------------------------------------------------------------------------------------


def test_what_is_not_given_stays_and_null_restores_the_default(desk: Desk) -> None:
    desk.new_key(client_id="k", client_secret="s", origins=["https://a.example"], scopes=["/ping.read"])
    changed = desk.ask("PATCH", "/api-keys/k", {"scopes": None, "account_id": ACCOUNT})
    assert (changed["scopes"], changed["account_id"]) == (None, ACCOUNT)
    assert changed["origins"] == ["https://a.example"]
    assert "client_secret" not in changed.document
    assert desk.get("/api-keys/k").document == changed.document
    assert desk.token("k", "s") == 200


def test_a_disabled_key_is_refused_and_its_tokens_are_good_again_when_it_is_enabled(desk: Desk) -> None:
    desk.new_key(client_id="k", client_secret="s")
    token = desk.post("/api-keys/k/tokens", scope="/ping.read")["access_token"]
    for enabled, status in ((False, 401), (True, 200)):
        desk.ask("PATCH", "/api-keys/k", {"enabled": enabled})
        assert desk.token("k", "s") == status
        assert desk.ping(token) == status


def test_whatever_is_changed_tokens_of_both_sides_of_a_return_in_time_stay_what_they_are(desk: Desk) -> None:
    key = desk.new_key(client_id="k", client_secret="s")
    good = [desk.post("/api-keys/k/tokens", scope="/ping.read")["access_token"]]
    desk.post("/api-keys/k/clock/shift", hours=-1)
    good.append(desk.post("/api-keys/k/tokens", scope="/ping.read")["access_token"])
    desk.ask("PATCH", "/api-keys/k", {"origins": ["https://a.example"]})
    assert [desk.ping(token) for token in good] == [200, 200]
    assert set(desk.get("/api-keys/k").document) == set(key) - {"client_secret"}


def test_a_changed_secret_is_the_only_good_one(desk: Desk) -> None:
    desk.new_key(client_id="k", client_secret="s")
    desk.ask("PATCH", "/api-keys/k", {"client_secret": "new"})
    assert (desk.token("k", "s"), desk.token("k", "new")) == (401, 200)


def test_a_client_id_and_the_lack_of_a_secret_cannot_be_wished_for(desk: Desk) -> None:
    renamed = desk.ask("PATCH", f"/api-keys/{CLIENT_ID}", {"client_id": "other"})
    assert renamed.problem == (422, "the client_id of an API key cannot be changed", "client_id")
    bare = desk.ask("PATCH", f"/api-keys/{CLIENT_ID}", {"client_secret": None})
    assert bare.problem == (422, "an API key needs a client_secret", "client_secret")


# --- Deletion -------------------------------------------------------------------------------------


def test_a_deleted_key_is_unknown_and_its_tokens_are_dead(desk: Desk) -> None:
    desk.new_key(client_id="k", client_secret="s")
    token = desk.post("/api-keys/k/tokens", scope="/ping.read")["access_token"]
    assert desk.ask("DELETE", "/api-keys/k").status == 204
    assert desk.token("k", "s") == desk.ping(token) == 401
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/clock"), ("POST", "/reset")):
        assert desk.ask(method, f"/api-keys/k{path}").problem == NO_KEY
    assert desk.ask("PATCH", "/api-keys/k", {}).problem == NO_KEY


def test_a_key_that_comes_back_has_nothing_of_the_one_before(desk: Desk) -> None:
    desk.new_key(client_id="k", client_secret="s")
    desk.post("/api-keys/k/clock/shift", hours=5)
    desk.post("/api-keys/k/faults", status=503)
    token = desk.post("/api-keys/k/tokens", scope="/ping.read")["access_token"]
    assert desk.token("k", "s") == 503
    desk.ask("DELETE", "/api-keys/k")
    desk.new_key(client_id="k", client_secret="s")
    assert desk.get("/api-keys/k/clock")["offset"] == 0
    assert desk.get("/api-keys/k/faults")["faults"] == []
    assert desk.get("/api-keys/k/exchanges")["count"] == 0
    assert desk.token("k", "s") == 200
    assert desk.ping(token) == 401


@pytest.mark.parametrize(("meanwhile", "status"), [("DELETE", 401), ("POST", 200), ("PATCH", 401)])
def test_a_request_under_way_is_answered_by_what_holds_at_its_end(
    desk: Desk, meanwhile: str, status: int
) -> None:
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


def test_what_was_under_way_when_a_key_was_deleted_is_not_the_next_ones(desk: Desk) -> None:
    """A request that ends after the deletion, and changes that were half done, leave records behind."""
    desk.new_key(client_id="k", client_secret="s")
    desk.token("k", "s")
    late = desk.server.simulation.journal("k").exchanges[0]
    assert isinstance(late, Exchange)
    desk.ask("DELETE", "/api-keys/k")
    desk.server.simulation.record(late)
    desk.server.simulation.set_clock("k", lambda setting, base: type(setting)(offset=99.0))
    desk.new_key(client_id="k", client_secret="s")
    assert desk.get("/api-keys/k/exchanges")["count"] == 0
    assert desk.get("/api-keys/k/clock")["offset"] == 0
