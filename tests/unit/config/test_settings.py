"""Settings: one declaration, four sources, the same result; every mistake named, no secret repeated."""

import contextlib
import json
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockmoov.cli.main import main
from mockmoov.cli.serve import serve
from mockmoov.config.settings import SETTINGS, Layer, Settings, SettingsError, load
from mockmoov.config.sources import PREFIX, from_environment, from_file
from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.api_keys import EXAMPLE

Values = dict[str, Any]

WORD = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789.-:#/", min_size=1, max_size=20)
TEXT = st.text(st.characters(max_codepoint=0xD7FF), min_size=1).filter(str.isprintable)
HEADER_VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1).filter(
    lambda text: text == text.strip()
)
SECRET = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=12, max_size=40
).map("~{}~".format)
CONCRETE_SCOPES = [scope.replace("{accountID}", str(EXAMPLE["account_id"])) for scope in SCOPES]
API_KEY = st.fixed_dictionaries(
    {"client_secret": SECRET},
    optional={
        "account_id": st.uuids().map(str),
        "application_id": st.uuids().map(str),
        "origins": st.lists(st.sampled_from(["https://shop.example", "http://localhost:3000"])),
        "scopes": st.lists(st.sampled_from([*SCOPES, *CONCRETE_SCOPES]), max_size=3),
        "grants": st.lists(st.sampled_from(["client_credentials", "refresh_token"]), unique=True),
        "enabled": st.booleans(),
    },
)


def integers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.sampled_from([low, high]) | st.integers(low, high)


# A native value for each setting; a text that means the same follows from it.
GOOD: Mapping[str, st.SearchStrategy[Any]] = {
    "host": WORD,
    "port": integers(0, 65535).filter(lambda port: port != Settings().tls_port),
    "allowed_hosts": st.lists(WORD, max_size=3),
    "public_url": st.sampled_from(["https://moov.example", "http://localhost:1/moov"]),
    "cors_origins": st.lists(st.sampled_from(["*", "https://shop.example", "http://a.example:81"])),
    "tls": st.booleans(),
    "tls_port": integers(0, 65535),
    "tls_names": st.lists(
        st.sampled_from(["api.moov.io", "xn--zrich-kva.test", "10.0.0.1", "fd00::1"]), max_size=3
    ),
    "tls_ca_file": TEXT,
    "tls_ca_folder": TEXT,
    "tls_cert": TEXT,
    "tls_key": TEXT,
    "default_version": st.sampled_from(["2023", "2023-sdk", "latest", "v2024.01.00", "v2026.07.00"]),
    "access_token_lifetime": integers(1, 10**8),
    "refresh_token_lifetime": integers(1, 10**8),
    "issuer": TEXT,
    "audiences": st.lists(WORD, min_size=1, max_size=3),
    "token_format": st.sampled_from(["jwt", "opaque"]),
    "refresh_rotation": st.booleans(),
    "refresh_reuse_detection": st.booleans(),
    "refresh_grace_seconds": integers(0, 10**8),
    "scope_catalogue": st.sampled_from(["strict", "open"]),
    "origin_policy": st.sampled_from(["if-present", "required", "off"]),
    "rate_limit": integers(0, 10**6),
    "upstream": st.sampled_from(["http://localhost:4010", "https://[::1]/a/b", "HTTP://a-b.example:80"]),
    "upstream_timeout": integers(1, 3600),
    "seed": TEXT,
    "signing_key": TEXT,
    "api_keys": st.dictionaries(
        WORD.filter(lambda word: ":" not in word and word not in (".", "..")), API_KEY, min_size=1, max_size=2
    ).map(lambda keys: [{"client_id": client_id, **members} for client_id, members in keys.items()]),
    "access_log": st.booleans(),
    "journal_size": integers(0, 10**6),
    "control": st.sampled_from(["auto", "on", "off"]),
    "control_token": HEADER_VALUE,
}
# What is good alone or with any of the others.
OF_TLS = ("tls_port", "tls_names", "tls_ca_file", "tls_ca_folder", "tls_cert", "tls_key")
FREE = sorted(GOOD.keys() - {"signing_key", *OF_TLS})
SWITCHES = {True: ("on", "true", "yes", "1", "ON", "True"), False: ("off", "false", "no", "0", "OFF")}


@st.composite
def good_values(draw: st.DrawFn) -> Values:
    values: Values = draw(st.fixed_dictionaries({}, optional=dict(GOOD)))
    if "seed" in values and "signing_key" in values:
        del values[draw(st.sampled_from(["seed", "signing_key"]))]
    own, brought = {"tls_ca_file", "tls_ca_folder"}, {"tls_cert", "tls_key"}
    kept = (draw(st.sampled_from([own, brought])) if brought <= values.keys() else own) & values.keys()
    for name in (own | brought) - kept:
        values.pop(name, None)
    if values.keys() & set(OF_TLS):
        values["tls"] = True
    if values.get("port") == values.get("tls_port", Settings().tls_port) != 0:
        del values["port"]
    return values


def as_text(name: str, value: Any, pick: int = 0) -> str:
    """What an environment variable or a flag says where a file says `value`."""
    if isinstance(value, bool):
        return SWITCHES[value][pick % len(SWITCHES[value])]
    if name == "api_keys":
        return json.dumps(value)
    return (",", " ", ", ")[pick % 3].join(value) if isinstance(value, list) else str(value)


def to_toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {to_toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def spell_flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def flags(values: Mapping[str, str]) -> Layer:
    """The settings as the real command line parses them."""
    arguments = [f"{spell_flag(name)}={value}" for name, value in values.items()]
    parent = main.make_context("mockmoov", ["serve"])
    parsed = serve.make_context("serve", arguments, parent=parent).params
    given = {name: value for name, value in parsed.items() if name in SETTINGS and value is not None}
    return Layer(settings=given, spell=spell_flag)


def environment(values: Mapping[str, str]) -> Layer:
    warnings: list[str] = []
    layer = from_environment({PREFIX + name.upper(): text for name, text in values.items()}, warnings.append)
    assert not warnings
    return layer


def file(path: Path, values: Values) -> Layer:
    path.write_text("".join(f"{name} = {to_toml(value)}\n" for name, value in values.items()), "utf-8")
    return from_file(str(path))


@pytest.fixture(scope="module")
def toml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings") / "mockmoov.toml"


def message_of(*layers: Layer) -> str:
    with pytest.raises(SettingsError) as caught:
        load(*layers)
    return str(caught.value)


# --- good values --------------------------------------------------------------------------------


def test_every_setting_is_under_test() -> None:
    assert list(GOOD) == list(SETTINGS)


@given(values=good_values(), pick=st.integers(0, 5))
def test_flags_environment_file_and_python_give_identical_settings(
    toml: Path, values: Values, pick: int
) -> None:
    texts = {name: as_text(name, value, pick) for name, value in values.items()}
    settings = load(Layer(settings=values))
    assert load(flags(texts)) == settings
    assert load(environment(texts)) == settings
    assert load(file(toml, values)) == settings


@given(st.data())
def test_a_flag_wins_over_the_environment_that_over_the_file_that_over_the_default(
    toml: Path, data: st.DataObject
) -> None:
    names = data.draw(st.lists(st.sampled_from(FREE), unique=True))
    sources: list[Values] = [{}, {}, {}]
    expected: Values = {}
    for name in names:
        for number in sorted(data.draw(st.sets(st.integers(0, 2)), label=name)):
            sources[number][name] = expected[name] = data.draw(GOOD[name])
    in_file, in_environment, in_flags = sources
    settings = load(
        file(toml, in_file),
        environment({name: as_text(name, value) for name, value in in_environment.items()}),
        flags({name: as_text(name, value) for name, value in in_flags.items()}),
    )
    assert settings == load(Layer(settings=expected))


@given(values=good_values())
def test_a_setting_that_is_not_given_has_its_default(values: Values) -> None:
    settings, defaults = load(Layer(settings=values)), Settings()
    for name in SETTINGS.keys() - values.keys():
        assert getattr(settings, name) == getattr(defaults, name)


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = load()
    assert settings == Settings()
    assert (settings.default_version, settings.token_format) == ("2023", "jwt")
    assert (settings.access_token_lifetime, settings.refresh_token_lifetime) == (3600, 3 * 24 * 3600)
    assert settings.refresh_rotation
    assert settings.refresh_reuse_detection
    assert (settings.refresh_grace_seconds, settings.rate_limit) == (0, 0)
    assert (settings.scope_catalogue, settings.origin_policy) == ("strict", "if-present")
    assert settings.issuer == "https://api.moov.io#applications"
    assert settings.audiences == ("https://api.moov.io", "https://cards.moov.io", "https://api.moov.money")
    assert (settings.host, settings.seed, settings.signing_key) == ("localhost", None, None)
    (key,) = settings.api_keys
    assert (key.client_id, key.client_secret) == ("5clTR_MdVrrkgxw2", "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-")
    assert (key.account_id, key.application_id) == (
        "5352b013-ae58-4a63-8a3f-97f316a917cf",
        "c520f1b9-0ba7-42f5-b977-248cdbe41c69",
    )
    assert (key.origins, key.scopes, key.enabled) == (("http://localhost:3000",), None, True)


def test_api_keys_come_from_tables_of_the_file_as_from_json_in_the_environment(toml: Path) -> None:
    tables = [f'[[api_keys]]\nclient_id = "{name}"\nclient_secret = "{name * 2}"\n' for name in "ab"]
    toml.write_text("".join(tables))
    text = '[{"client_id": "a", "client_secret": "aa"}, {"client_id": "b", "client_secret": "bb"}]'
    assert load(from_file(str(toml))).api_keys == load(environment({"api_keys": text})).api_keys


def test_a_file_is_read_as_utf_8_as_toml_is_defined(toml: Path) -> None:
    toml.write_bytes('issuer = "Zürich"'.encode())
    assert load(from_file(str(toml))).issuer == "Zürich"


# --- bad values -----------------------------------------------------------------------------------

# Neither text nor anything else that these settings take.
BAD: Mapping[str, list[Any]] = {
    "host": ["", "a\nb", 1, None],
    "port": ["65536", "-1", "", "8080 ", "0x50", "٣", "8_0", 65536, -1, 80.0, True, None, "9" * 5000],
    "allowed_hosts": [1, [1], ["a", ""], ",", None, {}],
    "public_url": ["", "moov.example", "ftp://a", "https://", "https://a?b", "https://a#b", "https://a b", 1],
    "cors_origins": ["null", "shop.example", "https://shop.example/", "https://*.example", [1], 1, None],
    "tls": ["", "maybe", 2, None],
    "tls_port": ["65536", "-1", True, None],
    "tls_names": ["api.moov.io:443", "*.moov.io", "-a", "a-", "a_b", "a..b", "fe80::1%lo", "é", [1], 1, None],
    "tls_ca_file": ["", "a\nb", 1],
    "tls_ca_folder": ["", "a\nb", 1],
    "tls_cert": ["", "-----BEGIN CERTIFICATE-----\n", 1],
    "tls_key": ["", "-----BEGIN PRIVATE KEY-----\n", 1],
    "default_version": ["2024", "v2026.02.00", "V2026.01.00", "", "lates", 2024, None],
    "access_token_lifetime": ["0", "1h", "-5", 10**8 + 1, 3600.5, False],
    "refresh_token_lifetime": ["0", "3d", 0],
    "issuer": ["", 3],
    "audiences": ["", [], [1], 7, None],
    "token_format": ["JWT", "", "opaq", 1, None],
    "refresh_rotation": ["", "maybe", 2, 1.0, None, []],
    "refresh_reuse_detection": ["onn"],
    "refresh_grace_seconds": ["-1", "1.5"],
    "scope_catalogue": ["Strict", "closed", True],
    "origin_policy": ["if_present", "require", 0],
    "rate_limit": ["1000001", "10/s"],
    "upstream": [
        *("", "localhost:4010", "ftp://a", "//a", "http://", "http://a b", "http://a\n", 1, None),
        *(
            "http://u:p@a",
            "http://u@a",
            "http://a?b",
            "http://a#b",
            "http://a:65536",
            "http://a:x",
            "http://:80",
        ),
        *(
            "http://a/..",
            "http://a/./b",
            "http://a//b",
            "http://a/%2e",
            "http://[g]",
            "http://a..b",
            "http://a,b",
        ),
    ],
    "upstream_timeout": ["0", "3601", "1.5", -1, None],
    "seed": ["", "a\nb", "\x7f", 42],
    "signing_key": ["", "-----BEGIN PRIVATE KEY-----\n", []],
    "api_keys": ["", "[]", "{}", "[1]", "nonsense", "null", [], {}, 1, "[" * 100_000, "[" + "9" * 5000 + "]"],
    "access_log": ["loud"],
    "journal_size": ["-1", "1000001", "16 MiB", -1, 10**6 + 1, True],
    "control": ["", "ON", "true", True, None],
    "control_token": ["", "a\nb", "\x7f", 42, [], "schlüssel", " a", "a "],
}
BAD_VALUES = [pytest.param(name, bad, id=f"{name}-{i}") for name in BAD for i, bad in enumerate(BAD[name])]
SPELLINGS = {
    "flag": spell_flag,
    "environment": lambda name: PREFIX + name.upper(),
    "file": lambda name: f"mockmoov.toml: {name}",
    "python": str,
}
each_spelling = pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)


def test_every_setting_has_bad_values_under_test() -> None:
    assert list(BAD) == list(SETTINGS)


@pytest.mark.parametrize(("name", "bad"), BAD_VALUES)
@each_spelling
def test_a_bad_value_is_refused_in_its_sources_own_spelling(name: str, bad: Any, spell: Any) -> None:
    message = message_of(Layer(settings={name: bad}, spell=spell))
    assert message.startswith(f"{spell(name)} must ")
    assert len(message) < 300


@given(name=st.sampled_from(list(SETTINGS)), text=st.text(max_size=50))
@example(name="api_keys", text="[" * 100_000)
def test_any_text_is_a_value_or_a_settings_error_and_nothing_else(name: str, text: str) -> None:
    with contextlib.suppress(SettingsError):
        load(Layer(settings={name: text}))


@pytest.mark.parametrize(
    ("name", "bad", "near"),
    [
        ("token_format", "opaq", "opaque"),
        ("scope_catalogue", "stricct", "strict"),
        ("origin_policy", "if_present", "if-present"),
    ],
)
def test_a_bad_choice_names_all_of_them_and_the_nearest(name: str, bad: str, near: str) -> None:
    message = message_of(Layer(settings={name: bad}))
    assert f"did you mean {near}?" in message
    assert message.startswith(f"{name} must be one of ")


@pytest.mark.parametrize("source", ["environment", "short path", "long path"])
@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("prot", "port"),
        ("seeds", "seed"),
        ("refresh_rotate", "refresh_rotation"),
        ("apikeys", "api_keys"),
        ("origin_polcy", "origin_policy"),
    ],
)
def test_an_unknown_key_names_the_nearest_right_one(
    tmp_path: Path, source: str, wrong: str, right: str
) -> None:
    if source == "environment":
        message = message_of(from_environment({PREFIX + wrong.upper(): "1"}, pytest.fail))
        assert (
            message
            == f"{PREFIX}{wrong.upper()}: there is no such setting; did you mean {PREFIX}{right.upper()}?"
        )
        return
    path = tmp_path / ("m.toml" if source == "short path" else "a" * 120 + ".toml")
    message = message_of(file(path, {wrong: 1}))
    assert message.startswith(f"{path}: {wrong}: there is no such setting; did you mean ")
    assert message.endswith(f"{right}?")


@pytest.mark.parametrize("wrong", ["zzzzzz", "q"])
@pytest.mark.parametrize("source", ["environment", "file"])
def test_an_unknown_key_that_is_near_to_none_names_none(tmp_path: Path, source: str, wrong: str) -> None:
    layer = (
        file(tmp_path / "mockmoov.toml", {wrong: 1})
        if source == "file"
        else from_environment({PREFIX + wrong.upper(): "1"}, pytest.fail)
    )
    assert "did you mean" not in message_of(layer)


def test_a_table_that_is_no_setting_is_refused(toml: Path) -> None:
    toml.write_text("[mockmoov]\nport = 1\n")
    assert "there is no such setting" in message_of(from_file(str(toml)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"port = ", "not TOML"),
        (b"port 80", "not TOML"),
        (b'seed = "\xff"', "not TOML"),
        (b"port = 1\nport = 2", "not TOML"),
        (b"port = " + b"[" * 100_000, "not TOML"),
    ],
)
def test_a_file_that_is_not_toml_is_refused_by_name(toml: Path, content: bytes, said: str) -> None:
    toml.write_bytes(content)
    with pytest.raises(SettingsError, match=said) as caught:
        from_file(str(toml))
    assert str(caught.value).startswith(str(toml))


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"missing\.toml: No such file or directory"):
        from_file(str(tmp_path / "missing.toml"))
    with pytest.raises(SettingsError, match="Is a directory"):
        from_file(str(tmp_path))


def test_seed_and_signing_key_exclude_each_other_even_from_two_sources() -> None:
    message = message_of(environment({"seed": "a"}), flags({"signing_key": "key.pem"}))
    assert "seed" in message
    assert "signing_key" in message
    assert "exclude" in message


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"tls": "on", "tls_cert": "a"}, ["tls_cert", "tls_key"]),
        ({"tls": "on", "tls_key": "a"}, ["tls_cert", "tls_key"]),
        ({"tls": "on", "tls_cert": "a", "tls_key": "b", "tls_ca_file": "c"}, ["tls_cert", "tls_ca_file"]),
        ({"tls": "on", "tls_cert": "a", "tls_key": "b", "tls_ca_folder": "c"}, ["tls_cert", "tls_ca_folder"]),
        ({"tls": "on", "tls_port": 8080}, ["port and tls_port are the same"]),
        ({"tls": "on", "port": 8443}, ["port and tls_port are the same"]),
    ],
)
def test_settings_of_tls_that_make_no_sense_together_are_refused(values: Values, names: list[str]) -> None:
    message = message_of(Layer(settings=values))
    assert all(name in message for name in names)


@pytest.mark.parametrize("name", OF_TLS)
def test_a_setting_of_tls_is_refused_the_same_way_while_tls_is_off_whichever_it_is(name: str) -> None:
    pair = {"tls_cert": "a", "tls_key": "b"} if name in ("tls_cert", "tls_key") else {name: "1"}
    (first, *_) = pair
    message = f"{first} has no effect unless tls is on"
    assert message_of(Layer(settings=pair)) == message
    assert message_of(environment(pair), flags({"tls": "off"})) == message
    load(Layer(settings={**pair, "tls": "on"}))


def test_what_says_no_more_than_the_default_is_no_setting_of_tls() -> None:
    load(environment({"tls_port": "8443", "tls_names": ""}))
    load(Layer(settings={"port": 0, "tls": "on", "tls_port": 0}))


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "api_keys"])
def test_a_setting_below_the_api_keys_of_a_file_is_answered_with_where_it_goes(toml: Path, name: str) -> None:
    key = '[[api_keys]]\nclient_id = "a"\nclient_secret = "very-secret"\n'
    toml.write_text(f"{key}{key}{name} = 1\n")
    with pytest.raises(SettingsError) as caught:
        from_file(str(toml))
    assert str(caught.value) == f"{toml}: {name} is a setting of the server: put it above [[api_keys]]"


@pytest.mark.parametrize("api_keys", ["1", '["port"]', "{port = 1}"])
def test_api_keys_of_a_file_that_are_no_tables_are_refused_as_elsewhere(toml: Path, api_keys: str) -> None:
    toml.write_text(f"api_keys = {api_keys}\n")
    assert message_of(from_file(str(toml))) == f"{toml}: api_keys must be a list of one or more objects"


@pytest.mark.parametrize("text", ["[{'client_id':'a'}]", "nonsense", "[" * 100_000])
def test_api_keys_that_are_no_json_are_answered_with_that(text: str) -> None:
    message = message_of(environment({"api_keys": text}))
    assert message.startswith(f"{PREFIX}API_KEYS must be a JSON list of objects such as ")
    assert message.endswith(", and this is not JSON")


def test_a_version_that_is_nearly_a_name_is_answered_with_that_name() -> None:
    assert message_of(flags({"default_version": "latets"})) == (
        "--default-version must be 2023, 2023-sdk, latest or a version such as v2026.07.00"
        "; did you mean latest?"
    )
    assert message_of(Layer(settings={"default_version": "v2026.7.0"})).endswith("such as v2026.07.00")


def test_a_switch_alone_on_the_command_line_is_on() -> None:
    parent = main.make_context("mockmoov", ["serve"])
    context = serve.make_context("serve", ["--tls", "--port", "0", "--access-log"], parent=parent)
    assert [context.params[name] for name in ("tls", "port", "access_log")] == ["on", "0", "on"]


def test_a_server_is_known_by_the_names_that_its_settings_give_it() -> None:
    values = {
        "allowed_hosts": "Mockmoov:8080",
        "tls": "on",
        "tls_names": "API.moov.io",
        "public_url": "https://Moov.example:444/x/",
    }
    settings = load(Layer(settings=values))
    assert settings.known_hosts == {"mockmoov:8080", "api.moov.io", "moov.example:444"}
    assert settings.public_url == "https://Moov.example:444/x"


# --- API keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize("catalogue_name", ["strict", "open"])
@given(scope=st.sampled_from([*SCOPES, *CONCRETE_SCOPES]))
def test_a_key_may_have_every_scope_of_the_catalogue(catalogue_name: str, scope: str) -> None:
    key = {"client_id": "a", "client_secret": "s", "scopes": [scope]}
    settings = load(Layer(settings={"api_keys": [key], "scope_catalogue": catalogue_name}))
    assert settings.api_keys[0].scopes == (scope,)


@pytest.mark.parametrize("order", [1, -1])
def test_key_scopes_are_checked_against_the_catalogue_wherever_that_is_set(order: int) -> None:
    key = {"client_id": "a", "client_secret": "s", "scopes": ["/accounts.raed"]}
    layers = [Layer(settings={"api_keys": [key]}), Layer(settings={"scope_catalogue": "strict"})]
    message = message_of(*layers[::order])
    assert "/accounts.raed; did you mean /accounts.read?" in message
    load(*layers, Layer(settings={"scope_catalogue": "open"}))


def test_a_scope_of_no_form_is_refused_in_either_catalogue() -> None:
    key = {"client_id": "a", "client_secret": "s", "scopes": ["accounts"]}
    for name in ("strict", "open"):
        assert "api_keys" in message_of(Layer(settings={"api_keys": [key], "scope_catalogue": name}))


def test_the_same_client_id_twice_is_refused() -> None:
    key = {"client_id": "a", "client_secret": "s"}
    assert "must not repeat a client_id" in message_of(
        Layer(settings={"api_keys": [key, {**key, "client_secret": "t"}]})
    )


MISTAKES: Mapping[str, Any] = {
    "account_id": "no-uuid",
    "application_id": 5,
    "origins": ["https://shop.example/path"],
    "scopes": ["/nothing.read"],
    "grants": ["password"],
    "enabled": "yes",
    "client_id": "with:colon",
    "clientid": "a",
    "name": "x",
}


@given(
    secret=SECRET,
    misspelt=st.sampled_from(["client_secret", "client_secrets", "secret", "clientSecret"]),
    mistakes=st.sets(st.sampled_from(list(MISTAKES)), min_size=1),
    cut=st.integers(0, 60),
    suffix=st.sampled_from(["", "\x00", "ü"]),
)
def test_no_settings_error_repeats_a_client_secret(
    secret: str, misspelt: str, mistakes: set[str], cut: int, suffix: str
) -> None:
    key = {"client_id": "a", misspelt: secret + suffix, **{name: MISTAKES[name] for name in mistakes}}
    text = json.dumps([key, {"client_id": "b", "client_secret": secret}])
    for values in (
        {"api_keys": [key]},
        {"api_keys": text},
        {"api_keys": text[: len(text) - 1 - cut]},
        {"api_keys": secret},
        {"seed": [secret]},
        {"seed": secret, "signing_key": "key.pem"},
        {"seed": secret, "api_key": text},
    ):
        with pytest.raises(SettingsError) as caught:
            load(Layer(settings=values))
        assert secret not in "".join(traceback.format_exception_only(caught.value))
        assert secret not in str(caught.value.__cause__)


@given(secret=SECRET)
def test_the_repr_of_settings_has_no_secret(secret: str) -> None:
    key = {"client_id": "a", "client_secret": secret}
    assert secret not in repr(load(Layer(settings={"api_keys": [key]})))
    assert secret not in repr(load(Layer(settings={"seed": secret})))
    assert secret not in repr(load(Layer(settings={"control_token": secret})))


# --- where each setting was set -------------------------------------------------------------------


@given(st.data())
def test_a_setting_names_as_its_source_the_one_that_won_in_its_own_spelling(
    toml: Path, data: st.DataObject
) -> None:
    names = data.draw(st.lists(st.sampled_from(FREE), unique=True))
    sources: list[Values] = [{}, {}, {}]
    expected: dict[str, str] = {}
    for name in names:
        spelt = (f"{toml}: {name}", PREFIX + name.upper(), spell_flag(name))
        for number in sorted(data.draw(st.sets(st.integers(0, 2)), label=name)):
            sources[number][name] = data.draw(GOOD[name])
            expected[name] = spelt[number]
    in_file, in_environment, in_flags = sources
    settings = load(
        file(toml, in_file),
        environment({name: as_text(name, value) for name, value in in_environment.items()}),
        flags({name: as_text(name, value) for name, value in in_flags.items()}),
    )
    assert settings.set_by == expected


def test_sources_are_no_setting_and_make_no_difference_between_equal_ones() -> None:
    by_flag, by_variable = load(flags({"port": "1"})), load(environment({"port": "1"}))
    assert by_flag.set_by != by_variable.set_by
    assert by_flag == by_variable
    assert "set_by" not in SETTINGS
    assert "set_by" not in repr(by_flag)
    assert load().set_by == Settings().set_by == {}


# --- environment ----------------------------------------------------------------------------------

INJECTED = {
    "MOCKMOOV_PORT": "tcp://10.0.0.1:8080",
    "MOCKMOOV_PORT_8080_TCP": "tcp://10.0.0.1:8080",
    "MOCKMOOV_PORT_8080_TCP_ADDR": "10.0.0.1",
    "MOCKMOOV_PORT_8080_TCP_PORT": "8080",
    "MOCKMOOV_PORT_8080_TCP_PROTO": "tcp",
    "MOCKMOOV_SERVICE_HOST": "10.0.0.1",
    "MOCKMOOV_SERVICE_PORT": "8080",
    "MOCKMOOV_SERVICE_PORT_HTTP": "8080",
    "MOCKMOOV_ENV_SECRET": "from the linked container",
    "MOCKMOOV_NAME": "/web/mockmoov",
}


@given(names=st.sets(st.sampled_from(list(INJECTED))), lifetime=st.integers(1, 100))
def test_what_container_links_inject_is_ignored_with_a_warning_each(names: set[str], lifetime: int) -> None:
    warnings: list[str] = []
    environ = {name: INJECTED[name] for name in names} | {"MOCKMOOV_ACCESS_TOKEN_LIFETIME": str(lifetime)}
    settings = load(from_environment(environ, warnings.append))
    assert settings == load(Layer(settings={"access_token_lifetime": lifetime}))
    assert len(warnings) == len(names)
    for name in names:
        assert any(name in warning.split(":")[0].split() for warning in warnings)
        assert not any(INJECTED[name] in warning for warning in warnings if len(INJECTED[name]) > 5)


@given(st.dictionaries(st.text(min_size=1).filter(lambda name: not name.startswith(PREFIX)), st.text()))
def test_variables_of_others_are_nothing_to_us(environ: dict[str, str]) -> None:
    assert not from_environment(environ, pytest.fail).settings


@pytest.mark.parametrize("name", ["CONFIG", "READY_FILE", "URL", "CLIENT_ID", "CLIENT_SECRET"])
def test_variables_of_the_commands_are_no_settings(name: str) -> None:
    assert not from_environment({PREFIX + name: "x"}, pytest.fail).settings
