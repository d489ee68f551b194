"""Client authentication, the two grants, and how a refresh token is used up."""

from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockmoov.oauth.errors import OAuthError
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
from mockmoov.oauth.records import ApiKey, ClientType, TokenFamily, TokenFloor
from tests.support.records import API_KEY as KEY
from tests.support.records import REFRESH_TOKEN

NOW = 1_750_000_000.5
DISABLED = replace(KEY, enabled=False)
TOKEN = replace(
    REFRESH_TOKEN,
    scope="/accounts.write /ping.read /fed.read",
    client_type="device",
    issued_at=int(NOW),
    expires_at=int(NOW) + 100,
)
SCOPES = st.lists(
    st.sampled_from(["/accounts.write", "/ping.read", "/fed.read", "/accounts.read"]), unique=True, min_size=1
)
SECRETS = st.text(st.characters())


def token_request(grant_type: str | None, scope: str | None = None, **members: Any) -> TokenRequest:
    defaults: dict[str, Any] = {"refresh_token": None, "client_type": "web"}
    return TokenRequest(credentials=None, grant_type=grant_type, scope=scope, **{**defaults, **members})


def facts(**members: Any) -> GrantFacts:
    known: dict[str, Any] = {
        "api_key": KEY,
        "now": NOW,
        "known_scope": lambda scope: scope != "/unknown.read",
        "refresh_token": TOKEN,
    }
    return GrantFacts(**{**known, **members})


def rejection(act: Callable[[], object]) -> tuple[str, str | None, str]:
    """Code, parameter and reason of the error."""
    with pytest.raises(OAuthError) as caught:
        act()
    return caught.value.code.value, caught.value.parameter, caught.value.reason


def decided(request: TokenRequest, **members: Any) -> tuple[str, str | None, str]:
    return rejection(lambda: decide(request, facts(**members)))


# --- client authentication --------------------------------------------------------------------------


def sent(*secrets: str, parameter: str | None = None) -> ClientCredentials:
    return ClientCredentials(client_ids=("id",), client_secrets=secrets, parameter=parameter)


@given(st.lists(SECRETS, max_size=3), st.lists(SECRETS.filter(lambda text: text.isprintable()), max_size=3))
@example(["%73ecret", "secret"], ["other", "secret"])
@example(["secret", "other"], ["secret"])
def test_only_its_secret_authenticates_a_key(secrets: list[str], keys: list[str]) -> None:
    stored = [replace(KEY, client_id=str(number), client_secret=text) for number, text in enumerate(keys)]
    if matches := [key for key in stored if key.client_secret in secrets]:
        assert authenticate_client(stored, sent(*secrets)) == matches[0]
    else:
        code, _, _ = rejection(lambda: authenticate_client(stored, sent(*secrets)))
        assert code == "invalid_client"


@pytest.mark.parametrize("parameter", [None, "client_secret"])
def test_only_the_reason_tells_unknown_client_from_wrong_secret(parameter: str | None) -> None:
    def rejected(keys: list[ApiKey], *secrets: str) -> tuple[str, str | None, str]:
        return rejection(lambda: authenticate_client(keys, sent(*secrets, parameter=parameter)))

    answers = {rejected([KEY], *secrets) for secrets in (["wrong"], ["\ud800"])}
    answers |= {rejected([DISABLED], "wrong")}
    assert answers == {("invalid_client", parameter, "client_secret is wrong")}
    unknown = rejected([], "secret")
    assert unknown == ("invalid_client", parameter, "there is no API key with this client_id")
    assert rejected([DISABLED], "secret") == ("invalid_client", parameter, "the API key is disabled")


def test_client_credentials_are_required() -> None:
    advice = "use HTTP Basic, or client_id and client_secret in the body"
    missing = rejection(lambda: authenticate_client([KEY], None))
    assert missing == ("invalid_client", None, f"no client credentials were sent: {advice}")


# --- grant_type -------------------------------------------------------------------------------------


def test_grant_type_is_required_and_one_of_two() -> None:
    missing = "grant_type is missing: send client_credentials or refresh_token"
    assert decided(token_request(None)) == ("invalid_request", None, missing)
    hints = {
        "password": "; Moov does not have password",
        "authorization_code": "; Moov does not have authorization_code",
        "CLIENT_CREDENTIALS": "; did you mean client_credentials?",
        "client-credentials": "; did you mean client_credentials?",
        "clientCredentials": "; did you mean client_credentials?",
        "refresh_token/": "; did you mean refresh_token?",
        "urn:a:b": "",
    }
    unsupported = "grant_type must be client_credentials or refresh_token"
    for name, hint in hints.items():
        answer = decided(token_request(name), api_key=replace(KEY, grants=(name,)))
        assert answer == ("unsupported_grant_type", None, unsupported + hint)


def test_key_uses_only_the_grants_on_its_list() -> None:
    for name in GRANTS:
        key = replace(KEY, grants=tuple(other for other in GRANTS if other != name))
        answer = decided(token_request(name), api_key=key, refresh_token=None)
        assert answer == ("unauthorized_client", None, f"the API key may not use grant_type {name}")


@pytest.mark.parametrize("client_type", ["web", "device", "service"])
def test_client_credentials_grant_the_requested_scope(client_type: ClientType) -> None:
    scope = " /ping.read  /accounts.write /ping.read"
    granted = Grant(scope=("/ping.read", "/accounts.write"), client_type=client_type, refreshed=None)
    for refresh_token in (None, "i1qxz68gu50zp4i8ceyxqogmq7y0yienm52351c6..."):  # ignored
        members = {"client_type": client_type, "refresh_token": refresh_token}
        for token in (None, TOKEN):
            request = token_request("client_credentials", scope, **members)
            assert decide(request, facts(refresh_token=token)) == granted


def test_invalid_unknown_and_forbidden_scopes_are_rejected() -> None:
    def request(scope: str | None) -> TokenRequest:
        return token_request("client_credentials", scope)

    restricted = replace(KEY, scopes=("/ping.read",))
    assert decide(request("/ping.read"), facts(api_key=restricted)).scope == ("/ping.read",)
    invalid = [None, "", " ", "/ping.read é", "/unknown.read", "/ping.read /unknown.read"]
    answers = [decided(request(scope))[:2] for scope in invalid]
    forbidden = ["/accounts.write", "/ping.read /accounts.write"]
    answers += [decided(request(scope), api_key=restricted)[:2] for scope in forbidden]
    assert answers == [("invalid_scope", "scope")] * 8


# --- refresh_token ----------------------------------------------------------------------------------


def refresh(scope: str | None = None) -> TokenRequest:
    return token_request("refresh_token", scope, refresh_token="presented")


def test_refresh_keeps_scope_and_client_type() -> None:
    for now in (NOW, TOKEN.expires_at - 0.001):
        assert decide(refresh(), facts(now=now)) == Grant(
            scope=("/accounts.write", "/ping.read", "/fed.read"), client_type="device", refreshed=TOKEN
        )


@given(SCOPES, SCOPES)
@example(["/ping.read"], ["/ping.read"])
@example(["/ping.read"], ["/ping.read", "/fed.read"])
def test_refresh_narrows_the_scope_but_never_widens_it(granted: list[str], requested: list[str]) -> None:
    token = replace(TOKEN, scope=" ".join(granted))
    request = refresh(" ".join(requested))
    if set(requested) <= set(granted):
        expected = Grant(scope=tuple(requested), client_type="device", refreshed=token)
        assert decide(request, facts(refresh_token=token)) == expected
    else:
        reason = "scope is wider than the original grant: request a part of it, or omit scope"
        assert decided(request, refresh_token=token) == ("invalid_scope", "scope", reason)


def test_malformed_refresh_requests_are_rejected() -> None:
    assert decided(refresh("/ping.read é"))[:2] == ("invalid_scope", "scope")
    missing = decided(token_request("refresh_token", "/wider.read"))
    assert missing == ("invalid_request", "refresh_token", "refresh_token is missing")


EXPIRY = formatdate(TOKEN.expires_at, usegmt=True)
INVALID_TOKENS: list[tuple[dict[str, Any], str]] = [
    (
        {"refresh_token": None, "why_unknown": "is in quotes"},
        "is unknown: it is in quotes",
    ),
    ({"refresh_token": replace(TOKEN, client_id="other")}, "was issued to another client"),
    (
        {"refresh_token": replace(TOKEN, epoch="0")},
        "was issued before its API key was reset or created again",
    ),
    (
        {"api_key": replace(KEY, floor=TokenFloor(issued_at=TOKEN.issued_at))},
        "may have been revoked: the server dropped the records of that time to make room",
    ),
    ({"now": float(TOKEN.expires_at)}, f"expired 0 s ago, at {EXPIRY}"),
    ({"now": TOKEN.expires_at + 1.0}, f"expired 1 s ago, at {EXPIRY}"),
]


def test_invalid_refresh_token_is_rejected_before_its_scope() -> None:
    wrong = [
        (changes, scope, answer)
        for changes, reason in INVALID_TOKENS
        for scope in (None, "/ping.read", "/wider.read", "é")
        if (answer := decided(refresh(scope), **changes))
        != ("invalid_grant", "refresh_token", f"refresh_token {reason}")
    ]
    assert wrong == []


def test_reason_of_a_token_from_before_a_restart_ends_with_advice() -> None:
    old = replace(TOKEN, epoch="0")
    with pytest.raises(OAuthError, match=r"before the server started, or .* created again; set a store$"):
        decide(refresh(None), facts(refresh_token=old, restart_advice="; set a store"))


@pytest.mark.parametrize("family", [TokenFamily(sequence=1), TokenFamily(revoked=True)])
def test_used_up_or_revoked_refresh_token_is_left_to_redeem(family: TokenFamily) -> None:
    for scope in ("/wider.read", "é", None):
        assert decide(refresh(scope), facts(family=family)).refreshed == TOKEN


# --- using a refresh token up -----------------------------------------------------------------------

STRICT = RefreshPolicy(rotation=True, reuse_detection=True, grace=0.0)
POLICIES = st.builds(
    RefreshPolicy, rotation=st.booleans(), reuse_detection=st.booleans(), grace=st.sampled_from([0.0, 5.0])
)
CLOCK = st.sampled_from([NOW - 10, NOW - 0.25, NOW, NOW + 1, NOW + 4.75, NOW + 5, NOW + 10])
USED = TokenFamily(sequence=1, rotated_at=NOW)
REVOKED = replace(USED, revoked=True)
LENIENT, STATIC = replace(STRICT, reuse_detection=False), replace(STRICT, rotation=False)


@pytest.mark.parametrize(
    ("policy", "family", "sequence", "after", "is_valid"),
    [
        (STRICT, NEW_FAMILY, 0, USED, True),
        (STRICT, USED, 0, REVOKED, False),
        (STRICT, REVOKED, 1, REVOKED, False),
        (LENIENT, NEW_FAMILY, 0, USED, True),
        (LENIENT, USED, 0, USED, False),
        (STATIC, NEW_FAMILY, 0, NEW_FAMILY, True),
        (STATIC, REVOKED, 1, REVOKED, False),
    ],
)
def test_policy_decides_what_a_second_use_does(
    policy: RefreshPolicy, family: TokenFamily, sequence: int, after: TokenFamily, is_valid: bool
) -> None:
    assert redeem(family, sequence, NOW, policy) == (after, is_valid)


@pytest.mark.parametrize(
    ("age", "sequence", "revokes"),
    [(4.9, 4, False), (5, 4, True), (0, 3, True), (0, 6, True), (-0.001, 4, False), (-3600, 4, False)],
)
def test_grace_excuses_only_the_predecessor_for_a_while(age: float, sequence: int, revokes: bool) -> None:
    family = TokenFamily(sequence=5, rotated_at=NOW)
    after = replace(family, revoked=revokes)
    assert redeem(family, sequence, NOW + age, replace(STRICT, grace=5.0)) == (after, False)
    assert redeem(family, sequence, NOW + age, STRICT)[0].revoked  # even if the loser read the clock first
    assert not redeem(family, 4, NOW, replace(STRICT, grace=0.5))[0].revoked


@given(POLICIES, st.lists(st.tuples(st.integers(0, 6), CLOCK), max_size=12))
@example(STRICT, [(0, NOW), (1, NOW), (0, NOW), (2, NOW)])
@example(replace(STRICT, grace=5.0), [(0, NOW), (0, NOW + 1), (1, NOW + 1), (0, NOW + 1)])
@example(replace(STRICT, rotation=False), [(0, NOW), (0, NOW), (1, NOW)])
def test_no_token_works_twice_and_revocation_is_final(
    policy: RefreshPolicy, presented: list[tuple[int, float]]
) -> None:
    family, used = NEW_FAMILY, []
    for sequence, now in presented:
        after, is_valid = redeem(family, sequence, now, policy)
        assert is_valid == (not family.revoked and sequence == family.sequence)
        assert after.revoked >= family.revoked
        assert after.sequence == family.sequence + (is_valid and policy.rotation)
        assert is_valid or after == replace(family, revoked=after.revoked)
        if is_valid:
            used.append(sequence)
        family = after
    if policy.rotation:
        assert used == list(range(len(used)))
    assert policy.reuse_detection or not family.revoked
