"""Owns sockets: one exchange within a time and a size. Must not know what is sent, or how often."""

import ssl
from types import TracebackType
from typing import Self

import anyio
import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal

MAX_BODY = 256 * 1024
"""Bytes of an answer that are read."""

_FRAMING = frozenset((b"content-encoding", b"content-length", b"transfer-encoding"))


class Sockets:
    """Asks over HTTP. A whole exchange takes at most `timeout` seconds, however slowly its bytes drip.

    Redirects are not followed, cookies not kept, and on loopback the environment's proxies not asked.
    """

    def __init__(self, *, timeout: float, trust_env: bool, ca_file: str | None = None) -> None:
        """Trust the CAs of a file, PEM, or without one those of this machine; raises `OSError`."""
        self._verify = ssl.create_default_context(cafile=ca_file)
        self._timeout = timeout
        self._trust_env = trust_env

    def __enter__(self) -> Self:
        self._starting = start_blocking_portal()
        self._portal: BlockingPortal = self._starting.__enter__()
        self._client = httpx2.AsyncClient(
            verify=self._verify, trust_env=self._trust_env, timeout=self._timeout
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._portal.call(self._client.aclose)
        self._starting.__exit__(None, None, None)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, of its body no more than can be wanted; raises `httpx2.HTTPError`."""
        return self._portal.call(self._ask, request)

    async def _ask(self, request: httpx2.Request) -> httpx2.Response:
        try:
            with anyio.fail_after(self._timeout):
                return await self._whole(request)
        except TimeoutError:
            raise httpx2.ReadTimeout("no whole answer in time", request=request) from None

    async def _whole(self, request: httpx2.Request) -> httpx2.Response:
        # A request keeps the stream it was made with: this is another, so that it can be sent again.
        again = httpx2.Request(
            request.method, request.url, headers=request.headers.raw, content=request.content
        )
        answer = await self._client.send(again, stream=True, auth=None, follow_redirects=False)
        body = bytearray()
        try:
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY:
                    break
        finally:
            await answer.aclose()
        headers = [(name, value) for name, value in answer.headers.raw if name.lower() not in _FRAMING]
        return httpx2.Response(answer.status_code, headers=headers, content=bytes(body))
