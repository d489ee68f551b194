"""Which pages may read which responses; tests/e2e/test_browser.py asks a real browser."""

from itertools import product
from typing import Any

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from starlette.datastructures import MutableHeaders

from mockmoov.control_plane.access import Exposure
from mockmoov.oauth.messages import HttpRequest
from mockmoov.server.authorization_server import MAX_BODY, AuthorizationServer
from mockmoov.simulation.faults import Fault
from mockmoov.web.app import create_app
from mockmoov.web.cors import CorsPolicy, shared_headers
from tests.support.asgi import LEFT, ask_all, chunk, connect
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, new_server

PAGE, REGISTERED, FOREIGN = "http://localhost:5173", "https://shop.example", "https://evil.example"
KEY = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "origins": [REGISTERED]}
ALLOW_ORIGIN = "access-control-allow-origin"
MINT = {"grant_type": "client_credentials", "scope": "/ping.read"}
AUTH = (CLIENT_ID, CLIENT_SECRET)


def ask(
    server: AuthorizationServer, method: str, target: str, exposure: Exposure = "loopback", **options: Any
) -> httpx2.Response:
    """One request to the application, with the CA of a server that speaks TLS."""
    return ask_all(create_app(server, exposure=exposure, ca_pem=b"a CA"), [(method, target, options)])[0]


def cors_headers(response: httpx2.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


# --- every kind of response ---------------------------------------------------------------------

REQUESTS: list[tuple[int, str, str, dict[str, Any]]] = [
    (200, "POST", "/oauth2/token", {"data": MINT, "auth": AUTH}),
    (204, "POST", "/oauth2/revoke", {"data": {"token": "none"}, "auth": AUTH}),
    (200, "GET", "/ping", {"auth": AUTH}),
    (400, "POST", "/oauth2/token", {"auth": AUTH}),
    (401, "POST", "/oauth2/token", {"data": MINT, "auth": (CLIENT_ID, "wrong")}),
    (401, "GET", "/ping", {}),
    (501, "GET", "/accounts", {"auth": AUTH}),
    (404, "GET", "/none", {}),
    (405, "PUT", "/oauth2/token", {}),
    (405, "OPTIONS", "/oauth2/token", {}),
    (413, "POST", "/oauth2/token", {"content": b"a" * (MAX_BODY + 1), "auth": AUTH}),
    (200, "GET", "/_mockmoov/health", {}),
    (405, "PUT", "/_mockmoov/health", {}),
    (200, "GET", "/_mockmoov/ca.pem", {}),
    (200, "POST", "/_mockmoov/introspect", {"data": {"token": "none"}, "auth": AUTH}),
    (401, "POST", "/_mockmoov/introspect", {"data": {"a": "b"}}),
    (200, "GET", "/.well-known/jwks.json", {}),
    (200, "GET", "/.well-known/oauth-authorization-server", {}),
    (404, "GET", "/.well-known/openid-configuration", {}),
    (503, "GET", "/ping", {}),  # of a fault with such headers of its own
    (503, "GET", "/ping", {}),
]


def responses(origin: str | None, **settings: Any) -> list[tuple[int, httpx2.Response]]:
    """Of each kind of response, the expected status and the response to a page of this origin."""
    server = new_server(keys=[KEY], **settings)
    requests = [(method, target, dict(options)) for _, method, target, options in REQUESTS]
    for _, _, options in requests:
        options["headers"] = {} if origin is None else {"origin": origin}
    app = create_app(server, exposure="loopback", ca_pem=b"a CA")
    found = ask_all(app, requests[:-2])
    headers = {"Access-Control-Allow-Origin": "*", "Vary": "Accept"}
    server.simulation.faults.add(None, Fault(id="f", status=503, headers=headers, times=1))
    server.simulation.faults.add(None, Fault(id="g", status=503))
    found += ask_all(app, requests[-2:])
    return [(status, response) for (status, *_), response in zip(REQUESTS, found, strict=True)]


@pytest.mark.parametrize(
    ("origin", "settings", "expected"),
    [
        (PAGE, {}, PAGE),
        (REGISTERED, {}, REGISTERED),
        (None, {}, None),
        (FOREIGN, {}, None),
        ("null", {}, None),
        ("null", {"cors_origins": "*"}, "*"),
    ],
)
def test_only_allowed_pages_may_read_and_they_read_all(
    origin: str | None, settings: dict[str, Any], expected: str | None
) -> None:
    headers = {ALLOW_ORIGIN: expected, "access-control-expose-headers": "*"} if expected else {}
    wrong = [
        (status, response.request.url, response)
        for status, response in responses(origin, **settings)
        if response.status_code != status
        or cors_headers(response) != headers
        or "Origin" not in response.headers["vary"]
    ]
    assert wrong == []


def test_page_may_read_a_truncated_response() -> None:
    server, closed = new_server(), list[str]()
    server.simulation.faults.add(None, Fault(id="f", status=503, text="long", network_error="cut"))
    app = create_app(server, exposure="loopback")
    extensions = {"mockmoov.connection": {"close": lambda: closed.append("close")}}
    headers = [(b"host", b"localhost"), (b"origin", PAGE.encode())]
    sent = connect(app, "GET", "/ping", chunk(), LEFT, headers=headers, extensions=extensions).sent
    assert closed == ["close"]
    assert MutableHeaders(raw=sent[0]["headers"])[ALLOW_ORIGIN] == PAGE


def test_unknown_host_is_rejected_before_cors() -> None:
    response = ask(new_server(), "GET", "/ping", headers={"host": "evil.example", "origin": PAGE})
    assert (response.status_code, cors_headers(response)) == (421, {})


# --- which origins ------------------------------------------------------------------------------


def test_origins_come_and_go_with_their_api_key() -> None:
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


ORIGINS = {
    "http://localhost": True,
    "https://localhost:4200": True,
    "http://127.8.9.1:3000": True,
    "http://[::1]:3000": True,
    "http://shop.localhost:3000": True,
    "capacitor://localhost": True,
    "https://listed.example": True,
    "https://listed.example:444": False,
    "http://listed.example": False,
    "https://a.listed.example": False,
    "https://listed.example/": False,
    "https://localhost.evil.example": False,
    "http://evil.example#localhost": False,
    "http://localhost@evil.example": False,
    "http://localhost, https://evil.example": False,
    "null": False,
    "*": False,
    "": False,
}


def test_allowed_origin_is_loopback_or_listed_exactly() -> None:
    policy = CorsPolicy(["https://listed.example"], list)
    expected = {origin: origin if passes else None for origin, passes in ORIGINS.items()}
    assert {origin: policy.allowed([origin]) for origin in ORIGINS} == expected


@given(st.text(), st.text())
@example(PAGE, PAGE)
@example(REGISTERED, FOREIGN)
def test_one_origin_only_and_never_another_value(first: str, second: str) -> None:
    assert CorsPolicy(["*"], list).allowed([first, second]) is None
    assert CorsPolicy(["*"], list).allowed([]) is None
    allowed = CorsPolicy([], lambda: [REGISTERED]).allowed([first])
    known = allowed in (None, "http://[::1]", REGISTERED)
    assert known or "localhost" in str(allowed) or "127." in str(allowed)


# --- preflights ---------------------------------------------------------------------------------

PREFLIGHT = {"origin": PAGE, "access-control-request-method": "POST"}
SENT = "authorization,content-type,x-idempotency-key,x-moov-version"
SHARED = ("/ping", "/oauth2/token", "/none", "/_mockmoov/health", "/.well-known/jwks.json")


def preflights(headers: dict[str, str]) -> list[httpx2.Response]:
    app = create_app(new_server(), exposure="loopback")
    return ask_all(app, [("OPTIONS", target, {"headers": headers}) for target in SHARED])


def test_preflight_needs_no_credentials_and_allows_headers() -> None:
    headers = PREFLIGHT | {"access-control-request-headers": SENT}
    for response in preflights(headers):
        assert (response.status_code, response.content) == (204, b"")
        assert cors_headers(response) == {
            ALLOW_ORIGIN: PAGE,
            "access-control-allow-headers": SENT,
            "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            "access-control-expose-headers": "*",
            "access-control-max-age": "600",
        }
        assert len(response.headers["x-request-id"]) == 36
        assert response.headers["date"]
        assert "www-authenticate" not in response.headers


def test_preflight_of_a_foreign_page_is_rejected_with_reason() -> None:
    for response in preflights(PREFLIGHT | {"origin": FOREIGN}):
        assert (response.status_code, response.content, cors_headers(response)) == (403, b"", {})
        assert (
            "pages of https://evil.example may not read this: add the origin to the API key"
            in response.headers["x-mockmoov-reason"]
        )
        assert "Origin" in response.headers["vary"]


@given(requested=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30))
@example(requested="x-a, x-b")
@example(requested="x-a; x-b")
def test_preflight_repeats_only_header_names(requested: str) -> None:
    headers = {"origin": (PAGE,), "access-control-request-headers": (requested,)}
    response = CorsPolicy([], list).preflight(HttpRequest(method="OPTIONS", path="/ping", headers=headers))
    allowed = dict(response.headers).get("access-control-allow-headers")
    assert response.status == 204
    assert allowed in (None, requested)
    assert allowed is None or not set(allowed) & set('"();:@<>[]{}/\\=?')


def test_preflight_is_logged_but_is_no_exchange(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    server = new_server(rate_limit=1, keys=[KEY])
    server.simulation.faults.add(None, Fault(id="f", status=503))
    for _ in range(3):
        assert ask(server, "OPTIONS", "/ping", headers=PREFLIGHT).status_code == 204
    lines = [line.split(" request_id=")[0] for line in caplog.messages if line.startswith("OPTIONS")]
    assert lines == ["OPTIONS /ping 204"] * 3
    assert server.simulation.journal().exchanges == []
    assert server.simulation.faults.read()[0].matched == 0
    server.simulation.faults.remove(None)
    assert ask(server, "POST", "/oauth2/token", data=MINT, auth=AUTH).status_code == 200


@pytest.mark.parametrize("missing", PREFLIGHT)
def test_options_without_both_headers_is_no_preflight(missing: str) -> None:
    headers = {name: value for name, value in PREFLIGHT.items() if name != missing}
    server = new_server()
    response = ask(server, "OPTIONS", "/oauth2/token", headers=headers)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert len(server.simulation.journal().exchanges) == 1


# --- the control plane, and the upstream --------------------------------------------------------


def test_no_page_may_read_or_preflight_the_control_plane() -> None:
    paths = ("/_mockmoov/config", "/_mockmoov/api-keys", "/_mockmoov/none", "/_mockmoov/")
    requests = [
        (method, path, {"headers": PREFLIGHT}) for method in ("GET", "POST", "OPTIONS") for path in paths
    ]
    exposures: tuple[Exposure, ...] = ("process", "loopback", "network")
    for cors_origins, exposure in product(("", "*"), exposures):
        app = create_app(new_server(cors_origins=cors_origins, control="on"), exposure=exposure)
        wrong = [
            (response.request.url, response)
            for response in ask_all(app, requests)
            if response.status_code not in (403, 404) or cors_headers(response)
        ]
        assert wrong == []


@pytest.mark.parametrize(("allowed", "expected"), [(PAGE, [PAGE]), (None, [])])
def test_upstream_does_not_decide_who_reads(allowed: str | None, expected: list[str]) -> None:
    headers = httpx2.Headers(
        shared_headers(
            (
                (ALLOW_ORIGIN, "*"),
                (ALLOW_ORIGIN, "https://other.example"),
                ("vary", "Accept-Encoding"),
                ("set-cookie", "a=b"),
                ("set-cookie", "c=d"),
            ),
            allowed,
        )
    )
    assert headers.get_list(ALLOW_ORIGIN) == expected
    assert headers["vary"] == "Accept-Encoding, Origin"
    assert headers.get_list("set-cookie") == ["a=b", "c=d"]
