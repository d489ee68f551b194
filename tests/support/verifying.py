"""Owns how tests run the contract suite. Must not know what it checks."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2

from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.verify.budget import Send
from mockmoov.verify.check import Check
from mockmoov.verify.checks import CHECKS
from mockmoov.verify.expectations import WITHOUT_HEADER, Reading, reading_of
from mockmoov.verify.results import Result
from mockmoov.verify.session import Session
from mockmoov.verify.target import Key, Target
from tests.support import contract_fixtures
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, Clock, new_server, sender

LATEST = reading_of("latest")
READINGS: Sequence[Reading] = (WITHOUT_HEADER["2023"], LATEST)
KEY = Key(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, account_id=str(EXAMPLE["account_id"]))


def target(**changes: Any) -> Target:
    """The example key at a server without a socket, which is asked as often as one likes."""
    given: dict[str, Any] = {"url": "http://localhost", "key": KEY, "budget": 10**6, **changes}
    return Target(**given)


def sending(send: contract_fixtures.Send) -> Send:
    """What the suite asks with, of what tests ask with: no socket between them."""

    def ask(request: httpx2.Request) -> httpx2.Response:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
        asked = request.url.raw_path.decode("latin-1")
        status, answered, body = send(request.method, asked, headers, request.content)
        return httpx2.Response(status, headers=answered, content=body)

    return ask


def in_process(*, clock: Clock | None = None, **settings: Any) -> Send:
    """A new server with these settings, as the suite asks it."""
    return sending(sender(new_server(clock=clock, **settings)))


@contextmanager
def session(send: Send, reading: Reading = READINGS[0], **changes: Any) -> Iterator[Session]:
    """A session that has looked around."""
    with Session(target(**changes), send) as begun:
        begun.find_plane()
        begun.find_origin(reading)
        yield begun


def results(
    send: Send,
    readings: Iterable[Reading] = READINGS,
    checks: Iterable[Check] = CHECKS.values(),
    **changes: Any,
) -> list[Result]:
    """How each check ends under each contract that has it."""
    with session(send, **changes) as begun:
        return [
            begun.run(check, reading) for check in checks for reading in readings if check.concerns(reading)
        ]


def by_status(found: Iterable[Result], *statuses: str) -> set[str]:
    """The ids of the checks that ended so."""
    return {result.check_id for result in found if result.status in statuses}
