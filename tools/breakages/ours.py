"""The breakages of our own endpoints: keys, metadata, introspection, health; and of planned faults."""

from collections.abc import Callable
from typing import Any

from msgspec.json import Decoder
from msgspec.structs import replace

from mockmoov.simulation.faults import Fault, Plan
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.plans import Plans
from mockmoov.storage.simulation import SimulationState
from tools.breakages.bending import body, header, members, where
from tools.breakages.seams import Bend, Breakage

JWKS, METADATA = "/.well-known/jwks.json", "/.well-known/oauth-authorization-server"
INTROSPECT, HEALTH = "/_mockmoov/introspect", "/_mockmoov/health"
_NOT_IN_THEM = "they are of Moov's paths"


def _keys(change: Callable[[dict[str, Any]], object]) -> Bend:
    return where(members(lambda document: [change(key) for key in document["keys"]]), path=JWKS)


def _ours(rule: str, bend: Bend) -> Breakage:
    return Breakage(rule=rule, ours=bend, unseen=_NOT_IN_THEM)


OURS: dict[str, Breakage] = {
    "jwks-missing": _ours("the keys are published", where(body(404, b""), path=JWKS)),
    "jwks-empty": _ours(
        "the key that signs is among the published ones",
        where(members(lambda document: document["keys"].clear()), path=JWKS),
    ),
    "jwks-other-key": _ours(
        "the published key verifies tokens", _keys(lambda key: key.update(x=key["x"][::-1]))
    ),
    "jwks-kid-other": _ours("a token's kid is a published one", _keys(lambda key: key.update(kid="1"))),
    "jwks-private": _ours("no private key is published", _keys(lambda key: key.update(d=key["x"]))),
    "metadata-of-elsewhere": _ours(
        "the metadata names the endpoints of this server",
        where(
            members(lambda document: document.update(token_endpoint=f"{document['issuer']}/token")),
            path=METADATA,
        ),
    ),
    "introspection-always-active": _ours(
        "a dead token is not active", where(members(lambda d: d.update(active=True)), path=INTROSPECT)
    ),
    "introspection-of-the-dead": _ours(
        "of a token that is not active nothing is told",
        where(members(lambda d: d.update({} if d["active"] else {"scope": "/ping.read"})), path=INTROSPECT),
    ),
    "introspection-without-sub": _ours(
        "introspection names the subject", where(members(lambda d: d.pop("sub", None)), path=INTROSPECT)
    ),
    "introspection-sub-of-scope": _ours(
        "the subject is the client",
        where(members(lambda d: d.update({"sub": d["scope"]} if d["active"] else {})), path=INTROSPECT),
    ),
    "introspection-open": _ours(
        "introspection wants credentials",
        where(body(200, b'{"active":false}'), path=INTROSPECT, status=401),
    ),
    "health-unmarked": _ours(
        "what is ours is marked", where(header("x-mockmoov-extension", None), path=HEALTH)
    ),
}


# --- planned faults ------------------------------------------------------------------------------------


def _planning(change: Callable[[Fault], Fault]) -> type[SimulationState]:
    """Plans another fault than the one that was asked for."""

    class PlannedFaults(Plans[Fault]):
        def add(self, owner: str | None, *items: Fault) -> None:
            super().add(owner, *map(change, items))

    class Planning(SimulationState):
        def __init__(self, store: MemoryStore, *, wall: Callable[[], float]) -> None:
            super().__init__(store, wall=wall)
            self.faults = PlannedFaults(store, "faults", Decoder(Plan))

    return Planning


def _fault(rule: str, **attributes: Any) -> Breakage:
    return Breakage(rule=rule, unseen="they plan no faults", **attributes)


_BLOCKED = "error code: 1010"

FAULTS: dict[str, Breakage] = {
    "edge-blocked-as-json": _fault(
        "a client that the edge blocks gets no JSON", bend=where(body(403, b"{}"), status=403)
    ),
    "edge-blocked-as-html": _fault(
        "a client that the edge blocks gets plain text",
        bend=where(header("content-type", "text/html"), status=403),
    ),
    "edge-blocked-without-ray": _fault(
        "what the edge answers has a cf-ray", bend=where(header("cf-ray", None), status=403)
    ),
    "edge-blocked-with-request-id": _fault(
        "what the edge answers has no x-request-id",
        simulation=_planning(
            lambda f: replace(f, headers={n: v for n, v in f.headers.items() if v is not None})
        ),
    ),
    "edge-blocked-401": _fault(
        "a client that the edge blocks gets a 403",
        simulation=_planning(lambda f: replace(f, status=401) if f.text == _BLOCKED else f),
    ),
    "expires-in-other-forgotten": _fault(
        "the preset expires-in-other changes what expires_in means",
        simulation=_planning(lambda f: replace(f, other_expires_in=False)),
    ),
}
