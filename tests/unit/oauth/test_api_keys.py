"""API keys: which members are valid, what the defaults are, and how an invalid member is reported."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.oauth.api_keys import EXAMPLE, make_api_key, unknown_scope
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.records import ApiKey
from mockmoov.oauth.scopes import CATALOGUES

CREDENTIALS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1)
CLIENT_IDS = CREDENTIALS.filter(lambda text: ":" not in text and text not in (".", ".."))
REQUIRED = {"client_id": "id", "client_secret": "secret"}
ACCOUNT = "ec7e1848-dc80-4ab0-8827-dd7fc0737b43"


def make(**members: Any) -> ApiKey:
    return make_api_key({**REQUIRED, **members})


def rejection(members: dict[str, Any]) -> tuple[str, str]:
    """The field and the message of the error."""
    with pytest.raises(FieldError) as caught:
        make_api_key(members)
    return caught.value.field, str(caught.value)


def test_example_key_is_the_documented_one() -> None:
    assert make_api_key(EXAMPLE) == ApiKey(
        client_id="5clTR_MdVrrkgxw2",
        client_secret="dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-",
        account_id="5352b013-ae58-4a63-8a3f-97f316a917cf",
        application_id="c520f1b9-0ba7-42f5-b977-248cdbe41c69",
        origins=("http://localhost:3000",),
        scopes=None,
        grants=("client_credentials", "refresh_token"),
        enabled=True,
        epoch="",
    )


@given(CLIENT_IDS, CLIENT_IDS, CREDENTIALS)
def test_other_members_have_defaults_derived_from_client_id(one: str, other: str, secret: str) -> None:
    keys = [make_api_key({"client_id": name, "client_secret": secret}) for name in (one, other)]
    ids = {text for key in keys for text in (key.account_id, key.application_id)}
    assert len(ids) == (2 if one == other else 4)
    assert all(str(UUID(text)) == text for text in ids)
    for key, name in zip(keys, (one, other), strict=True):
        assert (key.client_id, key.client_secret, key.origins, key.scopes) == (name, secret, (), None)
        assert (key.grants, key.enabled) == (("client_credentials", "refresh_token"), True)


def test_null_means_the_default() -> None:
    optional = ("account_id", "application_id", "origins", "scopes", "grants", "enabled")
    assert make(**dict.fromkeys(optional)) == make()


def test_client_id_and_client_secret_are_required() -> None:
    for name in REQUIRED:
        expected = (name, f"an API key needs a {name}")
        assert rejection({**REQUIRED, name: None}) == expected
        assert rejection({key: REQUIRED[key] for key in REQUIRED if key != name}) == expected


def test_every_member_is_normalized_and_kept() -> None:
    key = make(
        account_id=ACCOUNT.upper(),
        application_id=ACCOUNT,
        origins=["HTTPS://Shop.example:443", "http://[::1]:80"],
        scopes=["/ping.read", f"/accounts/{ACCOUNT.upper()}/cards.read", "/accounts/{accountID}/cards.read"],
        grants=["refresh_token"],
        enabled=False,
    )
    assert (key.account_id, key.application_id) == (ACCOUNT, ACCOUNT)
    assert key.origins == ("https://shop.example", "http://[::1]")
    assert key.scopes == ("/ping.read", f"/accounts/{ACCOUNT}/cards.read", "/accounts/{accountID}/cards.read")
    assert (key.grants, key.enabled) == (("refresh_token",), False)
    key = make(origins=[], scopes=[], grants=())
    assert (key.origins, key.scopes, key.grants) == ((), (), ())


TEXT = "must be printable ASCII text"
LIST = "must be a list of strings"
FLAG = "must be true or false"
ORIGIN = "must be a list of origins such as https://shop.example, without a path or a pattern"
DOTS = "must not be . or ..: clients remove these from a URL's path"
INVALID_MEMBERS: list[tuple[str, object, str]] = [
    ("client_id", "", TEXT),
    ("client_id", 5, TEXT),
    ("client_id", "é", TEXT),
    ("client_id", "a\n", TEXT),
    ("client_id", "a:b", "must not contain a colon: HTTP Basic uses it as the separator"),
    ("client_id", ".", DOTS),
    ("client_id", "..", DOTS),
    ("client_secret", "", TEXT),
    ("client_secret", ["a"], TEXT),
    ("client_secret", "\x7f", TEXT),
    ("account_id", "x", "must be a UUID"),
    ("account_id", 5, "must be a UUID"),
    ("application_id", "", "must be a UUID"),
    ("origins", "https://shop.example", LIST),
    ("origins", [1], LIST),
    ("origins", ["https://shop.example/"], ORIGIN),
    ("origins", ["https://shop.example", "shop.example"], ORIGIN),
    ("origins", ["null"], ORIGIN),
    ("scopes", "/ping.read", LIST),
    ("scopes", {"/ping.read": 1}, LIST),
    ("scopes", ["/ping.read", None], LIST),
    ("grants", "refresh_token", LIST),
    ("grants", ["password"], "contains an unknown grant 'password'"),
    ("grants", ["refresh_tokn"], "contains an unknown grant 'refresh_tokn'; did you mean refresh_token?"),
    ("enabled", "true", FLAG),
    ("enabled", 1, FLAG),
    ("enabled", 0, FLAG),
]


def test_invalid_member_is_named_with_the_reason() -> None:
    answers = [rejection({**REQUIRED, name: value}) for name, value, _ in INVALID_MEMBERS]
    assert answers == [(name, f"{name} of an API key {reason}") for name, _, reason in INVALID_MEMBERS]


def test_unknown_member_is_quoted_only_if_it_is_a_typo() -> None:
    hint = "an API key has no member 'clientId'; did you mean client_id?"
    assert rejection({**REQUIRED, "clientId": None}) == ("clientId", hint)
    members = "client_id, client_secret, account_id, application_id, origins, scopes, grants, enabled"
    for name in ("zzz", "epoch"):
        assert rejection({**REQUIRED, name: None}) == ("...", f"unknown member: an API key has {members}")


@pytest.mark.parametrize(
    ("scopes", "unknown"),
    [
        (None, ""),
        ([], ""),
        (["/ping.read", "/accounts/{accountID}/cards.read", f"/accounts/{ACCOUNT}/cards.read"], ""),
        (["/ping.read", "/pong.read", "/pang.read"], "/pong.read"),
        (["/accounts/{accountID}/ping.read"], "/accounts/{accountID}/ping.read"),
        (["/accounts/{accountId}/cards.read"], "/accounts/{accountId}/cards.read"),
    ],
)
def test_first_unknown_scope_of_a_key_is_found(scopes: Any, unknown: str) -> None:
    assert unknown_scope(make(scopes=scopes), CATALOGUES["strict"]) == unknown


QUOTED = {
    "account_id": ("none", "must be a UUID, not 'none'"),
    "scopes": ("/ping.read", "must be a list of strings, not '/ping.read'"),
    "origins": (
        ["shop"],
        "must be a list of origins such as https://shop.example, without a path or a pattern, not 'shop'",
    ),
    "grants": (["password"], "contains an unknown grant 'password'"),
    "enabled": ("yes", "must be true or false, not 'yes'"),
    "client_id": ("a:b", "must not contain a colon: HTTP Basic uses it as the separator"),
}


def test_an_error_quotes_the_member_unless_it_may_be_a_secret() -> None:
    found = {}
    for name, (value, _) in QUOTED.items():
        with pytest.raises(FieldError) as caught:
            make_api_key({"client_id": "a", "client_secret": "b", name: value})
        found[name] = (value, caught.value.quoted.removeprefix(f"{name} of an API key "))
        if "not" in found[name][1]:
            assert str(caught.value) == caught.value.quoted.partition(", not ")[0]
    assert found == QUOTED


def test_an_error_without_a_value_reads_the_same_quoted() -> None:
    assert FieldError("name", "name is missing").quoted == "name is missing"
