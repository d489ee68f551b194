"""The breakages of operations: HEAD, scopes, Moov's applications."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from mockmoov.oauth.contracts import Contract
from mockmoov.oauth.messages import HttpResponse
from mockmoov.server.context import RequestContext
from mockmoov.server.endpoints import AuthorizedClient, Endpoints, ScopeSets
from tools.breakages.bending import PING, Change, body, header, members, status, where
from tools.breakages.reading import given, when, with_parameters
from tools.breakages.seams import Bend, Breakage

_UNSEEN = "they use no operation but ping"
_PARTNER = "{partnerAccountID}"


def _of(change: Change, *, method: str = "GET", path: str = PING, status: int = 200) -> Bend:
    """Bend the answers to this method, by default of successful pings."""
    return where(change, method=method, path=path, status=status)


def _operation(rule: str, **attributes: Any) -> Breakage:
    return Breakage(rule=rule, unseen=_UNSEEN, **attributes)


# --- HEAD ----------------------------------------------------------------------------------------------

HEADS: dict[str, Breakage] = {
    "head-unknown": Breakage(rule="HEAD is answered as GET is", bend=_of(status(405), method="HEAD")),
    "head-open": Breakage(
        rule="HEAD requires a token as GET does", bend=_of(status(200), method="HEAD", status=401)
    ),
    "head-of-any-scope": Breakage(
        rule="HEAD requires the scope of GET", bend=_of(status(200), method="HEAD", status=403)
    ),
    "head-of-token-200": Breakage(
        rule="there is no HEAD where there is no GET",
        bend=_of(lambda r: header("allow", None)(status(200)(r)), method="HEAD", path="/oauth2/", status=405),
    ),
    "head-not-allowed": Breakage(
        rule="Allow names HEAD next to GET",
        bend=_of(header("allow", "GET"), method="POST", status=405),
    ),
}

# --- scopes --------------------------------------------------------------------------------------------


def _with_sets(change: Callable[[ScopeSets], ScopeSets]) -> type[Endpoints]:
    """Operations require the scopes of others."""

    class OfOtherScopes(Endpoints):
        def authorize(
            self, scope_sets: ScopeSets, context: RequestContext, contract: Contract
        ) -> AuthorizedClient | HttpResponse:
            return super().authorize(change(scope_sets), context, contract)

    return OfOtherScopes


class _AnyAccount(Endpoints):
    """A scope is enough whatever its account."""

    def authorize(
        self, scope_sets: ScopeSets, context: RequestContext, contract: Contract
    ) -> AuthorizedClient | HttpResponse:
        others = {name: value for name, value in context.head.path_parameters.items() if name != "accountID"}
        context.head = replace(context.head, path_parameters=others)
        return super().authorize(scope_sets, context, contract)


def _of_the_path(scope_sets: ScopeSets) -> ScopeSets:
    return tuple(tuple(scope.replace(_PARTNER, "{accountID}") for scope in each) for each in scope_sets)


def _partner_alone(scope_sets: ScopeSets) -> ScopeSets:
    return tuple(tuple(scope for scope in each if _PARTNER in scope) or each for each in scope_sets)


OPERATIONS: dict[str, Breakage] = {
    "scope-newer-unknown": Breakage(
        rule="a scope of the newest SDK can be granted",
        understand=when(
            lambda r: given(r).get("scope") == "/issued-cards.read",
            with_parameters(lambda parameters: {**parameters, "scope": "/nonsense.read"}),
        ),
    ),
    "operation-newer-unknown": _operation(
        "an operation of the newest SDK is known", bend=_of(status(404), path="/issuing/merchant-categories")
    ),
    "operation-older-unknown": _operation(
        "an operation that was replaced is known",
        bend=lambda request, r: status(404)(r) if request.path.endswith("/issued-cards") else r,
    ),
    "operation-of-any-scope": _operation(
        "an operation requires its scope", bend=_of(status(200), path="/issuing/", status=403)
    ),
    "operation-of-any-account": _operation(
        "a scope of an account is for that account", endpoints=_AnyAccount
    ),
    "alternatives-forgotten": _operation(
        "one of an operation's sets of scopes is enough", endpoints=_with_sets(lambda sets: sets[:1])
    ),
    "alternatives-all-wanted": _operation(
        "one of an operation's sets of scopes is enough, and not all are wanted",
        endpoints=_with_sets(lambda sets: (tuple(scope for each in sets for scope in each),)),
    ),
    "partner-of-the-path": _operation(
        "a partner's account is that of the API key", endpoints=_with_sets(_of_the_path)
    ),
    "partner-unasked": _operation(
        "a partner needs profile.read of the account too", endpoints=_with_sets(_partner_alone)
    ),
}

# --- applications --------------------------------------------------------------------------------------

_APPLICATIONS, _NO_PATH = "/applications", "they list no applications"


def _application(rule: str, **attributes: Any) -> Breakage:
    return Breakage(rule=rule, unseen=_NO_PATH, **attributes)


def _listed(**changes: object) -> Bend:
    """List the application with other members."""
    return _of(members(lambda document: document[0].update(changes)), path=_APPLICATIONS)


def _created(change: Callable[[dict[str, Any]], Mapping[str, object]]) -> Bend:
    """Answer with other members of a new key."""
    change_all = members(lambda document: document.update(change(document)))
    return _of(change_all, method="POST", path=_APPLICATIONS)


class _OfAnyToken(Endpoints):
    """Applications are for tokens too."""

    def authorize(
        self, scope_sets: ScopeSets, context: RequestContext, contract: Contract
    ) -> AuthorizedClient | HttpResponse:
        return super().authorize(scope_sets or ((),), context, contract)


class _Forgetting(Endpoints):
    """A new key is made up, and not kept."""

    def create_application_key(
        self, context: RequestContext, contract: Contract, caller: AuthorizedClient
    ) -> HttpResponse:
        response = super().create_application_key(context, contract, caller)
        if response.status == 200:
            self.repository.delete_api_key(json.loads(response.body)["clientId"])
        return response


class _WithoutOrigins(Endpoints):
    """A new key has no origins, whatever is asked for."""

    def create_application_key(
        self, context: RequestContext, contract: Contract, caller: AuthorizedClient
    ) -> HttpResponse:
        response = super().create_application_key(context, contract, caller)
        if response.status == 200:
            client_id = json.loads(response.body)["clientId"]
            self.repository.change_api_key(client_id, lambda key: replace(key, origins=()))
        return response


class _OfAnyApplication(Endpoints):
    """A new key may be for any application."""

    def create_application_key(
        self, context: RequestContext, contract: Contract, caller: AuthorizedClient
    ) -> HttpResponse:
        own = {"applicationID": caller.api_key.application_id}
        context.head = replace(context.head, path_parameters=own)
        return super().create_application_key(context, contract, caller)


_NO_UUID = "00000000-0000-4000-8000-000000000000"

APPLICATIONS: dict[str, Breakage] = {
    "applications-unknown": _application(
        "the applications of an API key are listed", bend=_of(body(404, b""), path=_APPLICATIONS)
    ),
    "applications-none": _application(
        "an API key has one application",
        bend=_of(body(200, b"[]"), path=_APPLICATIONS),
    ),
    "application-of-another-id": _application(
        "an application's id is the tokens' aid", bend=_listed(applicationID=_NO_UUID)
    ),
    "application-of-another-account": _application(
        "an application belongs to the account of its key", bend=_listed(accountID=_NO_UUID)
    ),
    "application-of-all-scopes": _application(
        "an application has the scopes of its key", bend=_listed(allowedScopes=["/ping.read", "/fed.read"])
    ),
    "application-time-in-seconds": _application("times are in RFC 3339", bend=_listed(createdOn=1.8e9)),
    "applications-of-any-token": _application("applications are not for tokens", endpoints=_OfAnyToken),
    "application-key-201": _application(
        "a new key comes with a 200", bend=_of(status(201), method="POST", path=_APPLICATIONS)
    ),
    "application-key-without-secret": _application(
        "a new key comes with its secret", bend=_created(lambda _: {"clientSecret": None})
    ),
    "application-key-snake-case": _application(
        "a new key has the members that moov-go reads",
        bend=_created(lambda document: {"client_id": document.pop("clientId")}),
    ),
    "application-key-forgotten": _application("a new key is good at once", endpoints=_Forgetting),
    "application-key-without-origins": _application(
        "a new key has the origins that were asked for", endpoints=_WithoutOrigins
    ),
    "application-key-400": _application(
        "a bad member of a new key is a 422",
        bend=_of(status(400), method="POST", path=_APPLICATIONS, status=422),
    ),
    "application-key-error-unnamed": _application(
        "a 422 names the member at fault",
        bend=_of(body(422, b'{"error":"invalid"}'), method="POST", path=_APPLICATIONS, status=422),
    ),
    "application-key-of-any-application": _application(
        "a key is made for the caller's application only", endpoints=_OfAnyApplication
    ),
}
