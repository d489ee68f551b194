"""Decides whether to repeat a request, and how long to wait first."""

import random
import time
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass

from mockmoov.client.errors import MoovError, TokenRequestError, TransportError

# For creating and revoking tokens, which are safe to do twice.
SAFE_TO_REPEAT = frozenset({429, *range(500, 600)})
# For refreshing. A refresh token is single use: if the response was lost, repeating the request is a replay,
# which revokes the token family. So only a request that the server says it did not process is repeated.
NOT_PROCESSED = frozenset({429, 503})


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """A step of a flow: the driver sleeps for `seconds`."""

    seconds: float


async def _async_sleep(seconds: float) -> None:
    import asyncio  # noqa: PLC0415  # only async callers need it

    await asyncio.sleep(seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """How often to repeat a request that failed for a temporary reason, and how long to wait.

    Retries failures to connect; 429 and 5xx when creating or revoking a token; 429 and 503 when refreshing.
    Waits as long as `Retry-After` says, or else `backoff * 2**n` seconds, of which `jitter` removes up to
    half; never longer than `max_wait`.

    Attributes:
        attempts: requests in total, including the first; at least 1.
        backoff: seconds before the second request.
        max_wait: the most seconds between two requests.
        jitter: returns a number from 0 to 1.
        sleep, async_sleep: wait for a number of seconds; tests can replace them.
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
        """The wait after attempt number `attempt` (from 1) failed; None if there is no further attempt.

        `statuses` are the statuses after which the operation may be repeated.
        """
        if attempt >= self.attempts or not _may_repeat(error, statuses):
            return None
        seconds = error.retry_after if isinstance(error, TokenRequestError) else None
        if seconds is None:
            seconds = self.backoff * 2.0 ** min(attempt - 1, 32) * (1 - self.jitter() / 2)
        return Wait(seconds=min(self.max_wait, seconds))


NO_RETRY = Retry(attempts=1)


def _may_repeat(error: MoovError, statuses: Container[int]) -> bool:
    if isinstance(error, TransportError):
        return not error.request_sent
    return isinstance(error, TokenRequestError) and error.status in statuses
