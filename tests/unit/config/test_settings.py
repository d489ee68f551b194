"""Settings: one declaration, four sources, one result."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.config.settings import SETTINGS, Layer, Settings, SettingsError, load
from mockmoov.config.sources import PREFIX, from_environment, from_file
from mockmoov.oauth.api_keys import EXAMPLE, make_api_key
from tests.support.settings import (
    FREE,
    GOOD,
    INVALID_STUBS,
    OF_TLS,
    Values,
    as_text,
    environment,
    file,
    flags,
    good_values,
    message_of,
    serve_parameters,
    spell_flag,
)


@pytest.fixture(scope="module")
def toml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings") / "mockmoov.toml"


@given(values=good_values(), pick=st.integers(0, 5))
def test_all_sources_give_the_same_settings(toml: Path, values: Values, pick: int) -> None:
    texts = {name: as_text(name, value, pick) for name, value in values.items()}
    settings, defaults = load(Layer(settings=values)), Settings()
    assert load(flags(texts)) == settings
    assert load(environment(texts)) == settings
    assert load(file(toml, values)) == settings
    for name in SETTINGS.keys() - values.keys():
        assert getattr(settings, name) == getattr(defaults, name)


@given(data=st.data())
def test_flags_override_variables_override_the_file(toml: Path, data: st.DataObject) -> None:
    """The source that wins is in `set_by`, in its own spelling."""
    sources: list[Values] = [{}, {}, {}]  # file, environment, flags
    expected: Values = {}
    set_by: dict[str, str] = {}
    for name in data.draw(st.lists(st.sampled_from(FREE), unique=True)):
        spelled = (f"{toml}: {name}", PREFIX + name.upper(), spell_flag(name))
        for number in sorted(data.draw(st.sets(st.integers(0, 2)), label=name)):
            value = sources[number][name] = data.draw(GOOD[name])
            if number != 1 or as_text(name, value):  # an empty variable counts as unset
                expected[name], set_by[name] = value, spelled[number]
    texts = [{name: as_text(name, value) for name, value in source.items()} for source in sources[1:]]
    settings = load(file(toml, sources[0]), environment(texts[0]), flags(texts[1]))
    assert settings == load(Layer(settings=expected))
    assert settings.set_by == set_by


def test_sources_are_not_compared_or_printed() -> None:
    by_flag, by_variable = load(flags({"port": "1"})), load(environment({"port": "1"}))
    assert (by_flag.set_by, by_variable.set_by) == ({"port": "--port"}, {"port": "MOCKMOOV_PORT"})
    assert by_flag == by_variable
    assert "set_by" not in SETTINGS
    assert "set_by" not in repr(by_flag)
    assert load().set_by == Settings().set_by == {}


DEFAULTS = {
    "default_version": "2023", "token_format": "jwt", "access_token_lifetime": 3600,
    "refresh_token_lifetime": 3 * 24 * 3600, "refresh_rotation": True, "refresh_reuse_detection": True,
    "refresh_grace_seconds": 0, "rate_limit": 0, "scope_catalogue": "strict", "origin_policy": "if-present",
    "issuer": "https://api.moov.io#applications", "host": "localhost", "seed": None, "signing_key": None,
    "audiences": ("https://api.moov.io", "https://cards.moov.io", "https://api.moov.money"),
}  # fmt: skip


def test_defaults_are_those_of_the_contract() -> None:
    settings = load()
    assert settings == Settings()
    assert {name: getattr(settings, name) for name in DEFAULTS} == DEFAULTS
    assert settings.api_keys == (make_api_key(EXAMPLE),)


CONFLICTS: list[tuple[Values, str]] = [
    ({"tls": "on", "tls_cert": "a"}, "tls_cert and tls_key need each other"),
    ({"tls": "on", "tls_key": "a"}, "tls_cert and tls_key need each other"),
    ({"tls": "on", "tls_cert": "a", "tls_key": "b", "tls_ca_file": "c"}, "tls_cert excludes tls_ca_file"),
    ({"tls": "on", "tls_cert": "a", "tls_key": "b", "tls_ca_folder": "c"}, "tls_cert excludes tls_ca_file"),
    ({"tls": "on", "tls_port": 8080}, "port and tls_port are the same"),
    ({"tls": "on", "port": 8443}, "port and tls_port are the same"),
    ({"seed": "a", "signing_key": "key.pem"}, "seed and signing_key exclude each other"),
]


def test_settings_that_contradict_each_other_are_named() -> None:
    found = [(message_of(Layer(settings=values)), message) for values, message in CONFLICTS]
    in_two_sources = message_of(environment({"seed": "a"}), flags({"signing_key": "key.pem"}))
    found.append((in_two_sources, "MOCKMOOV_SEED and --signing-key exclude each other"))
    assert [(message, start) for message, start in found if not message.startswith(start)] == []


def test_settings_of_tls_need_tls() -> None:
    for name in OF_TLS:
        pair = {"tls_cert": "a", "tls_key": "b"} if name in ("tls_cert", "tls_key") else {name: "1"}
        first = next(iter(pair))
        assert message_of(Layer(settings=pair)) == f"{first} has no effect unless tls is on"
        message = f"{PREFIX}{first.upper()} has no effect unless --tls is on"
        assert message_of(environment(pair), flags({"tls": "off"})) == message
        load(Layer(settings={**pair, "tls": "on"}))
    load(environment({"tls_port": "8443", "tls_names": ""}))  # the defaults
    for tls in ("on", "off"):
        load(Layer(settings={"port": 0, "tls": tls, "tls_port": 0}))


def test_a_setting_below_a_table_is_misplaced(toml: Path) -> None:
    key = '[[api_keys]]\nclient_id = "a"\nclient_secret = "very-secret"\n'
    stub = '[[stubs]]\nendpoint = "listAccounts"\n'
    for table, text in (("api_keys", key), ("stubs", stub)):
        for name in SETTINGS.keys() - {table}:
            toml.write_text(f"{text}{text}{name} = 1\n")
            with pytest.raises(SettingsError) as caught:
                from_file(str(toml))
            assert str(caught.value) == f"{toml}: {name} is a setting of the server: put it above [[{table}]]"


def test_table_says_what_to_write_instead(toml: Path) -> None:
    array = "is one table, and {0} are an array of tables: write [[{0}]]"
    top = "is a table: write settings at the top of the file, outside of tables"
    table = {
        "[server]\nport = 1": f"[server] {top}",
        "[tls]\nport = 1": f"[tls] {top}",
        "tls = {port = 1}": f"[tls] {top}",
        "[stubs]\nendpoint = 'ping'": f"[stubs] {array.format('stubs')}",
        "api_keys = {port = 1}": f"[api_keys] {array.format('api_keys')}",
    }
    for text, message in table.items():
        toml.write_text(f"{text}\n")
        with pytest.raises(SettingsError) as caught:
            from_file(str(toml))
        assert str(caught.value) == f"{toml}: {message}"


def test_faults_are_planned_while_the_server_runs(toml: Path) -> None:
    toml.write_text("[[faults]]\npreset = 'slow'\n")
    hint = "plan faults while the server runs: POST /_mockmoov/faults, or faults.add(...) in Python"
    assert message_of(from_file(str(toml))) == f"{toml}: faults: there is no such setting; {hint}"


def test_api_keys_must_be_tables_or_json(toml: Path) -> None:
    for value in ("1", '["port"]'):
        toml.write_text(f"api_keys = {value}\n")
        message = f'{toml}: api_keys must be a list of objects such as [{{"client_id": "a", ...}}]'
        assert message_of(from_file(str(toml))) == message
    for text in ("[{'client_id':'a'}]", "nonsense", "[" * 100_000):
        message = message_of(environment({"api_keys": text}))
        assert message.startswith(f"{PREFIX}API_KEYS must be a JSON list of objects such as ")
        assert message.endswith(", and this is not JSON")


def test_file_may_be_given_as_a_path() -> None:
    settings = load(Layer(settings={"openapi": Path("a.yaml"), "signing_key": Path("b")}))
    assert (settings.openapi, settings.signing_key) == ("a.yaml", "b")


def test_invalid_stubs_are_named() -> None:
    for problem, stub in INVALID_STUBS.items():
        message = message_of(Layer(settings={"stubs": [{"endpoint": "ping"}, stub]}))
        assert message.startswith("stubs contains an invalid stub, number 2: ")
        assert problem in message
    message = message_of(Layer(settings={"stubs": [{"endpoint": "ping"}] * 1001}))
    assert message == "stubs contains too much: there are 1000 stubs in the plan, which is the limit"
    message = message_of(Layer(settings={"stubs": [{"endpoint": "ping", "json": 2**64}]}))
    assert message.startswith("stubs must be a list of JSON objects: ")


def test_a_switch_without_a_value_is_on() -> None:
    parameters = serve_parameters("--tls", "--port", "0", "--access-log")
    assert [parameters[name] for name in ("tls", "port", "access_log")] == ["on", "0", "on"]


def test_known_hosts_come_from_three_settings() -> None:
    names = {"allowed_hosts": "Mockmoov:8080 ::1", "tls": "on", "tls_names": "API.moov.io FD00:0::1"}
    settings = load(Layer(settings={**names, "public_url": "https://Moov.example:444/x/"}))
    assert settings.known_hosts == {
        "mockmoov:8080", "[::1]", "api.moov.io", "[fd00::1]", "moov.example:444"
    }  # fmt: skip
    assert settings.public_url == "https://Moov.example:444/x"
    # Browsers leave out the default port.
    assert load(Layer(settings={"public_url": "https://moov.example:443"})).known_hosts == {"moov.example"}
    assert not load().known_hosts


def test_an_unknown_scope_is_rejected_in_any_order() -> None:
    def with_scope(scope: str) -> Layer:
        key = {"client_id": "a", "client_secret": "s", "scopes": [scope]}
        return Layer(settings={"api_keys": [key]})

    unknown = with_scope("/accounts.raed")
    strict, is_open = (Layer(settings={"scope_catalogue": name}) for name in ("strict", "open"))
    message = "api_keys: there is no scope /accounts.raed; did you mean /accounts.read?"
    assert message_of(unknown, strict) == message_of(strict, unknown) == message
    load(unknown, strict, is_open)
    for catalogue in (strict, is_open):
        assert "api_keys" in message_of(with_scope("malformed"), catalogue)


def test_no_repr_has_a_secret() -> None:
    key = {"client_id": "a", "client_secret": "very-secret"}
    for name, value in (("api_keys", [key]), ("seed", "very-secret"), ("control_token", "very-secret")):
        assert "very-secret" not in repr(load(Layer(settings={name: value})))


INJECTED = {
    "MOCKMOOV_PORT": "tcp://10.0.0.1:8080",
    **{f"MOCKMOOV_PORT_8080_TCP{suffix}": "10.0.0.1:8080" for suffix in ("", "_ADDR", "_PORT", "_PROTO")},
    **{f"MOCKMOOV_SERVICE_{suffix}": "10.0.0.1:8080" for suffix in ("HOST", "PORT", "PORT_HTTP")},
    "MOCKMOOV_ENV_SECRET": "from the linked container",
    "MOCKMOOV_NAME": "/web/mockmoov",
}


def test_variables_of_container_links_are_ignored() -> None:
    """A warning names each one but not its value."""
    warnings: list[str] = []
    layer = from_environment({**INJECTED, "MOCKMOOV_RATE_LIMIT": "5"}, warnings.append)
    assert layer.settings == {"rate_limit": "5"}
    reason = "it comes from a container link and is not a setting"
    assert warnings == [f"ignored {name}: {reason}" for name in INJECTED]


def test_an_empty_variable_counts_as_unset() -> None:
    empty = dict.fromkeys([*(PREFIX + name.upper() for name in SETTINGS), "MOCKMOOV_FOO", *INJECTED], "")
    assert not from_environment(empty, pytest.fail).settings


def test_other_variables_are_no_settings() -> None:
    own = ("CONFIG", "READY_FILE", "URL", "CA_FILE", "CLIENT_ID", "CLIENT_SECRET")  # of the commands
    environ = {"PORT": "1", "mockmoov_port": "1", "MOCKMOOV": "1", **{PREFIX + name: "x" for name in own}}
    assert not from_environment(environ, pytest.fail).settings
