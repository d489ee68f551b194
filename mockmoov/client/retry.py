"""Owns when to ask again and how long to wait first; it must not know sockets or how to parse an answer."""

import random
import time
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass

from mockmoov.client.errors import MoovError, TokenRequestError, TransportError

SAFE_TO_REPEAT = frozenset({429, *range(500, 600)})
"""For minting and revoking: doing either twice does no harm."""

NOT_PROCESSED = frozenset({429, 503})
"""For refreshing: a refresh token is single use, and repeating a request whose answer was lost is a replay,
which revokes the family. So only what the server says it did not process is repeated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """A step of a flow: the driver sleeps for `seconds`."""

    seconds: float


async def _async_sleep(seconds: float) -> None:
    import asyncio  # noqa: PLC0415  # only asynchronous callers pay for it

    await asyncio.sleep(seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """How often to repeat a request that failed for a passing reason, and how patiently.

    Repeated are: failures to connect; 429 and 5xx when minting or revoking; 429 and 503 when refreshing.
    The wait is what `Retry-After` says, otherwise `backoff * 2**n` less up to a half by `jitter`;
    never more than `max_wait`.

    Attributes:
        attempts: requests in all, the first included; at least 1.
        backoff: seconds before the second request.
        max_wait: the most seconds between two requests.
        jitter: a number from 0 to 1.
        sleep, async_sleep: wait for some seconds; tests pass their own.
    """

    attempts: int = 3
    backoff: float = 0.5
    max_wait: float = 30.0
    jitter: Callable[[], float] = random.random
    sleep: Callable[[float], None] = time.sleep
    async_sleep: Callable[[float], Awaitable[None]] = _async_sleep

    def __post_init__(self) -> None:
        if self.attempts < 1 or not (self.backoff >= 0 and self.max_wait >= 0):
            raise ValueError("attempts must be at least 1, backoff and max_wait at least 0")

    def wait_after(self, error: MoovError, attempt: int, statuses: Container[int]) -> Wait | None:
        """The wait after the `attempt`-th request (from 1) failed; None where there is no other attempt.

        `statuses` are those the operation may be repeated after.
        """
        if attempt >= self.attempts or not _repeatable(error, statuses):
            return None
        told = error.retry_after if isinstance(error, TokenRequestError) else None
        return Wait(seconds=min(self.max_wait, self._growing(attempt) if told is None else told))

    def _growing(self, attempt: int) -> float:
        return self.backoff * 2.0 ** min(attempt - 1, 32) * (1 - self.jitter() / 2)


NO_RETRY = Retry(attempts=1)


def _repeatable(error: MoovError, statuses: Container[int]) -> bool:
    if isinstance(error, TransportError):
        return not error.request_sent
    return isinstance(error, TokenRequestError) and error.status in statuses
