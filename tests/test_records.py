"""Records: frozen, JSON-native values that keep their secrets to themselves."""

import json
from typing import Any

import pytest
from msgspec.structs import asdict, fields, replace

from mockmoov.oauth.records import AccessToken, ApiKey, IssuerKeys, Past, RefreshToken, TokenFamily

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
    claims={},
)
GONE = "had expired for good when the clock of its API key was first moved back"
RECORDS = [API_KEY, Past(epoch="1", until=2.0), SIGNING_KEYS, REFRESH_TOKEN, ACCESS_TOKEN, TokenFamily()]
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
    members = json.loads(json.dumps(asdict(record)))
    read = {name: tuple(value) if isinstance(value, list) else value for name, value in members.items()}
    assert type(record)(**read) == record


@pytest.mark.parametrize("record", [API_KEY, SIGNING_KEYS], ids=lambda record: type(record).__name__)
def test_a_secret_is_not_shown(record: object) -> None:
    assert "s3cr3t" not in repr(record)
    assert "pr1v4t3" not in repr(record)


def test_an_api_key_is_shown_by_its_client_id() -> None:
    assert repr(API_KEY) == "ApiKey(client_id='id')"
    assert repr(SIGNING_KEYS) == "IssuerKeys()"


@pytest.mark.parametrize("token", [REFRESH_TOKEN, ACCESS_TOKEN], ids=["refresh", "access"])
@pytest.mark.parametrize(
    ("epoch", "past", "reason"),
    [
        ("1", None, ""),
        ("1", Past(epoch="1", until=9.0), ""),
        ("2", None, "is older than the last reset of its API key"),
        ("2", Past(epoch="0", until=1.0), "is older than the last reset of its API key"),
        ("2", Past(epoch="1", until=1.9), ""),
        ("2", Past(epoch="1", until=2.0), GONE),
    ],
)  # fmt: skip
def test_a_token_is_dead_whatever_the_time_if_it_is_of_before_a_reset_or_had_expired_before_time_went_back(
    token: Any, epoch: str, past: Past | None, reason: str
) -> None:
    assert replace(API_KEY, epoch=epoch, past=past).rejection_reason(token) == reason


def test_a_family_begins_at_its_first_token_and_not_revoked() -> None:
    assert TokenFamily() == TokenFamily(sequence=0, rotated_at=0.0, revoked=False, expires_at=0.0)
