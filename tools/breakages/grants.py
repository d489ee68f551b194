"""The breakages of what is granted."""

from collections.abc import Callable

from msgspec.structs import replace

from mockmoov.oauth import tokens
from mockmoov.oauth.errors import invalid_scope
from mockmoov.oauth.grants import GrantFacts
from mockmoov.oauth.messages import TokenRequest, TokenResponse
from mockmoov.oauth.records import ApiKey, IssuerKeys
from mockmoov.oauth.scopes import CATALOGUES, template
from mockmoov.server.endpoints import Endpoints
from mockmoov.storage.simulation import ClaimedClient
from tools.breakages.seams import Breakage

_LONG_AGO = 0.0


def believing(change: Callable[[TokenRequest, GrantFacts], GrantFacts]) -> type[Endpoints]:
    """Decides on other facts than those there are."""

    class Believing(Endpoints):
        def _facts(
            self, keys: IssuerKeys, request: TokenRequest, api_key: ApiKey, client: ClaimedClient
        ) -> GrantFacts:
            return change(request, super()._facts(keys, request, api_key, client))

    return Believing


def granting(change: Callable[[TokenRequest], TokenRequest]) -> type[Endpoints]:
    """Grants another request than the one that was made."""

    class Granting(Endpoints):
        def _grant(self, request: TokenRequest, api_key: ApiKey, client: ClaimedClient) -> TokenResponse:
            return super()._grant(change(request), api_key, client)

    return Granting


def _with_token(facts: GrantFacts, **changes: object) -> GrantFacts:
    token = facts.refresh_token
    return replace(facts, refresh_token=replace(token, **changes)) if token else facts


def _may_all(_request: TokenRequest, facts: GrantFacts) -> GrantFacts:
    return replace(facts, api_key=replace(facts.api_key, scopes=None))


def _may_either(_request: TokenRequest, facts: GrantFacts) -> GrantFacts:
    return replace(facts, api_key=replace(facts.api_key, grants=("client_credentials", "refresh_token")))


def _of_whoever_asks(_request: TokenRequest, facts: GrantFacts) -> GrantFacts:
    return _with_token(facts, client_id=facts.api_key.client_id, epoch=facts.api_key.epoch)


def _granted_all(request: TokenRequest, facts: GrantFacts) -> GrantFacts:
    token = facts.refresh_token
    return _with_token(facts, scope=f"{token.scope} {request.scope}") if token and request.scope else facts


def _read_with_write(_request: TokenRequest, facts: GrantFacts) -> GrantFacts:
    token = facts.refresh_token
    return (
        _with_token(facts, scope=f"{token.scope} {token.scope.replace('.write', '.read')}")
        if token
        else facts
    )


def _account_with_global(request: TokenRequest, facts: GrantFacts) -> GrantFacts:
    """A scope of an account passes where the same of all accounts was granted."""
    token = facts.refresh_token
    if not token:
        return facts
    held = set(token.scope.split())
    meant = [
        s for s in (request.scope or "").split() if template(s).removeprefix("/accounts/{accountID}") in held
    ]
    return _with_token(facts, scope=" ".join([token.scope, *meant]))


def _any_scope(_request: TokenRequest, facts: GrantFacts) -> GrantFacts:
    return replace(facts, known_scope=lambda scope: facts.known_scope(scope) or scope.startswith("/"))


def _any_account(_request: TokenRequest, facts: GrantFacts) -> GrantFacts:
    return replace(
        facts, known_scope=lambda scope: facts.known_scope(scope) or scope.startswith("/accounts/")
    )


def _scope_without_case(_request: TokenRequest, facts: GrantFacts) -> GrantFacts:
    return replace(facts, known_scope=lambda scope: facts.known_scope(scope.lower()))


def _scope_by_slash(request: TokenRequest) -> TokenRequest:
    scope = request.scope and " ".join(f"/{name.strip('/')}" for name in request.scope.split())
    return replace(request, scope=scope)


def _known_part(request: TokenRequest) -> TokenRequest:
    """Leaves out what it does not know, as RFC 6749 §3.3 would let it."""
    asked = (request.scope or "").split(" ")
    known = [scope for scope in asked if CATALOGUES["strict"](scope)]
    return replace(request, scope=" ".join(known)) if known else request


def _strict_spaces(request: TokenRequest) -> TokenRequest:
    odd = "" in (request.scope or "x").split(" ")
    return replace(request, scope='"') if odd else request


def _default_scope(request: TokenRequest) -> TokenRequest:
    missing = request.grant_type == "client_credentials" and not (request.scope or "").strip()
    return replace(request, scope="/ping.read") if missing else request


def _refresh_without_token(request: TokenRequest) -> TokenRequest:
    """Hands out a pair of its own where a refresh has no token."""
    if request.grant_type == "refresh_token" and request.refresh_token is None:
        return replace(request, grant_type="client_credentials", scope=request.scope or "/ping.read")
    return request


class ScopeByLetter(Endpoints):
    """Compares scopes letter by letter, those of accounts too."""

    def _grant(self, request: TokenRequest, api_key: ApiKey, client: ClaimedClient) -> TokenResponse:
        presented = tokens.read_refresh_token(self.repository.signing_keys(), request.refresh_token or "")
        if presented and set((request.scope or "").split()) - set(presented.scope.split()):
            raise invalid_scope("scope is wider than the original grant")
        return super()._grant(request, api_key, client)


class ScopeKept(Endpoints):
    """A refresh that asks for less gets all the same what was granted."""

    def _grant(self, request: TokenRequest, api_key: ApiKey, client: ClaimedClient) -> TokenResponse:
        refreshing = request.grant_type == "refresh_token"
        return super()._grant(replace(request, scope=None) if refreshing else request, api_key, client)


GRANTS: dict[str, Breakage] = {
    "scope-missing-granted": Breakage(
        rule="a token is for scopes that were asked for", endpoints=granting(_default_scope)
    ),
    "scope-unknown-granted": Breakage(
        rule="an unknown scope is refused", settings={"scope_catalogue": "open"}
    ),
    "scope-unknown-dropped": Breakage(
        rule="an unknown scope is refused, even beside known ones", endpoints=granting(_known_part)
    ),
    "scope-anything-granted": Breakage(rule="a scope is of Moov's form", endpoints=believing(_any_scope)),
    "scope-any-account": Breakage(rule="an account in a scope is a UUID", endpoints=believing(_any_account)),
    "scope-by-case": Breakage(
        rule="a scope has a case",
        endpoints=believing(_scope_without_case),
        unseen="their unknown scopes are unknown in any case",
    ),
    "scope-slash-added": Breakage(
        rule="a scope begins with its slash",
        endpoints=granting(_scope_by_slash),
        unseen="their scopes all begin with one",
    ),
    "scope-spaces-refused": Breakage(
        rule="more white space between scopes is tolerated", endpoints=granting(_strict_spaces)
    ),
    "scope-not-allowed-granted": Breakage(
        rule="a scope that the key may not ask for is refused", endpoints=believing(_may_all)
    ),
    "grant-not-allowed-granted": Breakage(
        rule="a grant that the key may not use is refused", endpoints=believing(_may_either)
    ),
    "refresh-without-token-granted": Breakage(
        rule="a refresh has a refresh_token", endpoints=granting(_refresh_without_token)
    ),
    "refresh-expired-granted": Breakage(
        rule="an expired refresh token is refused",
        endpoints=believing(lambda _request, facts: replace(facts, now=_LONG_AGO)),
        unseen="they last no three days",
    ),
    "refresh-of-another-granted": Breakage(
        rule="another client's refresh token is refused", endpoints=believing(_of_whoever_asks)
    ),
    "refresh-wider-granted": Breakage(
        rule="a refresh never widens the scope", endpoints=believing(_granted_all)
    ),
    "refresh-write-implies-read": Breakage(
        rule="write does not imply read",
        endpoints=believing(_read_with_write),
        unseen="none asks for the other permission of a scope that it has",
    ),
    "refresh-global-implies-account": Breakage(
        rule="a scope of all accounts does not stand for an account's",
        endpoints=believing(_account_with_global),
        unseen="none asks for an account's part of what it has",
    ),
    "refresh-uuid-by-case": Breakage(
        rule="the UUID of an account has no case",
        endpoints=ScopeByLetter,
    ),
    "refresh-narrower-ignored": Breakage(rule="a refresh may ask for less", endpoints=ScopeKept),
}
