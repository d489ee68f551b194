"""Owns the guarding of a program's own ASGI endpoints by mockmoov's tokens. Must not know what they answer.

app.add_middleware(Guard, moov=moov)
cards_read = requires("/accounts/{accountID}/cards.read")  # await cards_read(request), or Depends(cards_read)
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import anyio
from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.messages import HttpResponse
from mockmoov.oauth.operations import ACCOUNT_PARAMETER
from mockmoov.oauth.scopes import did_you_mean, template
from mockmoov.server.authorization_server import REQUEST_ID_HEADER, AuthorizationServer
from mockmoov.server.context import RequestContext
from mockmoov.server.endpoints import ACCOUNT_ID_HEADER, ANY_SCOPE, CLIENT_ID_HEADER, SCOPES_HEADER
from mockmoov.simulation.fault_effects import needs_whole_body
from mockmoov.testing import MockMoov
from mockmoov.web.asgi_io import Incoming, deliver, start, to_request

_PASSAGE = "mockmoov.passage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who may pass: the API key's `client_id` and `account_id`; the token's scopes, None for Basic."""

    client_id: str
    account_id: str
    scopes: tuple[str, ...] | None


def requires(*scopes: str, account: str = ACCOUNT_PARAMETER) -> Callable[[Request], Awaitable[Caller]]:
    """A check that a request may do what wants all of these scopes; await it once in an endpoint.

    `{accountID}` in a scope is the path parameter of the name `account`; on a path without it, any account's
    scope will do. Who may not pass gets mockmoov's own answer, whatever the application makes of the
    `HTTPException` that this raises. `RuntimeError` without the middleware `Guard`; here already `ValueError`
    if a scope is not in the catalogue.
    """
    for scope in scopes:
        if template(scope) not in SCOPES:
            raise ValueError(f"there is no scope {scope}{did_you_mean(scope)}")

    async def check(request: Request) -> Caller:
        passage = request.scope.get(_PASSAGE)
        if not isinstance(passage, _Passage):
            raise RuntimeError("requires() needs the middleware: app.add_middleware(Guard, moov=...)")
        parameters = {name: str(value) for name, value in request.path_params.items()}
        if account in parameters:
            parameters[ACCOUNT_PARAMETER] = parameters[account]
        return await passage.check(scopes, parameters)

    return check


class Guard:
    """ASGI middleware that lets `requires` ask `moov`, a server in this process, and journals there.

    The middleware alone refuses nothing; an endpoint is guarded when it awaits a `requires`.
    """

    def __init__(self, app: ASGIApp, moov: MockMoov) -> None:
        self._app = app
        try:
            self._server = moov.server
        except AttributeError:
            raise TypeError(f"Guard wants a MockMoov() of this process, which {moov!r} is not") from None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer; what it does not guard is none of our business."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        passage = _Passage(self._server, scope, receive, send)
        try:
            await self._app({**scope, _PASSAGE: passage}, receive, passage.send)
        except Exception:
            if not await passage.ends():
                raise


class _Passage:
    """One request on its way through the application, and the answer on its way back."""

    def __init__(self, server: AuthorizationServer, scope: Scope, receive: Receive, send: Send) -> None:
        self._server = server
        self._scope = scope
        self._send = send
        self._request = to_request(scope)
        self._incoming = Incoming(self._request, receive)
        self._call: RequestContext | None = None
        self._refusal: HttpResponse | None = None
        self._held = HttpResponse(status=500)
        self._is_sent = False

    async def check(self, scopes: tuple[str, ...], path_parameters: Mapping[str, str]) -> Caller:
        call = self._server.accept_for(scopes, self._request, path_parameters)
        if call.fault:
            await anyio.sleep(call.fault.delay)
        response = self._server.answer(call)
        if response.forward is None:
            self._refusal = response
            raise HTTPException(response.status or 503, "mockmoov does not let this request pass")
        self._call = call
        told = dict(response.forward)
        granted = told[SCOPES_HEADER]
        return Caller(
            client_id=told[CLIENT_ID_HEADER],
            account_id=told[ACCOUNT_ID_HEADER],
            scopes=None if granted == ANY_SCOPE else tuple(granted.split()),
        )

    async def send(self, message: Message) -> None:
        """Send what the application answers, or what stands in its place."""
        if self._refusal is not None:
            if message["type"] == "http.response.start":
                await self._deliver(self._refusal)
        elif self._call is None:
            await self._send(message)
        elif self._call.fault is not None and needs_whole_body(self._call.fault):
            await self._alter(self._call, message)
        else:
            await self._relay(self._call, message)

    async def ends(self) -> bool:
        """Whether a refusal goes out although the application raised; of all else a server makes a 500."""
        if self._refusal is not None and not self._is_sent:
            await self._deliver(self._refusal)
            return True
        if self._call is not None:
            self._server.relay(self._call, self._held)
        return False

    async def _relay(self, call: RequestContext, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._call = None
            message = start(_undated(self._server.relay(call, _head(message))))
        await self._send(message)

    async def _alter(self, call: RequestContext, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._held = _head(message, without="content-length")
            return
        self._held = replace(self._held, body=self._held.body + message.get("body", b""))
        if not message.get("more_body", False):
            self._call = None
            await self._deliver(self._server.relay(call, self._held))

    async def _deliver(self, response: HttpResponse) -> None:
        self._is_sent = True
        await deliver(_undated(response), self._scope, self._incoming, self._send)


def _head(message: Message, without: str = REQUEST_ID_HEADER) -> HttpResponse:
    fields = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in message["headers"])
    kept = (field for field in fields if field[0] not in (REQUEST_ID_HEADER, without))
    return HttpResponse(status=message["status"], headers=tuple(kept))


def _undated(response: HttpResponse) -> HttpResponse:
    """The response without its date, which the application's own server tells."""
    return replace(response, headers=tuple(field for field in response.headers if field[0] != "date"))
