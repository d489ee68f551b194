"""Owns what Moov's endpoints do, by a contract that is chosen already. Must not know routes or faults."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mockmoov.oauth import grants, origins, responses, tokens
from mockmoov.oauth.contracts import Contract
from mockmoov.oauth.errors import ErrorCode, OAuthError
from mockmoov.oauth.messages import ClientCredentials, HttpResponse, TokenRequest, TokenResponse
from mockmoov.oauth.operations import missing_scope_reason
from mockmoov.oauth.records import ApiKey, IssuerKeys
from mockmoov.oauth.requests import (
    parse_authorization,
    parse_basic,
    parse_revocation_request,
    parse_token_request,
)
from mockmoov.oauth.scopes import is_scope_token
from mockmoov.server.context import RequestContext
from mockmoov.server.issuing import Issuer
from mockmoov.server.validation import TokenValidator
from mockmoov.storage.repository import Repository

CLIENT_ID_HEADER = "x-mockmoov-client-id"
ACCOUNT_ID_HEADER = "x-mockmoov-account-id"
SCOPES_HEADER = "x-mockmoov-scopes"
ANY_SCOPE = "*"  # of Basic, which scopes do not narrow (docs)
_HINTS = (None, "access_token", "refresh_token")  # RFC 7009 §2.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Moov's endpoints; each answers or raises `OAuthError`. `rate_limit`: requests a second, 0 for any."""

    repository: Repository
    validator: TokenValidator
    issuer: Issuer
    known_scope: Callable[[str], bool]
    origin_policy: origins.OriginPolicy | None
    rate_limit: int

    # --- POST /oauth2/token -----------------------------------------------------------------------

    def token(self, call: RequestContext, contract: Contract) -> HttpResponse:
        """Issue tokens (RFC 6749 §3.2)."""
        request = parse_token_request(call.request.headers, call.parameters)
        api_key = self._authenticate(request.credentials)
        if limited := self._rate_limited(call, contract, api_key):
            return limited
        call.issued = self._grant(request, api_key, call.now)
        return responses.render_token_response(contract, call.issued)

    def _grant(self, request: TokenRequest, api_key: ApiKey, now: float) -> TokenResponse:
        keys = self.repository.signing_keys()
        grant = grants.decide(request, self._facts(keys, request, api_key, now))
        return self.issuer.issue(keys, api_key, grant, now=now)

    def _facts(
        self, keys: IssuerKeys, request: TokenRequest, api_key: ApiKey, now: float
    ) -> grants.GrantFacts:
        presented = tokens.read_refresh_token(keys, request.refresh_token or "")
        return grants.GrantFacts(
            api_key=api_key,
            now=now,
            known_scope=self.known_scope,
            refresh_token=presented,
            family=self.repository.family(presented.family) if presented else grants.NEW_FAMILY,
        )

    # --- POST /oauth2/revoke ----------------------------------------------------------------------

    def revoke(self, call: RequestContext, contract: Contract) -> HttpResponse:
        """Revoke a token (RFC 7009 §2)."""
        request = parse_revocation_request(call.request.headers, call.parameters)
        api_key = self._authenticate(request.credentials)
        if limited := self._rate_limited(call, contract, api_key):
            return limited
        if request.token is None:
            raise OAuthError(ErrorCode.INVALID_REQUEST, "token is missing", parameter="token")
        if request.token_type_hint not in _HINTS:
            reason = "token_type_hint is neither access_token nor refresh_token"
            raise OAuthError(ErrorCode.INVALID_REQUEST, reason, parameter="token_type_hint")
        self.validator.revoke(request.token, api_key, call.now)
        return responses.render_empty(204)

    # --- protected operations ---------------------------------------------------------------------

    def authorize(
        self, scopes: tuple[str, ...], beyond: "Beyond", call: RequestContext, contract: Contract
    ) -> HttpResponse:
        """Answer what wants these scopes: `beyond` does, for who may pass."""
        scheme, rest = parse_authorization(call.request.headers)
        authenticate = _SCHEMES.get(scheme)
        if authenticate is None:
            raise OAuthError(ErrorCode.INVALID_CLIENT, "neither Basic nor Bearer credentials were sent")
        api_key, granted = authenticate(self, call, rest)
        if limited := self._rate_limited(call, contract, api_key):
            return limited
        if granted is not None and (reason := missing_scope_reason(granted, scopes, call.path_parameters)):
            return responses.render_error(403, reason)
        return beyond(api_key, granted)

    def _basic(self, _call: RequestContext, rest: str) -> tuple[ApiKey, None]:
        """The API key itself: not narrowed by scopes, exempt from the Origin rule (docs)."""
        return self._authenticate(parse_basic(rest)), None

    def _bearer(self, call: RequestContext, rest: str) -> tuple[ApiKey, list[str]]:
        api_key, token = self.validator.live_access_token(rest, call.now)
        if token.client_type == "web":
            refusal = origins.origin_rejection_reason(
                self.origin_policy, call.request.headers, token.audiences
            )
            if refusal:
                raise OAuthError(ErrorCode.INVALID_CLIENT, refusal)
        return api_key, token.scope.split()

    # --- shared steps -----------------------------------------------------------------------------

    def _authenticate(self, credentials: ClientCredentials | None) -> ApiKey:
        keys = self.repository.api_keys(credentials.client_ids if credentials else ())
        return grants.authenticate_client(keys, credentials)

    def _rate_limited(self, call: RequestContext, contract: Contract, api_key: ApiKey) -> HttpResponse | None:
        if not self.rate_limit:
            return None
        wait = self.repository.take_request(api_key, now=call.now, rate=self.rate_limit)
        return responses.render_rate_limited(contract, wait) if wait else None


Beyond = Callable[[ApiKey, list[str] | None], HttpResponse]
"""What answers a request that may pass: given the API key, and the scopes of the token (None: Basic)."""


def pong(_api_key: ApiKey, _granted: list[str] | None) -> HttpResponse:
    """The answer of /ping (spec)."""
    return responses.render_empty(200)


def nowhere(_api_key: ApiKey, _granted: list[str] | None) -> HttpResponse:
    """The answer of an operation that nobody has behind us."""
    reason = "the request may pass, but nothing here answers it: set upstream to a server that does"
    return responses.render_error(501, reason)


def forwarded(api_key: ApiKey, granted: list[str] | None) -> HttpResponse:
    """The request may pass; whose it is goes along: of a token made to order, only what is a scope."""
    told = [ANY_SCOPE] if granted is None else [scope for scope in granted if _is_told(scope)]
    credentials = (
        (CLIENT_ID_HEADER, api_key.client_id),
        (ACCOUNT_ID_HEADER, api_key.account_id),
        (SCOPES_HEADER, " ".join(told)),
    )
    return HttpResponse(status=0, forward=credentials)


def _is_told(scope: str) -> bool:
    return is_scope_token(scope) and scope != ANY_SCOPE


_SCHEMES: Mapping[str, Callable[[Endpoints, RequestContext, str], tuple[ApiKey, list[str] | None]]] = {
    "basic": Endpoints._basic,
    "bearer": Endpoints._bearer,
}
