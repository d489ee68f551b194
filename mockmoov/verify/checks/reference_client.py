"""Owns the rules as the conforming client sees them, which reads by itself. Must not know transports."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from mockmoov.client import InvalidClientError, InvalidGrantError, InvalidScopeError, MoovError
from mockmoov.verify.check import Topic
from mockmoov.verify.expectations import LONGEST_LIFETIME
from mockmoov.verify.probe import Probe
from mockmoov.verify.response import want
from mockmoov.verify.results import Failed

T = TypeVar("T")

topic = Topic("program")


@topic.check("round", "seed, spec, sdk")
def _(probe: Probe) -> None:
    """A conforming client mints, refreshes and revokes, and knows when its token expires."""
    with probe.program() as client:
        token = _done(lambda: client.create(probe.target.scopes))
        want(token.scopes == probe.target.scopes, probe.scope, token.scope)
        remaining = (token.expires_at - datetime.fromtimestamp(probe.now(), UTC)).total_seconds()
        want(0 < remaining < LONGEST_LIFETIME, "an expiry to come, and not in decades", remaining)
        new = _done(lambda: client.refresh(token))
        want(new.scope == token.scope, token.scope, new.scope)
        _done(lambda: client.revoke(new))
        _done(lambda: client.revoke(new, "access_token"))


@topic.check("refusals", "seed, spec, live")
def _(probe: Probe) -> None:
    """A conforming client tells a wrong secret, a bad scope and a bad refresh token apart."""
    with probe.program() as client:
        _refused(lambda: client.create("/nonsense.read"), InvalidScopeError)
        _refused(lambda: client.refresh("nonsense"), InvalidGrantError)
    with probe.program("not-the-secret") as client:
        _refused(lambda: client.create(probe.target.scopes), InvalidClientError)


def _done(act: Callable[[], T]) -> T:
    try:
        return act()
    except MoovError as error:
        raise Failed(f"the client says: {error}") from None


def _refused(act: Callable[[], object], kind: type[MoovError]) -> None:
    try:
        act()
    except MoovError as error:
        want(isinstance(error, kind), kind.__name__, f"{type(error).__name__}: {error}")
    else:
        raise Failed(f"wanted {kind.__name__}, got a success")
