"""Who may have what: client authentication, the two grants, and what using up a refresh token does."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockmoov.oauth.errors import ErrorCode, OAuthError, invalid_grant
from mockmoov.oauth.grants import (
    GRANTS,
    NEW_FAMILY,
    Grant,
    GrantFacts,
    RefreshPolicy,
    authenticate_client,
    decide,
    redeem,
)
from mockmoov.oauth.messages import ClientCredentials, TokenRequest
from mockmoov.oauth.records import ApiKey, ClientType, RefreshToken, TokenFamily, TokenFloor

NOW = 1_750_000_000.5
KEY = ApiKey(
    client_id="id",
    client_secret="secret",
    account_id="account",
    application_id="application",
    origins=(),
    scopes=None,
    grants=("client_credentials", "refresh_token"),
    enabled=True,
    epoch="1",
)
TOKEN = RefreshToken(
    client_id="id",
    epoch="1",
    family="family",
    sequence=0,
    scope="/accounts.write /ping.read /fed.read",
    client_type="device",
    issued_at=int(NOW),
    expires_at=int(NOW) + 100,
)
SCOPES = st.lists(
    st.sampled_from(["/accounts.write", "/ping.read", "/fed.read", "/accounts.read"]), unique=True
)
SECRETS = st.text(st.characters())


def asked(grant_type: str | None, scope: str | None = None, **members: Any) -> TokenRequest:
    given_members: dict[str, Any] = {"refresh_token": None, "client_type": "web", **members}
    return TokenRequest(credentials=None, grant_type=grant_type, scope=scope, **given_members)


def facts(**members: Any) -> GrantFacts:
    known: dict[str, Any] = {
        "api_key": KEY,
        "now": NOW,
        "known_scope": lambda scope: scope != "/unknown.read",
        "refresh_token": TOKEN,
    }
    return GrantFacts(**{**known, **members})


def refusal(act: Callable[[], object], code: ErrorCode, parameter: str | None) -> str:
    with pytest.raises(OAuthError) as caught:
        act()
    assert (caught.value.code, caught.value.parameter) == (code, parameter)
    return caught.value.reason


def shown(
    client_ids: Sequence[str] = ("id",),
    client_secrets: Sequence[str] = ("secret",),
    parameter: str | None = None,
) -> ClientCredentials:
    return ClientCredentials(
        client_ids=tuple(client_ids), client_secrets=tuple(client_secrets), parameter=parameter
    )


# --- client authentication --------------------------------------------------------------------------


@given(st.lists(SECRETS, max_size=3), st.lists(SECRETS.filter(lambda text: text.isprintable()), max_size=3))
def test_a_key_is_proved_by_its_secret_and_by_nothing_else(secrets: list[str], keys: list[str]) -> None:
    stored = [replace(KEY, client_id=str(number), client_secret=text) for number, text in enumerate(keys)]
    proved = [key for key in stored if key.client_secret in secrets]
    credentials = shown(client_secrets=secrets)
    if proved:
        assert authenticate_client(stored, credentials) == proved[0]
    else:
        refusal(lambda: authenticate_client(stored, credentials), ErrorCode.INVALID_CLIENT, None)


@pytest.mark.parametrize("parameter", [None, "client_secret"])
def test_an_unknown_client_and_a_wrong_secret_are_indistinguishable(parameter: str | None) -> None:
    reasons = {
        refusal(lambda: authenticate_client(keys, credentials), ErrorCode.INVALID_CLIENT, parameter)  # noqa: B023
        for keys, credentials in [
            ([], shown(parameter=parameter)),
            ([KEY], shown(client_secrets=["wrong"], parameter=parameter)),
            ([KEY], shown(client_secrets=[""], parameter=parameter)),
            ([KEY], shown(client_secrets=[], parameter=parameter)),
            ([KEY], shown(client_secrets=["\ud800"], parameter=parameter)),
            ([replace(KEY, enabled=False)], shown(client_secrets=["wrong"], parameter=parameter)),
        ]
    }
    assert reasons == {"unknown client_id or wrong client_secret"}


@pytest.mark.parametrize("parameter", [None, "client_secret"])
def test_a_disabled_key_is_no_client(parameter: str | None) -> None:
    disabled = replace(KEY, enabled=False)
    reason = refusal(
        lambda: authenticate_client([disabled], shown(parameter=parameter)),
        ErrorCode.INVALID_CLIENT,
        parameter,
    )
    assert reason == "the API key is disabled"


def test_no_credentials_are_no_client() -> None:
    reason = refusal(lambda: authenticate_client([KEY], None), ErrorCode.INVALID_CLIENT, None)
    advice = "use HTTP Basic, or client_id and client_secret in the body"
    assert reason == f"no client credentials were sent: {advice}"


def test_raw_and_decoded_secrets_both_count() -> None:
    assert authenticate_client([KEY], shown(client_secrets=["%73ecret", "secret"])) is KEY
    assert authenticate_client([KEY], shown(client_secrets=["secret", "other"])) is KEY


# --- grant_type -------------------------------------------------------------------------------------


def test_grant_type_is_required() -> None:
    assert (
        refusal(lambda: decide(asked(None), facts()), ErrorCode.INVALID_REQUEST, None)
        == "grant_type is missing: send client_credentials or refresh_token"
    )


@pytest.mark.parametrize(
    "grant_type", ["password", "authorization_code", "CLIENT_CREDENTIALS", "refresh_token/", "urn:a:b"]
)
def test_another_grant_type_is_unsupported_even_if_the_key_names_it(grant_type: str) -> None:
    known = facts(api_key=replace(KEY, grants=(grant_type,)))
    reason = refusal(lambda: decide(asked(grant_type), known), ErrorCode.UNSUPPORTED_GRANT_TYPE, None)
    assert reason == "grant_type must be client_credentials or refresh_token"


@pytest.mark.parametrize("grant_type", ["client_credentials", "refresh_token"])
def test_a_key_that_may_not_use_a_grant_is_unauthorized_whatever_else_is_wrong(grant_type: str) -> None:
    others = tuple(name for name in GRANTS if name != grant_type)
    known = facts(api_key=replace(KEY, grants=others), refresh_token=None)
    reason = refusal(lambda: decide(asked(grant_type), known), ErrorCode.UNAUTHORIZED_CLIENT, None)
    assert reason == f"the API key may not use grant_type {grant_type}"


# --- client_credentials -----------------------------------------------------------------------------


@pytest.mark.parametrize("client_type", ["web", "device", "service"])
def test_client_credentials_give_the_scope_asked_in_the_order_asked(client_type: ClientType) -> None:
    request = asked("client_credentials", " /ping.read  /accounts.write /ping.read", client_type=client_type)
    assert decide(request, facts()) == Grant(
        scope=("/ping.read", "/accounts.write"), client_type=client_type, refreshed=None
    )


def test_a_refresh_token_beside_client_credentials_is_ignored() -> None:
    request = asked("client_credentials", "/ping.read")
    for refresh_token in (None, "i1qxz68gu50zp4i8ceyxqogmq7y0yienm52351c6..."):
        for token in (None, TOKEN):
            grant = decide(replace(request, refresh_token=refresh_token), facts(refresh_token=token))
            assert grant.refreshed is None


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        (None, None),
        ("", None),
        (" ", None),
        ("/ping.read é", None),
        ("/unknown.read", None),
        ("/ping.read /unknown.read", None),
        ("/accounts.write", ("/ping.read",)),
        ("/ping.read /accounts.write", ("/ping.read",)),
    ],
)
def test_a_scope_that_is_missing_malformed_unknown_or_not_allowed_is_refused(
    scope: str | None, allowed: tuple[str, ...] | None
) -> None:
    known = facts(api_key=replace(KEY, scopes=allowed))
    refusal(lambda: decide(asked("client_credentials", scope), known), ErrorCode.INVALID_SCOPE, "scope")


def test_a_key_with_a_list_of_scopes_may_ask_for_those() -> None:
    known = facts(api_key=replace(KEY, scopes=("/ping.read",)))
    assert decide(asked("client_credentials", "/ping.read"), known).scope == ("/ping.read",)


# --- refresh_token ----------------------------------------------------------------------------------


def refreshing(scope: str | None = None) -> TokenRequest:
    return asked("refresh_token", scope, refresh_token="presented")


def test_a_refresh_without_scope_keeps_the_grants_scope_and_client_type() -> None:
    assert decide(refreshing(), facts()) == Grant(
        scope=("/accounts.write", "/ping.read", "/fed.read"), client_type="device", refreshed=TOKEN
    )


@given(SCOPES, SCOPES.filter(bool))
def test_a_refresh_never_gives_more_than_was_granted(granted: list[str], wanted: list[str]) -> None:
    token = replace(TOKEN, scope=" ".join(granted or ["/ping.read"]))
    request, known = refreshing(" ".join(wanted)), facts(refresh_token=token)
    if set(wanted) <= set(granted or ["/ping.read"]):
        assert decide(request, known) == Grant(scope=tuple(wanted), client_type="device", refreshed=token)
    else:
        reason = refusal(lambda: decide(request, known), ErrorCode.INVALID_SCOPE, "scope")
        assert reason == "scope is wider than the original grant: request a part of it, or omit scope"


def test_a_malformed_scope_at_a_refresh_is_refused_as_a_scope() -> None:
    refusal(lambda: decide(refreshing("/ping.read é"), facts()), ErrorCode.INVALID_SCOPE, "scope")


def test_a_refresh_without_a_refresh_token_is_an_invalid_request() -> None:
    reason = refusal(
        lambda: decide(asked("refresh_token", "/wider.read"), facts()),
        ErrorCode.INVALID_REQUEST,
        "refresh_token",
    )
    assert reason == "refresh_token is missing"


BAD = [
    ({"refresh_token": None}, "is unknown"),
    ({"refresh_token": replace(TOKEN, client_id="other")}, "was issued to another client"),
    (
        {"refresh_token": replace(TOKEN, epoch="0")},
        "was issued before the server started or its key was reset",
    ),
    (
        {"api_key": replace(KEY, floor=TokenFloor(issued_at=TOKEN.issued_at))},
        "was issued before the oldest token record that is still kept",
    ),
    ({"now": float(TOKEN.expires_at)}, "has expired"),
    ({"now": TOKEN.expires_at + 1.0}, "has expired"),
    ({"family": TokenFamily(revoked=True)}, "was revoked"),
]


@pytest.mark.parametrize("scope", [None, "/ping.read", "/wider.read", "é"])
@pytest.mark.parametrize(("changed", "reason"), BAD)
def test_a_refresh_token_that_is_not_valid_is_refused_before_its_scope_is_looked_at(
    changed: dict[str, Any], reason: str, scope: str | None
) -> None:
    said = refusal(
        lambda: decide(refreshing(scope), facts(**changed)), ErrorCode.INVALID_GRANT, "refresh_token"
    )
    assert said == f"refresh_token {reason}"


def test_a_refresh_token_is_good_until_the_moment_it_expires() -> None:
    assert decide(refreshing(), facts(now=TOKEN.expires_at - 0.001)).refreshed == TOKEN


@pytest.mark.parametrize("scope", ["/wider.read", "é", None])
def test_a_used_up_refresh_token_goes_on_to_be_redeemed_whatever_its_scope(scope: str | None) -> None:
    grant = decide(refreshing(scope), facts(family=TokenFamily(sequence=1)))
    assert grant.refreshed == TOKEN


def test_the_refusal_of_a_refresh_token_blames_it() -> None:
    error = invalid_grant("because")
    assert (error.code, error.parameter, error.reason) == ("invalid_grant", "refresh_token", "because")


# --- using up ---------------------------------------------------------------------------------------

STRICT = RefreshPolicy(rotation=True, reuse_detection=True, grace=0.0)
POLICIES = st.builds(
    RefreshPolicy, rotation=st.booleans(), reuse_detection=st.booleans(), grace=st.sampled_from([0.0, 5.0])
)
CLOCK = st.sampled_from([NOW - 10, NOW - 0.25, NOW, NOW + 1, NOW + 4.75, NOW + 5, NOW + 10])


def test_a_refresh_token_is_used_up_by_its_first_use() -> None:
    assert redeem(NEW_FAMILY, 0, NOW, STRICT) == (TokenFamily(sequence=1, rotated_at=NOW), True)


def test_a_used_up_refresh_token_revokes_its_family() -> None:
    family, _ = redeem(NEW_FAMILY, 0, NOW, STRICT)
    revoked, good = redeem(family, 0, NOW + 1, STRICT)
    assert (revoked, good) == (replace(family, revoked=True), False)
    assert redeem(revoked, 1, NOW + 2, STRICT) == (revoked, False)


def test_without_reuse_detection_a_used_up_refresh_token_is_only_refused() -> None:
    policy = replace(STRICT, reuse_detection=False)
    family, _ = redeem(NEW_FAMILY, 0, NOW, policy)
    assert redeem(family, 0, NOW + 1, policy) == (family, False)
    assert redeem(family, 1, NOW + 1, policy)[1]


def test_without_rotation_a_refresh_token_stays_good_until_it_is_revoked() -> None:
    policy = replace(STRICT, rotation=False)
    assert redeem(NEW_FAMILY, 0, NOW, policy) == (NEW_FAMILY, True)
    revoked = TokenFamily(revoked=True)
    assert redeem(revoked, 0, NOW, policy) == (revoked, False)


@pytest.mark.parametrize(
    ("age", "sequence", "revokes"), [(4.9, 4, False), (5, 4, True), (0, 3, True), (0, 6, True)]
)
def test_grace_excuses_the_immediate_predecessor_only_and_for_that_long_only(
    age: float, sequence: int, revokes: bool
) -> None:
    family = TokenFamily(sequence=5, rotated_at=NOW)
    after, good = redeem(family, sequence, NOW + age, replace(STRICT, grace=5.0))
    assert not good
    assert after == replace(family, revoked=revokes)


@pytest.mark.parametrize("earlier", [0.0, 0.001, 3600.0])
def test_a_lost_race_is_a_replay_even_if_the_loser_looked_at_the_clock_first(earlier: float) -> None:
    family, _ = redeem(NEW_FAMILY, 0, NOW, STRICT)
    assert redeem(family, 0, NOW - earlier, STRICT)[0].revoked
    excused, _ = redeem(family, 0, NOW - earlier, replace(STRICT, grace=0.5))
    assert not excused.revoked


@given(POLICIES, st.lists(st.tuples(st.integers(0, 6), CLOCK), max_size=12))
def test_whatever_is_presented_no_token_is_good_twice_and_revoked_is_for_ever(
    policy: RefreshPolicy, presented: list[tuple[int, float]]
) -> None:
    family, good_ones = NEW_FAMILY, []
    for sequence, now in presented:
        after, good = redeem(family, sequence, now, policy)
        assert good == (not family.revoked and sequence == family.sequence)
        assert after.revoked >= family.revoked
        assert after.sequence == family.sequence + (good and policy.rotation)
        assert good or after == replace(family, revoked=after.revoked)
        if good:
            good_ones.append(sequence)
        family = after
    if policy.rotation:
        assert good_ones == list(range(len(good_ones)))
    assert policy.reuse_detection or not family.revoked
