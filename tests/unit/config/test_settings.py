"""Settings: one declaration, four sources, one result; each error names its setting and no secret."""

import json
import traceback
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.cli.main import main
from mockmoov.cli.serve import serve
from mockmoov.config.settings import SETTINGS, Layer, Settings, SettingsError, load
from mockmoov.config.sources import PREFIX, from_environment, from_file
from mockmoov.data.scopes import SCOPES
from mockmoov.oauth.api_keys import EXAMPLE, make_api_key

Values = dict[str, Any]

WORD = st.from_regex(r"[a-zA-Z0-9.:#/-]{1,20}", fullmatch=True)
TEXT = st.text(st.characters(max_codepoint=0xD7FF), min_size=1).filter(str.isprintable)
HEADER_VALUE = st.from_regex(r"[!-~]([ -~]*[!-~])?", fullmatch=True)
SECRET = st.from_regex(r"~[A-Za-z0-9_-]{12,40}~", fullmatch=True)
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
API_KEYS = st.dictionaries(
    WORD.filter(lambda word: ":" not in word and word not in (".", "..")), API_KEY, min_size=1, max_size=2
).map(lambda keys: [{"client_id": client_id, **members} for client_id, members in keys.items()])
STUBS = st.lists(
    st.fixed_dictionaries(
        {"endpoint": st.sampled_from(["listAccounts", "GET /accounts/{accountID}"])},
        optional={
            "status": st.sampled_from([200, 404]),
            "json": st.lists(st.booleans() | st.just({"id": "{accountID}"}), max_size=2),
            "where": st.just({"query": {"count": "1"}, "body": {"amount": {"value": 100}}}),
            "times": st.integers(1, 9),
        },
    ),
    max_size=2,
)
INVALID_STUBS: Mapping[str, Any] = {
    "endpoint is missing": {}, "a stub answers an operation: for token": {"endpoint": "token"},
    "endpoint must be a string or null": {"endpoint": 1}, "; did you mean times?": {"time": 1},
    "status must be an integer >= 200": {"endpoint": "ping", "status": 20},
}  # fmt: skip
TEXTS = ("tls_ca_file", "tls_ca_folder", "tls_cert", "tls_key", "issuer", "openapi", "seed", "signing_key")
SWITCHES = ("tls", "refresh_rotation", "refresh_reuse_detection", "access_log", "journal_bodies")
RANGES = {
    "port": (0, 65535), "tls_port": (0, 65535), "access_token_lifetime": (1, 10**8),
    "refresh_token_lifetime": (1, 10**8), "refresh_grace_seconds": (0, 10**8), "rate_limit": (0, 10**6),
    "upstream_timeout": (1, 3600), "journal_size": (0, 10**6),
}  # fmt: skip
CHOICES = {
    "token_format": ["jwt", "opaque"], "scope_catalogue": ["strict", "open"],
    "origin_policy": ["if-present", "required", "off"], "control": ["auto", "on", "off"],
    "log_format": ["text", "json"],
}  # fmt: skip


def integers(low: int, high: int) -> st.SearchStrategy[int]:
    both = st.sampled_from([low, high]) | st.integers(low, high)
    return both.filter(lambda value: value != Settings().tls_port)  # http and https need different ports


def beyond(low: int, high: int) -> list[Any]:
    return [low - 1, high + 1, str(low - 1), str(high + 1), "", "1.5", 1.0, True, None]


# Native values that are valid, from which the text that means the same is derived, and values of any kind
# that are invalid.
VALUES: Mapping[str, tuple[st.SearchStrategy[Any], list[Any]]] = {
    **dict.fromkeys(TEXTS, (TEXT, ["", "a\nb", "-----BEGIN PRIVATE KEY-----\n", "\x7f", 1, []])),
    **dict.fromkeys(SWITCHES, (st.booleans(), ["", "maybe", "onn", 2, 1.0, None, []])),
    **{name: (integers(*bounds), beyond(*bounds)) for name, bounds in RANGES.items()},
    **{
        name: (st.sampled_from(words), ["", words[0].upper(), "x", 1, None])
        for name, words in CHOICES.items()
    },
    "host": (WORD, ["", "a\nb", 1, None]),
    "allowed_hosts": (
        st.lists(st.sampled_from(["moov", "My_Moov:8080", "10.0.0.1", "[::1]:80", "a.example"]), max_size=3),
        [1, [1], ["a", ""], ",", None, {}, "http://a", "a/b", "a:", "a:123456", "é"],
    ),
    "public_url": (
        st.sampled_from(["https://moov.example", "http://localhost:1/moov"]),
        ["", "moov.example", "ftp://a", "https://", "https://a?b", "https://a#b", "https://a b", 1],
    ),
    "cors_origins": (
        st.lists(st.sampled_from(["*", "https://shop.example", "http://a.example:81"])),
        ["null", "shop.example", "https://shop.example/", "https://*.example", [1], 1, None],
    ),
    "tls_names": (
        st.lists(st.sampled_from(["api.moov.io", "xn--zrich-kva.test", "10.0.0.1", "fd00::1"]), max_size=3),
        ["api.moov.io:443", "*.moov.io", "-a", "a-", "a_b", "a..b", "fe80::1%lo", "é", [1], 1, None],
    ),
    "default_version": (
        st.sampled_from(["2023", "2023-sdk", "latest", "v2024.01", "v2026.10.00"]),
        ["2024", "v2026.2.00", "V2026.01.00", "", "lates", 2024, None],
    ),
    "audiences": (st.lists(WORD, min_size=1, max_size=3), ["", [], [1], 7, None]),
    "upstream": (
        st.sampled_from(["http://localhost:4010", "https://[::1]/a/b", "HTTP://a-b.example:80"]),
        [
            *("", "localhost:4010", "ftp://a", "//a", "http://", "http://a b", "http://a\n", 1, None),
            *("http://u:p@a", "http://u@a", "http://a?b", "http://a#b", "http://a:65536", "http://a:x"),
            *("http://:80", "http://a/..", "http://a/./b", "http://a//b", "http://a/%2e", "http://[g]"),
            *("http://a..b", "http://a,b"),
        ],
    ),
    "api_keys": (API_KEYS, ["", "[]", "{}", "[1]", "null", [], {}, 1, "[" * 100_000, f"[{'9' * 5000}]"]),
    "stubs": (STUBS, ["", "{}", "[1]", "null", "[" * 100_000, {}, 1, [1]]),
    "control_token": (HEADER_VALUE, ["", "a\nb", "\x7f", 42, [], "schlüssel", " a", "a "]),
}
GOOD = {name: strategy for name, (strategy, _) in VALUES.items()}
OF_TLS = ("tls_port", "tls_names", "tls_ca_file", "tls_ca_folder", "tls_cert", "tls_key")
# Settings that conflict with no other.
FREE = sorted(GOOD.keys() - {"signing_key", "openapi", *OF_TLS})
SPELLED = {True: ("on", "true", "yes", "1", "ON", "True"), False: ("off", "false", "no", "0", "OFF")}


@st.composite
def good_values(draw: st.DrawFn) -> Values:
    """Values of any settings that do not contradict each other."""
    with_tls = [(), ("tls_port", "tls_names"), ("tls_ca_file", "tls_ca_folder"), ("tls_cert", "tls_key")]
    names = draw(st.sampled_from(with_tls))
    values: Values = draw(st.fixed_dictionaries({}, optional={name: GOOD[name] for name in FREE}))
    values |= {name: draw(GOOD[name]) for name in names} | ({"tls": True} if names else {})
    if "seed" not in values:
        values |= draw(st.fixed_dictionaries({}, optional={"signing_key": GOOD["signing_key"]}))
    if "upstream" not in values:
        values |= draw(st.fixed_dictionaries({}, optional={"openapi": GOOD["openapi"]}))
    if 0 < values.get("port", 0) == values.get("tls_port"):
        del values["port"]
    return values


def as_text(name: str, value: Any, pick: int = 0) -> str:
    """The value as an environment variable or a flag gives it."""
    if isinstance(value, bool):
        return SPELLED[value][pick % len(SPELLED[value])]
    if name in ("api_keys", "stubs"):
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


def serve_parameters(*arguments: str) -> Values:
    """What the real command line makes of the arguments of `serve`."""
    parent = main.make_context("mockmoov", ["serve"])
    return serve.make_context("serve", [*arguments], parent=parent).params


def flags(values: Mapping[str, str]) -> Layer:
    parsed = serve_parameters(*(f"{spell_flag(name)}={value}" for name, value in values.items()))
    given = {name: value for name, value in parsed.items() if name in SETTINGS and value is not None}
    return Layer(settings=given, spell=spell_flag)


def environment(values: Mapping[str, str]) -> Layer:
    return from_environment({PREFIX + name.upper(): text for name, text in values.items()}, pytest.fail)


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
            sources[number][name] = expected[name] = data.draw(GOOD[name])
            set_by[name] = spelled[number]
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


SPELLINGS: list[Callable[[str], str]] = [
    spell_flag, lambda name: PREFIX + name.upper(), "mockmoov.toml: {}".format, str,
]  # fmt: skip


def test_errors_name_the_setting_as_its_source_does() -> None:
    assert VALUES.keys() == SETTINGS.keys()
    wrong = []
    for name, (_, values) in VALUES.items():
        for value, spell in product(values, SPELLINGS):
            message = message_of(Layer(settings={name: value}, spell=spell))
            if not message.startswith(f"{spell(name)} must ") or len(message) >= 300:
                wrong.append((name, value, message))
    assert wrong == []


def test_an_invalid_choice_suggests_the_nearest() -> None:
    message = message_of(Layer(settings={"origin_policy": "if_present"}))
    assert message == "origin_policy must be one of if-present, required, off; did you mean if-present?"
    message = "--default-version must be 2023, 2023-sdk, or a version such as v2026.10.00"
    for sent, hint in {"latets": "latest", "v26.10.00": "v2026.10.00"}.items():
        assert message_of(flags({"default_version": sent})) == f"{message}; did you mean {hint}?"
    assert message_of(flags({"default_version": "x"})) == message


def test_an_unknown_setting_suggests_the_nearest(tmp_path: Path) -> None:
    table = {
        "prot": "port", "seeds": "seed", "refresh_rotate": "refresh_rotation", "apikeys": "api_keys",
        "origin_polcy": "origin_policy", "zzzzzz": None, "q": None,
    }  # fmt: skip
    for wrong, right in table.items():
        variable = PREFIX + wrong.upper()
        hint = f"; did you mean {PREFIX}{right.upper()}?" if right else ""
        message = message_of(from_environment({variable: "1"}, pytest.fail))
        assert message == f"{variable}: there is no such setting{hint}"
        hint = f"; did you mean {right}?" if right else ""
        for path in (tmp_path / "m.toml", tmp_path / f"{'a' * 120}.toml"):
            assert message_of(file(path, {wrong: 1})) == f"{path}: {wrong}: there is no such setting{hint}"


NOT_TOML = [b"port = ", b"port 80", b'seed = "\xff"', b"port = 1\nport = 2", b"port = " + b"[" * 100_000]


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    def message(path: Path) -> str:
        with pytest.raises(SettingsError) as caught:
            from_file(str(path))
        return str(caught.value)

    path = tmp_path / "mockmoov.toml"
    assert message(path) == f"{path}: No such file or directory"
    assert message(tmp_path) == f"{tmp_path}: Is a directory"
    for content in NOT_TOML:
        path.write_bytes(content)
        assert message(path).startswith(f"{path}: not TOML: ")
    path.write_text("[mockmoov]\nport = 1\n")
    assert message_of(from_file(str(path))) == f"{path}: mockmoov: there is no such setting"


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
    found.append((in_two_sources, "seed and signing_key exclude each other"))
    assert [(message, start) for message, start in found if not message.startswith(start)] == []


def test_settings_of_tls_need_tls() -> None:
    for name in OF_TLS:
        pair = {"tls_cert": "a", "tls_key": "b"} if name in ("tls_cert", "tls_key") else {name: "1"}
        message = f"{next(iter(pair))} has no effect unless tls is on"
        assert message_of(Layer(settings=pair)) == message
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


def test_api_keys_must_be_tables_or_json(toml: Path) -> None:
    for value in ("1", '["port"]', "{port = 1}"):
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
    names = {"allowed_hosts": "Mockmoov:8080", "tls": "on", "tls_names": "API.moov.io"}
    settings = load(Layer(settings={**names, "public_url": "https://Moov.example:444/x/"}))
    assert settings.known_hosts == {"mockmoov:8080", "api.moov.io", "moov.example:444"}
    assert settings.public_url == "https://Moov.example:444/x"


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


MISTAKES: Mapping[str, Any] = {
    "account_id": "no-uuid", "application_id": 5, "origins": ["https://shop.example/path"],
    "scopes": ["/nothing.read"], "grants": ["password"], "enabled": "yes", "client_id": "with:colon",
    "clientid": "a", "name": "x",
}  # fmt: skip


@given(
    secret=SECRET,
    misspelled=st.sampled_from(["client_secret", "client_secrets", "secret", "clientSecret"]),
    mistakes=st.sets(st.sampled_from(list(MISTAKES)), min_size=1),
    cut=st.integers(0, 60),
    suffix=st.sampled_from(["", "\x00", "ü"]),
)
def test_no_error_repeats_a_secret(
    secret: str, misspelled: str, mistakes: set[str], cut: int, suffix: str
) -> None:
    key = {"client_id": "a", misspelled: secret + suffix, **{name: MISTAKES[name] for name in mistakes}}
    text = json.dumps([key, {"client_id": "b", "client_secret": secret}])
    bad: list[Values] = [
        *({"api_keys": value} for value in ([key], text, text[: len(text) - 1 - cut], secret)),
        *({"seed": [secret]}, {"seed": secret, "signing_key": "a.pem"}, {"seed": secret, "api_key": text}),
    ]
    for values in bad:
        with pytest.raises(SettingsError) as caught:
            load(Layer(settings=values))
        assert secret not in "".join(traceback.format_exception_only(caught.value))
        assert secret not in str(caught.value.__cause__)


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


def test_other_variables_are_no_settings() -> None:
    own = ("CONFIG", "READY_FILE", "URL", "CA_FILE", "CLIENT_ID", "CLIENT_SECRET")  # of the commands
    environ = {"PORT": "1", "mockmoov_port": "1", "MOCKMOOV": "1", **{PREFIX + name: "x" for name in own}}
    assert not from_environment(environ, pytest.fail).settings
