"""Records: frozen, JSON-native values that keep their secrets to themselves."""

from typing import Any

import pytest
from msgspec.json import Decoder
from msgspec.structs import asdict, fields, replace

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.records import (
    NO_FLOOR,
    AccessToken,
    ApiKey,
    IssuerKeys,
    RefreshToken,
    TokenFamily,
    TokenFloor,
)

API_KEY = ApiKey(
    client_id="id",
    client_secret="s3cr3t",
    account_id="account",
    application_id="application",
    origins=("https://shop.example",),
    scopes=None,
    grants=("client_credentials",),
    enabled=True,
    epoch="1",
)
SIGNING_KEYS = IssuerKeys(private_key="pr1v4t3", refresh_secret="s3cr3t")
REFRESH_TOKEN = RefreshToken(
    client_id="id",
    epoch="1",
    family="f",
    sequence=0,
    scope="/ping.read",
    client_type="web",
    issued_at=1,
    expires_at=2,
)
ACCESS_TOKEN = AccessToken(
    client_id="id",
    epoch="1",
    family="f",
    client_type="web",
    jti="j",
    scope="/ping.read",
    audiences=(),
    expires_at=2.0,
    claims={"iat": 1},
)
RECORDS = [
    API_KEY,
    TokenFloor(issued_at=1.0, expires_at=2.0),
    SIGNING_KEYS,
    REFRESH_TOKEN,
    ACCESS_TOKEN,
    TokenFamily(),
]
each_record = pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)


@each_record
def test_a_record_never_changes(record: Any) -> None:
    name = fields(record)[0].name
    with pytest.raises(AttributeError):
        setattr(record, name, "other")
    assert not hasattr(record, "__dict__")


@each_record
def test_a_record_is_made_of_named_members_only(record: Any) -> None:
    with pytest.raises(TypeError):
        type(record)(*asdict(record).values())


@each_record
def test_a_record_survives_json(record: Any) -> None:
    assert Decoder(type(record)).decode(to_json(record)) == record


@pytest.mark.parametrize("record", [API_KEY, SIGNING_KEYS], ids=lambda record: type(record).__name__)
def test_a_secret_is_not_shown(record: object) -> None:
    assert "s3cr3t" not in repr(record)
    assert "pr1v4t3" not in repr(record)


def test_an_api_key_is_shown_by_its_client_id() -> None:
    assert repr(API_KEY) == "ApiKey(client_id='id')"
    assert repr(SIGNING_KEYS) == "IssuerKeys()"


RESET = "was issued before the server started or its key was reset"
EVICTED = "was issued before the oldest token record that is still kept"


@pytest.mark.parametrize("token", [REFRESH_TOKEN, ACCESS_TOKEN], ids=["refresh", "access"])
@pytest.mark.parametrize(
    ("epoch", "floor", "reason"),
    [
        ("1", NO_FLOOR, ""),
        ("2", NO_FLOOR, RESET),
        ("2", TokenFloor(issued_at=9.0), RESET),
        ("1", TokenFloor(issued_at=0.9), ""),
        ("1", TokenFloor(issued_at=1.0), EVICTED),
        ("1", TokenFloor(expires_at=1.9), ""),
        ("1", TokenFloor(expires_at=2.0), EVICTED),
    ],
)
def test_a_token_is_dead_whatever_the_time_if_it_is_of_another_epoch_or_not_above_the_floor(
    token: Any, epoch: str, floor: TokenFloor, reason: str
) -> None:
    assert replace(API_KEY, epoch=epoch, floor=floor).rejection_reason(token) == reason


@pytest.mark.parametrize(
    ("claims", "issued_at"),
    [({"iat": 5}, 5), ({"iat": 5.5}, 5.5), ({}, 0), ({"iat": "5"}, 0), ({"iat": -5}, 0)],
)
def test_an_access_token_without_a_time_of_issue_was_issued_before_all_others(
    claims: dict[str, object], issued_at: float
) -> None:
    token = replace(ACCESS_TOKEN, claims=claims)
    assert token.issued_at == issued_at
    assert not NO_FLOOR.covers(token)


def test_a_floor_that_is_raised_is_never_lowered() -> None:
    low, high = TokenFloor(issued_at=1, expires_at=4), TokenFloor(issued_at=2, expires_at=3)
    assert low.raised_to(high) == high.raised_to(low) == TokenFloor(issued_at=2, expires_at=4)
    assert low.raised_to(NO_FLOOR) == low


def test_a_family_begins_at_its_first_token_and_not_revoked() -> None:
    assert TokenFamily() == TokenFamily(
        sequence=0, rotated_at=0.0, revoked=False, issued_at=0.0, expires_at=0.0
    )
