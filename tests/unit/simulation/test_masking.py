"""What the journal masks of an operation's path, query and body."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.oauth.encoding import to_json
from mockmoov.simulation.masking import HIDDEN, mask_json, mask_query
from mockmoov.simulation.matching import Where
from mockmoov.simulation.redaction import masked_condition

UUID = "5352b013-ae58-4a63-8a3f-97f316a917cf"
SECRET = "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-"
SECRET_NAMES = [
    *("cardNumber", "card_number", "CARD-NUMBER", "cardCvv", "cvv", "cvc", "pan", "accountNumber", "iban"),
    *("password", "clientSecret", "secret", "token", "accessToken", "refresh_token", "apiKey", "api_key"),
    *("pwd", "otp", "cardPin", "pinCode", "cookie", "auth", "bearer", "socialSecurityNumber"),
    *("ssn", "taxID", "ein", "itin", "pin", "authorization", "privateKey", "passphrase", "signature"),
]
HARMLESS_NAMES = [
    *("accountID", "amount", "lastFourCardNumber", "lastFourAccountNumber", "routingNumber", "shipping"),
    *("description", "panel", "opinion", "being", "key", "count", "paymentMethodID"),
]
HARMLESS: list[Any] = [
    *(UUID, "", "é", "USD", "2026-11-29T19:35:29Z", "12345678901", "+1 555 123 4567", "jules@example.com"),
    *("https://shop.example/orders/2026/some-readable-words", "order-2026-000123", "note: paid, at 12:30:05"),
    *("images/2026/november/29/front", "International-Transfer-Fee", 99_999_999_999),
    *(1.5, True, None, "00000000-0000-0000-0000-000000000001"),
]
MASKED: list[tuple[Any, Any]] = [
    ("4111111111111111", HIDDEN),
    ("4111 1111 1111 1111", HIDDEN),
    ("card 4111-1111-1111-1111.", f"card {HIDDEN}."),
    ("123456789012", HIDDEN),
    (100_000_000_000, HIDDEN),
    (-4_111_111_111_111_111, HIDDEN),
    (1e15, HIDDEN),
    (SECRET, HIDDEN),
    (f"Bearer {SECRET}", f"Bearer {HIDDEN}"),
    ("eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhYmMxMjMifQ", f"{HIDDEN}.{HIDDEN}"),
    (f"x{UUID}", HIDDEN),
    ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", HIDDEN),
    ("4111.1111.1111.1111", HIDDEN),
    ("4111\u20131111\u00a01111_1111", HIDDEN),
    ("4111111111111111USD", f"{HIDDEN}USD"),
    ("".join(chr(0xFF10 + int(digit)) for digit in "4111111111111111"), HIDDEN),
    ("https://user:hunter2@shop.example/", f"https://{HIDDEN}@shop.example/"),
    ("https://shop.example/?token=abc&a=b", f"https://shop.example/?token={HIDDEN}&a=b"),
    ('{"password": "hunter2", "a": 1}', f'{{"password": "{HIDDEN}", "a": 1}}'),
]


def test_members_with_secret_names_are_masked() -> None:
    assert mask_json({name: {"a": 1} for name in SECRET_NAMES}) == dict.fromkeys(SECRET_NAMES, HIDDEN)
    assert mask_json(dict.fromkeys(HARMLESS_NAMES, 1)) == dict.fromkeys(HARMLESS_NAMES, 1)
    nested = {"source": [{"card": {"cardNumber": "4", "brand": "visa"}}]}
    assert mask_json(nested) == {"source": [{"card": {"cardNumber": HIDDEN, "brand": "visa"}}]}
    assert mask_query({"token": ("a", "b"), "count": ("1",)}) == {"token": (HIDDEN, HIDDEN), "count": ("1",)}


def test_values_are_masked_by_their_looks() -> None:
    assert mask_json(HARMLESS) == HARMLESS
    assert [mask_json(value) for value, _ in MASKED] == [masked for _, masked in MASKED]


def test_names_are_masked_too() -> None:
    assert mask_json({SECRET: 1}) == {HIDDEN: 1}
    assert mask_query({SECRET: ("1",)}) == {HIDDEN: ("1",)}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(value=JSON, secret=st.from_regex(r"~[A-Za-z0-9]{4,40}~", fullmatch=True))
@example(value={}, secret="~abcd~")
def test_secret_of_the_client_never_stays(value: object, secret: str) -> None:
    body = {"note": f"it is {secret}!", secret: [secret], "more": value}
    assert secret.encode() not in to_json(mask_json(body, secret))


def test_secret_of_the_client_is_masked_in_a_query() -> None:
    assert mask_query({"a": ("x hunter2", "b"), "hunter2": ("c",)}, "hunter2") == {
        "a": (f"x {HIDDEN}", "b"),
        HIDDEN: ("c",),
    }


def test_words_between_slashes_are_masked_from_twenty_characters() -> None:
    word, long = "a" * 18 + "1", "a" * 19 + "1"
    assert mask_json([f"images/{word}", f"images/{long}", f"images/{UUID}"]) == [
        *(f"images/{word}", HIDDEN, f"images/{UUID}"),
    ]


def test_secret_that_is_a_uuid_is_masked() -> None:
    assert mask_json([UUID, f"x {UUID}"], secret=UUID) == [HIDDEN, f"x {HIDDEN}"]


@given(JSON)
def test_masking_twice_changes_nothing_more(value: object) -> None:
    assert mask_json(mask_json(value)) == mask_json(value)


CONDITIONS: list[tuple[dict[str, Any], str | None]] = [
    ({}, None),
    ({"method": "GET", "body": {"amount": {"value": 100}}}, None),
    ({"headers": {"x-idempotency-key": SECRET, "Content-Type": "application/json"}}, None),
    ({"query": {"count": "1", "skip": None}, "path_parameters": {"accountID": UUID}}, None),
    ({"parameters": {"grant_type": "refresh_token", "client_id": "x"}}, None),
    ({"body": {"source": {"cardNumber": "4"}}}, "body.source.cardNumber"),
    ({"body": {"note": [SECRET]}}, "body.note[0]"),
    ({"body": {SECRET: 1}}, f"body.{HIDDEN}"),
    ({"query": {"access_token": "x"}}, "query.access_token"),
    ({"path_parameters": {"cardID": "4111111111111111"}}, "path_parameters.cardID"),
    ({"headers": {"Authorization": "Bearer x"}}, "headers.Authorization"),
    ({"headers": {"cookie": None}}, "headers.cookie"),
    ({"headers": {"content-type": None}, "parameters": {"token": None}}, None),
    ({"headers": {"content-type": "x"}}, "headers.content-type"),
    ({"parameters": {"refresh_token": "x"}}, "parameters.refresh_token"),
    ({"parameters": {"unknown": "x"}}, "parameters.unknown"),
]


@pytest.mark.parametrize(("where", "name"), CONDITIONS)
def test_condition_about_something_masked_is_named(where: dict[str, Any], name: str | None) -> None:
    assert masked_condition(Where(**where)) == name
