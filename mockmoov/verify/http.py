"""Sends requests over HTTP, with a limit on the time and the size of each response."""

import ssl
from contextlib import ExitStack
from typing import Self

import anyio
import httpx2
from anyio.from_thread import start_blocking_portal

from mockmoov.client.clients import async_send

MAX_BODY = 256 * 1024
"""Bytes of a body that are read."""


class HttpSender(ExitStack):
    """Sends requests over HTTP. A whole exchange takes at most `timeout` seconds, however slow the server is.

    Does not follow redirects or keep cookies. Uses the environment's proxies only with `trust_env`.
    """

    def __init__(self, *, timeout: float, trust_env: bool, ca_file: str | None = None) -> None:
        """Trust the CAs in `ca_file` (PEM), or by default those of this machine. Raises `OSError`."""
        super().__init__()
        self._timeout = timeout
        self._client = httpx2.AsyncClient(
            verify=ssl.create_default_context(cafile=ca_file), trust_env=trust_env, timeout=timeout
        )

    def __enter__(self) -> Self:
        self._portal = self.enter_context(start_blocking_portal())
        self.enter_context(self._portal.wrap_async_context_manager(self._client))
        return self

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and read at most about `MAX_BODY` bytes. Raises `httpx2.HTTPError`."""
        return self._portal.call(self._send, request)

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        # A request remembers which stream carried it, so a copy is sent: the caller may send it again.
        copy = httpx2.Request(
            request.method, request.url, headers=request.headers.raw, content=request.content
        )
        try:
            with anyio.fail_after(self._timeout):
                response = await async_send(self._client, copy, MAX_BODY)
        except TimeoutError:
            raise httpx2.ReadTimeout("no whole response in time", request=request) from None
        if isinstance(response, httpx2.HTTPError):
            raise response
        return response
