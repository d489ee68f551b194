"""CORS: which pages may read which answers. In-process; tests/e2e/test_browser.py asks a real browser."""

import asyncio
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from starlette.datastructures import MutableHeaders
from starlette.types import Message

from mockmoov.control_plane.access import Exposure
from mockmoov.oauth.messages import HttpRequest
from mockmoov.server.authorization_server import MAX_BODY, AuthorizationServer
from mockmoov.simulation.faults import PRESETS, Fault
from mockmoov.web.app import create_app
from mockmoov.web.cors import CorsPolicy, shared_headers
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, another_key, new_server

PAGE, REGISTERED, FOREIGN = "http://localhost:5173", "https://shop.example", "https://evil.example"
KEY = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "origins": [REGISTERED]}
NARROW = another_key(grants=["refresh_token"])
ALLOW_ORIGIN = "access-control-allow-origin"
MINT = {"grant_type": "client_credentials", "scope": "/ping.read /accounts.read"}
DATED = {"x-moov-version": "v2026.07.00"}
AUTH = (CLIENT_ID, CLIENT_SECRET)


def ask(server: AuthorizationServer, method: str, target: str, **options: Any) -> httpx2.Response:
    """One request to the application, with the CA of a server that speaks TLS."""
    exposure: Exposure = options.pop("exposure", "loopback")
    url = options.pop("url", "http://localhost")

    async def go() -> httpx2.Response:
        app = create_app(server, exposure=exposure, ca_pem=options.pop("ca_pem", b"a CA"))
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=url) as client:
            return await client.request(method, target, **options)

    return asyncio.run(go())


def mint(server: AuthorizationServer, **parameters: str) -> dict[str, Any]:
    answer = ask(server, "POST", "/oauth2/token", data=MINT | parameters, auth=AUTH)
    assert answer.status_code == 200, answer.text
    members: dict[str, Any] = answer.json()
    return members


def bearer(server: AuthorizationServer, scope: str = "/ping.read") -> dict[str, str]:
    return {"authorization": f"Bearer {mint(server, scope=scope)['access_token']}"}


# --- every kind of answer ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of answer: what is asked for it, and its status."""

    status: int
    method: str = "POST"
    target: str = "/oauth2/token"
    options: Mapping[str, Any] = field(default_factory=dict)
    with_token: Callable[[AuthorizationServer], Mapping[str, Any]] = lambda _: {}
    settings: Mapping[str, Any] = field(default_factory=dict)
    fault: Fault | None = None

    def ask(self, **headers: str) -> httpx2.Response:
        server = new_server(keys=[KEY, NARROW], **self.settings)
        options = {**self.options, **self.with_token(server)}
        if self.fault:
            server.simulation.add_fault(None, self.fault)
        options["headers"] = {**options.get("headers", {}), **headers}
        return ask(server, self.method, self.target, **options)


def token(status: int, headers: Mapping[str, str] | None = None, **parameters: str) -> Kind:
    return Kind(status=status, options={"data": parameters, "auth": AUTH, "headers": headers or {}})


def refreshes(server: AuthorizationServer) -> Mapping[str, Any]:
    return {"data": {"grant_type": "refresh_token", "refresh_token": mint(server)["refresh_token"]}}


KINDS = {
    "mint": Kind(status=200, options={"data": MINT, "auth": AUTH}),
    "refresh": Kind(status=200, options={"auth": AUTH}, with_token=refreshes),
    "revoke": Kind(
        status=204,
        target="/oauth2/revoke",
        options={"auth": AUTH},
        with_token=lambda server: {"data": {"token": mint(server)["access_token"]}},
    ),
    "ping": Kind(
        status=200, method="GET", target="/ping", with_token=lambda server: {"headers": bearer(server)}
    ),
    "invalid_request": token(400),
    "unsupported_grant_type": token(400, grant_type="password"),
    "invalid_scope": token(400, grant_type="client_credentials"),
    "invalid_grant": token(400, grant_type="refresh_token", refresh_token="none"),
    "unauthorized_client": Kind(
        status=400, options={"data": MINT, "auth": (NARROW["client_id"], NARROW["client_secret"])}
    ),
    "invalid_client, Basic": Kind(status=401, options={"data": MINT, "auth": (CLIENT_ID, "wrong")}),
    "invalid_client, body": Kind(
        status=400, options={"data": {**MINT, "client_id": CLIENT_ID, "client_secret": "wrong"}}
    ),
    "invalid_client, dated": Kind(status=401, options={"data": MINT, "headers": DATED}),
    "a field, dated": token(422, DATED, grant_type="client_credentials"),
    "no such version": token(404, {"x-moov-version": "new"}),
    "no token": Kind(status=401, method="GET", target="/ping"),
    "scope missing": Kind(
        status=403,
        method="GET",
        target="/ping",
        with_token=lambda server: {"headers": bearer(server, "/accounts.read")},
    ),
    "an operation without an upstream": Kind(
        status=501,
        method="GET",
        target="/accounts",
        with_token=lambda server: {"headers": bearer(server, "/accounts.read")},
    ),
    "an operation that wants another scope": Kind(
        status=403,
        method="POST",
        target="/accounts",
        with_token=lambda server: {"headers": bearer(server, "/accounts.read")},
    ),
    "no such path": Kind(status=404, method="GET", target="/none"),
    "no such method": Kind(status=405, method="PUT"),
    "OPTIONS that is no preflight": Kind(status=405, method="OPTIONS"),
    "too large": Kind(status=413, options={"content": b"a" * (MAX_BODY + 1), "auth": AUTH}),
    "rate limited": Kind(
        status=429,
        options={"auth": AUTH},
        settings={"rate_limit": 1},
        with_token=lambda server: {"data": MINT} if mint(server) else {},
    ),
    "health": Kind(status=200, method="GET", target="/_mockmoov/health"),
    "health, wrong method": Kind(status=405, method="PUT", target="/_mockmoov/health"),
    "the CA": Kind(status=200, method="GET", target="/_mockmoov/ca.pem"),
    "no CA": Kind(status=404, method="GET", target="/_mockmoov/ca.pem", options={"ca_pem": None}),
    "keys": Kind(status=200, method="GET", target="/.well-known/jwks.json"),
    "metadata": Kind(status=200, method="GET", target="/.well-known/oauth-authorization-server"),
    "no such metadata": Kind(status=404, method="GET", target="/.well-known/openid-configuration"),
    "introspection": Kind(
        status=200, target="/_mockmoov/introspect", options={"data": {"token": "none"}, "auth": AUTH}
    ),
    "introspection, refused": Kind(status=401, target="/_mockmoov/introspect", options={"data": {"a": "b"}}),
    **{
        f"fault {name}": Kind(
            status=members.get("status", 200),
            options={"data": MINT, "auth": AUTH},
            fault=Fault(id="f", **{**members, "delay": 0}),
        )
        for name, members in PRESETS.items()
        if "network_error" not in members
    },
    "a fault with a header of its own": Kind(
        status=503,
        method="GET",
        target="/ping",
        fault=Fault(id="f", status=503, headers={"Access-Control-Allow-Origin": "*", "Vary": "Accept"}),
    ),
}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@each_kind
@pytest.mark.parametrize("origin", [PAGE, REGISTERED])
def test_pages_of_loopback_and_registered_origins_may_read_every_answer(kind: Kind, origin: str) -> None:
    answer = kind.ask(origin=origin)
    assert answer.status_code == kind.status
    assert answer.headers[ALLOW_ORIGIN] == origin
    assert answer.headers["access-control-expose-headers"] == "*"
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers


@each_kind
@pytest.mark.parametrize("headers", [{}, {"origin": FOREIGN}, {"origin": "null"}], ids=str)
def test_no_other_page_may_and_caches_are_told_that_it_depends_on_the_origin(
    kind: Kind, headers: dict[str, str]
) -> None:
    answer = kind.ask(**headers)
    assert ALLOW_ORIGIN not in answer.headers
    assert "access-control-expose-headers" not in answer.headers
    assert "Origin" in answer.headers["vary"]


@each_kind
def test_the_setting_opens_every_answer_to_any_page(kind: Kind) -> None:
    settings = {**kind.settings, "cors_origins": "*"}
    answer = dataclasses.replace(kind, settings=settings).ask(origin="null")
    assert answer.headers[ALLOW_ORIGIN] == "*"
    assert "Origin" in answer.headers["vary"]


def test_an_answer_that_is_cut_may_be_read_as_far_as_it_comes() -> None:
    server, sent = new_server(), list[Message]()
    server.simulation.add_fault(None, Fault(id="f", status=503, text="long", network_error="cut"))
    ended: list[str] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    messages: list[Message] = [{"type": "http.request", "body": b""}, {"type": "http.disconnect"}]
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/ping",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"origin", PAGE.encode())],
        "extensions": {"mockmoov.connection": {"close": lambda: ended.append("close")}},
    }
    asyncio.run(create_app(server, exposure="loopback")(scope, receive, send))
    assert ended == ["close"]
    assert MutableHeaders(raw=sent[0]["headers"])[ALLOW_ORIGIN] == PAGE


def test_a_host_that_is_not_known_is_refused_before_it_is_asked_who_may_read() -> None:
    answer = ask(new_server(), "GET", "/ping", headers={"host": "evil.example", "origin": PAGE})
    assert answer.status_code == 421
    assert ALLOW_ORIGIN not in answer.headers


# --- which origins ----------------------------------------------------------------------------------


def test_a_key_that_comes_or_goes_takes_its_origins_along() -> None:
    server = new_server()
    key = server.repository.all_api_keys()[0]

    def allowed() -> str | None:
        return ask(server, "GET", "/ping", headers={"origin": REGISTERED}).headers.get(ALLOW_ORIGIN)

    assert allowed() is None
    server.repository.create_api_key(replace(key, client_id="new", origins=(REGISTERED,)))
    assert allowed() == REGISTERED
    server.repository.change_api_key("new", lambda before: replace(before, enabled=False))
    assert allowed() == REGISTERED  # its page is to see the 401
    server.repository.delete_api_key("new")
    assert allowed() is None


@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        ("http://localhost", True),
        ("https://localhost:4200", True),
        ("http://127.8.9.1:3000", True),
        ("http://[::1]:3000", True),
        ("http://shop.localhost:3000", True),
        ("capacitor://localhost", True),
        ("https://listed.example", True),
        ("https://listed.example:444", False),
        ("http://listed.example", False),
        ("https://a.listed.example", False),
        ("https://listed.example/", False),
        ("https://localhost.evil.example", False),
        ("http://evil.example#localhost", False),
        ("http://localhost@evil.example", False),
        ("http://localhost, https://evil.example", False),
        ("null", False),
        ("*", False),
        ("", False),
    ],
)
def test_an_origin_is_one_of_this_machine_or_listed_and_nothing_like_it(origin: str, passes: bool) -> None:
    readers = CorsPolicy(["https://listed.example"], list)
    assert readers.allowed([origin]) == (origin if passes else None)


@given(st.text(), st.text())
@example(PAGE, PAGE)
def test_two_origins_are_none(first: str, second: str) -> None:
    assert CorsPolicy(["*"], list).allowed([first, second]) is None
    assert CorsPolicy(["*"], list).allowed([]) is None


@given(st.text())
def test_what_is_allowed_is_an_origin_or_any(text: str) -> None:
    allowed = CorsPolicy([], lambda: [REGISTERED]).allowed([text])
    assert (
        allowed is None
        or "localhost" in allowed
        or "127." in allowed
        or allowed in ("http://[::1]", REGISTERED)
    )


# --- preflights -------------------------------------------------------------------------------------

PREFLIGHT = {"origin": PAGE, "access-control-request-method": "POST"}
SENT = "authorization,content-type,x-idempotency-key,x-moov-version"


@pytest.fixture(params=["/ping", "/oauth2/token", "/none", "/_mockmoov/health", "/.well-known/jwks.json"])
def target(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_preflight_asks_for_no_credentials_and_lets_any_header_through(target: str) -> None:
    headers = PREFLIGHT | {"access-control-request-headers": SENT}
    answer = ask(new_server(), "OPTIONS", target, headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-headers"] == SENT
    assert {"GET", "POST", "PUT", "PATCH", "DELETE"} <= set(
        answer.headers["access-control-allow-methods"].split(", ")
    )
    assert answer.headers[ALLOW_ORIGIN] == PAGE
    assert int(answer.headers["access-control-max-age"]) > 0
    assert len(answer.headers["x-request-id"]) == 36
    assert answer.headers["date"]
    assert "www-authenticate" not in answer.headers


def test_a_preflight_of_another_page_is_refused_with_the_reason(target: str) -> None:
    answer = ask(new_server(), "OPTIONS", target, headers=PREFLIGHT | {"origin": FOREIGN})
    assert (answer.status_code, answer.content) == (403, b"")
    assert "cors_origins" in answer.headers["x-mockmoov-reason"]
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert "Origin" in answer.headers["vary"]


@given(asked=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30))
def test_only_names_of_headers_are_said_again(asked: str) -> None:
    request = HttpRequest(
        method="OPTIONS",
        path="/ping",
        headers={"origin": (PAGE,), "access-control-request-headers": (asked,)},
    )
    answer = CorsPolicy([], list).preflight(request)
    said = dict(answer.headers).get("access-control-allow-headers")
    assert answer.status == 204
    assert said in (None, asked)
    assert said is None or not set(said) & set(' "();:@<>[]{}/\\=?') - {" "}


def test_a_preflight_is_no_exchange_meets_no_fault_and_costs_nothing_of_a_rate() -> None:
    server = new_server(rate_limit=1, keys=[KEY])
    server.simulation.add_fault(None, Fault(id="f", status=503))
    for _ in range(5):
        assert ask(server, "OPTIONS", "/ping", headers=PREFLIGHT).status_code == 204
    assert server.simulation.journal().exchanges == []
    assert server.simulation.faults()[0].matched == 0
    server.simulation.remove_faults(None)
    assert mint(server)


@pytest.mark.parametrize("missing", PREFLIGHT)
def test_options_without_either_header_is_no_preflight(missing: str) -> None:
    headers = {name: value for name, value in PREFLIGHT.items() if name != missing}
    server = new_server()
    answer = ask(server, "OPTIONS", "/oauth2/token", headers=headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert len(server.simulation.journal().exchanges) == 1


def test_a_preflight_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    ask(new_server(), "OPTIONS", "/ping", headers=PREFLIGHT)
    assert any(line.startswith("OPTIONS /ping 204 ") for line in caplog.messages)


# --- the control plane ------------------------------------------------------------------------------

CONTROL = ["/_mockmoov/config", "/_mockmoov/api-keys", "/_mockmoov/none", "/_mockmoov/"]


@pytest.mark.parametrize("path", CONTROL)
@pytest.mark.parametrize("cors_origins", ["", "*"])
@pytest.mark.parametrize("exposure", ["process", "loopback", "network"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_no_page_may_read_or_preflight_the_control_plane(
    path: str, cors_origins: str, exposure: Exposure, method: str
) -> None:
    server = new_server(cors_origins=cors_origins, control="on")
    answer = ask(server, method, path, headers=PREFLIGHT, exposure=exposure)
    assert answer.status_code in (403, 404)
    assert not [name for name in answer.headers if name.startswith("access-control-")]


# --- what is behind ---------------------------------------------------------------------------------


THEIRS = (
    (ALLOW_ORIGIN, "*"),
    (ALLOW_ORIGIN, "https://other.example"),
    ("vary", "Accept-Encoding"),
    ("set-cookie", "a=b"),
    ("set-cookie", "c=d"),
)


@pytest.mark.parametrize(("allowed", "told"), [(PAGE, [PAGE]), (None, [])])
def test_an_application_behind_has_no_say_in_who_reads(allowed: str | None, told: list[str]) -> None:
    theirs = [(name.encode(), value.encode()) for name, value in THEIRS]
    headers = httpx2.Headers(shared_headers(theirs, allowed))
    assert headers.get_list(ALLOW_ORIGIN) == told
    assert headers["vary"] == "Accept-Encoding, Origin"
    assert headers.get_list("set-cookie") == ["a=b", "c=d"]
