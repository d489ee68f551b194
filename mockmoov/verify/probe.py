"""What a check works with: requests with one API key under one contract, and common steps."""

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx2
from hypothesis.strategies import SearchStrategy

from mockmoov.client import TokenClient
from mockmoov.verify.budget import BudgetedSender
from mockmoov.verify.check import CheckFailed, NotCheckable
from mockmoov.verify.control_plane import ControlPlaneClient
from mockmoov.verify.examples import for_all
from mockmoov.verify.expectations import Expectations
from mockmoov.verify.masking import Masking, basic, commands, long_words
from mockmoov.verify.response import Response, expect
from mockmoov.verify.target import PING_SCOPE, Key, Target

T = TypeVar("T")
Header = tuple[str, str]
Parameters = Mapping[str, Any]

TOKEN_PATH, REVOKE_PATH, PING_PATH = "/oauth2/token", "/oauth2/revoke", "/ping"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """The tokens of a successful response."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    scope: str
    response: Response

    def expect_scope(self, scope: str) -> None:
        """The granted scope is this one. Raises `CheckFailed`."""
        expect(self.scope == scope, scope, self.scope)

    def decode(self) -> tuple[dict[str, object], dict[str, object]]:
        """The header and the claims of the access token, unverified. Raises `NotCheckable` if it has none."""
        parts = self.access.split(".")
        try:
            header, claims = (json.loads(urlsafe_b64decode(part + "==")) for part in parts[:2])
        except (ValueError, RecursionError):
            header = claims = None
        if len(parts) != 3 or not isinstance(header, dict) or not isinstance(claims, dict):
            raise NotCheckable("the access token is not a JWT")
        return header, claims

    def claims(self) -> dict[str, object]:
        """The claims of the access token. Raises `NotCheckable` if it is not a JWT."""
        return self.decode()[1]

    def origins(self) -> list[str]:
        """The audiences of the access token, which are the origins that browsers may use it from."""
        audiences = self.claims().get("aud")
        return [item for item in audiences if isinstance(item, str)] if isinstance(audiences, list) else []


@dataclass(slots=True, kw_only=True)
class SessionState:
    """What the checks of a session share. `live_tokens` are still to be revoked."""

    target: Target
    sender: BudgetedSender
    masking: Masking
    control_plane: ControlPlaneClient | None = None
    is_mockmoov: bool = False
    origin: str | None = None
    live_tokens: list[str] = field(default_factory=list, repr=False)

    def add_live_token(self, token: str) -> None:
        """Remember to revoke a token, and reserve a request for it."""
        if token not in self.live_tokens:
            self.live_tokens.append(token)
            self.sender.reserved += 1

    def remove_live_token(self, token: str) -> None:
        """Forget a token, and release the request that was reserved for it."""
        if token in self.live_tokens:
            self.live_tokens.remove(token)
            self.sender.reserved -= 1

    def forget_live_tokens(self) -> None:
        """Forget all tokens."""
        self.sender.reserved -= len(self.live_tokens)
        self.live_tokens.clear()


class Probe:
    """Sends requests with one API key under one contract. The methods return the response, good or bad."""

    def __init__(
        self, state: SessionState, expectations: Expectations, key: Key, *, examples: int = 0
    ) -> None:
        self.expectations, self.key, self.target = expectations, key, state.target
        self.observations: dict[str, str] = {}
        self._state = state
        self._examples = examples

    # --- requests -------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Iterable[Header] = (),
        body: bytes = b"",
        send_version: bool = True,
        retry_429: bool = True,
    ) -> Response:
        """Send a request, with the contract's version header unless `send_version` is false."""
        request = self._request(method, path, headers, body, send_version=send_version)
        return self._read(request, self._state.sender.send(request, retry_429=retry_429))

    def post(
        self,
        path: str,
        parameters: Parameters,
        *,
        send_basic: bool = True,
        headers: Iterable[Header] = (),
        as_json: bool = False,
        **options: Any,
    ) -> Response:
        """Post parameters as a form or as JSON, with Basic credentials unless `send_basic` is false.

        Parameters whose value is None are not sent. `options`: those of `request`.
        """
        content_type, body = (JSON, json_body(parameters)) if as_json else (FORM, form_body(parameters))
        credentials = [self.basic()] if send_basic else []
        all_headers = [("Content-Type", content_type), *credentials, *headers]
        return self.request("POST", path, headers=all_headers, body=body, **options)

    def post_body(
        self,
        body: bytes,
        content_type: str | None,
        *,
        path: str = TOKEN_PATH,
        authorization: Header | None = None,
    ) -> Response:
        """Post this body with this Content-Type."""
        headers = [] if content_type is None else [("Content-Type", content_type)]
        return self.request("POST", path, headers=[authorization or self.basic(), *headers], body=body)

    def post_token(self, parameters: Parameters | None = None, **options: Any) -> Response:
        """`POST /oauth2/token` with these parameters, by default client_credentials. See `post`."""
        return self.post(TOKEN_PATH, self.parameters() if parameters is None else parameters, **options)

    def refresh(self, token: str | None, **overrides: Any) -> Response:
        """`POST /oauth2/token` with a refresh token."""
        return self.post_token({"grant_type": "refresh_token", "refresh_token": token, **overrides})

    def revoke(self, token: str | None, **overrides: Any) -> Response:
        """`POST /oauth2/revoke`."""
        response = self.post(REVOKE_PATH, {"token": token, **overrides})
        if response.status == 204 and token is not None:
            self._state.remove_live_token(token)
        return response

    def ping(self, token: str | None, *headers: Header, send_origin: bool = True) -> Response:
        """`GET /ping` with a bearer token. See `call`."""
        return self.call(PING_PATH, token, *headers, send_origin=send_origin)

    def call(
        self,
        path: str,
        token: str | None,
        *headers: Header,
        method: str = "GET",
        body: bytes = b"",
        send_origin: bool = True,
    ) -> Response:
        """A request with a bearer token, from a registered origin if one is known and none is given."""
        sent = [] if token is None else [("Authorization", f"Bearer {token}")]
        if send_origin and self._state.origin is not None and "Origin" not in dict(headers):
            sent.append(("Origin", self._state.origin))
        return self.request(method, path, headers=[*sent, *headers], body=body)

    def post_concurrently(self, count: int, path: str, parameters: Parameters) -> list[Response]:
        """Post the same form several times at once."""
        requests = [self.form_request(path, parameters) for _ in range(count)]
        responses = self._state.sender.send_concurrently(requests)
        return [self._read(*pair) for pair in zip(requests, responses, strict=True)]

    # --- parts of requests ----------------------------------------------------------------------

    @property
    def scope(self) -> str:
        """The scopes of the run, as a request has them."""
        return " ".join(self.target.scopes)

    @property
    def other_scope(self) -> str:
        """A scope of the run other than `/ping.read`. Checks that use it need two scopes."""
        return next(scope for scope in self.target.scopes if scope != PING_SCOPE)

    def parameters(self, **overrides: str | None) -> dict[str, str | None]:
        """The parameters of client_credentials."""
        return {"grant_type": "client_credentials", "scope": self.scope, **overrides}

    def parameters_with_key(self, **overrides: str | None) -> dict[str, str | None]:
        """The parameters of client_credentials, including the key's credentials."""
        key = self.key
        return self.parameters(client_id=key.client_id, client_secret=key.client_secret, **overrides)

    def basic(self, client_id: str | None = None, client_secret: str | None = None) -> Header:
        """An `Authorization` header with Basic credentials, not percent-encoded; by default the key's."""
        user = self.key.client_id if client_id is None else client_id
        password = self.key.client_secret if client_secret is None else client_secret
        return "Authorization", f"Basic {basic(user, password)}"

    # --- common steps ---------------------------------------------------------------------------

    def mint(self, **overrides: str | None) -> TokenPair:
        """Request a token pair. Fails the check if there is none."""
        return self.token_pair(self.post_token(self.parameters(**overrides)))

    def mint_and_refresh(self) -> tuple[TokenPair, TokenPair]:
        """Request a token pair and refresh it. Fails the check if a pair is missing."""
        first = self.mint()
        return first, self.token_pair(self.refresh(first.refresh))

    def token_pair(self, response: Response) -> TokenPair:
        """The tokens of a response, which must be a success."""
        response.expect_status(200)
        access, refresh = response.token("access_token"), response.token("refresh_token")
        return TokenPair(access=access, refresh=refresh, scope=response.string("scope"), response=response)

    def is_valid(self, access_token: str) -> bool:
        """Whether the server accepts an access token that has the scope `/ping.read`."""
        return self.ping(access_token).expect_status(200, 401).status == 200

    def server_time(self) -> float:
        """The server's time in Unix seconds, or this machine's if there is no `Date`."""
        return self.request("GET", PING_PATH).server_time

    def for_all(self, strategy: SearchStrategy[T], test: Callable[[T], object]) -> None:
        """Run `test` on examples of the strategy, as many as the check has."""
        exchanges = self._state.sender.exchanges
        before = len(exchanges)

        def example(drawn: T) -> None:
            del exchanges[before:]
            try:
                test(drawn)
            except CheckFailed as failure:
                failure.curl = commands(exchanges, self._state.masking)
                raise

        for_all(strategy, example, examples=self._examples, seed=self.target.seed)

    def observe(self, question: str, answer: str | bool) -> None:
        """Record the answer to an open question."""
        self.observations[question] = answer if isinstance(answer, str) else "yes" if answer else "no"

    def hide(self, value: str, kind: str) -> str:
        """Show a value by a name only. Returns the value."""
        self._state.masking.hide_numbered(value, kind)
        return value

    # --- other keys, another client -------------------------------------------------------------

    @property
    def control_plane(self) -> ControlPlaneClient:
        """The control plane of a mockmoov. Checks that use it need a control plane."""
        assert self._state.control_plane is not None
        return self._state.control_plane

    def with_new_key(self, **attributes: Any) -> "Probe":
        """A probe with a new temporary API key. Checks that use it need a control plane."""
        return self.with_key(self.control_plane.create_key(**attributes))

    def with_key(self, key: Key) -> "Probe":
        """A probe with this API key."""
        return Probe(self._state, self.expectations, key, examples=self._examples)

    def reference_client(self, client_secret: str | None = None) -> TokenClient:
        """mockmoov's own client. Its requests count towards the budget."""
        return TokenClient(
            self.target.url,
            client_id=self.key.client_id,
            client_secret=client_secret or self.key.client_secret,
            moov_version=self.expectations.version,
            transport=httpx2.MockTransport(self._forward),
            clock=lambda: datetime.fromtimestamp(self.server_time(), UTC),
        )

    def _forward(self, request: httpx2.Request) -> httpx2.Response:
        response = self._state.sender.send(request)
        self._read(request, response)
        return httpx2.Response(response.status_code, headers=response.headers.raw, content=response.content)

    # --- sending and reading --------------------------------------------------------------------

    def form_request(self, path: str, parameters: Parameters) -> httpx2.Request:
        """The request that posts a form with Basic credentials."""
        headers = [("Content-Type", FORM), self.basic()]
        return self._request("POST", path, headers, form_body(parameters), send_version=True)

    def _request(
        self, method: str, path: str, headers: Iterable[Header], body: bytes, *, send_version: bool
    ) -> httpx2.Request:
        version = self.expectations.headers if send_version else ()
        return httpx2.Request(method, self.target.url + path, headers=[*version, *headers], content=body)

    def _read(self, request: httpx2.Request, response: httpx2.Response) -> Response:
        """The response to check. Hides its tokens, and remembers to revoke them."""
        read = Response(
            status=response.status_code,
            headers=response.headers,
            body=response.content,
            received_at=time.time(),
            errors=self.expectations.errors,
        )
        self._keep_tokens(read)
        if request.url.path == TOKEN_PATH and read.status < 300:
            for word in long_words(read.body):  # a token may be in a member that should not have one
                if word not in self.scope:
                    self._state.masking.hide_numbered(word, "ANSWER")
        return read

    def _keep_tokens(self, response: Response) -> None:
        try:
            members = response.json_object()
        except CheckFailed:
            return
        for name in ("refresh_token", "access_token"):
            token = members.get(name)
            if isinstance(token, str) and token:
                self._state.masking.hide_numbered(token, name.upper())
                if response.status < 300 and not self.key.is_temporary:
                    self._state.add_live_token(token)


def form_body(parameters: Parameters) -> bytes:
    """The parameters as a form. Those whose value is None are left out."""
    return urlencode(_present(parameters), errors="surrogatepass").encode()


def json_body(parameters: Parameters) -> bytes:
    """The parameters as JSON. Those whose value is None are left out."""
    return json.dumps(_present(parameters)).encode()


def _present(parameters: Parameters) -> Parameters:
    return {name: value for name, value in parameters.items() if value is not None}
