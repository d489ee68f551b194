"""Runs the contract suite against a server, for tests."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2

from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.verify.budget import Send
from mockmoov.verify.check import Check, Result
from mockmoov.verify.checks import CHECKS
from mockmoov.verify.expectations import RECOMMENDED_VERSION, WITHOUT_HEADER, Expectations, expectations_of
from mockmoov.verify.session import Session
from mockmoov.verify.target import Key, Target
from tests.support import contract_fixtures
from tests.support.servers import CLIENT_ID, CLIENT_SECRET, Clock, new_server, sender

DATED = expectations_of(RECOMMENDED_VERSION)
CONTRACTS: Sequence[Expectations] = (WITHOUT_HEADER["2023"], DATED)
KEY = Key(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, account_id=str(EXAMPLE["account_id"]))


def target(**changes: Any) -> Target:
    """The example key at a server without a socket, with no limit on requests."""
    arguments: dict[str, Any] = {"url": "http://localhost", "key": KEY, "budget": 10**6, **changes}
    return Target(**arguments)


def sending(send: contract_fixtures.Send) -> Send:
    """The suite's way to send requests, from that of the tests, without a socket."""

    def ask(request: httpx2.Request) -> httpx2.Response:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
        target = request.url.raw_path.decode("latin-1")
        status, response_headers, body = send(request.method, target, headers, request.content)
        return httpx2.Response(status, headers=response_headers, content=body)

    return ask


def in_process(*, clock: Clock | None = None, **settings: Any) -> Send:
    """A new server with these settings, for the suite."""
    return sending(sender(new_server(clock=clock, **settings)))


@contextmanager
def session(send: Send, expectations: Expectations = CONTRACTS[0], **changes: Any) -> Iterator[Session]:
    """A session that knows whether there is a control plane, and which origin to send."""
    with Session(target(**changes), send) as begun:
        begun.find_control_plane()
        begun.find_origin(expectations)
        yield begun


def results(
    send: Send,
    contracts: Iterable[Expectations] = CONTRACTS,
    checks: Iterable[Check] = CHECKS.values(),
    **changes: Any,
) -> list[Result]:
    """The results of the checks under each contract that has their rule."""
    with session(send, **changes) as begun:
        return [
            begun.run(check, expectations)
            for check in checks
            for expectations in contracts
            if check.applies_to(expectations)
        ]


def by_status(found: Iterable[Result], *statuses: str) -> set[str]:
    """The ids of the checks with one of these statuses."""
    return {result.check_id for result in found if result.status in statuses}
