"""Checks that run mockmoov's own client against the server."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from mockmoov.client import InvalidClientError, InvalidGrantError, InvalidScopeError, MoovError
from mockmoov.client.tokens import LONGEST_LIFETIME
from mockmoov.verify.check import CheckFailed, check
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import expect

T = TypeVar("T")


@check("program.round", "seed, spec, sdk")
def program_round(probe: Probe) -> None:
    """The reference client creates, refreshes and revokes a token, and computes its expiry correctly."""
    with probe.reference_client() as client:
        token = _succeed(lambda: client.create(probe.target.scopes))
        expect(token.scopes == probe.target.scopes, probe.scope, token.scope)
        remaining = (token.expires_at - datetime.fromtimestamp(probe.server_time(), UTC)).total_seconds()
        expect(0 < remaining < LONGEST_LIFETIME, "an expiry in the near future", remaining)
        new = _succeed(lambda: client.refresh(token))
        expect(new.scope == token.scope, token.scope, new.scope)
        _succeed(lambda: client.revoke(new))
        _succeed(lambda: client.revoke(new, "access_token"))


@check("program.refusals", "seed, spec, live")
def program_refusals(probe: Probe) -> None:
    """The reference client distinguishes a wrong secret, a bad scope and a bad refresh token."""
    with probe.reference_client() as client:
        _fail_with(lambda: client.create("/nonsense.read"), InvalidScopeError)
        _fail_with(lambda: client.refresh("nonsense"), InvalidGrantError)
    with probe.reference_client("not-the-secret") as client:
        _fail_with(lambda: client.create(probe.target.scopes), InvalidClientError)


def _succeed(call: Callable[[], T]) -> T:
    try:
        return call()
    except MoovError as error:
        raise CheckFailed(f"expected a success, got {type(error).__name__}: {error}") from None


def _fail_with(call: Callable[[], object], kind: type[MoovError]) -> None:
    try:
        call()
    except MoovError as error:
        expect(isinstance(error, kind), kind.__name__, f"{type(error).__name__}: {error}")
    else:
        raise CheckFailed(f"expected {kind.__name__}, got a success")
