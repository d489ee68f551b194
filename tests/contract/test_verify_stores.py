"""The contract suite over HTTP, wherever the server keeps its state, on one server, two, and two workers."""

from collections import Counter
from itertools import cycle
from pathlib import Path

import httpx2
import pytest

from mockmoov.verify.budget import Send
from mockmoov.verify.checks import CHECKS
from mockmoov.verify.http import HttpSender
from tests.support.redis_servers import store_flags
from tests.support.serving import serving_together
from tests.support.verifying import CONTRACTS, results


def in_turn(send: Send, urls: list[str]) -> Send:
    """Send each request to the next server."""
    ports = cycle([httpx2.URL(url).port for url in urls])
    return lambda request: send(
        httpx2.Request(
            request.method,
            request.url.copy_with(port=next(ports)),
            headers=request.headers.raw,
            content=request.content,
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("store", "servers", "workers"),
    [
        ("memory", 1, 1),
        ("memory", 1, 2),
        ("sqlite", 1, 1),
        ("sqlite", 2, 1),
        ("redis", 1, 1),
        ("redis", 2, 1),
    ],
)
def test_every_check_passes_on_every_store(store: str, servers: int, workers: int, tmp_path: Path) -> None:
    flags = (*store_flags(store, tmp_path), "--workers", str(workers), "--access-log", "off")
    with (
        serving_together(servers, *flags) as urls,
        HttpSender(timeout=30, trust_env=False) as send,
    ):
        found = results(in_turn(send, urls), url=urls[0])
    wrong = [result for result in found if result.status not in ("passed", "finding")]
    assert wrong == []
    applicable = [check.id for check in CHECKS.values() for each in CONTRACTS if check.applies_to(each)]
    assert Counter(result.check_id for result in found) == Counter(applicable)
