"""API keys: what makes one valid, what follows if a member is left out, and who is at fault if not."""

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


def test_the_example_key_is_the_documented_one() -> None:
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


@given(CLIENT_IDS, CREDENTIALS)
def test_client_id_and_secret_are_enough(client_id: str, client_secret: str) -> None:
    key = make_api_key({"client_id": client_id, "client_secret": client_secret})
    assert (key.client_id, key.client_secret) == (client_id, client_secret)
    assert key.origins == ()
    assert key.scopes is None  # all
    assert key.grants == ("client_credentials", "refresh_token")  # both
    assert key.enabled


@given(CLIENT_IDS, CLIENT_IDS)
def test_every_key_has_ids_of_its_own_and_the_same_ones_each_time(one: str, other: str) -> None:
    first, second = make(client_id=one), make(client_id=other)
    ids = {first.account_id, first.application_id, second.account_id, second.application_id}
    assert len(ids) == (2 if one == other else 4)
    assert all(str(UUID(text)) == text for text in ids)


@pytest.mark.parametrize("name", ["account_id", "application_id", "origins", "scopes", "grants", "enabled"])
def test_a_member_that_is_null_counts_as_left_out(name: str) -> None:
    assert make(**{name: None}) == make()


@pytest.mark.parametrize("name", ["client_id", "client_secret"])
def test_client_id_and_secret_are_required(name: str) -> None:
    for members in ({**REQUIRED, name: None}, {key: REQUIRED[key] for key in REQUIRED if key != name}):
        with pytest.raises(FieldError, match=f"^an API key needs a {name}$") as caught:
            make_api_key(members)
        assert caught.value.field == name


def test_every_member_that_is_given_is_taken() -> None:
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
    assert key.grants == ("refresh_token",)
    assert not key.enabled


def test_a_list_may_be_empty() -> None:
    key = make(origins=[], scopes=[], grants=())
    assert (key.origins, key.scopes, key.grants) == ((), (), ())


TEXT = "must be printable ASCII text"
LIST = "must be a list of strings"
FLAG = "must be true or false"
ORIGIN = "must be a list of origins such as https://shop.example, without a path"


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("client_id", "", TEXT),
        ("client_id", 5, TEXT),
        ("client_id", "é", TEXT),
        ("client_id", "a\n", TEXT),
        ("client_id", "a:b", "must not contain a colon: HTTP Basic uses it as the separator"),
        ("client_id", ".", "must not be . or ..: clients remove these from a URL's path"),
        ("client_id", "..", "must not be . or ..: clients remove these from a URL's path"),
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
    ],
)
def test_a_bad_member_is_named_with_its_fault(name: str, value: object, fault: str) -> None:
    with pytest.raises(FieldError) as caught:
        make(**{name: value})
    assert (caught.value.field, str(caught.value)) == (name, f"{name} of an API key {fault}")


KNOWN = "client_id, client_secret, account_id, application_id, origins, scopes, grants, enabled"


@pytest.mark.parametrize(
    ("name", "field", "message"),
    [
        ("clientId", "clientId", "an API key has no member 'clientId'; did you mean client_id?"),
        ("zzz", "...", f"unknown member: an API key has {KNOWN}"),
        ("epoch", "...", f"unknown member: an API key has {KNOWN}"),
    ],
)
def test_an_unknown_member_is_refused_and_quoted_only_if_it_is_nearly_right(
    name: str, field: str, message: str
) -> None:
    with pytest.raises(FieldError) as caught:
        make(**{name: None})
    assert (caught.value.field, str(caught.value)) == (field, message)


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
def test_a_keys_first_scope_that_no_token_could_have_is_found(scopes: Any, unknown: str) -> None:
    assert unknown_scope(make(scopes=scopes), CATALOGUES["strict"]) == unknown
