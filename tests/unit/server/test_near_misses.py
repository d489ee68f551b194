"""A request that is wrong in one place gets a reason that names the mistake and what was probably meant."""

import json
from typing import Any

import pytest

from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.oauth.signing_keys import make_issuer_keys
from mockmoov.oauth.tokens import sign, unverified_claims
from tests.support.contract_fixtures import Send
from tests.support.near_misses import (
    ELSEWHERE,
    GRANT,
    NEAR_MISSES,
    TOKEN,
    UNKNOWN_CLIENT,
    Request,
    fill,
    form,
    get,
    ping,
)
from tests.support.servers import (
    CLIENT_SECRET,
    Clock,
    another_key,
    basic,
    bearer,
    new_server,
    post_form,
    sender,
)
from tests.support.tokens import mint


@pytest.fixture(scope="module")
def send() -> Send:
    return sender(new_server())


@pytest.fixture(scope="module")
def tokens(send: Send) -> dict[str, str]:
    """A pair of tokens, a part of one, and tokens of other servers."""
    pair = mint(send)
    claims = unverified_claims(pair["access_token"])
    assert claims is not None
    other = make_issuer_keys(bytes(32))
    return {
        "access": pair["access_token"],
        "refresh": pair["refresh_token"],
        "half": pair["access_token"][:200],
        "most": pair["access_token"][:-10],
        "length": str(len(pair["access_token"]) - 10),
        "foreign": sign(other, claims),
        "elsewhere": sign(other, {**claims, "iss": "https://auth.example/"}),
    }


@pytest.mark.parametrize(("near_miss", "reason"), NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_reason_names_the_mistake(
    send: Send, tokens: dict[str, str], near_miss: Request, reason: str
) -> None:
    status, headers, _ = send(*fill(near_miss, tokens))
    expected = reason.replace("<length>", tokens["length"])
    assert (status >= 400, headers.get("x-mockmoov-reason")) == (True, expected)


def test_reason_says_that_other_keys_replace_the_example() -> None:
    status, headers, _ = sender(new_server(keys=[another_key()]))(*form(GRANT, basic()))
    reason = f"{UNKNOWN_CLIENT}: the documented example was replaced or deleted"
    assert (status, headers["x-mockmoov-reason"]) == (401, reason)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            {},
            ELSEWHERE,
        ),
        (
            {"seed": "2"},
            "the token is of another server, or from before a reset: request a new one",
        ),
    ],
)
def test_reason_names_a_restart_only_if_tokens_end_with_it(settings: dict[str, Any], reason: str) -> None:
    token = mint(sender(new_server(seed="1")))["access_token"]
    _, headers, _ = sender(new_server(**settings))(*ping(f"Bearer {token}"))
    assert headers["x-mockmoov-reason"] == reason


def test_reason_names_the_key_that_a_restart_lost() -> None:
    before = sender(new_server(seed="1", keys=[EXAMPLE, another_key()]))
    token = json.loads(post_form(before, TOKEN, basic("other", another_key()["client_secret"]), **GRANT)[2])
    _, headers, _ = sender(new_server(seed="1"))(*ping(f"Bearer {token['access_token']}"))
    assert headers["x-mockmoov-reason"] == (
        "the token's API key does not exist: it was deleted, or lost in a restart without store"
    )


def test_reason_of_an_expired_token_warns_of_a_unix_time_read_as_seconds() -> None:
    clock, dated = Clock(1_800_000_000.0), ("x-moov-version", "v2026.10.00")
    send = sender(new_server(clock=clock))
    token = mint(send)["access_token"]
    clock.shift(3601)
    _, headers, _ = send(*get("/ping", bearer(token), dated))
    assert headers["x-mockmoov-reason"] == (
        "the token expired 1 s ago, at Fri, 15 Jan 2027 09:00:00 GMT; "
        "expires_in of a dated version is a Unix time, so do not add it to the current time"
    )


def test_reason_says_that_the_secret_is_of_another_key() -> None:
    send = sender(new_server(keys=[EXAMPLE, another_key()]))
    status, headers, _ = send(*form(GRANT, basic("other", CLIENT_SECRET)))
    reason = "client_id and client_secret are of different API keys"
    assert (status, headers["x-mockmoov-reason"]) == (401, reason)
    assert send(*form(GRANT, basic("other", "wrong")))[1]["x-mockmoov-reason"] == "client_secret is wrong"
