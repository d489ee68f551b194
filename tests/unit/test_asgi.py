"""A program's own endpoints, guarded by mockmoov's tokens: answers, journal and faults are the server's."""

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


MAKERS: dict[str, Callable[[MockMoov], ASGIApp]] = {
    "starlette": with_starlette,
    "around": with_guard_around,
    "fastapi": with_fastapi,
}
each_application = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


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
        transport = httpx2.ASGITransport(app, **options)
        async with httpx2.AsyncClient(transport=transport, base_url="http://own") as client:
            return await client.get(path, headers=headers)

    return anyio.run(go)


def bearing(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def cards_of(key: MoovKey) -> str:
    return f"/accounts/{key.account_id}/cards"


def scope_of(key: MoovKey) -> str:
    return f"/accounts/{key.account_id}/cards.read"


@each_application
def test_who_may_pass_is_answered_by_the_program_which_knows_who_it_is(
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
    basic = httpx2.BasicAuth(key.client_id, key.client_secret or "")
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
@pytest.mark.parametrize("case", REFUSED)
def test_who_may_not_pass_is_answered_as_the_server_does(
    make: Callable[[MockMoov], ASGIApp], case: str, moov: MockMoov, key: MoovKey
) -> None:
    headers = REFUSED[case](key)
    own, servers = ask(make(moov), cards_of(key), headers), ask(moov.app, cards_of(key), headers)
    assert (own.status_code, own.content) == (servers.status_code, servers.content)
    assert own.status_code in {401, 403, 404}
    apart = {"date", "vary", "x-request-id"}  # of browsers a server of one's own knows by itself
    assert {k: v for k, v in own.headers.items() if k not in apart} == {
        k: v for k, v in servers.headers.items() if k not in apart
    }
    assert own.headers["x-request-id"]
    first, second = moov.exchanges()
    assert (first.status, first.reason, first.endpoint) == (second.status, second.reason, second.endpoint)


def test_it_needs_no_framework(moov: MockMoov, key: MoovKey) -> None:
    app = without_any_framework(moov)
    assert ask(app, cards_of(key), bearing(key.mint(scope_of(key)))).status_code == 200
    assert ask(app, cards_of(key)).status_code == 401


def test_of_several_scopes_all_are_needed_and_a_parameter_may_have_another_name(
    moov: MockMoov, key: MoovKey
) -> None:
    app = with_starlette(moov)
    both = f"/ping.read {scope_of(key)}"
    assert ask(app, f"/several/{key.account_id}", bearing(key.mint(both))).text == "both"
    assert ask(app, f"/several/{OTHER}", bearing(key.mint(both))).status_code == 403
    assert ask(app, f"/several/{key.account_id}", bearing(key.mint(scope_of(key)))).status_code == 403


def test_on_a_path_without_an_account_any_accounts_scope_will_do(moov: MockMoov, key: MoovKey) -> None:
    assert ask(with_starlette(moov), "/any", bearing(key.mint(scope_of(key)))).text == "abc"


def test_what_is_not_guarded_is_left_alone(moov: MockMoov) -> None:
    answer = ask(with_starlette(moov), "/open")
    assert (answer.text, answer.headers["date"]) == ("open", "own")
    assert "x-request-id" not in answer.headers
    assert moov.exchanges() == []


def test_a_check_without_the_middleware_says_what_is_missing() -> None:
    with pytest.raises(RuntimeError, match="needs the middleware"):
        ask(Starlette(routes=ROUTES), f"/accounts/{OTHER}/cards")


def test_a_server_that_runs_elsewhere_guards_nothing_here(moov: MockMoov) -> None:
    with MockMoov.connect(moov.url) as elsewhere:
        for wrong in (elsewhere, moov.new_api_key()):
            with pytest.raises(TypeError, match=r"^Guard needs a MockMoov\(\) of this process"):
                Guard(Starlette(), wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("/accounts/{accountID}/cards.raed", "; did you mean /accounts/{accountID}/cards.read?"),
        (f"/accounts/{OTHER}/cards.raed", f"; did you mean /accounts/{OTHER}/cards.read?"),
        ("ping.read", "; did you mean /ping.read?"),
        ("/accounts/{account_id}/cards.read", "; did you mean /accounts/{accountID}/cards.read?"),
        ("", ""),
    ],
)
def test_a_check_of_a_scope_that_is_not_in_the_catalogue_is_refused_where_it_is_made(
    wrong: str, hint: str
) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(f"there is no scope {wrong}{hint}")):
        requires("/ping.read", wrong)


def test_every_scope_of_the_catalogue_can_be_required_of_any_account_or_of_one() -> None:
    for scope in SCOPES:
        assert callable(requires(scope, scope.replace("{accountID}", OTHER)))


def test_what_is_no_request_passes(moov: MockMoov) -> None:
    seen: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    async def go() -> None:
        await Guard(app, moov)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]

    anyio.run(go)
    assert seen == ["lifespan"]


def test_a_program_that_fails_is_in_the_journal_with_its_500(moov: MockMoov, key: MoovKey) -> None:
    app, token = with_starlette(moov), key.mint(scope_of(key))
    path = f"/accounts/{key.account_id}/broken"
    assert ask(app, path, bearing(token), raise_app_exceptions=False).status_code == 500
    with pytest.raises(ZeroDivisionError):
        ask(app, path, bearing(token))
    assert [exchange.status for exchange in key.exchanges()] == [500, 500]


def test_what_comes_before_an_answer_passes(moov: MockMoov, key: MoovKey) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answer = await cards(Request({**scope, "path_params": {}}, receive))
        await send({"type": "http.response.debug"})
        await answer(scope, receive, send)

    answer = ask(Guard(app, moov), "/any", bearing(key.mint(scope_of(key))))
    assert (answer.status_code, answer.json()["client_id"]) == (200, key.client_id)


def test_a_refusal_is_sent_once_even_if_the_program_fails_thereafter(moov: MockMoov, key: MoovKey) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(HTTPException):
            await cards(Request({**scope, "path_params": {}}, receive))
        await PlainTextResponse("x")(scope, receive, send)
        raise ZeroDivisionError

    guarded = Guard(app, moov)
    assert ask(guarded, cards_of(key), raise_app_exceptions=False).status_code == 401
    with pytest.raises(ZeroDivisionError):
        ask(guarded, cards_of(key))


def test_a_program_that_fails_before_it_checks_is_not(moov: MockMoov) -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask(Guard(app, moov), "/")
    assert moov.exchanges() == []


def test_a_program_that_returns_without_an_answer_is_a_500_in_the_journal(
    moov: MockMoov, key: MoovKey
) -> None:
    async def app(scope: Scope, receive: Receive, _send: Send) -> None:
        await cards_read(Request({**scope, "path_params": {"accountID": key.account_id}}, receive))

    with pytest.raises(AssertionError):  # of the HTTP client's, which wants an answer
        ask(Guard(app, moov), cards_of(key), bearing(key.mint(scope_of(key))))
    assert [exchange.status for exchange in moov.exchanges()] == [500]


# --- planned faults -----------------------------------------------------------------------------


def test_a_fault_answers_in_place_of_the_program(moov: MockMoov, key: MoovKey) -> None:
    key.faults.add("unavailable", endpoint="listCards", delay=0.01)
    answer = ask(with_starlette(moov), cards_of(key), bearing(key.mint(scope_of(key))))
    assert (answer.status_code, answer.content) == (503, b"")


def test_a_fault_alters_the_programs_answer(moov: MockMoov, key: MoovKey) -> None:
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
def test_a_fault_may_end_the_connection(moov: MockMoov, key: MoovKey, preset: PresetName) -> None:
    key.faults.add(preset)
    with pytest.raises(ConnectionResetError):
        ask(with_starlette(moov), cards_of(key), bearing(key.mint(scope_of(key))))
