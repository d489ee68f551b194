"""What a token is worth: genuine or not, live or dead, and whose."""

import pytest
from msgspec.structs import replace

from mockmoov.oauth import tokens
from mockmoov.oauth.errors import ErrorCode, OAuthError
from mockmoov.oauth.grants import Grant
from mockmoov.oauth.messages import TokenResponse
from mockmoov.oauth.records import ApiKey, TokenFloor
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.validation import TokenValidator
from tests.support.servers import CLIENT_ID, NOW, another_key, new_server


@pytest.fixture
def server() -> AuthorizationServer:
    return new_server()


@pytest.fixture
def validator(server: AuthorizationServer) -> TokenValidator:
    return server.validator


@pytest.fixture
def key(server: AuthorizationServer) -> ApiKey:
    return server.repository.api_keys([CLIENT_ID])[0]


@pytest.fixture
def pair(server: AuthorizationServer, key: ApiKey) -> TokenResponse:
    keys = server.repository.signing_keys()
    return server.issuer.issue(keys, key, Grant(scope=("/ping.read",), client_type="web"), now=NOW)


def test_a_live_token_comes_with_its_key(validator: TokenValidator, key: ApiKey, pair: TokenResponse) -> None:
    owner, token = validator.live_access_token(pair.access_token, NOW)
    assert owner == key
    assert (token.client_id, token.scope) == (CLIENT_ID, "/ping.read")


def test_a_token_with_our_signature_and_without_our_claims_is_none_of_ours(
    server: AuthorizationServer,
) -> None:
    keys = server.repository.signing_keys()
    claims = {"iss": "https://api.moov.io#applications", "aud": "https://api.moov.io", "exp": NOW + 1}
    with pytest.raises(OAuthError, match="lacks claims"):
        server.validator.access_token(tokens.sign(keys, claims), NOW)


@pytest.mark.parametrize(
    ("enabled", "epoch", "reason"),
    [
        (False, None, "deleted or disabled"),
        (True, "later", "issued before the server started or its key was reset"),
    ],
)
def test_the_tokens_of_a_disabled_or_reset_key_are_dead(
    server: AuthorizationServer,
    key: ApiKey,
    pair: TokenResponse,
    enabled: bool,
    epoch: str | None,
    reason: str,
) -> None:
    changed = replace(key, enabled=enabled, epoch=epoch or key.epoch)
    assert server.repository.change_api_key(CLIENT_ID, lambda _: changed) == changed
    with pytest.raises(OAuthError, match=reason):
        server.validator.live_access_token(pair.access_token, NOW)


def test_a_refresh_token_is_live_for_its_own_key_until_it_is_used_or_revoked(
    validator: TokenValidator, key: ApiKey, pair: TokenResponse
) -> None:
    assert validator.live_refresh_token(pair.refresh_token, key, NOW) is not None
    assert validator.live_refresh_token(pair.refresh_token, replace(key, client_id="b"), NOW) is None
    assert validator.live_refresh_token(pair.refresh_token, replace(key, epoch="later"), NOW) is None
    assert validator.live_refresh_token(pair.refresh_token, key, NOW + 10**9) is None
    floored = replace(key, floor=TokenFloor(issued_at=NOW))
    assert validator.live_refresh_token(pair.refresh_token, floored, NOW) is None
    validator.revoke(pair.refresh_token, key, NOW)
    assert validator.live_refresh_token(pair.refresh_token, key, NOW) is None


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_only_its_owner_revokes_a_token(server: AuthorizationServer, pair: TokenResponse, kind: str) -> None:
    stranger = new_server(keys=[another_key()]).repository.api_keys(["other"])[0]
    with pytest.raises(OAuthError) as refused:
        server.validator.revoke(getattr(pair, kind), stranger, NOW)
    assert refused.value.code is ErrorCode.UNAUTHORIZED_CLIENT
    assert server.validator.live_access_token(pair.access_token, NOW)


def test_what_is_no_token_needs_no_revoking(
    validator: TokenValidator, key: ApiKey, pair: TokenResponse
) -> None:
    validator.revoke("noise", key, NOW)
    validator.revoke(pair.access_token, key, NOW + 10**9)
    assert validator.live_access_token(pair.access_token, NOW)
