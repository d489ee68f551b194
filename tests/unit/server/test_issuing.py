"""From a grant to a pair of tokens: what is kept, what is new, and that a refusal uses nothing up."""

from uuid import UUID

import pytest
from msgspec.structs import replace

from mockmoov.oauth import tokens
from mockmoov.oauth.errors import ErrorCode, OAuthError
from mockmoov.oauth.grants import Grant
from mockmoov.oauth.records import ApiKey, RefreshToken
from mockmoov.server.authorization_server import AuthorizationServer
from tests.support.servers import CLIENT_ID, NOW, new_server

GRANT = Grant(scope=("/ping.read", "/accounts.write"), client_type="device")


def api_key(server: AuthorizationServer) -> ApiKey:
    return server.repository.api_keys([CLIENT_ID])[0]


def issue(server: AuthorizationServer, grant: Grant, now: float = NOW) -> tuple[str, RefreshToken]:
    keys = server.repository.signing_keys()
    response = server.issuer.issue(keys, api_key(server), grant, now=now)
    refresh = tokens.read_refresh_token(keys, response.refresh_token)
    assert refresh is not None
    return response.access_token, refresh


def test_a_new_pair_says_what_was_granted() -> None:
    server = new_server()
    access, refresh = issue(server, GRANT)
    token = server.validator.access_token(access, NOW)
    assert (token.scope, token.client_type, token.family) == (
        "/ping.read /accounts.write",
        "device",
        refresh.family,
    )
    assert (refresh.sequence, refresh.scope, refresh.issued_at) == (0, token.scope, int(NOW))
    assert refresh.expires_at == int(NOW) + 259_200


def test_a_refreshed_pair_keeps_family_scope_and_client_type_and_lives_anew() -> None:
    server = new_server()
    _, first = issue(server, GRANT)
    narrow = Grant(scope=("/ping.read",), client_type="device", refreshed=first)
    access, second = issue(server, narrow, NOW + 50)
    assert second == replace(
        first, sequence=1, issued_at=first.issued_at + 50, expires_at=first.expires_at + 50
    )
    assert server.validator.access_token(access, NOW + 50).scope == "/ping.read"


def test_a_token_that_was_used_is_refused() -> None:
    server = new_server()
    _, first = issue(server, GRANT)
    issue(server, replace(GRANT, refreshed=first))
    with pytest.raises(OAuthError) as refused:
        issue(server, replace(GRANT, refreshed=first))
    assert (refused.value.code, refused.value.parameter) == (ErrorCode.INVALID_GRANT, "refresh_token")


def test_a_pair_that_would_be_too_long_uses_nothing_up() -> None:
    server = new_server()
    _, first = issue(server, GRANT)
    many = tuple(f"/accounts/{UUID(int=index)}/cards.read" for index in range(90))
    with pytest.raises(OAuthError, match="4096"):
        issue(server, Grant(scope=many, client_type="web", refreshed=first))
    assert server.repository.family(first.family).sequence == 0


def test_opaque_tokens_are_random_and_stored_by_their_hash() -> None:
    server = new_server(token_format="opaque")
    pairs = [issue(server, GRANT)[0] for _ in range(20)]
    assert len(set(pairs)) == 20
    assert all(len(text) == 43 for text in pairs)  # 256 bits in base64url
    assert server.repository.opaque_token(pairs[0]) is None
    assert server.repository.opaque_token(tokens.fingerprint(pairs[0])) is not None


def test_a_refresh_token_that_could_be_minted_can_be_refreshed_for_ever() -> None:
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
