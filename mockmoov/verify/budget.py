"""Sends requests within a budget: so many in total, so many a second, and for so long. Records them."""

import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import httpx2

from mockmoov.verify.check import BudgetExhausted, NoResponse

Send = Callable[[httpx2.Request], httpx2.Response]
"""Sends a request and returns the response with its body. Raises `httpx2.HTTPError`."""

# What errors say of a server that answers a TLS handshake with something else, or closes the connection then:
# of that httpx2 may say nothing.
_NO_TLS = (
    r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|PACKET_LENGTH_TOO_LONG|UNEXPECTED_EOF|reset by peer|\A\Z"
)
_RETRIES = 2  # after 429
_REVOCATIONS = 2  # requests to keep for each response, which may contain two tokens to revoke
_LONGEST_WAIT = 30.0  # seconds; a longer Retry-After is cut to this


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedExchange:
    """A request and its response."""

    request: httpx2.Request
    response: httpx2.Response


class BudgetedSender:
    """Sends at most `budget` requests to the server at `url`, at most `rate` a second, for at most `seconds`.

    `reserved` requests of the budget are kept for cleaning up; only those are sent once there is a
    `stop_reason`. `exchanges` has the requests that were sent, without those that clean up.
    """

    def __init__(
        self,
        send: Send,
        *,
        url: str,
        budget: int,
        rate: float | None,
        seconds: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._send = send
        self._url = url
        self._budget = budget
        self._interval = 1 / rate if rate else 0.0
        self._clock, self._sleep = clock, sleep
        self._seconds, self._deadline = seconds, clock() + seconds
        self._next_at = 0.0
        self._lock = threading.Lock()
        self.stop_reason = ""
        self.sent = 0
        self.reserved = 0
        self.exchanges: list[RecordedExchange] = []

    def send(
        self, request: httpx2.Request, *, retry_429: bool = True, reserve: int = _REVOCATIONS
    ) -> httpx2.Response:
        """Send a request; after a 429 wait and repeat it. Raises `BudgetExhausted` or `NoResponse`.

        `reserve` is the number of requests that the response may require for cleaning up.
        """
        response = self._send_once(request, reserved=self.reserved + reserve)
        for _ in range(_RETRIES if retry_429 else 0):
            if response.status_code == 429:
                self._sleep(_seconds_to_wait(response))
                response = self._send_once(request, reserved=self.reserved + reserve)
        self.exchanges.append(RecordedExchange(request=request, response=response))
        return response

    def send_concurrently(self, requests: Sequence[httpx2.Request]) -> list[httpx2.Response]:
        """Send requests at the same time, as far as the rate allows."""
        send = partial(self.send, reserve=_REVOCATIONS * len(requests))
        with ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(send, requests))

    def send_cleanup(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request that cleans up. It may use the reserved part of the budget, and is not recorded."""
        response = self._send_once(request, reserved=0)
        if response.status_code != 429:
            return response
        self._sleep(_seconds_to_wait(response))
        return self._send_once(request, reserved=0)

    def _send_once(self, request: httpx2.Request, *, reserved: int) -> httpx2.Response:
        """Send a request that leaves `reserved` others of the budget: none, if it cleans up."""
        with self._lock:
            now = self._clock()
            if now > self._deadline:
                self.stop_reason = f"the time limit of {self._seconds:.0f} seconds is reached"
            if self.stop_reason and reserved:
                raise BudgetExhausted(self.stop_reason)
            if self.sent + reserved >= self._budget:
                raise BudgetExhausted(f"the budget of {self._budget} requests is used up")
            self.sent += 1
            wait = max(0.0, self._next_at - now)
            self._next_at = max(self._next_at, now) + self._interval
        if wait:
            self._sleep(wait)
        try:
            return self._send(request)
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, OSError) as error:
            raise NoResponse(f"{request.method} {request.url.path}: {_describe(error, self._url)}") from None


def _seconds_to_wait(response: httpx2.Response) -> float:
    value = response.headers.get("retry-after", "")
    return min(float(value), _LONGEST_WAIT) if value.isascii() and value.isdigit() else 1.0


def _describe(error: Exception, url: str) -> str:
    """What happened. The error's own text is not used, because it may quote what the server sent."""
    if isinstance(error, httpx2.ConnectError) and "certificate verify failed" in str(error):
        return "the certificate is not trusted; pass its CA with --ca-file"
    descriptions: tuple[tuple[type[Exception], str], ...] = (
        (httpx2.ConnectTimeout, "connecting timed out"),
        (httpx2.ConnectError, "cannot connect; is the server running?"),
        (httpx2.TimeoutException, "no response in time"),
        (httpx2.NetworkError, "the connection was lost"),
        (httpx2.RemoteProtocolError, "the connection closed without a response, or it is not HTTP"),
    )
    name = type(error).__name__
    description = next((text for kind, text in descriptions if isinstance(error, kind)), "no response")
    return f"{description} ({name}){_suggest_scheme(error, url)}"


def _suggest_scheme(error: Exception, url: str) -> str:
    """The URL with the other scheme, if the error may come from a server that expects it."""
    scheme, _, rest = url.partition("://")
    is_closed = isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError)
    is_not_tls = isinstance(error, httpx2.ConnectError) and bool(re.search(_NO_TLS, str(error)))
    other, is_likely = ("http", is_not_tls) if scheme.lower() == "https" else ("https", is_closed)
    return f"; if this is a port for {other}, use {other}://{rest}" if is_likely else ""
