"""What a wrong endpoint may mean: a path with values, a URL, another verb, or a typo."""

import pytest

from mockmoov.oauth.endpoint_suggestions import suggest_endpoint
from mockmoov.oauth.operations import ENDPOINTS

ACCOUNT = "5352b013-ae58-4a63-8a3f-97f316a917cf"


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        (f"GET /accounts/{ACCOUNT}", "getAccount"),
        (f"get /accounts/{ACCOUNT}/?a=b#c", "getAccount"),
        ("GET /accounts/{id}", "getAccount"),
        ("/accounts/123/cards", "listCards (GET) or linkCard (POST)"),
        ("https://api.moov.io/accounts", "listAccounts (GET) or createAccount (POST)"),
        ("PUT http://localhost:8080/accounts", "listAccounts (GET) or createAccount (POST)"),
        ("https://api.moov.io/oauth2/token", "token"),
        ("GET /account", "GET /accounts"),
        ("createBankAccount", "linkBankAccount"),
        ("delete_card", "disableCard"),
        ("card", "listCards or linkCard or disableCard or getCard or updateCard"),
        ("sellCards", "listCards or linkCard or disableCard or getCard or updateCard"),
        ("createToken", "token"),
        ("listAcounts", "listAccounts"),
        ("pong", "ping"),
    ],
)
def test_endpoints_are_suggested(wrong: str, meant: str) -> None:
    assert suggest_endpoint(wrong, ENDPOINTS) == f"; did you mean {meant}?"


@pytest.mark.parametrize(
    "wrong", ["", "/", "//", "?", "?/", "-", "https://api.moov.io", "zzzzzz", "/a b/ c" * 9999]
)
def test_nothing_is_suggested_for_nonsense(wrong: str) -> None:
    assert suggest_endpoint(wrong, ENDPOINTS) == ""


def test_most_specific_path_is_suggested() -> None:
    endpoints = {"GET /a/{b}": "getB", "GET /a/c": "getC", "POST /a/c": "addC"}
    assert suggest_endpoint("GET /a/c/", endpoints) == "; did you mean getC?"
    assert suggest_endpoint("GET /a/d", endpoints) == "; did you mean getB?"
