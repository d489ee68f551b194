"""No plan of faults and stubs turns a refusal into a success, whatever answers and whatever was sent."""

import json
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.oauth.operations import BY_PATH
from mockmoov.oauth.token_defects import DEFECTS
from mockmoov.server.context import RequestContext
from mockmoov.server.steps import run_in_process
from mockmoov.simulation.faults import PRESETS
from mockmoov.simulation.planned_headers import WITHOUT_BODY
from tests.support.control import Desk
from tests.support.listening import listening
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, Header, another_key, basic, bearer, post_form

ACCOUNT = "5352b013-ae58-4a63-8a3f-97f316a917cf"
OPERATIONS = [
    (method, path.replace("{accountID}", ACCOUNT), item.name)
    for path, methods in BY_PATH.items()
    for method, item in methods.items()
    if item.scope_sets != ((),)  # where none is required, any valid token is sufficient
]


OPTIONAL = {
    "endpoint": st.sampled_from([name for _, _, name in OPERATIONS]),
    "where": st.just({"headers": {"x-none": None}}),
    "after": st.integers(0, 1),
    "times": st.integers(1, 3),
    "headers": st.just({"content-type": "application/json"}),
}
CHANGES = {
    "network_error": st.just("cut"),
    "retry_after": st.just(1),
    "truncate": st.integers(0, 3),
    "drop": st.just(["a"]),
    "set": st.just({"a": 1}),
}


def _fault(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(members, optional={**OPTIONAL, **CHANGES})


FAULTS = (
    _fault(status=st.integers(200, 599))
    | _fault(body=st.just([]))
    | _fault(text=st.just("x"))
    | _fault(preset=st.sampled_from(sorted(PRESETS.keys() - {"hang", "reset", "slow"})))
)


def may_have_body(status: int) -> bool:
    return status not in WITHOUT_BODY


STUBS = st.fixed_dictionaries(
    {"endpoint": OPTIONAL["endpoint"], "status": st.integers(200, 599).filter(may_have_body)},
    optional={**{name: OPTIONAL[name] for name in ("where", "after", "times")}, "json": st.just({"a": 1})},
)
PLANS = st.lists(
    FAULTS.map(lambda fault: ("/faults", fault)) | STUBS.map(lambda stub: ("/stubs", stub)),
    min_size=1,
    max_size=5,
)
Plan = list[tuple[str, dict[str, Any]]]
KINDS = ("none", "noise", "wrong secret", "unknown key", "disabled key", "another scope")


def new_desk(**settings: Any) -> Desk:
    return Desk(
        keys=[{"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}, another_key("off")], **settings
    )


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The settings with which something answers operations."""
    example = {"responses": {"200": {"description": "", "content": {"application/json": {"example": {}}}}}}
    paths = {path: {method.lower(): example for method in methods} for path, methods in BY_PATH.items()}
    file = tmp_path_factory.mktemp("description") / "openapi.json"
    file.write_text(json.dumps({"openapi": "3.1.0", "info": {}, "paths": paths}))
    return {"nothing": {}, "upstream": {"upstream": "http://localhost:1"}, "openapi": {"openapi": str(file)}}


def insufficient(desk: Desk, kind: str) -> list[Header]:
    """Credentials that are not sufficient for any of the operations; `kind` may be a token's defect."""
    if kind == "none":
        return []
    if kind == "noise":
        return [bearer("a.b.c")]
    if kind == "wrong secret":
        return [basic(CLIENT_ID, "wrong")]
    if kind == "unknown key":
        return [basic("nobody", "wrong")]
    if kind == "disabled key":
        desk.ask("PATCH", "/api-keys/off", {"enabled": False})
        return [basic("off", another_key("off")["client_secret"])]
    if kind == "another scope":
        return [bearer(desk.post("/tokens", scope="/none.such")["access_token"])]
    return [bearer(desk.post("/tokens", scope="/ping.read", defect=kind)["access_token"])]


def add_plan(desk: Desk, plan: Plan) -> None:
    """Plan half of it for the server, half of it for the key. A success can be no fault of an operation."""
    for number, (path, members) in enumerate(plan):
        owner = "" if number % 2 else f"/api-keys/{CLIENT_ID}"
        reply = desk.post(owner + path, **members)
        assert reply.status == 201 or "use a stub" in reply.problem[1]


def status_of(desk: Desk, method: str, path: str, headers: list[Header]) -> int:
    """The status of the response; an upstream would answer 200."""
    sent = {name: (value,) for name, value in headers}
    steps = desk.server.respond(RequestContext(HttpRequest(method=method, path=path, headers=sent)))
    response = run_in_process(steps, b"", lambda _: HttpResponse(status=200))
    assert response is not None
    return response.status


@given(
    plan=PLANS,
    kind=st.sampled_from([*KINDS, *DEFECTS]),
    operation=st.sampled_from(OPERATIONS),
    answer=st.sampled_from(["nothing", "upstream", "openapi"]),
)
def test_no_plan_turns_a_refusal_into_a_success(
    answers: dict[str, dict[str, Any]],
    plan: Plan,
    kind: str,
    operation: tuple[str, str, str],
    answer: str,
) -> None:
    desk = new_desk(**answers[answer])
    credentials = insufficient(desk, kind)
    add_plan(desk, plan)
    for _ in range(3):
        assert status_of(desk, *operation[:2], credentials) >= 400


@pytest.mark.parametrize("answer", ["upstream", "openapi"])
def test_sufficient_request_is_answered(answers: dict[str, dict[str, Any]], answer: str) -> None:
    assert status_of(new_desk(**answers[answer]), "GET", "/accounts", [basic()]) == 200


def test_stub_replaces_no_refusal_over_http() -> None:
    desk = new_desk()
    desk.post("/stubs", endpoint="listAccounts", json=[])
    with listening(desk.server) as url, httpx2.Client(base_url=url, trust_env=False) as client:
        for kind in KINDS:
            response = client.get("/accounts", headers=insufficient(desk, kind))
            assert response.status_code == (403 if kind == "another scope" else 401), kind
        response = client.get("/accounts", headers=[basic()])
        assert (response.status_code, response.json()) == (200, [])


def test_planned_success_waits_for_client_authentication() -> None:
    for endpoint in ("token", "revoke"):
        desk = new_desk()
        desk.post("/faults", endpoint=endpoint, status=200, body={"planned": True})
        form = {"grant_type": "client_credentials", "token": "x"}
        path = f"/oauth2/{endpoint}"
        for kind in ("none", "wrong secret", "unknown key", "disabled key"):
            assert post_form(desk.send, path, *insufficient(desk, kind), **form)[0] == 401, (path, kind)
        status, _, body = post_form(desk.send, path, basic(), **form)
        assert (status, json.loads(body)) == (200, {"planned": True})


def test_only_authorized_requests_use_up_a_stub() -> None:
    desk = new_desk()
    token = desk.post("/tokens", scope="/accounts.read")["access_token"]
    stub = desk.post("/stubs", endpoint="listAccounts", json=[], times=1)["stub"]["id"]
    assert desk.send("GET", "/accounts", [], b"")[0] == 401
    assert desk.get("/stubs")["stubs"][0]["matched"] == 0
    assert [desk.send("GET", "/accounts", [bearer(token)], b"")[0] for _ in range(2)] == [200, 501]
    exchanges = desk.get("/exchanges")["exchanges"]
    assert [(each["status"], each["stub"]) for each in exchanges] == [(401, None), (200, stub), (501, None)]


def test_planned_success_keeps_its_place_in_the_plan() -> None:
    success = {"endpoint": "token", "status": 202}
    outage = {"status": 503}
    cases: list[tuple[list[dict[str, Any]], list[int], list[int]]] = [
        # a plan, and the statuses of three authorized and of three other requests
        ([{**success, "times": 1}, outage], [202, 503, 503], [503, 503, 503]),
        ([{**outage, "times": 1}, success], [503, 202, 202], [503, 401, 401]),
        ([{**success, "times": 1}, {"headers": {"x-a": "b"}}], [202, 200, 200], [401, 401, 401]),
        ([{**success, "every": 2}], [200, 202, 200], [401, 401, 401]),
        ([outage, {**success, "times": 1, "of": "key"}], [202, 503, 503], [503, 503, 503]),
    ]
    wrong = []
    for plan, authorized, refused in cases:
        for secret, expected in ((CLIENT_SECRET, authorized), ("wrong", refused)):
            desk = new_desk()
            for fault in plan:
                owner = f"/api-keys/{CLIENT_ID}" if "of" in fault else ""
                desk.post(f"{owner}/faults", **{name: fault[name] for name in fault if name != "of"})
            statuses = [desk.token(CLIENT_ID, secret) for _ in range(3)]
            if statuses != expected:
                wrong.append((plan, secret, statuses))
    assert wrong == []


def test_stub_does_not_make_a_path_exist() -> None:
    desk = new_desk()
    desk.post("/stubs", endpoint="listAccounts", json=[])
    desk.post("/stubs", endpoint="ping", json=[])
    assert desk.send("GET", "/none", [basic()], b"")[0] == 404
    assert desk.send("GET", "/accounts/", [basic()], b"")[0] == 404
    assert desk.send("PUT", "/ping", [basic()], b"")[0] == 405
    assert desk.send("GET", "/ping", [basic(), ("x-moov-version", "dev")], b"")[0] == 404


def test_planned_outage_looks_at_no_token() -> None:
    desk = new_desk()
    desk.post("/faults", status=503)
    assert desk.send("GET", "/accounts", [], b"")[0] == 503


def test_planned_delay_is_skipped_in_process() -> None:
    desk = new_desk()
    desk.post("/faults", status=503, delay=60)
    assert desk.send("GET", "/ping", [], b"")[0] == 503
