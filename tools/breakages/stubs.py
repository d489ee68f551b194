"""The breakages of stubs, and of what the journal keeps of the requests that they answer."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import structs
from msgspec.json import Decoder
from msgspec.structs import replace

from mockmoov.oauth.contracts import Contract
from mockmoov.oauth.errors import OAuthError
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.records import Exchange
from mockmoov.server.context import RequestContext
from mockmoov.server.endpoints import AuthorizedClient, Endpoints, ScopeSets
from mockmoov.simulation.masking import HIDDEN
from mockmoov.simulation.matching import Where
from mockmoov.simulation.stubs import Stub, StubPlan
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.plans import Plans
from mockmoov.storage.simulation import SimulationState
from tools.breakages.bending import because, header, where
from tools.breakages.seams import Breakage


def _stub(rule: str, **attributes: Any) -> Breakage:
    return Breakage(rule=rule, unseen="they add no stubs", **attributes)


# --- which stub answers, and with what -------------------------------------------------------------------


def _with_plans(plans: type[Plans[Stub]]) -> type[SimulationState]:
    """Keeps stubs in other plans."""

    class WithPlans(SimulationState):
        def __init__(self, store: MemoryStore, *, wall: Callable[[], float]) -> None:
            super().__init__(store, wall=wall)
            self.stubs = plans(store, "stubs", Decoder(StubPlan))

    return WithPlans


def _adding(change: Callable[[Stub], Stub]) -> type[SimulationState]:
    """Adds another stub than the one that was given."""

    class ChangedStubs(Plans[Stub]):
        def add(self, owner: str | None, *items: Stub) -> None:
            super().add(owner, *map(change, items))

    return _with_plans(ChangedStubs)


def _without_condition(**anything: Any) -> type[SimulationState]:
    """Adds stubs without some of their conditions."""
    return _adding(lambda stub: replace(stub, where=replace(stub.where, **anything)))


def _with_text(old: str, new: str) -> type[SimulationState]:
    """Adds stubs whose JSON has other text."""
    return _adding(lambda stub: replace(stub, json=_replaced(stub.json, old, new)))


def _replaced(value: Any, old: str, new: str) -> Any:
    return json.loads(json.dumps(value).replace(old, new)) if isinstance(value, Mapping) else value


class _FirstWins(Plans[Stub]):
    """A stub is added before the others."""

    def add(self, owner: str | None, *items: Stub) -> None:
        others = self.read(owner)
        self.remove(owner)
        super().add(owner, *items, *others)


class _OfTheServer(Plans[Stub]):
    """Every stub is the server's."""

    def add(self, _owner: str | None, *items: Stub) -> None:
        super().add(None, *items)


# --- stubs and the guard -----------------------------------------------------------------------------------


class _BeforeScopes(Endpoints):
    """A stub answers whatever the scopes of the token."""

    def authorize(
        self, scope_sets: ScopeSets, context: RequestContext, contract: Contract
    ) -> AuthorizedClient | HttpResponse:
        is_stubbed = context.endpoint in context.client.stubbed
        return super().authorize(((),) if is_stubbed else scope_sets, context, contract)


class _BeforeTokens(Endpoints):
    """A stub answers even if the token is invalid."""

    def authorize(
        self, scope_sets: ScopeSets, context: RequestContext, contract: Contract
    ) -> AuthorizedClient | HttpResponse:
        try:
            return super().authorize(scope_sets, context, contract)
        except OAuthError:
            key = context.client.api_key
            if key is None or context.endpoint not in context.client.stubbed:
                raise
            return AuthorizedClient(key, None)


class _Spending(Endpoints):
    """A request that is refused uses a stub up."""

    def authorize(
        self, scope_sets: ScopeSets, context: RequestContext, contract: Contract
    ) -> AuthorizedClient | HttpResponse:
        response = super().authorize(scope_sets, context, contract)
        if isinstance(response, HttpResponse):
            simulation = SimulationState(self.repository._store, wall=self.repository.wall)
            simulation.take_stub(context.owners, context.facts())
        return response


STUBS: dict[str, Breakage] = {
    "stub-200": _stub(
        "a stub answers with its status", simulation=_adding(lambda stub: replace(stub, status=200))
    ),
    "stub-without-headers": _stub(
        "a stub answers with its headers", simulation=_adding(lambda stub: replace(stub, headers={}))
    ),
    "stub-as-text": _stub(
        "the JSON of a stub is sent as application/json",
        bend=because(header("content-type", "text/plain"), "stub "),
    ),
    "stub-before-scopes": _stub("a stub requires the scopes of its operation", endpoints=_BeforeScopes),
    "stub-before-tokens": _stub("a stub requires a valid token", endpoints=_BeforeTokens),
    "stub-spent-by-refusal": _stub("a refused request doesn't use up a stub", endpoints=_Spending),
    "stub-first-wins": _stub("the last stub that matches answers", simulation=_with_plans(_FirstWins)),
    "stub-times-ignored": _stub(
        "a stub answers as often as its times", simulation=_adding(lambda stub: replace(stub, times=None))
    ),
    "stub-after-ignored": _stub(
        "a stub skips the first matches", simulation=_adding(lambda stub: replace(stub, after=0))
    ),
    "stub-every-ignored": _stub(
        "a stub answers every so many matches", simulation=_adding(lambda stub: replace(stub, every=1))
    ),
    "stub-anywhere": _stub(
        "a stub has conditions", simulation=_adding(lambda stub: replace(stub, where=Where()))
    ),
    "stub-of-any-account": _stub(
        "a stub can require path parameters", simulation=_without_condition(path_parameters={})
    ),
    "stub-of-any-query": _stub("a stub can require a query", simulation=_without_condition(query={})),
    "stub-of-any-headers": _stub("a stub can require headers", simulation=_without_condition(headers={})),
    "stub-of-any-body": _stub("a stub can require a body", simulation=_without_condition(body=None)),
    "stub-unfilled": _stub(
        "path parameters are filled into a stub's JSON", simulation=_with_text('"{acc', '"{{acc')
    ),
    "stub-unfilled-inside": _stub(
        "path parameters are filled in within a string", simulation=_with_text("/{acc", "/{{acc")
    ),
    "stub-braces-doubled": _stub("two braces in a stub's JSON are one", simulation=_with_text("{{", "{{{{")),
    "stub-of-any-key": _stub("a stub is for one key", simulation=_with_plans(_OfTheServer)),
}

# --- the journal -------------------------------------------------------------------------------------------


def _journal(rule: str, **attributes: Any) -> Breakage:
    return Breakage(rule=rule, unseen="they read no journal", **attributes)


def _recording(**changes: Any) -> type[SimulationState]:
    """Records exchanges with other members."""

    class Recording(SimulationState):
        def record(self, exchange: Exchange) -> None:
            super().record(structs.replace(exchange, **changes))

    return Recording


class _Forgetful(SimulationState):
    """Records nothing."""

    def record(self, exchange: Exchange) -> None:
        pass


def _unmasked(response: HttpResponse) -> HttpResponse:
    """The journal with a card number wherever it masks something."""
    masked, number = f'"{HIDDEN}"'.encode(), b'"4111111111111111"'
    return structs.replace(response, body=response.body.replace(masked, number))


JOURNAL: dict[str, Breakage] = {
    "journal-empty": _journal("requests are in the journal", simulation=_Forgetful),
    "journal-without-stub": _journal(
        "the journal names the stub that answered", simulation=_recording(stub=None)
    ),
    "journal-without-path": _journal(
        "the journal has the path parameters of a request", simulation=_recording(path_parameters={})
    ),
    "journal-without-query": _journal(
        "the journal has the query of a request", simulation=_recording(query={})
    ),
    "journal-without-body": _journal(
        "the journal has the JSON body of a request", settings={"journal_bodies": "off"}
    ),
    "journal-unmasked": _journal(
        "the journal masks secrets and card numbers", ours=where(_unmasked, path="/_mockmoov/", method="GET")
    ),
}
