"""Records: frozen, JSON-native values that keep their secrets to themselves."""

import json
from typing import Any

import pytest
from msgspec.structs import asdict, fields

from mockmoov.records import AccessToken, ApiKey, RefreshToken, SigningKeys, TokenFamily

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
SIGNING_KEYS = SigningKeys(private_key="pr1v4t3", refresh_secret="s3cr3t")
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
RECORDS = [API_KEY, SIGNING_KEYS, REFRESH_TOKEN, ACCESS_TOKEN, TokenFamily()]
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
    assert repr(SIGNING_KEYS) == "SigningKeys()"


def test_a_family_begins_at_its_first_token_and_not_revoked() -> None:
    assert TokenFamily() == TokenFamily(sequence=0, rotated_at=0.0, revoked=False, expires_at=0.0)
