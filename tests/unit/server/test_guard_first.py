"""Nothing that a test plans turns a refusal into a success, whatever the plan and the credentials."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockmoov.oauth.operations import BY_PATH
from mockmoov.oauth.token_defects import DEFECTS
from mockmoov.simulation.faults import PRESETS
from tests.support.control import Desk
from tests.support.listening import listening
from tests.support.servers import CLIENT_ID, Header, another_key, basic, bearer, post_form

ACCOUNT = "5352b013-ae58-4a63-8a3f-97f316a917cf"
OPERATIONS = [
    (method, path.replace("{accountID}", ACCOUNT), item.name)
    for path, methods in BY_PATH.items()
    for method, item in methods.items()
    if item.scopes  # where none is documented, any valid token is sufficient
]
NAMES = [name for _, _, name in OPERATIONS]


def _fault(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    optional = {
        "endpoint": st.sampled_from(["ping", "listAccounts", *NAMES]),
        "where": st.just({"headers": {"x-none": None}}),
        "after": st.integers(0, 1),
        "times": st.integers(1, 3),
        "headers": st.just({"content-type": "application/json"}),
        "network_error": st.just("cut"),
        "retry_after": st.just(1),
        "truncate": st.integers(0, 3),
        "drop": st.just(["a"]),
        "set": st.just({"a": 1}),
    }
    return st.fixed_dictionaries(members, optional=optional)


PLANS = st.lists(
    _fault(status=st.integers(200, 599))
    | _fault(body=st.just([]))
    | _fault(text=st.just("x"))
    | _fault(preset=st.sampled_from(sorted(set(PRESETS) - {"hang", "reset"}))),
    min_size=1,
    max_size=4,
)
CREDENTIALS = st.sampled_from(["none", "wrong basic", "other key", "disabled", *DEFECTS, "no scope", "noise"])


def credentials(desk: Desk, kind: str) -> list[Header]:
    """Credentials that are not sufficient for any operation."""
    if kind == "none":
        return []
    if kind == "noise":
        return [bearer("a.b.c")]
    if kind == "wrong basic":
        return [basic(CLIENT_ID, "wrong")]
    if kind == "other key":
        return [basic("nobody", "wrong")]
    if kind == "disabled":
        desk.ask("PATCH", "/api-keys/off", {"enabled": False})
        return [basic("off", "secret-of-off-0123456789")]
    if kind == "no scope":
        token = desk.post("/tokens", scope="/none.such")["access_token"]
        return [bearer(token)]
    return [bearer(desk.post("/tokens", scope="/ping.read", defect=kind)["access_token"])]


def planned(desk: Desk, plan: list[dict[str, Any]]) -> None:
    """Half of the plan is the server's, half of it the key's."""
    for number, fault in enumerate(plan):
        members = {name: value for name, value in fault.items() if not (name == "body" and "text" in fault)}
        desk.post("/faults" if number % 2 else f"/api-keys/{CLIENT_ID}/faults", **members)


@given(plan=PLANS, kind=CREDENTIALS, operation=st.sampled_from(OPERATIONS))
def test_no_plan_turns_a_refusal_into_a_success(
    plan: list[dict[str, Any]], kind: str, operation: tuple[str, str, str]
) -> None:
    desk = Desk(keys=[{"client_id": CLIENT_ID, "client_secret": "s" * 20}, another_key("off")])
    sent = credentials(desk, kind)
    planned(desk, plan)
    method, path, _ = operation
    for _ in range(3):
        assert desk.send(method, path, sent, b"")[0] >= 400


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Desk, str]]:
    desk = Desk(keys=[{"client_id": CLIENT_ID, "client_secret": "s" * 20}, another_key("off")])
    with listening(desk.server) as url:
        yield desk, url


@settings(max_examples=40)
@given(plan=PLANS, kind=CREDENTIALS, operation=st.sampled_from(OPERATIONS))
def test_no_plan_turns_a_refusal_into_a_success_over_http(
    served: tuple[Desk, str], plan: list[dict[str, Any]], kind: str, operation: tuple[str, str, str]
) -> None:
    desk, url = served
    desk.post("/reset")
    sent = credentials(desk, kind)
    planned(desk, [{**fault, "delay": 0} for fault in plan if fault.get("preset") != "slow"])
    method, path, _ = operation
    try:
        response = httpx2.request(method, url + path, headers=sent, timeout=10, trust_env=False)
    except httpx2.TransportError:
        return  # a connection that is cut has told no success either
    assert response.status_code >= 400


@pytest.mark.parametrize("kind", ["none", "wrong basic", "other key", "disabled"])
@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/revoke"])
def test_a_planned_success_comes_after_client_authentication(kind: str, path: str) -> None:
    desk = Desk(keys=[{"client_id": CLIENT_ID, "client_secret": "s" * 20}, another_key("off")])
    desk.post("/faults", status=200, body={"planned": True})
    refused = post_form(desk.send, path, *credentials(desk, kind), grant_type="client_credentials", token="x")
    assert refused[0] == 401
    answered = post_form(
        desk.send, path, basic(CLIENT_ID, "s" * 20), grant_type="client_credentials", token="x"
    )
    assert (answered[0], json.loads(answered[2])) == (200, {"planned": True})


def test_a_planned_success_is_for_authorized_requests_only() -> None:
    desk = Desk()
    token = desk.post("/tokens", scope="/accounts.read")["access_token"]
    desk.post("/faults", endpoint="listAccounts", status=200, body=[], times=1)
    assert desk.send("GET", "/accounts", [], b"")[0] == 401
    assert desk.get("/faults")["faults"][0]["matched"] == 0
    assert desk.send("GET", "/accounts", [bearer(token)], b"")[0] == 200
    assert desk.send("GET", "/accounts", [bearer(token)], b"")[0] == 501
    assert [exchange["status"] for exchange in desk.get("/exchanges")["exchanges"]] == [401, 200, 501]
    assert [bool(exchange["fault"]) for exchange in desk.get("/exchanges")["exchanges"]] == [
        False,
        True,
        False,
    ]


PLANS_IN_ORDER: dict[str, tuple[list[dict[str, Any]], list[int], list[int]]] = {
    # a plan of the server (`own`: of the key), and the statuses of three authorized and three other requests
    "success first": ([{"status": 202, "times": 1}, {"status": 503}], [202, 503, 503], [503, 503, 503]),
    "failure first": ([{"status": 503, "times": 1}, {"status": 202}], [503, 202, 202], [503, 401, 401]),
    "success, then headers": (
        [{"status": 202, "times": 1}, {"headers": {"x-a": "b"}}], [202, 200, 200], [401] * 3
    ),
    "every second": ([{"status": 202, "every": 2}], [200, 202, 200], [401] * 3),
    "key before server": (
        [{"status": 202, "times": 1, "own": True}, {"status": 503}], [202, 503, 503], [503] * 3
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PLANS_IN_ORDER.values(), ids=PLANS_IN_ORDER)
@pytest.mark.parametrize("is_authorized", [True, False], ids=["authorized", "not authorized"])
def test_a_planned_success_keeps_its_place_in_the_plan(
    case: tuple[list[dict[str, Any]], list[int], list[int]], is_authorized: bool
) -> None:
    plan, authorized, refused = case
    desk = Desk()
    for fault in plan:
        members = {name: value for name, value in fault.items() if name != "own"}
        desk.post(f"/api-keys/{CLIENT_ID}/faults" if "own" in fault else "/faults", **members)
    sent = [basic()] if is_authorized else [basic(CLIENT_ID, "wrong")]
    statuses = [desk.send("GET", "/ping", sent, b"")[0] for _ in range(3)]
    assert statuses == (authorized if is_authorized else refused)


@pytest.mark.parametrize("path", ["/none", "/accounts/"])
def test_a_planned_success_does_not_make_a_path_exist(path: str) -> None:
    desk = Desk()
    desk.post("/faults", status=200, body=[])
    assert desk.send("GET", path, [basic()], b"")[0] == 404
    assert desk.send("PUT", "/ping", [basic()], b"")[0] == 405
    assert desk.send("GET", "/ping", [basic(), ("x-moov-version", "dev")], b"")[0] == 404


def test_an_outage_does_not_look_at_tokens() -> None:
    desk = Desk()
    desk.post("/faults", status=503)
    assert desk.send("GET", "/accounts", [], b"")[0] == 503
