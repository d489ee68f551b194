"""Moov's endpoints: first who may use them, then what they answer; and the paths that they have.

The contract has been chosen already, and faults are somebody else's business.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, cast

from msgspec import Struct

from mockmoov.oauth import grants, hints, origins, requests, responses, tokens
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.oauth.contracts import Contract
from mockmoov.oauth.errors import OAuthError, invalid_client, invalid_request
from mockmoov.oauth.messages import (
    ClientCredentials,
    Headers,
    HttpResponse,
    RevocationRequest,
    TokenRequest,
    TokenResponse,
)
from mockmoov.oauth.operations import BY_PATH, Operation, missing_scope_reason
from mockmoov.oauth.records import ApiKey, IssuerKeys
from mockmoov.oauth.scopes import is_scope_token
from mockmoov.server import applications
from mockmoov.server.context import RequestContext
from mockmoov.server.issuing import Issuer
from mockmoov.server.routing import Routes, declared_method
from mockmoov.server.steps import Forward
from mockmoov.server.validation import TokenValidator
from mockmoov.simulation.redaction import show_origin
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import ClaimedClient
from mockmoov.storage.store import Seen

CLIENT_ID_HEADER = "x-mockmoov-client-id"
ACCOUNT_ID_HEADER = "x-mockmoov-account-id"
SCOPES_HEADER = "x-mockmoov-scopes"
ANY_SCOPE = "*"  # the scopes of Basic, which scopes do not narrow (docs)
ScopeSets: TypeAlias = tuple[tuple[str, ...], ...]
_Message: TypeAlias = TokenRequest | RevocationRequest
_TOKEN_TYPE_HINTS = (None, "access_token", "refresh_token")  # RFC 7009 §2.1


class AuthorizedClient(Struct, frozen=True):
    """Who may use an operation: an API key, and the scopes of its token (None: Basic, not narrowed)."""

    api_key: ApiKey
    scopes: list[str] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Endpoints:
    """Moov's endpoints. `rate_limit` is in requests a second for each account, 0 for no limit."""

    repository: Repository
    validator: TokenValidator
    issuer: Issuer
    known_scope: Callable[[str], bool]
    origin_policy: origins.OriginPolicy | None
    rate_limit: int

    def authenticate(
        self, context: RequestContext, contract: Contract
    ) -> tuple[_Message, ApiKey] | HttpResponse:
        """The message and its sender (RFC 6749 §3.2.1, RFC 7009 §2.1), or a 429; raises `OAuthError`."""
        message = cast("requests.Message", context.message)  # it was read
        request = cast("_Message", message.parsed)  # and an error was rendered already
        api_key = self._authenticate(request.credentials, context.client.seen)
        return self._rate_limited(context, contract, api_key) or (request, api_key)

    # --- POST /oauth2/token -----------------------------------------------------------------------

    def issue_tokens(
        self, context: RequestContext, contract: Contract, authorized: tuple[TokenRequest, ApiKey]
    ) -> HttpResponse:
        """Issue an access and a refresh token (RFC 6749 §4.4, §6); raises `OAuthError`."""
        request, api_key = authorized
        context.issued = self._grant(request, api_key, context.client)
        return responses.render_token_response(contract, context.issued)

    def _grant(self, request: TokenRequest, api_key: ApiKey, client: ClaimedClient) -> TokenResponse:
        keys = self.repository.signing_keys(client.seen)
        grant = grants.decide(request, self._facts(keys, request, api_key, client))
        return self.issuer.issue(keys, api_key, grant, now=client.now, seen=client.seen)

    def _facts(
        self, keys: IssuerKeys, request: TokenRequest, api_key: ApiKey, client: ClaimedClient
    ) -> grants.GrantFacts:
        sent = request.refresh_token
        presented = tokens.read_refresh_token(keys, sent) if sent else None
        family = grants.NEW_FAMILY
        if presented and request.scope is not None:
            family = self.repository.family(presented.family)
        return grants.GrantFacts(
            api_key=api_key,
            now=client.now,
            known_scope=self.known_scope,
            refresh_token=presented,
            why_unknown=self.validator.why_not_refresh_token(sent) if sent and not presented else "",
            family=family,
            restart_advice=self.validator.restart_advice,
        )

    # --- POST /oauth2/revoke ----------------------------------------------------------------------

    def revoke_token(
        self, context: RequestContext, _contract: Contract, authorized: tuple[RevocationRequest, ApiKey]
    ) -> HttpResponse:
        """Revoke a token (RFC 7009 §2); raises `OAuthError`."""
        request, api_key = authorized
        if request.token is None:
            raise invalid_request("token is missing", parameter="token", missing=("token",))
        if request.token_type_hint not in _TOKEN_TYPE_HINTS:
            reason = "token_type_hint must be access_token or refresh_token"
            raise invalid_request(reason, parameter="token_type_hint")
        self.validator.revoke(request.token, api_key, context.now, context.client.seen)
        return responses.render_empty(204)

    # --- protected operations ---------------------------------------------------------------------

    def authorize(
        self, scope_sets: ScopeSets, context: RequestContext, contract: Contract
    ) -> AuthorizedClient | HttpResponse:
        """The caller, if the request may use an operation that requires all scopes of one of these sets.

        A 429 or 403 is returned as a response; anything else that is wrong raises `OAuthError`.
        """
        scheme, credentials = requests.parse_authorization(context.request.headers)
        authenticate = _SCHEMES.get(scheme)
        if authenticate is None:
            problem = _why_no_credentials(context.request.headers, scheme, credentials)
            in_query = requests.query_names(context.request.query)
            raise invalid_client(problem + hints.query_token_hint(in_query))
        caller = authenticate(self, context, credentials)
        if limited := self._rate_limited(context, contract, caller.api_key):
            return limited
        if caller.scopes is not None and (
            reason := missing_scope_reason(
                caller.scopes, scope_sets, context.head.path_parameters, caller.api_key.account_id
            )
        ):
            return responses.render_error(403, reason)
        return caller

    def create_application_key(
        self, context: RequestContext, _contract: Contract, caller: AuthorizedClient
    ) -> HttpResponse:
        """Create an API key for the caller's application (sdk: moov-go)."""
        application_id = context.head.path_parameters["applicationID"]
        return applications.create_application_key(
            self.repository, caller.api_key, application_id, context.request.body, now=context.now
        )

    def _basic(self, context: RequestContext, credentials: str) -> AuthorizedClient:
        """The API key itself: not narrowed by scopes, exempt from the Origin rule (docs)."""
        sent = requests.parse_basic(credentials)
        try:
            api_key = self._authenticate(sent, context.client.seen)
        except OAuthError as error:
            is_known = bool(self.repository.api_keys(sent.client_ids))
            hint = "" if is_known else hints.basic_for_bearer_hint(sent.client_ids[0])
            raise invalid_client(f"HTTP Basic was sent: {error.reason}{hint}") from None
        return AuthorizedClient(api_key, None)

    def _bearer(self, context: RequestContext, credentials: str) -> AuthorizedClient:
        api_key, token = self.validator.live_access_token(credentials, context.now, context.client.seen)
        if token.client_type == "web":
            reason = origins.origin_rejection_reason(
                self.origin_policy,
                context.request.headers,
                token.audiences,
                registered=api_key.origins,
                show=show_origin,
            )
            if reason:
                raise invalid_client(reason)
        return AuthorizedClient(api_key, token.scope.split())

    # --- shared steps -----------------------------------------------------------------------------

    def _authenticate(self, credentials: ClientCredentials | None, seen: Seen) -> ApiKey:
        keys = self.repository.api_keys(credentials.client_ids if credentials else (), seen)
        try:
            return grants.authenticate_client(keys, credentials)
        except OAuthError:
            if credentials and (mistake := self._mistaken_key(credentials, keys)):
                raise invalid_client(mistake, parameter=credentials.parameter) from None
            raise

    def _mistaken_key(self, credentials: ClientCredentials, keys: Sequence[ApiKey]) -> str:
        """Which other API key these credentials belong to; `keys` have their client id. Else ""."""
        if keys:
            others = set(self.repository.secrets()).difference(key.client_secret for key in keys)
            is_mixed = others.intersection(credentials.client_secrets)
            return "client_id and client_secret are of different API keys" if is_mixed else ""
        swapped = self.repository.api_keys(credentials.client_secrets)
        if any(key.client_secret in credentials.client_ids for key in swapped):
            return "client_id and client_secret are swapped"
        if EXAMPLE["client_id"] in credentials.client_ids:
            return "there is no API key with this client_id: the documented example was replaced or deleted"
        return ""

    def _rate_limited(
        self, context: RequestContext, contract: Contract, api_key: ApiKey
    ) -> HttpResponse | None:
        if not self.rate_limit:
            return None
        wait = self.repository.take_request(api_key, now=context.now, rate=self.rate_limit)
        return responses.render_rate_limited(contract, wait) if wait else None


_SCHEMES: Mapping[str, Callable[[Endpoints, RequestContext, str], AuthorizedClient]] = {
    "basic": Endpoints._basic,
    "bearer": Endpoints._bearer,
}


def _why_no_credentials(headers: Headers, scheme: str, rest: str) -> str:
    """What is wrong with an Authorization header that is missing, or has another scheme."""
    if scheme:
        return hints.scheme_hint(scheme, rest)
    sent = "an empty" if "authorization" in headers else "no"
    return f"{sent} Authorization header was sent: send a Bearer token"


# --- what an operation answers to a sufficient request ----------------------------------------------


def answer_ping(_context: RequestContext, _contract: Contract, _caller: AuthorizedClient) -> HttpResponse:
    """The response of `GET /ping` (spec)."""
    return responses.render_empty(200)


def list_applications(
    _context: RequestContext, _contract: Contract, caller: AuthorizedClient
) -> HttpResponse:
    """The caller's application (sdk: moov-go)."""
    return applications.list_applications(caller.api_key)


def not_implemented(context: RequestContext, _contract: Contract, _caller: AuthorizedClient) -> HttpResponse:
    """The 501 of an operation that nothing answers."""
    name = context.endpoint
    add = (
        f"nothing answers {name} here: add a stub (on the page, by POST /_mockmoov/stubs, in Python with "
        "stubs.add), or set upstream or openapi"
    )
    miss = f"the stub of {name} doesn't answer: {context.stub_miss}"
    return responses.render_error(
        501, f"the credentials are sufficient, but {miss if context.stub_miss else add}"
    )


def forward(_context: RequestContext, _contract: Contract, caller: AuthorizedClient) -> Forward:
    """The step that lets the upstream answer; of a minted token only well-formed scopes are sent on."""
    scopes = [ANY_SCOPE]
    if caller.scopes is not None:
        scopes = [scope for scope in caller.scopes if is_scope_token(scope) and scope != ANY_SCOPE]
    return Forward(
        headers=(
            (CLIENT_ID_HEADER, caller.api_key.client_id),
            (ACCOUNT_ID_HEADER, caller.api_key.account_id),
            (SCOPES_HEADER, " ".join(scopes)),
        )
    )


def _answer_with(
    example: Callable[[], HttpResponse],
    _context: RequestContext,
    _contract: Contract,
    _caller: AuthorizedClient,
) -> HttpResponse:
    """The example of an OpenAPI description for an operation."""
    return example()


# --- routes -----------------------------------------------------------------------------------------


class Route(Struct, frozen=True, kw_only=True):
    """How one method of one path is answered; `name` is the endpoint's name in faults and the journal.

    `authorize` decides whether the client may use the endpoint. Its result goes to `answer`, unless it is a
    response. A planned success and a stub come between the two, so that they replace no refusal. Both may
    raise `OAuthError`, which `render_error` renders. `reads_body`: they need the body. `parse` makes the
    message of an OAuth request of its parameters.
    """

    name: str
    authorize: Callable[[RequestContext, Contract], Any]
    answer: Callable[[RequestContext, Contract, Any], HttpResponse | Forward]
    render_error: Callable[[Contract, OAuthError], HttpResponse]
    reads_body: bool = False
    parse: requests.Parse | None = None


Answer: TypeAlias = Callable[[RequestContext, Contract, AuthorizedClient], HttpResponse | Forward]


def _answered_here(endpoints: Endpoints) -> Mapping[str, tuple[Answer, bool]]:
    """The operations that mockmoov answers itself, and whether that needs the body."""
    return {
        "ping": (answer_ping, False),
        "listApplications": (list_applications, False),
        "createApplicationKey": (endpoints.create_application_key, True),
    }


def moov_routes(
    endpoints: Endpoints,
    *,
    forwards: bool,
    examples: Mapping[tuple[str, str], Callable[[], HttpResponse]] | None = None,
) -> Routes[Route]:
    """The routes of Moov's paths.

    All operations but a few are answered by the upstream, with `forwards`, or else by the `examples`, by path
    template and method.
    """
    answers = _answered_here(endpoints)

    def route_of(path: str, method: str, operation: Operation) -> Route:
        example = (examples or {}).get((path, method))
        other = forward if forwards else partial(_answer_with, example) if example else not_implemented
        answer, reads_body = answers.get(operation.name, (other, False))
        return protected_route(endpoints, operation.name, operation.scope_sets, answer, reads_body=reads_body)

    oauth_route = partial(
        Route,
        authorize=endpoints.authenticate,
        render_error=responses.render_oauth_error,
        reads_body=True,
    )
    return Routes(
        {
            "/oauth2/token": {
                "POST": oauth_route(
                    name="token",
                    parse=requests.parse_token_request,
                    answer=endpoints.issue_tokens,
                )
            },
            "/oauth2/revoke": {
                "POST": oauth_route(
                    name="revoke",
                    parse=requests.parse_revocation_request,
                    answer=endpoints.revoke_token,
                )
            },
            **{
                path: {method: route_of(path, method, item) for method, item in methods.items()}
                for path, methods in BY_PATH.items()
            },
        }
    )


def protected_route(
    endpoints: Endpoints, name: str, scope_sets: ScopeSets, answer: Answer, *, reads_body: bool = False
) -> Route:
    """A route that requires all scopes of one of these sets; without any, an API key with HTTP Basic."""
    return Route(
        name=name,
        authorize=partial(endpoints.authorize, scope_sets),
        answer=answer,
        render_error=responses.render_unauthorized,
        reads_body=reads_body,
    )


def matching_route(methods: Mapping[str, Route], method: str) -> Route | None:
    """The route that a request is for: the only one of its path whatever the method, else by method."""
    return next(iter(methods.values())) if len(methods) == 1 else methods.get(declared_method(method))
