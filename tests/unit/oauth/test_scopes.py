"""Scopes: syntax, the catalogue, what covers what, and the nearest known one for a wrong one."""

import re
import string
from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.errors import ErrorCode, OAuthError, invalid_scope
from mockmoov.oauth.scopes import (
    ACCOUNT_ID,
    CATALOGUES,
    canonical,
    check_grantable,
    covers,
    did_you_mean,
    is_account,
    parse_scope,
    permits,
    summarize_scopes,
    template,
)

ACCOUNT = "ec7e1848-dc80-4ab0-8827-dd7fc0737b43"
OTHER = "5352b013-ae58-4a63-8a3f-97f316a917cf"
CARDS = f"/accounts/{ACCOUNT}/cards.read"
STRICT, OPEN = CATALOGUES["strict"], CATALOGUES["open"]

# RFC 6749 §3.3: %x21 / %x23-5B / %x5D-7E
SCOPE_CHARACTERS = st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"\\')
TOKENS = st.text(SCOPE_CHARACTERS, min_size=1)
ACCOUNTS = st.uuids().flatmap(lambda uuid: st.sampled_from([str(uuid), str(uuid).upper()]))


def with_account(scope: str, account: str) -> str:
    return scope.replace(ACCOUNT_ID, account)


KNOWN = st.builds(with_account, st.sampled_from(sorted(SCOPES)), ACCOUNTS)
SETS = st.lists(KNOWN, max_size=4)


def refusal(act: Callable[[], object]) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        act()
    error = caught.value
    assert (error.code, error.parameter) == (ErrorCode.INVALID_SCOPE, "scope")
    return error


# --- the catalogue ----------------------------------------------------------------------------------


def test_the_catalogue_has_49_templates_each_with_its_sources() -> None:
    assert len(SCOPES) == 49
    for scope, sources in SCOPES.items():
        assert re.fullmatch(r"(/accounts/\{accountID\})?/[a-z-]+\.[a-z-]+", scope)
        assert sources
        assert set(sources) <= {"operation", "seed", "moov-go", "moov-node"}


def test_the_catalogue_has_the_scopes_that_the_contract_names() -> None:
    assert {"/ping.read", "/accounts.read", "/accounts.write"} <= set(SCOPES)


@given(KNOWN)
def test_a_scope_of_the_catalogue_is_known_for_every_account(scope: str) -> None:
    assert STRICT(scope)
    assert OPEN(scope)


@pytest.mark.parametrize("scope", [scope for scope in sorted(SCOPES) if ACCOUNT_ID in scope])
def test_a_template_itself_is_no_scope(scope: str) -> None:
    assert not STRICT(scope)
    assert not OPEN(scope)


@pytest.mark.parametrize(
    "scope",
    [
        "/ping.reads",
        "/Ping.read",
        "ping.read",
        "/cards.read",
        "/accounts/x/cards.read",
        f"/accounts/{ACCOUNT}/ping.read",
        f"/accounts/{ACCOUNT}/accounts/{ACCOUNT}/cards.read",
        "/accounts.write ",
    ],
)
def test_the_strict_catalogue_takes_nothing_else(scope: str) -> None:
    assert not STRICT(scope)


@pytest.mark.parametrize("scope", ["/new.read", f"/accounts/{ACCOUNT}/new-thing_2.Do-it"])
def test_the_open_catalogue_takes_anything_of_the_right_form(scope: str) -> None:
    assert OPEN(scope)
    assert not STRICT(scope)


@pytest.mark.parametrize(
    "scope",
    [
        "new.read",
        "/new",
        "/a/b.read",
        "/accounts/x/new.read",
        f"/accounts/{ACCOUNT}x/new.read",
        "/.",
        "/a.b.c",
    ],
)
def test_the_open_catalogue_takes_nothing_of_another_form(scope: str) -> None:
    assert not OPEN(scope)


def test_there_are_two_catalogues() -> None:
    assert list(CATALOGUES) == ["strict", "open"]


# --- syntax -----------------------------------------------------------------------------------------


@given(st.lists(TOKENS, min_size=1, unique_by=canonical))
def test_scope_tokens_come_back_in_the_order_asked(tokens: list[str]) -> None:
    assert parse_scope(" ".join(tokens)) == tuple(tokens)


@given(st.lists(TOKENS, min_size=1))
def test_scope_tokens_come_back_without_repeats(tokens: list[str]) -> None:
    parsed = parse_scope(" ".join(tokens))
    assert parsed == tuple(dict.fromkeys(parsed))
    assert set(map(canonical, parsed)) == set(map(canonical, tokens))
    assert parse_scope(" ".join(parsed)) == parsed


@given(st.lists(TOKENS, min_size=1), st.text(" \t\r\n", min_size=1), st.text(" \t\r\n"))
def test_more_white_space_is_tolerated(tokens: list[str], between: str, around: str) -> None:
    assert parse_scope(around + between.join(tokens) + around) == parse_scope(" ".join(tokens))


@given(st.text(" \t\r\n"))
def test_no_scope_token_at_all_means_that_scope_is_missing(text: str) -> None:
    reason = "scope is missing: name at least one, such as /accounts.write"
    assert refusal(lambda: parse_scope(text)).reason == reason


@given(
    TOKENS | st.just(""),
    st.characters().filter(lambda c: not re.match(r"[\x21\x23-\x5b\x5d-\x7e \t\r\n]", c)),
    TOKENS | st.just(""),
)
def test_any_other_character_makes_the_scope_malformed(before: str, odd: str, after: str) -> None:
    reason = "scope is malformed: send printable ASCII scopes, separated by single spaces"
    assert refusal(lambda: parse_scope(f"/ping.read {before}{odd}{after}")).reason == reason


@given(KNOWN)
def test_a_scope_repeated_with_the_account_in_another_case_is_one_scope(scope: str) -> None:
    account = ACCOUNT_ID if (match := re.search(r"[0-9A-Fa-f-]{36}", scope)) is None else match[0]
    assert parse_scope(f"{scope} {scope.replace(account, account.swapcase())}") == (scope,)


@given(st.sampled_from(sorted(SCOPES)), st.uuids())
def test_an_accounts_id_is_compared_without_case_and_all_else_with_it(scope: str, account: UUID) -> None:
    lower, upper = with_account(scope, str(account)), with_account(scope, str(account).upper())
    assert canonical(lower) == canonical(upper) == lower
    assert template(lower) == template(upper) == scope
    assert canonical(scope.upper()) == scope.upper()


@pytest.mark.parametrize(
    "scope", ["/accounts/", f"/accounts/{ACCOUNT}", f"/accounts/{ACCOUNT}/", f"x/accounts/{ACCOUNT}/a.b", ""]
)
def test_what_names_no_account_is_its_own_template(scope: str) -> None:
    assert template(scope) == canonical(scope) == scope


# --- what may be granted ----------------------------------------------------------------------------


@given(SETS)
def test_every_known_scope_may_be_granted_to_a_key_without_a_list(asked: list[str]) -> None:
    check_grantable(asked, STRICT, None)


@given(SETS, SETS)
def test_a_key_with_a_list_gets_what_is_on_it_or_covered_by_a_template_on_it(
    exact: list[str], templates: list[str]
) -> None:
    allowed = (*map(canonical, exact), *map(template, templates))
    check_grantable([*exact, *templates], STRICT, allowed)


@given(st.lists(KNOWN, min_size=1), KNOWN)
def test_a_key_with_a_list_gets_nothing_else(allowed: list[str], other: str) -> None:
    listed = tuple(map(canonical, allowed))
    if canonical(other) not in listed and template(other) not in listed:
        error = refusal(lambda: check_grantable([allowed[0], other], STRICT, listed))
        assert error.reason == f"scope {other} is not allowed for this API key"


def test_a_key_with_an_empty_list_gets_nothing() -> None:
    refusal(lambda: check_grantable(["/ping.read"], STRICT, ()))


def test_an_accounts_scope_on_the_list_does_not_stand_for_another_accounts() -> None:
    allowed = (CARDS,)
    check_grantable([CARDS.replace(ACCOUNT, ACCOUNT.upper())], STRICT, allowed)
    refusal(lambda: check_grantable([CARDS.replace(ACCOUNT, OTHER)], STRICT, allowed))


def test_an_unknown_scope_is_refused_with_the_nearest_known_one() -> None:
    error = refusal(lambda: check_grantable(["/ping.read", "/acounts.write"], STRICT, None))
    assert error.reason == "scope /acounts.write is not known; did you mean /accounts.write?"


@pytest.mark.parametrize(
    "secret",
    [
        "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-",
        "/dNC-hg7sVm22jc3g.Eogtyu0_1Mqh_4-",
        "/" + "a" * 98 + ".b",
        "x" * 5000,
    ],
)
def test_what_does_not_look_like_a_scope_is_not_repeated_in_the_reason(secret: str) -> None:
    error = refusal(lambda: check_grantable([secret], STRICT, None))
    assert error.reason == "scope (not of the form /family.permission) is not known"


@pytest.mark.parametrize("scope", ["/zzz-zzz.qqq", f"/accounts/{ACCOUNT}/zzz-zzz.qqq"])
def test_what_reads_like_a_scope_is_repeated_in_the_reason(scope: str) -> None:
    assert refusal(lambda: check_grantable([scope], STRICT, None)).reason == f"scope {scope} is not known"


@pytest.mark.parametrize(("length", "repeated"), [(100, True), (101, False)])
def test_no_more_than_100_characters_of_a_scope_are_repeated(length: int, repeated: bool) -> None:
    scope = (f"/accounts/{ACCOUNT}/" + "z" * 26 + "." + "q" * 99)[:length]
    assert (scope in refusal(lambda: check_grantable([scope], STRICT, None)).reason) == repeated


def test_the_refusal_of_a_scope_blames_the_scope() -> None:
    error = invalid_scope("because")
    assert (error.code, error.parameter, error.reason) == ("invalid_scope", "scope", "because")


def unknown(scope: str, catalogue: Callable[[str], bool] = STRICT) -> str:
    reason = refusal(lambda: check_grantable([scope], catalogue, None)).reason
    return reason.partition(" is not known")[2]


@pytest.mark.parametrize("scope", [scope for scope in sorted(SCOPES) if ACCOUNT_ID in scope])
def test_a_template_is_answered_with_what_to_put_into_it_and_not_with_itself(scope: str) -> None:
    assert unknown(scope) == "; replace {accountID} with the UUID of an account"
    assert unknown(scope, OPEN) == "; replace {accountID} with the UUID of an account"


@given(st.lists(KNOWN, min_size=2, max_size=3), st.sampled_from([",", ", ", ",,"]))
def test_scopes_with_commas_between_them_are_answered_with_spaces(scopes: list[str], between: str) -> None:
    first = parse_scope(between.join(scopes))[0]
    assert unknown(first) == "; separate scopes with spaces"


# --- what is told of a token's scopes ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("granted", "told"),
    [
        ([], "none"),
        (["/ping.raed"], "/ping.raed"),
        (["/ping.read", CARDS], f"/ping.read {CARDS}"),
        (["/a.b", "/c.d", "/e.f", "/g.h", "/i.j"], "/a.b /c.d /e.f and 2 more"),
        (["dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-", "/a.b"], "/a.b and 1 more"),
        (["dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-", "*"], "2 of another form"),
    ],
)
def test_of_the_scopes_of_a_token_the_first_few_are_told_that_read_like_scopes(
    granted: list[str], told: str
) -> None:
    assert summarize_scopes(granted) == told


@given(st.lists(TOKENS, max_size=6))
def test_what_does_not_read_like_a_scope_is_counted_only(granted: list[str]) -> None:
    words = summarize_scopes(granted).split()
    assert {word for word in words if word.startswith("/")} <= set(granted)
    assert len(words) <= 3 + len(["and", "3", "more"])


@given(st.uuids().map(str) | st.text())
def test_an_account_is_a_uuid(text: str) -> None:
    assert (
        is_account(text)
        == is_account(text.upper())
        == (template(f"/accounts/{text}/a.b") != f"/accounts/{text}/a.b")
    )


# --- what covers what -------------------------------------------------------------------------------


@given(SETS, SETS)
def test_what_is_granted_covers_itself_its_parts_and_nothing_more_by_less(
    some: list[str], more: list[str]
) -> None:
    assert covers(some, some)
    assert covers([*some, *more], some)
    if covers(some, more):
        assert set(map(canonical, more)) <= set(map(canonical, some))


@given(SETS, SETS, SETS)
def test_narrowing_twice_is_narrowing(first: list[str], second: list[str], third: list[str]) -> None:
    if covers(first, second) and covers(second, third):
        assert covers(first, third)


@given(SETS, SETS, SETS)
def test_more_grants_never_cover_or_permit_less(
    granted: list[str], more: list[str], asked: list[str]
) -> None:
    assert covers([*granted, *more], asked) >= covers(granted, asked)
    assert permits([*granted, *more], asked) >= permits(granted, asked)


@pytest.mark.parametrize(
    ("granted", "asked"),
    [
        ("/accounts.write", "/accounts.read"),
        ("/accounts.read", "/accounts.write"),
        ("/terminal-applications.read", f"/accounts/{ACCOUNT}/terminal-applications.read"),
        (f"/accounts/{ACCOUNT}/terminal-applications.read", "/terminal-applications.read"),
        (CARDS, CARDS.replace(ACCOUNT, OTHER)),
        ("/ping.read", "/Ping.read"),
    ],
)
def test_scopes_are_exact(granted: str, asked: str) -> None:
    assert not covers([granted], [asked])
    assert not permits([granted], [asked])


@given(KNOWN)
def test_an_operation_that_names_no_account_is_met_by_any_accounts_scope(scope: str) -> None:
    assert permits([scope], [template(scope)])
    assert permits([scope], [scope.swapcase().lower()])


def test_where_several_scopes_are_listed_all_are_needed() -> None:
    assert permits([CARDS, "/ping.read"], ["/ping.read", CARDS])
    assert not permits([CARDS], ["/ping.read", CARDS])
    assert permits([], [])


# --- did you mean -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "suggestion"),
    [
        ("/acounts.write", "/accounts.write"),
        ("/ping.reed", "/ping.read"),
        ("accounts.read", "/accounts.read"),
        ("/cards.read", "/accounts/{accountID}/cards.read"),
        (f"/accounts/{ACCOUNT}/card.read", CARDS),
        (f"/accounts/{ACCOUNT}/ping.read", "/ping.read"),
        ("/accounts/{accountID}/card.read", "/accounts/{accountID}/cards.read"),
        ("/terminal-application.read", "/terminal-applications.read"),
        (
            f"/accounts/{ACCOUNT}/terminal-application.read",
            f"/accounts/{ACCOUNT}/terminal-applications.read",
        ),
        ("x" * 200 + "/ping.read", "/ping.read"),
    ],
)
def test_the_nearest_known_scope_is_suggested(scope: str, suggestion: str) -> None:
    hint = " (replace {accountID} with the UUID of an account)" if "{accountID}" in suggestion else ""
    assert did_you_mean(scope) == f"; did you mean {suggestion}?{hint}"


@given(st.text(string.digits + "#/"))
def test_nothing_is_suggested_where_nothing_is_near(scope: str) -> None:
    assert did_you_mean(scope) == ""


@pytest.mark.parametrize(
    "scope", ["/nope.read", "/webhooks.read", "/customers.read", "/disputes.read", "/schedules.write"]
)
def test_what_only_ends_alike_is_not_near(scope: str) -> None:
    assert did_you_mean(scope) == ""


@given(KNOWN, st.integers(1), st.sampled_from(string.ascii_lowercase))
def test_a_slip_of_one_letter_is_answered_with_a_known_scope(scope: str, place: int, letter: str) -> None:
    start = scope.rindex("/") + 1
    place = start + place % (len(scope) - start)
    match = re.fullmatch(
        r"; did you mean (.+)\?(?: \(.*\))?", did_you_mean(scope[:place] + letter + scope[place + 1 :])
    )
    assert match is not None
    assert STRICT(match[1].replace(ACCOUNT_ID, ACCOUNT))
