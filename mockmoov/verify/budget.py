"""Owns every request that is made: budget, rate, record. Must not know what a check is about."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import httpx2

from mockmoov.verify.results import BudgetSpent, Unanswered

Send = Callable[[httpx2.Request], httpx2.Response]
"""Asks and waits for the answer, body included; raises `httpx2.HTTPError`."""

_PATIENCE = 2  # how often a request is made again that is answered 429
_SPARE = 2  # requests that an answer may ask for: it may hold two tokens, to be revoked
_LONGEST_WAIT = 30.0  # seconds that a Retry-After is heeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request and its answer."""

    request: httpx2.Request
    response: httpx2.Response


class Wire:
    """Sends requests, no faster than `rate`, no more than `budget` and no longer than `seconds` in all."""

    def __init__(
        self,
        send: Send,
        *,
        budget: int,
        rate: float | None,
        seconds: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._send = send
        self._budget = budget
        self._gap = 1 / rate if rate else 0.0
        self._clock, self._sleep = clock, sleep
        self._seconds, self._deadline = seconds, clock() + seconds
        self._next = 0.0
        self._lock = threading.Lock()
        self._ended = ""
        self.sent = 0
        self.reserved = 0
        self.exchanges: list[Exchange] = []

    @property
    def is_ended(self) -> bool:
        """Whether nothing more is to be asked."""
        return bool(self._ended)

    def end(self, reason: str) -> None:
        """Ask nothing more from now on, but for what cleans up."""
        self._ended = reason

    def send(self, request: httpx2.Request, *, patient: bool = True, spare: int = _SPARE) -> httpx2.Response:
        """The answer; a 429 is waited out. Raises `BudgetSpent` or `Unanswered`."""
        response = self._once(request, kept=self.reserved + spare)
        for _ in range(_PATIENCE if patient else 0):
            if response.status_code == 429:
                self._sleep(_wait_told(response))
                response = self._once(request, kept=self.reserved + spare)
        self.exchanges.append(Exchange(request=request, response=response))
        return response

    def send_at_once(self, requests: Sequence[httpx2.Request]) -> list[httpx2.Response]:
        """The answers to requests that are made at the same time, as far as the rate allows."""
        with ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(partial(self.send, spare=_SPARE * len(requests)), requests))

    def send_last(self, request: httpx2.Request) -> httpx2.Response:
        """The answer to a request that cleans up: it was kept room for, and goes into no record."""
        response = self._once(request, kept=0, is_last=True)
        if response.status_code != 429:
            return response
        self._sleep(_wait_told(response))
        return self._once(request, kept=0, is_last=True)

    def _once(self, request: httpx2.Request, *, kept: int, is_last: bool = False) -> httpx2.Response:
        with self._lock:
            now = self._clock()
            if now > self._deadline:
                self.end(f"the time of {self._seconds:.0f} seconds is up")
            if self._ended and not is_last:
                raise BudgetSpent(self._ended)
            if self.sent + kept >= self._budget:
                raise BudgetSpent(f"the budget of {self._budget} requests is spent")
            self.sent += 1
            wait = max(0.0, self._next - now)
            self._next = max(self._next, now) + self._gap
        if wait:
            self._sleep(wait)
        try:
            return self._send(request)
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, OSError) as error:
            raise Unanswered(f"{request.method} {request.url.path}: {_what_happened(error)}") from None


def _wait_told(response: httpx2.Response) -> float:
    told = response.headers.get("retry-after", "")
    return min(float(told), _LONGEST_WAIT) if told.isascii() and told.isdigit() else 1.0


def _what_happened(error: Exception) -> str:
    """In our words: the library's may hold what the server sent."""
    if isinstance(error, httpx2.ConnectError) and "certificate verify failed" in str(error):
        return "the certificate is not trusted: --ca-file names the CA"
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (httpx2.ConnectTimeout, "no connection in time"),
        (httpx2.ConnectError, "no connection: nothing answers there"),
        (httpx2.TimeoutException, "no answer in time"),
        (httpx2.NetworkError, "the connection was lost"),
        (httpx2.RemoteProtocolError, "the connection ended without an answer, or the answer is not HTTP"),
    )
    name = type(error).__name__
    return next(
        (f"{text} ({name})" for kind, text in kinds if isinstance(error, kind)), f"no answer ({name})"
    )
