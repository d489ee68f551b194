"""Clients that present one refresh token at the same moment: one of them gets tokens."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.support.connections import Racers, over_http
from tests.support.redis_servers import store_flags
from tests.support.servers import basic
from tests.support.serving import serving_together
from tests.support.tokens import members, mint, ping, refresh

RACERS = 50
FORM = ("content-type", "application/x-www-form-urlencoded")


def wrong_races(rounds: int, servers: int, store: Sequence[str], *, grace: int) -> list[object]:
    """The rounds in which more than one racer won, or none, or in which the tokens live or die wrongly.

    A lost race revokes the family, unless the losers come within the grace period.
    """
    alive, wrong = grace > 0, list[object]()
    flags = (*store, "--refresh-grace-seconds", str(grace), "--access-log", "off")
    with ExitStack() as stack:
        urls = stack.enter_context(serving_together(servers, *flags))
        send = stack.enter_context(over_http(*urls))
        racers = Racers(stack, urls, RACERS)
        for number in range(rounds):
            token = mint(send)
            form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
            answers = racers.race("/oauth2/token", [FORM, basic()], urlencode(form).encode())
            won = [members(answer) for answer in answers if answer[0] == 200]
            lost = [
                (status, members((status, {}, body))["error"]) for status, _, body in answers if status != 200
            ]
            access = [pair["access_token"] for pair in (token, *won)]
            seen = (
                len(won),
                lost == [(400, "invalid_grant")] * (RACERS - 1),
                {ping(send, text) for text in access for _ in urls},
                {refresh(send, pair["refresh_token"])[0] for pair in won},
            )
            if seen != (1, True, {200 if alive else 401}, {200 if alive else 400}):
                wrong.append((number, seen))
    return wrong


# The store, how many servers, workers of each, and the grace period in seconds.
ROWS = [
    ("sqlite", 1, 1, 0),
    ("sqlite", 2, 1, 0),
    ("sqlite", 2, 1, 60),
    ("sqlite", 1, 2, 0),
    ("redis", 2, 1, 0),
]
in_every_row = pytest.mark.parametrize(("store", "servers", "workers", "grace"), ROWS)


@pytest.mark.slow
@in_every_row
def test_one_racer_of_fifty_wins(store: str, servers: int, workers: int, grace: int, tmp_path: Path) -> None:
    flags = (*store_flags(store, tmp_path), "--workers", str(workers))
    assert wrong_races(50, servers, flags, grace=grace) == []


@pytest.mark.soak
@in_every_row
def test_one_racer_wins_in_each_of_a_thousand_races(
    store: str, servers: int, workers: int, grace: int, tmp_path: Path
) -> None:
    flags = (*store_flags(store, tmp_path), "--workers", str(workers))
    assert wrong_races(1000, servers, flags, grace=grace) == []
