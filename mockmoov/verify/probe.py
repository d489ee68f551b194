"""Owns what a check has in its hands: one contract, one API key, and the requests it may make.

Must not know what is checked, how a verdict is shown, or how it is cleaned up.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx2
from hypothesis.strategies import SearchStrategy

from mockmoov.client import TokenClient
from mockmoov.verify.asking import Asking
from mockmoov.verify.control_plane import Plane
from mockmoov.verify.curl import commands
from mockmoov.verify.examples import for_all
from mockmoov.verify.expectations import Reading, Refusal
from mockmoov.verify.kit import PING_PATH, Pair, Through, Work
from mockmoov.verify.response import Answer
from mockmoov.verify.results import Failed, Seen
from mockmoov.verify.target import PING, Key

T = TypeVar("T")


class Probe(Asking):
    """What a check has in its hands."""

    def __init__(self, work: Work, reading: Reading, key: Key, *, examples: int = 0) -> None:
        super().__init__(work, reading, key)
        self.seen: list[Seen] = []
        self._examples = examples

    # --- what is asked often --------------------------------------------------------------------

    @property
    def other_scope(self) -> str:
        """A scope of the run that is not `/ping.read`; checks that use it say that they need two."""
        return next(scope for scope in self.target.scopes if scope != PING)

    def mint(self, **others: str | None) -> Pair:
        """A pair, which must be had."""
        return self.pair(self.token(self.minting(**others)))

    def pair(self, answer: Answer) -> Pair:
        """What a success must have given."""
        answer.want_status(200)
        access, refresh = answer.token("access_token"), answer.token("refresh_token")
        return Pair(access=access, refresh=refresh, scope=answer.text("scope"), answer=answer)

    def is_alive(self, access: str) -> bool:
        """Whether an access token with `/ping.read` is good."""
        return self.ping(access).want_status(200, 401).status == 200

    def refusal(self, name: str) -> Refusal:
        """How this contract refuses something."""
        return self.reading.refusals[name]

    def in_body(self, **others: str | None) -> dict[str, str | None]:
        """The parameters of client_credentials with the key's credentials among them."""
        key = self.key
        return self.minting(client_id=key.client_id, client_secret=key.client_secret, **others)

    def for_all(self, strategy: SearchStrategy[T], law: Callable[[T], None]) -> None:
        """Try a law on examples of the strategy, as many as the check says."""
        exchanges = self._work.wire.exchanges
        begun = len(exchanges)

        def example(drawn: T) -> None:
            del exchanges[begun:]
            try:
                law(drawn)
            except Failed as failure:
                failure.curl = commands(exchanges, self._work.hidden)
                raise

        for_all(strategy, example, examples=self._examples, seed=self.target.seed)

    # --- what is not everywhere -----------------------------------------------------------------

    @property
    def plane(self) -> Plane:
        """The control plane; checks that use it say that they need it."""
        assert self._work.plane is not None
        return self._work.plane

    def own(self, **members: Any) -> "Probe":
        """A probe with a new API key of its own."""
        return self.with_key(self.plane.new_key(**members))

    def with_key(self, key: Key) -> "Probe":
        """The same with another key."""
        return Probe(self._work, self.reading, key, examples=self._examples)

    def program(self, client_secret: str | None = None) -> TokenClient:
        """The conforming client, all of whose requests go the same way as ours."""
        return TokenClient(
            self.target.url,
            client_id=self.key.client_id,
            client_secret=client_secret or self.key.client_secret,
            moov_version=self.reading.version,
            transport=Through(self.relay),
            clock=lambda: datetime.fromtimestamp(self.now(), UTC),
        )

    def relay(self, request: httpx2.Request) -> httpx2.Response:
        """The answer to a request that somebody else made."""
        request.read()
        response = self._work.wire.send(request)
        self._answer(request, response)
        return httpx2.Response(response.status_code, headers=response.headers.raw, content=response.content)

    def now(self) -> float:
        """The time by the server's clock, Unix seconds; by ours where it does not say."""
        return self.ask("GET", PING_PATH).server_now

    def note(self, question: str, answer: str) -> None:
        """Write down what was seen."""
        self.seen.append(Seen(question=question, answer=answer))

    def hide(self, value: str, kind: str) -> str:
        """Let a value be shown by a name only; returns it."""
        self._work.hidden.hide_numbered(value, kind)
        return value
