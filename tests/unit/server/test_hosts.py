"""Which Host headers a server answers to: loopback, names that were given, addresses where asked."""

import pytest
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
    "localhost evil",
]  # fmt: skip
ADDRESSES = ["10.0.0.1", "192.0.2.7:8080", "[2001:db8::7]", "[2001:db8::7]:80", "203.0.113.9:"]


@pytest.mark.parametrize("host", LOOPBACK)
def test_a_loopback_name_is_known_with_any_port(host: str) -> None:
    assert names_loopback(host)
    assert is_known((host,), NONE)
    assert is_known((host,), NONE, addresses=True)


@pytest.mark.parametrize("host", FOREIGN)
def test_any_other_name_is_not(host: str) -> None:
    assert not names_loopback(host)
    assert not is_known((host,), NONE)
    assert not is_known((host,), NONE, addresses=True)


@pytest.mark.parametrize("host", ADDRESSES)
def test_an_address_is_known_only_where_that_is_asked_for(host: str) -> None:
    """No name that a page could make up is one."""
    assert is_known((host,), NONE, addresses=True)
    assert not is_known((host,), NONE, addresses=False)
    assert not is_known((host,), NONE)


@given(host=st.text(max_size=20))
def test_a_name_that_was_given_is_known_whatever_its_case(host: str) -> None:
    hosts = frozenset([host.lower()])
    assert is_known((host,), hosts)
    assert is_known((host.lower(),), hosts)


@given(host=st.text(max_size=20))
def test_any_text_is_judged(host: str) -> None:
    assert is_known((host,), NONE) in (True, False)
    assert is_known((host,), NONE, addresses=True) >= is_known((host,), NONE)


def test_a_port_belongs_to_a_name_that_was_given() -> None:
    hosts = frozenset(["mockmoov:8080"])
    assert is_known(("MockMoov:8080",), hosts)
    assert not is_known(("mockmoov",), hosts)
    assert not is_known(("mockmoov:80",), hosts)


@given(
    hosts=st.lists(st.sampled_from(["localhost", "10.0.0.1", "a"]), max_size=3).filter(
        lambda hosts: len(hosts) != 1
    )
)
def test_a_host_is_named_once(hosts: list[str]) -> None:
    assert not is_known(tuple(hosts), frozenset(["a"]), addresses=True)
