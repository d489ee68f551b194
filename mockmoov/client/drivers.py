"""Runs a flow with an httpx2 client, sync or async. Reads a bounded part of each body."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing, closing
from typing import TypeVar

import httpx2

from mockmoov.client.flows import Flow, StepResult
from mockmoov.client.responses import MAX_BODY
from mockmoov.client.retry import Wait

T = TypeVar("T")
_FRAMING = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})
# What sending may raise. httpx2 parses every `Location`, even if it does not follow it, and does not catch
# the ValueErrors of `ipaddress` and `idna`.
_FAILURES = (httpx2.HTTPError, httpx2.InvalidURL, ValueError)


def drive(flow: Flow[T], http: httpx2.Client, sleep: Callable[[float], None]) -> T:
    """Run `flow` to its result with a sync client, without redirects and without the client's auth."""
    step_result: StepResult = None
    while True:
        try:
            step = flow.send(step_result)
        except StopIteration as finished:
            result: T = finished.value
            return result
        if isinstance(step, Wait):
            sleep(step.seconds)
        step_result = None if isinstance(step, Wait) else _send(http, step)


async def async_drive(
    flow: Flow[T], http: httpx2.AsyncClient, sleep: Callable[[float], Awaitable[None]]
) -> T:
    """Run `flow` to its result with an async client; see `drive`."""
    step_result: StepResult = None
    while True:
        try:
            step = flow.send(step_result)
        except StopIteration as finished:
            result: T = finished.value
            return result
        if isinstance(step, Wait):
            await sleep(step.seconds)
        step_result = None if isinstance(step, Wait) else await async_send(http, step, MAX_BODY)


def _send(http: httpx2.Client, request: httpx2.Request) -> httpx2.Response | httpx2.HTTPError:
    content = bytearray()
    try:
        with closing(http.send(request, stream=True, auth=None, follow_redirects=False)) as response:
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > MAX_BODY:
                    break
    except _FAILURES as error:
        return _as_http_error(error)
    return _complete(response, content)


async def async_send(
    http: httpx2.AsyncClient, request: httpx2.Request, max_body: int
) -> httpx2.Response | httpx2.HTTPError:
    """Send a request and read about `max_body` bytes of the response. Returns the failure if there is one."""
    content = bytearray()
    try:
        response = await http.send(request, stream=True, auth=None, follow_redirects=False)
        async with aclosing(response), aclosing(response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                content += chunk
                if len(content) > max_body:
                    break
    except _FAILURES as error:
        return _as_http_error(error)
    return _complete(response, content)


def _as_http_error(error: Exception) -> httpx2.HTTPError:
    return error if isinstance(error, httpx2.HTTPError) else httpx2.DecodingError(str(error))


def _complete(response: httpx2.Response, content: bytearray) -> httpx2.Response:
    """The response with this body, which is already decoded."""
    headers = [(k, v) for k, v in response.headers.raw if k.lower() not in _FRAMING]
    return httpx2.Response(response.status_code, headers=headers, content=bytes(content))
