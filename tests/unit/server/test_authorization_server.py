"""AuthorizationServer in process: the order of its checks, the headers it adds, and tokens as time passes."""

from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.config.settings import Layer, load
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.oauth.responses import REASON_HEADER
from mockmoov.oauth.signing_keys import make_issuer_keys, rotate
from mockmoov.server.authorization_server import MAX_BODY, AuthorizationServer
from mockmoov.simulation.clock import ClockSetting, http_date
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import SimulationState
from tests.support.contract_fixtures import ContractName, check_response
from tests.support.servers import (
    CLIENT_ID,
    NOW,
    VERSIONS,
    Clock,
    Header,
    another_key,
    basic,
    bearer,
    new_server,
    post_form,
    sender,
)
from tests.support.tokens import members, mint, ping, refresh, revoke

FORM = ("content-type", "application/x-www-form-urlencoded")
FORMATS = ("jwt", "opaque")
each_format = pytest.mark.parametrize("token_format", FORMATS)


# --- before a request is read -------------------------------------------------------------------------


def test_path_method_version_and_size_are_checked_in_turn() -> None:
    send = sender(new_server())
    malformed, large = ("x-moov-version", "v2024.2.00"), b"x" * (MAX_BODY + 1)
    repeated = [("x-moov-version", "latest")] * 2
    wrong = []
    for method, path, headers, body, status, allow in [
        ("POST", "/oauth2/token/", [malformed], large, 404, None),
        ("POST", "/oauth2%2Ftoken", [basic()], b"", 404, None),
        ("POST", "/OAUTH2/token", [basic()], b"", 404, None),
        ("POST", "/", [basic()], b"", 404, None),
        ("POST", "*", [basic()], b"", 404, None),
        ("POST", "", [basic()], b"", 404, None),
        ("GET", "/oauth2/token", [malformed], large, 405, "POST"),
        ("PUT", "/oauth2/revoke", [malformed], large, 405, "POST"),
        ("HEAD", "/oauth2/token", [malformed], b"", 405, "POST"),
        ("POST", "/ping", [malformed], b"", 405, "GET, HEAD"),
        ("POST", "/oauth2/token", [malformed], large, 404, None),
        ("POST", "/oauth2/token", repeated, large, 404, None),
        ("GET", "/ping", [malformed], b"", 404, None),
        ("HEAD", "/ping", [malformed], b"", 404, None),
        ("POST", "/oauth2/token", [], large, 413, None),
    ]:
        found, answered, content = send(method, path, headers, body)
        if (found, answered.get("allow"), content, REASON_HEADER in answered) != (status, allow, b"", True):
            wrong.append((method, path, headers, found, answered))
    assert wrong == []


def test_body_may_have_64_kib_and_not_a_byte_more() -> None:
    send = sender(new_server())
    body = b"grant_type=client_credentials&scope=/ping.read&padding=".ljust(64 * 1024, b"x")
    assert send("POST", "/oauth2/token", [basic(), FORM], body)[0] == 200
    assert send("POST", "/oauth2/token", [basic(), FORM], body + b"x")[0] == 413


# --- headers and log ----------------------------------------------------------------------------------


def test_request_id_is_new_and_never_the_callers() -> None:
    send = sender(new_server())
    callers = UUID("00000000-0000-4000-8000-000000000000")
    paths = ("/ping", "/ping", "/nowhere", "/oauth2/token")
    answers = [send("GET", path, [basic(), ("x-request-id", str(callers))], b"") for path in paths]
    ids = {UUID(headers["x-request-id"]) for _, headers, _ in answers}
    assert len(ids - {callers}) == len(paths)
    assert {request_id.version for request_id in ids} == {4}


def test_every_answer_has_the_date_of_the_servers_clock() -> None:
    clock = Clock()
    send = sender(new_server(clock=clock))
    grant = b'{"grant_type":"client_credentials","scope":"/ping.read"}'
    requests: list[tuple[str, str, list[Header], bytes]] = [
        ("POST", "/oauth2/token", [basic()], grant),
        ("POST", "/oauth2/token", [], b""),
        ("POST", "/oauth2/token", [basic()], b'{"a":1,"a":1}'),
        ("POST", "/oauth2/token", [basic()], b"x" * (MAX_BODY + 1)),
        ("POST", "/oauth2/revoke", [basic()], b'{"token":"x"}'),
        ("GET", "/ping", [basic()], b""),
        ("GET", "/nowhere", [], b""),
        ("PUT", "/ping", [], b""),
        ("GET", "/ping", [("x-moov-version", "x")], b""),
    ]
    wrong = []
    for clock.now in (0.0, 1_800_000_000.0, 1_800_000_000.999, 1_800_000_001.0):
        for request in requests:
            date = send(*request)[1]["date"]
            if not date.endswith(" GMT") or parsedate_to_datetime(date).timestamp() != int(clock.now):
                wrong.append((request, clock.now, date))
    assert wrong == []


@each_format
def test_date_follows_the_clock_of_the_claimed_key(token_format: str) -> None:
    server = new_server(keys=[another_key(), EXAMPLE], token_format=token_format)
    send = sender(server)
    token = mint(send)["access_token"]
    server.simulation.set_clock(CLIENT_ID, lambda _setting, _base: ClockSetting(offset=60))
    there, here = http_date(int(NOW) + 60), http_date(int(NOW))
    wrong = []
    for headers, body, expected in [
        ([basic()], b"", there),
        ([basic(CLIENT_ID, "wrong")], b"", there),
        ([FORM], f"client_id={CLIENT_ID}".encode(), there),
        ([FORM], f"client_id={CLIENT_ID}&client_id=other".encode(), there),
        ([bearer(token)], b"", there),
        ([basic("other", "x")], b"", here),
        ([basic("nobody", "x")], b"", here),
        ([FORM], b"client_id=other", here),
        ([], b"", here),
        ([bearer("x.y.z")], b"", here),
        ([bearer("x")], b"", here),
    ]:
        if (date := send("POST", "/oauth2/token", headers, body)[1]["date"]) != expected:
            wrong.append((headers, body, date))
    assert wrong == []


# --- the order of checks ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contract", "own"), [("2023", {"retry-after", "x-retry-in"}), ("dated", {"retry-after"})]
)
def test_rate_limit_follows_authentication(contract: ContractName, own: set[str]) -> None:
    clock = Clock()
    keys = [EXAMPLE, another_key()]
    send = sender(new_server(clock=clock, keys=keys, default_version=VERSIONS[contract], rate_limit=2))
    for _ in range(2):
        assert post_form(send, "/oauth2/token", basic(), grant_type="nonsense")[0] == 400
    status, headers, body = post_form(send, "/oauth2/token", basic(), grant_type="nonsense")
    assert (status, body, {"retry-after", "x-retry-in"} & set(headers)) == (429, b"", own)
    check_response(contract, "POST", "/oauth2/token", status, headers, body)
    assert post_form(send, "/oauth2/token", basic(CLIENT_ID, "wrong"))[0] == 401
    assert revoke(send, "x")[0] == 429
    assert send("GET", "/accounts", [basic()], b"")[0] == 429
    assert send("GET", "/ping", [basic("other", str(another_key()["client_secret"]))], b"")[0] == 200
    clock.shift(0.5)
    assert [send("GET", "/ping", [basic()], b"")[0] for _ in range(2)] == [200, 429]


def test_rate_limit_comes_before_the_scope() -> None:
    send = sender(new_server(rate_limit=1))
    token = mint(send, "/fed.read")["access_token"]
    assert ping(send, token) == 429
    assert ping(send, "x") == 401


def test_basic_is_narrowed_by_neither_scopes_nor_origins() -> None:
    key = another_key(scopes=["/accounts.read"])
    send = sender(new_server(keys=[key], origin_policy="required"))
    credentials = basic("other", key["client_secret"])
    assert send("GET", "/ping", [credentials, ("origin", "https://evil.example")], b"")[0] == 200


# --- time ---------------------------------------------------------------------------------------------


@each_format
@given(lifetime=st.integers(1, 10_000_000))
def test_token_lives_to_the_second_before_its_expiry(token_format: str, lifetime: int) -> None:
    clock = Clock(1_800_000_000.0)
    lifetimes: dict[str, Any] = {"access_token_lifetime": lifetime, "refresh_token_lifetime": lifetime}
    send = sender(new_server(clock=clock, token_format=token_format, **lifetimes))
    first = mint(send)
    assert first["expires_in"] == lifetime
    clock.shift(lifetime - 1)
    assert ping(send, first["access_token"]) == 200
    second = members(refresh(send, first["refresh_token"]))
    clock.shift(1)
    assert ping(send, first["access_token"]) == 401
    clock.shift(lifetime - 2)
    third = members(refresh(send, second["refresh_token"]))  # each rotation extends the grant
    clock.shift(lifetime)
    assert refresh(send, third["refresh_token"])[0] == 400


# --- refresh tokens -----------------------------------------------------------------------------------


def test_settings_decide_what_a_replay_revokes() -> None:
    cases: list[tuple[dict[str, Any], int, tuple[int, int]]] = [
        # settings, seconds until the replay, its status, and that of the newer access token
        ({}, 0, (400, 401)),
        ({"refresh_reuse_detection": "off"}, 0, (400, 200)),
        ({"refresh_grace_seconds": 10}, 9, (400, 200)),
        ({"refresh_grace_seconds": 10}, 10, (400, 401)),
    ]
    wrong = []
    for settings, seconds, expected in cases:
        clock = Clock()
        send = sender(new_server(clock=clock, **settings))
        first = mint(send)
        second = members(refresh(send, first["refresh_token"]))
        clock.shift(seconds)
        found = (refresh(send, first["refresh_token"])[0], ping(send, second["access_token"]))
        if found != expected:
            wrong.append((settings, seconds, found))
    assert wrong == []


def test_without_rotation_a_refresh_token_stays_valid() -> None:
    send = sender(new_server(refresh_rotation="off"))
    token = mint(send)["refresh_token"]
    for _ in range(3):
        assert members(refresh(send, token))["refresh_token"] == token
    assert revoke(send, token)[0] == 204
    assert refresh(send, token)[0] == 400


# --- reset --------------------------------------------------------------------------------------------


@each_format
def test_reset_restores_the_keys_and_ends_all_tokens(token_format: str) -> None:
    server = new_server(token_format=token_format, seed="s")
    send = sender(server)
    token, signing = mint(send), server.repository.signing_keys()
    server.repository.delete_api_key(CLIENT_ID)
    (other,) = load(Layer(settings={"api_keys": [another_key()]})).api_keys
    server.repository.create_api_key(other)
    server.repository.change_signing_keys(lambda keys: rotate(keys, bytes(32)))
    server.reset()
    assert [key.client_id for key in server.repository.all_api_keys()] == [CLIENT_ID]
    assert server.repository.signing_keys() == signing
    assert ping(send, token["access_token"]) == 401
    assert refresh(send, token["refresh_token"])[0] == 400
    assert ping(send, mint(send)["access_token"]) == 200


# --- origins ------------------------------------------------------------------------------------------


def test_origin_rule_binds_browser_tokens_only() -> None:
    registered, loopback, foreign = "https://shop.example", "http://localhost:3000", "https://evil.example"
    passes: dict[str, set[str | None]] = {
        "off": {None, registered, loopback, foreign},
        "if-present": {None, registered, loopback},
        "required": {registered},
    }
    wrong = []
    for policy, accepted in passes.items():
        send = sender(new_server(keys=[{**EXAMPLE, "origins": [registered]}], origin_policy=policy))
        for client_type, is_bound in [("web", True), ("s", False)]:
            first = mint(send, client_type=client_type)
            second = members(refresh(send, first["refresh_token"]))  # keeps the client type
            for origin in passes["off"]:
                headers = [("origin", origin)] if origin else []
                found = {ping(send, token["access_token"], *headers) for token in (first, second)}
                if found != {401 if is_bound and origin not in accepted else 200}:
                    wrong.append((policy, client_type, origin, found))
    assert wrong == []


# --- what is written ----------------------------------------------------------------------------------


class RecordingStore(MemoryStore):
    """Notes which keys are written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def put(self, key: str, *rest: Any, **named: Any) -> None:
        self.writes.append(key)
        super().put(key, *rest, **named)

    def compare_and_swap(self, key: str, *rest: Any, **named: Any) -> bool:
        self.writes.append(key)
        return super().compare_and_swap(key, *rest, **named)


def test_issuing_a_jwt_writes_only_the_journal() -> None:
    for journal_size in (0, 10):
        store = RecordingStore()
        server = AuthorizationServer(
            load(Layer(settings={"journal_size": journal_size})),
            Repository(store),
            simulation := SimulationState(store, wall=Clock()),
            make_signing_keys=lambda: make_issuer_keys(bytes(32)),
        )
        store.writes.clear()
        for client_type in ("web", "device"):
            mint(sender(server), client_type=client_type)
        assert store.writes == []
        assert len(simulation.journal().exchanges) == min(journal_size, 2)
