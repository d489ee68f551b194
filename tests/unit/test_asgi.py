"""Guarded endpoints of a program: responses, journal and faults are those of the server."""

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import anyio
import httpx2
import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mockmoov.asgi import Caller, Guard, requires
from mockmoov.data.scopes import SCOPES
from mockmoov.testing import MockMoov, MoovKey, PresetName
from tests.support.asgi import Connection, chunk, client_of, connect

OTHER = "0b7f3a5e-1111-4c2d-9e8f-aabbccddeeff"
CARDS = "/accounts/{accountID}/cards"
cards_read = requires("/accounts/{accountID}/cards.read")


async def cards(request: Request) -> Response:
    caller = await cards_read(request)
    return JSONResponse(shown(caller), headers={"x-own": "yes", "x-request-id": "own"})


def shown(caller: Caller) -> dict[str, Any]:
    scopes = None if caller.scopes is None else list(caller.scopes)
    return {"client_id": caller.client_id, "account_id": caller.account_id, "scopes": scopes}


async def streamed(request: Request) -> Response:
    await cards_read(request)
    return StreamingResponse(iter(["a", "b", "c"]))


async def several(request: Request) -> Response:
    await requires("/ping.read", "/accounts/{accountID}/cards.read", account="id")(request)
    return PlainTextResponse("both")


async def broken(request: Request) -> Response:
    await cards_read(request)
    raise ZeroDivisionError


async def unguarded(_request: Request) -> Response:
    return PlainTextResponse("open", headers={"date": "own"})


ROUTES = [
    Route(CARDS, cards),
    Mount("/mounted", routes=[Route("/accounts/{accountID}/streamed", streamed)]),
    Route("/several/{id}", several),
    Route("/any", streamed),
    Route("/accounts/{accountID}/broken", broken),
    Route("/open", unguarded),
]


def with_starlette(moov: MockMoov) -> ASGIApp:
    return Starlette(routes=ROUTES, middleware=[Middleware(Guard, moov=moov)])


def with_guard_around(moov: MockMoov) -> ASGIApp:
    return Guard(Starlette(routes=ROUTES), moov)


def with_fastapi(moov: MockMoov) -> ASGIApp:
    app = FastAPI()
    app.add_middleware(Guard, moov=moov)

    @app.get(CARDS)
    async def own_cards(response: Response, caller: Annotated[Caller, Depends(cards_read)]) -> dict[str, Any]:
        response.headers["x-own"] = "yes"
        return shown(caller)

    return app


def without_any_framework(moov: MockMoov) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        account = scope["path"].split("/")[2]
        answer = await cards(Request({**scope, "path_params": {"accountID": account}}, receive))
        await answer(scope, receive, send)

    return Guard(app, moov)


MAKERS: tuple[Callable[[MockMoov], ASGIApp], ...] = (with_starlette, with_guard_around, with_fastapi)
each_application = pytest.mark.parametrize("make", MAKERS)


@pytest.fixture(scope="module")
def started() -> Iterator[MockMoov]:
    with MockMoov() as moov:
        yield moov


@pytest.fixture
def moov(started: MockMoov) -> MockMoov:
    started.reset()
    return started


@pytest.fixture
def key(moov: MockMoov) -> MoovKey:
    return moov.new_api_key()


def ask(app: ASGIApp, path: str, headers: dict[str, str] | None = None, **options: Any) -> httpx2.Response:
    async def go() -> httpx2.Response:
        async with client_of(app, "http://own", **options) as client:
            return await client.get(path, headers=headers)

    return anyio.run(go)


def bearing(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def cards_of(key: MoovKey) -> str:
    return f"/accounts/{key.account_id}/cards"


def scope_of(key: MoovKey) -> str:
    return f"/accounts/{key.account_id}/cards.read"


@each_application
def test_sufficient_request_reaches_the_program_with_its_caller(
    make: Callable[[MockMoov], ASGIApp], moov: MockMoov, key: MoovKey
) -> None:
    app = make(moov)
    answer = ask(app, cards_of(key), bearing(key.mint(scope_of(key))))
    assert (answer.status_code, answer.headers["x-own"]) == (200, "yes")
    mine = {"client_id": key.client_id, "account_id": key.account_id}
    assert answer.json() == {**mine, "scopes": [scope_of(key)]}
    (told,) = key.exchanges()
    assert (told.status, told.endpoint, told.path) == (200, "listCards", cards_of(key))
    assert answer.headers["x-request-id"] != "own"
    basic = httpx2.BasicAuth(key.client_id, key.client_secret)
    request = next(basic.sync_auth_flow(httpx2.Request("GET", "http://own")))
    assert ask(app, cards_of(key), dict(request.headers)).json() == {**mine, "scopes": None}


REFUSED: dict[str, Callable[[MoovKey], dict[str, str]]] = {
    "no token": lambda _: {},
    "no scope": lambda key: bearing(key.mint("/ping.read")),
    "another account": lambda key: bearing(key.mint(f"/accounts/{OTHER}/cards.read")),
    "expired": lambda key: bearing(key.mint(scope_of(key), defect="expired")),
    "revoked": lambda key: bearing(key.mint(scope_of(key), defect="revoked")),
    "forged": lambda key: bearing(key.mint(scope_of(key), defect="bad-signature")),
    "wrong Basic": lambda _: {"authorization": "Basic eDp5"},
    "a foreign origin": lambda key: {**bearing(key.mint(scope_of(key))), "origin": "https://evil.example"},
    "a malformed version": lambda key: {**bearing(key.mint(scope_of(key))), "x-moov-version": "v1"},
    "no go-ahead": lambda _: {"expect": "100-continue", "content-length": "3"},
}


@each_application
def test_insufficient_request_gets_the_servers_own_response(
    make: Callable[[MockMoov], ASGIApp], moov: MockMoov, key: MoovKey
) -> None:
    app = make(moov)
    key.clock.freeze()  # reasons say since when a token has expired
    apart = {"date", "vary", "x-request-id"}  # what the program's own server adds for browsers
    for case, headers_of in REFUSED.items():
        moov.exchanges.clear()
        headers = headers_of(key)
        own, servers = ask(app, cards_of(key), headers), ask(moov.app, cards_of(key), headers)
        assert (own.status_code, own.content) == (servers.status_code, servers.content), case
        assert own.status_code in {401, 403, 404}, case
        assert {k: v for k, v in own.headers.items() if k not in apart} == {
            k: v for k, v in servers.headers.items() if k not in apart
        }, case
        assert own.headers["x-request-id"]
        first, second = moov.exchanges()
        assert (first.status, first.endpoint) == (second.status, second.endpoint)
        reason, _, for_browsers = (second.reason or "").partition("; pages of ")
        assert (first.reason, "origin" in headers) == (reason, bool(for_browsers)), case


def test_guard_needs_no_framework(moov: MockMoov, key: MoovKey) -> None:
    app = without_any_framework(moov)
    assert ask(app, cards_of(key), bearing(key.mint(scope_of(key)))).status_code == 200
    assert ask(app, cards_of(key)).status_code == 401


def test_all_of_several_scopes_are_needed(moov: MockMoov, key: MoovKey) -> None:
    app = with_starlette(moov)
    both = f"/ping.read {scope_of(key)}"
    assert ask(app, f"/several/{key.account_id}", bearing(key.mint(both))).text == "both"
    assert ask(app, f"/several/{OTHER}", bearing(key.mint(both))).status_code == 403
    assert ask(app, f"/several/{key.account_id}", bearing(key.mint(scope_of(key)))).status_code == 403
    # On a path without an account, the scope of any account will do.
    assert ask(app, "/any", bearing(key.mint(scope_of(key)))).text == "abc"


def test_unguarded_endpoint_is_left_alone(moov: MockMoov) -> None:
    answer = ask(with_starlette(moov), "/open")
    assert (answer.text, answer.headers["date"]) == ("open", "own")
    assert "x-request-id" not in answer.headers
    assert moov.exchanges() == []


def test_check_without_the_middleware_names_it() -> None:
    with pytest.raises(RuntimeError, match="needs the middleware"):
        ask(Starlette(routes=ROUTES), f"/accounts/{OTHER}/cards")


def test_guard_needs_a_server_in_this_process(moov: MockMoov) -> None:
    with MockMoov.connect(moov.url) as elsewhere:
        for wrong in (elsewhere, moov.new_api_key()):
            with pytest.raises(TypeError, match=r"^Guard needs a MockMoov\(\) of this process"):
                Guard(Starlette(), wrong)  # type: ignore[arg-type]


UNKNOWN_SCOPES = {
    "/accounts/{accountID}/cards.raed": "; did you mean /accounts/{accountID}/cards.read?",
    f"/accounts/{OTHER}/cards.raed": f"; did you mean /accounts/{OTHER}/cards.read?",
    "ping.read": "; did you mean /ping.read?",
    "/accounts/{account_id}/cards.read": "; did you mean /accounts/{accountID}/cards.read?",
    "": "",
}


def test_only_scopes_of_the_catalogue_can_be_required() -> None:
    for scope in SCOPES:
        assert callable(requires(scope, scope.replace("{accountID}", OTHER)))
    for wrong, hint in UNKNOWN_SCOPES.items():
        with pytest.raises(ValueError, match="^" + re.escape(f"there is no scope {wrong}{hint}")):
            requires("/ping.read", wrong)


def test_other_than_http_passes(moov: MockMoov) -> None:
    seen: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    async def go() -> None:
        await Guard(app, moov)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]

    anyio.run(go)
    assert seen == ["lifespan"]


def test_failing_program_is_journaled_as_500(moov: MockMoov, key: MoovKey) -> None:
    app, token = with_starlette(moov), key.mint(scope_of(key))
    path = f"/accounts/{key.account_id}/broken"
    assert ask(app, path, bearing(token), raise_app_exceptions=False).status_code == 500
    with pytest.raises(ZeroDivisionError):
        ask(app, path, bearing(token))
    assert [exchange.status for exchange in key.exchanges()] == [500, 500]


def test_message_before_the_response_passes(moov: MockMoov, key: MoovKey) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answer = await cards(Request({**scope, "path_params": {}}, receive))
        await send({"type": "http.response.debug"})
        await answer(scope, receive, send)

    answer = ask(Guard(app, moov), "/any", bearing(key.mint(scope_of(key))))
    assert (answer.status_code, answer.json()["client_id"]) == (200, key.client_id)


def test_rejection_is_sent_once_though_the_program_fails(moov: MockMoov, key: MoovKey) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(HTTPException):
            await cards(Request({**scope, "path_params": {}}, receive))
        await PlainTextResponse("x")(scope, receive, send)
        raise ZeroDivisionError

    guarded = Guard(app, moov)
    assert ask(guarded, cards_of(key), raise_app_exceptions=False).status_code == 401
    with pytest.raises(ZeroDivisionError):
        ask(guarded, cards_of(key))


def test_program_that_fails_before_its_check_is_not_journaled(moov: MockMoov) -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask(Guard(app, moov), "/")
    assert moov.exchanges() == []


def test_program_that_sends_no_response_is_journaled_as_500(moov: MockMoov, key: MoovKey) -> None:
    async def app(scope: Scope, receive: Receive, _send: Send) -> None:
        await cards_read(Request({**scope, "path_params": {"accountID": key.account_id}}, receive))

    with pytest.raises(AssertionError):  # of the HTTP client's, which wants an answer
        ask(Guard(app, moov), cards_of(key), bearing(key.mint(scope_of(key))))
    assert [exchange.status for exchange in moov.exchanges()] == [500]


def test_response_that_begins_before_the_check_is_journaled(moov: MockMoov, key: MoovKey) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await cards_read(Request({**scope, "path_params": {"accountID": key.account_id}}, receive))
        await send({"type": "http.response.body", "body": b"late"})

    answer = ask(Guard(app, moov), cards_of(key), bearing(key.mint(scope_of(key))))
    assert (answer.status_code, answer.text) == (202, "late")
    assert [exchange.status for exchange in moov.exchanges()] == [202]


# --- planned faults -----------------------------------------------------------------------------


def test_fault_answers_in_place_of_the_program(moov: MockMoov, key: MoovKey) -> None:
    key.faults.add("unavailable", endpoint="listCards", delay=0.01)
    answer = ask(with_starlette(moov), cards_of(key), bearing(key.mint(scope_of(key))))
    assert (answer.status_code, answer.content) == (503, b"")


def test_fault_alters_the_programs_response(moov: MockMoov, key: MoovKey) -> None:
    app, headers = with_starlette(moov), bearing(key.mint(scope_of(key)))
    key.faults.add(headers={"x-fault": "yes"}, times=1)
    key.faults.add(drop=["client_id", "account_id"], set={"more": 1}, times=1)
    answer = ask(app, cards_of(key), headers)
    assert (answer.json()["client_id"], answer.headers["x-fault"]) == (key.client_id, "yes")
    assert ask(app, cards_of(key), headers).json() == {"scopes": [scope_of(key)], "more": 1}
    key.faults.add(truncate=2)
    path = f"/mounted/accounts/{key.account_id}/streamed"
    assert ask(app, path, headers).text == "ab"
    assert [exchange.fault is not None for exchange in key.exchanges()] == [True] * 3


@pytest.mark.parametrize("preset", ["reset", "cut"])
def test_fault_may_end_the_connection(moov: MockMoov, key: MoovKey, preset: PresetName) -> None:
    key.faults.add(preset)
    with pytest.raises(ConnectionResetError):
        ask(with_starlette(moov), cards_of(key), bearing(key.mint(scope_of(key))))


def test_cut_response_has_no_date_of_mockmoovs(moov: MockMoov, key: MoovKey) -> None:
    key.faults.add(status=500, text="abcdef", network_error="cut")
    headers = [(name.encode(), value.encode()) for name, value in bearing(key.mint(scope_of(key))).items()]
    connection = Connection(chunk())
    with pytest.raises(ConnectionResetError):
        connect(with_starlette(moov), "GET", cards_of(key), connection=connection, headers=headers)
    assert (connection.status, connection.body) == (500, b"abc")
    assert b"date" not in connection.headers


# --- stubs, and what the journal keeps ----------------------------------------------------------


async def link(request: Request) -> Response:
    """Read the body before or after the check, as the header says."""
    is_early = request.headers["x-when"] == "early"
    body = await request.body() if is_early else b""
    await requires("/accounts/{accountID}/cards.write")(request)
    return PlainTextResponse(body or await request.body(), status_code=201)


def test_stub_answers_in_place_of_the_program_and_the_journal_has_the_body(
    moov: MockMoov, key: MoovKey
) -> None:
    app = Guard(Starlette(routes=[Route(CARDS, link, methods=["POST"])]), moov)
    key.stubs.add("linkCard", status=202, where={"body": {"a": 1}})
    token = bearing(key.mint(f"/accounts/{key.account_id}/cards.write"))
    long = {"text": "x " * 40_000}

    async def go() -> list[int]:
        async with client_of(app) as http:
            return [
                (await http.post(cards_of(key), json=body, headers={**headers, "x-when": when})).status_code
                for when in ("early", "late")
                for body in ({"a": 1}, long)
                for headers in (token, {})
            ]

    # Only a body that was read before the check can be matched.
    assert anyio.run(go) == [202, 401, 201, 401, 201, 401, 201, 401]
    bodies = [exchange.body for exchange in key.exchanges(endpoint="linkCard", status=201)]
    assert bodies == [None, {"a": 1}, None]
    assert key.exchanges.one(status=202).body == {"a": 1}
