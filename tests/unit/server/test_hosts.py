"""Which Host headers a server accepts: loopback, the names it was given, IP addresses on request."""

from hypothesis import given
from hypothesis import strategies as st

from mockmoov.server.hosts import is_known, names_loopback

NONE: frozenset[str] = frozenset()
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


def judge(host: str) -> tuple[bool, bool, bool]:
    """Whether a host names loopback, is known without any given name, and is known with addresses."""
    return names_loopback(host), is_known((host,), NONE), is_known((host,), NONE, addresses=True)


def test_loopback_is_known_and_an_address_on_request() -> None:
    expected = dict.fromkeys(LOOPBACK, (True, True, True))
    expected |= dict.fromkeys(ADDRESSES, (False, False, True)) | dict.fromkeys(FOREIGN, (False,) * 3)
    assert {host: judge(host) for host in expected} == expected


@given(host=st.text(max_size=20))
def test_given_name_is_known_whatever_its_case(host: str) -> None:
    hosts = frozenset([host.lower()])
    assert is_known((host,), hosts)
    assert is_known((host.lower(),), hosts)


@given(host=st.text(max_size=20))
def test_any_text_is_judged(host: str) -> None:
    loopback, known, with_addresses = judge(host)
    assert loopback == known
    assert with_addresses >= known


def test_port_of_a_given_name_must_match() -> None:
    hosts = frozenset(["mockmoov:8080"])
    assert is_known(("MockMoov:8080",), hosts)
    assert not is_known(("mockmoov",), hosts)
    assert not is_known(("mockmoov:80",), hosts)
    assert is_known(("mockmoov:80",), frozenset(["mockmoov"]))


def test_missing_or_repeated_host_is_unknown() -> None:
    for hosts in ((), ("a", "a"), ("localhost", "localhost"), ("a", "10.0.0.1", "localhost")):
        assert not is_known(hosts, frozenset(["a"]), addresses=True), hosts
