"""Owns the rules of what mockmoov serves that Moov does not. Must not know transports or reports."""

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import urlsplit

from mockmoov.verify.check import Topic
from mockmoov.verify.jwt_claims import segments
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import want
from mockmoov.verify.results import Failed

topic = Topic("mockmoov")

_JWKS, _METADATA = "/.well-known/jwks.json", "/.well-known/oauth-authorization-server"
_INTROSPECT = "/_mockmoov/introspect"


@topic.check("signature", "rfc 7517, choice", needs=("mockmoov",))
def _(probe: Probe) -> None:
    """With the key of its kid in the JWKS a token verifies; kid is the RFC 7638 thumbprint."""
    import jwt  # noqa: PLC0415 - the one check that wants cryptography

    token = probe.mint().access
    kid = segments(token)[0].get("kid")
    listed = probe.ask("GET", _JWKS, version=False).want_status(200).document().get("keys")
    keys = [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []
    found = [key for key in keys if key.get("kid") == kid]
    want(len(found) == 1, f"one key {kid}", len(found))
    want(not any("d" in key for key in keys), "public keys alone", "a private one")
    members = json.dumps({name: found[0].get(name) for name in ("crv", "kty", "x")}, separators=(",", ":"))
    thumbprint = urlsafe_b64encode(sha256(members.encode()).digest()).rstrip(b"=").decode()
    want(kid == thumbprint, f"kid {thumbprint}", kid)
    try:
        jwt.PyJWS().decode(token, jwt.PyJWK(found[0]), ["EdDSA"])
    except jwt.PyJWTError as error:
        raise Failed(f"wanted a token that verifies, got {type(error).__name__}") from None


@topic.check("metadata", "rfc 8414 §2, choice", needs=("mockmoov",))
def _(probe: Probe) -> None:
    """The metadata names endpoints of this server."""
    document = probe.ask("GET", _METADATA, version=False).want_status(200).document()
    wanted = {"token_endpoint": "/oauth2/token", "revocation_endpoint": "/oauth2/revoke", "jwks_uri": _JWKS}
    for name, path in wanted.items():
        url = urlsplit(str(document.get(name)))
        want(url.path == path, f"{name} to end with {path}", url.path)
    grants = document.get("grant_types_supported")
    want(grants == ["client_credentials", "refresh_token"], "both grants", grants)


@topic.check("introspection", "rfc 7662 §2.2, choice", needs=("mockmoov",))
def _(probe: Probe) -> None:
    """Introspection says what a good token is, and of a revoked or unknown one that it is not active."""
    pair = probe.mint()
    for token in (pair.access, pair.refresh):
        document = _introspected(probe, token)
        want(document.get("active") is True, "active", document.get("active"))
        want(document.get("scope") == pair.scope, pair.scope, document.get("scope"))
        want(document.get("client_id") == probe.key.client_id, "its client", document.get("client_id"))
    probe.revoke(pair.refresh)
    for token in (pair.access, pair.refresh, "nonsense"):
        document = _introspected(probe, token)
        want(document == {"active": False}, '{"active": false}', ", ".join(document))


@topic.check("introspection-of-others", "rfc 7662 §4, choice", needs=("control plane",))
def _(probe: Probe) -> None:
    """Another client's token is not active to others; without credentials nothing is told."""
    pair = probe.own().mint()
    other = probe.own()
    for token in (pair.access, pair.refresh):
        want(_introspected(other, token) == {"active": False}, '{"active": false}')
    other.post(_INTROSPECT, {"token": pair.access}, credentials=False, version=False).want_status(401)


@topic.check("health", "choice", needs=("mockmoov",))
def _(probe: Probe) -> None:
    """Health is a 200 to anyone, and what is ours is marked as such."""
    answer = probe.ask("GET", "/_mockmoov/health", version=False).want_status(200)
    want(answer.header("x-mockmoov-extension") is not None, "X-Mockmoov-Extension", None)


def _introspected(probe: Probe, token: str) -> dict[str, object]:
    return probe.post(_INTROSPECT, {"token": token}, version=False).want_status(200).want_json().document()
