"""Guards a program's own ASGI endpoints with mockmoov's tokens.

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
from mockmoov.oauth.requests import has_json_body
from mockmoov.oauth.scopes import did_you_mean, template
from mockmoov.server.authorization_server import MAX_BODY, REQUEST_ID_HEADER, AuthorizationServer
from mockmoov.server.context import RequestContext
from mockmoov.server.endpoints import ACCOUNT_ID_HEADER, ANY_SCOPE, CLIENT_ID_HEADER, SCOPES_HEADER
from mockmoov.server.steps import Delay, Forward, PeekBody, Steps
from mockmoov.testing import MockMoov
from mockmoov.web.asgi_io import ClientConnection, fail_connection, request_of, send_response, start_message

_GUARDED = "mockmoov.guarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sent a sufficient request: an API key's ids, and the scopes of its token (None for Basic)."""

    client_id: str
    account_id: str
    scopes: tuple[str, ...] | None


def requires(*scopes: str, account: str = ACCOUNT_PARAMETER) -> Callable[[Request], Awaitable[Caller]]:
    """A check that a request has all of these scopes; await it once in an endpoint.

    `{accountID}` in a scope is the path parameter named `account`; on a path without it, the scope of any
    account will do. An insufficient request gets mockmoov's own response, whatever the application makes of
    the `HTTPException` that the check raises. The check raises `RuntimeError` without the middleware `Guard`;
    `requires` itself raises `ValueError` for a scope that is not in the catalogue.
    """
    for scope in scopes:
        if template(scope) not in SCOPES:
            raise ValueError(f"there is no scope {scope}{did_you_mean(scope)}")

    async def check(request: Request) -> Caller:
        guarded = request.scope.get(_GUARDED)
        if not isinstance(guarded, _GuardedRequest):
            raise RuntimeError("requires() needs the middleware: app.add_middleware(Guard, moov=...)")
        parameters = {name: str(value) for name, value in request.path_params.items()}
        if account in parameters:
            parameters[ACCOUNT_PARAMETER] = parameters[account]
        return await guarded.check(scopes, parameters)

    return check


class Guard:
    """ASGI middleware that lets `requires` ask `moov`, a server in this process, and journals there.

    The middleware alone refuses nothing: an endpoint is guarded when it awaits a `requires`.
    """

    def __init__(self, app: ASGIApp, moov: MockMoov) -> None:
        self._app = app
        try:
            self._server = moov.server
        except AttributeError:
            raise TypeError(f"Guard needs a MockMoov() of this process, and {moov!r} is not one") from None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer; an endpoint without `requires` is left alone."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guarded = _GuardedRequest(self._server, scope, receive, send)
        try:
            await self._app({**scope, _GUARDED: guarded}, guarded.receive, guarded.send)
        except Exception:
            if not await guarded.end():
                raise
        else:
            await guarded.end()


class _GuardedRequest:
    """One request, and the steps of the server that check it and finish the application's response."""

    def __init__(self, server: AuthorizationServer, scope: Scope, receive: Receive, send: Send) -> None:
        self._server = server
        self._scope = scope
        self._receive = receive
        self._send = send
        self._body = b""  # as far as the application has read it
        self._has_whole_body = False
        self._context = RequestContext(request_of(scope))
        self._client = ClientConnection(scope, receive)
        self._steps: Steps | None = None  # from the moment when the application is to answer
        self._needs_body = False
        self._rejection: HttpResponse | None = None
        self._held = HttpResponse(status=500)
        self._early_status: int | None = None  # of a response that began before the check
        self._is_sent = False

    async def check(self, scopes: tuple[str, ...], path_parameters: Mapping[str, str]) -> Caller:
        """Run the server's steps up to where an upstream would answer; raises `HTTPException`."""
        steps = self._server.guard(self._context, scopes, path_parameters)
        try:
            step = next(steps)
            while not isinstance(step, Forward):
                if isinstance(step, Delay):
                    await anyio.sleep(step.seconds)
                step = steps.send(self._body if self._has_whole_body and isinstance(step, PeekBody) else None)
        except StopIteration as end:
            rejection: HttpResponse = end.value or HttpResponse(status=503)  # a fault may send none
            self._rejection = rejection
            raise HTTPException(rejection.status, "mockmoov answers this request itself") from None
        self._steps, self._needs_body = steps, step.needs_body
        headers = dict(step.headers)
        granted = headers[SCOPES_HEADER]
        return Caller(
            client_id=headers[CLIENT_ID_HEADER],
            account_id=headers[ACCOUNT_ID_HEADER],
            scopes=None if granted == ANY_SCOPE else tuple(granted.split()),
        )

    async def receive(self) -> Message:
        """Receive for the application; the journal gets the body that it has read."""
        message = await self._receive()
        if message["type"] == "http.request" and len(self._body) <= MAX_BODY:
            self._body += message.get("body", b"")
            self._has_whole_body = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Send what the application answers, or mockmoov's own response in place of it."""
        if self._rejection is not None:
            if message["type"] == "http.response.start":
                await self._send_own(self._rejection)
        elif self._steps is None or self._early_status:
            if message["type"] == "http.response.start":
                self._early_status = message["status"]
            await self._send(message)
        elif self._needs_body:
            await self._hold(message)
        else:
            if message["type"] == "http.response.start":
                response = self._finish(_head(message))
                if self._context.has_failed:
                    self._rejection = response
                    await self._send_own(response)
                    return
                message = start_message(response, self._scope)
            await self._send(message)

    async def end(self) -> bool:
        """Finish what the application did not; whether a response went out, or else a server makes a 500."""
        if self._rejection is not None and not self._is_sent:
            await self._send_own(self._rejection)
            return True
        if self._steps is not None:
            self._finish(HttpResponse(status=self._early_status or 500))
        return False

    async def _hold(self, message: Message) -> None:
        """Collect the whole response, which a fault is to alter."""
        if message["type"] == "http.response.start":
            self._held = _head(message, without="content-length")
            return
        self._held = replace(self._held, body=self._held.body + message.get("body", b""))
        if not message.get("more_body", False):
            await self._send_own(self._finish(self._held))

    def _finish(self, response: HttpResponse) -> HttpResponse:
        """The response as the server's steps leave it: altered by a fault, journaled, with its request id."""
        steps, self._steps = self._steps, None
        assert steps is not None
        if self._has_whole_body and has_json_body(self._context.request.headers, MAX_BODY):
            self._server.keep_body(self._context, self._body)
        try:
            steps.send(response)
        except StopIteration as end:
            finished: HttpResponse = end.value
        return _undated(finished)

    async def _send_own(self, response: HttpResponse) -> None:
        self._is_sent = True
        response = _undated(response)
        if how := self._context.network_error:
            await fail_connection(how, response, self._scope, self._client, self._send)
        else:
            await send_response(response, self._client, self._send)


def _head(message: Message, without: str = REQUEST_ID_HEADER) -> HttpResponse:
    fields = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in message["headers"])
    kept = (field for field in fields if field[0] not in (REQUEST_ID_HEADER, without))
    return HttpResponse(status=message["status"], headers=tuple(kept))


def _undated(response: HttpResponse) -> HttpResponse:
    """The response without its date, which the application's own server adds."""
    return replace(response, headers=tuple(field for field in response.headers if field[0] != "date"))
