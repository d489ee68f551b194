"""Errors of settings: each names its setting, quotes the value, says what is right, and repeats no secret."""

import json
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockmoov.config.settings import SETTINGS, Layer, SettingsError, load
from mockmoov.config.sources import PREFIX, from_environment, from_file
from tests.support.settings import (
    GOOD,
    SECRET,
    VALUES,
    Values,
    as_text,
    file,
    flags,
    message_of,
    spell_flag,
)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes()
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)
NAMES = sorted(SETTINGS)


@st.composite
def any_layers(draw: st.DrawFn) -> list[Layer]:
    """A file, an environment and flags, in which anything may be."""
    file: Values = {name: draw(ANYTHING | GOOD[name]) for name in draw(st.lists(st.sampled_from(NAMES)))}
    texts: list[Values] = [
        {name: draw(st.text() | GOOD[name].map(partial(as_text, name))) for name in names}
        for names in (draw(st.lists(st.sampled_from(NAMES))) for _ in range(2))
    ]
    texts[0] |= draw(st.dictionaries(st.from_regex("[A-Z_]{1,9}", fullmatch=True), st.text(), max_size=1))
    return [
        Layer(settings=file, source="mockmoov.toml: "),
        from_environment({PREFIX + name.upper(): text for name, text in texts[0].items()}, lambda _: None),
        Layer(settings=texts[1], spell=spell_flag),
    ]


@given(layers=any_layers())
def test_anything_is_loaded_or_explained(layers: list[Layer]) -> None:
    """An error names a setting as its source spells it, and then says something."""
    names = [layer.describe(name) for layer in layers for name in layer.settings]
    message = ""
    try:
        load(*layers)
    except SettingsError as error:
        message = str(error)
    assert not message or any(message.partition(name)[2].strip(" :") for name in names), message


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
    choices = "origin_policy must be one of if-present, required, off"
    assert message == f"{choices}, not 'if_present'; did you mean if-present?"
    message = "--default-version must be 2023, 2023-sdk, or a version such as v2026.10.00, not "
    for sent, hint in {"latets": "latest", "v26.10.00": "v2026.10.00"}.items():
        assert message_of(flags({"default_version": sent})) == f"{message}{sent!r}; did you mean {hint}?"
    assert message_of(flags({"default_version": "x"})) == f"{message}'x'"


HOST = "allowed_hosts must be hosts such as mockmoov, mockmoov:8080, .example.com or *, not"
NAME = "tls_names must be host names or IP addresses, without a port, not"
URL = "public_url must be a URL such as http://localhost:8080, without credentials, query or fragment, not"
PORT = "a port is a number from 1 to 65535"
EXPLAINED: list[tuple[str, object, str]] = [
    ("port", "80a", "port must be a whole number from 0 to 65535, not '80a'"),
    ("port", 1.5, "port must be a whole number from 0 to 65535, not 1.5"),
    ("tls", None, "tls must be on or off, not None"),
    ("allowed_hosts", "moov,http://a", f"{HOST} 'http://a': leave out the scheme"),
    ("allowed_hosts", "x.y/z", f"{HOST} 'x.y/z': leave out the path"),
    ("allowed_hosts", "é.example", f"{HOST} 'é.example': write its name as IDNA, xn--..."),
    ("allowed_hosts", "a..b", f"{HOST} 'a..b': a part of the name is empty"),
    ("allowed_hosts", "*.example.com", f"{HOST} '*.example.com': write .example.com"),
    ("allowed_hosts", "a:0", f"{HOST} 'a:0': {PORT}"),
    ("allowed_hosts", "a:65536", f"{HOST} 'a:65536': {PORT}"),
    ("allowed_hosts", "a*", f"{HOST} 'a*'"),
    ("tls_names", "http://a", f"{NAME} 'http://a': leave out the scheme"),
    ("tls_names", "é", f"{NAME} 'é': write its name as IDNA, xn--..."),
    ("tls_names", "a:443", f"{NAME} 'a:443'"),
    ("public_url", "https://é", f"{URL} 'https://é': write its name as IDNA, xn--..."),
    ("public_url", "https://a:0/x", f"{URL} 'https://a:0/x': {PORT}"),
    ("public_url", "https://u:p@a:0", URL.removesuffix(", not")),
    ("issuer", ["x" * 99], f"issuer must be printable text, at least one character, not ['{'x' * 75}..."),
]


def test_an_error_quotes_the_value_and_says_what_is_right() -> None:
    found = [(name, value, message_of(Layer(settings={name: value}))) for name, value, _ in EXPLAINED]
    assert found == EXPLAINED


def test_an_error_quotes_members_of_an_api_key() -> None:
    wrong = {"account_id": "no-uuid", "scopes": "/ping.read", "origins": ["shop.example"], "enabled": "yes"}
    for name, value in wrong.items():
        culprit = value[0] if isinstance(value, list) else value
        key = {"client_id": "a", "client_secret": "b", name: value}
        assert message_of(Layer(settings={"api_keys": [key]})).endswith(f", not {culprit!r}")


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
    assert message(path).startswith(f"{path}: [mockmoov] is a table: write settings at the top")


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
        *({name: f"{secret}\n"} for name in ("seed", "signing_key", "tls_key", "control_token")),
        *(
            {name: f"http://user:{secret}@a"}
            for name in ("public_url", "upstream", "cors_origins", "tls_names")
        ),
        *({"allowed_hosts": f"{sign}{secret}@a"} for sign in ("", "*.")),
        {"port": [{"url": f"https://{secret}@a"}]},
        {"api_keys": [{"client_id": f"{secret}:", "client_secret": secret}]},
        {"api_keys": [{"client_id": "a", "client_secret": f"{secret}\n"}]},
        {"api_keys": [{"client_id": "a", "client_secret": "b", secret: "c"}]},
        {"stubs": secret},
    ]
    for values in bad:
        with pytest.raises(SettingsError) as caught:
            load(Layer(settings=values))
        assert secret not in "".join(traceback.format_exception_only(caught.value))
        assert secret not in str(caught.value.__cause__)
