"""Owns the path of a request: `AuthorizationServer.handle`. Must not know ASGI, sockets or command lines."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from secrets import token_hex
from typing import cast

from mockmoov import contracts, grants, operations, tokens
from mockmoov.contracts import Contract
from mockmoov.errors import ErrorCode, OAuthError
from mockmoov.inspection import Inspector
from mockmoov.issuing import Issuer
from mockmoov.messages import (
    NO_NOTE,
    ClientCredentials,
    HttpRequest,
    HttpResponse,
    Note,
    TokenRequest,
    TokenResponse,
)
from mockmoov.parsing import parse_authorization, parse_basic, parse_revocation_request, parse_token_request
from mockmoov.records import ApiKey
from mockmoov.repository import Repository
from mockmoov.scopes import CATALOGUES, permits
from mockmoov.settings import Settings

MAX_BODY = 64 * 1024  # bytes (choice)
_HINTS = (None, "access_token", "refresh_token")  # RFC 7009 §2.1
_log = logging.getLogger("mockmoov")


def identified(response: HttpResponse, note: Note = NO_NOTE) -> HttpResponse:
    """The response with the request id that every answer of Moov carries (spec); a caller's is not echoed."""
    headers = (*response.headers, ("x-request-id", _request_id()))
    return HttpResponse(status=response.status, headers=headers, body=response.body, note=note)


def _request_id() -> str:
    digits = token_hex(16)  # RFC 9562 §5.4, in half the time of uuid4
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


class _Exchange:
    """One request on its way, and what is known of it so far for the log."""

    __slots__ = ("client_id", "contract", "grant_type", "now", "request")

    def __init__(self, request: HttpRequest, contract: Contract, now: float) -> None:
        self.request = request
        self.contract = contract
        self.now = now
        self.client_id = self.grant_type = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoint:
    """What answers a method on a path, and how the one exception looks there."""

    answer: Callable[[_Exchange], HttpResponse]
    refuse: Callable[[Contract, OAuthError], HttpResponse]
    reads_body: bool


class AuthorizationServer:
    """Moov's authorization server. `handle` is total: it answers every request and never raises.

    `clock` returns Unix seconds; nothing else tells the time. Safe from any thread.
    """

    def __init__(
        self, settings: Settings, repository: Repository, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.settings = settings
        self.repository = repository
        self.clock = clock
        policy = tokens.IssuerPolicy(
            issuer=settings.issuer,
            audiences=settings.audiences,
            access_token_lifetime=settings.access_token_lifetime,
            refresh_token_lifetime=settings.refresh_token_lifetime,
        )
        refresh = grants.RefreshPolicy(
            rotation=settings.refresh_rotation,
            reuse_detection=settings.refresh_reuse_detection,
            grace=settings.refresh_grace_seconds,
        )
        self.inspector = Inspector(repository, policy)
        self._issuer = Issuer(repository, policy, settings.token_format, refresh)
        self._default = cast("Contract", contracts.contract_named(settings.default_version))  # it was parsed
        self._told_default = False
        self._known_scope = CATALOGUES[settings.scope_catalogue]
        self._origin_policy = operations.ORIGIN_POLICIES[settings.origin_policy]
        self._endpoints = self._routes()

    def _routes(self) -> Mapping[str, Mapping[str, _Endpoint]]:
        oauth = partial(_Endpoint, refuse=contracts.render_error_response, reads_body=True)
        protected = partial(_Endpoint, refuse=contracts.render_unauthorized, reads_body=False)
        return {
            "/oauth2/token": {"POST": oauth(answer=self._token)},
            "/oauth2/revoke": {"POST": oauth(answer=self._revoke)},
            **{
                path: {
                    method: protected(answer=partial(self._operation, scopes))
                    for method, scopes in methods.items()
                }
                for path, methods in operations.OPERATIONS.items()
            },
        }

    @property
    def default_contract(self) -> str:
        """The name of the contract that a request without a version gets."""
        return self._default.name

    @property
    def paths(self) -> Iterable[str]:
        """Every path that is served."""
        return self._endpoints

    def handle(self, request: HttpRequest) -> HttpResponse:
        """The answer to a request, whatever it is."""
        exchange = _Exchange(request, self._default, self.clock())
        response = self._route(exchange)
        return identified(response, Note(client_id=exchange.client_id, grant_type=exchange.grant_type))

    def _route(self, exchange: _Exchange) -> HttpResponse:
        request = exchange.request
        methods = self._endpoints.get(request.path)
        if methods is None:
            return contracts.render_refusal(404, "no such path")
        endpoint = methods.get(request.method)
        if endpoint is None:
            return contracts.render_refusal(
                405, "no such method on this path", (("allow", ", ".join(methods)),)
            )
        contract = contracts.select_contract(request.headers, self._default)
        if contract is None:
            return contracts.render_refusal(404, "X-Moov-Version is malformed")
        if endpoint.reads_body and len(request.body) > MAX_BODY:
            return contracts.render_too_large(MAX_BODY)
        self._tell_default(request, contract)
        exchange.contract = contract
        try:
            return endpoint.answer(exchange)
        except OAuthError as error:
            return endpoint.refuse(contract, error)

    def _tell_default(self, request: HttpRequest, contract: Contract) -> None:
        if not self._told_default and "x-moov-version" not in request.headers:
            self._told_default = True
            _log.warning(
                "a request came without X-Moov-Version: it gets contract %s (default_version is %s)",
                contract.name,
                self.settings.default_version,
            )

    # --- POST /oauth2/token -----------------------------------------------------------------------

    def _token(self, exchange: _Exchange) -> HttpResponse:
        request = parse_token_request(exchange.request)
        exchange.grant_type = request.grant_type if request.grant_type in grants.GRANTS else "-"
        api_key = self._authenticate(exchange, request.credentials)
        if limited := self._rate_limited(exchange, api_key):
            return limited
        return contracts.render_token_response(exchange.contract, self._grant(request, api_key, exchange.now))

    def _grant(self, request: TokenRequest, api_key: ApiKey, now: float) -> TokenResponse:
        keys = self.repository.signing_keys()
        presented = tokens.read_refresh_token(keys, request.refresh_token or "")
        facts = grants.Facts(
            api_key=api_key,
            now=now,
            known_scope=self._known_scope,
            refresh_token=presented,
            family=self.repository.family(presented.family) if presented else grants.NEW_FAMILY,
        )
        return self._issuer.issue(keys, api_key, grants.decide(request, facts), now=now)

    # --- POST /oauth2/revoke ----------------------------------------------------------------------

    def _revoke(self, exchange: _Exchange) -> HttpResponse:
        request = parse_revocation_request(exchange.request)
        api_key = self._authenticate(exchange, request.credentials)
        if limited := self._rate_limited(exchange, api_key):
            return limited
        if request.token is None:
            raise OAuthError(ErrorCode.INVALID_REQUEST, "token is missing", parameter="token")
        if request.token_type_hint not in _HINTS:
            reason = "token_type_hint is neither access_token nor refresh_token"
            raise OAuthError(ErrorCode.INVALID_REQUEST, reason, parameter="token_type_hint")
        self.inspector.revoke(request.token, api_key, exchange.now)
        return contracts.render_empty(204)

    # --- protected operations ---------------------------------------------------------------------

    def _operation(self, scopes: tuple[str, ...], exchange: _Exchange) -> HttpResponse:
        scheme, rest = parse_authorization(exchange.request.headers)
        authenticate = _SCHEMES.get(scheme)
        if authenticate is None:
            raise OAuthError(ErrorCode.INVALID_CLIENT, "neither Basic nor Bearer credentials were sent")
        api_key, granted = authenticate(self, exchange, rest)
        if limited := self._rate_limited(exchange, api_key):
            return limited
        if granted is not None and not permits(granted, scopes):
            return contracts.render_refusal(403, f"the token lacks scope {' '.join(scopes)}")
        return contracts.render_empty(200)

    def _basic(self, exchange: _Exchange, rest: str) -> tuple[ApiKey, None]:
        """The API key itself: not narrowed by scopes, exempt from the Origin rule (docs)."""
        return self._authenticate(exchange, parse_basic(rest)), None

    def _bearer(self, exchange: _Exchange, rest: str) -> tuple[ApiKey, list[str]]:
        api_key, token = self.inspector.live_access_token(rest, exchange.now)
        exchange.client_id = api_key.client_id
        if token.client_type == "web":
            refusal = operations.origin_refusal(
                self._origin_policy, exchange.request.headers, token.audiences
            )
            if refusal:
                raise OAuthError(ErrorCode.INVALID_CLIENT, refusal)
        return api_key, token.scope.split()

    # --- shared steps -----------------------------------------------------------------------------

    def _authenticate(self, exchange: _Exchange, credentials: ClientCredentials | None) -> ApiKey:
        keys = self.repository.api_keys(credentials.client_ids if credentials else ())
        if keys:
            exchange.client_id = keys[0].client_id
        return grants.authenticate_client(keys, credentials)

    def _rate_limited(self, exchange: _Exchange, api_key: ApiKey) -> HttpResponse | None:
        if not self.settings.rate_limit:
            return None
        wait = self.repository.spend(api_key.account_id, now=exchange.now, rate=self.settings.rate_limit)
        return contracts.render_rate_limited(exchange.contract, wait) if wait else None


_SCHEMES: Mapping[str, Callable[[AuthorizationServer, _Exchange, str], tuple[ApiKey, list[str] | None]]] = {
    "basic": AuthorizationServer._basic,
    "bearer": AuthorizationServer._bearer,
}
