"""The journal as a resource: asked, waited for, emptied; what comes to the control plane is not in it."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.oauth.messages import HttpRequest
from mockmoov.server.steps import Steps, WaitForExchanges
from tests.support.control import JSON, Desk
from tests.support.servers import (
    CLIENT_ID,
    CLIENT_SECRET,
    NOW,
    Clock,
    basic,
    bearer,
    new_server,
    post_form,
)

KEY = f"/api-keys/{CLIENT_ID}"
each_journal = pytest.mark.parametrize("of", ["", KEY])


@pytest.fixture
def wall() -> Clock:
    return Clock()


@pytest.fixture
def desk(wall: Clock) -> Desk:
    """Four exchanges, a second apart: two tokens, a refusal, a ping."""
    desk = Desk(new_server(clock=wall))
    request: list[Callable[[], int]] = [
        desk.token, desk.token, lambda: desk.token(CLIENT_ID, "wrong"), lambda: desk.ping("x"),
    ]  # fmt: skip
    for ask in request:
        ask()
        wall.shift(1)
    return desk


def numbers(desk: Desk, of: str = "", **query: object) -> list[int]:
    found = desk.get(f"{of}/exchanges", **query)
    listed = [exchange["number"] for exchange in found["exchanges"]]
    assert found["count"] == len(listed) or "limit" in query
    return listed


def test_an_exchange_is_told_without_secret_or_token(desk: Desk) -> None:
    first = desk.get("/exchanges")["exchanges"][0]
    assert {name: first[name] for name in ("number", "at", "client_id", "endpoint", "method", "path")} == {
        "number": 1, "at": NOW, "client_id": CLIENT_ID, "endpoint": "token", "method": "POST",
        "path": "/oauth2/token",
    }  # fmt: skip
    assert (first["status"], first["grant_type"], first["reason"]) == (200, "client_credentials", None)
    assert first["parameters"] == {"grant_type": "client_credentials", "scope": "/ping.read"}
    assert (
        first["headers"]["authorization"] == "basic ..." or first["headers"]["authorization"] == "Basic ..."
    )
    assert first["issued"].keys() == {"access_token", "refresh_token"}
    assert CLIENT_SECRET not in json.dumps(desk.get("/exchanges").document)


def test_the_journal_of_a_key_has_what_claims_to_come_from_it(desk: Desk) -> None:
    desk.new_key(client_id="k", client_secret="s")
    desk.token("k", "s")
    assert numbers(desk) == [1, 2, 3, 4, 5]
    assert numbers(desk, KEY) == [1, 2, 3]
    assert numbers(desk, "/api-keys/k") == [5]
    assert desk.get(f"{KEY}/exchanges")["client_id"] == CLIENT_ID


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"endpoint": "token"}, [1, 2, 3]),
        ({"endpoint": "ping"}, [4]),
        ({"endpoint": "revoke"}, []),
        ({"grant_type": "client_credentials"}, [1, 2, 3]),
        ({"grant_type": "refresh_token"}, []),
        ({"status": 200}, [1, 2]),
        ({"status": 401}, [3, 4]),
        ({"status": -5}, []),
        ({"method": "GET"}, [4]),
        ({"method": "get"}, []),
        ({"fault": "x"}, []),
        ({"since": NOW + 1}, [2, 3, 4]),
        ({"until": NOW + 1}, [1]),
        ({"since": NOW + 1, "until": NOW + 3}, [2, 3]),
        ({"since": "2027-01-15T08:00:02Z"}, [3, 4]),
        ({"until": "2027-01-15T09:00:02+01:00"}, [1, 2]),
        ({"endpoint": "token", "status": 401}, [3]),
        ({"limit": 0}, []),
        ({"limit": 1}, [4]),
        ({"limit": 9}, [1, 2, 3, 4]),
        ({"limit": 1, "status": 200}, [2]),
    ],
)
def test_a_query_says_what_an_exchange_must_be_like(
    desk: Desk, query: dict[str, Any], expected: list[int]
) -> None:
    assert numbers(desk, **query) == expected
    if "limit" in query:
        others = {name: value for name, value in query.items() if name != "limit"}
        assert desk.get("/exchanges", **query)["count"] == len(numbers(desk, **others))


@each_journal
@pytest.mark.parametrize("path", ["/exchanges", "/exchanges/wait"])
@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        (
            {"endpoint": "tokn"},
            "endpoint",
            "endpoint must be token, revoke or the name of an operation, such as ping; did you mean token?",
        ),
        ({"grant_type": ""}, "grant_type", "grant_type must be one of client_credentials, refresh_token"),
        ({"status": "2xx"}, "status", "status must be an integer or null, got a string"),
        ({"since": "now"}, "since", "since must be Unix seconds or ISO 8601 with an offset"),
        ({"until": "2027-01-15"}, "until", "until must be Unix seconds or ISO 8601 with an offset"),
        ({"stauts": 200}, "stauts", "there is no field stauts; did you mean status?"),
        ({"client_id": CLIENT_ID}, "client_id", "there is no field client_id"),
    ],
)
def test_what_is_not_good_in_a_query_is_named(
    desk: Desk, of: str, path: str, query: dict[str, Any], field: str, message: str
) -> None:
    status, said, at = desk.get(of + path, **query).problem
    assert (status, at) == (422, field)
    assert message in said


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("/exchanges", "limit=-1", "limit"),
        ("/exchanges", "limit=1000001", "limit"),
        ("/exchanges", "limit=" + "9" * 5000, "limit"),
        ("/exchanges", "limit=", "limit"),
        ("/exchanges", "count=1", "count"),
        ("/exchanges/wait", "limit=1", "limit"),
        ("/exchanges/wait", "count=0", "count"),
        ("/exchanges/wait", "timeout=60.1", "timeout"),
        ("/exchanges/wait", "timeout=-1", "timeout"),
        ("/exchanges/wait", "timeout=nan", "timeout"),
        ("/exchanges/wait", "timeout=inf", "timeout"),
    ],
)
def test_a_number_out_of_its_range_is_named(desk: Desk, path: str, query: str, field: str) -> None:
    status, _, at = desk.ask_raw("GET", path, query=query.encode()).problem
    assert (status, at) == (422, field)


def test_of_a_repeated_parameter_the_last_counts(desk: Desk) -> None:
    assert desk.ask_raw("GET", "/exchanges", query=b"status=401&status=200")["count"] == 2


# --- Waiting --------------------------------------------------------------------------------------


@each_journal
def test_who_waits_for_what_is_there_is_answered_at_once(desk: Desk, of: str) -> None:
    answer = desk.get(f"{of}/exchanges/wait", count=3, endpoint="token", timeout=60)
    assert (answer["complete"], answer["count"], len(answer["exchanges"])) == (True, 3, 3)


def waiting_for(desk: Desk, path: str, query: str) -> tuple[Steps, WaitForExchanges]:
    request = HttpRequest(method="GET", path=f"/_mockmoov{path}/exchanges/wait", query=query.encode())
    steps = desk.control.respond(request)
    next(steps)
    step = steps.send(b"")
    assert isinstance(step, WaitForExchanges)
    return steps, step


def document_of(steps: Steps, step: WaitForExchanges, *, is_late: bool) -> dict[str, Any]:
    step.seconds = 0 if is_late else 1
    with pytest.raises(StopIteration) as ended:
        steps.send(None)
    response = ended.value.value
    document: dict[str, Any] = json.loads(response.body)
    return {**document, "status": response.status}


@given(count=st.integers(1, 9), timeout=st.floats(0, 60))
def test_a_wait_lasts_until_its_time_is_up(count: int, timeout: float) -> None:
    desk = Desk()
    desk.ping("x")
    query = f"count={count}&timeout={timeout!r}"
    if count == 1 or not timeout:
        assert desk.get("/exchanges/wait", count=count, timeout=timeout)["complete"] == (count == 1)
        return
    steps, step = waiting_for(desk, "", query)
    assert step.seconds == timeout
    assert document_of(steps, step, is_late=True)["complete"] is False


@each_journal
def test_a_wait_ends_once_enough_has_come(desk: Desk, of: str) -> None:
    count = desk.get(f"{of}/exchanges", endpoint="token")["count"] + 2
    steps, step = waiting_for(desk, of, f"count={count}&endpoint=token")
    notified: list[None] = []
    step.watch.notify = lambda: notified.append(None)
    for missing in (1, 0, 0):
        desk.ping("x")  # another endpoint
        desk.token()
        assert step.watch.missing == missing
    assert len(notified) == 1
    document = document_of(steps, step, is_late=False)
    assert (document["complete"], document["count"]) == (True, count + 1)


def test_a_wait_goes_on_when_the_journal_is_cleared(desk: Desk) -> None:
    steps, step = waiting_for(desk, "", "count=99")
    desk.ask("DELETE", "/exchanges")
    again = steps.send(None)
    assert isinstance(again, WaitForExchanges)
    assert again.watch is step.watch
    assert document_of(steps, step, is_late=True)["count"] == 0


def test_a_wait_ends_with_404_when_its_key_is_deleted(desk: Desk) -> None:
    desk.new_key(client_id="k", client_secret="s")
    steps, step = waiting_for(desk, "/api-keys/k", "")
    notified: list[None] = []
    step.watch.notify = lambda: notified.append(None)
    desk.ask("DELETE", "/api-keys/k")
    assert notified
    assert document_of(steps, step, is_late=False)["status"] == 404


def test_a_wait_notices_what_happened_before_it_listened(desk: Desk) -> None:
    desk.new_key(client_id="k", client_secret="s")
    steps, step = waiting_for(desk, "/api-keys/k", "timeout=60")
    desk.ask("DELETE", "/api-keys/k")
    assert step.watch.is_notified
    assert document_of(steps, step, is_late=False)["status"] == 404


def test_a_wait_in_process_ends_in_time_while_the_journal_is_cleared_again_and_again(desk: Desk) -> None:
    ended = threading.Event()

    def clear() -> None:
        while not ended.wait(0.005):
            desk.server.simulation.clear_journal()

    clearing = threading.Thread(target=clear)
    clearing.start()
    request = HttpRequest(method="GET", path="/_mockmoov/exchanges/wait", query=b"status=418&timeout=0.5")
    try:
        assert json.loads(desk.control.handle(request).body)["complete"] is False
    finally:
        ended.set()
        clearing.join()


def test_too_many_waits_are_refused_with_429(desk: Desk) -> None:
    waits = [waiting_for(desk, "", "status=418") for _ in range(2000)]
    refused = desk.get("/exchanges/wait", status=418)
    assert refused.status == 429
    assert "2000" in refused.problem[1].replace(",", "")
    for steps, _ in waits:
        steps.close()
    assert desk.get("/exchanges/wait", status=418, timeout=0).status == 200


def test_by_default_one_is_waited_for_during_five_seconds(desk: Desk) -> None:
    _, step = waiting_for(desk, "", "status=418")
    assert (step.seconds, step.watch.missing) == (5, 1)
    assert desk.get("/exchanges/wait")["complete"]


# --- What is kept ---------------------------------------------------------------------------------


def test_the_journal_is_emptied_for_all_or_for_a_key(desk: Desk) -> None:
    assert desk.ask("DELETE", f"{KEY}/exchanges").status == 204
    assert numbers(desk) == [4]
    desk.token()
    assert numbers(desk, KEY) == [5]
    assert desk.ask("DELETE", "/exchanges").status == 204
    assert numbers(desk) == numbers(desk, KEY) == []
    desk.token()
    assert numbers(desk) == [1]


def test_only_the_last_ones_are_kept_and_the_others_counted() -> None:
    desk = Desk(journal_size=3)
    desk.new_key(client_id="k", client_secret="s")
    for secret in (None, None, "s", None, None):
        desk.token("k" if secret else None, secret)
    assert numbers(desk) == [3, 4, 5]
    dropped = [desk.get(f"{of}/exchanges")["dropped"] for of in ("", KEY, "/api-keys/k")]
    assert dropped == [2, 2, 0]


def test_a_journal_of_no_size_keeps_nothing() -> None:
    desk = Desk(journal_size=0)
    desk.token()
    assert numbers(desk) == []
    assert desk.get("/exchanges")["dropped"] == 0


def test_what_comes_to_the_control_plane_is_not_journaled(desk: Desk) -> None:
    before = desk.get("/exchanges").document
    desk.post(f"{KEY}/clock/shift", hours=0)
    desk.ask_raw("POST", "/nothing", b"x", content_type=JSON, origin="https://evil.example")
    desk.post("/tokens", scope="/ping.read")
    desk.send("GET", "/_mockmoov/health", [basic()], b"")
    desk.send("GET", "/.well-known/jwks.json", [], b"")
    post_form(desk.send, "/_mockmoov/introspect", basic(), token="x")
    assert desk.get("/exchanges").document == before


# --- What is told ---------------------------------------------------------------------------------

SECRETS = st.text("ABCDEFabcdef0123456789_-+=", min_size=16, max_size=40).filter(
    lambda text: len(text) > 32 or not text.isalpha()
)


@given(secret=SECRETS, scheme=st.sampled_from(["Basic", "Bearer", "Token"]))
def test_no_secret_is_told_wherever_it_was_put(secret: str, scheme: str) -> None:
    """Those who try things out put their secret anywhere."""
    desk = Desk()
    key = desk.new_key(client_id="k", client_secret=secret)
    names = [
        "client_secret",
        "scope",
        "refresh_token",
        "token",
        "grant_type",
        "client_type",
        "token_type_hint",
        "x",
    ]
    places = ["user-agent", "referer", "origin", "x-moov-version", "x-idempotency-key", "cookie", "x-api-key"]
    for name in names:
        given_members = {"grant_type": "client_credentials", "client_id": "k", name: secret}
        post_form(desk.send, "/oauth2/token", **given_members)
        post_form(desk.send, "/oauth2/revoke", basic(), **given_members)
    for place in places:
        desk.send("GET", "/ping", [basic("k", key["client_secret"]), (place, secret)], b"")
        desk.send("GET", "/ping", [(place, f"https://{secret}.example/{secret}?a={secret}")], b"")
    desk.send("GET", f"/{secret}?{secret}", [("authorization", f"{scheme} {secret}")], b"")
    desk.send(secret, "/ping", [("authorization", secret)], b"")
    document = json.dumps(desk.get("/exchanges").document)
    assert secret not in document
    assert len(desk.get("/exchanges")["exchanges"]) == 2 * len(names) + 2 * len(places) + 2


def test_no_token_is_told_whole(desk: Desk) -> None:
    request = {"grant_type": "client_credentials", "scope": "/ping.read"}
    issued = json.loads(post_form(desk.send, "/oauth2/token", basic(), **request)[2])
    access, refresh = issued["access_token"], issued["refresh_token"]
    desk.ping(access)
    desk.send(
        "GET",
        "/ping",
        [bearer(access), ("user-agent", f"curl {access}"), ("referer", f"http://x/{refresh}")],
        b"",
    )
    post_form(desk.send, "/oauth2/token", basic(), grant_type="refresh_token", refresh_token=refresh)
    post_form(desk.send, "/oauth2/revoke", basic(), token=access, token_type_hint=refresh)
    post_form(desk.send, f"/oauth2/{access}", basic(), scope=refresh, client_id=access)
    document = json.dumps(desk.get("/exchanges").document)
    for token in (access, refresh):
        assert not [part for part in (token, *token.split(".")[1:]) if part in document]
