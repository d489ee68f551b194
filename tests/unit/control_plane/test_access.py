"""Who may use the control plane: no web page, nobody by an unknown name, nobody without the token."""

import socket
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.config.settings import Layer, load
from mockmoov.control_plane import router
from mockmoov.control_plane.access import control_access
from mockmoov.oauth.messages import HttpRequest, HttpResponse
from mockmoov.server.authorization_server import AuthorizationServer
from tests.support.control import JSON, Desk
from tests.support.listening import listening
from tests.support.servers import CLIENT_ID, new_server

ROUTES = router.ROUTES
ENDPOINTS = [
    (method, path.replace("{client_id}", CLIENT_ID)) for path, methods in ROUTES.items() for method in methods
]
TOKEN = "sesame-0123456789"
FOREIGN = [
    "https://evil.example", "null", "", "http://localhost:8080.evil.example", "http://localhost", "file://",
    "https://localhost:8080", "http://localhost:8081", "http://localhost:8080/", "http://127.0.0.1:8080",
    "http://evil.example:8080", "localhost:8080", "http://localhost:8080, https://evil.example",
]  # fmt: skip


def refusal(
    exposure: str = "loopback", headers: Mapping[str, str | tuple[str, ...]] | None = None, **settings: object
) -> HttpResponse | None:
    """What the guard says to a request that goes to localhost:8080."""
    access = control_access(load(Layer(settings=settings)), exposure)  # type: ignore[arg-type]
    sent = {"host": "localhost:8080", **(headers or {})}
    grouped = {
        name: value if isinstance(value, tuple) else (value,)
        for name, value in sent.items()
        if value is not None
    }
    return access.error_response(HttpRequest(method="GET", path="/_mockmoov/clock", headers=grouped))


def status(*arguments: object, **settings: object) -> int | None:
    refused = refusal(*arguments, **settings)  # type: ignore[arg-type]
    return refused.status if refused else None


def reason(refused: HttpResponse | None) -> str:
    assert refused is not None
    assert not refused.body
    return dict(refused.headers)["x-mockmoov-reason"]


# --- Whether it is there --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exposure", "control", "token", "is_on"),
    [
        ("process", "auto", None, True),
        ("loopback", "auto", None, True),
        ("network", "auto", None, False),
        ("network", "auto", TOKEN, True),
        ("loopback", "auto", TOKEN, True),
        ("network", "on", None, True),
        ("network", "off", TOKEN, False),
        ("loopback", "off", None, False),
        ("process", "off", TOKEN, False),
    ],
)
def test_it_is_off_where_others_reach_it_unless_that_was_asked_for(
    exposure: str, control: str, token: str | None, is_on: bool
) -> None:
    given_token = {} if token is None else {"control_token": token}
    headers = {} if token is None else {"x-mockmoov-token": token}
    refused = refusal(exposure, headers, control=control, **given_token)
    if is_on:
        assert refused is None
    else:
        assert refused is not None
        assert refused.status == 404
        assert reason(refused) == "the control plane is off: set control_token, or control to on"


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_nothing_is_there_where_it_is_off(method: str, path: str) -> None:
    answer = Desk(control="off").ask(method, path.removeprefix("/_mockmoov"))
    assert (answer.status, answer.document) == (404, None)


def test_what_anyone_may_ask_is_there_all_the_same() -> None:
    control = Desk(control="off", exposure="network").control
    for headers in ({}, {"origin": ("https://evil.example",)}, {"host": ("evil.example",)}):
        request = HttpRequest(method="GET", path="/_mockmoov/health", headers=headers)
        assert control.handle(request).status == 200


# --- Origin ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_page_of_another_origin_is_refused(origin: str) -> None:
    refused = refusal("loopback", {"origin": origin})
    assert refused is not None
    assert refused.status == 403
    assert reason(refused) == "web pages from other origins may not use the control plane"


@pytest.mark.parametrize(
    "host", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "localhost", "10.1.2.3:80"]
)
def test_a_page_of_our_own_passes(host: str) -> None:
    assert status("loopback", {"host": host, "origin": f"http://{host}"}) is None
    assert status("loopback", {"host": host, "origin": f"HTTP://{host}".upper()}) is None
    assert status("loopback", {"host": host, "origin": f"https://{host}"}) == 403


def test_a_page_of_the_public_url_passes() -> None:
    settings = {"public_url": "https://moov.example/base"}
    assert status("loopback", {"origin": "https://moov.example"}, **settings) is None
    assert status("loopback", {"origin": "http://moov.example"}, **settings) == 403


def test_the_scheme_of_our_own_origin_is_that_of_the_request() -> None:
    access = control_access(load(), "loopback")
    headers = {"host": ("localhost:8443",), "origin": ("https://localhost:8443",)}
    assert access.error_response(HttpRequest(method="GET", path="/", scheme="https", headers=headers)) is None


def test_two_origins_are_foreign_whatever_they_are() -> None:
    own = "http://localhost:8080"
    assert status("loopback", {"origin": own}) is None
    assert status("loopback", {"origin": (own, own)}) == 403


@pytest.mark.parametrize("hosts", [(), ("localhost", "localhost"), ("local host",)])
def test_an_origin_is_foreign_where_the_host_is_not_known(hosts: tuple[str, ...]) -> None:
    assert status("process", {"host": hosts, "origin": "http://localhost"}) == 403


def test_without_an_origin_there_is_no_page() -> None:
    assert status("loopback") is None
    assert status("process", {"host": ()}) is None


# --- Host -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("exposure", ["loopback", "network"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "", "mockmoov",
     ("localhost", "localhost"), (), "0x7f000001", "2130706433"],
)  # fmt: skip
def test_an_unknown_or_repeated_host_is_refused(exposure: str, host: str | tuple[str, ...]) -> None:
    refused = refusal(exposure, {"host": host}, control="on")
    assert refused is not None
    assert refused.status == 421
    assert reason(refused).startswith("the Host header is unknown, missing or repeated")


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:1", "a.localhost", "127.9.9.9", "[::1]:8080", "192.0.2.7", "[2001:db8::7]:80"],
)
def test_loopback_names_and_addresses_are_known(host: str) -> None:
    assert status("network", {"host": host}, control="on") is None


def test_a_name_of_the_settings_is_known_whatever_its_case() -> None:
    settings = {"allowed_hosts": "MockMoov:8080", "control": "on"}
    assert status("network", {"host": "mockmoov:8080"}, **settings) is None
    assert status("network", {"host": "MOCKMOOV:8080"}, **settings) is None
    assert status("network", {"host": "mockmoov"}, **settings) == 421


def test_in_one_process_nobody_can_come_by_a_wrong_name() -> None:
    assert status("process", {"host": "evil.example"}) is None


# --- The token ------------------------------------------------------------------------------------


@given(shown=st.lists(st.text(max_size=20) | st.just(TOKEN), max_size=2).map(tuple))
def test_with_a_token_only_that_one_passes(shown: tuple[str, ...]) -> None:
    refused = refusal("network", {"x-mockmoov-token": shown}, control_token=TOKEN)
    assert (refused is None) == (shown == (TOKEN,))
    if refused is not None:
        assert refused.status == 401
        assert reason(refused) == "X-Mockmoov-Token is missing or wrong"
        assert "www-authenticate" not in dict(refused.headers)


def test_a_token_does_not_make_a_foreign_page_or_host_good() -> None:
    token = {"x-mockmoov-token": TOKEN}
    assert status("network", {**token, "origin": "https://evil.example"}, control_token=TOKEN) == 403
    assert status("network", {**token, "host": "evil.example"}, control_token=TOKEN) == 421


def test_who_has_not_the_token_does_not_learn_what_there_is() -> None:
    desk = Desk(control_token=TOKEN)
    assert {desk.get(path).status for path in ("/clock", "/nothing", "/api-keys/nobody")} == {401}
    assert desk.ask_raw("GET", "/clock", x_mockmoov_token=TOKEN).status == 200


# --- On a real socket: what a page can send without being asked -----------------------------------


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[AuthorizationServer, str]]:
    server = new_server()
    with listening(server) as url:
        yield server, urlsplit(url).netloc


def raw(netloc: str, head: str, body: bytes = b"") -> int:
    """Send these bytes and tell the status."""
    host, _, port = netloc.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        lines = head.replace("\n", "\r\n")
        connection.sendall(
            f"{lines}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
        )
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert b"access-control-" not in answer.lower()
    return int(answer.split(b" ", 2)[1])


def state(server: AuthorizationServer) -> object:
    """All that the control plane can change."""
    desk = Desk(server)
    paths = ("/clock", "/faults", "/exchanges", "/api-keys", "/signing-keys", f"/api-keys/{CLIENT_ID}/faults")
    return [desk.get(path).document for path in paths], server.repository.all_api_keys()


EVIL = "Origin: https://evil.example"
SIMPLE = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]


@pytest.mark.parametrize(("method", "path"), [each for each in ENDPOINTS if each[0] == "POST"])
@pytest.mark.parametrize("origin", [EVIL, "Origin: null", "Origin:"])
def test_a_form_of_a_foreign_page_changes_nothing(
    served: tuple[AuthorizationServer, str], method: str, path: str, origin: str
) -> None:
    server, netloc = served
    before = state(server)
    for content_type in SIMPLE:
        head = f"{method} {path} HTTP/1.1\nHost: {netloc}\n{origin}\nContent-Type: {content_type}"
        assert raw(netloc, head, b'{"seconds": 5, "a": "="}') == 403
    assert state(server) == before


def test_a_form_changes_nothing_even_where_a_browser_names_no_origin(
    served: tuple[AuthorizationServer, str],
) -> None:
    server, netloc = served
    before = state(server)
    for content_type in SIMPLE:
        head = f"POST /_mockmoov/reset HTTP/1.1\nHost: {netloc}\nContent-Type: {content_type}"
        assert raw(netloc, head, b"{}") == 415
    assert raw(netloc, f"POST /_mockmoov/reset HTTP/1.1\nHost: {netloc}") == 415
    assert state(server) == before


@pytest.mark.parametrize("path", [path for method, path in ENDPOINTS if method == "GET"])
def test_a_get_changes_nothing(served: tuple[AuthorizationServer, str], path: str) -> None:
    """An image or a link of a foreign page is fetched without an Origin."""
    server, netloc = served
    before = state(server)
    query = "?timeout=0" if path.endswith("wait") else "?seconds=5&to=5&status=500"
    query = "" if path.endswith("exchanges") else query
    assert raw(netloc, f"GET {path}{query} HTTP/1.1\nHost: {netloc}") == 200
    assert raw(netloc, f"GET {path}{query} HTTP/1.1\nHost: {netloc}\n{EVIL}") == 403
    assert state(server) == before


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_browser_that_asks_first_is_not_allowed(
    served: tuple[AuthorizationServer, str], method: str
) -> None:
    _, netloc = served
    asked = f"Access-Control-Request-Method: {method}\nAccess-Control-Request-Headers: content-type"
    assert raw(netloc, f"OPTIONS /_mockmoov/faults HTTP/1.1\nHost: {netloc}\n{EVIL}\n{asked}") == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "localhost.evil.example", "10.0.0.1", ""]
)
def test_by_a_foreign_name_that_resolves_to_this_machine_nothing_changes(
    served: tuple[AuthorizationServer, str], host: str
) -> None:
    """DNS rebinding: the page's own origin then agrees with the Host."""
    server, netloc = served
    before = state(server)
    head = f"HTTP/1.1\nHost: {host}\nOrigin: http://{host}\nContent-Type: {JSON}"
    for method, path in ENDPOINTS:
        assert raw(netloc, f"{method} {path} {head}", b"") == 421, (method, path)
    assert state(server) == before


def test_two_hosts_or_none_change_nothing(served: tuple[AuthorizationServer, str]) -> None:
    _, netloc = served
    labelled = f"Content-Type: {JSON}"
    twice = f"POST /_mockmoov/reset HTTP/1.1\nHost: {netloc}\nHost: {netloc}\n{labelled}"
    assert raw(netloc, twice) in (400, 421)
    assert raw(netloc, f"POST /_mockmoov/reset HTTP/1.0\n{labelled}") == 421


def test_a_page_of_the_server_itself_may_change_things(served: tuple[AuthorizationServer, str]) -> None:
    _, netloc = served
    head = f"POST /_mockmoov/faults HTTP/1.1\nHost: {netloc}\nOrigin: http://{netloc}\nContent-Type: {JSON}"
    assert raw(netloc, head, b'{"status": 503, "times": 1}') == 201
    assert raw(netloc, head.replace("POST", "DELETE")) == 204
