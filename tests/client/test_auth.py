"""MoovAuth: when a token is minted, kept, renewed and sent, and where it is not."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.client import InvalidClientError, Retry
from tests.client.moov_stub import API, Moov


def test_a_token_is_minted_at_first_use_and_kept() -> None:
    moov = Moov()
    with moov.http() as http:
        assert moov.mints == []
        assert [http.get("/ping").status_code for _ in range(3)] == [200, 200, 200]
    assert len(moov.mints) == 1
    assert moov.bearers == ["Bearer access-1"] * 3


@given(
    lifetime=st.integers(1, 7200), leeway=st.floats(0, 7200), when=st.floats(0, 7200), unix_time=st.booleans()
)
def test_a_token_is_renewed_the_leeway_or_half_its_life_early(
    lifetime: int, leeway: float, when: float, unix_time: bool
) -> None:
    start = int(Moov().clock.now.timestamp())
    moov = Moov(lifetime=start + lifetime if unix_time else lifetime)
    with moov.http(moov.auth(leeway=leeway)) as http:
        http.get("/ping")
        moov.clock.shift(when)
        http.get("/ping")
    due = moov.clock.now >= Moov().clock.now + timedelta(seconds=lifetime - min(leeway, lifetime / 2))
    assert len(moov.mints) == (2 if due else 1)


def test_a_token_that_arrives_expired_is_used_for_the_call_that_asked() -> None:
    moov = Moov(lifetime=0)
    with moov.http() as http:
        assert http.get("/ping").status_code == 200
    assert moov.bearers == ["Bearer access-1"]


def test_a_refused_token_is_replaced_and_the_call_repeated_once() -> None:
    moov = Moov()
    moov.revoked = {"Bearer access-1"}
    with moov.http() as http:
        assert http.post("/accounts", json={"a": "b"}).status_code == 200
    assert moov.bearers == ["Bearer access-1", "Bearer access-2"]
    assert [call.content for call in moov.calls] == [b'{"a":"b"}'] * 2


def test_a_call_refused_twice_is_answered_401() -> None:
    moov = Moov()
    moov.revoked = {"Bearer access-1", "Bearer access-2"}
    with moov.http() as http:
        assert http.get("/ping").status_code == 401
    assert len(moov.calls) == 2


class Consuming(httpx2.BaseTransport):
    """Sends a body as the network does: part by part, keeping none."""

    def __init__(self, moov: Moov) -> None:
        self.moov = moov

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        assert isinstance(request.stream, httpx2.SyncByteStream)
        assert b"".join(request.stream) == b"once"
        return self.moov(request)


def test_a_refused_stream_is_not_repeated_for_it_is_gone() -> None:
    moov = Moov()
    moov.revoked = {"Bearer access-1"}
    with httpx2.Client(base_url=API, auth=moov.auth(), transport=Consuming(moov)) as http:
        assert http.post("/files", content=iter([b"once"])).status_code == 401
    assert len(moov.calls) == 1


def test_configured_headers_go_along_unless_the_call_has_its_own() -> None:
    moov = Moov()
    auth = moov.auth(moov_version="v2024.01.00", origin="http://localhost:3000")
    with moov.http(auth) as http:
        http.get("/ping", headers={"Origin": "http://own.test"})
    headers = moov.calls[0].headers
    assert (headers["x-moov-version"], headers["origin"]) == ("v2024.01.00", "http://own.test")
    assert moov.mints[0].headers["origin"] == "http://localhost:3000"


elsewhere = st.sampled_from(
    [
        "http://api.moov.io/ping",
        "https://api.moov.io:8443/ping",
        "https://api.moov.io.evil.test/ping",
        "https://evil.test/api.moov.io",
        "https://cards.moov.io/ping",
        "https://api.moov.io@evil.test/",
    ]
)


@given(elsewhere)
def test_other_origins_get_no_token_and_cause_none(url: str) -> None:
    moov = Moov()
    with moov.http() as http:
        http.get(url)
    assert moov.mints == []
    assert not {"authorization", "origin"} & set(moov.calls[0].headers)


@pytest.mark.parametrize("url", [API + "/ping", "https://API.moov.io:443/ping", "/ping"])
def test_the_same_origin_written_otherwise_gets_a_token(url: str) -> None:
    moov = Moov()
    with moov.http() as http:
        http.get(url)
    assert moov.bearers == ["Bearer access-1"]


def test_an_address_without_an_origin_is_left_to_httpx2() -> None:
    moov = Moov()
    with httpx2.Client(auth=moov.auth()) as http, pytest.raises(httpx2.UnsupportedProtocol):
        http.get("/ping")


def test_failing_to_get_a_token_raises_and_the_next_call_tries_again() -> None:
    moov = Moov(status=401)
    with moov.http() as http:
        with pytest.raises(InvalidClientError):
            http.get("/ping")
        moov.status = 200
        assert http.get("/ping").status_code == 200


def test_token_requests_are_repeated_as_the_policy_says() -> None:
    moov, slept = Moov(status=503), list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        moov.status = 200

    with moov.http(moov.auth(retry=Retry(sleep=sleep))) as http:
        assert http.get("/ping").status_code == 200
    assert len(slept) == 1


@pytest.mark.parametrize(
    "options",
    [{"leeway": -1}, {"leeway": float("nan")}, {"scope": ""}, {"base_url": "moov"}, {"client_id": ""}],
)
def test_what_cannot_work_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Moov().auth(**options)


def test_the_repr_names_server_key_and_scope_and_hides_secret_and_token() -> None:
    moov = Moov()
    auth = moov.auth()
    with moov.http(auth) as http:
        http.get("/ping")
    assert repr(auth) == "MoovAuth('https://api.moov.io', client_id='key', scope='/ping.read')"
