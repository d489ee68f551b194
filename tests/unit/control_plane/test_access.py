"""Who may use the control plane: no web page, nobody by an unknown name, nobody without the token."""

import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from mockmoov.config.settings import Layer, load
from mockmoov.control_plane.access import Exposure, control_access
from mockmoov.oauth.messages import HttpRequest
from mockmoov.server.authorization_server import AuthorizationServer
from tests.support.control import JSON, Desk
from tests.support.listening import listening
from tests.support.servers import CLIENT_ID, new_server

TOKEN = "sesame-0123456789"
OFF = "the control plane is off: set control_token, or set control to on"
NO_TOKEN = "X-Mockmoov-Token is missing or wrong"
Headers = Mapping[str, str | tuple[str, ...]]


def foreign(origin: str) -> tuple[int, str]:
    hint = "set public_url if that is the address of this server"
    return 403, f"web pages of {origin} may not use the control plane: {hint}"


def error(
    headers: Headers | None = None,
    exposure: Exposure = "loopback",
    *,
    scheme: str = "http",
    reads_chunks: bool = True,
    **settings: Any,
) -> tuple[int, str] | None:
    """Status and reason of the response to a request that goes to localhost:8080; None if it passes."""
    access = control_access(load(Layer(settings=settings)), exposure)
    sent = {"host": "localhost:8080", **(headers or {})}
    grouped = {name: (value,) if isinstance(value, str) else value for name, value in sent.items()}
    request = HttpRequest(
        method="GET",
        path="/_mockmoov/clock",
        scheme=scheme,
        headers={name: values for name, values in grouped.items() if values},
        reads_chunks=reads_chunks,
    )
    response = access.error_response(request)
    if response is None:
        return None
    assert not response.body
    assert "www-authenticate" not in dict(response.headers)
    return response.status, dict(response.headers)["x-mockmoov-reason"]


def test_control_is_off_where_others_can_reach_it() -> None:
    table: list[tuple[Exposure, str, bool, bool]] = [  # exposure, control, has a token, is on
        ("process", "auto", False, True),
        ("loopback", "auto", False, True),
        ("network", "auto", False, False),
        ("network", "auto", True, True),
        ("loopback", "auto", True, True),
        ("network", "on", False, True),
        ("network", "off", True, False),
        ("loopback", "off", False, False),
        ("process", "off", True, False),
    ]
    for exposure, control, has_token, is_on in table:
        settings: dict[str, Any] = {"control": control} | ({"control_token": TOKEN} if has_token else {})
        found = error({"x-mockmoov-token": TOKEN}, exposure, **settings)
        assert found == (None if is_on else (404, OFF)), (exposure, control, has_token)


def test_discovery_is_open_to_everyone() -> None:
    control = Desk(control="off", exposure="network").control
    foreign = {"origin": "https://evil.example", "host": "evil.example", "sec-fetch-site": "cross-site"}
    for path in ("/_mockmoov/health", "/.well-known/jwks.json"):
        for headers in ({}, *({name: (value,)} for name, value in foreign.items())):
            assert control.handle(HttpRequest(method="GET", path=path, headers=headers)).status == 200


# --- Origin ---------------------------------------------------------------------------------------


def test_pages_of_other_origins_are_403() -> None:
    origins: list[str | tuple[str, ...]] = [
        "https://evil.example", "null", "", "http://localhost:8080.evil.example", "http://localhost", "file://",
        "https://localhost:8080", "http://localhost:8081", "http://localhost:8080/", "http://127.0.0.1:8080",
        "http://evil.example:8080", "localhost:8080", "http://localhost:8080, https://evil.example",
        ("http://localhost:8080", "http://localhost:8080"),
    ]  # fmt: skip
    for origin in origins:
        status, reason = error({"origin": origin}) or (200, "")
        assert (status, " may not use the control plane" in reason) == (403, True), origin
    assert error({"origin": "null"}) == (403, "web pages without an origin may not use the control plane")
    assert error({"origin": "https://evil.example"}) == foreign("https://evil.example")


def test_pages_of_the_server_itself_pass() -> None:
    for host in ("localhost:8080", "127.0.0.1:8080", "[::1]:8080", "localhost", "10.1.2.3:80"):
        assert error({"host": host, "origin": f"http://{host}"}) is None
        assert error({"host": host, "origin": f"http://{host}".upper()}) is None
        assert error({"host": host, "origin": f"https://{host}"}) == foreign(f"https://{host}")
        assert error({"host": host, "origin": f"https://{host}"}, scheme="https") is None


def test_pages_of_the_public_url_pass() -> None:
    url = "https://moov.example/base"
    assert error({"origin": "https://moov.example"}, public_url=url) is None
    assert error({"origin": "http://moov.example"}, public_url=url) == foreign("http://moov.example")


def test_origins_are_foreign_without_one_valid_host() -> None:
    hosts: list[tuple[str, ...]] = [(), ("localhost", "localhost"), ("local host",)]
    for host in hosts:
        assert error({"host": host, "origin": "http://localhost"}, "process") == foreign("http://localhost")


def test_what_a_page_of_another_site_causes_is_403() -> None:
    """Such as a link, an image or a frame: a browser sends no Origin with it."""
    reason = "web pages of other sites may not use the control plane"
    assert error({"sec-fetch-site": "cross-site"}) == (403, reason)
    assert error({"sec-fetch-site": ("none", "cross-site")}, "process") == (403, reason)
    for site in ("none", "same-origin", "same-site", "", ()):
        assert error({"sec-fetch-site": site}) is None


# --- Host -----------------------------------------------------------------------------------------


def test_unknown_or_repeated_hosts_are_421() -> None:
    hosts: list[str | tuple[str, ...]] = [
        "evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "",
        "mockmoov", ("localhost", "localhost"), (), "0x7f000001", "2130706433",
    ]  # fmt: skip
    exposures: tuple[Exposure, ...] = ("loopback", "network")
    for exposure in exposures:
        for host in hosts:
            found = error({"host": host}, exposure, control="on")
            assert found is not None, host
            assert found[0] == 421, host
            assert "Host" in found[1]


def test_loopback_names_and_addresses_are_known() -> None:
    hosts = ["localhost", "LOCALHOST:1", "a.localhost", "127.9.9.9", "[::1]:8080", "192.0.2.7"]
    for host in (*hosts, "[2001:db8::7]:80"):
        assert error({"host": host}, "network", control="on") is None, host


def test_hosts_in_the_settings_are_known_in_any_case() -> None:
    for host, passes in (("mockmoov:8080", True), ("MOCKMOOV:8080", True), ("mockmoov", False)):
        found = error({"host": host}, "network", allowed_hosts="MockMoov:8080", control="on")
        assert (found is None) == passes, host


def test_patterns_do_not_open_the_control_plane() -> None:
    advice = "add this very name to --allowed-hosts, or set control_token"
    for pattern in ("*", ".moov.example"):
        found = error({"host": "moov.example"}, "network", allowed_hosts=pattern, control="on")
        assert found == (421, f"the Host moov.example is not allowed: {advice}")


def test_with_a_token_any_host_is_known() -> None:
    exposures: tuple[Exposure, ...] = ("loopback", "network")
    for exposure in exposures:
        for host in ("evil.example", "mockmoov:8080", "localhost"):
            assert error({"host": host, "x-mockmoov-token": TOKEN}, exposure, control_token=TOKEN) is None
            assert error({"host": host}, exposure, control_token=TOKEN) == (401, NO_TOKEN)


def test_http_1_0_may_lack_the_host_on_loopback() -> None:
    exposures: dict[Exposure, bool] = {"loopback": True, "network": False, "process": True}
    for exposure, passes in exposures.items():
        found = error({"host": ()}, exposure, reads_chunks=False, control="on")
        assert (found is None) == passes, exposure


def test_hosts_are_not_checked_within_the_process() -> None:
    assert error() is error({"host": ()}, "process") is error({"host": "evil.example"}, "process") is None


# --- The token ------------------------------------------------------------------------------------


def test_only_the_right_token_passes() -> None:
    assert error({"x-mockmoov-token": TOKEN}, "network", control_token=TOKEN) is None
    wrong: list[str | tuple[str, ...]] = [
        *("", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), f" {TOKEN}", "é", "\ud800"),
        *((), (TOKEN, TOKEN), ("", TOKEN)),
    ]
    for sent in wrong:
        found = error({"x-mockmoov-token": sent}, "network", control_token=TOKEN)
        assert found == (401, NO_TOKEN), sent


def test_a_token_excuses_no_foreign_page_or_host() -> None:
    for header, status in (
        ({"origin": "https://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"host": ("evil.example", "localhost")}, 421),
    ):
        found = error({"x-mockmoov-token": TOKEN, **header}, "network", control_token=TOKEN)
        assert found is not None
        assert found[0] == status


# --- On a real socket: what a web page can send without a preflight -------------------------------


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[AuthorizationServer, str]]:
    server = new_server()
    with listening(server) as url:
        yield server, urlsplit(url).netloc


def raw(netloc: str, lines: list[str], body: bytes = b"") -> int:
    """Send a request line, these headers and the body; returns the status."""
    host, _, port = netloc.rpartition(":")
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "Connection: close", "", ""])
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"access-control-" not in answer.lower()
    return int(answer.split(b" ", 2)[1])


def state(server: AuthorizationServer) -> object:
    """Everything that the control plane can change."""
    desk = Desk(server)
    paths = ("/clock", "/faults", "/exchanges", "/api-keys", "/signing-keys", f"/api-keys/{CLIENT_ID}/faults")
    return [desk.get(path).document for path in paths], server.repository.all_api_keys()


RESET = "POST /_mockmoov/reset HTTP/1.1"
FAULT = "POST /_mockmoov/faults HTTP/1.1"
EVIL = "Origin: https://evil.example"


def test_web_pages_change_nothing_over_a_socket(served: tuple[AuthorizationServer, str]) -> None:
    server, netloc = served
    before = state(server)
    host, labelled = f"Host: {netloc}", f"Content-Type: {JSON}"
    preflight = ["Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type"]
    requests = [
        *((403, [FAULT, host, origin, labelled]) for origin in (EVIL, "Origin: null", "Origin:")),
        *((415, [FAULT, host, f"Content-Type: {simple}"]) for simple in (
            "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
        )),
        (415, [FAULT, host]),
        (403, ["OPTIONS /_mockmoov/faults HTTP/1.1", host, EVIL, *preflight]),
        (403, ["GET /_mockmoov/clock HTTP/1.1", host, EVIL]),
        # A browser fetches images and links of any page without an Origin; an old one doesn't say where from.
        *((status, [f"GET /_mockmoov{path} HTTP/1.1", host, *site]) for path in (
            "/clock", "/faults", "/exchanges", "/exchanges/wait?timeout=0", "/api-keys", "/config"
        ) for status, site in ((200, []), (403, ["Sec-Fetch-Site: cross-site"]))),
        # DNS rebinding: the page's own origin agrees with the Host.
        (421, [RESET, "Host: evil.example", "Origin: http://evil.example", labelled]),
        (421, [RESET, "Host:", labelled]),
        (421, ["POST /_mockmoov/reset HTTP/1.0", "Host: evil.example", labelled]),
        (200, ["GET /_mockmoov/clock HTTP/1.0"]),  # no browser sends it
        (421, [RESET, host, host, labelled]),
    ]  # fmt: skip
    wrong = [
        (lines, expected, found)
        for expected, lines in requests
        if (found := raw(netloc, lines, b'{"status": 503}')) != expected
    ]
    assert wrong == []
    assert state(server) == before


def test_the_servers_own_page_may_change_things(served: tuple[AuthorizationServer, str]) -> None:
    _, netloc = served
    headers = [f"Host: {netloc}", f"Origin: http://{netloc}", f"Content-Type: {JSON}"]
    assert raw(netloc, [FAULT, *headers], b'{"status": 503, "times": 1}') == 201
    assert raw(netloc, [FAULT.replace("POST", "DELETE"), *headers]) == 204
