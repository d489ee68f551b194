"""TokenValidator: whether a token is genuine, still good, and whose it is."""

from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from mockmoov.oauth import tokens
from mockmoov.oauth.errors import ErrorCode, OAuthError
from mockmoov.oauth.grants import Grant
from mockmoov.oauth.messages import TokenResponse
from mockmoov.oauth.records import ApiKey, TokenFloor
from mockmoov.server.authorization_server import AuthorizationServer
from mockmoov.server.validation import TokenValidator
from tests.support.servers import CLIENT_ID, NOW, new_server


@dataclass
class Issued:
    """A server, one of its keys, and a pair of tokens."""

    server: AuthorizationServer
    key: ApiKey
    pair: TokenResponse

    @property
    def validator(self) -> TokenValidator:
        return self.server.validator


@pytest.fixture
def issued() -> Issued:
    server = new_server()
    (key,) = server.repository.api_keys([CLIENT_ID])
    grant = Grant(scope=("/ping.read",), client_type="web")
    return Issued(server, key, server.issuer.issue(server.repository.signing_keys(), key, grant, now=NOW))


def test_valid_access_token_comes_with_its_key(issued: Issued) -> None:
    owner, token = issued.validator.live_access_token(issued.pair.access_token, NOW)
    assert owner == issued.key
    assert (token.client_id, token.scope) == (CLIENT_ID, "/ping.read")


def test_signed_token_without_our_claims_is_refused(issued: Issued) -> None:
    claims = {"iss": "https://api.moov.io#applications", "aud": "https://api.moov.io", "exp": NOW + 1}
    text = tokens.sign(issued.server.repository.signing_keys(), claims)
    with pytest.raises(OAuthError, match="lacks claims"):
        issued.validator.access_token(text, NOW)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"enabled": False}, "is disabled"),
        ({"epoch": "later"}, "before its API key was reset or created again"),
    ],
)
def test_tokens_of_a_disabled_or_reset_key_are_dead(
    issued: Issued, change: dict[str, object], reason: str
) -> None:
    issued.server.repository.change_api_key(CLIENT_ID, lambda key: replace(key, **change))
    with pytest.raises(OAuthError, match=reason):
        issued.validator.live_access_token(issued.pair.access_token, NOW)


def test_refresh_token_is_valid_for_its_key_only(issued: Issued) -> None:
    validator, key, text = issued.validator, issued.key, issued.pair.refresh_token
    assert validator.live_refresh_token(text, key, NOW) is not None
    for other in (
        replace(key, client_id="b"),
        replace(key, epoch="later"),
        replace(key, floor=TokenFloor(issued_at=NOW)),
    ):
        assert validator.live_refresh_token(text, other, NOW) is None
    assert validator.live_refresh_token(text, key, NOW + 10**9) is None
    validator.revoke(text, key, NOW)
    assert validator.live_refresh_token(text, key, NOW) is None


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_only_its_owner_can_revoke_a_token(issued: Issued, kind: str) -> None:
    text, stranger = getattr(issued.pair, kind), replace(issued.key, client_id="other")
    with pytest.raises(OAuthError) as refused:
        issued.validator.revoke(text, stranger, NOW)
    assert refused.value.code is ErrorCode.UNAUTHORIZED_CLIENT
    issued.validator.revoke(text, stranger, NOW + 10**9)  # an expired token is nobody's
    assert issued.validator.live_access_token(issued.pair.access_token, NOW)


def test_revoking_nothing_valid_changes_nothing(issued: Issued) -> None:
    issued.validator.revoke("noise", issued.key, NOW)
    issued.validator.revoke(issued.pair.access_token, issued.key, NOW + 10**9)
    assert issued.validator.live_access_token(issued.pair.access_token, NOW)


def test_reason_says_what_was_sent_as_refresh_token(issued: Issued) -> None:
    reasons = {
        "a.b": "is cut short, or not a refresh token",
        issued.pair.refresh_token[:-1]: "is cut short, or not a refresh token",
        issued.pair.access_token: "is an access token: send the refresh_token of the same response",
        "null": "is the word null: the program had no value to send",
        "'a.b'": "is in quotes",
        f"a.{'b' * 43}": (
            "was altered, or is of another server, or from before a restart or a reset: request a new one; "
            "tokens survive a restart only with the setting store or seed"
        ),
    }
    assert {sent: issued.validator.why_not_refresh_token(sent) for sent in reasons} == reasons
