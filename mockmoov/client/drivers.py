"""Owns carrying a flow over httpx2, sync and async; it must not know what the flow is about."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing, closing
from typing import TypeVar

import httpx2

from mockmoov.client.flows import Flow, Outcome
from mockmoov.client.responses import MAX_BODY
from mockmoov.client.retry import Wait

T = TypeVar("T")

_FRAMING = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})

_FAILURES = (httpx2.HTTPError, httpx2.InvalidURL, ValueError)
"""What sending may raise. httpx2 parses every `Location`, even one it does not follow, and lets the errors of
`ipaddress` and `idna`, which are ValueErrors, through."""


def drive(flow: Flow[T], http: httpx2.Client, sleep: Callable[[float], None]) -> T:
    """Run `flow` to its result over a synchronous client; redirects and the client's own auth are off."""
    outcome: Outcome = None
    while True:
        try:
            step = flow.send(outcome)
        except StopIteration as finished:
            result: T = finished.value
            return result
        if isinstance(step, Wait):
            sleep(step.seconds)
        outcome = None if isinstance(step, Wait) else _send(http, step)


async def async_drive(
    flow: Flow[T], http: httpx2.AsyncClient, sleep: Callable[[float], Awaitable[None]]
) -> T:
    """`drive` over an asynchronous client."""
    outcome: Outcome = None
    while True:
        try:
            step = flow.send(outcome)
        except StopIteration as finished:
            result: T = finished.value
            return result
        if isinstance(step, Wait):
            await sleep(step.seconds)
        outcome = None if isinstance(step, Wait) else await _async_send(http, step)


def _send(http: httpx2.Client, request: httpx2.Request) -> httpx2.Response | httpx2.HTTPError:
    body = _Body()
    try:
        with closing(http.send(request, stream=True, auth=None, follow_redirects=False)) as response:
            for chunk in response.iter_bytes():
                if body.is_full_with(chunk):
                    break
    except _FAILURES as error:
        return _as_http_error(error)
    return body.replacing(response)


async def _async_send(
    http: httpx2.AsyncClient, request: httpx2.Request
) -> httpx2.Response | httpx2.HTTPError:
    body = _Body()
    try:
        response = await http.send(request, stream=True, auth=None, follow_redirects=False)
        async with aclosing(response), aclosing(response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                if body.is_full_with(chunk):
                    break
    except _FAILURES as error:
        return _as_http_error(error)
    return body.replacing(response)


def _as_http_error(error: Exception) -> httpx2.HTTPError:
    return error if isinstance(error, httpx2.HTTPError) else httpx2.DecodingError(str(error))


class _Body:
    """The part of a body that is looked at: no more than one chunk beyond `MAX_BODY` is held in memory."""

    def __init__(self) -> None:
        self._content = bytearray()

    def is_full_with(self, chunk: bytes) -> bool:
        """Add `chunk`; whether more than `MAX_BODY` bytes are here now."""
        self._content += chunk
        return len(self._content) > MAX_BODY

    def replacing(self, response: httpx2.Response) -> httpx2.Response:
        """`response` as a complete one with this body, already decoded."""
        headers = [(k, v) for k, v in response.headers.raw if k.lower() not in _FRAMING]
        return httpx2.Response(response.status_code, headers=headers, content=bytes(self._content))
