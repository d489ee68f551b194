"""`MockMoov` and `MoovKey`: API keys, settings, start and stop, the app, and what is typed and shown."""

import itertools
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import anyio
import httpx2
import pytest
from msgspec.structs import fields

import mockmoov
from mockmoov import testing
from mockmoov.config.settings import SETTINGS, Layer, load
from mockmoov.oauth.api_keys import _MEMBERS, EXAMPLE
from mockmoov.oauth.grants import GRANTS
from mockmoov.oauth.operations import ENDPOINTS
from mockmoov.oauth.token_defects import DEFECTS
from mockmoov.simulation.faults import PRESETS
from mockmoov.simulation.journal import Query
from mockmoov.testing import (
    BindError,
    ControlError,
    Fault,
    MintedToken,
    MockMoov,
    MoovKey,
    SettingsError,
    Stub,
)
from mockmoov.testing.environment import VARIABLES
from mockmoov.testing.types import (
    FaultArguments,
    KeyArguments,
    KeyChanges,
    QueryArguments,
    SettingArguments,
    StubArguments,
)
from tests.support.asgi import client_of
from tests.support.program import Program, ping
from tests.unit.testing.conftest import CONTROL_TOKEN

LONG_AGO = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)


def runs_now(clock: testing.Clock) -> bool:
    return abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


# --- API keys -----------------------------------------------------------------------------------


def test_requests_leave_no_warning_in_the_log_of_a_test(caplog: pytest.LogCaptureFixture) -> None:
    with MockMoov() as server:
        assert httpx2.get(f"{server.url}/ping").status_code == 401
    assert caplog.records == []


def test_new_key_works_at_once_with_its_own_credentials(moov: MockMoov, program: Program) -> None:
    other = moov.new_api_key()
    credentials = [program.key.client_id, program.key.client_secret, other.client_id, other.client_secret]
    assert len(set(credentials)) == 4
    assert program.token().status_code == 200
    other.delete()


def test_new_key_has_the_requested_attributes(moov: MockMoov) -> None:
    attributes: KeyArguments = {
        "client_id": "mine",
        "client_secret": "not-a-real-secret",
        "account_id": "5352b013-ae58-4a63-8a3f-97f316a917c0",
        "application_id": "c520f1b9-0ba7-42f5-b977-248cdbe41c60",
        "origins": ("https://shop.example",),
        "scopes": ("/ping.read",),
        "grants": ("client_credentials",),
        "enabled": None,  # the default
    }
    key = moov.new_api_key(**attributes)
    assert {name: getattr(key, name) for name in attributes} == {**attributes, "enabled": True}
    key.delete()


def test_only_the_creator_learns_the_secret(moov: MockMoov, key: MoovKey) -> None:
    listed = next(other for other in moov.api_keys if other.client_id == key.client_id)
    for found in (moov.api_keys.get(key.client_id), listed):
        assert found.client_secret == found.credentials["client_secret"] == ""
    assert key.credentials["client_secret"] == key.client_secret


def test_keys_are_listed_in_the_order_of_creation(moov: MockMoov) -> None:
    new = [moov.new_api_key(client_id=f"key {number}/%2F") for number in range(3)]
    expected = [EXAMPLE["client_id"], *(key.client_id for key in new)]
    assert [key.client_id for key in moov.api_keys.list()] == expected
    for key in new:  # their ids are quoted in paths
        assert moov.api_keys.get(key.client_id).account_id == key.account_id
        key.delete()


def test_attributes_of_a_key_cannot_be_set(program: Program) -> None:
    for name in ("client_id", "client_secret", "origins", "scopes", "enabled"):
        with pytest.raises(AttributeError):
            setattr(program.key, name, None)


def test_change_of_a_key_takes_effect_at_once(program: Program) -> None:
    key = program.key
    key.change(scopes=["/accounts.write"], client_secret="another-secret-0123456789")
    assert (key.scopes, key.client_secret) == (("/accounts.write",), "another-secret-0123456789")
    assert program.token().status_code == 400
    key.change(scopes=None)
    assert (key.scopes, key.client_secret) == (None, "another-secret-0123456789")
    assert program.token().status_code == 200
    key.disable()
    assert (key.enabled, program.token().status_code) == (False, 401)
    key.enable()
    assert (key.enabled, program.token().status_code) == (True, 200)


def test_deleted_key_is_gone_with_its_tokens(moov: MockMoov, program: Program) -> None:
    token = program.key.mint()
    assert program.ping(token).status_code == 200
    program.key.delete()
    assert program.ping(token).status_code == 401
    assert program.key.client_id not in [key.client_id for key in moov.api_keys]


def test_credentials_and_environment_belong_to_the_key(moov: MockMoov, key: MoovKey) -> None:
    names = ("client_id", "client_secret", "account_id", "application_id")
    assert dict(key.credentials) == {name: getattr(key, name) for name in names}
    environ = dict(key.environ)
    assert list(environ) == list(VARIABLES)
    assert environ["MOOV_URL_SCHEME"] + "://" + environ["MOOV_HOST"] == environ["MOOV_BASE_URL"] == moov.url
    assert {environ["MOOV_PUBLIC_KEY"], environ["MOOV_USERNAME"]} == {key.client_id}
    assert {environ["MOOV_SECRET_KEY"], environ["MOOV_PASSWORD"]} == {key.client_secret}
    assert environ["MOOV_ACCOUNT_ID"] == key.account_id


# --- reset and settings -------------------------------------------------------------------------


def test_reset_of_a_key_affects_no_other(program: Program, other: Program) -> None:
    for one in (program, other):
        one.key.faults.add("html", endpoint="revoke")
        one.token()
    program.key.clock.shift(minutes=-10)
    program.key.reset()
    assert runs_now(program.key.clock)
    keys = (program.key, other.key)
    assert [(len(key.faults), key.exchanges.count()) for key in keys] == [(0, 0), (1, 1)]


def test_reset_of_the_server_leaves_only_keys_of_settings(moov: MockMoov, program: Program) -> None:
    tokens = [moov.mint(), program.key.mint()]
    moov.faults.add("html", endpoint="revoke")
    moov.clock.freeze(LONG_AGO)
    moov.reset()
    assert [key.client_id for key in moov.api_keys] == [EXAMPLE["client_id"]]
    assert (len(moov.faults), moov.exchanges.count()) == (0, 0)
    assert [program.ping(token).status_code for token in tokens] == [401, 401]
    assert runs_now(moov.clock)


def test_config_shows_settings_and_sources_but_no_secret(moov: MockMoov) -> None:
    config = moov.config
    assert list(config) == list(SETTINGS)
    assert config["api_keys"] == {"value": [EXAMPLE["client_id"]], "source": "default"}
    assert config["port"] == {"value": 0, "source": "MockMoov: port"}
    assert config["control_token"]["value"] in (None, "(set)")
    for secret in (EXAMPLE["client_secret"], CONTROL_TOKEN):
        assert secret not in json.dumps(config)


def test_unknown_setting_names_the_nearest() -> None:
    message = r"^MockMoov: token_fromat: there is no such setting; did you mean token_format\?$"
    with pytest.raises(SettingsError, match=message):
        MockMoov(token_fromat="jwt")  # type: ignore[call-arg]


# --- start and stop -----------------------------------------------------------------------------


def test_address_that_cannot_be_bound_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for host in ("localhost", "127.0.0.1"):
            in_use = f"{host} port {port}: Address already in use; another mockmoov[?] port 0 "
            with pytest.raises(BindError, match=f"^cannot listen on {in_use}"):
                MockMoov(host=host, port=port)
    with pytest.raises(BindError, match=r"^cannot listen on 203\.0\.113\.1 port 0: "):
        MockMoov(host="203.0.113.1")


def hanging_request(moov: MockMoov) -> threading.Thread:
    """A request without a response; the thread ends when the server closes the connection."""
    key = moov.new_api_key()
    key.faults.add("hang")

    def ask() -> None:
        with httpx2.Client(trust_env=False, timeout=60) as http, pytest.raises(httpx2.RemoteProtocolError):
            Program(http, key).token()

    thread = threading.Thread(target=ask)
    thread.start()
    key.exchanges.wait(timeout=30)
    return thread


def test_stop_ends_hanging_and_idle_connections() -> None:
    before = [thread.name for thread in threading.enumerate()].count("mockmoov")
    with ExitStack() as stack:
        moov = MockMoov()
        address = ("127.0.0.1", int(moov.url.rpartition(":")[2]))
        for _ in range(20):
            stack.enter_context(socket.create_connection(address))
        half = stack.enter_context(socket.create_connection(address))
        half.sendall(b"POST /oauth2/token HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{")
        thread = hanging_request(moov)
        moov.stop()
        thread.join(10)
        assert not thread.is_alive()
    assert [thread.name for thread in threading.enumerate()].count("mockmoov") == before


def test_hanging_request_delays_no_other(http: httpx2.Client) -> None:
    with MockMoov() as moov:
        thread = hanging_request(moov)
        others = [Program(http, moov.new_api_key()) for _ in range(5)]
        assert [other.token().status_code for other in others] == [200] * 5
        assert thread.is_alive()
    thread.join(10)
    assert not thread.is_alive()


def test_stop_frees_the_port_and_may_be_repeated(http: httpx2.Client) -> None:
    moov = MockMoov()
    moov.stop()
    with pytest.raises(httpx2.ConnectError):
        http.get(moov.url)
    moov.stop()
    with MockMoov(port=int(moov.url.rpartition(":")[2])) as successor:
        assert successor.url == moov.url
        moov.stop()
        assert http.get(f"{successor.url}/_mockmoov/health").status_code == 200


def test_stopped_server_can_be_read_but_not_changed(http: httpx2.Client) -> None:
    with MockMoov() as moov:
        key = moov.new_api_key()
        Program(http, key).token()
    assert [exchange.status for exchange in key.exchanges()] == [200]
    assert key.exchanges.wait(timeout=0) == moov.exchanges()
    changes: list[Callable[[], object]] = [
        moov.new_api_key,
        moov.mint,
        moov.reset,
        lambda: key.clock.shift(hours=1),
        lambda: key.faults.add("unavailable"),
        key.disable,
    ]
    for change in changes:
        with pytest.raises(ControlError, match=r"^this MockMoov was stopped: ") as caught:
            change()
        assert caught.value.status == 0
    key.delete()


# --- several servers ----------------------------------------------------------------------------


def test_several_servers_in_one_process_share_nothing(http: httpx2.Client) -> None:
    with ExitStack() as stack:
        moovs = [stack.enter_context(MockMoov(token_format=form)) for form in ("jwt", "jwt", "opaque")]
        keys = [moov.new_api_key(client_id="same", client_secret="the-same-0123456789") for moov in moovs]
        programs = [Program(http, key) for key in keys]
        assert len({moov.url for moov in moovs}) == 3
        assert len({moov.signing_keys.list() for moov in moovs}) == 3
        tokens = [program.token().json() for program in programs]
        for program, issued in itertools.product(programs, tokens):
            own = tokens[programs.index(program)] is issued
            assert program.ping(issued["access_token"]).status_code == (200 if own else 401)
            refreshed = program.token(grant_type="refresh_token", refresh_token=issued["refresh_token"])
            assert refreshed.status_code == (200 if own else 400)
        moovs[0].clock.freeze(LONG_AGO)
        keys[1].faults.add("unavailable")
        moovs[1].exchanges.clear()
        keys[2].disable()
        assert [program.token().status_code for program in programs] == [200, 503, 401]
        assert [moov.clock.now() == LONG_AGO for moov in moovs] == [True, False, False]
        assert [len(key.faults) for key in keys] == [0, 1, 0]
        assert [moov.exchanges.count() for moov in moovs] == [8, 1, 8]
        moovs[0].reset()
        assert [len(moov.api_keys.list()) for moov in moovs] == [1, 2, 2]


def test_tokens_are_good_at_every_server_with_the_seed(http: httpx2.Client) -> None:
    with MockMoov(seed="same") as one, MockMoov(seed="same") as other:
        assert one.signing_keys.list() == other.signing_keys.list()
        token = one.mint()
        assert [ping(http, moov.url, token).status_code for moov in (one, other)] == [200, 200]
        one.reset()
        assert [ping(http, moov.url, token).status_code for moov in (one, other)] == [401, 200]


# --- without a socket ---------------------------------------------------------------------------


def test_app_answers_without_a_socket_from_the_same_state() -> None:
    async def ask(moov: MockMoov, key: MoovKey) -> list[int]:
        headers = {"authorization": f"Bearer {key.mint()}"}
        async with client_of(moov.app, "http://moov.invalid") as http:
            statuses = [(await http.get("/ping", headers=headers)).status_code]
            key.clock.shift(hours=2)
            statuses.append((await http.get("/ping", headers=headers)).status_code)
            key.faults.add("unavailable", times=1)
            return [*statuses, (await http.get("/ping", headers=headers)).status_code]

    with MockMoov() as moov:
        key = moov.new_api_key()
        assert anyio.run(ask, moov, key) == [200, 401, 503]
        assert [exchange.status for exchange in key.exchanges()] == [200, 401, 503]
        message = r"not available after MockMoov\.connect\(\): the server runs elsewhere"
        with MockMoov.connect(moov.url) as handle, pytest.raises(AttributeError, match=message):
            _ = handle.app


def test_hanging_request_to_the_app_can_be_cancelled() -> None:
    async def ask(moov: MockMoov, key: MoovKey) -> bool:
        with anyio.move_on_after(0.05) as scope:
            async with client_of(moov.app) as http:
                await http.get("/ping", headers={"authorization": f"Bearer {key.mint()}"})
        return scope.cancelled_caught

    with MockMoov() as moov:
        key = moov.new_api_key()
        key.faults.add("hang")
        assert anyio.run(ask, moov, key)
        assert [exchange.status for exchange in key.exchanges()] == [None]


# --- what is typed and shown --------------------------------------------------------------------


def test_typed_arguments_are_those_the_server_knows() -> None:
    assert list(SettingArguments.__annotations__) == list(SETTINGS)
    assert set(KeyArguments.__annotations__) == set(_MEMBERS)
    assert set(KeyChanges.__annotations__) == set(_MEMBERS) - {"client_id"}
    assigned = {"id", "matched", "triggered"}
    assert {*FaultArguments.__annotations__, "preset"} == {item.name for item in fields(Fault)} - assigned
    assert {*StubArguments.__annotations__, "endpoint"} == {item.name for item in fields(Stub)} - assigned
    assert list(QueryArguments.__annotations__) == [item.name for item in fields(Query)]


def test_typed_values_are_those_the_server_accepts() -> None:
    assert get_args(testing.PresetName) == tuple(PRESETS)
    assert get_args(testing.DefectName) == DEFECTS
    assert get_args(testing.GrantType) == tuple(GRANTS)
    oauth_paths = {"POST /oauth2/token", "POST /oauth2/revoke"}
    assert set(get_args(testing.EndpointName)) == ENDPOINTS.keys() - oauth_paths
    hints = get_type_hints(SettingArguments)
    literals = {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}
    assert list(literals) == ["token_format", "scope_catalogue", "origin_policy", "log_format", "control"]
    for name, values in literals.items():
        with pytest.raises(SettingsError) as caught:
            load(Layer(settings={name: "no such value"}))
        message = f"{name} must be one of {', '.join(values)}, not 'no such value'"
        assert str(caught.value).endswith(message)


TYPED_PROGRAM = """\
from typing import assert_type

from mockmoov import Clock, ControlError, Exchange, Fault, MintedToken, MockMoov, MoovKey, Stub

moov = MockMoov(token_format="opaque", port=0)
MockMoov(token_format="opake")  # error: arg-type
MockMoov(token_fromat="opaque")  # error: call-arg
MockMoov(origin_policy="requierd")  # error: arg-type
MockMoov(access_token_lifetime="an hour")  # error: arg-type
MockMoov(upstream=moov.app)
MockMoov(upstream="http://localhost:4010")
MockMoov(upstream=4010)  # error: arg-type
key = moov.new_api_key(scopes=["/ping.read"], grants=["client_credentials"])
assert_type(key, MoovKey)
moov.new_api_key(grants=["client_credential"])  # error: list-item
moov.new_api_key(scope=["/ping.read"])  # error: call-arg
key.change(scopes=None, enabled=None)
key.change(client_id="another")  # error: call-arg
assert_type(key.clock, Clock)
key.clock.shift(2)  # error: arg-type
key.clock.shift(hours=2)
key.clock.shift(hour=2)  # error: call-arg
assert_type(key.faults.add("unavailable", endpoint="listAccounts", times=2), Fault)
key.faults.add(endpoint="token", grant_type="refresh_token", network_error="cut")
assert_type(key.stubs.add("listAccounts", json=[], times=2), Stub)
key.stubs.add("GET /accounts/{accountID}", where={"query": {"count": "1"}}, body=b"x", headers={"a": "b"})
key.stubs.add("listAcounts", json=[])  # error: arg-type
key.stubs.add("token", json={})  # error: arg-type
key.stubs.add("listAccounts", jsn=[])  # error: call-arg
assert_type(key.stubs.untriggered(), tuple[Stub, ...])
assert_type(key.exchanges.one(endpoint="createTransfer", where={"body": {}}), Exchange)
assert_type(key.exchanges.exactly(2, endpoint="POST /accounts"), list[Exchange])
key.faults.add("unavailabel")  # error: arg-type
key.faults.add("html", endpoint="tokne")  # error: arg-type
key.faults.add("html", grant_type="refresh")  # error: arg-type
key.faults.add(stauts=503)  # error: call-arg
key.faults.add(network_error="cutt")  # error: arg-type
assert_type(key.exchanges(endpoint="ping", status=200), list[Exchange])
key.exchanges(endpoint="lisAccounts")  # error: arg-type
key.exchanges.count(grant_type="password")  # error: arg-type
key.exchanges.wait(2, endpoint="revok")  # error: arg-type
key.exchanges.wait(statsu=200)  # error: call-arg
assert_type(key.mint("/ping.read", defect="expired"), MintedToken)
key.mint(defect="expird")  # error: arg-type
key.mint(client_type="wbe")  # error: arg-type
assert_type(ControlError(404, "not found").field, str | None)
"""


@pytest.mark.slow
def test_mypy_reports_misspelled_names_and_values_only(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(TYPED_PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", "--show-error-codes", "--no-error-summary"]
    command += ["--config-file=", "program.py"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    expected = [
        ("program.py", str(number), line.partition("# error: ")[2])
        for number, line in enumerate(TYPED_PROGRAM.splitlines(), 1)
        if "# error: " in line
    ]
    found = re.findall(r"(?m)^(\S+):(\d+): error: .* \[(.*)\]$", checked.stdout)
    assert found == expected, checked.stderr


def test_no_repr_shows_a_secret_or_a_whole_token() -> None:
    with (
        MockMoov(control_token=CONTROL_TOKEN, seed="seed-of-0123456789") as moov,
        MockMoov.connect(moov.url, control_token=CONTROL_TOKEN) as handle,
    ):
        for server in (moov, handle):
            key = server.new_api_key()
            token = key.mint()
            parts = [server.clock, server.faults, server.exchanges, server.api_keys, server.signing_keys]
            parts += [server, key, token, key.credentials, key.environ, key.clock, key._control]
            parts += [server.api_keys.list(), {"a": [key, token]}, server.config]
            shown = " ".join(f"{part!r} {[part]}" for part in parts)
            secrets = [key.client_secret, token, token.split(".")[2], CONTROL_TOKEN, "seed-of-0123456789"]
            assert not [secret for secret in secrets if secret and secret in shown]
            assert repr(server) == f"MockMoov(url={moov.url!r})"
            assert repr(key) == f"MoovKey(client_id={key.client_id!r}, url={moov.url!r})"
            for name, owner in {"the server": server, key.client_id: key}.items():
                assert repr(owner.clock) == f"<Clock of {name}>"
                assert repr(owner.faults) == f"<Faults of {name}>"
                assert repr(owner.exchanges) == f"<Exchanges of {name}>"
            assert repr(token) == f"MintedToken(jti={token.claims['jti']!r}, defect=None)"
            names = "client_id, client_secret, account_id, application_id"
            assert repr(key.credentials) == f"<hidden values of {names}>"
    made = MintedToken("a.b.c")
    made.claims, made.defect = {}, None
    assert f"Bearer {made}" == "Bearer a.b.c"
    assert repr(made) == "MintedToken(jti=None, defect=None)"


def test_package_has_only_its_public_names() -> None:
    names = {"Clock", "ControlError", "Exchange", "Fault", "MintedToken", "MockMoov", "MoovKey", "Stub"}
    assert {*mockmoov.__all__} == {*names, "__version__"}
    for name in names:
        assert getattr(mockmoov, name) is getattr(testing, name)
    with pytest.raises(AttributeError, match="module 'mockmoov' has no attribute 'Background'"):
        _ = mockmoov.Background
