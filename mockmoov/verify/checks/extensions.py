"""Checks of what mockmoov adds to Moov: a client, and endpoints."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import urlsplit

from mockmoov.client import InvalidClientError, InvalidGrantError, InvalidScopeError, MoovError
from mockmoov.client.tokens import LONGEST_LIFETIME
from mockmoov.verify.check import CheckFailed, check
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import expect

_JWKS, _METADATA = "/.well-known/jwks.json", "/.well-known/oauth-authorization-server"
_INTROSPECT = "/_mockmoov/introspect"


@check("program.round", "seed, spec, sdk")
def program_round(probe: Probe) -> None:
    """The reference client creates, refreshes and revokes a token, and computes its expiry correctly."""
    with probe.reference_client() as client, _expecting_success():
        token = client.create(probe.target.scopes)
        expect(token.scopes == probe.target.scopes, probe.scope, token.scope)
        remaining = (token.expires_at - datetime.fromtimestamp(probe.server_time(), UTC)).total_seconds()
        expect(0 < remaining < LONGEST_LIFETIME, "an expiry in the near future", remaining)
        new = client.refresh(token)
        expect(new.scope == token.scope, token.scope, new.scope)
        client.revoke(new)
        client.revoke(new, "access_token")


@check("program.refusals", "seed, spec, live")
def program_refusals(probe: Probe) -> None:
    """The reference client distinguishes a wrong secret, a bad scope and a bad refresh token."""
    with probe.reference_client() as client:
        _fail_with(lambda: client.create("/nonsense.read"), InvalidScopeError)
        _fail_with(lambda: client.refresh("nonsense"), InvalidGrantError)
    with probe.reference_client("not-the-secret") as client:
        _fail_with(lambda: client.create(probe.target.scopes), InvalidClientError)


@check("mockmoov.signature", "rfc 7517, choice", needs=("mockmoov",))
def mockmoov_signature(probe: Probe) -> None:
    """The key in the JWKS with the token's kid verifies the token; kid is the RFC 7638 thumbprint."""
    import jwt  # noqa: PLC0415 - only this check needs cryptography

    pair = probe.mint()
    kid = pair.decode()[0].get("kid")
    listed = probe.request("GET", _JWKS, send_version=False).expect_status(200).json_object().get("keys")
    keys = [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []
    found = [key for key in keys if key.get("kid") == kid]
    expect(len(found) == 1, f"one key {kid}", len(found))
    expect(not any("d" in key for key in keys), "only public keys", "a private key")
    members = json.dumps({name: found[0].get(name) for name in ("crv", "kty", "x")}, separators=(",", ":"))
    thumbprint = urlsafe_b64encode(sha256(members.encode()).digest()).rstrip(b"=").decode()
    expect(kid == thumbprint, f"kid {thumbprint}", kid)
    try:
        jwt.PyJWS().decode(pair.access, jwt.PyJWK(found[0]).key, ["EdDSA"])
    except jwt.PyJWTError as error:
        raise CheckFailed(f"expected a token that verifies, got {type(error).__name__}") from None


@check("mockmoov.metadata", "rfc 8414 §2, choice", needs=("mockmoov",))
def mockmoov_metadata(probe: Probe) -> None:
    """The metadata names the endpoints of this server."""
    document = probe.request("GET", _METADATA, send_version=False).expect_status(200).json_object()
    expected = {"token_endpoint": "/oauth2/token", "revocation_endpoint": "/oauth2/revoke", "jwks_uri": _JWKS}
    for name, path in expected.items():
        url = urlsplit(str(document.get(name)))
        expect(url.path == path, f"{name} to end with {path}", url.path)
    grants = document.get("grant_types_supported")
    expect(grants == ["client_credentials", "refresh_token"], "both grants", grants)


@check("mockmoov.introspection", "rfc 7662 §2.2, choice", needs=("mockmoov",))
def mockmoov_introspection(probe: Probe) -> None:
    """Introspection describes a valid token, and reports a revoked or unknown one as not active."""
    pair = probe.mint()
    for token in (pair.access, pair.refresh):
        document = _introspect(probe, token)
        expect(document.get("active") is True, "active true", document.get("active"))
        expect(document.get("scope") == pair.scope, pair.scope, document.get("scope"))
        client_id = document.get("client_id")
        expect(client_id == probe.key.client_id, "client_id of its client", client_id)
    probe.revoke(pair.refresh)
    for token in (pair.access, pair.refresh, "nonsense"):
        document = _introspect(probe, token)
        expect(document == {"active": False}, '{"active": false}', ", ".join(document))


@check("mockmoov.introspection-subject", "rfc 7662 §2.2, rfc 9068 §2.2, choice", needs=("mockmoov",))
def mockmoov_introspection_subject(probe: Probe) -> None:
    """Introspection of a valid token has the client_id as sub."""
    pair = probe.mint()
    for token in (pair.access, pair.refresh):
        subject = _introspect(probe, token).get("sub")
        expect(subject == probe.key.client_id, "sub to be the client_id", subject)


@check("mockmoov.introspection-of-others", "rfc 7662 §4, choice", needs=("control plane",))
def mockmoov_introspection_of_others(probe: Probe) -> None:
    """Introspection reports another client's token as not active, and requires credentials."""
    pair = probe.with_new_key().mint()
    client = probe.with_new_key()
    for token in (pair.access, pair.refresh):
        expect(_introspect(client, token) == {"active": False}, '{"active": false}')
    client.post(_INTROSPECT, {"token": pair.access}, send_basic=False, send_version=False).expect_status(401)


@check("mockmoov.health", "choice", needs=("mockmoov",))
def mockmoov_health(probe: Probe) -> None:
    """Health gets 200 without credentials, and is marked as an extension of mockmoov."""
    response = probe.request("GET", "/_mockmoov/health", send_version=False).expect_status(200)
    expect(response.header("x-mockmoov-extension") is not None, "X-Mockmoov-Extension", None)


def _introspect(probe: Probe, token: str) -> dict[str, object]:
    response = probe.post(_INTROSPECT, {"token": token}, send_version=False)
    return response.expect_status(200).expect_json().json_object()


@contextmanager
def _expecting_success() -> Iterator[None]:
    try:
        yield
    except MoovError as error:
        raise CheckFailed(f"expected a success, got {type(error).__name__}: {error}") from None


def _fail_with(call: Callable[[], object], kind: type[MoovError]) -> None:
    try:
        call()
    except MoovError as error:
        expect(isinstance(error, kind), kind.__name__, f"{type(error).__name__}: {error}")
    else:
        raise CheckFailed(f"expected {kind.__name__}, got a success")
