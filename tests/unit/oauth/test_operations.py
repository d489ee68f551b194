"""Which scopes an operation requires, and why the scopes of a token are not enough."""

from itertools import product

import pytest

from mockmoov.oauth.operations import ACCOUNT_PARAMETER, BY_PATH, missing_scope_reason

ACCOUNT, OTHER = "ec7e1848-dc80-4ab0-8827-dd7fc0737b43", "5352b013-ae58-4a63-8a3f-97f316a917cf"
CARDS, WALLETS = "/accounts/{accountID}/cards.read", "/accounts/{accountID}/wallets.read"


def of(scope: str, account: str = ACCOUNT) -> str:
    return scope.replace("{accountID}", account)


def reason(granted: list[str], *required: str, account: str | None = ACCOUNT) -> str:
    return missing_scope_reason(granted, required, {} if account is None else {ACCOUNT_PARAMETER: account})


def test_operations_have_a_name_and_their_scopes() -> None:
    list_cards = BY_PATH["/accounts/{accountID}/cards"]["GET"]
    assert (ACCOUNT_PARAMETER, list_cards.name, list_cards.scopes) == ("accountID", "listCards", (CARDS,))


def test_scopes_for_the_account_in_the_path_are_enough() -> None:
    sufficient: list[tuple[list[str], list[str], str | None]] = [
        ([], [], ACCOUNT),
        (["/ping.read"], ["/ping.read"], ACCOUNT),
        ([of(CARDS)], [CARDS], ACCOUNT),
        ([of(CARDS), of(WALLETS)], [WALLETS, CARDS], ACCOUNT),
        ([of(CARDS, ACCOUNT.upper())], [CARDS], ACCOUNT),
        ([of(CARDS)], [CARDS], ACCOUNT.upper()),
        ([of(CARDS, OTHER)], [CARDS], None),  # no account in the path: any will do
        (["/ping.read"], ["/ping.read"], "me"),
    ]
    answers = [reason(granted, *required, account=account) for granted, required, account in sufficient]
    assert answers == [""] * len(sufficient)


@pytest.mark.parametrize(
    ("granted", "required", "expected"),
    [
        ([], [CARDS], f"{of(CARDS)}; it has none"),
        (["/ping.read"], [CARDS], f"{of(CARDS)}; it has /ping.read"),
        ([of(CARDS)], [WALLETS, "/ping.read"], f"{of(WALLETS)} /ping.read; it has {of(CARDS)}"),
        ([of(CARDS)], [CARDS, WALLETS], f"{of(WALLETS)}; it has {of(CARDS)}"),
        ([of(CARDS, OTHER)], [CARDS], f"{of(CARDS)}; it has this scope for another account"),
        ([of(CARDS, OTHER)], [CARDS, WALLETS], f"{of(CARDS)} {of(WALLETS)}; it has {of(CARDS, OTHER)}"),
    ],
)
def test_missing_scopes_are_named(granted: list[str], required: list[str], expected: str) -> None:
    assert reason(granted, *required) == f"the token lacks scope {expected}"


def test_without_an_account_in_the_path_templates_are_missing() -> None:
    lacking = f"the token lacks scope {CARDS}; it has {of(WALLETS)}"
    assert reason([of(WALLETS)], WALLETS, CARDS, account=None) == lacking


def test_account_in_the_path_must_be_a_uuid() -> None:
    wrong = [
        (granted, account, got)
        for granted, account in product([[], [of(CARDS)], [CARDS]], ["me", "..", "{accountID", f"{ACCOUNT}x"])
        if (got := reason(granted, "/ping.read", CARDS, account=account))
        != f"the token lacks scope /ping.read {CARDS}; the account in the path is not a UUID"
    ]
    assert wrong == []
    assert reason([], "/ping.read", account="me") == "the token lacks scope /ping.read; it has none"
