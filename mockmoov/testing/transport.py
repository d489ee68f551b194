"""Owns how the control plane is reached: in this process, or over HTTP. Must not know what is asked of it."""

import json
import ssl
from collections.abc import Mapping
from operator import methodcaller
from typing import Any, Protocol
from urllib.parse import urlencode

from mockmoov.control_plane.access import TOKEN_HEADER
from mockmoov.control_plane.router import ControlPlane
from mockmoov.oauth.encoding import to_json
from mockmoov.oauth.messages import HttpRequest
from mockmoov.oauth.responses import REASON_HEADER

BASE = "/_mockmoov"
_JSON = "application/json"
_CHANGES = frozenset(("POST", "PATCH"))  # not DELETE: tests clean up after what was stopped
_OURS = frozenset(("x-mockmoov-extension", REASON_HEADER))  # one of these is on every answer of ours here
_PATIENCE = 10.0  # seconds that a server elsewhere may take, beside what it was asked to wait


class ControlError(Exception):
    """The control plane refused; `status` as in HTTP (0: it was not reached), `field` the one at fault."""

    def __init__(self, status: int, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.field = field

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with both, so that it survives the way between processes."""
        return type(self), (self.status, str(self), self.field), vars(self)


# pytest shows no frame of ours where something was refused, or waited for in vain: the test's line says it.
__tracebackhide__ = hide_refusals = methodcaller("errisinstance", (ControlError, TimeoutError))


class Transport(Protocol):
    """Asks the control plane. A `query` of None is left out; `timeout` is what it was asked to wait."""

    def __call__(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        timeout: float = 0,
    ) -> Any:
        """The JSON document of the answer, None without one; raises `ControlError`."""
        ...

    def close(self) -> None:
        """Let go of what is held."""
        ...


class Local:
    """The control plane of a server in this process, without a socket."""

    def __init__(self, control: ControlPlane, token: str | None) -> None:
        self._control = control
        self._is_closed = False
        self._headers = {"content-type": (_JSON,)}
        if token is not None:
            self._headers[TOKEN_HEADER] = (token,)

    def __call__(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        timeout: float = 0,
    ) -> Any:
        """Ask, and wait as long as it takes."""
        if self._is_closed and method in _CHANGES:
            raise ControlError(0, "this MockMoov was stopped: it can be read, but not changed any more")
        request = HttpRequest(
            method=method,
            path=BASE + path,
            query=_query(query).encode(),
            headers=self._headers,
            body=_body(body),
        )
        response = self._control.handle(request)
        return _read(response.status, dict(response.headers).get(REASON_HEADER, ""), response.body)

    def close(self) -> None:
        """Let nothing be made or changed any more: nobody would notice."""
        self._is_closed = True


class Remote:
    """The control plane of a server at a URL."""

    def __init__(self, url: str, token: str | None, ca_file: str | None) -> None:
        """Trust the CAs of a file, PEM, or without one those of this machine; raises `ValueError`."""
        import httpx2  # noqa: PLC0415 - only who goes elsewhere pays for it

        self._client = httpx2.Client(trust_env=False, verify=_trust(ca_file))
        self._url = url
        self._headers = {"content-type": _JSON} | ({TOKEN_HEADER: token} if token is not None else {})

    def __call__(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        timeout: float = 0,
    ) -> Any:
        """Ask; the server does the waiting."""
        import httpx2  # noqa: PLC0415 - only who goes elsewhere pays for it

        target = f"{self._url}{BASE}{path}?{_query(query)}".rstrip("?")
        try:
            response = self._client.request(
                method, target, content=_body(body), headers=self._headers, timeout=timeout + _PATIENCE
            )
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RuntimeError) as error:  # or it is closed
            hint = "; ca_file names the CA" if "certificate verify failed" in str(error) else ""
            raise ControlError(0, f"no mockmoov answers at {self._url}: {error}{hint}") from None
        if _OURS.isdisjoint(response.headers):
            raise ControlError(response.status_code, f"what answers at {self._url} is no mockmoov")
        return _read(response.status_code, response.headers.get(REASON_HEADER, ""), response.content)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _trust(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # an `ssl.SSLError` is one
        raise ValueError(f"ca_file {ca_file}: {error.strerror}") from None


def _query(query: Mapping[str, Any] | None) -> str:
    return urlencode({name: value for name, value in (query or {}).items() if value is not None})


def _body(body: Mapping[str, Any] | None) -> bytes:
    try:
        return b"" if body is None else to_json(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise ControlError(422, f"this cannot be written as JSON: {error}") from None


def _read(status: int, reason: str, body: bytes) -> Any:
    document = json.loads(body) if body else None
    if status < 300:
        return document
    problem = document if isinstance(document, dict) else {}
    message = problem.get("error") or reason or f"status {status}"
    raise ControlError(status, str(message), problem.get("field"))
