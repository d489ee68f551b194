"""Moov's operations: the table, and why a token's scopes are not enough for one."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mockmoov
from mockmoov.data.operation_sources import SOURCES
from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.errors import FieldError
from mockmoov.oauth.operations import (
    ACCOUNT_PARAMETER,
    BY_PATH,
    ENDPOINTS,
    OPERATION_NAMES,
    endpoint_name,
    missing_scope_reason,
    operation_name,
    path_parameters,
)

DATA = Path(mockmoov.__file__).parent / "data" / "operations.json"
ACCOUNT, OTHER = "5352b013-ae58-4a63-8a3f-97f316a917cf", "0b7f3a5e-1111-4c2d-9e8f-aabbccddeeff"
PARTNER = "aa7f3a5e-2222-4c2d-9e8f-aabbccddeeff"
TEMPLATES = sorted(SCOPES)
SECRET = "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-"


def of(account: str, *scopes: str) -> list[str]:
    return [scope.replace("{accountID}", account) for scope in scopes]


def missing(granted: Sequence[str], needed: Sequence[str], parameters: Mapping[str, str]) -> str:
    """The reason for an operation with one set of scopes."""
    return missing_scope_reason(granted, [needed], parameters, PARTNER)


# --- the table ----------------------------------------------------------------------------------------


def test_operations_are_those_of_the_data_file() -> None:
    document = json.loads(DATA.read_bytes())
    assert document["source"].startswith("spec: ")
    found = {
        (method, path): (item.name, list(map(list, item.scope_sets)), SOURCES.get((method, path), {}))
        for path, methods in BY_PATH.items()
        for method, item in methods.items()
    }
    assert found == {
        (method, path): (
            item["name"],
            [] if item["scopes"] is None else [item["scopes"], *item.get("or", [])],
            {name: item[name] for name in item.keys() - {"name", "scopes", "or"}},
        )
        for path, methods in document["operations"].items()
        for method, item in methods.items()
    }
    assert len(found) == 209
    scopes = {scope for _, sets, _ in found.values() for names in sets for scope in names}
    assert {scope.replace("{partnerAccountID}", "{accountID}") for scope in scopes} <= set(SCOPES)


# --- missing scopes -----------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(TEMPLATES), max_size=4), st.lists(st.sampled_from(TEMPLATES), max_size=2))
def test_all_scopes_are_needed_for_the_account_in_the_path(required: list[str], extra: list[str]) -> None:
    granted, in_path = of(ACCOUNT, *extra, *required), {ACCOUNT_PARAMETER: ACCOUNT}
    assert missing(granted, required, in_path) == ""
    assert missing(granted, required, {ACCOUNT_PARAMETER: ACCOUNT.upper()}) == ""
    is_bound = "{accountID}" in "".join(required)
    assert bool(missing(granted, required, {ACCOUNT_PARAMETER: OTHER})) == is_bound
    assert missing(granted, required, {}) == ""  # no account in the path: any account's will do
    for scope in set(required) - set(extra):
        fewer = [other for other in granted if other != of(ACCOUNT, scope)[0]]
        assert missing(fewer, required, in_path)


@given(st.lists(st.lists(st.sampled_from(TEMPLATES), max_size=3), min_size=1, max_size=3))
def test_one_whole_set_is_enough_and_reasons_name_the_first(sets: list[list[str]]) -> None:
    in_path = {ACCOUNT_PARAMETER: ACCOUNT}
    for needed in sets:
        assert missing_scope_reason(of(ACCOUNT, *needed), sets, in_path, PARTNER) == ""
    if all(sets):
        assert missing_scope_reason([], sets, in_path, PARTNER) == missing([], sets[0], in_path)


def test_a_partner_acts_with_scopes_for_its_own_account() -> None:
    sets = BY_PATH["/accounts/{accountID}/tickets"]["GET"].scope_sets
    tickets, profile = "/accounts/{accountID}/tickets.read", "/accounts/{accountID}/profile.read"
    in_path = {ACCOUNT_PARAMETER: ACCOUNT}
    granted = {
        "the account's": of(ACCOUNT, tickets),
        "the partner's": of(PARTNER, tickets) + of(ACCOUNT, profile),
        "the partner's only": of(PARTNER, tickets),
        "the profile only": of(ACCOUNT, profile),
        "another's": of(OTHER, tickets) + of(ACCOUNT, profile),
    }
    passing = {
        who for who, scopes in granted.items() if not missing_scope_reason(scopes, sets, in_path, PARTNER)
    }
    assert passing == {"the account's", "the partner's"}


def test_without_a_set_no_token_is_enough() -> None:
    reason = "no token is enough here: send the API key with HTTP Basic"
    assert missing_scope_reason([*SCOPES], (), {}, PARTNER) == reason
    assert missing_scope_reason([], ((),), {}, PARTNER) == ""


def test_reason_names_the_missing_scopes_and_what_there_is() -> None:
    cards, files = "/accounts/{accountID}/cards.read", "/accounts/{accountID}/files.read"
    mine, others = of(ACCOUNT, cards, files), of(OTHER, cards, files)
    elsewhere = f"it has the same for account {OTHER}"
    expected = {
        ((), ("/ping.read",), None): "/ping.read; it has none",
        (("/ping.raed",), ("/ping.read",), None): "/ping.read; it has /ping.raed",
        (("/ping.read",), (cards,), ACCOUNT): f"{mine[0]}; it has /ping.read",
        (("/ping.read",), (cards,), None): f"{cards}; it has /ping.read",
        (("/cards.read",), (cards,), ACCOUNT): f"{mine[0]}; it has /cards.read",
        ((others[0],), (cards,), ACCOUNT): f"{mine[0]}; {elsewhere}",
        ((*others,), (cards, files), ACCOUNT): f"{mine[0]} {mine[1]}; {elsewhere}",
        ((others[0],), (cards, files), ACCOUNT): f"{mine[0]} {mine[1]}; it has {others[0]}",
        ((mine[0],), (cards, files), ACCOUNT): f"{mine[1]}; it has {mine[0]}",
        ((mine[0],), (cards,), "me"): f"{cards}; the account in the path is not a UUID",
        ((mine[0],), (files, cards), SECRET): f"{files} {cards}; the account in the path is not a UUID",
        ((), ("/ping.read",), "me"): "/ping.read; it has none",
        ((SECRET,), ("/ping.read",), None): "/ping.read; it has 1 of another form",
    }
    found = {
        (granted, scopes, account): missing(
            granted, scopes, {} if account is None else {ACCOUNT_PARAMETER: account}
        )
        for granted, scopes, account in expected
    }
    assert found == {case: f"the token lacks scope {reason}" for case, reason in expected.items()}


# --- names --------------------------------------------------------------------------------------------


def test_endpoint_is_named_by_its_name_or_by_method_and_path() -> None:
    for path, methods in BY_PATH.items():
        for method, operation in methods.items():
            for name in (operation.name, f"{method} {path}"):
                assert endpoint_name(name) == operation_name(name) == operation.name
    for name in ("token", "revoke"):
        assert endpoint_name(name) == endpoint_name(f"POST /oauth2/{name}") == name
    assert {*ENDPOINTS.values()} == {"token", "revoke", *OPERATION_NAMES}


EXAMPLE = "such as listAccounts or GET /accounts/{accountID}"
LISTS = "; `mockmoov operations` lists them"
UNKNOWN = {
    "listAcounts": "; did you mean listAccounts?",
    "get /accounts": "; did you mean listAccounts?",
    "/ping": "; did you mean ping?",
    "GET /zzz/zzz/zzz/zzz": "",
    "": "",
}


def test_unknown_endpoint_is_quoted_with_the_nearest() -> None:
    for sent, hint in UNKNOWN.items():
        for read, expected in (
            (endpoint_name, "token, revoke or an operation"),
            (operation_name, "an operation"),
        ):
            with pytest.raises(FieldError) as caught:
                read(sent)
            assert caught.value.field == "endpoint"
            assert str(caught.value) == f'endpoint must be {expected}, {EXAMPLE}, not "{sent}"{hint}{LISTS}'
    with pytest.raises(FieldError, match=f'not "{"x" * 57}\\.\\.\\.";'):
        endpoint_name("x" * 61)
    with pytest.raises(FieldError, match="must be an operation"):
        operation_name("token")
    with pytest.raises(FieldError) as caught:
        operation_name("tokn")
    assert "did you mean token?" not in str(caught.value)


def test_path_parameters_are_those_of_all_paths_of_an_operation() -> None:
    assert path_parameters("listAccounts") == frozenset()
    assert path_parameters("getTransfer") == {"accountID", "transferID"}
    assert path_parameters("createTransferOptions") == {"accountID"}  # has one path with it, one without
    assert path_parameters("token") == frozenset()
