"""Owns the path of a request: `AuthorizationServer.handle`. Must not know ASGI, sockets or command lines."""

import logging
from collections.abc import Mapping
from secrets import token_hex
from typing import cast

from msgspec.structs import replace

from mockmoov.config.settings import Settings
from mockmoov.oauth import contracts, grants, responses, tokens
from mockmoov.oauth.contracts import Contract
from mockmoov.oauth.errors import OAuthError
from mockmoov.oauth.messages import NO_NOTE, HttpRequest, HttpResponse, Note
from mockmoov.oauth.origins import ORIGIN_POLICIES
from mockmoov.oauth.records import IssuerKeys
from mockmoov.oauth.requests import (
    NO_PARAMETERS,
    Parameters,
    bearer_token,
    claimed_client_ids,
    read_parameters,
)
from mockmoov.oauth.scopes import CATALOGUES
from mockmoov.server.context import RequestContext, Route
from mockmoov.server.endpoints import Endpoints, forwarded
from mockmoov.server.issuing import Issuer
from mockmoov.server.routes import meant, moov_routes, protected
from mockmoov.server.validation import TokenValidator
from mockmoov.simulation import fault_effects
from mockmoov.simulation.clock import http_date
from mockmoov.simulation.redaction import redact_path
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import SimulationState

MAX_BODY = 64 * 1024  # bytes (choice)
REQUEST_ID_HEADER = "x-request-id"
_NOT_SENT = frozenset(("hang", "reset"))
_NOWHERE: tuple[Mapping[str, Route], Mapping[str, str]] = ({}, {})
_log = logging.getLogger("mockmoov")


def identified(
    response: HttpResponse, now: float, note: Note = NO_NOTE, request_id: str | None = None
) -> HttpResponse:
    """The response with the time and with the id that every answer of Moov carries (spec)."""
    date = http_date(int(now))
    return HttpResponse(
        status=response.status,
        headers=(*response.headers, ("date", date), (REQUEST_ID_HEADER, request_id or _request_id())),
        body=response.body,
        note=note,
        connection=response.connection,
    )


def _request_id() -> str:
    digits = token_hex(16)  # RFC 9562 §5.4, in half the time of uuid4; a caller's is not echoed (choice)
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


class AuthorizationServer:
    """Moov's authorization server. `handle` is total: it answers every request and never raises.

    Safe from any thread.
    """

    def __init__(
        self,
        settings: Settings,
        repository: Repository,
        simulation: SimulationState,
        *,
        signing_keys: IssuerKeys,
    ) -> None:
        self.settings = settings
        self._signing_keys = signing_keys
        self.repository = repository
        self.simulation = simulation
        self.policy = tokens.IssuerPolicy(
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
        self.validator = TokenValidator(repository, self.policy)
        self.issuer = Issuer(repository, self.policy, settings.token_format, refresh)
        self._default = cast("Contract", contracts.contract_named(settings.default_version))  # it was parsed
        self._told_default = False
        self._endpoints = Endpoints(
            repository=repository,
            validator=self.validator,
            issuer=self.issuer,
            known_scope=CATALOGUES[settings.scope_catalogue],
            origin_policy=ORIGIN_POLICIES[settings.origin_policy],
            rate_limit=settings.rate_limit,
        )
        self.routes = moov_routes(self._endpoints, forwards=settings.upstream is not None)
        self.endpoint_names = tuple(
            endpoint.name for methods in self.routes.methods for endpoint in methods.values()
        )
        self.form_paths = frozenset(
            path
            for path, methods in zip(self.routes.templates, self.routes.methods, strict=True)
            if any(endpoint.reads_body for endpoint in methods.values())
        )
        self._paths = frozenset(self.routes.templates)
        self._words = frozenset("/".join(self.routes.templates).split("/"))
        self.reset()

    @property
    def default_contract(self) -> str:
        """The name of the contract that a request without a version gets."""
        return self._default.name

    def reset(self) -> None:
        """Begin again with the signing keys and the API keys that there were first; all tokens are dead."""
        self.repository.reset(
            self._signing_keys, [replace(key, epoch=token_hex(8)) for key in self.settings.api_keys]
        )

    def handle(self, request: HttpRequest) -> HttpResponse:
        """The answer to a request, whatever it is; a delay that a fault wants is not made."""
        return self.answer(self.accept(request))

    def accept(self, request: HttpRequest) -> RequestContext:
        """A request on its way, with the fault that happens to it; `answer` is to follow after its delay."""
        methods, path_parameters = self.routes.find(request.path) or _NOWHERE
        return self._accept(request, methods, path_parameters, meant(methods, request.method))

    def accept_for(
        self, scopes: tuple[str, ...], request: HttpRequest, path_parameters: Mapping[str, str]
    ) -> RequestContext:
        """A request that another program answers, on its way through a check for these scopes."""
        methods, _ = self.routes.find(request.path) or _NOWHERE
        endpoint = meant(methods, request.method)
        guarded = {request.method: protected(self._endpoints, scopes, forwarded)}
        return self._accept(request, guarded, path_parameters, endpoint)

    def _accept(
        self,
        request: HttpRequest,
        methods: Mapping[str, Route],
        path_parameters: Mapping[str, str],
        endpoint: Route | None,
    ) -> RequestContext:
        parameters = _parameters(request, endpoint)
        condition = self.simulation.of(self._claimed(request, parameters))
        call = RequestContext(
            request,
            methods=methods,
            endpoint=endpoint.name if endpoint else None,
            path_parameters=path_parameters,
            redacted_path=request.path
            if request.path in self._paths
            else redact_path(request.path, self._words),
            contract=contracts.select_contract(request.headers, self._default),
            parameters=parameters,
            condition=condition,
        )
        if condition.has_faults:
            call.fault = self.simulation.take_fault(call.client_id, call.facts(), call.now)
        return call

    def answer(self, call: RequestContext) -> HttpResponse:
        """The answer to a request that was accepted.

        One with `forward` is no answer yet: another server has to give it, and `relay` makes it ours.
        """
        if call.fault and call.fault.delay:  # meanwhile clocks went on, or were moved
            call.now = self.simulation.of([call.client_id] if call.client_id else []).now
        response = self._respond(call, call.contract or self._default)
        if response.forward is not None:
            call.request_id = _request_id()
            return replace(response, forward=(*response.forward, (REQUEST_ID_HEADER, call.request_id)))
        return self._complete(call, response)

    def relay(self, call: RequestContext, response: HttpResponse) -> HttpResponse:
        """What another server answered to a request that was forwarded, as it goes out."""
        return self._complete(call, _altered(call, response, call.contract or self._default))

    def _complete(self, call: RequestContext, response: HttpResponse) -> HttpResponse:
        if self.settings.journal_size:
            self.simulation.record(call.exchange(response, call.contract or self._default))
        return identified(response, call.now, call.note(), call.request_id)

    def _respond(self, call: RequestContext, contract: Contract) -> HttpResponse:
        fault = call.fault
        if fault is None:
            return self._route(call)
        if fault.network_error in _NOT_SENT:
            reason = ((responses.REASON_HEADER, f"fault {fault.id}"),)
            return HttpResponse(status=0, headers=reason, connection=fault.network_error)
        instead = fault_effects.planned_response(fault, contract)
        if instead is not None:
            return replace(instead, connection=fault.network_error)
        response = self._route(call)
        return response if response.forward is not None else _altered(call, response, contract)

    def _route(self, call: RequestContext) -> HttpResponse:
        request = call.request
        if refused := self.routes.refusal(call.methods, request):
            return refused
        endpoint = call.methods[request.method]
        contract = call.contract
        if contract is None:
            return responses.render_malformed_version(self._default)
        if endpoint.reads_body and len(request.body) > MAX_BODY:
            return responses.render_too_large(MAX_BODY)
        self._tell_default(request, contract)
        try:
            return endpoint.answer(call, contract)
        except OAuthError as error:
            return endpoint.refuse(contract, error)

    def _claimed(self, request: HttpRequest, parameters: Parameters) -> tuple[str, ...]:
        claimed = claimed_client_ids(request.headers, parameters)
        token = bearer_token(request.headers) if not claimed else None
        client_id = self.validator.claimed_client_id(token) if token else None
        return (client_id,) if client_id is not None else claimed

    def _tell_default(self, request: HttpRequest, contract: Contract) -> None:
        if not self._told_default and "x-moov-version" not in request.headers:
            self._told_default = True
            _log.warning(
                "a request came without X-Moov-Version: it gets contract %s (default_version is %s)",
                contract.name,
                self.settings.default_version,
            )


def _altered(call: RequestContext, response: HttpResponse, contract: Contract) -> HttpResponse:
    fault = call.fault
    if fault is None:
        return response
    altered = fault_effects.apply_to_response(fault, response, contract)
    return replace(altered, connection=fault.network_error or response.connection)


def _parameters(request: HttpRequest, endpoint: Route | None) -> Parameters:
    if endpoint is None or not endpoint.reads_body or len(request.body) > MAX_BODY:
        return NO_PARAMETERS
    return read_parameters(request)
