"""The token a caller gets: how it is read, when it expires under both contracts, and what its repr hides."""

import math
import pickle
from datetime import UTC, datetime, timedelta, timezone
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.client import ProtocolError, Token
from mockmoov.client.tokens import EPOCH, LONGEST_LIFETIME, expiry, read_token
from tests.client.moov_stub import NOW, TOKEN

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=zones)
unix_times = st.datetimes(datetime(1980, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))


@given(now=moments, lifetime=st.integers(0, LONGEST_LIFETIME), then=unix_times)
@example(now=NOW, lifetime=LONGEST_LIFETIME, then=datetime(1980, 1, 1, tzinfo=UTC))
def test_expires_in_is_a_lifetime_or_a_unix_time(now: datetime, lifetime: int, then: datetime) -> None:
    for seconds in (lifetime, float(lifetime)):
        assert expiry(seconds, now) - now == timedelta(seconds=lifetime)
        assert expiry(seconds, now).tzinfo is UTC
    unix_time = (then - EPOCH) // timedelta(seconds=1)
    assert expiry(unix_time, now) == then.replace(microsecond=0)


@given(
    st.integers(max_value=-1)
    | st.floats().filter(lambda value: not value.is_integer() or value < 0)
    | st.booleans()
    | st.none()
    | st.text()
    | st.lists(st.integers())
)
@example(True)
@example(-1)
@example(0.5)
def test_expires_in_must_be_a_whole_number(value: object) -> None:
    with pytest.raises(ProtocolError, match="expires_in that is not an integer"):
        expiry(value, NOW)


def test_expiry_must_be_before_the_year_10000() -> None:
    beyond = [(value, NOW) for value in (10**12, 10**30, 10**4000, 1e300, math.nextafter(2.0**63, 0))]
    for value, now in (*beyond, (3600, datetime.max.replace(tzinfo=UTC))):
        with pytest.raises(ProtocolError, match="year 9999"):
            expiry(value, now)


def test_members_must_be_printable_and_of_a_known_type() -> None:
    invalid: list[object] = [None, 7.5, True, "", "\ud800", "naïve", "two\nlines", ["x"], {"x": "y"}]
    for member, value in (*product(TOKEN, invalid), ("token_type", "mac")):
        with pytest.raises(ProtocolError, match=member):
            read_token(TOKEN | {member: value}, NOW)


def test_token_is_read_as_sent_and_survives_pickling() -> None:
    token = read_token(TOKEN | {"scope": "/ping.read /accounts.read", "id_token": "ignored"}, NOW)
    assert token == Token(
        access_token="access-1",
        refresh_token="refresh-1",
        token_type="Bearer",
        scope="/ping.read /accounts.read",
        expires_at=NOW + timedelta(hours=1),
    )
    assert token.scopes == ("/ping.read", "/accounts.read")
    assert pickle.loads(pickle.dumps(token)) == token
    for token_type in ("bearer", "jwt", "opaque"):
        assert read_token(TOKEN | {"token_type": token_type}, NOW).token_type == token_type


@given(st.text().map("~{}~".format), st.text().map("~{}~".format))
def test_repr_hides_both_tokens(access: str, refresh: str) -> None:
    token = Token(access_token=access, refresh_token=refresh, token_type="", scope="", expires_at=NOW)
    output = repr(token) + str(token)
    assert access not in output
    assert refresh not in output


def test_token_expires_at_its_expiry_or_the_leeway_earlier() -> None:
    token = read_token(TOKEN, NOW)
    for leeway in (0, 60):
        moment = token.expires_at - timedelta(seconds=leeway)
        assert token.is_expired(moment, leeway=leeway)
        assert not token.is_expired(moment - timedelta(microseconds=1), leeway=leeway)
    assert token.is_expired(token.expires_at)
