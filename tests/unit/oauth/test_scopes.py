"""Scopes: their syntax, the catalogue, which may be granted, which cover which, and suggestions for typos."""

import re
import string
from collections.abc import Callable
from itertools import product
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.errors import OAuthError
from mockmoov.oauth.scopes import (
    ACCOUNT_ID,
    CATALOGUES,
    canonical,
    check_grantable,
    covers,
    did_you_mean,
    is_account,
    is_scope_token,
    parse_scope,
    permits,
    summarize_scopes,
    template,
)

ACCOUNT = "ec7e1848-dc80-4ab0-8827-dd7fc0737b43"
OTHER = "5352b013-ae58-4a63-8a3f-97f316a917cf"
CARDS = f"/accounts/{ACCOUNT}/cards.read"
STRICT, OPEN = CATALOGUES["strict"], CATALOGUES["open"]
SECRET = "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-"
TEMPLATES = [scope for scope in SCOPES if ACCOUNT_ID in scope]

# RFC 6749 §3.3: %x21 / %x23-5B / %x5D-7E
SCOPE_CHARACTERS = st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"\\')
TOKENS = st.text(SCOPE_CHARACTERS, min_size=1)
ACCOUNTS = st.uuids().flatmap(lambda uuid: st.sampled_from([str(uuid), str(uuid).upper()]))


def with_account(scope: str, account: str) -> str:
    return scope.replace(ACCOUNT_ID, account)


KNOWN = st.builds(with_account, st.sampled_from(sorted(SCOPES)), ACCOUNTS)
SETS = st.lists(KNOWN, max_size=4)


def reason(act: Callable[[], object]) -> str:
    """Why a scope is rejected."""
    with pytest.raises(OAuthError) as caught:
        act()
    assert (caught.value.code, caught.value.parameter) == ("invalid_scope", "scope")
    return caught.value.reason


# --- the catalogue ----------------------------------------------------------------------------------


def test_catalogue_has_52_scopes_with_their_sources() -> None:
    assert len(SCOPES) == 52
    assert {"/ping.read", "/accounts.read", "/accounts.write"} <= set(SCOPES)
    for scope, sources in SCOPES.items():
        assert re.fullmatch(r"(/accounts/\{accountID\})?/[a-z-]+\.[a-z-]+", scope)
        assert sources
        kinds = {source.partition(" ")[0] for source in sources}
        assert kinds <= {"operation", "seed", "docs", "sdk", "moov-go", "moov-node"}


@given(ACCOUNTS)
def test_catalogue_scopes_are_known_for_every_account(account: str) -> None:
    scopes = [with_account(scope, account) for scope in SCOPES]
    assert [scope for scope in scopes if not (STRICT(scope) and OPEN(scope))] == []
    assert [scope for scope in TEMPLATES if STRICT(scope) or OPEN(scope)] == []  # not a scope itself


def test_strict_takes_the_catalogue_and_open_the_right_form() -> None:
    assert list(CATALOGUES) == ["strict", "open"]
    new = ["/new.read", f"/accounts/{ACCOUNT}/new-thing_2.Do-it", f"/accounts/{ACCOUNT}/ping.read"]
    malformed = ["new.read", "ping.read", "/new", "/.", "/a.b.c", "/a/b.read", "/accounts.write "]
    not_accounts = ["x", f"{ACCOUNT}x", f"{ACCOUNT}/accounts/{OTHER}"]
    malformed += [f"/accounts/{text}/cards.read" for text in not_accounts]
    unknown = [*new, *malformed, "/ping.reads", "/Ping.read", "/cards.read"]
    assert [scope for scope in unknown if STRICT(scope)] == []
    assert [scope for scope in [*new, *malformed] if OPEN(scope)] == new


# --- syntax -----------------------------------------------------------------------------------------


@given(st.lists(TOKENS, min_size=1), st.text(" \t\r\n", min_size=1), st.text(" \t\r\n"))
@example(["b", "a", "b"], " ", "")
@example(["a", "b"], "\t \r\n", " \t\r\n")
def test_scope_tokens_keep_their_order_without_repeats(tokens: list[str], between: str, around: str) -> None:
    first = {canonical(token): token for token in reversed(tokens)}
    expected = tuple(dict.fromkeys(first[canonical(token)] for token in tokens))
    assert parse_scope(around + between.join(tokens) + around) == expected


@given(st.text(" \t\r\n"))
def test_scope_without_tokens_is_missing(text: str) -> None:
    expected = "scope is missing: name at least one, such as /accounts.write"
    assert reason(lambda: parse_scope(text)) == expected


@given(
    TOKENS | st.just(""),
    st.characters().filter(lambda c: not re.match(r"[\x21\x23-\x5b\x5d-\x7e \t\r\n]", c)),
    TOKENS | st.just(""),
)
@example("", '"', "")
@example("a", "\x7f", "b")
def test_other_characters_make_the_scope_malformed(before: str, odd: str, after: str) -> None:
    expected = "scope is malformed: it contains a quote, a backslash or a character outside printable ASCII"
    assert reason(lambda: parse_scope(f"/ping.read {before}{odd}{after}")) == expected


@given(st.sampled_from(sorted(SCOPES)), st.uuids())
@example("/accounts/{accountID}/cards.read", UUID(ACCOUNT))
def test_account_ids_are_compared_without_case(scope: str, account: UUID) -> None:
    lower, upper = with_account(scope, str(account)), with_account(scope, str(account).upper())
    assert canonical(lower) == canonical(upper) == lower
    assert template(lower) == template(upper) == scope
    assert canonical(scope.upper()) == scope.upper()
    assert parse_scope(f"{upper} {lower}") == (upper,)


def test_scope_without_an_account_is_its_own_template() -> None:
    mine = f"/accounts/{ACCOUNT}"
    for scope in ("", "/accounts/", mine, f"{mine}/", f"x{mine}/a.b"):
        assert template(scope) == canonical(scope) == scope


@given(st.uuids().map(str) | st.text())
@example(ACCOUNT)
@example("")
def test_account_is_a_uuid(text: str) -> None:
    scope = f"/accounts/{text}/a.b"
    assert is_account(text) == is_account(text.upper()) == (template(scope) != scope)


# --- what may be granted ----------------------------------------------------------------------------


@given(SETS, SETS)
@example([CARDS], [CARDS.replace(ACCOUNT, OTHER)])
def test_key_gets_the_scopes_and_templates_on_its_list(exact: list[str], templates: list[str]) -> None:
    requested = [*exact, *templates]
    check_grantable(requested, STRICT, (*map(canonical, exact), *map(template, templates)))
    check_grantable(requested, STRICT, None)  # without a list: all


@given(st.lists(KNOWN, min_size=1), KNOWN)
@example(["/ping.read"], "/fed.read")
@example([CARDS], CARDS.replace(ACCOUNT, OTHER))
def test_key_gets_nothing_else(allowed: list[str], other: str) -> None:
    listed = tuple(map(canonical, allowed))
    if canonical(other) not in listed and template(other) not in listed:
        answer = reason(lambda: check_grantable([allowed[0], other], STRICT, listed))
        assert (
            answer == f"scope {other} is not allowed for this API key, which has {summarize_scopes(listed)}"
        )


def test_list_may_be_empty_and_ignores_the_case_of_a_uuid() -> None:
    assert reason(lambda: check_grantable(["/ping.read"], STRICT, ())).endswith(
        "for this API key, which has none"
    )
    check_grantable([CARDS.replace(ACCOUNT, ACCOUNT.upper())], STRICT, (CARDS,))


def rejection(scope: str, catalogue: Callable[[str], bool] = STRICT) -> str:
    """Why an unknown scope is rejected."""
    return reason(lambda: check_grantable([scope], catalogue, None))


def test_only_what_looks_like_a_scope_is_quoted() -> None:
    for scope in (SECRET, "/dNC-hg7sVm22jc3g.Eogtyu0_1Mqh_4-", "/" + "a" * 98 + ".b", "x" * 5000):
        assert rejection(scope) == "a scope that is not of the form /family.permission is not known"
    for scope in ("/zzz-zzz.qqq", f"/accounts/{ACCOUNT}/zzz-zzz.qqq"):
        assert rejection(scope) == f"scope {scope} is not known"
    long = f"/accounts/{ACCOUNT}/" + "z" * 26 + "." + "q" * 99
    assert [long[:length] in rejection(long[:length]) for length in (100, 101)] == [True, False]


def test_unknown_scope_is_rejected_with_advice() -> None:
    assert rejection("/acounts.write") == "scope /acounts.write is not known; did you mean /accounts.write?"
    replace = "replace {accountID} with the UUID of an account"
    suggestion = f"did you mean /accounts/{{accountID}}/cards.read? ({replace})"
    assert rejection("/accounts/{accountId}/cards.read").endswith(f" is not known; {suggestion}")
    for scope, catalogue in product(TEMPLATES, (STRICT, OPEN)):
        assert rejection(scope, catalogue) == f"scope {scope} is not known; {replace}"


@given(st.lists(KNOWN, min_size=2, max_size=3), st.sampled_from([",", ", ", ",,"]))
def test_scopes_separated_by_commas_are_explained(scopes: list[str], between: str) -> None:
    first = parse_scope(between.join(scopes))[0]
    assert rejection(first) == "scope contains a comma: separate scopes with spaces"


def test_summary_lists_a_few_scopes_and_counts_the_rest() -> None:
    summaries = {
        (): "none",
        ("/ping.raed",): "/ping.raed",
        ("/ping.read", CARDS): f"/ping.read {CARDS}",
        ("/a.b", "/c.d", "/e.f", "/g.h", "/i.j"): "/a.b /c.d /e.f and 2 more",
        (SECRET, "/a.b"): "/a.b and 1 more",
        (SECRET, "*"): "2 of another form",
    }
    assert {granted: summarize_scopes(granted) for granted in summaries} == summaries


# --- which scopes cover which -----------------------------------------------------------------------


@given(SETS, SETS, SETS)
@example([CARDS], [CARDS], [CARDS])
@example(["/ping.read"], [CARDS], [CARDS, "/ping.read"])
def test_scopes_cover_exactly_their_subsets(some: list[str], more: list[str], requested: list[str]) -> None:
    both = [*some, *more]
    assert covers(both, some)
    assert covers(both, requested) == (set(map(canonical, requested)) <= set(map(canonical, both)))
    assert permits(both, [*some, *map(template, more)])
    assert permits(both, requested) >= permits(some, requested)


@pytest.mark.parametrize(
    ("granted", "requested"),
    [
        ("/accounts.write", "/accounts.read"),
        ("/accounts.read", "/accounts.write"),
        ("/terminal-applications.read", f"/accounts/{ACCOUNT}/terminal-applications.read"),
        (f"/accounts/{ACCOUNT}/terminal-applications.read", "/terminal-applications.read"),
        (CARDS, CARDS.replace(ACCOUNT, OTHER)),
        ("/ping.read", "/Ping.read"),
    ],
)
def test_scopes_are_exact_and_all_are_needed(granted: str, requested: str) -> None:
    for scopes in ([requested], [granted, requested]):
        assert not covers([granted], scopes)
        assert not permits([granted], scopes)


# --- suggestions ------------------------------------------------------------------------------------

SUGGESTIONS = {
    "/acounts.write": "/accounts.write",
    "/ping.reed": "/ping.read",
    "accounts.read": "/accounts.read",
    "/cards.read": "/accounts/{accountID}/cards.read",
    f"/accounts/{ACCOUNT}/card.read": CARDS,
    f"/accounts/{ACCOUNT}/ping.read": "/ping.read",
    "/accounts/{accountID}/card.read": "/accounts/{accountID}/cards.read",
    "/terminal-application.read": "/terminal-applications.read",
    f"/accounts/{ACCOUNT}/terminal-application.read": f"/accounts/{ACCOUNT}/terminal-applications.read",
    "x" * 200 + "/ping.read": "/ping.read",
}
UNLIKE = ["/nope.read", "/webhooks.read", "/customers.read", "/disputes.read", "/schedules.write"]


def test_most_similar_scope_is_suggested() -> None:
    for scope, suggestion in SUGGESTIONS.items():
        assert did_you_mean(scope) == f"; did you mean {suggestion}?"
    assert {did_you_mean(scope) for scope in UNLIKE} == {""}


@given(st.text(string.digits + "#/"))
def test_nothing_is_suggested_for_noise(scope: str) -> None:
    assert did_you_mean(scope) == ""


@given(KNOWN, st.integers(1), st.sampled_from(string.ascii_lowercase))
def test_typo_of_one_letter_suggests_a_known_scope(scope: str, place: int, letter: str) -> None:
    start = scope.rindex("/") + 1
    place = start + place % (len(scope) - start)
    answer = did_you_mean(scope[:place] + letter + scope[place + 1 :])
    match = re.fullmatch(r"; did you mean (.+)\?", answer)
    assert match is not None
    assert STRICT(match[1].replace(ACCOUNT_ID, ACCOUNT))


def test_scope_tokens_are_printable_ascii_without_space_and_quotes() -> None:
    assert [is_scope_token(text) for text in ("/a.read", "!", "a b", 'a"', "a\\", "\x7f", "é", "")] == [
        *(True, True, False, False, False, False, False, False)
    ]
