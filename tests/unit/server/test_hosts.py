"""Which Host headers a server accepts: loopback, names and patterns, IP addresses on request."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mockmoov.oauth.messages import HttpRequest
from mockmoov.server.hosts import AllowedHosts, exact_names, names_loopback, quote_host

LOOPBACK = [
    "localhost", "LocalHost", "localhost:8080", "localhost:", "a.localhost", "a.b.localhost:1", "127.0.0.1",
    "127.255.0.9:80", "[::1]", "[::1]:443", " localhost\t",
]  # fmt: skip
FOREIGN = [
    "", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost:80:80", "notlocalhost",
    "127.0.0.1.", "localhost/", "user@localhost", "localhost:8o", "::1x", "0x7f.0.0.1", "2130706433",
    "localhost evil", "localhost\n", "Xlocalhost",
]  # fmt: skip
ADDRESSES = ["10.0.0.1", "192.0.2.7:8080", "[2001:db8::7]", "[2001:db8::7]:80", "203.0.113.9:"]


def reason(*hosts: str, names: tuple[str, ...] = (), reads_chunks: bool = True, **rules: Any) -> str:
    """Why a request with these Host headers is rejected."""
    headers = {"host": hosts} if hosts else {}
    request = HttpRequest(method="GET", path="/", headers=headers, reads_chunks=reads_chunks)
    return AllowedHosts(names=frozenset(names), **rules).rejection_reason(request)


def judge(host: str) -> tuple[bool, bool, bool]:
    """Whether a host names loopback, is allowed without any given name, and is allowed with addresses."""
    return names_loopback(host), not reason(host), not reason(host, with_addresses=True)


def test_loopback_is_known_and_an_address_on_request() -> None:
    expected = dict.fromkeys(LOOPBACK, (True, True, True))
    expected |= dict.fromkeys(ADDRESSES, (False, False, True)) | dict.fromkeys(FOREIGN, (False,) * 3)
    assert {host: judge(host) for host in expected} == expected


@given(host=st.text(min_size=1, max_size=20))
def test_given_name_is_known_whatever_its_case(host: str) -> None:
    assert not reason(host, names=(host.lower(),))
    assert not reason(host.lower(), names=(host.lower(),))


@given(host=st.text(min_size=1, max_size=20))
def test_any_text_is_judged(host: str) -> None:
    loopback, known, with_addresses = judge(host)
    assert loopback == known
    assert with_addresses >= known
    assert not reason(host, names=("*",))


MATCHES: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [  # a name, what it matches and what it doesn't
    ("mockmoov:8080", ("MockMoov:8080",), ("mockmoov", "mockmoov:80", "a.mockmoov:8080")),
    ("mockmoov", ("mockmoov", "mockmoov:80", "mockmoov:"), ("a.mockmoov", "mockmoov.example")),
    ("[::1]", ("[::1]", "[::1]:8080"), ("::2",)),
    (
        ".a.example",
        ("a.example", "a.example:80", "b.A.example", "c.b.a.example:1"),
        ("ba.example", "example", "a.example.b", "a.example:80:80"),
    ),
    (".a.example:80", ("a.example:80", "b.a.example:80"), ("a.example", "b.a.example:81")),
]


def test_a_pattern_matches_a_domain_and_all_below() -> None:
    for name, matching, others in MATCHES:
        assert [host for host in matching if reason(host, names=(name,))] == []
        assert [host for host in others if not reason(host, names=(name,))] == []


def test_exact_names_are_neither_patterns_nor_any() -> None:
    assert exact_names(frozenset(["a", "b:80", "[::1]", ".a", "*"])) == {"a", "b:80", "[::1]"}


def test_missing_or_repeated_host_is_unknown() -> None:
    rules: dict[str, Any] = {"names": ("*", "a"), "with_addresses": True, "on_loopback": True}
    for hosts in (("a", "a"), ("localhost", "localhost"), ("a", "10.0.0.1", "localhost")):
        assert reason(*hosts, **rules) == "more than one Host header was sent"
    assert reason(**rules) == reason("", **rules) == "the Host header is missing or empty"


def test_only_http_1_0_on_loopback_may_lack_the_host() -> None:
    missing = "the Host header is missing or empty"
    table = {(False, True): "", (True, True): missing, (False, False): missing, (True, False): missing}
    found = {
        (reads_chunks, on_loopback): reason(reads_chunks=reads_chunks, on_loopback=on_loopback)
        for reads_chunks, on_loopback in table
    }
    assert found == table
    assert reason("", reads_chunks=False, on_loopback=True) == missing
    assert reason("evil.example", reads_chunks=False, on_loopback=True)


QUOTED = {
    "mockmoov_backend:8080": "mockmoov_backend:8080",
    "project-mockmoov-1": "project-mockmoov-1",
    "[2001:db8::7]:80": "[2001:db8::7]:80",
    "a1b2c3d4e5f6a7b8c9d0.ngrok.app": "....ngrok.app",
    "a b.example": "....example",
    "zürich.example": "....example",
    "a." * 60: "a." * 48 + "a...",
}


def test_a_host_is_quoted_without_what_may_be_a_secret() -> None:
    assert {host: quote_host(host) for host in QUOTED} == QUOTED
    message = "the Host mockmoov_backend is not allowed: add it to --allowed-hosts"
    assert reason("mockmoov_backend") == message
