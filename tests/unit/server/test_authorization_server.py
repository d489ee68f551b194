"""The server's answers, asked through `handle`: the documented exchanges, the tables, state and time."""

import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockmoov.config.settings import Layer, load
from mockmoov.oauth import records
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.oauth.responses import REASON_HEADER
from mockmoov.oauth.signing_keys import drop, key_pairs, make_issuer_keys, rotate
from mockmoov.server.authorization_server import MAX_BODY, AuthorizationServer
from mockmoov.simulation.clock import ClockSetting, http_date
from mockmoov.storage.eviction import TokenTimes
from mockmoov.storage.journal import MemoryJournal
from mockmoov.storage.memory import MemoryStore
from mockmoov.storage.repository import Repository
from mockmoov.storage.simulation import SimulationState
from tests.support.contract_fixtures import (
    CONTRACTS,
    Answer,
    ContractName,
    Exchange,
    Send,
    check_response,
    load_api_keys,
    load_exchanges,
    run_exchange,
)
from tests.support.servers import (
    CLIENT_ID,
    CLIENT_SECRET,
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

EXCHANGES = [exchange for contract in CONTRACTS for exchange in load_exchanges(contract)]


def members(answer: Answer) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(answer[2])
    return document


def mint(send: Send, scope: str = "/ping.read", **parameters: str) -> dict[str, Any]:
    answer = post_form(
        send, "/oauth2/token", basic(), grant_type="client_credentials", scope=scope, **parameters
    )
    assert answer[0] == 200, answer
    return members(answer)


def refresh(send: Send, token: str, **parameters: str) -> Answer:
    return post_form(
        send, "/oauth2/token", basic(), grant_type="refresh_token", refresh_token=token, **parameters
    )


def revoke(send: Send, token: str, **parameters: str) -> Answer:
    return post_form(send, "/oauth2/revoke", basic(), token=token, **parameters)


def ping(send: Send, token: str, *headers: tuple[str, str]) -> int:
    return send("GET", "/ping", [bearer(token), *headers], b"")[0]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def send(clock: Clock) -> Send:
    return sender(new_server(clock=clock))


# --- the documented exchanges -----------------------------------------------------------------------


@pytest.mark.parametrize("exchange", EXCHANGES, ids=str)
def test_documented_exchange_is_answered_as_documented(exchange: Exchange) -> None:
    keys = load_api_keys(exchange.contract).values()
    send = sender(new_server(keys=keys, default_version=VERSIONS[exchange.contract]))
    run_exchange(exchange, send)


@pytest.mark.parametrize("exchange", [e for e in EXCHANGES if e.contract == "dated"], ids=str)
def test_a_version_header_gives_the_dated_contract_whatever_the_default(exchange: Exchange) -> None:
    send = sender(new_server(keys=load_api_keys("dated").values(), default_version="2023"))

    def send_with_version(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        named = {name.lower() for name, _ in headers}
        return send(
            method,
            target,
            headers if "x-moov-version" in named else [*headers, ("x-moov-version", "latest")],
            body,
        )

    run_exchange(exchange, send_with_version)


# --- routing and headers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/oauth2/token", "POST"),
        ("PUT", "/oauth2/revoke", "POST"),
        ("POST", "/ping", "GET"),
        ("HEAD", "/ping", "GET"),
    ],
)
def test_a_known_path_with_another_method_is_405_with_allow(
    send: Send, method: str, path: str, allowed: str
) -> None:
    status, headers, body = send(method, path, [("x-moov-version", "malformed")], b"")
    assert (status, headers["allow"], body) == (405, allowed, b"")


@pytest.mark.parametrize(
    "path", ["/", "/oauth2/token/", "/oauth2%2Ftoken", "/OAUTH2/token", "/accounts/", "*", ""]
)
def test_any_other_path_is_404_without_a_body(send: Send, path: str) -> None:
    status, headers, body = send("POST", path, [basic()], b"grant_type=client_credentials")
    assert (status, body) == (404, b"")
    assert headers[REASON_HEADER]


@pytest.mark.parametrize("values", [["v2024.02.00"], [""], ["v2024.1.00"], ["LATEST"], ["latest", "latest"]])
def test_a_malformed_empty_or_repeated_version_is_404_before_the_body_is_read(
    send: Send, values: list[str]
) -> None:
    headers = [("x-moov-version", value) for value in values]
    assert send("POST", "/oauth2/token", headers, b"x" * 70_000)[::2] == (404, b"")


def test_a_body_of_64_kib_is_read_and_one_byte_more_is_413(send: Send) -> None:
    limit = 64 * 1024
    body = b"grant_type=client_credentials&scope=/ping.read&padding="
    filled = body + b"x" * (limit - len(body))
    content_type = ("content-type", "application/x-www-form-urlencoded")
    assert send("POST", "/oauth2/token", [basic(), content_type], filled)[0] == 200
    assert send("POST", "/oauth2/token", [basic(), content_type], filled + b"x")[::2] == (413, b"")


def test_every_answer_has_a_request_id_of_its_own_and_never_the_callers(send: Send) -> None:
    asked = ("x-request-id", "00000000-0000-4000-8000-000000000000")
    answers = [
        send("GET", path, [basic(), asked], b"") for path in ("/ping", "/ping", "/nowhere", "/oauth2/token")
    ]
    ids = {UUID(headers["x-request-id"]) for _, headers, _ in answers}
    assert len(ids) == len(answers)
    assert {request_id.version for request_id in ids} == {4}
    assert UUID(asked[1]) not in ids


def test_the_first_request_without_a_version_is_told_in_the_log_and_only_that(
    send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="mockmoov"):
        send("GET", "/ping", [("x-moov-version", "latest")], b"")
        assert caplog.text == ""
        send("GET", "/ping", [], b"")
        send("GET", "/ping", [], b"")
    assert caplog.text.count("default_version") == 1


DATED = {
    "a token": (
        "POST", "/oauth2/token", [basic()], b'{"grant_type":"client_credentials","scope":"/ping.read"}'
    ),
    "no client": ("POST", "/oauth2/token", [], b""),
    "a repeat": ("POST", "/oauth2/token", [basic()], b'{"a":1,"a":1}'),
    "too large": ("POST", "/oauth2/token", [basic()], b"x" * (MAX_BODY + 1)),
    "a revocation": ("POST", "/oauth2/revoke", [basic()], b'{"token":"x"}'),
    "a ping": ("GET", "/ping", [basic()], b""),
    "no such path": ("GET", "/nowhere", [], b""),
    "no such method": ("PUT", "/ping", [], b""),
    "no such version": ("GET", "/ping", [("x-moov-version", "x")], b""),
}  # fmt: skip


@pytest.mark.parametrize(("method", "path", "headers", "body"), DATED.values(), ids=DATED)
def test_every_answer_has_the_date_of_the_servers_clock(
    send: Send, clock: Clock, method: str, path: str, headers: list[Header], body: bytes
) -> None:
    for now in (0.0, 1_800_000_000.0, 1_800_000_000.999, 1_800_000_001.0):
        clock.now = now
        date = send(method, path, headers, body)[1]["date"]
        assert parsedate_to_datetime(date).timestamp() == int(now)
        assert date.endswith(" GMT")


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
def test_the_date_follows_the_clock_of_the_key_that_is_claimed_proved_or_not(token_format: str) -> None:
    server = new_server(keys=[another_key(), {**EXAMPLE}], token_format=token_format)
    send = sender(server)
    token = mint(send)["access_token"]
    server.simulation.set_clock(CLIENT_ID, lambda _setting, _base: ClockSetting(offset=60))
    there, here = http_date(int(NOW) + 60), http_date(int(NOW))
    form = ("content-type", "application/x-www-form-urlencoded")
    for headers, body, expected in (
        ([basic()], b"", there),
        ([basic(CLIENT_ID, "wrong")], b"", there),
        ([form], f"client_id={CLIENT_ID}".encode(), there),
        ([form], f"client_id={CLIENT_ID}&client_id=other".encode(), there),
        ([bearer(token)], b"", there),
        ([basic("other", "x")], b"", here),
        ([basic("nobody", "x")], b"", here),
        ([form], b"client_id=other", here),
        ([], b"", here),
        ([bearer("x.y.z")], b"", here),
        ([bearer("x")], b"", here),
    ):
        assert send("POST", "/oauth2/token", headers, body)[1]["date"] == expected, (headers, body)


# --- order of checks --------------------------------------------------------------------------------


@pytest.mark.parametrize("contract", CONTRACTS)
def test_client_authentication_comes_before_the_grant_type_and_after_parsing(contract: ContractName) -> None:
    send = sender(new_server(default_version=VERSIONS[contract]))
    wrong = basic(CLIENT_ID, "wrong")
    assert post_form(send, "/oauth2/token", wrong, grant_type="nonsense")[0] == 401
    assert (
        post_form(send, "/oauth2/token", wrong, grant_type="client_credentials", client_type="toaster")[0]
        == 400
    )
    assert post_form(send, "/oauth2/revoke", wrong)[0] == 401


@pytest.mark.parametrize(
    ("contract", "own"), [("2023", {"retry-after", "x-retry-in"}), ("dated", {"retry-after"})]
)
def test_rate_limit_comes_after_authentication_and_before_the_grant(
    contract: ContractName, own: set[str]
) -> None:
    clock = Clock()
    send = sender(new_server(clock=clock, default_version=VERSIONS[contract], rate_limit=2))
    wrong = basic(CLIENT_ID, "wrong")
    assert [post_form(send, "/oauth2/token", basic(), grant_type="nonsense")[0] for _ in range(2)] == [
        400,
        400,
    ]
    status, headers, body = post_form(send, "/oauth2/token", basic(), grant_type="nonsense")
    assert (status, body, {"retry-after", "x-retry-in"} & set(headers)) == (429, b"", own)
    check_response(contract, "POST", "/oauth2/token", status, headers, body)
    assert post_form(send, "/oauth2/token", wrong, grant_type="nonsense")[0] == 401
    assert post_form(send, "/oauth2/revoke", basic(), token="x")[0] == 429
    assert send("GET", "/ping", [basic()], b"")[0] == 429
    clock.shift(0.5)
    assert send("GET", "/ping", [basic()], b"")[0] == 200
    assert send("GET", "/ping", [basic()], b"")[0] == 429


def test_rate_limits_are_counted_by_account() -> None:
    send = sender(new_server(keys=[another_key("a"), another_key("b")], rate_limit=1))
    first, second = basic("a", "secret-of-a-0123456789"), basic("b", "secret-of-b-0123456789")
    assert [send("GET", "/ping", [key], b"")[0] for key in (first, first, second)] == [200, 429, 200]


# --- time -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
@given(lifetime=st.integers(1, 10_000_000))
def test_an_access_token_is_good_until_the_last_second_and_dead_at_its_expiry(
    token_format: str, lifetime: int
) -> None:
    clock = Clock(1_800_000_000.0)
    send = sender(new_server(clock=clock, access_token_lifetime=lifetime, token_format=token_format))
    token = mint(send)
    assert token["expires_in"] == lifetime
    clock.shift(lifetime - 1)
    assert ping(send, token["access_token"]) == 200
    clock.shift(1)
    assert ping(send, token["access_token"]) == 401


@given(lifetime=st.integers(1, 10_000_000))
def test_a_refresh_token_is_good_until_the_last_second_and_each_rotation_extends_it(lifetime: int) -> None:
    clock = Clock(1_800_000_000.0)
    send = sender(new_server(clock=clock, refresh_token_lifetime=lifetime))
    token = mint(send)["refresh_token"]
    clock.shift(lifetime - 1)
    rotated = members(refresh(send, token))["refresh_token"]
    clock.shift(lifetime - 1)
    again = members(refresh(send, rotated))["refresh_token"]
    clock.shift(lifetime)
    assert refresh(send, again)[0] == 400


@pytest.mark.parametrize(
    ("version", "expected"), [("2023", 3600), ("2023-sdk", 3600), ("latest", 1_800_003_600)]
)
def test_expires_in_is_a_lifetime_in_2023_and_a_unix_time_in_dated_versions(
    version: str, expected: int
) -> None:
    assert mint(sender(new_server(default_version=version)))["expires_in"] == expected


# --- refresh, rotation, revocation ------------------------------------------------------------------


def test_a_replay_revokes_the_whole_family_and_its_access_tokens(send: Send) -> None:
    first = mint(send)
    second = members(refresh(send, first["refresh_token"]))
    stranger = mint(send)
    assert members(refresh(send, first["refresh_token"])) == {"error": "invalid_grant"}
    assert refresh(send, second["refresh_token"])[0] == 400
    assert [ping(send, token["access_token"]) for token in (first, second, stranger)] == [401, 401, 200]


def test_without_reuse_detection_a_replay_is_refused_and_revokes_nothing() -> None:
    send = sender(new_server(refresh_reuse_detection="off"))
    first = mint(send)
    second = members(refresh(send, first["refresh_token"]))
    assert refresh(send, first["refresh_token"])[0] == 400
    assert ping(send, second["access_token"]) == 200
    assert refresh(send, second["refresh_token"])[0] == 200


def test_without_rotation_the_same_refresh_token_comes_back_and_stays_good() -> None:
    send = sender(new_server(refresh_rotation="off"))
    token = mint(send)["refresh_token"]
    for _ in range(3):
        assert members(refresh(send, token))["refresh_token"] == token
    assert revoke(send, token)[0] == 204
    assert refresh(send, token)[0] == 400


def test_within_the_grace_the_predecessor_is_refused_without_revoking() -> None:
    clock = Clock()
    send = sender(new_server(clock=clock, refresh_grace_seconds=10))
    first = mint(send)
    second = members(refresh(send, first["refresh_token"]))
    clock.shift(9)
    assert refresh(send, first["refresh_token"])[0] == 400
    assert ping(send, second["access_token"]) == 200
    clock.shift(1)
    assert refresh(send, first["refresh_token"])[0] == 400
    assert ping(send, second["access_token"]) == 401


@pytest.mark.parametrize("parameters", [{"scope": "/accounts.write"}, {"scope": "bad\\scope"}])
def test_a_refused_refresh_uses_nothing_up(send: Send, parameters: dict[str, str]) -> None:
    token = mint(send)["refresh_token"]
    assert members(refresh(send, token, **parameters)) == {"error": "invalid_scope"}
    assert refresh(send, token)[0] == 200


def test_a_used_up_refresh_token_is_refused_as_such_before_its_scope_is_looked_at(send: Send) -> None:
    token = mint(send)["refresh_token"]
    refresh(send, token)
    assert members(refresh(send, token, scope="/accounts.write")) == {"error": "invalid_grant"}


def test_another_clients_presentation_of_a_used_up_token_revokes_nothing() -> None:
    send = sender(new_server(keys=[another_key(), {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}]))
    first = mint(send)
    second = members(refresh(send, first["refresh_token"]))
    thief = basic("other", "secret-of-other-0123456789")
    answer = post_form(
        send, "/oauth2/token", thief, grant_type="refresh_token", refresh_token=first["refresh_token"]
    )
    assert members(answer) == {"error": "invalid_grant"}
    assert ping(send, second["access_token"]) == 200


def test_narrowing_narrows_the_access_token_only(send: Send) -> None:
    wide = mint(send, "/ping.read /accounts.write")
    narrow = members(refresh(send, wide["refresh_token"], scope="/accounts.write"))
    assert narrow["scope"] == "/accounts.write"
    assert ping(send, narrow["access_token"]) == 403
    again = members(refresh(send, narrow["refresh_token"]))
    assert again["scope"] == "/ping.read /accounts.write"
    assert ping(send, again["access_token"]) == 200


def test_older_access_tokens_live_on_after_a_refresh(send: Send) -> None:
    first = mint(send)
    refresh(send, first["refresh_token"])
    assert ping(send, first["access_token"]) == 200


def test_fifty_threads_racing_one_refresh_token_have_one_winner(send: Send) -> None:
    token = mint(send)["refresh_token"]
    start = Barrier(50)

    def race() -> Answer:
        start.wait()
        return refresh(send, token)

    with ThreadPoolExecutor(50) as pool:
        answers = [future.result() for future in [pool.submit(race) for _ in range(50)]]
    winners = [members(answer) for answer in answers if answer[0] == 200]
    assert len(winners) == 1
    assert {json.dumps(members(answer)) for answer in answers if answer[0] != 200} == {
        '{"error": "invalid_grant"}'
    }
    # The losers' replay revoked the family, the winner's tokens included.
    assert ping(send, winners[0]["access_token"]) == 401


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
def test_revoking_a_refresh_token_revokes_its_family_and_an_access_token_itself_alone(
    token_format: str,
) -> None:
    send = sender(new_server(token_format=token_format))
    first = mint(send)
    second = members(refresh(send, first["refresh_token"]))
    assert revoke(send, first["access_token"])[0] == 204
    assert [ping(send, token["access_token"]) for token in (first, second)] == [401, 200]
    assert revoke(send, second["refresh_token"])[0] == 204
    assert ping(send, second["access_token"]) == 401
    assert refresh(send, second["refresh_token"])[0] == 400


@pytest.mark.parametrize("hint", ["access_token", "refresh_token"])
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
def test_a_wrong_hint_is_only_a_hint(token_format: str, kind: str, hint: str) -> None:
    send = sender(new_server(token_format=token_format))
    token = mint(send)
    assert revoke(send, token[kind], token_type_hint=hint)[0] == 204
    assert ping(send, token["access_token"]) == 401


def test_revocation_is_idempotent(send: Send) -> None:
    token = mint(send)
    for kind in ("access_token", "refresh_token", "access_token", "refresh_token"):
        assert revoke(send, token[kind])[0] == 204


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_another_clients_token_cannot_be_revoked_and_stays_good(kind: str) -> None:
    clock = Clock()
    send = sender(
        new_server(
            clock=clock, keys=[another_key(), {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}]
        )
    )
    token = mint(send)
    other = basic("other", "secret-of-other-0123456789")
    answer = post_form(send, "/oauth2/revoke", other, token=token[kind])
    assert (answer[0], members(answer)) == (400, {"error": "unauthorized_client"})
    assert ping(send, token["access_token"]) == 200
    clock.shift(10_000_000)  # once it has expired, nobody asks whose it was
    assert post_form(send, "/oauth2/revoke", other, token=token[kind])[0] == 204


@pytest.mark.parametrize("order", ["revoke first", "refresh first"])
def test_a_refresh_racing_a_revocation_never_leaves_a_live_token(send: Send, order: str) -> None:
    token = mint(send)["refresh_token"]
    if order == "revoke first":
        assert (revoke(send, token)[0], refresh(send, token)[0]) == (204, 400)
        return
    issued = members(refresh(send, token))
    assert revoke(send, token)[0] == 204
    assert ping(send, issued["access_token"]) == 401


# --- bearers ----------------------------------------------------------------------------------------


def test_access_and_refresh_tokens_never_stand_for_each_other(send: Send) -> None:
    token = mint(send)
    assert refresh(send, token["access_token"])[0] == 400
    assert ping(send, token["refresh_token"]) == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_name_is_case_insensitive(send: Send, scheme: str) -> None:
    token = mint(send)["access_token"]
    assert send("GET", "/ping", [("authorization", f"{scheme} {token}")], b"")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "")],
        [("authorization", "Bearer")],
        [("authorization", "Token abc")],
        [("authorization", "Basic !!!")],
        [basic(CLIENT_ID, "wrong")],
        [basic("unknown")],
        [basic(), basic()],
    ],
)
def test_without_one_good_credential_a_protected_path_is_a_bare_401(
    send: Send, headers: list[tuple[str, str]]
) -> None:
    status, answered, body = send("GET", "/ping", headers, b"")
    assert (status, body) == (401, b"")
    assert "www-authenticate" not in answered


def test_basic_is_not_narrowed_by_scopes_and_exempt_from_the_origin_rule() -> None:
    key = another_key("a", scopes=["/accounts.read"])
    send = sender(new_server(keys=[key], origin_policy="required"))
    credentials = basic("a", key["client_secret"])
    assert send("GET", "/ping", [credentials, ("origin", "https://evil.example")], b"")[0] == 200


ENDS: dict[str, tuple[Callable[[Repository], object], int]] = {
    # how a key ends, and what a refresh is then
    "reset": (lambda repository: repository.reset_api_key(CLIENT_ID, epoch="another"), 400),
    "disabled": (
        lambda repository: repository.change_api_key(CLIENT_ID, lambda key: replace(key, enabled=False)),
        401,
    ),
    "deleted": (lambda repository: repository.delete_api_key(CLIENT_ID), 401),
}


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
@pytest.mark.parametrize(("end", "refreshed"), ENDS.values(), ids=ENDS)
def test_tokens_of_a_disabled_deleted_or_reset_key_are_dead(
    end: Callable[[Repository], object], refreshed: int, token_format: str
) -> None:
    server = new_server(token_format=token_format)
    send = sender(server)
    token = mint(send)
    assert end(server.repository)
    assert ping(send, token["access_token"]) == 401
    assert refresh(send, token["refresh_token"])[0] == refreshed
    assert ping(sender(new_server()), token["access_token"]) == 401  # another server's token


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
def test_after_a_reset_all_tokens_are_dead_and_the_keys_are_those_of_the_beginning(token_format: str) -> None:
    server = new_server(token_format=token_format)
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


def test_after_a_rotation_of_the_signing_key_old_tokens_are_good_until_the_old_key_is_dropped() -> None:
    server = new_server()
    send = sender(server)
    before = mint(send)
    (old,) = key_pairs(server.repository.signing_keys())
    server.repository.change_signing_keys(lambda keys: rotate(keys, bytes(range(32))))
    after = mint(send)
    assert [ping(send, token["access_token"]) for token in (before, after)] == [200, 200]
    server.repository.change_signing_keys(lambda keys: drop(keys, old.kid))
    assert [ping(send, token["access_token"]) for token in (before, after)] == [401, 200]
    renewed = members(refresh(send, before["refresh_token"]))
    assert ping(send, renewed["access_token"]) == 200


def test_tokens_do_not_rise_from_the_dead_with_a_seed_and_a_fresh_store() -> None:
    before, after = (sender(new_server(seed="same")) for _ in range(2))
    token = mint(before)
    assert ping(after, token["access_token"]) == 401
    assert refresh(after, token["refresh_token"])[0] == 400


ORIGINS = {
    # origin: (if-present, required), with http://localhost:3000 and https://shop.example registered
    None: (200, 401),
    "https://shop.example": (200, 200),
    "HTTPS://SHOP.example:443": (200, 200),
    "https://evil.example": (401, 401),
    "http://shop.example": (401, 401),
    "https://shop.example/": (401, 401),
    "null": (401, 401),
    "http://localhost:3000": (200, 401),
    "http://127.0.0.1:9999": (200, 401),
    "http://[::1]:5173": (200, 401),
    "http://app.localhost": (200, 401),
}


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("policy", ["if-present", "required", "off"])
def test_origin_rule_for_browser_tokens(policy: str, origin: str | None) -> None:
    key = another_key("a", origins=["http://localhost:3000", "https://shop.example"])
    send = sender(new_server(keys=[key], origin_policy=policy))
    credentials = basic("a", key["client_secret"])
    headers = [] if origin is None else [("origin", origin)]
    expected = {"off": 200, "if-present": ORIGINS[origin][0], "required": ORIGINS[origin][1]}[policy]
    for client_type, status in {"web": expected, "w": expected, "device": 200, "s": 200}.items():
        minted = post_form(
            send, "/oauth2/token", credentials, *headers,
            grant_type="client_credentials", scope="/ping.read", client_type=client_type,
        )  # fmt: skip
        assert minted[0] == 200, "a wrong origin does not stop a token from being minted"
        assert ping(send, members(minted)["access_token"], *headers) == status
        refreshed = post_form(
            send, "/oauth2/token", credentials,
            grant_type="refresh_token", refresh_token=members(minted)["refresh_token"],
        )  # fmt: skip
        assert ping(send, members(refreshed)["access_token"], *headers) == status, (
            "a refresh keeps the client type"
        )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("referer", "https://shop.example/cart?id=1")], 200),
        ([("referer", "https://evil.example/")], 401),
        ([("referer", "https://shop.example/"), ("origin", "https://evil.example")], 401),
        ([("referer", "https://evil.example/"), ("origin", "https://shop.example")], 200),
    ],
)
@pytest.mark.parametrize("policy", ["if-present", "required"])
def test_the_referer_counts_where_there_is_no_origin(
    policy: str, headers: list[tuple[str, str]], status: int
) -> None:
    key = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "origins": ["https://shop.example"]}
    send = sender(new_server(keys=[key], origin_policy=policy))
    assert ping(send, mint(send)["access_token"], *headers) == status


def test_the_scope_of_another_account_or_permission_does_not_open_ping(send: Send) -> None:
    assert ping(send, mint(send, "/accounts.write /fed.read")["access_token"]) == 403


# --- formats and sizes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "agent", "token_format", "expected"),
    [
        ("2023", "curl/8", "jwt", "Bearer"),
        ("2023", "curl/8", "opaque", "Bearer"),
        ("2023", "speakeasy-sdk/go 0.5.0 2.231.0 1.0.0 github.com/speakeasy-sdks/moov-go", "jwt", "jwt"),
        (
            "2023",
            "speakeasy-sdk/go 0.5.0 2.231.0 1.0.0 github.com/speakeasy-sdks/moov-go",
            "opaque",
            "opaque",
        ),
        ("latest", "speakeasy-sdk/go 0.5.0 2.231.0 1.0.0 github.com/speakeasy-sdks/moov-go", "jwt", "jwt"),
        ("2023-sdk", "curl/8", "jwt", "jwt"),
        ("latest", "curl/8", "opaque", "Bearer"),
    ],
)
def test_token_type_follows_contract_client_and_format(
    version: str, agent: str, token_format: str, expected: str
) -> None:
    send = sender(new_server(default_version=version, token_format=token_format))
    answer = post_form(
        send,
        "/oauth2/token",
        basic(),
        ("user-agent", agent),
        grant_type="client_credentials",
        scope="/ping.read",
    )
    assert members(answer)["token_type"] == expected


def test_a_version_header_wins_over_a_pinned_client(send: Send) -> None:
    agent = ("user-agent", "speakeasy-sdk/go 0.5.0 2.231.0 1.0.0 github.com/speakeasy-sdks/moov-go")
    version = ("x-moov-version", "v2026.07.00")
    answer = post_form(
        send, "/oauth2/token", basic(), agent, version, grant_type="client_credentials", scope="/ping.read"
    )
    assert members(answer)["token_type"] == "Bearer"


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
@pytest.mark.parametrize("contract", CONTRACTS)
@given(count=st.integers(1, 60))
def test_no_token_passes_4096_characters(contract: ContractName, token_format: str, count: int) -> None:
    send = sender(new_server(default_version=VERSIONS[contract], token_format=token_format))
    scope = " ".join(f"/accounts/{UUID(int=index)}/cards.read" for index in range(count))
    answer = post_form(send, "/oauth2/token", basic(), grant_type="client_credentials", scope=scope)
    check_response(contract, "POST", "/oauth2/token", *answer)
    if answer[0] == 200:
        assert max(len(members(answer)[kind]) for kind in ("access_token", "refresh_token")) <= 4096
    else:
        assert count > 30
        assert "4096" in answer[1][REASON_HEADER]


class RecordingJournal(MemoryJournal):
    """A journal that notes when it is written."""

    def __init__(self, writes: list[str]) -> None:
        super().__init__()
        self._writes = writes

    def append(self, exchange: records.Exchange) -> None:
        self._writes.append("log")
        super().append(exchange)


class Recording(MemoryStore):
    """A store that notes which keys are written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []
        self.journal = RecordingJournal(self.writes)

    def put(self, key: str, value: bytes, *, group: str, times: TokenTimes | None = None) -> None:
        self.writes.append(key)
        super().put(key, value, group=group, times=times)

    def compare_and_swap(
        self, key: str, expected: bytes | None, value: bytes, *, group: str, times: TokenTimes | None = None
    ) -> bool:
        self.writes.append(key)
        return super().compare_and_swap(key, expected, value, group=group, times=times)


@pytest.mark.parametrize(("journal_size", "written"), [(0, []), (10, ["log"])])
def test_minting_writes_nothing_to_the_store_but_a_line_of_the_journal(
    journal_size: int, written: list[str]
) -> None:
    store, clock = Recording(), Clock()
    server = AuthorizationServer(
        load(Layer(settings={"journal_size": journal_size})),
        Repository(store, wall=clock),
        SimulationState(store, wall=clock),
        signing_keys=make_issuer_keys(bytes(32)),
    )
    store.writes.clear()
    for client_type in ("web", "device"):
        mint(sender(server), client_type=client_type)
        assert store.writes == written
        store.writes.clear()


# --- tokens that we signed and nobody minted ----------------------------------------------------------


@pytest.mark.parametrize(
    "odd",
    [
        {"exp": 10**400},
        {"exp": 2**64},
        {"scp": "\ud800"},
        {"iat": float("nan")},
        {"jti": "\udfff"},
        {"x": [10**30]},
    ],
    ids=repr,
)
def test_a_token_of_our_own_key_with_odd_claims_is_refused_and_breaks_nothing(odd: dict[str, Any]) -> None:
    from base64 import urlsafe_b64encode

    from mockmoov.oauth.signing_keys import key_pair

    server = new_server()
    send = sender(server)
    good = mint(send)["access_token"]
    pair = key_pair(server.repository.signing_keys().private_key)
    claims = server.validator.access_token(good, 1_800_000_000.5).claims
    payload = urlsafe_b64encode(json.dumps({**claims, **odd}).encode()).rstrip(b"=").decode()
    signature = pair.private_key.sign(f"{pair.header}.{payload}".encode())
    token = f"{pair.header}.{payload}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert ping(send, token) == 401
    assert revoke(send, token)[0] == 204
    assert members(post_form(send, "/_mockmoov/introspect", basic(), token=token)) == {"active": False}
    assert ping(send, good) == 200
