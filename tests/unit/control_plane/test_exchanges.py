"""The journal as a resource: queried, waited for, cleared; it holds no secret and no control request."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mockmoov.oauth.messages import HttpRequest
from mockmoov.oauth.records import Issued
from mockmoov.server.steps import Steps, WaitForExchanges
from tests.support.control import JSON, Desk
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, NOW, Clock, basic, new_server, post_form

KEY = f"/api-keys/{CLIENT_ID}"
each_journal = pytest.mark.parametrize("of", ["", KEY])


@pytest.fixture
def desk(desk: Desk, wall: Clock) -> Desk:
    """Four exchanges, a second apart: two tokens, an error, a ping."""
    requests: list[Callable[[], int]] = [
        desk.token, desk.token, lambda: desk.token(CLIENT_ID, "wrong"), lambda: desk.ping("x"),
    ]  # fmt: skip
    for send in requests:
        send()
        wall.shift(1)
    return desk


def numbers(desk: Desk, of: str = "", **query: object) -> list[int]:
    found = desk.get(f"{of}/exchanges", **query)
    listed = [exchange["number"] for exchange in found["exchanges"]]
    assert found["count"] == len(listed) or "limit" in query
    return listed


def test_an_exchange_is_listed_without_secrets(desk: Desk) -> None:
    first = desk.get("/exchanges")["exchanges"][0]
    assert {name: first[name] for name in ("number", "at", "client_id", "endpoint", "method", "path")} == {
        "number": 1, "at": NOW, "client_id": CLIENT_ID, "endpoint": "token", "method": "POST",
        "path": "/oauth2/token",
    }  # fmt: skip
    assert (first["status"], first["grant_type"], first["reason"]) == (200, "client_credentials", None)
    assert first["parameters"] == {"grant_type": "client_credentials", "scope": "/ping.read"}
    assert first["headers"]["authorization"] == "Basic ..."
    issued = first["issued"]
    assert issued.keys() == Issued.__annotations__.keys()
    assert (issued["sequence"], issued["expires_at"]) == (0, int(NOW) + 3600)
    assert issued["refresh_expires_at"] > NOW + 3600
    assert CLIENT_SECRET not in json.dumps(desk.get("/exchanges").document)


def test_a_keys_journal_has_requests_with_its_client_id(desk: Desk) -> None:
    desk.new_key(client_id="k", client_secret="s")
    desk.token("k", "s")
    assert numbers(desk) == [1, 2, 3, 4, 5]
    assert numbers(desk, KEY) == [1, 2, 3]
    assert numbers(desk, "/api-keys/k") == [5]
    assert desk.get(f"{KEY}/exchanges")["client_id"] == CLIENT_ID


QUERIES: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [1, 2, 3, 4]),
    ({"endpoint": "token"}, [1, 2, 3]),
    ({"grant_type": "client_credentials"}, [1, 2, 3]),
    ({"status": 200}, [1, 2]),
    ({"status": 401}, [3, 4]),
    ({"method": "GET"}, [4]),
    ({"after": 0}, [1, 2, 3, 4]),
    ({"after": 2}, [3, 4]),
    ({"after": 4}, []),
    ({"fault": "x"}, []),
    ({"since": NOW + 1}, [2, 3, 4]),
    ({"until": NOW + 1}, [1]),
    ({"since": NOW + 1, "until": NOW + 3}, [2, 3]),
    ({"since": "2027-01-15T08:00:02Z"}, [3, 4]),
    ({"until": "2027-01-15T09:00:02+01:00"}, [1, 2]),
    ({"endpoint": "token", "status": 401}, [3]),
]


def test_a_query_selects_exchanges(desk: Desk) -> None:
    wrong = [(query, found) for query, expected in QUERIES if (found := numbers(desk, **query)) != expected]
    assert wrong == []


def test_a_limit_keeps_the_last_and_counts_all(desk: Desk) -> None:
    for limit, expected in ((0, []), (1, [4]), (9, [1, 2, 3, 4])):
        assert numbers(desk, limit=limit) == expected
        assert desk.get("/exchanges", limit=limit)["count"] == 4
    assert numbers(desk, limit=1, status=200) == [2]
    assert desk.get("/exchanges", limit=1, status=200)["count"] == 2


BAD_QUERIES: list[tuple[str, str, str]] = [  # query, the field that is blamed, and part of the message
    ("endpoint=tokn", "endpoint", (
        'such as listAccounts or GET /accounts/{accountID}, not "tokn"; did you mean token?'
    )),
    ('endpoint=ping&where={"parameters":{"a":"b"}}', "where.parameters", "never matches a request to ping"),
    ("operation=ping", "operation", "there is no field operation; it is called endpoint"),
    ("where=[]", "where", "where must be a JSON object of conditions: the JSON body is not an object"),
    ("where={", "where", "where must be a JSON object of conditions: the body is not JSON"),
    (
        'where={"header":{}}',
        "header",
        "there is no condition header, only method, path, path_parameters, query, headers, parameters, body; "
        "did you mean headers?",
    ),
    ('where={"body":{"card":{"cardNumber":"x"}}}', "where", (
        "body.card.cardNumber can't be searched for, as the journal masks it"
    )),
    ('where={"query":{"id":"4111111111111111"}}', "where", "query.id can't be searched for"),
    ('where={"headers":{"Authorization":"Bearer x"}}', "where", "headers.Authorization can't be"),
    ('where={"headers":{"cookie":null}}', "where", "headers.cookie can't be searched for"),
    ('where={"parameters":{"client_secret":"x"}}', "where", "parameters.client_secret can't be searched for"),
    ('where={"path":"/accounts/5"}', "where", "path can't be searched for"),
    ("grant_type=", "grant_type", "grant_type must be one of client_credentials, refresh_token"),
    ("status=2xx", "status", "status must be an integer or null, got a string"),
    ("since=now", "since", "since must be Unix seconds or ISO 8601 with an offset"),
    ("until=2027-01-15", "until", "until must be Unix seconds or ISO 8601 with an offset"),
    ("stauts=200", "stauts", "there is no field stauts; did you mean status?"),
    (f"client_id={CLIENT_ID}", "client_id", "there is no field client_id"),
]  # fmt: skip
BAD_NUMBERS = {
    "/exchanges": (
        "after=-1",
        "after=9223372036854775808",
        "limit=-1",
        "limit=1000001",
        f"limit={'9' * 5000}",
        "limit=",
        "count=1",
    ),
    "/exchanges/wait": (
        *("after=-1", "limit=1", "count=0", "count=1000001"),
        *("timeout=60.1", "timeout=-1", "timeout=nan", "timeout=inf"),
    ),
}


@each_journal
def test_bad_queries_are_named(desk: Desk, of: str) -> None:
    wrong = []
    for path, queries in BAD_NUMBERS.items():
        names = [query.partition("=")[0] for query in queries]
        rows = [*BAD_QUERIES, *zip(queries, names, names, strict=True)]
        for query, field, message in rows:
            status, text, blamed = desk.ask_raw("GET", of + path, query=query.encode()).problem
            if (status, blamed) != (422, field) or message not in text:
                wrong.append((path, query, status, text, blamed))
    assert wrong == []


def test_the_last_of_a_repeated_parameter_counts(desk: Desk) -> None:
    assert desk.ask_raw("GET", "/exchanges", query=b"status=401&status=200")["count"] == 2


@each_journal
def test_a_wait_for_present_exchanges_ends_at_once(desk: Desk, of: str) -> None:
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


def test_a_wait_lasts_until_its_timeout(desk: Desk) -> None:
    for timeout in (0.25, 60):
        steps, step = waiting_for(desk, "", f"count=5&timeout={timeout}")
        assert step.seconds == timeout
        assert document_of(steps, step, is_late=True)["complete"] is False
    assert desk.get("/exchanges/wait", count=5, timeout=0)["complete"] is False
    assert desk.get("/exchanges/wait", count=4, timeout=60)["complete"] is True


@each_journal
def test_a_wait_ends_once_there_are_enough(desk: Desk, of: str) -> None:
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


def test_a_wait_for_later_exchanges_counts_only_those(desk: Desk) -> None:
    answer = desk.get("/exchanges/wait", after=2, timeout=60)
    assert [each["number"] for each in answer["exchanges"]] == [3, 4]
    steps, step = waiting_for(desk, "", "after=4")
    desk.token()
    assert step.watch.missing == 0
    document = document_of(steps, step, is_late=False)
    assert [each["number"] for each in document["exchanges"]] == [5]


@pytest.mark.parametrize("cleared", ["", KEY])
def test_a_wait_ends_when_the_journal_that_it_names_is_cleared(desk: Desk, cleared: str) -> None:
    before = desk.get("/exchanges")
    assert before["first"] == 1
    steps, step = waiting_for(desk, "", f"after=4&journal={before['journal']}")
    notified: list[None] = []
    step.watch.notify = lambda: notified.append(None)
    desk.ask("DELETE", f"{cleared}/exchanges")
    assert notified == [None]
    document = document_of(steps, step, is_late=False)
    assert document["journal"] != before["journal"]
    answer = desk.get("/exchanges/wait", count=99, journal=before["journal"], timeout=60)  # at once
    assert (answer["complete"], answer["journal"]) == (False, document["journal"])


def test_dropped_exchanges_leave_the_journal_its_id(wall: Clock) -> None:
    desk = Desk(new_server(clock=wall, journal_size=2))
    ids = {(desk.token(), desk.get("/exchanges")["journal"]) for _ in range(4)}
    assert len(ids) == 1
    assert desk.get("/exchanges")["first"] == 3


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
    desk.ask("DELETE", "/api-keys/k")
    assert step.watch.is_notified
    assert document_of(steps, step, is_late=False)["status"] == 404


def test_a_wait_in_process_ends_while_others_clear(desk: Desk) -> None:
    ended = threading.Event()

    def clear() -> None:
        while not ended.wait(0.005):
            desk.server.simulation.clear_journal()

    clearing = threading.Thread(target=clear)
    clearing.start()
    request = HttpRequest(method="GET", path="/_mockmoov/exchanges/wait", query=b"status=418&timeout=0.1")
    try:
        assert json.loads(desk.control.handle(request).body)["complete"] is False
    finally:
        ended.set()
        clearing.join()


def test_too_many_waits_are_429(desk: Desk) -> None:
    waits = [waiting_for(desk, "", "status=418") for _ in range(2000)]
    refused = desk.get("/exchanges/wait", status=418)
    assert refused.status == 429
    assert "2000" in refused.problem[1].replace(",", "")
    for steps, _ in waits:
        steps.close()
    assert desk.get("/exchanges/wait", status=418, timeout=0).status == 200


def test_a_wait_is_for_one_exchange_in_five_seconds(desk: Desk) -> None:
    _, step = waiting_for(desk, "", "status=418")
    assert (step.seconds, step.watch.missing) == (5, 1)
    assert desk.get("/exchanges/wait")["complete"]


def test_a_journal_is_cleared_for_all_or_for_a_key(desk: Desk) -> None:
    assert desk.ask("DELETE", f"{KEY}/exchanges").status == 204
    assert numbers(desk) == [4]
    desk.token()
    assert numbers(desk, KEY) == [5]
    assert desk.ask("DELETE", "/exchanges").status == 204
    assert numbers(desk) == numbers(desk, KEY) == []
    desk.token()
    assert numbers(desk) == [1]


def test_the_last_exchanges_are_kept_and_others_counted() -> None:
    desk = Desk(journal_size=3)
    desk.new_key(client_id="k", client_secret="s")
    for secret in (None, None, "s", None, None):
        desk.token("k" if secret else None, secret)
    assert numbers(desk) == [3, 4, 5]
    dropped = [desk.get(f"{of}/exchanges")["dropped"] for of in ("", KEY, "/api-keys/k")]
    assert dropped == [2, 2, 0]
    empty = Desk(journal_size=0)
    empty.token()
    assert (numbers(empty), empty.get("/exchanges")["dropped"]) == ([], 0)


def test_control_requests_are_not_in_the_journal(desk: Desk) -> None:
    before = desk.get("/exchanges").document
    desk.post(f"{KEY}/clock/shift", hours=0)
    desk.ask_raw("POST", "/nothing", b"x", content_type=JSON, origin="https://evil.example")
    desk.post("/tokens", scope="/ping.read")
    desk.send("GET", "/_mockmoov/health", [basic()], b"")
    desk.send("GET", "/.well-known/jwks.json", [], b"")
    post_form(desk.send, "/_mockmoov/introspect", basic(), token="x")
    assert desk.get("/exchanges").document == before


def test_no_secret_is_listed_wherever_it_was_sent() -> None:
    """People who try things out put their secret anywhere."""
    secret = "VKf8-0Qb_3nT7yLw2RkXz5Hc"
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
    places = ["user-agent", "referer", "origin", "x-moov-version", "cookie", "x-api-key"]
    for name in names:
        given_members = {"grant_type": "client_credentials", "client_id": "k", name: secret}
        post_form(desk.send, "/oauth2/token", **given_members)
        post_form(desk.send, "/oauth2/revoke", basic(), **given_members)
    for place in places:
        desk.send("GET", "/ping", [basic("k", key["client_secret"]), (place, secret)], b"")
        desk.send("GET", "/ping", [(place, f"https://{secret}.example/{secret}?a={secret}")], b"")
    for path in (f"/accounts/{secret}/cards", f"/accounts?{secret}={secret}", f"/accounts?token=x{secret}"):
        desk.send("GET", path, [], b"")
        desk.send("GET", path, [basic("k", secret), ("x-idempotency-key", f"of {secret}")], b"")
    for scheme in ("Basic", "Bearer", "Token"):
        desk.send("GET", f"/{secret}?{secret}", [("authorization", f"{scheme} {secret}")], b"")
    desk.send(secret, "/ping", [("authorization", secret)], b"")
    document = json.dumps(desk.get("/exchanges").document)
    assert secret not in document
    assert len(desk.get("/exchanges")["exchanges"]) == 2 * len(names) + 2 * len(places) + 6 + 4
