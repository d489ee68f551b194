"""The breakages of client authentication by what decides it."""

from collections.abc import Callable

from msgspec.structs import replace

from mockmoov.oauth.errors import ErrorCode, OAuthError
from mockmoov.oauth.messages import ClientCredentials
from mockmoov.oauth.records import AccessToken, ApiKey
from mockmoov.server.endpoints import Endpoints
from mockmoov.server.validation import TokenValidator
from mockmoov.storage.store import NOTHING, Seen
from tools.breakages.seams import Breakage


class AnySecret(Endpoints):
    """Takes a client at its word."""

    def _authenticate(self, credentials: ClientCredentials | None, seen: Seen) -> ApiKey:
        for api_key in self.repository.api_keys(credentials.client_ids if credentials else ()):
            return api_key
        return super()._authenticate(credentials, seen)


def secret_like(alike: Callable[[str, str], bool]) -> type[Endpoints]:
    """Compares what is shown with the secret in a way of its own."""

    class Alike(Endpoints):
        def _authenticate(self, credentials: ClientCredentials | None, seen: Seen) -> ApiKey:
            for api_key in self.repository.api_keys(credentials.client_ids if credentials else ()):
                shown = credentials.client_secrets if credentials else ()
                if any(alike(api_key.client_secret, secret) for secret in shown):
                    right = {"client_secrets": (api_key.client_secret,)}
                    return super()._authenticate(replace(credentials, **right) if credentials else None, seen)
            return super()._authenticate(credentials, seen)

    return Alike


class UnknownTold(Endpoints):
    """Says that a client is unknown."""

    def _authenticate(self, credentials: ClientCredentials | None, seen: Seen) -> ApiKey:
        if credentials and not self.repository.api_keys(credentials.client_ids):
            reason = "there is no such client"
            raise OAuthError(ErrorCode.INVALID_CLIENT, reason, parameter=credentials.parameter)
        return super()._authenticate(credentials, seen)


class DisabledGood(Endpoints):
    """A disabled key authenticates as any other."""

    def _authenticate(self, credentials: ClientCredentials | None, seen: Seen) -> ApiKey:
        if credentials:
            for api_key in self.repository.api_keys(credentials.client_ids):
                if api_key.client_secret in credentials.client_secrets:
                    return api_key
        return super()._authenticate(credentials, seen)


class TokensOutliveKeys(TokenValidator):
    """What became of a token's API key is not looked at, only whether it was deleted."""

    def live_access_token(self, text: str, now: float, seen: Seen = NOTHING) -> tuple[ApiKey, AccessToken]:
        token = self.access_token(text, now)
        for api_key in self._repository.api_keys([token.client_id]):
            if not api_key.enabled:
                return api_key, token
        return super().live_access_token(text, now, seen)


KEYS: dict[str, Breakage] = {
    "secret-unchecked": Breakage(rule="a client proves that it has the secret", endpoints=AnySecret),
    "secret-by-prefix": Breakage(
        rule="a secret is compared to its end",
        endpoints=secret_like(lambda right, shown: bool(shown) and right.startswith(shown)),
        unseen="their wrong secrets have nothing in common with the right one",
    ),
    "secret-without-case": Breakage(
        rule="a secret has a case",
        endpoints=secret_like(lambda right, shown: right.lower() == shown.lower()),
        unseen="their wrong secrets have nothing in common with the right one",
    ),
    "unknown-client-told": Breakage(
        rule="an unknown client and a wrong secret look alike",
        endpoints=UnknownTold,
        unseen="they take any reason, and look at one answer at a time",
    ),
    "disabled-key-authenticates": Breakage(rule="a disabled key is refused", endpoints=DisabledGood),
    "disabled-key-keeps-tokens": Breakage(
        rule="the tokens of a disabled key are dead",
        validator=TokensOutliveKeys,
        unseen="no key is disabled after it had tokens",
    ),
}
