"""Records: immutable, JSON-native, silent about their secrets; and which tokens a key rejects."""

from typing import Any

import pytest
from msgspec.json import Decoder
from msgspec.structs import asdict, fields, replace

from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.records import NO_FLOOR, IssuerKeys, TokenFamily, TokenFloor
from tests.support.records import ACCESS_TOKEN, API_KEY, REFRESH_TOKEN

ISSUER_KEYS = IssuerKeys(private_key="pr1v4t3", refresh_secret="s3cr3t", retired=("0ld",))
FLOOR = TokenFloor(issued_at=1.0, expires_at=2.0)
RECORDS = [API_KEY, FLOOR, ISSUER_KEYS, REFRESH_TOKEN, ACCESS_TOKEN, TokenFamily()]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_records_are_immutable_named_and_json_native(record: Any) -> None:
    with pytest.raises(AttributeError):
        setattr(record, fields(record)[0].name, "other")
    assert not hasattr(record, "__dict__")
    with pytest.raises(TypeError):
        type(record)(*asdict(record).values())
    assert Decoder(type(record)).decode(to_json(record)) == record


def test_repr_contains_no_secret() -> None:
    assert repr(API_KEY) == "ApiKey(client_id='id')"
    assert repr(ISSUER_KEYS) == "IssuerKeys()"


RESET = "was issued before its API key was reset or created again"
EVICTED = "may have been revoked: the server dropped the records of that time to make room"
REJECTIONS = [
    ("epoch", NO_FLOOR, ""),
    ("other", NO_FLOOR, RESET),
    ("other", TokenFloor(issued_at=9.0), RESET),
    ("epoch", TokenFloor(issued_at=0.9), ""),
    ("epoch", TokenFloor(issued_at=1.0), EVICTED),
    ("epoch", TokenFloor(expires_at=1.9), ""),
    ("epoch", TokenFloor(expires_at=2.0), EVICTED),
]


@pytest.mark.parametrize("token", [REFRESH_TOKEN, ACCESS_TOKEN], ids=["refresh", "access"])
def test_key_rejects_other_epochs_and_tokens_under_its_floor(token: Any) -> None:
    answers = [
        (epoch, floor, replace(API_KEY, epoch=epoch, floor=floor).rejection_reason(token))
        for epoch, floor, _ in REJECTIONS
    ]
    assert answers == REJECTIONS


@pytest.mark.parametrize(
    ("claims", "issued_at"),
    [({"iat": 5}, 5), ({"iat": 5.5}, 5.5), ({}, 0), ({"iat": "5"}, 0), ({"iat": -5}, 0)],
)
def test_access_token_without_valid_iat_is_the_oldest(claims: dict[str, object], issued_at: float) -> None:
    token = replace(ACCESS_TOKEN, claims=claims)
    assert token.issued_at == issued_at
    assert not NO_FLOOR.covers(token)


def test_raised_floor_is_never_lowered() -> None:
    low, high = TokenFloor(issued_at=1, expires_at=4), TokenFloor(issued_at=2, expires_at=3)
    assert low.raised_to(high) == high.raised_to(low) == TokenFloor(issued_at=2, expires_at=4)
    assert low.raised_to(NO_FLOOR) == low
