"""How a handle reaches the control plane: inside the process, or over HTTP."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from operator import methodcaller
from typing import Any, TypeAlias
from urllib.parse import urlencode

from mockmoov.config.tls_trust import connection_hint, trust_context
from mockmoov.control_plane.access import TOKEN_HEADER
from mockmoov.control_plane.router import BASE, ControlPlane
from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.messages import HttpRequest
from mockmoov.oauth.responses import REASON_HEADER

_JSON = "application/json"
_CHANGES = frozenset(("POST", "PATCH"))  # not DELETE: tests clean up after what was stopped
# Every response of the control plane has one of these.
_MOCKMOOV_HEADERS = frozenset(("x-mockmoov-extension", REASON_HEADER))
_EXTRA_TIMEOUT = 10.0  # seconds that a server elsewhere may take in addition to a wait


Response: TypeAlias = tuple[int, str, bytes]
"""Status, reason and body."""


class ControlError(Exception):
    """The control plane rejected a request; `status` as in HTTP (0: no response), `field` the invalid one."""

    def __init__(self, status: int, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.field = field

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle all three, so that the error can pass between processes."""
        return type(self), (self.status, str(self), self.field), vars(self)


# pytest leaves mockmoov's own frames out of the traceback of these errors: the test's line is what matters.
__tracebackhide__ = hide_traceback = methodcaller(
    "errisinstance", (AssertionError, ControlError, TimeoutError)
)


class InProcessTransport:
    """The control plane of a server in this process, without a socket. It waits in the calling thread."""

    def __init__(self, control_plane: ControlPlane, token: str | None) -> None:
        self._control_plane = control_plane
        self._is_closed = False
        self._headers = {"content-type": (_JSON,)} | ({TOKEN_HEADER: (token,)} if token is not None else {})

    def send(self, method: str, path: str, query: str, body: bytes, timeout: float) -> Response:
        """Send a request; raises `ControlError` for a change after `close`."""
        if self._is_closed and method in _CHANGES:  # nobody would notice them
            raise ControlError(0, "this MockMoov was stopped: it can be read, but not changed any more")
        request = HttpRequest(
            method=method, path=BASE + path, query=query.encode(), headers=self._headers, body=body
        )
        response = self._control_plane.handle(request)
        return response.status, dict(response.headers).get(REASON_HEADER, ""), response.body

    def close(self) -> None:
        """Reject changes from now on."""
        self._is_closed = True


class HttpTransport:
    """The control plane of a server at a URL."""

    def __init__(self, url: str, token: str | None, ca_file: str | None) -> None:
        """Trust the CAs in a PEM file, or else those of this machine; raises `ValueError`."""
        import httpx2  # noqa: PLC0415 - only who goes elsewhere pays for it

        try:
            trusted = trust_context(ca_file)
        except ValueError as error:
            raise ValueError(f"ca_file {error}") from None
        self._client = httpx2.Client(trust_env=False, verify=trusted)
        self._url = url
        self._headers = {"content-type": _JSON} | ({TOKEN_HEADER: token} if token is not None else {})

    def send(self, method: str, path: str, query: str, body: bytes, timeout: float) -> Response:
        """Send a request, which may wait there for `timeout` seconds; raises `ControlError`."""
        import httpx2  # noqa: PLC0415 - only who goes elsewhere pays for it

        target = f"{self._url}{BASE}{path}?{query}".rstrip("?")
        try:
            response = self._client.request(
                method, target, content=body, headers=self._headers, timeout=timeout + _EXTRA_TIMEOUT
            )
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RuntimeError) as error:  # or it is closed
            hint = connection_hint(error, self._url, "ca_file")
            raise ControlError(0, f"no mockmoov answers at {self._url}: {error}{hint}") from None
        if _MOCKMOOV_HEADERS.isdisjoint(response.headers):
            raise ControlError(response.status_code, f"the server at {self._url} is not a mockmoov")
        return response.status_code, response.headers.get(REASON_HEADER, ""), response.content

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def json_text(value: object) -> bytes:
    """A value as JSON; raises `ControlError`."""
    try:
        return to_json(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ControlError(422, f"this cannot be written as JSON: {error}") from None


@dataclass(frozen=True, slots=True)
class Control:
    """A path of the control plane: of the server ("") or of one of its API keys."""

    transport: InProcessTransport | HttpTransport
    path: str = ""

    def __str__(self) -> str:
        return self.path.rpartition("/")[2] or "the server"

    def __call__(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        timeout: float = 0,
    ) -> Any:
        """Use what is below this path: the JSON document of the response, None without one.

        A parameter of the query that is None is left out; `timeout` is that of a wait. Raises `ControlError`.
        """
        parameters = {name: value for name, value in (query or {}).items() if value is not None}
        content = b"" if body is None else json_text(body)
        status, reason, received = self.transport.send(
            method, self.path + path, urlencode(parameters), content, timeout
        )
        document = json.loads(received) if received else None
        if status < 300:
            return document
        problem = document if isinstance(document, dict) else {}
        message = problem.get("error") or reason or f"status {status}"
        raise ControlError(status, str(message), problem.get("field"))
