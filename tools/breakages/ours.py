"""The breakages of our own endpoints: keys, metadata, introspection, health."""

from collections.abc import Callable
from typing import Any

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
    "introspection-open": _ours(
        "introspection wants credentials",
        where(body(200, b'{"active":false}'), path=INTROSPECT, status=401),
    ),
    "health-unmarked": _ours(
        "what is ours is marked", where(header("x-mockmoov-extension", None), path=HEALTH)
    ),
}
