"""Moov's authorization server: the way of a request from its first look at the path to the journal."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, cast

from msgspec.structs import replace

from mockmoov.config.settings import Settings
from mockmoov.oauth import contracts, grants, responses, tokens
from mockmoov.oauth.contracts import Contract
from mockmoov.oauth.encoding import read_json
from mockmoov.oauth.errors import OAuthError
from mockmoov.oauth.hints import missing_parameter_hint
from mockmoov.oauth.messages import FrozenHeaders, HttpRequest, HttpResponse
from mockmoov.oauth.origins import ORIGIN_POLICIES
from mockmoov.oauth.records import IssuerKeys
from mockmoov.oauth.requests import (
    NO_PARAMETERS,
    bearer_token,
    claimed_client_ids,
    has_json_body,
    query_names,
    read_message,
)
from mockmoov.oauth.scopes import CATALOGUES
from mockmoov.server.context import RequestContext, RequestHead
from mockmoov.server.endpoints import Endpoints, Route, forward, matching_route, moov_routes, protected_route
from mockmoov.server.issuing import Issuer
from mockmoov.server.starting import State, restart_advice
from mockmoov.server.steps import Delay, Forward, PeekBody, ReadBody, Steps, run_in_process
from mockmoov.server.validation import TokenValidator
from mockmoov.simulation import fault_effects
from mockmoov.simulation.clock import http_date
from mockmoov.simulation.faults import NO_RESPONSE, fault_reason
from mockmoov.simulation.redaction import redact_path
from mockmoov.simulation.stubs import miss_reason, stub_response
from mockmoov.storage.entries import family_name, names_of_records
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import ClaimedClient, SimulationState
from mockmoov.storage.store import StoreError

if TYPE_CHECKING:
    from mockmoov.openapi.examples import Examples

MAX_BODY = 64 * 1024  # bytes (choice)
_MOST_KNOWN = 128  # heads of requests that need not be read again
MAX_JOURNALED_BODY = 16 * 1024  # bytes (choice)
REQUEST_ID_HEADER = "x-request-id"
RETRY_SOON = ("retry-after", "1")
_NO_ROUTE: tuple[Mapping[str, Route], Mapping[str, str]] = ({}, {})
_log = logging.getLogger("mockmoov")


def stamped(response: HttpResponse, now: float, request_id: str | None) -> HttpResponse:
    """The response with its date, and the id that every response of Moov has (spec) unless it is None."""
    stamps = [("date", http_date(int(now)))]
    if request_id is not None:
        stamps.append((REQUEST_ID_HEADER, request_id))
    return HttpResponse(status=response.status, headers=(*response.headers, *stamps), body=response.body)


def render_internal_error(request_id: str) -> HttpResponse:
    """The 500 of a request that mockmoov failed to answer; call it in the `except` block, as it logs."""
    _log.exception("mockmoov failed while it answered request %s", request_id)
    return responses.render_error(500, "mockmoov itself failed: see the traceback in its log")


def store_failure(error: StoreError) -> str:
    """The reason of a 503: the store cannot be used now."""
    return f"the store failed: {error}"


def _refuse(context: RequestContext, contract: Contract, error: OAuthError) -> HttpResponse:
    """The response to a refused request. Its reason says where a missing parameter may be."""
    route, request = cast("Route", context.head.route), context.request
    if error.missing:
        hint = missing_parameter_hint(
            error.missing, context.parameters, query_names(request.query), has_body=bool(request.body)
        )
        error = OAuthError(error.code, error.reason + hint, parameter=error.parameter)
    return route.render_error(contract, error)


class AuthorizationServer:
    """Moov's authorization server. Every request gets a response, whatever it is. Safe from any thread.

    `make_signing_keys` returns those that settings name, else new ones at each call. `found` says what the
    store holds after the start; `server/starting.py` says what the start puts there. A server that `joins`
    others puts nothing there.
    """

    def __init__(
        self,
        settings: Settings,
        repository: Repository,
        simulation: SimulationState,
        *,
        make_signing_keys: Callable[[], IssuerKeys],
        examples: "Examples | None" = None,
        joins: bool = False,
    ) -> None:
        self.settings = settings
        self.examples = examples
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
        advice = restart_advice(settings)
        self.validator = TokenValidator(repository, self.policy, advice)
        self.issuer = Issuer(repository, self.policy, settings.token_format, refresh)
        contract = contracts.contract_named(settings.default_version)
        self._default_contract = cast("Contract", contract)  # it was parsed
        self._endpoints = Endpoints(
            repository=repository,
            validator=self.validator,
            issuer=self.issuer,
            known_scope=CATALOGUES[settings.scope_catalogue],
            origin_policy=ORIGIN_POLICIES[settings.origin_policy],
            rate_limit=settings.rate_limit,
        )
        self.routes = moov_routes(
            self._endpoints,
            forwards=settings.upstream is not None,
            examples=examples.answers if examples else None,
        )
        self._paths = frozenset(self.routes.templates)
        self._known_head = lru_cache(maxsize=_MOST_KNOWN)(self._read_head)
        self._path_words = frozenset("/".join(self.routes.templates).split("/"))
        self._state = State(settings, repository, simulation, make_signing_keys)
        self.found = self._state.join() if joins else self._state.start()

    @property
    def default_contract_name(self) -> str:
        """The name of the contract for requests without a version."""
        return self._default_contract.name

    def refill(self) -> None:
        """Put what a start puts into the store, which has lost it. All tokens from before are invalid."""
        self._state.start()

    def reset(self) -> None:
        """Start over with the API keys and stubs of the settings; every token becomes invalid.

        The signing keys are those that settings name, else new ones.
        """
        self._state.reset()

    def close(self) -> None:
        """Close the store. A later request opens it again."""
        self.repository.close()

    def redact_path(self, path: str) -> str:
        """The path as the journal has it."""
        return path if path in self._paths else redact_path(path, self._path_words)

    def handle(self, request: HttpRequest) -> HttpResponse | None:
        """The response to a request inside the process; None if a fault sends none (hang, reset)."""
        head = replace(request, headers=FrozenHeaders.of(request.headers), body=b"")
        return run_in_process(self.respond(RequestContext(head)), request.body)

    def respond(self, context: RequestContext) -> Steps:
        """The steps that answer a request to one of Moov's paths."""
        context.head = head = self.read_head(context.request)
        context.endpoint = (head.route.name or None) if head.route else None
        return self._respond(context)

    def guard(
        self, context: RequestContext, scopes: tuple[str, ...], path_parameters: Mapping[str, str]
    ) -> Steps:
        """The steps that check a request to a program's own endpoint, which answers at the step `Forward`."""
        head = self.read_head(context.request)
        name = head.route.name if head.route else ""
        route = protected_route(self._endpoints, name, (scopes,), forward)
        context.head = replace(
            head,
            route=route,
            routing_error=None,
            path_parameters=path_parameters,
            has_json=has_json_body(context.request.headers, MAX_BODY),
        )
        context.endpoint = name or None
        return self._respond(context)

    def read_head(self, request: HttpRequest) -> RequestHead:
        """What a request says before its body. Clients send the same again and again, so it is remembered."""
        is_known = isinstance(request.headers, FrozenHeaders)
        return (self._known_head if is_known else self._read_head)(request)

    def _read_head(self, request: HttpRequest) -> RequestHead:
        headers = request.headers
        methods, path_parameters = self.routes.find(request.path) or _NO_ROUTE
        route, routing_error = matching_route(methods, request.method), self.routes.error(methods, request)
        is_operation = route is not None and route.parse is None and routing_error is None
        return RequestHead(
            route=route,
            routing_error=routing_error,
            path_parameters=path_parameters,
            redacted_path=self.redact_path(request.path),
            contract=contracts.select_contract(headers, self._default_contract),
            client_ids=claimed_client_ids(headers, NO_PARAMETERS),
            bearer=bearer_token(headers),
            asks_first="expect" in headers,
            has_json=is_operation and has_json_body(headers, MAX_BODY),
        )

    # --- the way of a request -----------------------------------------------------------------------

    def _respond(self, context: RequestContext) -> Steps:
        """Read, decide, respond. Everything in between waits for nothing; what has to wait is a step."""
        try:
            head = context.head
            if head.route is not None and head.route.reads_body:
                self._take_body(context, head.route, (yield ReadBody(MAX_BODY)))
            if head.has_json and not head.asks_first:
                self.keep_body(context, (yield PeekBody(MAX_BODY)))
            self._identify(context)
            contract = context.head.contract or self._default_contract
            if context.client.has_faults:
                response = yield from self._with_faults(context, contract)
            else:
                authorized = self._authorize(context, contract)
                response = yield from self._answer(context, contract, authorized)
            if self.settings.journal_size:
                self.simulation.record(context.exchange(response, contract))
        except StoreError as error:
            response = responses.render_error(503, store_failure(error), (RETRY_SOON,))
            response = self._fail(context, response)
        except Exception:
            response = render_internal_error(context.request_id)
            response = self._fail(context, response)
        has_id = context.fault is None or context.has_failed or fault_effects.has_request_id(context.fault)
        return response and stamped(response, context.now, context.request_id if has_id else None)

    def _fail(self, context: RequestContext, response: HttpResponse) -> HttpResponse:
        """Answer with an error, and journal it, unless it is the journal or the store that failed."""
        context.network_error, context.has_failed = None, True
        try:
            if not context.now:
                context.client = ClaimedClient(api_key=None, now=self.repository.wall(), has_faults=False)
                context.client = self.simulation.claimed_client(())
            self.simulation.record(
                context.exchange(response, context.head.contract or self._default_contract)
            )
        except StoreError as error:
            _log.warning("request %s is missing from the journal: %s", context.request_id, error)
        except Exception:
            _log.exception("request %s is missing from the journal", context.request_id)
        return response

    def _take_body(self, context: RequestContext, route: Route, body: bytes) -> None:
        """Add the body that the endpoint needs, and what it says."""
        context.request = replace(context.request, body=body)
        if route.parse is not None and len(body) <= MAX_BODY:
            context.message = read_message(route.parse, context.request)

    def keep_body(self, context: RequestContext, body: bytes | None) -> None:
        """Keep the JSON body of a request to an operation for its plans and the journal; None: not known."""
        if body is not None and len(body) <= MAX_BODY:
            with suppress(ValueError):
                context.json_body = read_json(body)
            context.keeps_body = self.settings.journal_bodies and len(body) <= MAX_JOURNALED_BODY

    def _identify(self, context: RequestContext) -> None:
        """Find out which API key and which token the request claims, and read what the store has on them."""
        context.claimed = context.message.client_ids if context.message else context.head.client_ids
        bearer = context.head.bearer
        if not context.claimed and bearer and (read := self.validator.unverified(bearer)):
            client_id = tokens.claimed_client_id(read.claims)
            context.claimed = () if client_id is None else (client_id,)
            context.records = names_of_records(read.token)
        if (text := context.refresh_token) and (family := tokens.claimed_family(text)):
            context.records = (family_name(family),)
        context.client = self.simulation.claimed_client(context.claimed, context.records)

    def _with_faults(self, context: RequestContext, contract: Contract) -> Steps:
        """The response of the fault that the request triggers, or the real one as the fault leaves it.

        A planned success waits until the request is authorized, so that it never replaces a refusal.
        """
        take = partial(self.simulation.take_fault, facts=context.facts(), now=context.now)
        fault, pending = take(context.owners, is_authorized=None)
        authorized = None
        if pending:
            authorized = self._authorize(context, contract)
            fault, _ = take(pending, is_authorized=not isinstance(authorized, HttpResponse))
        context.fault = fault
        if fault is not None:
            yield from self._delay(context, fault.delay)
            context.network_error = fault.network_error
            if fault.network_error in NO_RESPONSE:
                context.reason = fault_reason(fault)
                return None
            if response := fault_effects.planned_response(fault, contract):
                return response
        real = yield from self._answer(context, contract, authorized or self._authorize(context, contract))
        if fault is None or real is None:
            return real
        return fault_effects.apply_to_response(fault, real, contract, context.issued)

    def _authorize(self, context: RequestContext, contract: Contract) -> Any:
        """What the route needs to answer the request, or the `HttpResponse` that refuses it."""
        request, route = context.request, context.head.route
        if context.head.routing_error or route is None:
            return context.head.routing_error
        if context.head.contract is None:
            sent = request.headers["x-moov-version"]
            reason = contracts.malformed_version_reason(sent, self._default_contract)
            return responses.render_error(404, reason)  # (docs, live)
        if route.reads_body and len(request.body) > MAX_BODY:
            return responses.render_too_large(MAX_BODY)
        if context.message and isinstance(error := context.message.parsed, OAuthError):
            return _refuse(context, contract, error)
        try:
            return route.authorize(context, contract)
        except OAuthError as refused:
            return _refuse(context, contract, refused)

    def _answer(self, context: RequestContext, contract: Contract, authorized: Any) -> Steps:
        """The real response, which may be a stub's or the upstream's."""
        if isinstance(authorized, HttpResponse):
            return authorized
        if context.head.has_json and context.head.asks_first:  # it was authorized first
            self.keep_body(context, (yield PeekBody(MAX_BODY)))
        if context.endpoint in context.client.stubbed:
            facts = context.facts()
            context.stub = stub = self.simulation.take_stub(context.owners, facts)
            if stub is None:
                plans = map(self.simulation.stubs.read, context.owners)
                context.stub_miss = next(filter(None, (miss_reason(plan, facts) for plan in plans)), "")
            else:
                yield from self._delay(context, stub.delay)
                return stub_response(stub, context.decoded_path_parameters)
        route, fault = cast("Route", context.head.route), context.fault  # who is authorized has a route
        try:
            answer = route.answer(context, contract, authorized)
        except OAuthError as refused:
            return _refuse(context, contract, refused)
        if isinstance(answer, HttpResponse):
            return answer
        response: HttpResponse | None = yield Forward(
            headers=(*answer.headers, (REQUEST_ID_HEADER, context.request_id)),
            needs_body=fault is not None and fault_effects.needs_whole_body(fault),
        )
        if response is None:
            context.reason = "the client left before the upstream answered"
        return response

    def _delay(self, context: RequestContext, seconds: float) -> Steps:
        if seconds:
            yield Delay(seconds)
            # Meanwhile clocks went on, or were moved, and a key or a token may have been revoked.
            changed = self.simulation.claimed_client(context.claimed, context.records)
            context.client = replace(context.client, now=changed.now, seen=changed.seen)
        return None
