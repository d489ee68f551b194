"""The access log: a line for each request, without its query, its body, its secrets and its tokens."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mockmoov.oauth.responses import REASON_HEADER
from mockmoov.server.authorization_server import REQUEST_ID_HEADER
from mockmoov.server.context import RequestContext
from mockmoov.simulation.redaction import redact_method, show_client_id, show_path
from mockmoov.web.asgi_io import request_of

CONTEXT = "mockmoov.context"
"""Where an endpoint leaves the `RequestContext` in the scope."""
CORS_REFUSAL = "mockmoov.cors_refusal"
"""Where the CORS rule leaves in the scope why a page may not read the response."""
FIELDS = "mockmoov_fields"
"""The attribute of a `LogRecord` with what its line says, by name."""
_LOG_LINE = "mockmoov.log_line"  # in the scope: the line, until it is written
_FIRST_ERROR = 400  # of the statuses
_PLAIN = re.compile(r"[\w.:/{}\\-]+", re.ASCII)
_REASON, _REQUEST_ID = REASON_HEADER.encode(), REQUEST_ID_HEADER.encode()
_access = logging.getLogger("mockmoov.access")


def access_log(app: ASGIApp, paths: Iterable[str], secrets: Callable[[], Iterable[str]]) -> ASGIApp:
    """Writes a line for each request, except those with which the page reads. `secrets` gives those of the
    API keys, which no line repeats.

    `paths` are those that the server knows.
    """
    words = frozenset("/".join(paths).split("/"))

    async def with_log_line(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _access.isEnabledFor(logging.INFO):
            await app(scope, receive, send)
            return
        scope[_LOG_LINE] = _Line(scope, words, secrets, time.perf_counter())

        async def send_and_log(message: Message) -> None:
            if message["type"] == "http.response.start" and not _is_read_by_page(scope, message["status"]):
                headers = {name: value.decode("latin-1") for name, value in message["headers"]}
                write_log_line(scope, message["status"], headers.get(_REASON), headers.get(_REQUEST_ID))
            await send(message)

        await app(scope, receive, send_and_log)

    return with_log_line


def _is_read_by_page(scope: Scope, status: int) -> bool:
    """Whether the page at `/_mockmoov/` reads: it does so again and again for as long as it is open."""
    request = request_of(scope)
    is_own = request.path.startswith("/_mockmoov/") and request.method == "GET" and status < _FIRST_ERROR
    return is_own and request.headers.get("sec-fetch-site") == ("same-origin",)


def write_log_line(
    scope: Scope, outcome: int | str, reason: str | None, request_id: str | None = None
) -> None:
    """Log the request, unless it was: the status of its response or how the connection fails, and why."""
    if line := scope.pop(_LOG_LINE, None):
        line.write(outcome, reason, request_id)


class _Line(Struct, frozen=True):
    scope: Scope
    words: frozenset[str]
    secrets: Callable[[], Iterable[str]]
    started: float

    def write(self, outcome: int | str, reason: str | None, request_id: str | None) -> None:
        request = request_of(self.scope)
        context: RequestContext | None = self.scope.get(CONTEXT)
        fields = {
            "request_id": context.request_id if context else request_id,
            "method": redact_method(request.method),
            "path": show_path(request.path, self.words, self.secrets),
            "status": outcome if isinstance(outcome, int) else None,
            "client_id": _client_id(context, self.secrets) if context else None,
            "grant_type": context.grant_type if context else None,
            "contract": context.head.contract.name if context and context.head.contract else None,
            "reason": "; ".join(dict.fromkeys(filter(None, (reason, self.scope.get(CORS_REFUSAL))))) or None,
            "ms": round((time.perf_counter() - self.started) * 1000, 1),
        }
        message = f"{fields['method']} {fields['path']} {outcome}"
        _access.info("%s%s", message, _in_words(fields), extra={FIELDS: {"message": message, **fields}})


def _client_id(context: RequestContext, secrets: Callable[[], Iterable[str]]) -> str | None:
    """The client id that the request claims, whether there is such an API key or not."""
    if context.client_id is not None or not context.claimed:
        return context.client_id
    return show_client_id(context.claimed[0], secrets)


def _in_words(fields: Mapping[str, Any]) -> str:
    """The fields that are known, as ` name=value`, after those with which the line begins."""
    names = ("client_id", "grant_type", "contract", "reason", "request_id")
    known = {name: str(fields[name]) for name in names if fields[name] is not None}
    words = (f" {name}={value if _PLAIN.fullmatch(value) else repr(value)}" for name, value in known.items())
    return f"{''.join(words)} {fields['ms']}ms"
