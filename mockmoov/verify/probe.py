"""Owns what a check has in its hands: one contract, one API key, and the requests it may make.

Must not know what is checked, how a verdict is shown, or how it is cleaned up.
"""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx2
from hypothesis.strategies import SearchStrategy

from mockmoov.client import TokenClient
from mockmoov.verify.answers import Answer
from mockmoov.verify.curl import commands
from mockmoov.verify.drawing import for_all
from mockmoov.verify.hidden import Hidden, basic
from mockmoov.verify.outcomes import Failed, NotCheckable, Seen
from mockmoov.verify.plane import Plane
from mockmoov.verify.readings import Reading, Refusal
from mockmoov.verify.target import PING, Key, Target
from mockmoov.verify.wire import Send, Wire

T = TypeVar("T")
Header = tuple[str, str]
Parameters = dict[str, Any] | Sequence[tuple[str, str]]

TOKEN, REVOKE, PING_PATH = "/oauth2/token", "/oauth2/revoke", "/ping"  # noqa: S105 - paths
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What a successful token request gave."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    scope: str
    answer: Answer


@dataclass(slots=True, kw_only=True)
class Work:
    """What the checks of one session share: the wire, what is hidden, what is to be revoked."""

    target: Target
    wire: Wire
    hidden: Hidden
    plane: Plane | None = None
    live: list[str] = field(default_factory=list, repr=False)
    clock: Callable[[], float] = time.time


class Probe:
    """One API key under one contract. Each method that asks returns the answer, good or bad."""

    def __init__(self, work: Work, reading: Reading, key: Key, *, examples: int = 0) -> None:
        self.reading, self.key, self.target = reading, key, work.target
        self.seen: list[Seen] = []
        self._work = work
        self._examples = examples

    # --- asking ---------------------------------------------------------------------------------

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Iterable[Header] = (),
        body: bytes = b"",
        version: bool = True,
        patient: bool = True,
    ) -> Answer:
        """Any request; with the version header of the contract unless it is not wanted."""
        request = self._request(method, path, headers, body, version=version)
        return self._answer(request, self._work.wire.send(request, patient=patient))

    def post(
        self,
        path: str,
        parameters: Parameters,
        *,
        credentials: bool = True,
        headers: Iterable[Header] = (),
        as_json: bool = False,
        version: bool = True,
        patient: bool = True,
    ) -> Answer:
        """Parameters as a form, or as JSON; those of None are left out."""
        content_type, body = _encoded(parameters, as_json=as_json)
        given = [("Content-Type", content_type), *([self.basic()] if credentials else []), *headers]
        return self.ask("POST", path, headers=given, body=body, version=version, patient=patient)

    def token(self, parameters: Parameters | None = None, **options: Any) -> Answer:
        """`POST /oauth2/token`: client_credentials for the scopes of the run, unless `parameters` say else."""
        return self.post(TOKEN, self.minting() if parameters is None else parameters, **options)

    def minting(self, **others: str | None) -> dict[str, str | None]:
        """The parameters of client_credentials, some of them others."""
        return {"grant_type": "client_credentials", "scope": self.scope, **others}

    def refresh(self, token: str | None, **others: Any) -> Answer:
        """`POST /oauth2/token` with a refresh token."""
        return self.token({"grant_type": "refresh_token", "refresh_token": token, **others})

    def revoke(self, token: str | None, **others: Any) -> Answer:
        """`POST /oauth2/revoke`."""
        answer = self.post(REVOKE, {"token": token, **others})
        if answer.status == 204 and token in self._work.live:
            self._forget(token)
        return answer

    def revocation(self, token: str) -> httpx2.Request:
        """The request that revokes a token, for when nobody wants to see the answer."""
        content_type, body = _encoded({"token": token}, as_json=False)
        return self._request("POST", REVOKE, [("Content-Type", content_type), self.basic()], body, version=True)

    def ping(self, token: str | None, *headers: Header, origin: bool = True) -> Answer:
        """`GET /ping` with a bearer token, from the registered origin if one is known."""
        given = [] if token is None else [("Authorization", f"Bearer {token}")]
        if origin and self.target.origin is not None:
            given.append(("Origin", self.target.origin))
        return self.ask("GET", PING_PATH, headers=[*given, *headers])

    def at_once(self, count: int, path: str, parameters: Parameters) -> list[Answer]:
        """The answers to the same form, sent several times at once."""
        content_type, body = _encoded(parameters, as_json=False)
        headers = [("Content-Type", content_type), self.basic()]
        requests = [self._request("POST", path, headers, body, version=True) for _ in range(count)]
        responses = self._work.wire.send_at_once(requests)
        return [self._answer(*both) for both in zip(requests, responses, strict=True)]

    # --- what is asked often --------------------------------------------------------------------

    @property
    def scope(self) -> str:
        """The scopes of the run, as a request has them."""
        return " ".join(self.target.scopes)

    @property
    def other_scope(self) -> str:
        """A scope of the run that is not `/ping.read`."""
        others = [scope for scope in self.target.scopes if scope != PING]
        if not others:
            raise NotCheckable("the run has no scope but /ping.read")
        return others[0]

    def mint(self, **others: str | None) -> Pair:
        """A pair, which must be had."""
        return self.pair(self.token(self.minting(**others)))

    def pair(self, answer: Answer) -> Pair:
        """What a success must have given."""
        answer.want_status(200)
        return Pair(
            access=answer.text("access_token"),
            refresh=answer.text("refresh_token"),
            scope=answer.text("scope"),
            answer=answer,
        )

    def is_alive(self, access: str) -> bool:
        """Whether an access token with `/ping.read` is good."""
        return self.ping(access).want_status(200, 401).status == 200

    def refusal(self, name: str) -> Refusal:
        """How this contract refuses something."""
        return self.reading.refusals[name]

    def basic(self, client_id: str | None = None, client_secret: str | None = None) -> Header:
        """An `Authorization` header with Basic credentials, as they are; of the key, unless others are given."""
        user = self.key.client_id if client_id is None else client_id
        password = self.key.client_secret if client_secret is None else client_secret
        return "Authorization", f"Basic {basic(user, password)}"

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
        if self._work.plane is None:
            raise NotCheckable("there is no control plane")
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
            transport=_Through(self.relay),
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

    # --- inside ---------------------------------------------------------------------------------

    def _request(
        self, method: str, path: str, headers: Iterable[Header], body: bytes, *, version: bool
    ) -> httpx2.Request:
        given = [*(self.reading.headers if version else ()), *headers]
        return httpx2.Request(method, self.target.url + path, headers=given, content=body)

    def _answer(self, request: httpx2.Request, response: httpx2.Response) -> Answer:
        answer = Answer(
            status=response.status_code, headers=response.headers, body=response.content, now=self._work.clock()
        )
        if request.url.path.endswith(TOKEN):
            self._keep(answer)
        return answer

    def _keep(self, answer: Answer) -> None:
        """Remember which tokens came, whatever else is wrong: to hide and to revoke them."""
        try:
            document = answer.document()
        except Failed:
            return
        for name in ("refresh_token", "access_token"):
            token = document.get(name)
            if answer.status < 300 and isinstance(token, str) and token:
                self._work.hidden.hide_numbered(token, name.upper())
                if not self.key.temporary and token not in self._work.live:
                    self._work.live.append(token)
                    self._work.wire.reserved += 1

    def _forget(self, token: str) -> None:
        self._work.live.remove(token)
        self._work.wire.reserved -= 1


class _Through(httpx2.BaseTransport):
    """A transport that is a function."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Ask."""
        return self._send(request)


def _encoded(parameters: Parameters, *, as_json: bool) -> tuple[str, bytes]:
    pairs = list(parameters.items()) if isinstance(parameters, dict) else list(parameters)
    given = [(name, value) for name, value in pairs if value is not None]
    if as_json:
        return JSON, json.dumps(dict(given)).encode()
    encoded = urlencode([(_bytes(name), _bytes(value)) for name, value in given])
    return FORM, encoded.encode()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")

