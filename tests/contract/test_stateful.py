"""A client drives the server through random lives of tokens, compared with a naive model.

Time passes, and clocks are moved either way, frozen and resumed. Some servers keep few token records: they
may refuse more than the model, but what they refuse before it expires they never accept again. The same
machine runs in process and over a real socket.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import httpx2
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from mockmoov.client import InvalidGrantError, InvalidScopeError, Token, TokenClient
from mockmoov.simulation import clock
from tests.support.forgetting import bounded_server, few
from tests.support.listening import listening
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, Clock, sender
from tests.support.tokens import ping
from tests.support.verifying import sending

SCOPES = ["/ping.read", "/accounts.write", "/fed.read"]
Kind = Literal["access_token", "refresh_token"]
ACCESS, REFRESH = 100, 1000  # lifetimes in seconds
HINTS: list[Kind | None] = [None, "access_token", "refresh_token"]
scope_sets = st.lists(st.sampled_from(SCOPES), min_size=1, max_size=3, unique=True)


@dataclass
class Family:
    """All tokens of one grant, as a naive reader of the contract sees them."""

    scopes: set[str]
    revoked: bool = False
    current: str = ""


@dataclass
class Access:
    """One access token."""

    text: str
    family: Family
    scopes: set[str]
    expires_at: float
    revoked: bool = False
    is_refused: bool = False  # once, before it expired


@dataclass
class Model:
    """Everything that was issued. `now` is what the key's clock shows."""

    now: Callable[[], float]
    access: list[Access] = field(default_factory=list)
    refresh_expiries: dict[str, float] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)  # refresh tokens, once, before they expired

    def issue(self, token: Token, family: Family, scopes: set[str]) -> None:
        family.current = token.refresh_token
        self.refresh_expiries[token.refresh_token] = self.now() + REFRESH
        self.access.append(Access(token.access_token, family, scopes, self.now() + ACCESS))

    def expired(self, refresh_token: str) -> bool:
        return self.now() >= self.refresh_expiries[refresh_token]

    def refresh_error(self, text: str, family: Family, scopes: list[str] | None) -> type[Exception] | None:
        if family.revoked or self.expired(text) or text != family.current:
            return InvalidGrantError
        return InvalidScopeError if scopes and not set(scopes) <= family.scopes else None

    def refuse(self, text: str, family: Family) -> None:
        """A refused refresh: the owner's replay of a used-up token revokes the family."""
        if text != family.current and not self.expired(text):
            family.revoked = True

    def status(self, access: Access) -> int:
        dead = access.revoked or access.family.revoked or self.now() >= access.expires_at
        return 401 if dead else 200 if "/ping.read" in access.scopes else 403


class TokenLives(RuleBasedStateMachine):
    """Mints, refreshes, replays, revokes and waits; after each step every access token is tried."""

    refresh_tokens: Bundle[tuple[str, Family]] = Bundle("refresh_tokens")
    url = "http://localhost"

    def __init__(self) -> None:
        super().__init__()
        self.wall = Clock(1_800_000_000.0)
        self.model = Model(lambda: self.server.simulation.now(CLIENT_ID))
        self.cleanup = ExitStack()

    def connect(self) -> httpx2.Client:
        """An HTTP client of the server in process."""
        self.send = sender(self.server)
        return httpx2.Client(transport=httpx2.MockTransport(sending(self.send)))

    def ping(self, token: str) -> int:
        return ping(self.send, token)

    def teardown(self) -> None:
        self.cleanup.close()

    @initialize(
        version=st.sampled_from([None, "v2026.07.00"]),
        client_auth=st.sampled_from(["basic", "body"]),
        token_format=st.sampled_from(["jwt", "opaque"]),
        bound=st.sampled_from([None, None, 1, 3, 8]),
    )
    def start(
        self, version: str | None, client_auth: Literal["basic", "body"], token_format: str, bound: int | None
    ) -> None:
        self.is_bounded = bound is not None
        lifetimes = {"access_token_lifetime": ACCESS, "refresh_token_lifetime": REFRESH}
        bound_of_records = few(bound or 10**6)
        self.server = bounded_server(self.wall, bound_of_records, token_format=token_format, **lifetimes)
        self.http = self.cleanup.enter_context(self.connect())
        self.client = TokenClient(
            self.url,
            http_client=self.http,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            client_auth=client_auth,
            moov_version=version,
            clock=lambda: datetime.fromtimestamp(self.model.now(), UTC),
        )

    @rule(target=refresh_tokens, scopes=scope_sets)
    def mint(self, scopes: list[str]) -> tuple[str, Family]:
        token: Token = self.client.create(scopes)
        assert token.scopes == tuple(scopes)
        assert token.expires_at == datetime.fromtimestamp(int(self.model.now()) + ACCESS, UTC)
        family = Family(set(scopes))
        self.model.issue(token, family, set(scopes))
        return token.refresh_token, family

    @rule(target=refresh_tokens, presented=refresh_tokens, scopes=st.none() | scope_sets)
    def refresh(self, presented: tuple[str, Family], scopes: list[str] | None) -> Any:
        text, family = presented
        error: Exception | None = None
        try:
            token: Token = self.client.refresh(text, scope=scopes)
        except (InvalidGrantError, InvalidScopeError) as caught:
            error = caught
        expected = self.model.refresh_error(text, family, scopes)
        if not (self.is_bounded and isinstance(error, InvalidGrantError)):
            assert type(error) is (expected or type(None))
        if isinstance(error, InvalidGrantError) and not self.model.expired(text):
            self.model.refused.add(text)
        if error:
            if not self.is_bounded:  # there, the replay may not be known as one
                self.model.refuse(text, family)
            return multiple()
        assert text not in self.model.refused
        self.model.issue(token, family, set(scopes) if scopes else family.scopes)
        return token.refresh_token, family

    @rule(presented=refresh_tokens, hint=st.sampled_from(HINTS))
    def revoke_refresh_token(self, presented: tuple[str, Family], hint: Kind | None) -> None:
        text, family = presented
        self.client.revoke(text, token_type_hint=hint)
        if not self.model.expired(text):
            family.revoked = True

    @precondition(lambda self: self.model.access)
    @rule(index=st.integers(0, 1000), hint=st.sampled_from(HINTS))
    def revoke_access_token(self, index: int, hint: Kind | None) -> None:
        access = self.model.access[index % len(self.model.access)]
        self.client.revoke(access.text, token_type_hint=hint)
        if self.model.now() < access.expires_at:
            access.revoked = True

    @rule(seconds=st.sampled_from([1, ACCESS // 2, ACCESS - 1, ACCESS, REFRESH - 1, REFRESH]))
    def wait(self, seconds: int) -> None:
        self.wall.shift(seconds)

    @rule(
        owner=st.sampled_from([None, CLIENT_ID]),
        seconds=st.sampled_from([ACCESS, 3 * REFRESH, -ACCESS // 2, -ACCESS, -REFRESH, -3 * REFRESH]),
    )
    def shift(self, owner: str | None, seconds: int) -> None:
        self.server.simulation.set_clock(owner, lambda setting, base: clock.shift(setting, base, seconds))

    @rule(owner=st.sampled_from([None, CLIENT_ID]), frozen=st.booleans())
    def freeze_or_resume(self, owner: str | None, frozen: bool) -> None:
        self.server.simulation.set_clock(owner, clock.freeze if frozen else clock.resume)

    @invariant()
    def exactly_the_valid_tokens_are_accepted(self) -> None:
        for access in self.model.access:
            status = self.ping(access.text)
            assert status == self.model.status(access) or (self.is_bounded and status == 401)
            assert status == 401 or not access.is_refused
            access.is_refused |= status == 401 and self.model.now() < access.expires_at


class TokenLivesOverASocket(TokenLives):
    """The same over real connections."""

    def connect(self) -> httpx2.Client:
        self.url = self.cleanup.enter_context(listening(self.server))
        return httpx2.Client(trust_env=False)

    def ping(self, token: str) -> int:
        return self.http.get(f"{self.url}/ping", headers={"authorization": f"Bearer {token}"}).status_code


TestInProcess = pytest.mark.slow(TokenLives.TestCase)
TestInProcess.settings = settings(stateful_step_count=25)

TestOverASocket = pytest.mark.slow(TokenLivesOverASocket.TestCase)
# Each life starts a server of its own: fewer lives than examples elsewhere.
TestOverASocket.settings = settings(max_examples=15, stateful_step_count=20)
