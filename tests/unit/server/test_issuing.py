"""Issuer: from a grant to a pair of tokens, and a refused grant uses nothing up."""

from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockmoov.oauth import tokens
from mockmoov.oauth.errors import ErrorCode, OAuthError
from mockmoov.oauth.grants import Grant
from mockmoov.oauth.records import RefreshToken
from mockmoov.server.authorization_server import AuthorizationServer
from tests.support.servers import CLIENT_ID, NOW, new_server

GRANT = Grant(scope=("/ping.read", "/accounts.write"), client_type="device")


def issue(server: AuthorizationServer, grant: Grant, now: float = NOW) -> tuple[str, RefreshToken]:
    keys, (api_key,) = server.repository.signing_keys(), server.repository.api_keys([CLIENT_ID])
    response = server.issuer.issue(keys, api_key, grant, now=now)
    refresh = tokens.read_refresh_token(keys, response.refresh_token)
    assert refresh is not None
    return response.access_token, refresh


def test_new_pair_carries_the_grant() -> None:
    server = new_server()
    access, refresh = issue(server, GRANT)
    token = server.validator.access_token(access, NOW)
    assert (token.scope, token.client_type) == ("/ping.read /accounts.write", "device")
    assert (refresh.sequence, refresh.scope, refresh.family) == (0, token.scope, token.family)
    assert (refresh.issued_at, refresh.expires_at) == (int(NOW), int(NOW) + 259_200)


def test_refreshed_pair_keeps_family_scope_and_client_type() -> None:
    server = new_server()
    _, first = issue(server, GRANT)
    narrow = Grant(scope=("/ping.read",), client_type="device", refreshed=first)
    access, second = issue(server, narrow, NOW + 50)
    assert second == replace(
        first, sequence=1, issued_at=first.issued_at + 50, expires_at=first.expires_at + 50
    )
    assert server.validator.access_token(access, NOW + 50).scope == "/ping.read"


def test_used_refresh_token_is_refused() -> None:
    server = new_server()
    _, first = issue(server, GRANT)
    issue(server, replace(GRANT, refreshed=first))
    with pytest.raises(OAuthError) as refused:
        issue(server, replace(GRANT, refreshed=first))
    assert (refused.value.code, refused.value.parameter) == (ErrorCode.INVALID_GRANT, "refresh_token")


def test_too_long_a_pair_uses_nothing_up() -> None:
    server = new_server()
    _, first = issue(server, GRANT)
    many = tuple(f"/accounts/{UUID(int=index)}/cards.read" for index in range(90))
    with pytest.raises(OAuthError, match="4096"):
        issue(server, Grant(scope=many, client_type="web", refreshed=first))
    assert server.repository.family(first.family).sequence == 0


@given(token_format=st.sampled_from(["jwt", "opaque"]), count=st.integers(1, 60))
@example(token_format="jwt", count=60)
def test_no_token_is_longer_than_4096_characters(token_format: str, count: int) -> None:
    server = new_server(token_format=token_format)
    scope = tuple(f"/accounts/{UUID(int=index)}/cards.read" for index in range(count))
    keys, (api_key,) = server.repository.signing_keys(), server.repository.api_keys([CLIENT_ID])
    longest, reason = 0, ""
    try:
        response = server.issuer.issue(keys, api_key, Grant(scope=scope, client_type="web"), now=NOW)
        longest = max(len(response.access_token), len(response.refresh_token))
    except OAuthError as refused:
        reason = refused.reason
    assert longest <= 4096
    assert not reason or (count > 30 and "4096" in reason)


def test_opaque_tokens_are_random_and_stored_by_hash() -> None:
    server = new_server(token_format="opaque")
    texts = {issue(server, GRANT)[0] for _ in range(20)}
    assert len(texts) == 20
    for text in texts:
        assert len(text) == 43  # 256 bits in base64url
        assert server.repository.opaque_token(text) is None
        assert server.repository.opaque_token(tokens.fingerprint(text)) is not None


def test_longest_refresh_token_can_be_refreshed_forever() -> None:
    server = new_server(token_format="opaque", scope_catalogue="open")
    longest = None
    for length in range(2700, 2900):
        try:
            _, longest = issue(server, Grant(scope=(f"/{'a' * length}.read",), client_type="web"))
        except OAuthError:
            break
    assert longest is not None
    for _ in range(12):
        _, longest = issue(server, Grant(scope=(longest.scope,), client_type="web", refreshed=longest))
    assert longest.sequence == 12
