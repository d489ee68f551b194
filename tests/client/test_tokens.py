"""The token a caller holds: when it expires, under both contracts, and what its repr shows."""

import math
import pickle
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.client import ProtocolError, Token
from mockmoov.client.tokens import EPOCH, LONGEST_LIFETIME, expiry, read_token

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ANSWER: dict[str, object] = {
    "access_token": "access-abc",
    "refresh_token": "refresh-def",
    "token_type": "Bearer",
    "scope": "/ping.read /accounts.read",
    "expires_in": 3600,
}

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=zones)


@given(now=moments, lifetime=st.integers(0, LONGEST_LIFETIME))
def test_a_lifetime_in_seconds_counts_from_now(now: datetime, lifetime: int) -> None:
    result = expiry(lifetime, now)
    assert result - now == timedelta(seconds=lifetime)
    assert result.tzinfo is UTC


@given(now=moments, then=st.datetimes(datetime(1980, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))
def test_a_unix_time_is_the_expiry_whatever_the_clock_says(now: datetime, then: datetime) -> None:
    seconds = (then - EPOCH) // timedelta(seconds=1)
    assert expiry(seconds, now) == then.replace(microsecond=0)


@given(now=moments, then=moments, lifetime=st.integers(1, LONGEST_LIFETIME))
def test_both_contracts_name_the_same_expiry(now: datetime, then: datetime, lifetime: int) -> None:
    now = now.replace(microsecond=0)
    unix_time = int(now.timestamp()) + lifetime
    assert expiry(lifetime, now) == expiry(unix_time, then)


@given(st.integers(0, 2**37))
def test_a_float_without_fraction_is_the_same_number(seconds: int) -> None:
    assert expiry(float(seconds), NOW) == expiry(seconds, NOW)


@given(
    st.one_of(
        st.integers(max_value=-1),
        st.floats().filter(lambda value: not value.is_integer() or value < 0),
        st.booleans(),
        st.none(),
        st.text(),
        st.lists(st.integers()),
    )
)
def test_anything_but_a_whole_number_of_at_least_0_is_refused(value: object) -> None:
    with pytest.raises(ProtocolError, match="expires_in that is not an integer"):
        expiry(value, NOW)


@pytest.mark.parametrize("value", [10**12, 10**30, 10**4000, 1e300, math.nextafter(2.0**63, 0)])
def test_a_time_beyond_the_calendar_is_refused(value: float) -> None:
    with pytest.raises(ProtocolError, match="year 9999"):
        expiry(value, NOW)


def test_a_lifetime_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(ProtocolError, match="year 9999"):
        expiry(3600, datetime.max.replace(tzinfo=UTC))


@pytest.mark.parametrize("member", ["access_token", "refresh_token", "token_type", "scope", "expires_in"])
@pytest.mark.parametrize("value", [None, 7.5, True, "", "\ud800", "naïve", "two\nlines", ["x"], {"x": "y"}])
def test_a_member_missing_or_ill_typed_is_refused_by_name(member: str, value: object) -> None:
    with pytest.raises(ProtocolError, match=member):
        read_token(ANSWER | {member: value}, NOW)


def test_a_token_type_that_this_client_cannot_use_is_refused() -> None:
    with pytest.raises(ProtocolError, match="token_type"):
        read_token(ANSWER | {"token_type": "mac"}, NOW)


@pytest.mark.parametrize("token_type", ["Bearer", "bearer", "jwt", "opaque"])
def test_token_types_of_both_contracts_are_kept_as_sent(token_type: str) -> None:
    assert read_token(ANSWER | {"token_type": token_type}, NOW).token_type == token_type


def test_members_that_nobody_knows_are_ignored() -> None:
    assert read_token(ANSWER | {"id_token": "x"}, NOW) == read_token(ANSWER, NOW)


def test_scopes_are_the_scope_in_parts() -> None:
    assert read_token(ANSWER, NOW).scopes == ("/ping.read", "/accounts.read")


@given(st.text().map(lambda text: f"~{text}~"), st.text().map(lambda text: f"~{text}~"))
def test_repr_and_str_hide_both_tokens(access: str, refresh: str) -> None:
    token = Token(access_token=access, refresh_token=refresh, token_type="", scope="", expires_at=NOW)
    shown = repr(token) + str(token)
    assert access not in shown
    assert refresh not in shown


def test_a_token_is_expired_at_its_expiry_and_not_before() -> None:
    token = read_token(ANSWER, NOW)
    assert token.is_expired(token.expires_at)
    assert not token.is_expired(token.expires_at - timedelta(microseconds=1))


def test_leeway_makes_a_token_expire_earlier() -> None:
    token = read_token(ANSWER, NOW)
    assert token.is_expired(token.expires_at - timedelta(seconds=60), leeway=60)
    assert not token.is_expired(token.expires_at - timedelta(seconds=61), leeway=60)


def test_a_token_survives_pickling() -> None:
    token = read_token(ANSWER, NOW)
    assert pickle.loads(pickle.dumps(token)) == token
